package session

import (
	"context"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/store"
)

// watched is the queue of the accounts that have something open, each due when
// it is to be looked at again.
const watched = "watched-accounts"

// watch are the operations that put an account among the watched.
func (m *Manager) watch(ids ...account.ID) []store.Op {
	if m.Watched <= 0 {
		return nil
	}
	var ops []store.Op
	for _, id := range ids {
		ops = append(ops, &store.Push{Queue: watched, ID: string(id), After: m.Watched})
	}
	return ops
}

// Due returns up to max accounts that have a session or a token open and were
// given by no replica for Watched. Those that have nothing open any more are
// forgotten. The error wraps store.ErrUnavailable.
func (m *Manager) Due(ctx context.Context, max int) ([]account.ID, error) {
	pull := &store.Pull{Queue: watched, Max: max, Lease: m.Watched}
	if err := m.Cookies.Store.Do(ctx, pull); err != nil || len(pull.Entries) == 0 {
		return nil, err
	}
	var all []account.ID
	for _, e := range pull.Entries {
		all = append(all, account.ID(e.ID))
	}
	due, idle, err := m.open(ctx, all)
	if err != nil || len(idle) == 0 {
		return due, err
	}
	gone := &store.Drop{Queue: watched}
	for _, id := range idle {
		gone.IDs = append(gone.IDs, string(id))
	}
	if err := m.Cookies.Store.Do(ctx, gone); err != nil {
		return due, err
	}
	// Somebody may have signed in between the look and the drop.
	back, _, err := m.open(ctx, idle)
	if err != nil || len(back) == 0 {
		return due, err
	}
	return append(due, back...), m.Cookies.Store.Do(ctx, m.watch(back...)...)
}

// Watching tells how many accounts are watched, and by how much the one is late
// that has waited for Due the longest. The error wraps store.ErrUnavailable.
func (m *Manager) Watching(ctx context.Context) (accounts int, late time.Duration, err error) {
	all := &store.List{Queue: watched}
	if err := m.Cookies.Store.Do(ctx, all); err != nil || len(all.Entries) == 0 {
		return 0, 0, err
	}
	return len(all.Entries), max(0, -all.Entries[0].Due), nil
}

// open parts accounts into those that have something open, as far as the index
// knows, and the others.
func (m *Manager) open(ctx context.Context, ids []account.ID) (open, idle []account.ID, err error) {
	lists, ops := make([]*store.List, len(ids)), make([]store.Op, len(ids))
	for i, id := range ids {
		lists[i] = &store.List{Queue: index(id)}
		ops[i] = lists[i]
	}
	if err := m.Cookies.Store.Do(ctx, ops...); err != nil {
		return nil, nil, err
	}
	for i, id := range ids {
		var last time.Duration
		for _, e := range lists[i].Entries {
			last = max(last, e.Due) // in an index an entry is due when it has expired
		}
		if last > 0 {
			open = append(open, id)
		} else {
			idle = append(idle, id)
		}
	}
	return open, idle, nil
}
