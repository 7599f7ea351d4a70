package sso

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// User says under which name an application knows people: cas:user,
// preferred_username. A configuration may write just the Name.
type User struct {
	// Name is "login", the default; another value of the account (see
	// account.Account.Values), of which it must have exactly one; or "opaque",
	// an identifier that means nothing elsewhere.
	Name string `json:"name,omitempty"`
	// Sector is what applications share that must know people by the same
	// opaque identifier. Whoever changes it changes everybody's.
	Sector string `json:"sector,omitempty"`
	// Lower writes the name in lower case.
	Lower bool `json:"lower,omitempty"`
}

// UserOpaque is the Name of an opaque identifier.
const UserOpaque = "opaque"

// UnmarshalJSON takes a name alone, or an object.
func (u *User) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &u.Name)
	}
	type plain User // without this method
	return plugin.Strict(b, (*plain)(u))
}

// Validate reports what cannot be meant.
func (u User) Validate() error {
	switch opaque := u.Name == UserOpaque; {
	case opaque && u.Sector == "":
		return plugin.At("sector", errors.New("is missing: name what shares these identifiers, and never change it"))
	case !opaque && u.Sector != "":
		return plugin.At("sector", errors.New("is for opaque identifiers only"))
	case opaque && u.Lower:
		return plugin.At("lower", errors.New("two opaque identifiers could become one"))
	}
	return nil
}

// Opaque is the identifier of an account within a sector: always the same,
// told from nobody's, and of no use to find out who it is. It holds as long as
// the keyring's master key does. It is 32 letters and digits.
func Opaque(keys *secret.Keyring, sector string, id account.ID) string {
	return keys.Deriver("sso opaque").Text(32, sector, string(id))
}

// Username is the name under which an application knows an account. It is false
// when there is none, or not exactly one: another name is never told in its
// place (requirement R53). Admit refuses such an account.
func (p RelyingParty) Username(a account.Account, keys *secret.Keyring) (string, bool) {
	if !p.User.has(a) {
		return "", false
	}
	switch {
	case p.User.Name == UserOpaque:
		return Opaque(keys, p.User.Sector, a.ID), true
	case p.User.Lower:
		return strings.ToLower(p.User.values(a)[0]), true
	}
	return p.User.values(a)[0], true
}

func (u User) values(a account.Account) []string {
	if u.Name == "" {
		return a.Values(account.ValueLogin)
	}
	return a.Values(u.Name)
}

// has tells whether an account has the one name that it would be known by.
func (u User) has(a account.Account) bool {
	if u.Name == UserOpaque {
		return a.ID != ""
	}
	values := u.values(a)
	return len(values) == 1 && plain(values[0])
}

// plain tells whether a name can be told as it is: not empty, and nothing but
// visible characters. Control characters have fooled clients (R-CAS-11).
func plain(name string) bool {
	return name != "" && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}
