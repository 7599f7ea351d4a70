package account

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a server without the system's time zones still knows Place
)

// Condition is a question about an account as a configuration asks it: who may
// enter an application, who is a student, whom an operator may help. It is
// either one of all, any and not, or a question about one attribute, about the
// status, or about today's date. The zero Condition holds for everybody. In
// JSON an empty list stays what it is: it is held by nobody.
type Condition struct {
	All []Condition `json:"all,omitzero"`
	Any []Condition `json:"any,omitzero"`
	Not *Condition  `json:"not,omitempty"`

	// Attribute is a name that Value knows. It holds when one of its values is
	// in In, whatever the case of the letters; or, without In, when there is
	// any value.
	Attribute string   `json:"attribute,omitempty"`
	In        []string `json:"in,omitzero"`

	// Status holds for accounts in one of these states.
	Status []Status `json:"status,omitzero"`

	// From and Until are the first and the last day, in Place, on which it
	// holds (requirement R57).
	From  Date `json:"from,omitzero"`
	Until Date `json:"until,omitzero"`
}

// Place is where the days of a configuration and of a directory begin and end
// (requirement R11).
var Place = mustLoad("Europe/Paris")

// Validate reports what cannot be meant.
func (c Condition) Validate() error {
	kinds := 0
	for _, used := range []bool{c.All != nil, c.Any != nil, c.Not != nil, c.Attribute != "", c.Status != nil, !c.From.IsZero() || !c.Until.IsZero()} {
		if used {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("a condition has one of: all, any, not, attribute, status, from and until; put several under all")
	case c.In != nil && c.Attribute == "":
		return errors.New("in: belongs to an attribute")
	case c.All != nil && len(c.All) == 0, c.Any != nil && len(c.Any) == 0:
		return errors.New("all and any want at least one condition")
	case !c.From.IsZero() && !c.Until.IsZero() && c.Until.In(Place).Before(c.From.In(Place)):
		return errors.New("until is before from")
	}
	for _, s := range c.Status {
		if !slices.Contains([]Status{Pending, Active, Grace, Locked, Disabled}, s) {
			return fmt.Errorf("status: no state is called %q", s)
		}
	}
	for _, each := range append(slices.Clone(c.All), c.Any...) {
		if err := each.Validate(); err != nil {
			return err
		}
	}
	if c.Not != nil {
		return c.Not.Validate()
	}
	return nil
}

// Holds reports whether the account meets the condition at a time.
func (c Condition) Holds(a Account, now time.Time) bool {
	switch {
	case c.All != nil:
		return !slices.ContainsFunc(c.All, func(each Condition) bool { return !each.Holds(a, now) })
	case c.Any != nil:
		return slices.ContainsFunc(c.Any, func(each Condition) bool { return each.Holds(a, now) })
	case c.Not != nil:
		return !c.Not.Holds(a, now)
	case c.Attribute != "":
		values := a.Values(c.Attribute)
		if c.In == nil {
			return len(values) > 0
		}
		return slices.ContainsFunc(values, func(v string) bool {
			return slices.ContainsFunc(c.In, func(wanted string) bool { return strings.EqualFold(v, wanted) })
		})
	case c.Status != nil:
		return slices.Contains(c.Status, a.Status)
	}
	if !c.From.IsZero() && now.Before(c.From.In(Place)) {
		return false
	}
	return c.Until.IsZero() || now.Before(c.Until.In(Place).AddDate(0, 0, 1))
}

// Attributes are the names of the directory's attributes that the condition
// looks at, so that they can be read.
func (c Condition) Attributes() []string {
	var names []string
	if c.Attribute != "" && !IsOwn(c.Attribute) {
		names = append(names, c.Attribute)
	}
	for _, each := range append(slices.Clone(c.All), c.Any...) {
		names = append(names, each.Attributes()...)
	}
	if c.Not != nil {
		names = append(names, c.Not.Attributes()...)
	}
	return names
}

// Own values of an account, by the name that a configuration calls them. The
// others are the directory's attributes, by their own names.
const (
	ValueLogin      = "login"
	ValueName       = "displayName"
	ValueGivenName  = "givenName"
	ValueFamilyName = "sn"
	ValueMail       = "mail"
	ValueLanguage   = "preferredLanguage"
	ValueState      = "accountState" // "active" or "grace" (R13)
	ValueEnd        = "accountEnd"   // AAAA-MM-JJ, when there is one
)

// IsOwn reports whether a name is that of an own value, of which there is one at
// the most.
func IsOwn(name string) bool {
	switch name {
	case ValueLogin, ValueName, ValueGivenName, ValueFamilyName, ValueMail, ValueLanguage, ValueState, ValueEnd:
		return true
	}
	return false
}

// Values returns what is known of an account under one name, in the order of
// the directory; nil when there is nothing.
func (a Account) Values(name string) []string {
	one := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	switch name {
	case ValueLogin:
		return one(a.Login)
	case ValueName:
		return one(a.Name)
	case ValueGivenName:
		return one(a.GivenName)
	case ValueFamilyName:
		return one(a.FamilyName)
	case ValueMail:
		return one(a.Mail)
	case ValueLanguage:
		return one(a.Language)
	case ValueState:
		return one(string(a.Status))
	case ValueEnd:
		if a.Ends.IsZero() {
			return nil
		}
		return one(a.Ends.In(Place).Format(time.DateOnly))
	}
	return a.Attributes[name]
}

func mustLoad(name string) *time.Location {
	place, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return place
}
