// Package signing owns the private keys with which the server signs, and when
// each of them does: a key is first only published, then signs, then is
// published until nothing that it signed is of use any more.
//
// Which of these a key is at depends on the times of the keys and on the clock
// alone. Replicas that share the keys therefore agree without talking to each
// other, and a rotation needs no restart.
package signing

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// The times of a rotation. They leave room for clocks that are half a minute
// wrong in either direction (F-CLK-01).
const (
	// CacheTime is how long whoever verifies may keep the published keys: the
	// max-age that is advertised with them.
	CacheTime = 10 * time.Minute
	// Interval is how often a running server looks for keys.
	Interval = 30 * time.Second
	// MinLead is the least time between the publication of a key and its
	// first signature: every replica has found it, and every copy made before
	// has been thrown away (F-KEY-01).
	MinLead = CacheTime + 2*Interval + 2*time.Minute
	// Keep is how long a key stays published after the next one began to
	// sign: longer than any token lives, and than a session in which a client
	// may still send an old ID token as a hint.
	Keep = 35 * 24 * time.Hour
)

// Algorithms are the JOSE names of those that a server signs with, the most
// widely understood first.
var Algorithms = []string{string(jose.RS256), string(jose.ES256), string(jose.EdDSA)}

// Key is one private key.
type Key struct {
	// ID is published with the public key: its thumbprint, unless a program
	// names its keys itself.
	ID        string
	Algorithm string
	Private   crypto.Signer
	// From is when it begins to sign. Before that it is only published.
	From time.Time
}

// NewKey names a key by its thumbprint (RFC 7638): the same on every replica,
// another for every key.
func NewKey(private crypto.Signer, from time.Time) (Key, error) {
	algorithm, err := algorithmOf(private)
	if err != nil {
		return Key{}, err
	}
	thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: base64.RawURLEncoding.EncodeToString(thumbprint), Algorithm: algorithm, Private: private, From: from}, nil
}

func algorithmOf(private crypto.Signer) (string, error) {
	switch public := private.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < 2048 {
			return "", errors.New("an RSA key needs at least 2048 bits (RFC 7518 section 3.3)")
		}
		return string(jose.RS256), nil
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return "", errors.New("an EC key must be on P-256 (RFC 7518 section 3.4)")
		}
		return string(jose.ES256), nil
	case ed25519.PublicKey:
		return string(jose.EdDSA), nil
	}
	return "", errors.New("must be an RSA, a P-256 or an Ed25519 key")
}

// Generate makes a key for one of Algorithms. An RSA key takes a while.
func Generate(algorithm string, from time.Time) (Key, error) {
	var private crypto.Signer
	var err error
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errors.New("signing: no such algorithm: " + algorithm)
	}
	if err != nil {
		return Key{}, err
	}
	return NewKey(private, from)
}

// Source gives all keys there are. An error leaves the ring as it was.
type Source func(ctx context.Context) ([]Key, error)

// Ring holds the keys of a server and says which of them does what now. It is
// safe for concurrent use.
type Ring struct {
	source Source
	now    func() time.Time
	keys   atomic.Pointer[[]Key] // in order: see ordered
}

// Open reads the source for the first time.
func Open(ctx context.Context, source Source, now func() time.Time) (*Ring, error) {
	r := &Ring{source: source, now: now}
	keys, err := source(ctx)
	if err != nil {
		return nil, err
	}
	r.set(ordered(keys))
	return r, nil
}

// Fixed is a ring of keys that never change: for tests, and for programs that
// rotate by a restart. They sign in the order given.
func Fixed(keys ...Key) *Ring {
	r := &Ring{now: time.Now, source: func(context.Context) ([]Key, error) { return keys, nil }}
	r.set(ordered(keys))
	return r
}

func (r *Ring) set(keys []Key) { r.keys.Store(&keys) }

// ordered sorts by the time from which keys sign. Among those of one time the
// order stays.
func ordered(keys []Key) []Key {
	out := slices.Clone(keys)
	slices.SortStableFunc(out, func(a, b Key) int { return a.From.Compare(b.From) })
	return out
}

// Refresh reads the source again. A key that comes too late to have been
// published for long enough begins to sign later than it says.
func (r *Ring) Refresh(ctx context.Context) error {
	keys, err := r.source(ctx)
	if err != nil {
		return err
	}
	known, now := *r.keys.Load(), r.now()
	keys = slices.Clone(keys)
	for i, k := range keys {
		same := func(o Key) bool { return o.ID == k.ID }
		rival := func(o Key) bool { return o.Algorithm == k.Algorithm && o.From.Before(k.From) }
		if j := slices.IndexFunc(known, same); j >= 0 {
			keys[i].From = known[j].From
		} else if earliest := now.Add(CacheTime); k.From.Before(earliest) && slices.ContainsFunc(known, rival) {
			keys[i].From = earliest
		}
	}
	r.set(ordered(keys))
	return nil
}

// Signing returns the key that signs now, by an algorithm. It is false when
// there is none of that algorithm.
func (r *Ring) Signing(algorithm string) (Key, bool) {
	var found Key
	for _, k := range *r.keys.Load() {
		// The first of equals signs, and one that is alone does before its time.
		if k.Algorithm == algorithm && (found.Private == nil || !k.From.After(r.now()) && k.From.After(found.From)) {
			found = k
		}
	}
	return found, found.Private != nil
}

// Published returns the keys by which something signed may be verified now:
// those that will sign, that sign, and that signed not longer than Keep ago.
func (r *Ring) Published() []Key {
	keys := *r.keys.Load()
	var out []Key
	for i, k := range keys {
		after := slices.IndexFunc(keys[i+1:], func(o Key) bool { return o.Algorithm == k.Algorithm && o.From.After(k.From) })
		if after < 0 || r.now().Before(keys[i+1+after].From.Add(Keep)) {
			out = append(out, k)
		}
	}
	return out
}

// Algorithms are those of the keys, in the order of the package's.
func (r *Ring) Algorithms() []string {
	return slices.DeleteFunc(slices.Clone(Algorithms), func(name string) bool {
		_, ok := r.Signing(name)
		return !ok
	})
}

// newest returns the last key of an algorithm.
func newest(keys []Key, algorithm string) (Key, bool) {
	of := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.Algorithm != algorithm })
	if len(of) == 0 {
		return Key{}, false
	}
	return slices.MaxFunc(of, func(a, b Key) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID)) }), true
}
