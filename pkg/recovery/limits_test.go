package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// "Five tries per flow × unlimited flows": thirty guesses at one account in a
// day, however many messages it got. The owner's link is none, and goes on.
func TestGuessesAddUp(t *testing.T) {
	w := start(t)
	w.flow.Limits.Daily.Limit, w.flow.Limits.Share.Limit = 100, 100 // another limit is tried
	guess := func(begun recovery.Begun, code string) error {
		_, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code})
		return err
	}
	for message := range 6 {
		if message%3 == 0 {
			w.advance(61 * time.Minute) // three messages an hour
		}
		begun := w.begin(t, "alice")
		_, code := w.next(t)
		w.settled(t)
		for n := range 5 {
			if err := guess(begun, fmt.Sprintf("%06d", n)); !errors.Is(err, recovery.ErrWrong) && code != fmt.Sprintf("%06d", n) {
				t.Errorf("%v", err)
			}
		}
	}
	w.advance(61 * time.Minute)
	begun := w.begin(t, "alice")
	link, code := w.next(t)
	w.settled(t)
	if err := guess(begun, code); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the 31st guess was right: %v", err)
	}
	if _, err := w.answer(t, recovery.Reply{Link: link}); err != nil {
		t.Errorf("the owner's link: %v", err)
	}
	w.advance(24 * time.Hour)
	begun = w.begin(t, "alice")
	_, code = w.next(t)
	w.settled(t)
	if err := guess(begun, code); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// An account is activated once its charter is accepted, that one and no other.
func TestCharter(t *testing.T) {
	w := start(t)
	w.flow.Charter = "https://univ.example/charter"
	proof := w.proof(t, "newcomer")
	complete := func() error {
		_, err := w.flow.Complete(t.Context(), proof, secret.New(good), "")
		return err
	}
	if err := complete(); !errors.Is(err, recovery.ErrCharter) {
		t.Errorf("not accepted: %v", err)
	}
	if err := w.flow.Accept(t.Context(), proof); err != nil {
		t.Fatal(err)
	}
	w.flow.Charter = "https://univ.example/charter-2027"
	if err := complete(); !errors.Is(err, recovery.ErrCharter) || len(w.people.set) != 0 {
		t.Errorf("another one: %v, set %v", err, w.people.set)
	}
	if err := w.flow.Accept(t.Context(), proof); err != nil {
		t.Fatal(err)
	}
	if err := complete(); err != nil {
		t.Error(err)
	}
}

// R30: under asvs-l2 what is sent is good for ten minutes, links included, and
// says so; a code that is handed over keeps its own time.
func TestPreset(t *testing.T) {
	w := withDesk(t)
	w.flow.Preset = recovery.ASVSL2
	begun := w.begin(t, "newcomer")
	if life := begun.Until.Sub(begun.At); life != 10*time.Minute {
		t.Errorf("the code is announced for %v", life)
	}
	link, _ := w.next(t)
	w.settled(t)
	code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	seen, err := w.flow.Look(t.Context(), link, "")
	if err != nil || seen.Until.Sub(begun.At) > 10*time.Minute+time.Second {
		t.Errorf("until %v, begun at %v, %v", seen.Until, begun.At, err)
	}
	w.advance(10*time.Minute + time.Second)
	if _, err := w.answer(t, recovery.Reply{Link: link}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("a link of more than ten minutes: %v", err)
	}
	if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code}); err != nil {
		t.Errorf("the letter: %v", err)
	}
	if err := recovery.Preset("asvs-l3").Check(); err == nil {
		t.Error("asvs-l3 was taken")
	}
}

// R-REC-05: the page of a link shows the code of its message as long as that is
// good.
func TestLinkShowsNoOldCode(t *testing.T) {
	w := start(t)
	w.begin(t, "alice")
	link, code := w.next(t)
	w.settled(t)
	for _, want := range []string{code, ""} {
		if seen, err := w.flow.Look(t.Context(), link, ""); err != nil || seen.Fate != recovery.Open || seen.Code != want {
			t.Errorf("%+v, %v; want %q", seen, err, want)
		}
		w.advance(10*time.Minute + time.Second)
	}
}

// R-REC-24: of many who type one letter's code at once, over two replicas, one
// has a proof.
func TestOneCodeOneProof(t *testing.T) {
	w := withDesk(t)
	w.flow.Limits.Handed.Limit = 1000
	replicas := w.replicas()
	for range 5 {
		code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
		var won atomic.Int32
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if _, err := replicas[i%2].Answer(context.Background(), recovery.Reply{Login: "newcomer", Code: code, Source: "x"}); err == nil {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d proofs of one code", won.Load())
		}
	}
}

// R33: what is refused is no message: who presses "send again" too often in one
// hour has those of the rest of the day.
func TestRefusedRequestsAreNoMessages(t *testing.T) {
	w := start(t)
	w.flow.Limits.Submitted.Limit = 100 // another limit is tried
	for _, want := range []int{3, 6, 6} {
		for n := range 10 {
			w.beginFrom(t, "alice", fmt.Sprintf("192.0.%d.0/24", n))
			w.settled(t)
		}
		if len(w.mails) != want {
			t.Errorf("%d messages, want %d", len(w.mails), want)
		}
		w.advance(61 * time.Minute)
	}
}

// What is not sent since its address had enough, for whomever, is no message of
// the account.
func TestAFullAddressIsNoMessageOfTheAccount(t *testing.T) {
	w := start(t)
	at := func(login, address string) {
		w.people.change(login, func(a *account.Account) {
			a.Contacts = []account.Contact{{Kind: account.Email, Value: address}}
		})
	}
	at("alice", "all@home.example")
	at("newcomer", "all@home.example")
	for _, login := range []string{"alice", "newcomer"} {
		for range 3 {
			w.beginFrom(t, login, login)
			w.settled(t)
		}
	}
	if len(w.mails) != 3 {
		t.Fatalf("%d messages to one address", len(w.mails))
	}
	w.unread()
	at("newcomer", "n@home.example")
	w.beginFrom(t, "newcomer", "another network")
	if w.settled(t); len(w.mails) != 1 {
		t.Error("the account's own messages were used up")
	}
}

// R34: whoever asks in somebody else's name, from one network, takes neither
// their turn nor all of their messages of a day.
func TestAStrangerLeavesTheOwnerSome(t *testing.T) {
	w := start(t)
	const stranger, owner = "192.0.2.0/24", "198.51.100.0/24"
	for range 3 {
		for range 20 {
			_, _ = w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Login: "alice", Source: stranger})
		}
		w.settled(t)
		w.advance(61 * time.Minute)
	}
	if len(w.mails) != 4 {
		t.Fatalf("a stranger had %d messages sent", len(w.mails))
	}
	w.unread()
	begun := w.beginFrom(t, "alice", owner)
	_, code := w.next(t)
	if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code}); err != nil {
		t.Error(err)
	}
}

// R34: nobody uses up the code of somebody who waits for it, by typing others
// beside their name.
func TestNobodyUsesUpAnothersCode(t *testing.T) {
	for _, login := range []string{"alice", "nobody"} {
		w := start(t)
		begun, code := w.begin(t, login), ""
		if w.settled(t); login == "alice" {
			_, code = w.next(t)
		}
		for n := range 8 {
			if _, err := w.answer(t, recovery.Reply{Login: login, Code: fmt.Sprintf("%06d", n)}); !errors.Is(err, recovery.ErrWrong) {
				t.Errorf("%s: %v", login, err)
			}
		}
		if code == "" {
			continue
		}
		if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: code}); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("the ninth code typed beside the name: %v", err)
		}
		if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code}); err != nil {
			t.Errorf("the one who waits: %v", err)
		}
	}
}
