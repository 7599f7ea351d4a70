// Package letters prints what brings people to their account: letters with a
// code for the first sign-in, as PDF, one, two or eight to a page, or as CSV.
//
// A letter is never printed again: who needs another gets another code, and
// the old one ends (requirement R64). All codes of a printing are one batch,
// which can be revoked.
package letters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
)

// Method is the recovery method of what is printed.
const Method = "activationcode"

// Press prints letters. Its fields are set before use.
type Press struct {
	Recovery *recovery.Flow
	Pages    *render.Pages
	// Home is the page where a code is typed, as people copy it from paper.
	Home string
	// Lost is the page of those who have a password, and do not know it.
	Lost string
}

// Recipient is somebody to print a letter for.
type Recipient struct {
	ID       account.ID
	Group    string // the class; may be empty
	Name     string
	Language string
	sort     string
}

// To makes a recipient. The group is the first value of an attribute, empty for
// none.
func To(a account.Account, attribute string) Recipient {
	r := Recipient{ID: a.ID, Name: cmp.Or(a.Name, a.Login), Language: a.Language, sort: account.FoldName(a.FamilyName + " " + a.GivenName)}
	if values := a.Values(attribute); len(values) > 0 {
		// A class of a school is "ENTStructureSIREN=…,ou=structures,…$3E2".
		r.Group = values[0][strings.LastIndexByte(values[0], '$')+1:]
	}
	return r
}

// Search finds recipients in a directory.
func Search(ctx context.Context, d directory.Directory, q directory.Query, attribute string) (out []Recipient, err error) {
	s, ok := d.(directory.Searcher)
	if !ok {
		return nil, errors.New("letters: this directory cannot be looked through; give a list of identifiers")
	}
	err = s.Search(ctx, q, func(a account.Account) bool {
		out = append(out, To(a, attribute))
		return true
	})
	return out, err
}

// Order is what to print.
type Order struct {
	To []Recipient
	// By is the operator, for the audit; Address theirs.
	By      account.ID
	Address string
	// Progress, if set, is told after each recipient.
	Progress func()
}

// Printed is what became of an order.
type Printed struct {
	Batch string // to revoke the codes by
	// Codes, Reminders and Left are how many got a letter with a code, one with
	// the identifier only, and none since their state forbids both.
	Codes, Reminders, Left int
}

// letter is one of them.
type letter struct {
	Recipient
	login  string
	issued recovery.Issued // without a Code for a reminder
}

// sheets takes letters in their order.
type sheets interface {
	add(l letter) error
	close() error
}

// print makes the letters, sorted by group, then name, then language. When it
// fails nothing was printed, and the codes that were made end.
func (p *Press) print(ctx context.Context, o Order, out sheets) (done Printed, err error) {
	to := slices.Clone(o.To)
	slices.SortStableFunc(to, func(a, b Recipient) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.sort, b.sort), cmp.Compare(a.Language, b.Language))
	})
	if done.Batch, err = p.Recovery.NewBatch(ctx, o.By); err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Recovery.RevokeBatch(context.WithoutCancel(ctx), done.Batch, o.By))
		}
	}()
	seen := map[account.ID]bool{} // a second letter would end the code of the first
	for _, r := range to {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		if err := ctx.Err(); err != nil {
			return done, err
		}
		l, ok, err := p.letter(ctx, r, done.Batch, o)
		switch {
		case err != nil:
			return done, fmt.Errorf("letters: %w", err)
		case !ok:
			done.Left++
		case l.issued.Code.Empty():
			done.Reminders++
		default:
			done.Codes++
		}
		if ok {
			if err := out.add(l); err != nil {
				return done, err
			}
		}
		if o.Progress != nil {
			o.Progress()
		}
	}
	return done, out.close()
}

// letter issues the code of one recipient; for an account that is active
// already the letter recalls the identifier (requirement R61).
func (p *Press) letter(ctx context.Context, r Recipient, batch string, o Order) (l letter, ok bool, err error) {
	issued, err := p.Recovery.Issue(ctx, recovery.Issue{Method: Method, Account: r.ID, By: o.By, Address: o.Address, Language: r.Language, Batch: batch})
	switch {
	case err == nil:
		return letter{r, issued.Account.Login, issued}, true, nil
	case errors.Is(err, directory.ErrNotFound):
		return letter{}, false, nil
	case !errors.Is(err, recovery.ErrState):
		return letter{}, false, err
	}
	a, err := p.Recovery.Directory.Get(ctx, r.ID)
	if errors.Is(err, directory.ErrNotFound) || err == nil && !a.Status.MayLogin() {
		return letter{}, false, nil
	}
	return letter{r, a.Login, recovery.Issued{}}, err == nil, err
}

// sheet is the wording of a letter.
func (p *Press) sheet(l letter, card bool) render.Sheet {
	s := render.Sheet{Name: l.Name, Group: l.Group, Login: l.login, Code: l.issued.Code.Reveal(), Until: l.issued.Until, URL: p.Lost, Card: card}
	if s.Code != "" {
		s.URL = p.Home
	}
	return s
}
