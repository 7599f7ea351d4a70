package ldapserver

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// The extended operations that are known.
const (
	passwordModifyOID = "1.3.6.1.4.1.4203.1.11.1" // RFC 3062
	whoAmIOID         = "1.3.6.1.4.1.4203.1.11.3" // RFC 4532
)

func (s *session) extended(request *ber.Packet) result {
	switch text(part(request, 0)) {
	case whoAmIOID:
		who := "" // anonymous
		if s.identity != "" {
			who = "dn:" + s.dn
		}
		return result{value: &who}
	case passwordModifyOID:
		if len(request.Children) < 2 {
			return result{code: goldap.LDAPResultProtocolError}
		}
		return s.passwordModify(text(request.Children[1]))
	}
	return result{code: goldap.LDAPResultProtocolError, text: "no such operation"}
}

func (s *session) passwordModify(value string) result {
	fields, err := ber.DecodePacketErr([]byte(value))
	if err != nil {
		panic(malformed)
	}
	target, old, password := s.dn, "", ""
	for _, f := range fields.Children {
		switch f.Tag {
		case 0:
			target = strings.TrimPrefix(text(f), "dn:")
		case 1:
			old = text(f)
		case 2:
			password = text(f)
		}
	}
	key, _ := s.server.tree.schema.nameKey(target)
	if s.identity == "" || key != s.identity && !s.may(s.server.writers) {
		return forbidden
	}
	var made string // RFC 3062 section 2: where none is chosen
	if password == "" {
		password = rand.Text()
		answer := ber.NewSequence("")
		answer.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, password, ""))
		made = string(answer.Bytes())
	}
	changed := outcome(s.server.tree.change(target, func(o *object) error {
		if old != "" && !o.passwordIs(old) {
			return &failure{goldap.LDAPResultUnwillingToPerform, "the old password is another"}
		}
		o.passwords = []string{hash(password)}
		return nil
	}))
	if changed.code == goldap.LDAPResultSuccess && made != "" {
		changed.value = &made
	}
	return changed
}

// hash is OpenLDAP's {SSHA512}: enough for a directory that forgets
// everything when its process ends.
func hash(password string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	sum := sha512.Sum512(append([]byte(password), salt...))
	return "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}

// passwordIs compares with {SSHA}, {SSHA512} and plain values.
func (o *object) passwordIs(password string) bool {
	for _, stored := range o.passwords {
		var have, want []byte
		scheme, encoded, hashed := strings.Cut(stored, "}")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		switch {
		case hashed && scheme == "{SSHA" && err == nil && len(raw) >= sha1.Size:
			sum := sha1.Sum(append([]byte(password), raw[sha1.Size:]...))
			have, want = sum[:], raw[:sha1.Size]
		case hashed && scheme == "{SSHA512" && err == nil && len(raw) >= sha512.Size:
			sum := sha512.Sum512(append([]byte(password), raw[sha512.Size:]...))
			have, want = sum[:], raw[:sha512.Size]
		case hashed && scheme != "" && scheme[0] == '{':
			continue // a scheme that is not known matches nothing
		default:
			have, want = []byte(password), []byte(stored)
		}
		if subtle.ConstantTimeCompare(have, want) == 1 {
			return true
		}
	}
	return false
}
