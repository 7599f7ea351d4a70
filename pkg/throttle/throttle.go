// Package throttle owns the counters that slow down guessing and flooding:
// counted before the act, per subject, in the shared store.
package throttle

import (
	"time"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Limiter is one rule. It makes store operations instead of carrying them
// out, so that several limits and the rest of a step share one round trip. The
// zero value allows nothing.
type Limiter struct {
	// Name tells the limit from others; it is part of the key.
	Name string
	// Limit, Window, Pause and MaxPause are as of store.Hit.
	Limit           int
	Window          time.Duration
	Pause, MaxPause time.Duration
}

func (l Limiter) key(subject string) store.Key {
	// Subjects are what people typed, addresses, accounts: only their hash is
	// kept, and a hash makes a safe tag whatever was typed.
	return store.Key{Tag: "t-" + secret.Hash(l.Name + " " + subject)[:22], Name: "hit"}
}

// Hit counts one event of the subject. The caller sends the operation to the
// store and looks at Allowed before doing what is limited.
func (l Limiter) Hit(subject string) *store.Hit {
	return &store.Hit{Key: l.key(subject), Limit: l.Limit, Window: l.Window, Pause: l.Pause, MaxPause: l.MaxPause}
}

// Back are the operations that take back those of hits that were allowed: what
// they counted did not come about.
func Back(hits ...*store.Hit) (ops []store.Op) {
	for _, h := range hits {
		if h.Allowed {
			ops = append(ops, &store.Hit{Key: h.Key, Window: h.Window, Back: true})
		}
	}
	return ops
}

// Back takes back one hit of the subject that was allowed.
func (l Limiter) Back(subject string) *store.Hit {
	return &store.Hit{Key: l.key(subject), Window: l.Window, Back: true}
}

// Forgive forgets the subject's events.
func (l Limiter) Forgive(subject string) *store.Delete {
	k := l.key(subject)
	return &store.Delete{Tag: k.Tag, Names: []string{k.Name}}
}

// Refused returns the longest wait among the hits that were not allowed, and
// whether there was one.
func Refused(hits ...*store.Hit) (wait time.Duration, refused bool) {
	for _, h := range hits {
		if !h.Allowed {
			refused = true
			wait = max(wait, h.Retry)
		}
	}
	return wait, refused
}
