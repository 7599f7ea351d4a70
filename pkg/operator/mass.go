package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// What is done to many at once.
const (
	massInvite   = "invite"
	massCampaign = "campaign"
)

// massJob is one account of something that is done to many.
type massJob struct {
	Run  string `json:"r"`
	Case Case   `json:"c"`
	Do   string `json:"d"`
	// Marked is set where the password had to be changed before the run: its
	// owner was told.
	Marked bool `json:"m,omitempty"`
}

const (
	jobMass = "desk mass"
	// runLife is how long the progress of a run can be looked at.
	runLife = requestLife

	fieldTotal  = "total"
	fieldFreeze = "freeze" // the channels of a campaign, sealed
)

func runQueue(run string) string     { return "desk run " + run }
func skippedQueue(run string) string { return "desk run " + run + " skipped" }
func frozenQueue(run string) string  { return "desk run " + run + " frozen" }
func runKey(run string) store.Key    { return store.Key{Tag: "desk-run-" + run, Name: "run"} }

func (d *Desk) channels() *secret.Box { return d.Keys.Box("desk channels") }

// Invite has the message of a first sign-in leave again for accounts that are
// not activated. It returns the name of the run. Errors: one that wraps
// store.ErrUnavailable.
func (d *Desk) Invite(ctx context.Context, c Case, to []account.Account) (run string, err error) {
	return d.each(ctx, c, massInvite, to, nil)
}

// Force makes a campaign: each account must choose another password at the next
// sign-in, its sessions end, and so does what was begun with it. Those of its
// contacts that are among the compromised channels are frozen before: a mail
// address, a number, or "@host" for all addresses there. Errors: ErrCannotForce,
// ErrCannotFreeze, or one that wraps store.ErrUnavailable.
func (d *Desk) Force(ctx context.Context, c Case, to []account.Account, compromised []string) (run string, err error) {
	switch {
	case !d.CanForce():
		return "", ErrCannotForce
	case len(compromised) > 0 && !d.CanFreeze():
		return "", ErrCannotFreeze
	}
	return d.each(ctx, c, massCampaign, to, compromised)
}

// each records a job for every account, so that the run survives a restart.
func (d *Desk) each(ctx context.Context, c Case, do string, to []account.Account, compromised []string) (run string, err error) {
	run = secret.Random(16)
	plain, err := json.Marshal(compromised)
	if err != nil {
		return "", err
	}
	err = d.Store.Do(ctx, &store.Create{Key: runKey(run), TTL: runLife, Fields: store.Fields{
		fieldID: string(c.Operator), fieldTotal: fmt.Sprint(len(to)), fieldFreeze: d.channels().Seal(plain, run)}})
	if err != nil {
		return "", err
	}
	const at = 500 // accounts of one trip
	for some := range slices.Chunk(to, at) {
		var ops []store.Op
		for _, a := range some {
			j := massJob{Run: run, Case: Case{Operator: c.Operator, Account: a.ID, Address: c.Address}, Do: do, Marked: a.MustChange}
			data, err := json.Marshal(j)
			if err != nil {
				return "", err
			}
			ops = append(ops, &store.Push{Queue: runQueue(run), ID: j.id(), After: runLife}, d.Outbox.Op(outbox.Job{ID: "desk mass " + j.id(), Kind: jobMass, Data: data}))
		}
		if err := d.Store.Do(ctx, ops...); err != nil {
			return "", err
		}
	}
	d.Outbox.Nudge()
	d.record(ctx, Case{Operator: c.Operator, Address: c.Address}, do, "begun", slog.Int("accounts", len(to)), slog.Int("channels", len(compromised)), slog.String("run", run))
	return run, nil
}

func (j massJob) id() string { return secret.Hash(j.Run + string(j.Case.Account))[:22] }

// Progress is how far a run is.
type Progress struct {
	Total, Left int
	// Skipped are those of the accounts done with to which nothing was done.
	Skipped map[Skip]int
	// Frozen are the contacts that a campaign froze.
	Frozen int
}

// Skip is why nothing was done to an account. It is an error inside a job only.
type Skip string

// The reasons.
const (
	SkipState   Skip = "state"   // it, the operator or the rules have changed since
	SkipAddress Skip = "address" // there is nowhere to write to
	SkipAlready Skip = "already" // what was sent before is good still, or the password is to be changed already
	SkipEnough  Skip = "enough"  // they were written to as often as is allowed
)

// Skips are all of them, in the order of a page.
func Skips() []Skip { return []Skip{SkipAddress, SkipAlready, SkipEnough, SkipState} }

func (s Skip) Error() string { return "operator: nothing to do: " + string(s) }

// Progress reads how far a run of this operator's is. Errors: ErrGone, or one
// that wraps store.ErrUnavailable.
func (d *Desk) Progress(ctx context.Context, c Case, run string) (Progress, error) {
	read, left := &store.Read{Key: runKey(run)}, &store.List{Queue: runQueue(run)}
	skipped, frozen := &store.List{Queue: skippedQueue(run)}, &store.List{Queue: frozenQueue(run)}
	if err := d.Store.Do(ctx, read, left, skipped, frozen); err != nil {
		return Progress{}, err
	}
	var p Progress
	if read.Fields[fieldID] != string(c.Operator) {
		return p, ErrGone
	}
	if _, err := fmt.Sscan(read.Fields[fieldTotal], &p.Total); err != nil {
		return p, ErrGone
	}
	p.Left, p.Frozen, p.Skipped = len(left.Entries), len(frozen.Entries), map[Skip]int{}
	for _, entry := range skipped.Entries {
		p.Skipped[Skip(entry.Value)]++
	}
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
	if j.Do == massCampaign {
		verb, do = Campaign, d.force
	}
	_, who, err := d.open(ctx, j.Case, verb)
	if err == nil {
		err = do(ctx, j, who)
	}
	done := []store.Op{&store.Drop{Queue: runQueue(j.Run), IDs: []string{j.id()}}}
	skip, denied := Skip(""), Denied("")
	switch {
	case errors.As(err, &denied):
		skip = SkipState
	case err != nil && !errors.As(err, &skip):
		return err
	}
	if skip != "" {
		done = append(done, &store.Push{Queue: skippedQueue(j.Run), ID: j.id(), Value: string(skip), After: runLife})
	}
	return d.Store.Do(ctx, done...)
}

func (d *Desk) invite(ctx context.Context, j massJob, who account.Account) error {
	if !who.MayActivate() {
		return SkipState
	}
	usable, err := d.Recovery.Usable(ctx, who)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(usable.Contacts, d.reaches) {
		return SkipAddress
	}
	events, err := d.Recovery.Events(ctx, who.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(events, func(e recovery.Event) bool { return e.Result == "sent" && e.Fate == recovery.Open }) {
		return SkipAlready
	}
	_, err = d.Recovery.Begin(ctx, recovery.Begin{Purpose: recovery.Activate, Login: who.Login, Language: who.Language,
		Source: "invite " + string(who.ID), Address: j.Case.Address})
	if errors.Is(err, recovery.ErrSlowDown) {
		return SkipEnough
	}
	if err == nil {
		d.record(ctx, j.Case, massInvite, "ok")
	}
	return err
}

// force does a campaign to one account. The channels come first: what follows
// must not be told there.
func (d *Desk) force(ctx context.Context, j massJob, who account.Account) error {
	frozen, err := d.freezeAmong(ctx, j, who)
	if err == nil {
		err = d.renew(ctx, who)
	}
	if err != nil {
		d.record(ctx, j.Case, massCampaign, "failed")
		return err
	}
	if err := errors.Join(d.Sessions.EndAll(ctx, who.ID), d.Recovery.Cancel(ctx, who.ID, "", j.Case.Operator)); err != nil {
		return err
	}
	d.record(ctx, j.Case, massCampaign, "ok", slog.Int("frozen", frozen))
	if j.Marked && frozen == 0 {
		return SkipAlready
	}
	if who, err = d.Directory.Get(ctx, who.ID); err != nil {
		return err
	}
	return d.tell(ctx, actCampaign, who)
}

// freezeAmong freezes those contacts that are compromised by what the run says.
func (d *Desk) freezeAmong(ctx context.Context, j massJob, who account.Account) (frozen int, err error) {
	read := &store.Read{Key: runKey(j.Run)}
	if err := d.Store.Do(ctx, read); err != nil {
		return 0, err
	}
	var compromised []string
	plain, err := d.channels().Open(read.Fields[fieldFreeze], j.Run)
	if err == nil {
		err = json.Unmarshal(plain, &compromised)
	}
	if err != nil {
		return 0, errors.Join(outbox.ErrGiveUp, err)
	}
	for _, contact := range who.Contacts {
		if contact.Frozen || !d.among(contact, compromised) {
			continue
		}
		if err := d.freeze(ctx, who.ID, contact, true); err != nil {
			return frozen, err
		}
		frozen++
		d.record(ctx, j.Case, string(ActFreeze), "ok", slog.String("contact", contact.Masked()))
		note := &store.Push{Queue: frozenQueue(j.Run), ID: secret.Hash(j.id() + contact.Value)[:22], After: runLife}
		if err := d.Store.Do(ctx, note); err != nil {
			return frozen, err
		}
	}
	return frozen, nil
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

// renew has the directory ask for another password at the next sign-in; it does
// nothing where that is not configured.
func (d *Desk) renew(ctx context.Context, who account.Account) error {
	editor, ok := d.Directory.(directory.Editor)
	if !ok || !d.CanForce() {
		return nil
	}
	name, mark := d.ForceBy.Attribute, []string{d.ForceBy.Value}
	err := editor.Edit(ctx, who.ID, name, who.Attributes[name], mark)
	if errors.Is(err, directory.ErrConflict) {
		err = editor.Edit(ctx, who.ID, name, mark, mark) // is it marked already?
	}
	if err != nil {
		return fmt.Errorf("desk: mark the password: %w", err)
	}
	return nil
}
