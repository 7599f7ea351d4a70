package login

import (
	"context"
	"net/http"
	"time"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// One password tried at everybody stays below every other bound (R-AUTH-17): its
// failures are counted whosever account it is. Right ones, of which a house that
// gives everybody the same may have many at once, are not.

// braked is how long a password is not looked at that failed too often.
const braked = time.Minute

// bucket is one of a million in which a password lies, by a key of the server:
// enough to tell that many have the same, and nothing to find it by.
func (f *Flow) bucket(password secret.String) string {
	return f.Keys.Deriver("login spray").Digits(6, password.Reveal())
}

func (f *Flow) brakeKey(password secret.String) store.Key {
	return store.Key{Tag: "y-" + secret.Hash("login brake " + f.bucket(password))[:22], Name: "brake"}
}

// brake reads whether a password failed too often: it finds fields then.
func (f *Flow) brake(password secret.String) *store.Read {
	return &store.Read{Key: f.brakeKey(password)}
}

// failed counts that a password was wrong, even if the browser has gone. It is
// ErrRejected, or a fault.
func (f *Flow) failed(r *http.Request, password secret.String) error {
	ctx, kept := context.WithoutCancel(r.Context()), f.Sessions.Cookies.Store
	hit := f.Limits.Spray.Hit(f.bucket(password))
	if err := kept.Do(ctx, hit); err != nil {
		return err
	}
	if hit.Count < hit.Limit {
		return ErrRejected
	}
	if hit.Allowed { // the store gives each its own count, so that of all replicas one tells
		f.record(r, audit.Event{Action: "login", Result: "spray"})
	}
	if err := kept.Do(ctx, &store.Create{Key: f.brakeKey(password), Fields: store.Fields{"since": f.now().Format(time.RFC3339)}, TTL: braked, Replace: true}); err != nil {
		return err
	}
	return ErrRejected
}
