package recovery

import (
	"context"
	"slices"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// holdLife is how long a contact is not used that an operator put on file: as
// long as the old ones may take it back. Whoever talked the operator into it has
// gained nothing before.
const holdLife = undoLife

func (f *Flow) holdKey(id account.ID, c account.Contact) store.Key {
	return store.Key{Tag: "h-" + secret.Hash(string(id) + " " + f.mark(c))[:22], Name: "hold"}
}

// Hold has a contact of an account not be used for 72 hours, whether it is on
// file already or will be. The error wraps store.ErrUnavailable.
func (f *Flow) Hold(ctx context.Context, id account.ID, c account.Contact) error {
	return f.Store.Do(ctx, &store.Create{Key: f.holdKey(id, c), Fields: store.Fields{fieldAccount: string(id)}, TTL: holdLife, Replace: true})
}

// Usable returns an account of which those contacts are frozen too that are
// held. The error wraps store.ErrUnavailable.
func (f *Flow) Usable(ctx context.Context, a account.Account) (account.Account, error) {
	reads, ops := make([]*store.Read, len(a.Contacts)), make([]store.Op, len(a.Contacts))
	for i, c := range a.Contacts {
		reads[i] = &store.Read{Key: f.holdKey(a.ID, c)}
		ops[i] = reads[i]
	}
	if len(ops) == 0 {
		return a, nil
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return a, err
	}
	a.Contacts = slices.Clone(a.Contacts)
	for i, read := range reads {
		a.Contacts[i].Frozen = a.Contacts[i].Frozen || read.Fields != nil
	}
	return a, nil
}
