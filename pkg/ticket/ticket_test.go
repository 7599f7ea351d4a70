package ticket_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
	"github.com/loge-idp/loge/providers/memory"
)

func open(t *testing.T) (*memory.FakeTimeStore, ticket.Book) {
	s, err := memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, ticket.Book{Store: s, Kind: "st", Prefix: "ST-", TTL: time.Minute}
}

func issue(t *testing.T, b ticket.Book, under store.Key) string {
	t.Helper()
	text, create := b.Issue(under, store.Fields{"user": "alice"})
	if err := b.Store.Do(t.Context(), create); err != nil || !create.Created {
		t.Fatalf("not issued: %v", err)
	}
	return text
}

func redeem(t *testing.T, b ticket.Book, text string) *store.Take {
	t.Helper()
	take, err := b.Redeem(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return take
}

// R-CAS-01: good once, for one minute, and told from others afterwards.
func TestOnce(t *testing.T) {
	s, b := open(t)
	text := issue(t, b, store.Key{})
	if take := redeem(t, b, text); take.Outcome != store.Taken || take.Fields["user"] != "alice" {
		t.Fatalf("first: %+v", take)
	}
	if take := redeem(t, b, text); take.Outcome != store.Spent {
		t.Errorf("second: %v", take.Outcome)
	}
	s.Advance(2 * time.Minute)
	if take := redeem(t, b, text); take.Outcome != store.Missing {
		t.Errorf("forgotten: %v", take.Outcome)
	}
	late := issue(t, b, store.Key{})
	s.Advance(time.Minute)
	if take := redeem(t, b, late); take.Outcome != store.Missing {
		t.Errorf("expired: %v", take.Outcome)
	}
}

// R-CAS-02: of callers side by side one has it.
func TestRace(t *testing.T) {
	_, b := open(t)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		text := issue(t, b, store.Key{})
		for range 20 {
			all.Go(func() {
				take, err := b.Redeem(t.Context(), text)
				if err != nil {
					t.Error(err)
				} else if take.Outcome == store.Taken {
					taken.Add(1)
				}
			})
		}
	}
	all.Wait()
	if taken.Load() != 100 {
		t.Errorf("100 tickets were taken %d times", taken.Load())
	}
}

// A ticket dies with what it hangs from, and is dead from birth without it.
func TestUnder(t *testing.T) {
	s, b := open(t)
	session := store.Key{Tag: ticket.NewTag(), Name: "session:1"}
	if err := s.Do(t.Context(), &store.Create{Key: session, TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	one, other := issue(t, b, session), issue(t, b, session)
	if !strings.HasPrefix(one, "ST-"+session.Tag) {
		t.Errorf("%s is not on the node of its session", one)
	}
	if take := redeem(t, b, one); take.Outcome != store.Taken {
		t.Errorf("with its session: %v", take.Outcome)
	}
	if err := s.Do(t.Context(), &store.Delete{Tag: session.Tag, Names: []string{session.Name}}); err != nil {
		t.Fatal(err)
	}
	if take := redeem(t, b, other); take.Outcome != store.Missing {
		t.Errorf("without its session: %v", take.Outcome)
	}
	text, create := b.Issue(session, nil)
	if err := s.Do(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	if take := redeem(t, b, text); take.Outcome != store.Missing {
		t.Errorf("issued afterwards: %v", take.Outcome)
	}
}

// Only its own Book redeems a ticket, and no other text reaches the store.
func TestForeign(t *testing.T) {
	_, b := open(t)
	text := issue(t, b, store.Key{})
	for _, other := range []ticket.Book{
		{Store: b.Store, Kind: "code", Prefix: "ST-", TTL: time.Minute},
		{Store: b.Store, Kind: "st", Prefix: "PT-", TTL: time.Minute},
	} {
		if take := redeem(t, other, text); take.Outcome != store.Missing {
			t.Errorf("%s %s redeemed it", other.Kind, other.Prefix)
		}
	}
	b.Store = nil // would panic
	for _, junk := range []string{"", "ST-", "ST-short", text + "&a", text + "\n", text[:12] + "{" + text[13:], "st" + text[2:], text + strings.Repeat("x", 300)} {
		if take := redeem(t, b, junk); take.Outcome != store.Missing {
			t.Errorf("%q: %v", junk, take.Outcome)
		}
	}
}

// R-CAS-03: 32 characters that every client takes, of 131 random bits, of
// which the store knows but the hash.
func TestText(t *testing.T) {
	b := ticket.Book{Kind: "st", Prefix: "ST-", TTL: time.Minute}
	seen := map[string]bool{}
	for range 10_000 {
		text, create := b.Issue(store.Key{}, nil)
		if len(text) != 32 || seen[text] || strings.Trim(text[3:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("ticket %q", text)
		}
		seen[text] = true
		if strings.Contains(create.Key.Name, text[10:]) || !strings.Contains(create.Key.Name, secret.Hash(text)[:22]) {
			t.Fatalf("the name %q of %q", create.Key.Name, text)
		}
	}
	b.Length = 60
	if text, _ := b.Issue(store.Key{}, nil); len(text) != 60 {
		t.Errorf("%d characters, want 60", len(text))
	}
}
