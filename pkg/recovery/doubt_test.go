package recovery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// losing is a world that remembers which contacts were lost.
func losing(t *testing.T) (w *world, lost *[]account.Contact) {
	t.Helper()
	w, lost = start(t), &[]account.Contact{}
	w.flow.Lost = func(_ context.Context, who account.ID, c account.Contact) error {
		if who != "id-alice" {
			t.Errorf("lost of %s", who)
		}
		*lost = append(*lost, c)
		return nil
	}
	return w, lost
}

// doubted fails the test unless the first of alice's addresses, and no other, is
// known as one where nobody reads: to the engine, the desk and whoever asks for
// another one.
func (w *world) doubted(t *testing.T, lost []account.Contact) {
	t.Helper()
	alice := w.people.accounts["alice"]
	if diff := cmp.Diff(alice.Contacts[:1], lost); diff != "" {
		t.Errorf("lost: %s", diff)
	}
	if doubtful, err := w.flow.Doubtful(t.Context(), alice.Contacts); err != nil || cmp.Diff(alice.Contacts[:1], doubtful) != "" {
		t.Errorf("doubtful %v, %v", doubtful, err)
	}
	events, err := w.flow.Events(t.Context(), "id-alice")
	seen := false
	for _, e := range events {
		seen = seen || e.Result == "undeliverable" && e.To == firstMasked
	}
	if err != nil || !seen {
		t.Errorf("the desk sees %+v, %v", events, err)
	}
	w.begin(t, "alice")
	if m := <-w.mails; m.To != alice.Contacts[1].Value {
		t.Errorf("the next one to %s", m.To)
	}
}

// firstMasked is the first of alice's addresses as the desk sees it.
const firstMasked = "a••••@h••••"

// R23: a message that comes back days later ends the trust in its address, and
// in no other; its mark says which, and nobody can make one up.
func TestBounced(t *testing.T) {
	w, lost := losing(t)
	w.begin(t, "alice")
	m := <-w.mails
	w.settled(t)
	if m.Check() != nil || m.Mark == "" {
		t.Fatalf("%+v", m)
	}
	w.advance(5 * 24 * time.Hour)
	if err := w.flow.Bounced(t.Context(), "0123456789abcdefghijkl"); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("a mark of nobody's: %v", err)
	}
	if len(*lost) != 0 {
		t.Fatalf("lost %v", *lost)
	}
	if err := w.flow.Bounced(t.Context(), m.Mark); err != nil {
		t.Fatal(err)
	}
	w.doubted(t, *lost)
}

// R23: so does one that is refused at once, whatever it was: a link, or the
// notice of a change.
func TestRefusedAddress(t *testing.T) {
	t.Run("a link", func(t *testing.T) {
		w, lost := losing(t)
		w.refuse = "a@home.example"
		w.begin(t, "alice")
		<-w.mails
		<-w.mails // to the next one
		w.settled(t)
		w.doubted(t, *lost)
	})
	t.Run("a notice", func(t *testing.T) {
		w, lost := losing(t)
		proof := w.proof(t, "alice")
		w.settled(t)
		w.refuse = "a@home.example"
		if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); err != nil {
			t.Fatal(err)
		}
		w.settled(t)
		for range 3 {
			<-w.mails
		}
		w.doubted(t, *lost)
	})
}

// R23: an address that is proved again is trusted again.
func TestProvedAgain(t *testing.T) {
	w, lost := losing(t)
	w.flow.Directory = wide{w.people}
	alice := w.people.accounts["alice"]
	same := recovery.Change{From: alice.Contacts[0], To: alice.Contacts[0]}
	begun, err := w.flow.BeginContact(t.Context(), alice, same, "en", "x", "")
	if err != nil {
		t.Fatal(err)
	}
	m := <-w.mails
	w.settled(t)
	if err := w.flow.Bounced(t.Context(), m.Mark); err != nil || len(*lost) != 1 {
		t.Fatalf("%v, lost %v", err, *lost)
	}
	if _, err := w.flow.CompleteContact(t.Context(), "id-alice", recovery.Reply{Attempt: begun.Attempt, Code: inCodeMail.FindString(m.Text), Source: "x"}); err != nil {
		t.Fatal(err)
	}
	if doubtful, err := w.flow.Doubtful(t.Context(), alice.Contacts); err != nil || len(doubtful) != 0 {
		t.Errorf("doubtful %v, %v", doubtful, err)
	}
}
