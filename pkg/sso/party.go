package sso

import (
	"cmp"
	"time"

	"github.com/loge-idp/loge/pkg/account"
)

// RelyingParty is what every protocol's kind of application has in common. It
// is embedded in oidc.Client and cas.Service, so that a rule reads and holds
// the same on every path.
type RelyingParty struct {
	// Name is shown to people: "Moodle".
	Name string `json:"name"`
	// Grace says whether accounts whose holder has left may still enter, until
	// the end of their grace: "allow" or "deny", the default (requirement
	// R13).
	Grace Grace `json:"grace,omitempty"`
	// Access is who may enter, among those whose account allows a login at
	// all; everybody when it is left out (requirement R57).
	Access account.Condition `json:"access,omitzero"`
	// Attributes are what the application is told beyond the name of the
	// account: nothing by default (R53).
	Attributes []Attribute `json:"attributes,omitempty"`
}

// Admit decides whether an account may enter at a time. The reason is empty
// when it may.
func (p RelyingParty) Admit(a account.Account, now time.Time) (why account.Reason) {
	switch {
	case !a.Status.MayLogin():
		return a.Reason
	case a.Status == account.Grace && p.Grace != GraceAllow:
		return account.ReasonDeparture
	case !p.Access.Holds(a, now):
		return account.ReasonApplication
	}
	return account.ReasonNone
}

// Attribute is one thing told to an application. A configuration may write just
// its name.
type Attribute struct {
	// Name is that of a value of the account or of an attribute of the
	// directory: see account.Account.Values.
	Name string `json:"name"`
	// As is the name that the application is told, when it is another.
	As string `json:"as,omitempty"`
}

// Told is the name under which it is told.
func (a Attribute) Told() string { return cmp.Or(a.As, a.Name) }

// Told is what an application is told under one name.
type Told struct {
	Name   string
	Values []string // at least one
	// Single says that there can never be more than one, whoever the person
	// is: a format with types writes a text then, and not a list.
	Single bool
}

// Release returns what the application is told of an account beyond its name,
// in the order of Attributes. Names without a value are left out.
func (p RelyingParty) Release(a account.Account) []Told {
	var out []Told
	for _, each := range p.Attributes {
		if values := a.Values(each.Name); len(values) > 0 {
			out = append(out, Told{Name: each.Told(), Values: values, Single: account.IsOwn(each.Name)})
		}
	}
	return out
}
