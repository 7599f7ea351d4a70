package signing

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Vault keeps the keys in the store, sealed, and makes the next ones in time.
// Every replica runs one; the store elects which of them makes a key.
type Vault struct {
	Store store.Store
	// Box seals the keys: a copy of the store is worth nothing.
	Box *secret.Box
	// Every is how long a key signs.
	Every time.Duration
	Now   func() time.Time
}

const (
	queue = "signing-keys"
	// making is how long an elected replica has before another may be.
	making = time.Minute
)

// sealed is a key in the store.
type sealed struct {
	From  int64  `json:"from"` // Unix seconds
	PKCS8 []byte `json:"pkcs8"`
}

// Source gives the keys of the vault, after it has made those that are due.
func (v *Vault) Source(ctx context.Context) ([]Key, error) {
	for {
		keys, err := v.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("signing: keys of the store: %w", err)
		}
		made, missing, err := v.make(ctx, keys)
		switch {
		case err != nil:
			return nil, fmt.Errorf("signing: making a key: %w", err)
		case made:
			continue // as everybody else will read it
		case !missing:
			return keys, nil
		}
		// The first replica of all is making the first key.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (v *Vault) read(ctx context.Context) ([]Key, error) {
	list := &store.List{Queue: queue}
	if err := v.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	var keys []Key
	for _, e := range list.Entries {
		var s sealed
		plain, err := v.Box.Open(e.Value, e.ID)
		if err == nil {
			err = json.Unmarshal(plain, &s)
		}
		if err != nil {
			continue // of a master key that is gone: what it sealed has ended
		}
		key, err := parse(s.PKCS8, time.Unix(s.From, 0))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return ordered(keys), nil
}

// make adds the keys that are due and that this replica is elected for. A key
// is missing when its algorithm has none at all.
func (v *Vault) make(ctx context.Context, keys []Key) (made, missing bool, err error) {
	lead := max(MinLead, min(v.Every/4, 24*time.Hour))
	for _, algorithm := range Algorithms {
		now := v.Now()
		from := now
		last, ok := newest(keys, algorithm)
		if ok {
			from = last.From.Add(v.Every)
			if now.Before(from.Add(-lead)) {
				continue
			}
			if from.Before(now.Add(MinLead)) { // nobody was there in time
				from = now.Add(MinLead)
			}
		}
		elected := &store.Create{Key: store.Key{Tag: queue, Name: "maker " + algorithm + " " + last.ID}, TTL: making}
		if err := v.Store.Do(ctx, elected); err != nil {
			return made, missing, err
		}
		if !elected.Created {
			missing = missing || !ok
			continue
		}
		if err := v.add(ctx, algorithm, from); err != nil {
			return made, missing, err
		}
		made = true
	}
	return made, missing, nil
}

// add stores a new key until it is no longer published, and forgets those that
// are not.
func (v *Vault) add(ctx context.Context, algorithm string, from time.Time) error {
	key, err := Generate(algorithm, from)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(sealed{From: from.Unix(), PKCS8: der})
	if err != nil {
		return err
	}
	life := from.Sub(v.Now()) + v.Every + Keep + MinLead
	return v.Store.Do(ctx,
		&store.Push{Queue: queue, ID: key.ID, Value: v.Box.Seal(plain, key.ID), After: life},
		&store.Drop{Queue: queue, Due: true})
}
