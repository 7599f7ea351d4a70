package operator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// Population is some of the accounts that an operator may do something to: a
// school, a class, everybody that a rule is over, with their relatives where the
// rule is over those too.
type Population struct {
	Rule  string
	Value string // of the rule's reach; empty for a rule that has none
}

// Key is the population in a form. It is worth nothing to whom the rule does
// not make an operator.
func (p Population) Key() string { return p.Rule + "|" + p.Value }

// Populations are those that an operator may do something to.
func (d *Desk) Populations(op account.Account, verb Verb) []Population {
	var out []Population
	for _, r := range d.Rules {
		switch {
		case !slices.Contains(r.Verbs, verb) || !r.Who.Holds(op, d.now()):
		case r.Reach == nil:
			out = append(out, Population{Rule: r.Name})
		default:
			for _, v := range r.Reach.mine(op) {
				out = append(out, Population{Rule: r.Name, Value: v})
			}
		}
	}
	return out
}

// query finds a population.
func (rules Rules) query(p Population) directory.Query {
	for _, r := range rules {
		if r.Name == p.Rule && r.Reach != nil {
			return directory.Query{Where: map[string][]string{r.Reach.Theirs: {p.Value}}}
		}
	}
	return directory.Query{}
}

// relatives is the attribute by which the accounts of a population are named by
// others that belong to it too; empty for none.
func (rules Rules) relatives(p Population) string {
	for _, r := range rules {
		if r.Name == p.Rule && r.Reach != nil {
			return r.Reach.Relatives
		}
	}
	return ""
}

// Selection says which accounts are meant.
type Selection struct {
	Of string // the Key of a population
	// Group narrows it to those who have this value in one of Desk.Groups.
	Group string
	// Where narrows it to those for whom this holds.
	Where account.Condition
	// Logins, where given, are meant instead of a population.
	Logins []string
	// Except are logins that are not meant.
	Except []string
	// And is a second thing that the operator must be allowed to do to each;
	// empty for none.
	And Verb
}

// ErrPopulation says that there is no such population, or none of this
// operator's.
var ErrPopulation = errors.New("operator: no such population")

// Selected are the accounts of a selection to which an operator may do
// something.
type Selected struct {
	Accounts []account.Account
	More     bool // there are others
	// Left are those of Selection.Logins that nobody has, and those of accounts
	// to which the operator may not do it: which is which is not told.
	Left []string
}

// Select returns at most so many accounts of a selection. Errors: a Denied,
// ErrPopulation, or one that wraps directory.ErrUnavailable.
func (d *Desk) Select(ctx context.Context, c Case, verb Verb, sel Selection, most int) (out Selected, err error) {
	op, err := d.Enter(ctx, c)
	if err != nil {
		return out, err
	}
	verbs := []Verb{verb}
	if sel.And != "" {
		verbs = append(verbs, sel.And)
	}
	for _, v := range verbs {
		if !d.Rules.May(op, v, d.now()) {
			return out, d.refused(ctx, c, v, DeniedScope)
		}
	}
	all, err := d.meant(ctx, op, verb, sel)
	if err != nil {
		return out, err
	}
	children := d.children()
	leave := func(m meant) {
		if m.login != "" {
			out.Left = append(out.Left, m.login)
		}
	}
	for _, m := range all {
		a := m.account
		if a.ID == "" {
			leave(m)
			continue
		}
		if slices.ContainsFunc(sel.Except, func(l string) bool { return strings.EqualFold(l, a.Login) }) || !d.grouped(a, sel.Group) || !sel.Where.Holds(a, d.now()) {
			continue
		}
		var err error
		for _, v := range verbs {
			err = cmp.Or(err, d.Rules.Allows(ctx, op, v, a, d.now(), children))
		}
		if denied := Denied(""); errors.As(err, &denied) {
			leave(m)
			continue
		} else if err != nil {
			return Selected{}, err
		}
		if len(out.Accounts) == most {
			out.More = true
			return out, nil
		}
		out.Accounts = append(out.Accounts, a)
	}
	return out, nil
}

// meant is one of a selection before the rules.
type meant struct {
	login   string // as it was given; empty for one of a population
	account account.Account
}

// meant are all of a selection: without an account where nobody has the login.
func (d *Desk) meant(ctx context.Context, op account.Account, verb Verb, sel Selection) (out []meant, err error) {
	if len(sel.Logins) > 0 {
		for _, login := range sel.Logins {
			a, err := d.Directory.Find(ctx, login)
			if err != nil && !errors.Is(err, directory.ErrNotFound) {
				return nil, err
			}
			out = append(out, meant{login, a})
		}
		return out, nil
	}
	s, ok := d.Directory.(directory.Searcher)
	mine := d.Populations(op, verb)
	at := slices.IndexFunc(mine, func(p Population) bool { return p.Key() == sel.Of })
	if at < 0 || !ok {
		return nil, ErrPopulation
	}
	known := map[account.ID]bool{}
	add := func(a account.Account) bool {
		if !known[a.ID] {
			known[a.ID], out = true, append(out, meant{account: a})
		}
		return true
	}
	err = s.Search(ctx, d.Rules.query(mine[at]), add)
	if by := d.Rules.relatives(mine[at]); err == nil && by != "" {
		var children []string
		for _, m := range out {
			children = append(children, m.account.Handle)
		}
		const atOnce = 50 // in one question to the directory
		for some := range slices.Chunk(children, atOnce) {
			if err == nil {
				err = s.Search(ctx, directory.Query{Where: map[string][]string{by: some}}, add)
			}
		}
	}
	for i := range out { // once the search has ended: this asks again
		if err == nil {
			out[i].account, err = d.whole(ctx, out[i].account)
		}
		if errors.Is(err, directory.ErrNotFound) {
			out[i].account, err = account.Account{}, nil
		}
	}
	return out, err
}

// grouped reports whether an account is of a class or a component, by the value
// or by what stands behind its last "$", as people call it.
func (d *Desk) grouped(a account.Account, group string) bool {
	return group == "" || slices.ContainsFunc(d.Groups, func(attribute string) bool {
		return slices.ContainsFunc(a.Values(attribute), func(v string) bool {
			return strings.EqualFold(v, group) || strings.EqualFold(v[strings.LastIndexByte(v, '$')+1:], group)
		})
	})
}
