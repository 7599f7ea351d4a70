package sso

import (
	"errors"
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
)

// RelyingParty is what every protocol's kind of application has in common. It
// is embedded in oidc.Client and cas.Service, so that a rule reads and holds
// the same on every path.
type RelyingParty struct {
	// Name is shown to people: "Moodle".
	Name string `json:"name"`
	// Theme is one of the site's themes, for the pages on the way to it; the
	// site's own face by default.
	Theme string `json:"theme,omitempty"`
	// Grace says whether accounts whose holder has left may still enter, until
	// the end of their grace: "allow" or "deny", the default (requirement
	// R13).
	Grace Grace `json:"grace,omitempty"`
	// Access is who may enter, among those whose account allows a login at
	// all; everybody when it is left out (requirement R57).
	Access account.Condition `json:"access,omitzero"`
	// MaxAge is how long ago people may have given their password when they
	// enter; as long as the session lasts by default.
	MaxAge plugin.Duration `json:"maxAge,omitempty"`
	// User is the name under which it knows people: the login by default.
	User User `json:"user,omitzero"`
	// Attributes are what the application is told beyond the name of the
	// account: nothing by default (R53).
	Attributes []Attribute `json:"attributes,omitempty"`
}

// Validate reports what cannot be meant. An error names the key.
func (p RelyingParty) Validate() error {
	if p.Name == "" {
		return plugin.At("name", errors.New("is missing: it is what people read"))
	}
	if err := p.Access.Validate(); err != nil {
		return plugin.At("access", err)
	}
	if err := p.User.Validate(); err != nil {
		return plugin.At("user", err)
	}
	told := map[string]bool{}
	for i, each := range p.Attributes {
		place := fmt.Sprintf("attributes[%d]", i)
		if err := each.Validate(); err != nil {
			return plugin.At(place, err)
		}
		if told[each.Told()] {
			return plugin.At(place, fmt.Errorf("%q is told already: give it another name by as", each.Told()))
		}
		told[each.Told()] = true
	}
	return nil
}

// Admit decides whether an account may enter at a time: by its state, by its
// grace, by Access, and by whether it has the one name that User asks for. The
// reason is empty when it may.
func (p RelyingParty) Admit(a account.Account, now time.Time) (why account.Reason) {
	switch {
	case !a.Status.MayLogin():
		return a.Reason
	case a.Status == account.Grace && p.Grace != GraceAllow:
		return account.ReasonDeparture
	case !p.Access.Holds(a, now), !p.User.has(a):
		return account.ReasonApplication
	}
	return account.ReasonNone
}

// Freshness is how long ago the credentials may have been given: MaxAge, or
// what the application asks for, whichever is shorter. Zero is no limit.
func (p RelyingParty) Freshness(asked time.Duration) time.Duration {
	own := p.MaxAge.Or(asked)
	if asked > 0 && asked < own {
		return asked
	}
	return own
}

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
		if told, ok := each.release(a); ok {
			out = append(out, told)
		}
	}
	return out
}
