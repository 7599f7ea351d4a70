package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/store"
)

// Desk does what operators may do. Every call reads the operator and the
// account afresh and holds them against the rules (R-REC-22): nothing that a
// page was once told is believed. Its fields are set before use; Start then
// names its handlers to the outbox.
type Desk struct {
	Rules     Rules
	Store     store.Store
	Directory directory.Directory
	Recovery  *recovery.Flow
	Sessions  *session.Manager
	Logins    login.Limits // those of the login form
	Outbox    *outbox.Outbox
	Keys      *secret.Keyring
	Mail      mail.Sender
	SMS       sms.Gateway // nil when the site sends no text messages
	Pages     *render.Pages
	// Home is the URL in notices where an owner acts who did not ask.
	Home string
	// Call is the URL of the page that asks for two digits, to which a link's
	// token is appended.
	Call string
	// Groups are the attributes by which people say class or component: letters
	// are sorted by the first, and populations narrowed by any.
	Groups []string
	// Known are the attributes whose values, numbers mostly, a caller may say
	// beside the date of birth to be verified.
	Known []string
	// ForceBy is how a password is marked that must be changed; without it
	// there are no campaigns.
	ForceBy Force
	// Asking are the requests for more time.
	Asking *lifecycle.Extensions
	Audit  audit.Log
	Now    func() time.Time // default time.Now
}

// Case is the business of one operator with one account.
type Case struct {
	Operator, Account account.ID
	Address           string // the operator's, for the audit
}

// Start names the handlers to the outbox. Call it once.
func (d *Desk) Start() {
	d.Outbox.Handle(jobCode, d.deliverCode)
	d.Outbox.Handle(jobNotice, d.deliverNotice)
	d.Outbox.Handle(jobProgress, d.deliverProgress)
	d.Outbox.Handle(jobMass, d.mass)
}

// Enter reads an operator. Errors: DeniedNoOperator, or one that wraps
// directory.ErrUnavailable.
func (d *Desk) Enter(ctx context.Context, c Case) (account.Account, error) {
	op, err := d.Directory.Get(ctx, c.Operator)
	if errors.Is(err, directory.ErrNotFound) || err == nil && (!op.Status.MayLogin() || d.Rules.Rank(op, d.now()) == 0) {
		return account.Account{}, d.refused(ctx, c, See, DeniedNoOperator)
	}
	return op, err
}

// May reports whether an operator is to be shown the way to something.
func (d *Desk) May(op account.Account, verb Verb) bool { return d.Rules.May(op, verb, d.now()) }

// open reads both accounts of a case and asks the rules. A refusal is audited.
func (d *Desk) open(ctx context.Context, c Case, verb Verb) (op, who account.Account, err error) {
	if op, err = d.Enter(ctx, c); err != nil {
		return op, who, err
	}
	who, err = d.Directory.Get(ctx, c.Account)
	if errors.Is(err, directory.ErrNotFound) {
		err = DeniedScope
	} else if err == nil {
		err = d.Rules.Allows(ctx, op, verb, who, d.now(), d.children())
	}
	return op, who, d.refused(ctx, c, verb, err)
}

// refused records a denial, and returns what it is given.
func (d *Desk) refused(ctx context.Context, c Case, verb Verb, err error) error {
	if denied := Denied(""); errors.As(err, &denied) {
		d.record(ctx, c, string(verb), "denied_"+string(denied))
	}
	return err
}

func (d *Desk) record(ctx context.Context, c Case, act, result string, detail ...slog.Attr) {
	d.Audit.Record(ctx, audit.Event{Action: "desk." + act, Result: result, Account: c.Account, Actor: c.Operator, Address: c.Address, Detail: detail})
}

// children looks for places among the accounts of a query: no directory finds
// an entry by its place as every other does. Each query is made once for all
// the accounts that are judged with it.
func (d *Desk) children() Children {
	known := map[string]map[string]account.Account{} // by query, by place
	return func(ctx context.Context, among directory.Query, handles []string) (found []account.Account, err error) {
		searcher, ok := d.Directory.(directory.Searcher)
		if !ok {
			return nil, nil
		}
		query := fmt.Sprint(among)
		if known[query] == nil {
			all := map[string]account.Account{}
			err := searcher.Search(ctx, among, func(a account.Account) bool {
				all[strings.ToLower(a.Handle)] = a
				return true
			})
			if err != nil {
				return nil, err
			}
			known[query] = all
		}
		for _, handle := range handles {
			if a, ok := known[query][strings.ToLower(handle)]; ok {
				found = append(found, a)
			}
		}
		return found, nil
	}
}

const (
	// maxFound is how many accounts a search shows, maxSeen how many it looks
	// at for them.
	maxFound = 50
	maxSeen  = 500
	// minText keeps a search from walking through everybody.
	minText = 2
)

// Found is what a search shows.
type Found struct {
	Accounts []account.Account
	More     bool // there are others: type more
}

// Search finds the accounts within an operator's reach by a part of a name, an
// identifier, a number or an address. Errors: DeniedNoOperator, or one that
// wraps directory.ErrUnavailable.
func (d *Desk) Search(ctx context.Context, c Case, text string) (Found, error) {
	op, err := d.Enter(ctx, c)
	searcher, ok := d.Directory.(directory.Searcher)
	if err != nil || len([]rune(text)) < minText {
		return Found{}, err
	}
	if !ok {
		return Found{}, errors.New("operator: this directory cannot be looked through")
	}
	// They are judged when the search has ended: judging may search too.
	var seen []account.Account
	known := map[account.ID]bool{}
	for _, q := range d.Rules.Queries(op, text, d.now()) {
		err := searcher.Search(ctx, q, func(a account.Account) bool {
			if !known[a.ID] {
				known[a.ID], seen = true, append(seen, a)
			}
			return len(seen) < maxSeen
		})
		if err != nil {
			return Found{}, fmt.Errorf("desk: search: %w", err)
		}
	}
	found, children := Found{More: len(seen) == maxSeen}, d.children()
	for _, a := range seen {
		a, err := d.whole(ctx, a)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		} else if err != nil {
			return Found{}, fmt.Errorf("desk: search: %w", err)
		}
		err = d.Rules.Allows(ctx, op, See, a, d.now(), children)
		if denied := Denied(""); errors.As(err, &denied) {
			continue
		} else if err != nil {
			return Found{}, err
		}
		if len(found.Accounts) == maxFound {
			found.More = true
			break
		}
		found.Accounts = append(found.Accounts, a)
	}
	slices.SortFunc(found.Accounts, func(a, b account.Account) int {
		return strings.Compare(account.FoldName(a.FamilyName+" "+a.GivenName)+a.Login, account.FoldName(b.FamilyName+" "+b.GivenName)+b.Login)
	})
	d.record(ctx, Case{Operator: c.Operator, Address: c.Address}, "search", "ok", slog.Int("found", len(found.Accounts)))
	return found, nil
}

// whole is an account that a search found, with all that the rules look at: a
// search does not bring the groups that other entries list.
func (d *Desk) whole(ctx context.Context, a account.Account) (account.Account, error) {
	s, ok := d.Directory.(directory.Selecting)
	if !ok || !slices.ContainsFunc(d.Rules.Attributes(), func(name string) bool { return s.Reads(name) && !s.Finds(name) }) {
		return a, nil
	}
	return d.Directory.Get(ctx, a.ID)
}

func (d *Desk) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}
