package throttle_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/providers/memory"
)

func open(t *testing.T) *memory.FakeTimeStore {
	s, err := memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func allowed(t *testing.T, s store.Store, hit *store.Hit) bool {
	t.Helper()
	if err := s.Do(context.Background(), hit); err != nil {
		t.Error(err)
	}
	return hit.Allowed
}

// R34: free until the limit, then one after each pause, which doubles.
func TestR34(t *testing.T) {
	s := open(t)
	l := throttle.Limiter{Name: "login", Limit: 5, Window: 24 * time.Hour, Pause: time.Minute, MaxPause: 15 * time.Minute}
	for i := range 5 {
		if !allowed(t, s, l.Hit("alice")) {
			t.Fatalf("attempt %d refused", i+1)
		}
	}
	for _, pause := range []time.Duration{1, 2, 4, 8, 15, 15} {
		pause *= time.Minute
		hit := l.Hit("alice")
		if allowed(t, s, hit) || hit.Retry != pause {
			t.Fatalf("allowed %v, retry in %s, want %s", hit.Allowed, hit.Retry, pause)
		}
		s.Advance(pause - time.Millisecond)
		if allowed(t, s, l.Hit("alice")) {
			t.Fatalf("allowed before %s were over", pause)
		}
		s.Advance(time.Millisecond)
		if !allowed(t, s, l.Hit("alice")) {
			t.Fatalf("refused when %s were over", pause)
		}
	}
	for _, other := range []*store.Hit{
		l.Hit("bob"),
		throttle.Limiter{Name: "codes", Limit: 1, Window: time.Hour}.Hit("alice"),
	} {
		if !allowed(t, s, other) {
			t.Error("one subject or limit counts for another")
		}
	}
	if err := s.Do(t.Context(), l.Forgive("alice")); err != nil {
		t.Fatal(err)
	}
	if hit := l.Hit("alice"); !allowed(t, s, hit) || hit.Count != 1 {
		t.Errorf("forgiven, but %+v", hit)
	}
}

// R-AUTH-15: side by side no more pass than one after the other.
func TestRAUTH15(t *testing.T) {
	s := open(t)
	l := throttle.Limiter{Name: "login", Limit: 5, Window: time.Hour, Pause: time.Minute, MaxPause: time.Hour}
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if allowed(t, s, l.Hit("alice")) {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 5 {
		t.Errorf("%d passed", passed.Load())
	}
}

func TestZeroAllowsNothing(t *testing.T) {
	if allowed(t, open(t), throttle.Limiter{Window: time.Hour}.Hit("alice")) {
		t.Error("allowed")
	}
}

// Whatever was typed makes a key, and the key does not tell what.
func TestKey(t *testing.T) {
	seen := map[string]bool{}
	l := throttle.Limiter{Name: "login", Limit: 1, Window: time.Hour}
	for _, subject := range []string{"", "alice", "a{b}", "é\x00\n", strings.Repeat("x", 10000)} {
		key := l.Hit(subject).Key
		if seen[key.Tag] || len(key.Tag) > 40 || strings.ContainsAny(key.Tag, "{}\x00\n") || strings.Contains(key.Tag, "alice") {
			t.Errorf("%.20q: %v", subject, key)
		}
		seen[key.Tag] = true
	}
}

func TestRefused(t *testing.T) {
	pass := &store.Hit{Allowed: true}
	if wait, refused := throttle.Refused(pass); refused || wait != 0 {
		t.Error("refused what is allowed")
	}
	if wait, refused := throttle.Refused(&store.Hit{Retry: time.Second}, pass, &store.Hit{Retry: time.Minute}); !refused || wait != time.Minute {
		t.Errorf("%v %v, want the longest wait", wait, refused)
	}
}
