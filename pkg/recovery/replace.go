package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/store"
)

// ReplaceContact writes a change of rescue address, ends what was begun with
// the old ones, and tells them; each message takes the change back for 72 hours
// (requirement R25). By is the operator, empty for the owner. What follows the
// change is recorded before it, as for a password: see Flow.act. Errors:
// ErrAddress for what the directory will not write, directory.ErrConflict, or
// one that wraps directory.ErrUnavailable or store.ErrUnavailable.
func (f *Flow) ReplaceContact(ctx context.Context, who account.Account, c Change, by account.ID, address string) error {
	editor, ok := f.Directory.(directory.Editor)
	if !ok {
		return errors.New("recovery: this directory cannot change rescue addresses")
	}
	token, _ := f.undos().Issue(store.Key{}, nil)
	r := replacement{Account: who.ID, Login: who.Login, Language: who.Language, Before: who.Contacts, Mail: who.Mail,
		Change: c, By: by, At: f.now().UnixNano(), Token: token}
	if by == "" { // else the address is that of an operator
		r.Origin = f.origin(address, who.Language)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	job := f.Outbox.Op(outbox.Job{Kind: jobReplaced, Data: data})
	waiting := *job
	waiting.After = patience
	if err := f.Store.Do(ctx, &waiting); err != nil {
		return err
	}
	nothing := &store.Drop{Queue: job.Queue, IDs: []string{job.ID}}
	event := audit.Event{Action: "recovery.contact", Result: "begun", Account: who.ID, Actor: by, Address: address}
	f.Audit.Record(ctx, event)
	if err := editor.Replace(ctx, who.ID, c.From, c.To); err != nil {
		event.Result = "failed"
		f.Audit.Record(ctx, event)
		switch {
		case errors.Is(err, directory.ErrUnavailable):
			return err // perhaps it changed: the job finds out
		case !errors.Is(err, directory.ErrConflict):
			err = errors.Join(ErrAddress, err) // of no use to try again
		}
		return errors.Join(err, f.Store.Do(ctx, nothing))
	}
	event.Result, event.Detail = "ok", []slog.Attr{slog.String("to", c.To.Masked())}
	f.Audit.Record(ctx, event)
	if err := f.replaced(ctx, r); err != nil {
		return err // the job still does it
	}
	return f.Store.Do(ctx, nothing)
}

// replacement is a change of rescue address, as its job carries it.
type replacement struct {
	Account  account.ID        `json:"a"`
	Login    string            `json:"login"`
	Language string            `json:"lang"`
	Mail     string            `json:"mail,omitempty"`
	Before   []account.Contact `json:"b"`
	Change   Change            `json:"c"`
	By       account.ID        `json:"by,omitempty"`
	At       int64             `json:"t"` // in nanoseconds, so that two have an order
	Token    string            `json:"u"` // takes it back
	Origin   render.Origin     `json:"o,omitzero"`
}

// finishReplacing does what follows a change of which nobody knows any more
// whether it was made: the directory does.
func (f *Flow) finishReplacing(ctx context.Context, job outbox.Job) error {
	var r replacement
	if err := json.Unmarshal(job.Data, &r); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	a, err := f.Directory.Get(ctx, r.Account)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !r.Change.madeIn(a):
		return nil
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.contact", Result: "interrupted", Account: r.Account, Actor: r.By})
	return f.replaced(ctx, r)
}

// madeIn reports whether an account's contacts are as after the change.
func (c Change) madeIn(a account.Account) bool {
	has := func(contact account.Contact) bool {
		return slices.ContainsFunc(a.Contacts, func(on account.Contact) bool { return on.Kind == contact.Kind && on.Value == contact.Value })
	}
	none := account.Contact{}
	return (c.To == none || has(c.To)) && (c.From == none || !has(c.From))
}

// replaced tells the old addresses, and ends what was begun with them. It may be
// done twice: the second time changes nothing.
func (f *Flow) replaced(ctx context.Context, r replacement) error {
	undo, ok := f.undos().Key(r.Token)
	if !ok {
		return fmt.Errorf("recovery: a change of address without a way back: %w", outbox.ErrGiveUp)
	}
	before := account.Account{ID: r.Account, Mail: r.Mail, Contacts: r.Before}
	at, made := strconv.FormatInt(r.At, 10), time.Unix(0, r.At)
	n := note{Kind: NoticeContact, Login: r.Login, Language: r.Language, At: made.Unix(), Masked: r.Change.To.Masked(), Token: r.Token, Origin: r.Origin}
	var old []account.Contact // a telephone learns that it was replaced
	if r.Change.From.Kind == account.Phone && f.telling() != nil {
		old = append(old, r.Change.From)
	}
	notices, err := f.notices(before, n, undo.Name, old...)
	if err != nil {
		return err
	}
	changes, entry := changesKey(r.Account), store.Fields{undo.Tag + " " + undo.Name: at}
	ops := []store.Op{
		&store.Create{Key: undo, Fields: store.Fields{fieldAccount: string(r.Account), fieldBefore: f.sealBefore(before), fieldSent: at}, TTL: undoLife},
		&store.Create{Key: changes, Fields: entry, TTL: undoLife},
		&store.Read{Key: changes, Extend: undoLife},
		&store.Write{Key: changes, Fields: entry},
	}
	ops = append(append(ops, notices...), f.note(r.Account, Event{ID: undo.Name, At: made, Result: string(NoticeContact), To: r.Change.To.Masked(), By: r.By})...)
	if r.Change.From != (account.Contact{}) { // what one more address adds to ends nothing
		ops = append(ops, f.Forget(r.Account)...)
	}
	err = f.Store.Do(ctx, ops...)
	f.Outbox.Nudge()
	return err
}
