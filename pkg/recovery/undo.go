package recovery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
	"github.com/loge-idp/loge/pkg/web"
)

func (f *Flow) undos() ticket.Book {
	return ticket.Book{Store: f.Store, Kind: "undo", TTL: undoLife, Keep: remembered}
}

// Undoable reports whether a token still takes a change of contact back. It
// changes nothing. The error wraps store.ErrUnavailable.
func (f *Flow) Undoable(ctx context.Context, token string) (bool, error) {
	k, ok := f.undos().Key(token)
	if !ok {
		return false, nil
	}
	read := &store.Read{Key: k}
	err := f.Store.Do(ctx, read)
	return read.Fields != nil, err
}

// UndoContact takes a change of contact back, and all that followed it: whoever
// took an account over changes its addresses more than once, so that the first
// message must not be worth less than the last. The addresses stand as before
// the change, and what was begun meanwhile ends: messages about later changes,
// attempts, sessions. Errors: ErrNoProof, directory.ErrConflict when the contact
// is being changed at this moment, or one that wraps directory.ErrUnavailable or
// store.ErrUnavailable.
func (f *Flow) UndoContact(ctx context.Context, token, address string) error {
	take, err := f.undos().Redeem(ctx, token)
	if err != nil {
		return err
	}
	if take.Outcome != store.Taken {
		return ErrNoProof
	}
	who := account.ID(take.Fields[fieldAccount])
	before, err := f.openBefore(take.Fields[fieldBefore], who)
	if err != nil {
		return ErrNoProof
	}
	if err := f.restore(ctx, who, before); err != nil {
		k, _ := f.undos().Key(token)
		again := &store.Create{Key: k, Fields: take.Fields, TTL: max(take.TTL, time.Minute), Replace: true}
		return errors.Join(err, f.Store.Do(ctx, again))
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.contact", Result: "undone", Account: who, Address: address})
	later, err := f.changesAfter(ctx, who, take.Fields[fieldSent])
	if err != nil {
		return err
	}
	a, err := f.Directory.Get(ctx, who)
	if err != nil {
		return err
	}
	ops := slices.Concat(later, f.Forget(who))
	// Whoever took the account over must not have used up the messages by which
	// its owner, who is here now, gets a new password.
	here, _ := netip.ParseAddr(address)
	source := web.Range(here)
	for _, login := range a.Logins {
		ops = append(ops, f.Limits.Submitted.Forgive(from(fold(login), source)))
	}
	ops = append(ops, f.Limits.Hourly.Forgive(string(who)), f.Limits.Daily.Forgive(string(who)), f.Limits.Share.Forgive(from(string(who), source)))
	for _, c := range before {
		ops = append(ops, f.Limits.Submitted.Forgive(from(fold(c.Value), source)), f.Limits.Hourly.Forgive("to "+f.mark(c)), f.Limits.Daily.Forgive("to "+f.mark(c)))
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return err
	}
	return f.end(ctx, who, store.Key{})
}

// restore makes the rescue addresses those that there were.
func (f *Flow) restore(ctx context.Context, who account.ID, before []account.Contact) error {
	editor, ok := f.Directory.(directory.Editor)
	if !ok {
		return ErrNoProof
	}
	a, err := f.Directory.Get(ctx, who)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return ErrNoProof
	case err != nil:
		return err
	}
	lost, new := without(before, a.Contacts), without(a.Contacts, before)
	for _, old := range lost {
		var instead account.Contact // zero: none took its place
		if i := slices.IndexFunc(new, func(c account.Contact) bool { return c.Kind == old.Kind }); i >= 0 {
			instead = new[i]
			new = slices.Delete(new, i, i+1)
		}
		if err := editor.Replace(ctx, who, instead, old); err != nil {
			return err
		}
	}
	for _, c := range new {
		if err := editor.Replace(ctx, who, c, account.Contact{}); err != nil {
			return err
		}
	}
	return nil
}

// without are those contacts that are not among others.
func without(contacts, others []account.Contact) (out []account.Contact) {
	for _, c := range contacts {
		if !slices.ContainsFunc(others, func(o account.Contact) bool { return o.Kind == c.Kind && o.Value == c.Value }) {
			out = append(out, c)
		}
	}
	return out
}

// changesKey is that of the record which lists an account's changes that can be
// taken back, with the time of each.
func changesKey(id account.ID) store.Key {
	return store.Key{Tag: "u-" + secret.Hash(string(id))[:22], Name: "changes"}
}

// changesAfter are the operations by which the messages about later changes are
// worth nothing any more.
func (f *Flow) changesAfter(ctx context.Context, who account.ID, at string) (ops []store.Op, err error) {
	read := &store.Read{Key: changesKey(who)}
	if err := f.Store.Do(ctx, read); err != nil {
		return nil, err
	}
	for name, when := range read.Fields {
		if tag, name, ok := strings.Cut(name, " "); ok && when > at { // of one length until the year 2286
			ops = append(ops, &store.Delete{Tag: tag, Names: []string{name}})
		}
	}
	return ops, nil
}
