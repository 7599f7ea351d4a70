package cas

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
)

// assertion is what a ticket stands for. It is settled when the ticket is
// issued, so that validating asks nobody else.
type assertion struct {
	Service    string      `json:"service"`
	Party      string      `json:"party"`
	Account    account.ID  `json:"account"`
	User       string      `json:"user"`
	Attributes []attribute `json:"attributes,omitempty"`
	AuthTime   time.Time   `json:"auth_time"`
	// NewLogin: the credentials were given for this ticket.
	NewLogin bool `json:"new_login,omitempty"`
	LongTerm bool `json:"long_term,omitempty"`
}

type attribute struct {
	Name   string   `json:"n"`
	Values []string `json:"v"`
}

func assert(a ask, s *session.Session) assertion {
	out := assertion{
		Service:  a.service.raw,
		Party:    a.party.Name,
		Account:  s.Account.ID,
		User:     s.Account.Login,
		AuthTime: s.AuthTime.UTC(),
		NewLogin: s.FromCredentials,
		LongTerm: s.LongTerm,
	}
	for _, told := range a.party.Release(s.Account) {
		values := slices.Clone(told.Values)
		for i := range values {
			values[i] = clean(values[i])
		}
		out.Attributes = append(out.Attributes, attribute{told.Name, values})
	}
	return out
}

const assertionField = "assertion"

func (a assertion) fields() store.Fields {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // texts, flags and a time
	}
	return store.Fields{assertionField: string(text)}
}

func assertionOf(fields store.Fields) (assertion, error) {
	var a assertion
	err := json.Unmarshal([]byte(fields[assertionField]), &a)
	return a, err
}

// plainUser tells whether a name can be told as it is: not empty, and nothing
// but visible characters.
func plainUser(user string) bool {
	return user != "" && utf8.ValidString(user) &&
		!strings.ContainsFunc(user, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

// clean puts U+FFFD in place of what XML 1.0 (section 2.2) has no way to
// write, and of the other control characters.
func clean(value string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return r
		}
		if unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, value)
}

// The attributes that every answer has (CAS 3.0.3 section 2.5.7).
const (
	attributeDate     = "authenticationDate"
	attributeLongTerm = "longTermAuthenticationRequestTokenUsed"
	attributeNewLogin = "isFromNewLogin"
)

// checkNames refuses attributes that a client could not tell apart.
func checkNames(attributes []sso.Attribute) error {
	taken := map[string]string{attributeDate: attributeDate, attributeLongTerm: attributeLongTerm, attributeNewLogin: attributeNewLogin}
	for _, each := range attributes {
		name := each.Name
		if name == "" {
			return errors.New("a name is empty")
		}
		if other, double := taken[elementName(name)]; double {
			return fmt.Errorf("%q would be told under the same name as %q", name, other)
		}
		taken[elementName(name)] = name
	}
	return nil
}

// elementName makes an XML name without a colon (NCName) of an attribute's:
// "mail;lang-fr" becomes "mail_lang-fr".
func elementName(name string) string {
	var out strings.Builder
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
		later := '0' <= r && r <= '9' || r == '-' || r == '.'
		switch {
		case letter:
			out.WriteRune(r)
		case later && i == 0:
			out.WriteRune('_')
			out.WriteRune(r)
		case later:
			out.WriteRune(r)
		default:
			out.WriteRune('_')
		}
	}
	return out.String()
}
