package secret_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, secret.MinMaster) }

// F-KEY-02: what the old master key sealed is opened for the overlap, then
// refused; the next one opens before it seals; what is derived stays.
func TestRotate(t *testing.T) {
	now := time.Now()
	ring, err := secret.NewKeyring(key(1))
	if err != nil {
		t.Fatal(err)
	}
	next, err := secret.NewKeyring(key(2)) // another replica, which is a little ahead
	if err != nil {
		t.Fatal(err)
	}
	box, derived := ring.Box("use"), ring.Deriver("use").Text(22, "x")
	opens := func(what, sealed string, want bool) {
		t.Helper()
		plain, err := box.Open(sealed, "b")
		if got := err == nil && string(plain) == "text"; got != want || !want && !errors.Is(err, secret.ErrSeal) {
			t.Errorf("%s: %q, %v", what, plain, err)
		}
	}
	old := box.Seal([]byte("text"), "b")
	ahead := next.Box("use").Seal([]byte("text"), "b")
	opens("of a key that is not there", ahead, false)

	rotate := func(from, until time.Time) {
		t.Helper()
		if err := ring.Rotate(secret.Master{Key: key(1), Until: until}, secret.Master{Key: key(2), From: from}); err != nil {
			t.Fatal(err)
		}
	}
	sealedByNew := func() bool {
		t.Helper()
		_, err := next.Box("use").Open(box.Seal([]byte("text"), "b"), "b")
		return err == nil
	}
	rotate(now.Add(time.Hour), now.Add(2*time.Hour))
	opens("before the change, of the old one", old, true)
	opens("before the change, of the next one", ahead, true)
	if sealedByNew() {
		t.Error("the next key seals before its time")
	}
	rotate(now.Add(-time.Second), now.Add(time.Hour))
	opens("in the overlap, of the old one", old, true)
	if !sealedByNew() {
		t.Error("the old key seals still")
	}
	rotate(now.Add(-time.Hour), now.Add(-time.Second))
	opens("after the overlap, of the old one", old, false)
	opens("after the overlap, of the new one", ahead, true)
	if ring.Deriver("use").Text(22, "x") != derived {
		t.Error("what is derived has changed")
	}

	// A leak: another first key ends everything.
	if err := ring.Rotate(secret.Master{Key: key(3)}); err != nil {
		t.Fatal(err)
	}
	opens("after a leak, of the old one", old, false)
	opens("after a leak, of the new one", ahead, false)
	if ring.Deriver("use").Text(22, "x") == derived {
		t.Error("what is derived is as before")
	}
	if err := ring.Rotate(secret.Master{Key: key(4)}, secret.Master{Key: key(5)[:31]}); err == nil || ring.Deriver("use").Text(22, "x") == derived {
		t.Errorf("a short key: %v", err)
	}
}
