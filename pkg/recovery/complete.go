package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Ready is what the page that asks for a new password may show.
type Ready struct {
	Purpose Purpose
	Login   string // the account's own name: a reminder, and for password keepers
	Return  string
}

// Proven reads a proof without using it. Errors: ErrNoProof, ErrState, or one
// that wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Proven(ctx context.Context, proof string) (Ready, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Ready{}, err
	}
	return Ready{Purpose: p.purpose, Login: p.account.Login, Return: p.fields[fieldReturn]}, nil
}

// proven is a proof that is still good, and the account as it is now.
type proven struct {
	fields  store.Fields
	key     store.Key
	left    time.Duration
	purpose Purpose
	account account.Account
}

func (f *Flow) proof(ctx context.Context, text string) (proven, error) {
	k, ok := f.proofs().Key(text)
	if !ok {
		return proven{}, ErrNoProof
	}
	read := &store.Read{Key: k}
	if err := f.Store.Do(ctx, read); err != nil {
		return proven{}, err
	}
	if read.Fields == nil {
		return proven{}, ErrNoProof
	}
	who := account.ID(read.Fields[fieldAccount])
	// A login, a change of password or a newer message since then has ended
	// the attempt, and its proof with it (R-REC-09).
	current := &store.Read{Key: currentKey(who)}
	if err := f.Store.Do(ctx, current); err != nil {
		return proven{}, err
	}
	if current.Fields[read.Fields[fieldMethod]] != read.Fields[fieldAttempt] {
		return proven{}, ErrNoProof
	}
	a, err := f.Directory.Get(ctx, who)
	if errors.Is(err, directory.ErrNotFound) {
		return proven{}, ErrState
	}
	if err != nil {
		return proven{}, err
	}
	p := proven{fields: read.Fields, key: k, left: read.TTL, purpose: Purpose(read.Fields[fieldPurpose]), account: a}
	if now, ok := PurposeFor(a); !ok || now != p.purpose {
		return proven{}, ErrState
	}
	return p, nil
}

// Complete redeems a proof and sets the password. Of any number of callers one
// at the most does. A password that the policy or the directory refuses leaves
// the proof good (*Refused), and so does a directory that cannot be reached.
// Other errors: ErrNoProof, ErrState, or one that wraps store.ErrUnavailable
// or directory.ErrUnavailable.
func (f *Flow) Complete(ctx context.Context, proof string, chosen secret.String, address string) (Ready, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Ready{}, err
	}
	ready := Ready{Purpose: p.purpose, Login: p.account.Login, Return: p.fields[fieldReturn]}
	if reasons := f.Policy.Check(chosen, password.ContextOf(p.account)); len(reasons) > 0 {
		return ready, &Refused{texts(reasons)}
	}
	take, err := f.proofs().Redeem(ctx, proof)
	if err != nil {
		return ready, err
	}
	if take.Outcome != store.Taken {
		return ready, ErrNoProof
	}
	if err := f.change(ctx, p, chosen); err != nil {
		// Nothing changed, or it is not known: either way the person must be
		// able to try again.
		again := &store.Create{Key: p.key, Fields: p.fields, TTL: max(take.TTL, time.Minute), Replace: true}
		if failed := f.Store.Do(ctx, again); failed != nil {
			err = errors.Join(err, failed)
		}
		f.Audit.Record(ctx, audit.Event{Action: "recovery.complete", Result: "failed", Account: p.account.ID, Address: address})
		var rejection *directory.Rejection
		if errors.As(err, &rejection) {
			return ready, &Refused{[]string{rejection.Why}}
		}
		return ready, err
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.complete", Result: "ok", Account: p.account.ID, Address: address})
	return ready, f.after(ctx, p)
}

// change is the only place that gives an account a password.
func (f *Flow) change(ctx context.Context, p proven, chosen secret.String) error {
	if err := f.Directory.SetPassword(ctx, p.account.ID, chosen); err != nil {
		return fmt.Errorf("set the password: %w", err)
	}
	if p.purpose == Activate {
		if err := f.Directory.Activate(ctx, p.account.ID); err != nil {
			return fmt.Errorf("activate: %w", err)
		}
	}
	if err := f.Directory.Unlock(ctx, p.account.ID); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// after ends what the old password opened and tells the owner everywhere
// (requirement R36, OWASP ASVS 6.3.7). The password is changed by now, whatever
// fails here.
func (f *Flow) after(ctx context.Context, p proven) error {
	ops := f.Forget(p.account.ID)
	told := map[string]bool{}
	for _, to := range append(p.account.Reach(account.Email), account.Contact{Value: p.account.Mail}) {
		if to.Value == "" || told[to.Value] {
			continue
		}
		told[to.Value] = true
		data, err := json.Marshal(changed{To: to.Value, Login: p.account.Login, Language: p.account.Language, At: f.now().Unix()})
		if err != nil {
			return err
		}
		ops = append(ops, f.Outbox.Op(outbox.Job{ID: "notice " + p.fields[fieldAttempt] + " " + secret.Hash(to.Value)[:12], Kind: jobNotice, Data: data}))
	}
	err := f.Store.Do(ctx, ops...)
	f.Outbox.Nudge()
	return errors.Join(err, f.Sessions.EndAll(ctx, p.account.ID))
}

// Forget ends the account's open attempts and the proofs made from them: for
// the login engine too, since who can sign in needs no recovery, and a link
// left in a mailbox should not outlive that.
func (f *Flow) Forget(id account.ID) []store.Op {
	k := currentKey(id)
	return []store.Op{&store.Delete{Tag: k.Tag, Names: []string{k.Name}}}
}

// changed is the notice that a password was set.
type changed struct {
	To       string `json:"to"`
	Login    string `json:"login"`
	Language string `json:"lang"`
	At       int64  `json:"at"`
}

func (f *Flow) notice(ctx context.Context, job outbox.Job) error {
	var n changed
	if err := json.Unmarshal(job.Data, &n); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	letter, err := f.Pages.Mail(n.Language, render.MailChanged{Login: n.Login, At: time.Unix(n.At, 0), URL: f.Home})
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	err = f.Mail.Send(ctx, mail.Message{ID: secret.Hash(job.ID)[:22], To: n.To, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, Language: letter.Language})
	if errors.Is(err, mail.ErrRefused) {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	return err
}

func texts(reasons []password.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = string(r)
	}
	return out
}
