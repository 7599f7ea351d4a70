package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Accept notes with a proof that the charter was accepted. Errors are those of
// Proven.
func (f *Flow) Accept(ctx context.Context, proof string) error {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return err
	}
	return f.Store.Do(ctx, &store.Write{Key: p.key, Fields: store.Fields{fieldCharter: f.Charter}})
}

// Complete redeems a proof and sets the password. Of any number of callers one
// at the most does. A password that the policy or the directory refuses leaves
// the proof good (*Refused), and so does a directory that cannot be reached.
// Other errors: ErrNoProof, ErrPartial, ErrState, ErrCharter, or one that wraps
// store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Complete(ctx context.Context, proof string, chosen secret.String, address string) (Ready, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Ready{}, err
	}
	ready := f.ready(p)
	if p.purpose != Reset && p.purpose != Activate {
		return ready, ErrNoProof
	}
	w, err := f.whole(p, p.purpose)
	if err != nil {
		return ready, err
	}
	if ready.Charter != "" && p.fields[fieldCharter] != ready.Charter {
		return ready, ErrCharter
	}
	if reasons := f.Policy.Check(chosen, password.ContextOf(p.account)); len(reasons) > 0 {
		return ready, &Refused{texts(reasons)}
	}
	err = f.act(ctx, w, proof, act{name: "complete", notice: NoticeChanged, address: address, do: func() error { return f.change(ctx, w, secret.String{}, chosen) }})
	var rejection *directory.Rejection
	if errors.As(err, &rejection) {
		return ready, refusedBy(rejection)
	}
	return ready, err
}

// refusedBy words what a directory refuses that our policy took: what is too
// short for it is so beside a minimum of ours that was met.
func refusedBy(r *directory.Rejection) *Refused {
	if r.Why == string(password.TooShort) {
		return &Refused{texts([]password.Reason{password.Longer})}
	}
	return &Refused{[]string{r.Why}}
}

// Weak are the reasons of the policy against a password, for whoever has a proof,
// which stays as it is. Errors are those of Proven.
func (f *Flow) Weak(ctx context.Context, proof string, chosen secret.String) ([]string, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return nil, err
	}
	return texts(f.Policy.Check(chosen, password.ContextOf(p.account))), nil
}

// Unlock redeems a proof and lifts the lock that the directory put after too
// many tries. The password stays. Errors are those of Complete.
func (f *Flow) Unlock(ctx context.Context, proof, address string) (Ready, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Ready{}, err
	}
	ready := f.ready(p)
	w, err := f.whole(p, Unlock)
	if err != nil {
		return ready, err
	}
	return ready, f.act(ctx, w, proof, act{name: "unlock", notice: NoticeUnlocked, address: address, do: func() error {
		if err := f.Directory.Unlock(ctx, w.account.ID); err != nil {
			return fmt.Errorf("unlock: %w", err)
		}
		return nil
	}})
}

// act is what a whole proof is redeemed for.
type act struct {
	name    string // in the audit: recovery.<name>
	notice  Notice
	address string
	// stays is the session that does not end with the others; zero for none.
	stays store.Key
	do    func() error
}

// act redeems a whole proof and acts. What must happen after a change is
// recorded before it, as a job that waits: whenever the process dies, the audit
// knows of the change, the old sessions end and the owner is told. So it is if
// the process dies before the change: then the notice is one too many.
func (f *Flow) act(ctx context.Context, w whole, proof string, what act) error {
	settle, job, err := f.settling(w, what)
	if err != nil {
		return err
	}
	waiting := *job
	waiting.After = patience
	changing := &store.Create{Key: changedKey(w.account.ID), Fields: store.Fields{fieldSent: strconv.FormatInt(f.now().Unix(), 10)}, TTL: spreading, Replace: true}
	if err := f.Store.Do(ctx, &waiting, changing); err != nil {
		return err
	}
	nothing := &store.Drop{Queue: job.Queue, IDs: []string{job.ID}}
	take, err := f.proofs().Redeem(ctx, proof)
	if err != nil {
		return err // the job finds out
	}
	if take.Outcome != store.Taken {
		return errors.Join(ErrNoProof, f.Store.Do(ctx, nothing))
	}
	event := audit.Event{Action: "recovery." + what.name, Result: "begun", Account: w.account.ID, Address: what.address}
	f.Audit.Record(ctx, event)
	if err := what.do(); err != nil {
		// Nothing changed, or it is not known: either way the person must be
		// able to try again.
		again := &store.Create{Key: w.key, Fields: w.fields, TTL: max(take.TTL, time.Minute), Replace: true}
		if failed := f.Store.Do(ctx, again, nothing); failed != nil {
			err = errors.Join(err, failed)
		}
		event.Result = "failed"
		f.Audit.Record(ctx, event)
		return err
	}
	event.Result = "ok"
	f.Audit.Record(ctx, event)
	// Now, and not after the wait. If this fails the job still does it.
	if err := f.settled(ctx, settle); err != nil {
		return err
	}
	return f.Store.Do(ctx, nothing)
}

// patience is how long a change may take before its job looks whether anybody
// is still there to finish it. It is longer than any request.
const patience = time.Minute

// spreading is how long replicas of a directory may lag behind a change.
const spreading = 10 * time.Minute

func changedKey(id account.ID) store.Key {
	return store.Key{Tag: "s-" + secret.Hash(string(id))[:22], Name: "changed"}
}

// Changed reads whether a password was set, or a lock lifted, a moment ago: it
// finds fields then.
func (f *Flow) Changed(id account.ID) *store.Read { return &store.Read{Key: changedKey(id)} }

// change is the only place that gives an account a password: by its owner, where
// the current one is at hand and the directory lets people change theirs, else by
// an administrator.
func (f *Flow) change(ctx context.Context, w whole, current, chosen secret.String) error {
	err := errors.ErrUnsupported
	if d, ok := f.Directory.(directory.Changer); ok && !current.Empty() {
		err = d.ChangePassword(ctx, w.account, current, chosen)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = f.Directory.SetPassword(ctx, w.account.ID, chosen)
	}
	if err != nil {
		// An answer that was lost says nothing: the password may have changed.
		if !errors.Is(err, directory.ErrUnavailable) || f.Directory.Authenticate(ctx, w.account, chosen) != nil {
			return fmt.Errorf("set the password: %w", err)
		}
	}
	if w.purpose == Activate {
		if err := f.Directory.Activate(ctx, w.account.ID); err != nil {
			return fmt.Errorf("activate: %w", err)
		}
	}
	if err := f.Directory.Unlock(ctx, w.account.ID); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// settlement is what follows a change, as its job carries it.
type settlement struct {
	Account  account.ID    `json:"a"`
	Attempts []string      `json:"i"`
	Proof    store.Key     `json:"k"`
	Notice   Notice        `json:"n"`
	At       int64         `json:"t"`
	Stays    store.Key     `json:"s,omitzero"`
	Origin   render.Origin `json:"o,omitzero"`
}

func (f *Flow) settling(w whole, what act) (settlement, *store.Push, error) {
	s := settlement{Account: w.account.ID, Proof: w.key, Notice: what.notice, At: f.now().Unix(), Stays: what.stays,
		Origin: f.origin(what.address, w.account.Language)}
	for _, id := range w.by {
		s.Attempts = append(s.Attempts, id)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return s, nil, err
	}
	return s, f.Outbox.Op(outbox.Job{Kind: jobSettle, Data: data}), nil
}

// settle finishes what a process that died had begun. A proof that is still
// there was not redeemed.
func (f *Flow) settle(ctx context.Context, job outbox.Job) error {
	var s settlement
	if err := json.Unmarshal(job.Data, &s); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	read := &store.Read{Key: s.Proof}
	if err := f.Store.Do(ctx, read); err != nil {
		return err
	}
	if read.Fields != nil {
		return nil
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.settle", Result: "interrupted", Account: s.Account})
	return f.settled(ctx, s)
}

// settled ends what the old password opened and tells the owner everywhere
// (requirement R36, OWASP ASVS 6.3.7). It may be done twice: the second time
// changes nothing.
func (f *Flow) settled(ctx context.Context, s settlement) error {
	a, err := f.Directory.Get(ctx, s.Account)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	ops := f.Forget(s.Account)
	done := store.Fields{fieldUsed: strconv.FormatInt(s.At, 10)}
	if s.Notice == NoticeUnlocked {
		done[fieldPurpose] = string(Unlock) // whatever the message was for
	}
	for _, id := range s.Attempts {
		ops = append(ops, &store.Write{Key: key(id), Fields: done})
	}
	notices, err := f.notices(a, note{Kind: s.Notice, Login: a.Login, Language: a.Language, At: s.At, Origin: s.Origin}, s.Proof.Name)
	if err != nil {
		return err
	}
	ops = append(ops, f.note(s.Account, Event{ID: s.Proof.Name, At: time.Unix(s.At, 0), Result: string(s.Notice)})...)
	err = f.Store.Do(ctx, append(ops, notices...)...)
	f.Outbox.Nudge()
	if s.Notice == NoticeUnlocked {
		return err // the password and what it opened stay
	}
	return errors.Join(err, f.end(ctx, s.Account, s.Stays))
}

func texts(reasons []password.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = string(r)
	}
	return out
}
