// Package recoverytest is the conformance kit of recovery methods.
package recoverytest

import (
	"slices"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// Harness is one method and what it did to the outside world.
type Harness struct {
	Method recovery.Method
	// Reachable is an account that the method offers itself to, Unreachable
	// one that it cannot serve.
	Reachable, Unreachable account.Account
	// Sent returns the texts of the messages sent so far, the oldest first.
	Sent func() []string
	// Read finds the answers in a message, as the person who got it would give
	// them back. There must be at least one.
	Read func(message string) []recovery.Answer
}

// link begins the URLs of the kit's challenges.
const link = "https://login.example/recover/link?t="

// Run tests a method against the contract of recovery.Method. open makes a new
// one each time.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	keys := secret.RandomKeyring()
	challenge := func(h Harness, attempt string, p recovery.Purpose, a account.Account) recovery.Challenge {
		return recovery.NewChallenge(attempt, p, a, "fr", time.Unix(1_800_000_000, 0), h.Method.Terms(p), keys, link)
	}
	send := func(t *testing.T, h Harness, c recovery.Challenge) string {
		t.Helper()
		before := len(h.Sent())
		if err := h.Method.Challenge(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		sent := h.Sent()
		if len(sent) != before+1 {
			t.Fatalf("a challenge sent %d messages, want 1", len(sent)-before)
		}
		return sent[before]
	}
	const one, other = "AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"

	t.Run("it has a name and terms", func(t *testing.T) {
		h := open(t)
		if h.Method.Name() == "" {
			t.Error("no name")
		}
		for _, p := range []recovery.Purpose{recovery.Reset, recovery.Activate} {
			if terms := h.Method.Terms(p); terms.Link <= 0 || terms.Code <= 0 || terms.Code > terms.Link {
				t.Errorf("%s: terms %+v: both must be positive, and a code ends no later than its attempt", p, terms)
			}
		}
	})
	t.Run("R35: it offers itself by the account alone", func(t *testing.T) {
		h := open(t)
		for _, p := range []recovery.Purpose{recovery.Reset, recovery.Activate} {
			if !h.Method.Offers(h.Reachable, p) || h.Method.Offers(h.Unreachable, p) || h.Method.Offers(account.Account{}, p) {
				t.Errorf("%s: offers the reachable %v, the unreachable %v, nobody %v", p,
					h.Method.Offers(h.Reachable, p), h.Method.Offers(h.Unreachable, p), h.Method.Offers(account.Account{}, p))
			}
		}
		if len(h.Sent()) != 0 {
			t.Error("offering sent something")
		}
	})
	t.Run("what it sends is the right answer", func(t *testing.T) {
		h := open(t)
		c := challenge(h, one, recovery.Reset, h.Reachable)
		answers := h.Read(send(t, h, c))
		if len(answers) == 0 {
			t.Fatal("the message holds no answer")
		}
		for _, a := range answers {
			if !h.Method.Verify(c, a) {
				t.Error("an answer of the message was refused")
			}
		}
	})
	t.Run("a repetition sends the same message", func(t *testing.T) {
		h := open(t)
		c := challenge(h, one, recovery.Reset, h.Reachable)
		first, second := send(t, h, c), send(t, h, c)
		if !slices.Equal(h.Read(first), h.Read(second)) {
			t.Error("the second message asks for another answer")
		}
	})
	t.Run("R-REC-10: an answer is bound to attempt, purpose and account", func(t *testing.T) {
		h := open(t)
		somebody := h.Reachable
		somebody.ID += "-else"
		for _, a := range h.Read(send(t, h, challenge(h, one, recovery.Reset, h.Reachable))) {
			for name, c := range map[string]recovery.Challenge{
				"attempt": challenge(h, other, recovery.Reset, h.Reachable),
				"purpose": challenge(h, one, recovery.Activate, h.Reachable),
				"account": challenge(h, one, recovery.Reset, somebody),
			} {
				if h.Method.Verify(c, a) {
					t.Errorf("the answer was taken for another %s", name)
				}
			}
		}
	})
	t.Run("nothing else is a right answer", func(t *testing.T) {
		h := open(t)
		c := challenge(h, one, recovery.Reset, h.Reachable)
		wrong := []recovery.Answer{{}, {Code: "0"}, {Token: "0"}, {Code: " "}}
		for _, a := range h.Read(send(t, h, c)) {
			wrong = append(wrong, recovery.Answer{Code: a.Token, Token: a.Code}, longer(a), shorter(a), changed(a))
		}
		for _, a := range wrong {
			if h.Method.Verify(c, a) {
				t.Errorf("a wrong answer was taken (code of %d, token of %d characters)", len(a.Code), len(a.Token))
			}
		}
	})
}

func longer(a recovery.Answer) recovery.Answer {
	return each(a, func(s string) string { return s + "0" })
}

func shorter(a recovery.Answer) recovery.Answer {
	return each(a, func(s string) string { return s[:len(s)-1] })
}

func changed(a recovery.Answer) recovery.Answer {
	return each(a, func(s string) string {
		last := byte('0')
		if s[len(s)-1] == last {
			last = '1'
		}
		return s[:len(s)-1] + string(last)
	})
}

func each(a recovery.Answer, f func(string) string) recovery.Answer {
	if a.Code != "" {
		a.Code = f(a.Code)
	}
	if a.Token != "" {
		a.Token = f(a.Token)
	}
	return a
}
