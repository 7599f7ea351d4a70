package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Act is one thing that an operator does for a caller who was verified. It is
// what the audit and the notice to the owner call it.
type Act string

// The acts.
const (
	ActUnlock  Act = "unlock"
	ActDecide  Act = "decide"
	ActVouch   Act = "vouch"
	ActResend  Act = "resend"
	ActContact Act = "contact"
	ActCancel  Act = "cancel"
	ActEnd     Act = "end"
	ActFreeze  Act = "freeze"
	ActThaw    Act = "thaw"

	actExtend   Act = "extend" // an answer to the owner, who asked
	actRefuse   Act = "refuse"
	actCampaign Act = "campaign"
)

// Acts are all of them, in the order of a page.
func Acts() []Act {
	return []Act{ActUnlock, ActDecide, ActVouch, ActResend, ActContact, ActCancel, ActEnd, ActFreeze, ActThaw}
}

// verb is what must be allowed for an act.
func (a Act) verb() Verb {
	switch a {
	case ActUnlock:
		return Unlock
	case ActDecide:
		return Decide
	case ActContact, ActFreeze, ActThaw:
		return Contact
	case ActCancel, ActEnd:
		return End
	}
	return Vouch
}

// Reason is why an operator acts, for the audit: one of a list, since what
// people type about each other has no place there.
type Reason string

// Reasons are all of them, in the order of a page.
func Reasons() []Reason { return []Reason{"forgotten", "first", "locked", "moved", "abused", "other"} }

// What acting answers beside a Denied.
var (
	// ErrReason: an act without one of the reasons.
	ErrReason = errors.New("operator: a reason is missing")
	// ErrStillLocked: the directory keeps the account locked, by something that
	// is not to be lifted from here.
	ErrStillLocked = errors.New("operator: the lock stands in the entry itself")
)

// act does one thing under the rules, for a verified caller, and tells the
// owner. What is noted goes to the audit.
func (d *Desk) act(ctx context.Context, c Case, act Act, why Reason, do func(who account.Account, note func(slog.Attr)) error) error {
	_, who, err := d.open(ctx, c, act.verb())
	if err != nil {
		return err
	}
	if !slices.Contains(Reasons(), why) {
		return ErrReason
	}
	verified, err := d.Verified(ctx, c)
	if err != nil {
		return err
	}
	if verified.By == "" {
		return d.refused(ctx, c, act.verb(), DeniedUnverified)
	}
	detail := []slog.Attr{slog.String("reason", string(why)), slog.String("verified_by", string(verified.By))}
	if err := do(who, func(more slog.Attr) { detail = append(detail, more) }); err != nil {
		d.record(ctx, c, string(act), "failed", detail...)
		return err
	}
	d.record(ctx, c, string(act), "ok", detail...)
	if act == ActFreeze || act == ActThaw { // the notice goes where messages go now
		if who, err = d.Directory.Get(ctx, who.ID); err != nil {
			return err
		}
	}
	return d.tell(ctx, act, who)
}

// Unlock lifts a technical lock (requirement R14): one that the directory put
// after too many tries, and the password stays as it was; or one that was
// written into the entry after an incident. Then exposed is set: somebody else
// may know the password. It must be changed at the next sign-in, where a campaign
// could ask for that, but whoever knows it can be the first to do so: the caller
// should be vouched for at once. Errors: a Denied, ErrReason, ErrStillLocked, or
// a fault.
func (d *Desk) Unlock(ctx context.Context, c Case, why Reason) (exposed bool, err error) {
	err = d.act(ctx, c, ActUnlock, why, func(who account.Account, _ func(slog.Attr)) error {
		if exposed = who.Reason == account.ReasonSecurity; exposed {
			if err := d.renew(ctx, who); err != nil {
				return err
			}
		}
		return d.lift(ctx, who)
	})
	if exposed && err == nil {
		err = d.Store.Do(ctx, &store.Create{Key: c.key("exposed"), Fields: store.Fields{fieldID: string(c.Account)}, TTL: verifiedFor, Replace: true})
	}
	return exposed, err
}

// Decide lifts a lock that the institution decided (requirement R14). Errors: a
// Denied, ErrReason, ErrStillLocked, or a fault.
func (d *Desk) Decide(ctx context.Context, c Case, why Reason) error {
	return d.act(ctx, c, ActDecide, why, func(who account.Account, _ func(slog.Attr)) error { return d.lift(ctx, who) })
}

// lift takes away every lock of one reason, and makes sure that it is gone. Who
// tried before is not kept waiting either, wherever they come from.
func (d *Desk) lift(ctx context.Context, who account.Account) error {
	lifter, ok := d.Directory.(directory.Lifter)
	switch {
	case who.Reason == account.ReasonTooManyTries:
	case !ok:
		return ErrStillLocked
	default:
		err := lifter.Lift(ctx, who.ID, who.Reason)
		if errors.Is(err, directory.ErrConflict) {
			return ErrStillLocked
		} else if err != nil {
			return fmt.Errorf("desk: lift: %w", err)
		}
	}
	if err := d.Directory.Unlock(ctx, who.ID); err != nil {
		return fmt.Errorf("desk: unlock: %w", err)
	}
	if now, err := d.Directory.Get(ctx, who.ID); err != nil {
		return err
	} else if now.Status == account.Locked {
		return ErrStillLocked
	}
	return d.Store.Do(ctx, d.Logins.Pardon(who.ID)...)
}

// Helpdesk is the method by which an operator vouches.
const Helpdesk = "helpdesk"

// Vouch makes a code with which the caller chooses a password, on their own
// device (requirement R42). It is returned once and kept nowhere. Errors: a
// Denied, ErrReason, recovery.ErrState, or a fault.
func (d *Desk) Vouch(ctx context.Context, c Case, why Reason) (issued recovery.Issued, err error) {
	err = d.act(ctx, c, ActVouch, why, func(who account.Account, _ func(slog.Attr)) error {
		issued, err = d.Recovery.Issue(ctx, recovery.Issue{Method: Helpdesk, Account: who.ID, By: c.Operator, Address: c.Address})
		return err
	})
	if err != nil {
		return recovery.Issued{}, err
	}
	return issued, nil
}

// Resend has the caller's message leave again, as if they had asked for it:
// the same bounds hold. Errors: a Denied, ErrReason, a *recovery.SlowDown, or a
// fault.
func (d *Desk) Resend(ctx context.Context, c Case, why Reason) error {
	return d.act(ctx, c, ActResend, why, func(who account.Account, _ func(slog.Attr)) error {
		purpose, _ := recovery.PurposeFor(who)
		_, err := d.Recovery.Begin(ctx, recovery.Begin{Purpose: purpose, Login: who.Login, Language: who.Language,
			Source: "desk " + string(c.Operator), Address: c.Address})
		return err
	})
}

// Cancel ends what was begun for the account and is not finished: links, codes,
// proofs. Errors: a Denied, ErrReason, or a fault.
func (d *Desk) Cancel(ctx context.Context, c Case, why Reason) error {
	return d.act(ctx, c, ActCancel, why, func(who account.Account, _ func(slog.Attr)) error {
		return d.Recovery.Cancel(ctx, who.ID, "", c.Operator)
	})
}

// End signs the account out everywhere. Errors: a Denied, ErrReason, or a
// fault.
func (d *Desk) End(ctx context.Context, c Case, why Reason) error {
	return d.act(ctx, c, ActEnd, why, func(who account.Account, _ func(slog.Attr)) error { return d.Sessions.EndAll(ctx, who.ID) })
}

// Correct begins a change of a rescue address: a code goes to the new one, for
// the caller to read back. From is an index of the account's Contacts; one that
// is none adds. Errors: a Denied, ErrReason, recovery.ErrAddress, a
// *recovery.SlowDown, or a fault.
func (d *Desk) Correct(ctx context.Context, c Case, why Reason, from int, typed string) error {
	if !slices.Contains(Reasons(), why) {
		return ErrReason
	}
	_, who, err := d.open(ctx, c, Contact)
	if err != nil {
		return err
	}
	if verified, err := d.Verified(ctx, c); err != nil {
		return err
	} else if verified.By == "" {
		return d.refused(ctx, c, Contact, DeniedUnverified)
	}
	to, err := d.Recovery.Rescue(who, typed)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(who.Contacts, func(on account.Contact) bool { return on.Kind == to.Kind && strings.EqualFold(on.Value, to.Value) }) {
		return directory.ErrConflict // it is on file: there is nothing to correct
	}
	change := recovery.Change{To: to}
	if from >= 0 && from < len(who.Contacts) {
		if change.From = who.Contacts[from]; change.From.Kind == to.Kind {
			change.To.Label = change.From.Label
		}
	}
	if err := d.Recovery.Hold(ctx, who.ID, to); err != nil {
		return err
	}
	begun, err := d.Recovery.BeginContact(ctx, who, change, who.Language, "desk "+string(c.Operator), c.Address)
	if err != nil {
		return err
	}
	return d.Store.Do(ctx, &store.Create{Key: c.key("contact"), Fields: store.Fields{fieldID: begun.Attempt}, TTL: verifiedFor, Replace: true})
}

// Corrected takes the code that the new address got. The old addresses are
// told, and may take the change back for 72 hours (requirement R25); until then
// nothing is sent to the new one that would let anybody in. Errors: a
// Denied, ErrReason, ErrWrong, directory.ErrConflict, or a fault.
func (d *Desk) Corrected(ctx context.Context, c Case, why Reason, code string) error {
	return d.act(ctx, c, ActContact, why, func(who account.Account, _ func(slog.Attr)) error {
		read := &store.Read{Key: c.key("contact")}
		if err := d.Store.Do(ctx, read); err != nil {
			return err
		}
		if read.Fields == nil {
			return ErrWrong
		}
		_, err := d.Recovery.CompleteContact(ctx, who.ID, recovery.Reply{Attempt: read.Fields[fieldID], Code: code,
			Source: "desk " + string(c.Operator), Address: c.Address})
		if errors.Is(err, recovery.ErrWrong) {
			return ErrWrong
		}
		k := c.key("contact")
		return errors.Join(err, d.Store.Do(ctx, &store.Delete{Tag: k.Tag, Names: []string{k.Name}}))
	})
}

const jobNotice = "desk notice"

// told is a notice to one address, or to one telephone.
type told struct {
	Act      Act        `json:"a"`
	To       string     `json:"to"`
	Phone    bool       `json:"phone,omitempty"`
	Account  account.ID `json:"id"`
	Login    string     `json:"login"`
	Language string     `json:"lang"`
	At       int64      `json:"at"`
	Ends     int64      `json:"ends,omitempty"` // of the account
}

// tell writes to the owner, at every address known, what was done; and by a text
// message to whom has a telephone and no rescue address: their own mailbox may be
// behind the lost password.
func (d *Desk) tell(ctx context.Context, act Act, who account.Account) error {
	if act == ActResend || act == ActContact { // they get a message of that already
		return nil
	}
	to := who.Mailboxes()
	if len(who.Reach(account.Email)) == 0 {
		to = append(to, slices.DeleteFunc(who.Reach(account.Phone), func(c account.Contact) bool { return !d.reaches(c) })...)
	}
	id := secret.Random(16)
	var ops []store.Op
	for _, to := range to {
		note := told{Act: act, To: to.Value, Phone: to.Kind == account.Phone, Account: who.ID, Login: who.Login, Language: who.Language, At: d.now().Unix()}
		if !who.Ends.IsZero() {
			note.Ends = who.Ends.Unix()
		}
		data, err := json.Marshal(note)
		if err != nil {
			return err
		}
		ops = append(ops, d.Outbox.Op(outbox.Job{ID: "desk notice " + secret.Hash(id + to.Value)[:22], Kind: jobNotice, Data: data}))
	}
	if ops == nil {
		return nil
	}
	err := d.Store.Do(ctx, ops...)
	d.Outbox.Nudge()
	return err
}

func (d *Desk) deliverNotice(ctx context.Context, job outbox.Job) error {
	var n told
	if err := json.Unmarshal(job.Data, &n); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	if n.Phone {
		return d.text(ctx, secret.Hash(job.ID)[:22], n.To, n.Account, n.Language, render.SMSDesk{Act: "acted", Until: time.Unix(n.At, 0)})
	}
	return d.send(ctx, secret.Hash(job.ID)[:22], n.To, n.Language, render.MailDesk{Act: string(n.Act), Login: n.Login, At: time.Unix(n.At, 0), Ends: time.Unix(n.Ends, 0), URL: d.Home})
}
