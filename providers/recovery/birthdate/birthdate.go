// Package birthdate is what a person says of themselves: a number, a date of
// birth and, by choice, the family name. It says who somebody is and proves
// little, since others know it too: by itself it opens a channel on file; it
// adds to another proof; and only where a site insists it is all that is asked
// for a first sign-in.
package birthdate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
)

// Config says which numbers stand beside a date, and how far both are trusted.
type Config struct {
	// Populations are who has which numbers. Of the list the first that an
	// account belongs to counts; without any, whatever name the directory
	// finds the account by is taken for its number.
	Populations []Population `json:"populations"`
	// FamilyName asks for the family name too, the usual one or the one at birth.
	FamilyName bool `json:"familyName"`
	// Weak lets it be all that is asked of an account that was never
	// activated. It is weak: whoever has seen a student card knows both.
	Weak bool `json:"weak"`
	// Now is the clock of the populations' conditions; nil for the system's.
	Now func() time.Time `json:"-"`
}

// Population is some accounts and the attributes of the directory that hold
// their numbers: that of the student, of the file, of the employee.
type Population struct {
	For     account.Condition `json:"for"`
	Numbers []string          `json:"numbers"`
}

// Open checks the populations.
func (c *Config) Open(context.Context, recovery.Env) (recovery.Method, error) {
	for i, p := range c.Populations {
		if err := p.For.Validate(); err != nil {
			return nil, plugin.At(fmt.Sprintf("populations[%d].for", i), err)
		}
		if len(p.Numbers) == 0 {
			return nil, plugin.At(fmt.Sprintf("populations[%d].numbers", i), errors.New("is missing; name the attributes that hold a number"))
		}
	}
	m := &method{Config: *c}
	if m.Now == nil {
		m.Now = time.Now
	}
	return m, nil
}

type method struct {
	recovery.Silent
	Config
}

var (
	_ recovery.Identifying = (*method)(nil)
	_ recovery.Looking     = (*method)(nil)
)

func (*method) Name() string { return "birthdate" }

// Attributes implements recovery.Looking.
func (m *method) Attributes() (names []string) {
	for _, p := range m.Populations {
		names = append(append(names, p.For.Attributes()...), p.Numbers...)
	}
	return names
}

// WithName implements recovery.Identifying.
func (m *method) WithName() bool { return m.FamilyName }

// Offers: of whom no date is known, none is asked (requirement R4).
func (*method) Offers(a account.Account, _ recovery.Purpose) bool { return !a.Birth.IsZero() }

// Alone implements recovery.Asked.
func (m *method) Alone(a account.Account, p recovery.Purpose) bool {
	return m.Weak && p == recovery.Activate && a.Status == account.Pending
}

// Verify compares calendar dates. A login is typed beside it when nothing was
// proved before: it must be a number then (R6).
func (m *method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	born, err := account.ParseDate(a.Code)
	return err == nil && !c.Account.Birth.IsZero() && born == c.Account.Birth &&
		(!m.FamilyName || c.Account.IsNamed(a.Name)) &&
		(a.Login == "" || m.numbers(c.Account, a.Login))
}

func (m *method) numbers(a account.Account, text string) bool {
	if len(m.Populations) == 0 {
		return true
	}
	text = strings.TrimSpace(text)
	for _, p := range m.Populations {
		if p.For.Holds(a, m.Now()) {
			return slices.ContainsFunc(p.Numbers, func(attribute string) bool {
				return slices.ContainsFunc(a.Values(attribute), func(v string) bool { return strings.EqualFold(v, text) })
			})
		}
	}
	return false
}
