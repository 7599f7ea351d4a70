// Package letters prints what brings people to their account: letters with a
// code for the first sign-in, as PDF or HTML, one, two or eight to a page, or as
// CSV.
//
// A letter is never printed again: who needs another gets another code, and
// the old one ends (requirement R64). All codes of a printing are one batch,
// which can be revoked. Letters leave one by one: a whole town's take no more
// memory than a class's.
package letters

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters/pdf"
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
	// Typed is the same for those who are activated already.
	Typed string
	// Lost is the page of those who have a password, and do not know it.
	Lost string
	Now  func() time.Time // time.Now when nil
}

// Recipient is somebody to print a letter for.
type Recipient struct {
	ID       account.ID
	Group    string // the class; may be empty
	Name     string
	Language string
	sort     string
}

// To makes a recipient. The group is a value of an attribute, empty for none: of
// a pupil of two schools the class that was asked for, and else the first.
func To(a account.Account, attribute string, asked ...string) Recipient {
	r := Recipient{ID: a.ID, Name: cmp.Or(a.Name, a.Login), Language: a.Language, sort: account.FoldName(a.FamilyName + " " + a.GivenName)}
	if values := a.Values(attribute); len(values) > 0 {
		first := max(0, slices.IndexFunc(values, func(v string) bool {
			return slices.ContainsFunc(asked, func(wanted string) bool { return strings.EqualFold(v, wanted) || strings.EqualFold(class(v), wanted) })
		}))
		r.Group = class(values[first])
	}
	return r
}

// class is what people call one: in a directory of schools it is
// "ENTStructureSIREN=…,ou=structures,…$3E2".
func class(value string) string { return value[strings.LastIndexByte(value, '$')+1:] }

// Search finds recipients in a directory: those of a query for whom a condition
// holds. The group is as of To, by the values that the query asks for.
func Search(ctx context.Context, d directory.Directory, q directory.Query, where account.Condition, attribute string) (out []Recipient, err error) {
	s, ok := d.(directory.Searcher)
	if !ok {
		return nil, errors.New("letters: this directory cannot be looked through; give a list of identifiers")
	}
	now := time.Now()
	err = s.Search(ctx, q, func(a account.Account) bool {
		if where.Holds(a, now) {
			out = append(out, To(a, attribute, q.Where[attribute]...))
		}
		return true
	})
	return out, err
}

// Format is what letters are printed as.
type Format string

// The formats.
const (
	PDF  Format = "pdf"  // to print, and tagged for whom hears it
	HTML Format = "html" // the same for a browser
	CSV  Format = "csv"  // for a site's own mail merge
)

// Order is what to print.
type Order struct {
	To     []Recipient
	Format Format
	// PerPage is how many letters stand on a page: 1, 2 or 8; 0 is 1. A table
	// has no pages.
	PerPage int
	// Reset gives a code to those who are activated already too, by which they
	// choose another password; what they have goes on working until then. It
	// needs Resets.
	Reset bool
	// By is the operator, for the audit; Address theirs.
	By      account.ID
	Address string
	// Progress, if set, is told after each recipient.
	Progress func()
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

// ErrNobody says that nobody's state allows a letter.
var ErrNobody = errors.New("letters: the state of everybody's account forbids a letter")

// Print prints letters, sorted by group, then name, then language. What is
// written leaves as it is made, so that an error may come after a part of it;
// the codes of that part are void, as are all of the printing. A bufio.Writer is
// flushed at the end. Errors: ErrNobody and ErrNoReset before anything is
// written, recovery.ErrBatch when somebody revoked it meanwhile, those of the
// directory, the store and w.
func (p *Press) Print(ctx context.Context, w io.Writer, o Order) (b Batch, err error) {
	if o.Reset && !p.Resets() {
		return b, ErrNoReset
	}
	out, err := p.sheets(w, o)
	if err != nil {
		return b, err
	}
	to := o.recipients()
	if b, err = p.begin(ctx, o, len(to)); err != nil {
		return b, err
	}
	defer func() {
		if err == nil {
			return
		}
		if kept := p.revoke(context.WithoutCancel(ctx), b, o.By); kept != nil && !errors.Is(kept, recovery.ErrBatch) {
			err = errors.Join(err, fmt.Errorf("letters: revoke batch %s, whose codes may work: %w", b.Name, kept))
		}
	}()
	if err := p.add(ctx, out, to, o, &b); err != nil {
		return b, err
	}
	if b.Codes+b.Reminders == 0 {
		return b, ErrNobody
	}
	if err := out.close(); err != nil {
		return b, err
	}
	b.State = Printed
	if err := p.note(ctx, &b); err != nil {
		return b, err
	}
	p.Recovery.Audit.Record(ctx, audit.Event{Action: "letters.print", Result: "ok", Actor: o.By, Address: o.Address, Detail: []slog.Attr{
		slog.String("batch", b.Name), slog.String("format", string(o.Format)), slog.Int("codes", b.Codes), slog.Int("reminders", b.Reminders), slog.Int("left", b.Left)}})
	return b, nil
}

// add makes the letters and counts them.
func (p *Press) add(ctx context.Context, out sheets, to []Recipient, o Order, b *Batch) error {
	for _, r := range to {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, ok, err := p.letter(ctx, r, b.Name, o)
		switch {
		case err != nil:
			return fmt.Errorf("letters: %w", err)
		case !ok:
			b.Left++
		case l.issued.Code.Empty():
			b.Reminders++
		default:
			b.Codes++
		}
		if ok {
			if err := out.add(l); err != nil {
				return err
			}
		}
		if o.Progress != nil {
			o.Progress()
		}
		if b.Done()%noted == 0 {
			if err := p.note(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// recipients are those of an order as their letters are sorted, each once: a
// second letter would end the code of the first.
func (o Order) recipients() []Recipient {
	to := slices.Clone(o.To)
	slices.SortStableFunc(to, func(a, b Recipient) int {
		return cmp.Or(natural(a.Group, b.Group), cmp.Compare(a.sort, b.sort), cmp.Compare(a.Language, b.Language))
	})
	seen := map[account.ID]bool{}
	return slices.DeleteFunc(to, func(r Recipient) bool {
		again := seen[r.ID]
		seen[r.ID] = true
		return again
	})
}

func (p *Press) sheets(w io.Writer, o Order) (sheets, error) {
	if o.Format == CSV {
		return &table{Writer: csv.NewWriter(w)}, nil
	}
	f, ok := formats[cmp.Or(o.PerPage, 1)]
	if !ok {
		return nil, fmt.Errorf("letters: %d to a page is none of 1, 2, 8", o.PerPage)
	}
	// The title of the whole is that of a letter: a card has only a name.
	title, lang, err := p.Pages.Sheet("", render.Sheet{Code: "-"})
	if err != nil {
		return nil, err
	}
	title = wording(title)[0].text
	switch o.Format {
	case PDF:
		return &document{press: p, format: f, pdf: pdf.New(w, title, lang)}, nil
	case HTML:
		return &web{press: p, format: f, w: bufio.NewWriter(w), title: title, lang: lang}, nil
	}
	return nil, fmt.Errorf("letters: format %q is none of pdf, html, csv", o.Format)
}

// natural compares names as people count: 3E2 comes before 3E10.
func natural(a, b string) int {
	number := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
	for a != "" && b != "" {
		m, n := number(a), number(b)
		switch {
		case m == 0 || n == 0:
			m, n = 1, 1
		case m != n: // the longer number is the greater one
			return cmp.Compare(m, n)
		}
		if c := strings.Compare(a[:m], b[:n]); c != 0 {
			return c
		}
		a, b = a[m:], b[n:]
	}
	return cmp.Compare(len(a), len(b))
}

// Resets reports whether the method gives codes to those who are activated
// already.
func (p *Press) Resets() bool {
	activated := account.Account{ID: "-", Status: account.Active}
	return slices.ContainsFunc(p.Recovery.Methods, func(m recovery.Method) bool {
		return m.Name() == Method && m.Offers(activated, recovery.Reset)
	})
}

// ErrNoReset says that Order.Reset is not offered here.
var ErrNoReset = errors.New("letters: only accounts still to activate get a code; to give one to the others too set reset in the method " + Method)

// letter issues the code of one recipient; for an account that is active
// already the letter recalls the identifier, unless the order says more
// (requirement R61).
func (p *Press) letter(ctx context.Context, r Recipient, batch string, o Order) (l letter, ok bool, err error) {
	issue := recovery.Issue{Method: Method, Account: r.ID, By: o.By, Address: o.Address, Language: r.Language, Batch: batch, Only: recovery.Activate}
	if o.Reset {
		issue.Only = ""
	}
	issued, err := p.Recovery.Issue(ctx, issue)
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
	if err != nil {
		return letter{}, false, err
	}
	p.Recovery.Audit.Record(ctx, audit.Event{Action: "letters.remind", Result: "ok", Account: r.ID, Actor: o.By, Address: o.Address,
		Detail: []slog.Attr{slog.String("batch", batch)}})
	return letter{r, a.Login, recovery.Issued{}}, true, nil
}
