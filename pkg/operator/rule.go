// Package operator decides what somebody at a desk may do to whom, and does it:
// under rules, after the caller was verified, and never seeing a password.
package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
)

// Verb is one thing that an operator does to an account.
type Verb string

// The verbs.
const (
	// See the account: its state, where it can be reached, what happened.
	See Verb = "see"
	// Unlock lifts a technical lock (requirement R14).
	Unlock Verb = "unlock"
	// Vouch issues a code for the person to choose a password with.
	Vouch Verb = "vouch"
	// Contact corrects a rescue address.
	Contact Verb = "contact"
	// End ends sessions and pending attempts.
	End Verb = "end"
	// Letters prints activation codes.
	Letters Verb = "letters"
	// Campaign forces a change of password on many.
	Campaign Verb = "campaign"
	// Extend grants a later end of the account.
	Extend Verb = "extend"
	// Requests answers those who ask for help and have no other way in. Whoever
	// asks is nobody yet, so it is not narrowed by a rule's reach.
	Requests Verb = "requests"
	// Decide lifts a lock that the institution decided (requirement R14).
	Decide Verb = "decide"
)

var verbs = []Verb{See, Unlock, Vouch, Contact, End, Letters, Campaign, Extend, Requests, Decide}

// Rule makes somebody an operator: who, over whom, for which verbs.
type Rule struct {
	Name string `json:"name"`
	// Who is made an operator by it; required.
	Who account.Condition `json:"who"`
	// Rank orders operators: nobody acts on one of the same or a higher rank.
	// At least 1, which is the default; whoever no rule makes an operator has
	// none.
	Rank int `json:"rank,omitempty"`
	// Verbs are what may be done. See is always among them.
	Verbs []Verb `json:"verbs"`
	// Over are the accounts that may be acted on, among those within reach;
	// everybody when it is left out.
	Over account.Condition `json:"over,omitzero"`
	// Reach, where given, narrows that to accounts that have something in
	// common with the operator: a class, an establishment.
	Reach *Reach `json:"reach,omitempty"`
}

// Reach is what an operator and an account have in common (requirement R60).
type Reach struct {
	// Mine and Theirs are the attributes that must share a value, the
	// operator's and the account's.
	Mine   string `json:"mine"`
	Theirs string `json:"theirs"`
	// Parts adds to a value of the operator those of its parts: an
	// establishment's annexes.
	Parts map[string][]string `json:"parts,omitempty"`
	// Relatives, where given, is the attribute by which an account names the
	// entries of its children (ENTAuxPersRelEleveEleve): they are then within
	// reach when a child is. Authority over the child is what that attribute
	// says, not a mere address (requirement R63).
	Relatives string `json:"relatives,omitempty"`
}

// Rules are all the rules of a site.
type Rules []Rule

// Validate reports what cannot be meant, as a *plugin.Error that names the
// place.
func (rules Rules) Validate() error {
	names := map[string]bool{}
	for i, r := range rules {
		at := func(key string, err error) error { return plugin.At(fmt.Sprintf("[%d]", i), plugin.At(key, err)) }
		switch {
		case r.Name == "" || names[r.Name]:
			return at("name", errors.New("each rule needs a name of its own"))
		case r.Rank < 0:
			return at("rank", errors.New("must be at least 1"))
		case !asks(r.Who):
			return at("who", errors.New("must name an attribute: without one everybody would be an operator"))
		case r.Reach != nil && (r.Reach.Mine == "" || r.Reach.Theirs == ""):
			return at("reach", errors.New("needs mine and theirs"))
		}
		names[r.Name] = true
		for _, v := range r.Verbs {
			if !slices.Contains(verbs, v) {
				return at("verbs", fmt.Errorf("no verb is called %q; known: %v", v, verbs))
			}
		}
		if err := r.Who.Validate(); err != nil {
			return at("who", err)
		}
		if err := r.Over.Validate(); err != nil {
			return at("over", err)
		}
	}
	return nil
}

// asks reports whether a condition looks at any value of an account.
func asks(c account.Condition) bool {
	return c.Attribute != "" || slices.ContainsFunc(append(slices.Clone(c.All), c.Any...), asks) || c.Not != nil && asks(*c.Not)
}

// Attributes are the names of the attributes that the rules look at, so that a
// directory reads them.
func (rules Rules) Attributes() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Who.Attributes()...)
		names = append(names, r.Over.Attributes()...)
		if r.Reach != nil {
			names = append(names, r.Reach.Mine, r.Reach.Theirs)
			if r.Reach.Relatives != "" {
				names = append(names, r.Reach.Relatives)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r Rule) rank() int { return max(r.Rank, 1) }

// Rank is an account's among operators; zero for whoever is none.
func (rules Rules) Rank(a account.Account, now time.Time) int {
	rank := 0
	for _, r := range rules {
		if r.Who.Holds(a, now) {
			rank = max(rank, r.rank())
		}
	}
	return rank
}

// May reports whether any rule lets an operator do something at all, to
// whomever.
func (rules Rules) May(op account.Account, verb Verb, now time.Time) bool {
	return op.Status.MayLogin() && slices.ContainsFunc(rules, func(r Rule) bool { return slices.Contains(r.Verbs, verb) && r.Who.Holds(op, now) })
}

// Answer reports whether anybody answers requests for help here.
func (rules Rules) Answer() bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return slices.Contains(r.Verbs, Requests) })
}

// Denied is why an operator may not do something. It is said to the operator.
type Denied string

// The denials.
const (
	DeniedNoOperator Denied = "no_operator" // not an operator, or not in this state of the own account
	DeniedSelf       Denied = "self"        // nobody acts on themselves
	DeniedRank       Denied = "rank"        // the account is of the same or a higher rank
	DeniedScope      Denied = "scope"       // not within reach, or not for this verb
	DeniedState      Denied = "state"       // the state of the account forbids it (requirement R12)
	DeniedUnverified Denied = "unverified"  // the caller has not shown who they are
)

func (d Denied) Error() string { return "operator: denied: " + string(d) }

// Children finds, among the accounts that a query is about, those at some
// places in the directory (account.Account.Handle).
type Children func(ctx context.Context, among directory.Query, handles []string) ([]account.Account, error)

// Allows decides whether an operator may do something to an account: nil, a
// Denied, or an error of the directory. It looks at both as they are given:
// read them afresh before.
func (rules Rules) Allows(ctx context.Context, op account.Account, verb Verb, target account.Account, now time.Time, children Children) error {
	if !op.Status.MayLogin() || rules.Rank(op, now) == 0 {
		return DeniedNoOperator
	}
	if op.ID == target.ID {
		return DeniedSelf
	}
	why := DeniedScope
	above := rules.Rank(target, now)
	for _, r := range rules {
		if !r.Who.Holds(op, now) || verb != See && !slices.Contains(r.Verbs, verb) {
			continue
		}
		in, err := r.covers(ctx, op, target, now, children)
		switch {
		case err != nil:
			return err
		case !in:
		case above >= r.rank():
			why = DeniedRank
		case !permits(verb, target):
			why = DeniedState
		default:
			return nil
		}
	}
	return why
}

// permits says which states of an account a verb is for. What a desk does never
// opens an account that the institution closed (requirements R12, R14).
func permits(verb Verb, a account.Account) bool {
	technical := a.Status == account.Locked && (a.Reason == account.ReasonTooManyTries || a.Reason == account.ReasonSecurity)
	switch verb {
	case Unlock:
		return technical
	case Vouch, Letters:
		return a.MayReset() || a.MayActivate()
	case Campaign:
		return a.MayReset()
	case Decide:
		return a.Status == account.Locked && a.Reason == account.ReasonAdministrative
	case Extend:
		return a.Status == account.Grace || a.Status == account.Active && !a.Ends.IsZero()
	}
	return true
}

// covers reports whether an account is among those that a rule is about.
func (r Rule) covers(ctx context.Context, op, target account.Account, now time.Time, children Children) (bool, error) {
	if !r.Over.Holds(target, now) {
		return false, nil
	}
	if r.Reach == nil {
		return true, nil
	}
	mine := r.Reach.mine(op)
	if shares(mine, target.Attributes[r.Reach.Theirs]) {
		return true, nil
	}
	handles := target.Attributes[r.Reach.Relatives]
	if r.Reach.Relatives == "" || len(handles) == 0 || len(mine) == 0 {
		return false, nil
	}
	found, err := children(ctx, directory.Query{Where: map[string][]string{r.Reach.Theirs: mine}}, handles)
	if err != nil {
		return false, fmt.Errorf("children of %s: %w", target.ID, err)
	}
	return slices.ContainsFunc(found, func(child account.Account) bool {
		return shares(mine, child.Attributes[r.Reach.Theirs])
	}), nil
}

// mine are the operator's values, with the parts of each.
func (r Reach) mine(op account.Account) []string {
	values := slices.Clone(op.Attributes[r.Mine])
	for _, v := range op.Attributes[r.Mine] {
		values = append(values, r.Parts[v]...)
	}
	return values
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}

// Queries are the searches that find all accounts within an operator's reach:
// what they find is to be held against Allows still. No query at all means that
// the operator reaches nobody.
func (rules Rules) Queries(op account.Account, text string, now time.Time) []directory.Query {
	var queries []directory.Query
	for _, r := range rules {
		if !r.Who.Holds(op, now) {
			continue
		}
		if r.Reach == nil || r.Reach.Relatives != "" {
			// Relatives are found by no attribute of their own.
			return []directory.Query{{Text: text}}
		}
		if mine := r.Reach.mine(op); len(mine) > 0 {
			queries = append(queries, directory.Query{Text: text, Where: map[string][]string{r.Reach.Theirs: mine}})
		}
	}
	return queries
}
