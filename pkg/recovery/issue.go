package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
)

// Issue is a request of an operator for a code to hand over. Whether they may
// make it is not asked here.
type Issue struct {
	Method  string // a Handed: helpdesk, activationcode
	Account account.ID
	By      account.ID // the operator
	Address string     // the operator's, for the audit
	// Language is that of the person; empty for the account's own.
	Language string
	// Only is what the code must be for; empty for whatever the account is
	// given. Of another account it is ErrState.
	Only Purpose
	// Batch is what NewBatch gave, for letters; empty without one.
	Batch string
}

// Issued is a code to hand over. It can be read nowhere again: a lost one is
// replaced by issuing another.
type Issued struct {
	Attempt string
	Account account.Account
	Purpose Purpose
	// Code is as it is read out and typed: "K7QM-2XDB-9RTH".
	Code secret.String
	// URL is the same as a link, for a QR code.
	URL   secret.String
	Until time.Time
}

// Issue makes a code that is good once for one account and what that account
// is given (requirements R32, R42). The last one of the same method ends, and
// nothing else does; a request of the person's own does not end it, a login and
// a new password do. Errors: ErrState, one that wraps directory.ErrNotFound,
// directory.ErrUnavailable or store.ErrUnavailable.
func (f *Flow) Issue(ctx context.Context, i Issue) (Issued, error) {
	m, ok := f.method(i.Method)
	if !ok || !isHanded(m) {
		return Issued{}, fmt.Errorf("recovery: %q is no configured method whose codes are handed over", i.Method)
	}
	a, err := f.Directory.Get(ctx, i.Account)
	if err != nil {
		return Issued{}, fmt.Errorf("recovery: issue a code: %w", err)
	}
	purpose, ok := PurposeFor(a)
	if !ok || !m.Offers(a, purpose) || i.Only != "" && i.Only != purpose {
		f.Audit.Record(ctx, audit.Event{Action: "recovery.issue", Result: "refused", Account: a.ID, Actor: i.By, Address: i.Address})
		return Issued{}, ErrState
	}
	if err := f.alive(ctx, i.Batch); err != nil {
		return Issued{}, err
	}
	id, now, terms := newAttempt(), f.now(), f.terms(m, purpose)
	language := i.Language
	if language == "" {
		language = a.Language
	}
	fields := store.Fields{
		fieldWanted: string(purpose), fieldPurpose: string(purpose), fieldMethod: m.Name(), fieldLanguage: language,
		fieldAccount: string(a.ID), fieldSent: strconv.FormatInt(now.Unix(), 10), fieldBatch: i.Batch,
		fieldSince: since(a),
		fieldLogin: f.sealTyped(typed{Login: a.Login}, id),
	}
	ops := append([]store.Op{&store.Create{Key: key(id), Fields: fields, TTL: terms.Link + remembered}}, f.opening(id, fields, terms)...)
	ops = append(ops, f.note(a.ID, Event{ID: id, At: now, Purpose: purpose, Method: m.Name(), Result: "issued", By: i.By})...)
	if err := f.Store.Do(ctx, ops...); err != nil {
		return Issued{}, err
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.issue", Result: "ok", Account: a.ID, Actor: i.By, Address: i.Address,
		Detail: []slog.Attr{slog.String("method", m.Name()), slog.String("purpose", string(purpose)), slog.String("batch", i.Batch)}})
	c := f.challengeOf(sending{id: id, fields: fields, account: a, purpose: purpose, method: m})
	return Issued{Attempt: id, Account: a, Purpose: purpose, Code: secret.New(grouped(c.Code())), URL: secret.New(c.URL()), Until: c.LinkUntil()}, nil
}

// ErrBatch says that a batch is unknown or was revoked.
var ErrBatch = errors.New("recovery: no such batch of codes")

// NewBatch begins a batch of codes, that can be revoked together (requirement
// R64), and returns its name. The error wraps store.ErrUnavailable.
func (f *Flow) NewBatch(ctx context.Context, by account.ID) (string, error) {
	batch := ticket.NewTag()
	if err := f.Store.Do(ctx, &store.Create{Key: batchKey(batch), Fields: store.Fields{fieldAttempt: "-"}, TTL: currentLife}); err != nil {
		return "", err
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.batch", Result: "begun", Actor: by, Detail: []slog.Attr{slog.String("batch", batch)}})
	return batch, nil
}

// RevokeBatch ends every code of a batch that was not used yet, at once.
// Errors: ErrBatch, or one that wraps store.ErrUnavailable.
func (f *Flow) RevokeBatch(ctx context.Context, batch string, by account.ID) error {
	k := batchKey(batch)
	del := &store.Delete{Tag: k.Tag, Names: []string{k.Name}}
	if err := f.Store.Do(ctx, del); err != nil {
		return err
	}
	if del.Deleted == 0 {
		return ErrBatch
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.batch", Result: "revoked", Actor: by, Detail: []slog.Attr{slog.String("batch", batch)}})
	return nil
}

// alive reports ErrBatch for a batch that was revoked: its codes hang from its
// record.
func (f *Flow) alive(ctx context.Context, batch string) error {
	if batch == "" {
		return nil
	}
	read := &store.Read{Key: batchKey(batch)}
	if err := f.Store.Do(ctx, read); err != nil {
		return err
	}
	if read.Fields == nil {
		return ErrBatch
	}
	return nil
}

func batchKey(batch string) store.Key { return store.Key{Tag: "b-" + batch, Name: "batch"} }
