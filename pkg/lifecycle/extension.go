package lifecycle

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Extensions are the requests of people whose account is to last longer
// (requirement R13). They wait for an operator, who grants one where the end is
// kept, in the directory, and then settles it here.
type Extensions struct {
	Store store.Store
	Keys  *secret.Keyring
	Audit audit.Log
}

// Extension is one request.
type Extension struct {
	Account account.ID `json:"a"`
	At      time.Time  `json:"t"`
	Months  int        `json:"m"`
	Why     string     `json:"w"` // what the person wrote
}

const (
	extensions = "extensions"
	// waiting is how long a request is kept that nobody settles.
	waiting = 90 * 24 * time.Hour
)

func (x *Extensions) box() *secret.Box { return x.Keys.Box("extension") }

// Ask leaves a request. An account has one: the next takes its place. The error
// wraps store.ErrUnavailable.
func (x *Extensions) Ask(ctx context.Context, e Extension) error {
	plain, err := json.Marshal(e)
	if err != nil {
		return err
	}
	err = x.Store.Do(ctx,
		&store.Drop{Queue: extensions, Due: true},
		&store.Push{Queue: extensions, ID: string(e.Account), Value: x.box().Seal(plain, string(e.Account)), After: waiting})
	if err == nil {
		x.Audit.Record(ctx, audit.Event{Action: "extension.ask", Result: "ok", Account: e.Account})
	}
	return err
}

// List returns the requests that wait, the oldest first. The error wraps
// store.ErrUnavailable.
func (x *Extensions) List(ctx context.Context) ([]Extension, error) {
	list := &store.List{Queue: extensions}
	if err := x.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	var out []Extension
	for _, entry := range list.Entries {
		var e Extension
		plain, err := x.box().Open(entry.Value, entry.ID)
		if err == nil && entry.Due > 0 && json.Unmarshal(plain, &e) == nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// Of returns the request of an account; false when it has none. The error is as
// of List.
func (x *Extensions) Of(ctx context.Context, id account.ID) (Extension, bool, error) {
	all, err := x.List(ctx)
	i := slices.IndexFunc(all, func(e Extension) bool { return e.Account == id })
	if i < 0 {
		return Extension{}, false, err
	}
	return all[i], true, nil
}

// Settle ends a request, granted or not. By is the operator. The error wraps
// store.ErrUnavailable.
func (x *Extensions) Settle(ctx context.Context, id account.ID, granted bool, by account.ID) error {
	if err := x.Store.Do(ctx, &store.Drop{Queue: extensions, IDs: []string{string(id)}}); err != nil {
		return err
	}
	result := "denied"
	if granted {
		result = "granted"
	}
	x.Audit.Record(ctx, audit.Event{Action: "extension.settle", Result: result, Account: id, Actor: by})
	return nil
}
