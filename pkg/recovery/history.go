package recovery

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Event is one thing that happened on an account's way back in, for the desk:
// what was sent or issued, when, where to, and what became of it.
type Event struct {
	ID      string    `json:"-"` // of the attempt
	At      time.Time `json:"t"`
	Purpose Purpose   `json:"p,omitempty"`
	Method  string    `json:"m,omitempty"`
	To      string    `json:"a,omitempty"` // a masked address; empty when nothing was sent
	// Result is what became of the message: "sent", "issued", "throttled",
	// "no_channel", "undeliverable", "address_gone", or "refused_" and the
	// reason of the account's state; or what was changed: NoticeChanged,
	// NoticeUnlocked or NoticeContact.
	Result string `json:"r"`
	// By is the operator who issued it.
	By account.ID `json:"b,omitempty"`
	// Fate is whether it can still be answered: Open, or what ended it. Of
	// what cannot be answered at all it is empty.
	Fate Fate `json:"-"`
}

// told is how long events are kept for the desk.
const told = 30 * 24 * time.Hour

func eventsOf(id account.ID) string { return "recovery " + secret.Hash(string(id))[:22] }

// note records an event. One of the same attempt takes the place of the last.
func (f *Flow) note(id account.ID, e Event) []store.Op {
	value, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain data
	}
	return []store.Op{&store.Drop{Queue: eventsOf(id), Due: true}, &store.Push{Queue: eventsOf(id), ID: e.ID, Value: string(value), After: told}}
}

// Events returns what happened lately on an account's way back in, the newest
// first. The error wraps store.ErrUnavailable.
func (f *Flow) Events(ctx context.Context, id account.ID) ([]Event, error) {
	list := &store.List{Queue: eventsOf(id)}
	if err := f.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	var out []Event
	ran := map[string]time.Time{} // by attempt: how long it would have been good
	for _, entry := range list.Entries {
		var e Event
		if json.Unmarshal([]byte(entry.Value), &e) != nil || entry.Due < 0 {
			continue
		}
		e.ID = entry.ID
		if e.Result == "sent" || e.Result == "issued" {
			t, err := f.read(ctx, e.ID)
			if err != nil {
				return nil, err
			}
			if e.Fate = t.fate; t.fate != Unknown {
				ran[e.ID] = f.challengeOf(t.sending()).LinkUntil()
			}
		}
		out = append(out, e)
	}
	// Once its successor is over too, what was replaced looks as if it had run
	// out by itself.
	for i, e := range out {
		if (e.Fate == Expired || e.Fate == Ended) && slices.ContainsFunc(out[i+1:], func(next Event) bool {
			return next.Fate != "" && slot(next.Method, next.Purpose) == slot(e.Method, e.Purpose) && next.At.Before(ran[e.ID])
		}) {
			out[i].Fate = Replaced
		}
	}
	slices.Reverse(out) // all were pushed for the same time
	return out, nil
}

// maxHanded is how many codes that were handed over are looked at.
const maxHanded = 5

// handed are the newest codes that were handed over to an account, whatever
// became of them: who types an old one is told so.
func (f *Flow) handed(ctx context.Context, id account.ID) (ids []string, err error) {
	list := &store.List{Queue: eventsOf(id)}
	if err := f.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	for _, entry := range slices.Backward(list.Entries) {
		var e Event
		if json.Unmarshal([]byte(entry.Value), &e) == nil && e.Result == "issued" && isAttempt(entry.ID) && len(ids) < maxHanded {
			ids = append(ids, entry.ID)
		}
	}
	return ids, nil
}

// Cancel ends an account's open attempts and the proofs made from them: those
// of one method, or all when it is empty. The error wraps
// store.ErrUnavailable.
func (f *Flow) Cancel(ctx context.Context, id account.ID, method string, by account.ID) error {
	ops := f.Forget(id)
	if method != "" {
		ops = []store.Op{&store.Write{Key: currentKey(id), Fields: store.Fields{method: ""}}}
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return err
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.cancel", Result: "ok", Account: id, Actor: by, Detail: []slog.Attr{slog.String("method", method)}})
	return nil
}

// Forget ends the account's open attempts and the proofs made from them: for
// the login engine too, since who can sign in needs no recovery, and a link
// left in a mailbox should not outlive that.
func (f *Flow) Forget(id account.ID) []store.Op {
	k := currentKey(id)
	return []store.Op{&store.Delete{Tag: k.Tag, Names: []string{k.Name}}}
}
