// Package ticket owns secrets that are good once: service tickets, codes,
// proofs. Only hashes of them are stored.
package ticket

import (
	"context"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// TagLen is how many characters of a ticket say where its record is. They
// are the tag of the session it hangs from, so that ticket and session live
// on one node of a cluster and die together.
const TagLen = 7

// secretLen characters of base 62 make 131 random bits (CAS 3.0.3 section 3.7
// asks that tickets be unguessable; RFC 6749 section 10.10 for at least 128).
const secretLen = 22

// Book issues and redeems the tickets of one kind.
type Book struct {
	Store store.Store
	// Kind names the tickets; it is part of the record's name, so one kind is
	// never redeemed as another.
	Kind string
	// Prefix begins each ticket ("ST-").
	Prefix string
	// TTL is how long a ticket lives.
	TTL time.Duration
	// Keep is how long a spent ticket is remembered as spent; default one
	// minute.
	Keep time.Duration
	// Length, when set, makes tickets longer than Prefix plus 29 characters.
	Length int
}

// NewTag returns a random tag for records that hang from no session.
func NewTag() string { return secret.Random(TagLen) }

// Issue makes a ticket and the operation that records it. The ticket hangs
// from the record under, whose Tag it takes; a zero under leaves it on its
// own. It is worth nothing until the store has done the operation.
func (b Book) Issue(under store.Key, fields store.Fields) (string, *store.Create) {
	tag := under.Tag
	if tag == "" {
		tag = NewTag()
	}
	n := max(secretLen, b.Length-len(b.Prefix)-TagLen)
	text := b.Prefix + tag + secret.Random(n)
	return text, &store.Create{Key: b.name(tag, text), Fields: fields, TTL: b.TTL, Under: under.Name}
}

func (b Book) name(tag, text string) store.Key {
	return store.Key{Tag: tag, Name: b.Kind + ":" + secret.Hash(text)[:22]}
}

// Key returns the key of a ticket's record, and false for a text that this
// Book cannot have issued.
func (b Book) Key(text string) (store.Key, bool) {
	rest, ok := strings.CutPrefix(text, b.Prefix)
	if !ok || len(rest) < TagLen+secretLen || len(text) > 256 {
		return store.Key{}, false
	}
	for _, c := range []byte(rest) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return store.Key{}, false
		}
	}
	return b.name(rest[:TagLen], text), true
}

// Redeem consumes a ticket. Of all callers, on all replicas, exactly one gets
// store.Taken, with the fields of Issue. The error wraps store.ErrUnavailable;
// the ticket may then be spent.
func (b Book) Redeem(ctx context.Context, text string) (*store.Take, error) {
	key, ok := b.Key(text)
	if !ok {
		return &store.Take{}, nil
	}
	take := &store.Take{Key: key, By: secret.Random(16), Keep: b.Keep}
	err := b.Store.Do(ctx, take)
	return take, err
}
