package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Population is some of the accounts that an operator may do something to: a
// school, a class, everybody that a rule is over.
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

// Selection says which accounts are meant.
type Selection struct {
	Of string // the Key of a population
	// Group narrows it to those who have this value in one of Desk.Groups.
	Group string
	// Logins, where given, are meant instead of a population.
	Logins []string
	// Except are logins that are not meant.
	Except []string
}

// ErrPopulation says that there is no such population, or none of this
// operator's.
var ErrPopulation = errors.New("operator: no such population")

// Select returns the accounts of a selection to which the operator may do
// something, at most so many, and whether there are more. Errors: a Denied,
// ErrPopulation, or one that wraps directory.ErrUnavailable.
func (d *Desk) Select(ctx context.Context, c Case, verb Verb, sel Selection, most int) (out []account.Account, more bool, err error) {
	op, err := d.Enter(ctx, c)
	if err != nil {
		return nil, false, err
	}
	if !d.Rules.May(op, verb, d.now()) {
		return nil, false, d.refused(ctx, c, verb, DeniedScope)
	}
	meant, err := d.meant(ctx, op, verb, sel)
	if err != nil {
		return nil, false, err
	}
	children := d.children()
	for _, a := range meant {
		if slices.ContainsFunc(sel.Except, func(l string) bool { return strings.EqualFold(l, a.Login) }) || !d.grouped(a, sel.Group) {
			continue
		}
		err := d.Rules.Allows(ctx, op, verb, a, d.now(), children)
		if denied := Denied(""); errors.As(err, &denied) {
			continue
		} else if err != nil {
			return nil, false, err
		}
		if len(out) == most {
			return out, true, nil
		}
		out = append(out, a)
	}
	return out, false, nil
}

// meant are the accounts of a selection before the rules.
func (d *Desk) meant(ctx context.Context, op account.Account, verb Verb, sel Selection) (out []account.Account, err error) {
	if len(sel.Logins) > 0 {
		for _, login := range sel.Logins {
			a, err := d.Directory.Find(ctx, login)
			if errors.Is(err, directory.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			out = append(out, a)
		}
		return out, nil
	}
	s, ok := d.Directory.(directory.Searcher)
	mine := d.Populations(op, verb)
	at := slices.IndexFunc(mine, func(p Population) bool { return p.Key() == sel.Of })
	if at < 0 || !ok {
		return nil, ErrPopulation
	}
	err = s.Search(ctx, d.Rules.query(mine[at]), func(a account.Account) bool {
		out = append(out, a)
		return true
	})
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

// massJob is one account of something that is done to many.
type massJob struct {
	Run      string `json:"r"`
	Case     Case   `json:"c"`
	Campaign bool   `json:"f,omitempty"`
}

const (
	jobMass = "desk mass"
	// runLife is how long the progress of a run can be looked at.
	runLife = requestLife

	fieldTotal = "total"
)

func runQueue(run string) string  { return "desk run " + run }
func runKey(run string) store.Key { return store.Key{Tag: "desk-run-" + run, Name: "run"} }

// Invite has the message of a first sign-in leave again for accounts that are
// not activated. It returns the name of the run. Errors: one that wraps
// store.ErrUnavailable.
func (d *Desk) Invite(ctx context.Context, c Case, to []account.Account) (run string, err error) {
	return d.each(ctx, c, "invite", to, false)
}

// Force makes a campaign: each account must choose another password at the next
// sign-in, its sessions end, and so does what was begun with it. Errors:
// ErrCannotForce, or one that wraps store.ErrUnavailable.
func (d *Desk) Force(ctx context.Context, c Case, to []account.Account) (run string, err error) {
	if !d.CanForce() {
		return "", ErrCannotForce
	}
	return d.each(ctx, c, "campaign", to, true)
}

// ErrCannotForce says that nobody told how this directory marks a password that
// must be changed.
var ErrCannotForce = errors.New("operator: desk.force is not configured")

// Force is how a directory marks a password that must be changed at the next
// sign-in: pwdReset TRUE with OpenLDAP's policy. The attribute must be among
// those that the directory lets us edit.
type Force struct {
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
}

// CanForce reports whether a campaign can be made here.
func (d *Desk) CanForce() bool {
	_, ok := d.Directory.(directory.Editor)
	return ok && d.ForceBy.Attribute != ""
}

// each records a job for every account, so that the run survives a restart.
func (d *Desk) each(ctx context.Context, c Case, what string, to []account.Account, force bool) (run string, err error) {
	run = secret.Random(16)
	err = d.Store.Do(ctx, &store.Create{Key: runKey(run), Fields: store.Fields{fieldID: string(c.Operator), fieldTotal: fmt.Sprint(len(to))}, TTL: runLife})
	if err != nil {
		return "", err
	}
	const at = 500 // accounts of one trip
	for some := range slices.Chunk(to, at) {
		var ops []store.Op
		for _, a := range some {
			data, err := json.Marshal(massJob{Run: run, Case: Case{Operator: c.Operator, Account: a.ID, Address: c.Address}, Campaign: force})
			if err != nil {
				return "", err
			}
			id := secret.Hash(run + string(a.ID))[:22]
			ops = append(ops, &store.Push{Queue: runQueue(run), ID: id, After: runLife}, d.Outbox.Op(outbox.Job{ID: "desk mass " + id, Kind: jobMass, Data: data}))
		}
		if err := d.Store.Do(ctx, ops...); err != nil {
			return "", err
		}
	}
	d.Outbox.Nudge()
	d.record(ctx, Case{Operator: c.Operator, Address: c.Address}, what, "begun", slog.Int("accounts", len(to)), slog.String("run", run))
	return run, nil
}

// Progress is how far a run is.
type Progress struct{ Total, Left int }

// Progress reads how far a run of this operator's is. Errors: ErrGone, or one
// that wraps store.ErrUnavailable.
func (d *Desk) Progress(ctx context.Context, c Case, run string) (Progress, error) {
	read, list := &store.Read{Key: runKey(run)}, &store.List{Queue: runQueue(run)}
	if err := d.Store.Do(ctx, read, list); err != nil {
		return Progress{}, err
	}
	var p Progress
	if read.Fields[fieldID] != string(c.Operator) {
		return p, ErrGone
	}
	if _, err := fmt.Sscan(read.Fields[fieldTotal], &p.Total); err != nil {
		return p, ErrGone
	}
	p.Left = len(list.Entries)
	return p, nil
}

// mass does one account of a run. The rules are asked again: they, the operator
// or the account may have changed since.
func (d *Desk) mass(ctx context.Context, job outbox.Job) error {
	var j massJob
	if err := json.Unmarshal(job.Data, &j); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	verb, do := Letters, d.invite
	if j.Campaign {
		verb, do = Campaign, d.force
	}
	_, who, err := d.open(ctx, j.Case, verb)
	if err == nil {
		err = do(ctx, j.Case, who)
	}
	if denied := Denied(""); err != nil && !errors.As(err, &denied) {
		return err
	}
	id := secret.Hash(j.Run + string(j.Case.Account))[:22]
	return d.Store.Do(ctx, &store.Drop{Queue: runQueue(j.Run), IDs: []string{id}})
}

func (d *Desk) invite(ctx context.Context, c Case, who account.Account) error {
	if !who.MayActivate() {
		return nil // activated meanwhile
	}
	_, err := d.Recovery.Begin(ctx, recovery.Begin{Purpose: recovery.Activate, Login: who.Login, Language: who.Language,
		Source: "invite " + string(who.ID), Address: c.Address})
	if errors.Is(err, recovery.ErrSlowDown) { // they were written to enough
		return nil
	}
	if err == nil {
		d.record(ctx, c, "invite", "ok")
	}
	return err
}

func (d *Desk) force(ctx context.Context, c Case, who account.Account) error {
	editor, ok := d.Directory.(directory.Editor)
	if !ok {
		return ErrCannotForce
	}
	name, mark := d.ForceBy.Attribute, []string{d.ForceBy.Value}
	err := editor.Edit(ctx, who.ID, name, who.Attributes[name], mark)
	if errors.Is(err, directory.ErrConflict) {
		err = editor.Edit(ctx, who.ID, name, mark, mark) // is it marked already?
	}
	if err != nil {
		d.record(ctx, c, "campaign", "failed")
		return fmt.Errorf("desk: campaign: %w", err)
	}
	if err := errors.Join(d.Sessions.EndAll(ctx, who.ID), d.Recovery.Cancel(ctx, who.ID, "", c.Operator)); err != nil {
		return err
	}
	d.record(ctx, c, "campaign", "ok")
	return d.tell(ctx, "campaign", who)
}
