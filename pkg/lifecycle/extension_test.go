package lifecycle_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/memory"
)

// R13: a request waits until an operator settles it, one for an account, and for
// 90 days at the most.
func TestExtensions(t *testing.T) {
	fake, err := memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fake.Close() })
	x := &lifecycle.Extensions{Store: fake, Keys: secret.RandomKeyring(), Audit: audit.Log{Logger: slog.New(slog.DiscardHandler)}}
	ask := func(e lifecycle.Extension) {
		t.Helper()
		if err := x.Ask(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	want := func(all ...lifecycle.Extension) {
		t.Helper()
		got, err := x.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Error(diff)
		}
	}
	alice := lifecycle.Extension{Account: "alice", At: fake.Now(), Months: 6, Why: "thesis"}
	ask(alice)
	fake.Advance(time.Hour)
	bob := lifecycle.Extension{Account: "bob", At: fake.Now(), Months: 3}
	ask(bob)
	want(alice, bob)
	fake.Advance(time.Hour)
	alice.Why = "thesis, defended in June"
	ask(alice)
	want(bob, alice)
	if got, ok, err := x.Of(t.Context(), "alice"); !ok || err != nil || got.Why != alice.Why {
		t.Errorf("%v, %v, %v", got, ok, err)
	}
	if err := x.Settle(t.Context(), "bob", true, "op"); err != nil {
		t.Fatal(err)
	}
	want(alice)
	if _, ok, err := x.Of(t.Context(), "bob"); ok || err != nil {
		t.Errorf("settled: %v, %v", ok, err)
	}
	fake.Advance(91 * 24 * time.Hour)
	want()
}
