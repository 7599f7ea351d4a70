package cas

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/cas/registry"
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
	// Session is the name of the record from which the ticket hangs, for what
	// is granted on it. Its tag is the ticket's.
	Session string `json:"session"`
	// Proxies are the services that came between, the most recent first.
	Proxies []string `json:"proxies,omitempty"`

	Placement registry.Placement `json:"placement,omitempty"`
}

type attribute struct {
	Name   string   `json:"n"`
	Values []string `json:"v"`
}

// assert settles what a ticket for this ask says of a session, which is known
// to the store as under.
func (p *protocol) assert(a ask, s *session.Session, under store.Key) assertion {
	user, _ := a.party.Username(s.Account, p.env.Keys) // Admit has seen that there is one
	out := assertion{
		Service:   a.service.String(),
		Party:     a.party.Name,
		Account:   s.Account.ID,
		User:      user,
		AuthTime:  s.AuthTime.UTC(),
		NewLogin:  s.FromCredentials,
		LongTerm:  s.LongTerm,
		Session:   under.Name,
		Placement: a.party.Placement,
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

// all are the attributes of the answer: those of every answer in the order that
// the schema gives them (CAS 3.0.3 appendix A), then those released.
func (a assertion) all() []attribute {
	return append([]attribute{
		{registry.AttributeDate, []string{a.date()}},
		{registry.AttributeLongTerm, []string{strconv.FormatBool(a.LongTerm)}},
		{registry.AttributeNewLogin, []string{strconv.FormatBool(a.NewLogin)}},
	}, a.Attributes...)
}

// date is an xs:dateTime.
func (a assertion) date() string { return a.AuthTime.UTC().Format(time.RFC3339) }

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
