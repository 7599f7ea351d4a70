package account

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in one line what a condition asks, and of each part whether the
// account meets it: "no: all of (yes: …; no: …)". It names no value of the
// account.
func (c Condition) Explain(a Account, now time.Time) string {
	verdict := "no: "
	if c.Holds(a, now) {
		verdict = "yes: "
	}
	switch {
	case c.All != nil:
		return verdict + "all of (" + explainEach(c.All, a, now) + ")"
	case c.Any != nil:
		return verdict + "any of (" + explainEach(c.Any, a, now) + ")"
	case c.Not != nil:
		return verdict + "not (" + c.Not.Explain(a, now) + ")"
	case c.Attribute != "" && c.In == nil:
		return fmt.Sprintf("%s%s has a value", verdict, c.Attribute)
	case c.Attribute != "":
		return fmt.Sprintf("%s%s is one of %s", verdict, c.Attribute, strings.Join(c.In, ", "))
	case c.Status != nil:
		return fmt.Sprintf("%sthe account is one of %v", verdict, c.Status)
	}
	var days []string
	if !c.From.IsZero() {
		days = append(days, "from "+c.From.String())
	}
	if !c.Until.IsZero() {
		days = append(days, "until "+c.Until.String())
	}
	if days == nil {
		return verdict + "everybody"
	}
	return verdict + "today is " + strings.Join(days, " ")
}

func explainEach(conditions []Condition, a Account, now time.Time) string {
	var each []string
	for _, c := range conditions {
		each = append(each, c.Explain(a, now))
	}
	return strings.Join(each, "; ")
}
