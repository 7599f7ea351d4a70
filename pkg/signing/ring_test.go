package signing_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/signing"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clock is a replica's idea of the time.
type clock struct {
	now  time.Time
	skew time.Duration
}

func (c *clock) Now() time.Time { return c.now.Add(c.skew) }

func key(t testing.TB, algorithm, name string, from time.Time) signing.Key {
	t.Helper()
	k, err := signing.Generate(algorithm, from)
	if err != nil {
		t.Fatal(err)
	}
	k.ID = name
	return k
}

// What a key does depends on the times alone.
func TestStates(t *testing.T) {
	first := key(t, "EdDSA", "first", time.Time{})
	second := key(t, "EdDSA", "second", noon)
	other := key(t, "ES256", "other", time.Time{})
	clock := &clock{}
	ring, err := signing.Open(t.Context(), func(context.Context) ([]signing.Key, error) {
		return []signing.Key{second, other, first}, nil
	}, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at        time.Time
		signs     string
		published []string
	}{
		{noon.Add(-time.Hour), "first", []string{"other", "first", "second"}},
		{noon.Add(-time.Second), "first", []string{"other", "first", "second"}},
		{noon, "second", []string{"other", "first", "second"}},
		{noon.Add(signing.Keep - time.Second), "second", []string{"other", "first", "second"}},
		{noon.Add(signing.Keep), "second", []string{"other", "second"}},
	} {
		clock.now = c.at
		if k, ok := ring.Signing("EdDSA"); !ok || k.ID != c.signs {
			t.Errorf("%v: %s signs, want %s", c.at, k.ID, c.signs)
		}
		var published []string
		for _, k := range ring.Published() {
			published = append(published, k.ID)
		}
		if diff := cmp.Diff(c.published, published); diff != "" {
			t.Errorf("%v: %s", c.at, diff)
		}
	}
	if _, ok := ring.Signing("RS256"); ok {
		t.Error("a key was found for an algorithm that has none")
	}
	if diff := cmp.Diff([]string{"ES256", "EdDSA"}, ring.Algorithms()); diff != "" {
		t.Error(diff)
	}
}

// A key alone signs before its time, and the first of several of one time does.
func TestOneAlwaysSigns(t *testing.T) {
	if k, ok := signing.Fixed(key(t, "ES256", "a", time.Now().Add(time.Hour))).Signing("ES256"); !ok || k.ID != "a" {
		t.Errorf("%v %v", k.ID, ok)
	}
	ring := signing.Fixed(key(t, "ES256", "a", time.Time{}), key(t, "ES256", "b", time.Time{}))
	if k, _ := ring.Signing("ES256"); k.ID != "a" {
		t.Errorf("%s signs", k.ID)
	}
}

// replica reads the keys of a folder now and then, by its own clock.
type replica struct {
	clock clock
	phase int
	ring  *signing.Ring
}

// verifier keeps the published keys for as long as it may.
type verifier struct {
	keys map[string]ed25519.PublicKey
}

// fetch replaces the keys, and keeps count of the verifiers that have each.
func (v *verifier) fetch(r *replica, having map[string]int) {
	for id := range v.keys {
		having[id]--
	}
	v.keys = map[string]ed25519.PublicKey{}
	for _, k := range r.ring.Published() {
		if public, ok := k.Private.Public().(ed25519.PublicKey); ok {
			v.keys[k.ID] = public
			having[k.ID]++
		}
	}
}

type token struct {
	kid       string
	signature []byte
}

// F-KEY-01, F-CLK-01: keys are rotated while 10,000 tokens live, on two
// replicas whose clocks differ by a minute. At every second each of 600
// verifiers, which have fetched the keys at every second of the time for which
// they may keep them, has the key of every token that lives.
func TestNoTokenIsEverUnverifiable(t *testing.T) {
	const (
		life = time.Hour
		rate = 3 // tokens in a second: 10,800 live
	)
	folder := t.TempDir()
	if err := signing.Add(folder); err != nil {
		t.Fatal(err)
	}
	now := noon
	replicas := []*replica{{clock: clock{skew: 30 * time.Second}}, {clock: clock{skew: -30 * time.Second}, phase: 17}}
	for _, r := range replicas {
		r.clock.now = now
		ring, err := signing.Open(t.Context(), signing.Files(folder), r.clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		r.ring = ring
	}
	verifiers, having := make([]verifier, int(signing.CacheTime/time.Second)), map[string]int{}
	for i := range verifiers {
		verifiers[i].fetch(replicas[i%2], having)
	}
	perSecond := int(signing.Interval / time.Second)
	var issued []token   // one of each second
	var signers []string // of all
	live, most, used := map[string]int{}, 0, map[string]bool{}
	for second := range int((life + 75*time.Minute) / time.Second) {
		now = noon.Add(time.Duration(second) * time.Second)
		if second == 1800 || second == 1801 { // twice: the second adds nothing
			if err := signing.Rotate(t.Context(), folder, now.Add(signing.MinLead), now); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range replicas {
			r.clock.now = now
			if second%perSecond == r.phase {
				if err := r.ring.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		verifiers[second%len(verifiers)].fetch(replicas[second/7%2], having)

		for i := range rate {
			k, _ := replicas[(second+i)%2].ring.Signing("EdDSA")
			live[k.ID]++
			used[k.ID] = true
			signers = append(signers, k.ID)
			if i > 0 {
				continue
			}
			signature, err := k.Private.Sign(nil, []byte(fmt.Sprint(second)), &ed25519.Options{})
			if err != nil {
				t.Fatal(err)
			}
			issued = append(issued, token{k.ID, signature})
		}
		for kid, n := range live {
			if n > 0 && having[kid] != len(verifiers) {
				t.Fatalf("second %d: %d tokens are unverifiable to %d of %d", second, n, len(verifiers)-having[kid], len(verifiers))
			}
		}
		if ended := second - int(life/time.Second); ended >= 0 {
			each := issued[ended]
			if v := verifiers[ended%len(verifiers)]; !ed25519.Verify(v.keys[each.kid], []byte(fmt.Sprint(ended)), each.signature) {
				t.Fatalf("second %d: a token does not verify", second)
			}
			for i := range rate {
				live[signers[ended*rate+i]]--
			}
		}
		n := 0
		for _, each := range live {
			n += each
		}
		most = max(most, n)
	}
	if most < 10000 || len(used) != 2 {
		t.Errorf("%d tokens lived at once, signed by %d keys: want 10,000 and 2", most, len(used))
	}
}

// A key that arrives too late has not been published: the old one goes on.
func TestALateKeyWaits(t *testing.T) {
	clock := &clock{now: noon}
	keys := []signing.Key{key(t, "EdDSA", "old", time.Time{})}
	ring, err := signing.Open(t.Context(), func(context.Context) ([]signing.Key, error) { return keys, nil }, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, key(t, "EdDSA", "late", noon.Add(-time.Minute)))
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "old"}, {signing.CacheTime - time.Second, "old"}, {signing.CacheTime, "late"}} {
		clock.now = noon.Add(c.after)
		if err := ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if k, _ := ring.Signing("EdDSA"); k.ID != c.want {
			t.Errorf("after %v: %s signs, want %s", c.after, k.ID, c.want)
		}
	}
}

// A folder that cannot be read for a moment takes no key away.
func TestAFaultChangesNothing(t *testing.T) {
	fault := error(nil)
	ring, err := signing.Open(t.Context(), func(context.Context) ([]signing.Key, error) {
		return []signing.Key{key(t, "EdDSA", "k", time.Time{})}, fault
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	fault = errors.New("a fault")
	if err := ring.Refresh(t.Context()); !errors.Is(err, fault) {
		t.Errorf("%v", err)
	}
	if k, ok := ring.Signing("EdDSA"); !ok || k.ID != "k" {
		t.Error("the key is gone")
	}
}

func TestRotate(t *testing.T) {
	folder := t.TempDir()
	count := func() int {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	if err := signing.Add(folder); err != nil {
		t.Fatal(err)
	}
	rotate := func(from, now time.Time) error { return signing.Rotate(t.Context(), folder, from, now) }
	if err := rotate(noon.Add(signing.MinLead-time.Second), noon); err == nil || count() != 3 {
		t.Errorf("a key that would sign too soon was made: %v", err)
	}
	if err := rotate(noon.Add(time.Hour), noon); err != nil || count() != 6 {
		t.Errorf("%v, %d files, want 6", err, count())
	}
	if err := rotate(noon.Add(2*time.Hour), noon.Add(time.Minute)); err != nil || count() != 6 {
		t.Errorf("while one waits another was added: %v, %d files", err, count())
	}
	// Once the second signs and the first is no longer published, it goes.
	later := noon.Add(time.Hour + signing.Keep)
	if err := rotate(later.Add(time.Hour), later); err != nil || count() != 6 {
		t.Errorf("%v, %d files, want 6", err, count())
	}
	if _, err := os.Stat(filepath.Join(folder, "rs256.pem")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the first key is still there: %v", err)
	}
	names, _ := filepath.Glob(filepath.Join(folder, "rs256-*.pem"))
	if len(names) != 2 || !strings.HasSuffix(names[0], "rs256-20261123T130000Z.pem") {
		t.Errorf("%v", names)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestStampedNames(t *testing.T) {
	for name, want := range map[string]time.Time{
		"rs256": {}, "my-key": {}, "rs256-20261123T120000Z": noon, "-20261123T120000Z": noon, "rs256-20261123": {},
	} {
		if got := signing.Stamped(name); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if got := signing.Stamp("es256", noon.Add(time.Nanosecond)); got != "es256-20261123T120000Z" {
		t.Error(got)
	}
}

func TestWriteFileReplacesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := signing.WriteFile(name, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := signing.WriteFile(name, []byte("two")); !errors.Is(err, os.ErrExist) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "one" {
		t.Errorf("%q, %v", text, err)
	}
}
