package signing_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/signing"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
)

const month = 30 * 24 * time.Hour

// replicas open n vaults on one store, at the same moment.
func openVaults(t *testing.T, s store.Store, box *secret.Box, now func() time.Time, n int) []*signing.Ring {
	t.Helper()
	rings := make([]*signing.Ring, n)
	var opening sync.WaitGroup
	for i := range rings {
		opening.Go(func() {
			vault := &signing.Vault{Store: s, Box: box, Every: month, Now: now}
			ring, err := signing.Open(t.Context(), vault.Source, now)
			if err != nil {
				t.Error(err)
				return
			}
			rings[i] = ring
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return rings
}

func ids(r *signing.Ring) []string {
	var out []string
	for _, k := range r.Published() {
		out = append(out, k.Algorithm+" "+k.ID)
	}
	return out
}

// All replicas come to the same keys, of which the store elects one maker.
func TestVault(t *testing.T) {
	s, err := memory.NewFakeTimeStore(noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	box := secret.RandomKeyring().Box("signing keys")
	rings := openVaults(t, s, box, s.Now, 4)
	same := func(keys int) {
		t.Helper()
		for _, r := range rings {
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// The replica that made a key knows it before the others.
		for _, r := range rings {
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ids(rings[0]), ids(r)); diff != "" || len(ids(r)) != keys {
				t.Fatalf("%d keys, want %d: %s", len(ids(r)), keys, diff)
			}
		}
	}
	same(3)
	first, _ := rings[0].Signing("RS256")

	s.Advance(month - 25*time.Hour)
	same(3)
	s.Advance(2 * time.Hour) // within a day of the end
	same(6)
	if k, _ := rings[1].Signing("RS256"); k.ID != first.ID {
		t.Error("the next key signs already")
	}
	s.Advance(23*time.Hour + time.Second)
	same(6)
	second, _ := rings[1].Signing("RS256")
	if second.ID == first.ID || !second.From.Equal(first.From.Add(month)) {
		t.Errorf("signing from %v, want %v", second.From, first.From.Add(month))
	}
	s.Advance(month - time.Hour)
	same(9) // the third waits; the first is still published
	s.Advance(signing.Keep - month + time.Hour)
	same(6) // the third signs, and the first has gone
	if third, _ := rings[2].Signing("RS256"); third.From.Before(s.Now().Add(-month)) {
		t.Errorf("the key of %v signs at %v", third.From, s.Now())
	}
}

// When nobody was there in time, the next key is still published first.
func TestVaultAfterAPause(t *testing.T) {
	s, err := memory.NewFakeTimeStore(noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	box := secret.RandomKeyring().Box("signing keys")
	before, _ := openVaults(t, s, box, s.Now, 1)[0].Signing("ES256")
	s.Advance(month + time.Hour)
	ring := openVaults(t, s, box, s.Now, 1)[0]
	if k, _ := ring.Signing("ES256"); k.ID != before.ID {
		t.Error("a key signs that nobody can know")
	}
	s.Advance(signing.MinLead)
	if k, _ := ring.Signing("ES256"); k.ID == before.ID {
		t.Error("the old key signs still")
	}
}

// A copy of the store is worth nothing without the master key.
func TestVaultIsSealed(t *testing.T) {
	s, err := memory.NewFakeTimeStore(noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ring := openVaults(t, s, secret.RandomKeyring().Box("signing keys"), s.Now, 1)[0]
	list := &store.List{Queue: "signing-keys"}
	if err := s.Do(t.Context(), list); err != nil || len(list.Entries) != 3 {
		t.Fatalf("%d entries, %v", len(list.Entries), err)
	}
	for _, e := range list.Entries {
		if strings.Contains(e.Value, "pkcs8") {
			t.Error("a key lies open")
		}
	}
	s.Advance(time.Minute) // the maker's turn ends
	other := openVaults(t, s, secret.RandomKeyring().Box("signing keys"), s.Now, 1)[0]
	if diff := cmp.Diff(ids(ring), ids(other)); diff == "" {
		t.Error("another master key opens it")
	}
}

// A store that does not answer takes no key away, and is said.
func TestVaultFault(t *testing.T) {
	vault := &signing.Vault{Store: away{}, Box: secret.RandomKeyring().Box("signing keys"), Every: month, Now: time.Now}
	if _, err := signing.Open(t.Context(), vault.Source, time.Now); err == nil || !strings.Contains(err.Error(), "signing: keys of the store") {
		t.Errorf("%v", err)
	}
}

type away struct{}

func (away) Do(context.Context, ...store.Op) error { return store.ErrUnavailable }
