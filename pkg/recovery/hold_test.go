package recovery_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
)

// R-REC-09: what was sent to an address is worth nothing once it is frozen, and
// nothing more is sent there.
func TestFrozen(t *testing.T) {
	w := start(t)
	begun := w.begin(t, "alice")
	link, code := w.next(t)
	w.settled(t)
	w.people.change("alice", func(a *account.Account) {
		a.Contacts = slices.Clone(a.Contacts)
		for i := range a.Contacts {
			a.Contacts[i].Frozen = true
		}
	})
	for _, reply := range []recovery.Reply{{Link: link}, {Attempt: begun.Attempt, Code: code}} {
		if _, err := w.answer(t, reply); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("what was sent before: %+v: %v", reply, err)
		}
	}
	w.begin(t, "alice")
	w.settled(t)
	if len(w.mails) != 0 {
		t.Error("something was sent to a frozen address")
	}
}

// R25: what an operator put on file is not used for 72 hours.
func TestHold(t *testing.T) {
	w := start(t)
	a, err := w.people.Find(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.Contacts {
		if err := w.flow.Hold(t.Context(), a.ID, c); err != nil {
			t.Fatal(err)
		}
	}
	w.begin(t, "alice")
	w.settled(t)
	if len(w.mails) != 0 {
		t.Error("something was sent to a new address")
	}
	if b, err := w.flow.Usable(t.Context(), account.Account{ID: "another", Contacts: a.Contacts}); err != nil || b.Contacts[0].Frozen {
		t.Errorf("it is held for another account too: %+v, %v", b, err)
	}
	w.advance(72*time.Hour + time.Second)
	w.begin(t, "alice")
	w.next(t)
}

// Nor is it when somebody else has the same address, and asks by that.
func TestHoldInAFamily(t *testing.T) {
	w := family(t)
	shared := account.Contact{Kind: account.Email, Value: "famille@home.example"}
	w.people.change("zmartin", func(a *account.Account) {
		a.Contacts = []account.Contact{{Kind: account.Email, Value: "zoe@home.example"}, shared}
	})
	if err := w.flow.Hold(t.Context(), "id-zmartin", shared); err != nil {
		t.Fatal(err)
	}
	w.begin(t, shared.Value)
	w.settled(t)
	if len(w.mails) != 1 {
		t.Fatalf("%d mails", len(w.mails))
	}
	if m := <-w.mails; m.To != shared.Value || strings.Contains(m.Text, "zmartin") {
		t.Errorf("to %s:\n%s", m.To, m.Text)
	}
}
