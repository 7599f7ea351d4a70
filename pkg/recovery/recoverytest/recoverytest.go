// Package recoverytest is the conformance kit of recovery methods: of those that
// send, of those whose code is handed over and of those that ask.
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
	// one that it cannot serve; without an ID when there is no such account.
	Reachable, Unreachable account.Account
	// Sent returns the texts of the messages sent so far, the oldest first;
	// nil for a method that sends nothing.
	Sent func() []string
	// Read finds the answers in a message, as the person who got it would give
	// them back: the code as recovery.Answer.Code; of a link what follows the
	// first 16 characters of its parameter t, which name the attempt, as
	// recovery.Answer.Token. There must be at least one. For a method that sends
	// nothing it is nil.
	Read func(message string) []recovery.Answer
	// Right are the right answers of Reachable to an Asked.
	Right []recovery.Answer
}

// link begins the URLs of the kit's challenges.
const link = "https://login.example/recover/link?t="

// every are the purposes that a method is asked about.
var every = []recovery.Purpose{recovery.Reset, recovery.Activate, recovery.Unlock, recovery.Identifier, recovery.Contact}

// kit is one run.
type kit struct {
	open func(t *testing.T) Harness
	keys *secret.Keyring
}

// Run tests a method against the contract of recovery.Method. open makes a new
// one each time.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	k := kit{open, secret.RandomKeyring()}
	t.Run("it has a name and terms", k.terms)
	t.Run("R35: it offers itself by the account alone", k.offers)
	t.Run("nothing else is a right answer", k.wrong)
	_, asked := open(t).Method.(recovery.Asked)
	if asked {
		t.Run("R4, R43: what is true of the account is the right answer", k.asks)
		return
	}
	t.Run("what it sends is the right answer", k.right)
	t.Run("R-REC-10: an answer is bound to attempt, purpose and account", k.bound)
	if _, handed := open(t).Method.(recovery.Handed); !handed {
		t.Run("a repetition sends the same message", k.again)
		t.Run("R-REC-13: it sends to the account it is given", k.destination)
	}
}

const one, other = "AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB"

func (k kit) challenge(h Harness, attempt string, p recovery.Purpose, a account.Account) recovery.Challenge {
	c := recovery.NewChallenge(attempt, p, a, "fr", time.Unix(1_800_000_000, 0), h.Method.Terms(p), k.keys, link)
	if m, ok := h.Method.(recovery.Addressed); ok {
		c.To = m.To(a, p)[0]
	}
	return c
}

func (k kit) send(t *testing.T, h Harness, c recovery.Challenge) string {
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

// answers are the right ones to a challenge, however the person comes by them.
func (k kit) answers(t *testing.T, h Harness, c recovery.Challenge) []recovery.Answer {
	t.Helper()
	switch h.Method.(type) {
	case recovery.Asked:
		return h.Right
	case recovery.Handed:
		return []recovery.Answer{{Code: c.Code()}}
	}
	found := h.Read(k.send(t, h, c))
	if len(found) == 0 {
		t.Fatal("the message holds no answer")
	}
	return found
}

func (k kit) terms(t *testing.T) {
	h := k.open(t)
	if h.Method.Name() == "" || h.Method.Name() != k.open(t).Method.Name() {
		t.Error("no name, or not always the same")
	}
	for _, p := range every {
		if terms := h.Method.Terms(p); terms.Link <= 0 || terms.Code <= 0 || terms.Code > terms.Link {
			t.Errorf("%s: terms %+v: both must be positive, and a code ends no later than its attempt", p, terms)
		}
	}
}

func (k kit) offers(t *testing.T) {
	h := k.open(t)
	for _, p := range []recovery.Purpose{recovery.Reset, recovery.Activate} {
		if !h.Method.Offers(h.Reachable, p) || h.Method.Offers(account.Account{}, p) {
			t.Errorf("%s: offers the reachable %v, nobody %v", p, h.Method.Offers(h.Reachable, p), h.Method.Offers(account.Account{}, p))
		}
		if h.Unreachable.ID != "" && h.Method.Offers(h.Unreachable, p) {
			t.Errorf("%s: offers itself to the unreachable", p)
		}
	}
	if m, ok := h.Method.(recovery.Addressed); ok {
		if len(m.To(h.Reachable, recovery.Reset)) == 0 || h.Unreachable.ID != "" && len(m.To(h.Unreachable, recovery.Reset)) != 0 {
			t.Error("it offers itself to those it has no contact of, or not to those it has one of")
		}
	}
	if h.Sent != nil && len(h.Sent()) != 0 {
		t.Error("offering sent something")
	}
}

func (k kit) right(t *testing.T) {
	h := k.open(t)
	c := k.challenge(h, one, recovery.Reset, h.Reachable)
	for i, a := range k.answers(t, h, c) {
		if !h.Method.Verify(c, a) {
			t.Errorf("the right answer %d that Read found was refused: a code of %d characters, a token of %d", i, len(a.Code), len(a.Token))
		}
	}
}

func (k kit) again(t *testing.T) {
	h := k.open(t)
	c := k.challenge(h, one, recovery.Reset, h.Reachable)
	first, second := k.send(t, h, c), k.send(t, h, c)
	if !slices.Equal(h.Read(first), h.Read(second)) {
		t.Error("the second message asks for another answer")
	}
}

// destination: a method that names its contacts sends nothing to an account
// that has none.
func (k kit) destination(t *testing.T) {
	h := k.open(t)
	if h.Unreachable.ID == "" {
		t.Skip("the harness has no account that cannot be reached")
	}
	c := recovery.NewChallenge(one, recovery.Reset, h.Unreachable, "fr", time.Unix(1_800_000_000, 0), h.Method.Terms(recovery.Reset), k.keys, link)
	if err := h.Method.Challenge(t.Context(), c); err == nil || len(h.Sent()) != 0 {
		t.Errorf("%d messages left for somebody without an address, error %v", len(h.Sent()), err)
	}
}

func (k kit) bound(t *testing.T) {
	h := k.open(t)
	somebody := h.Reachable
	somebody.ID += "-else"
	for _, a := range k.answers(t, h, k.challenge(h, one, recovery.Reset, h.Reachable)) {
		for name, c := range map[string]recovery.Challenge{
			"attempt": k.challenge(h, other, recovery.Reset, h.Reachable),
			"purpose": k.challenge(h, one, recovery.Activate, h.Reachable),
			"account": k.challenge(h, one, recovery.Reset, somebody),
		} {
			if h.Method.Verify(c, a) {
				t.Errorf("the answer was taken for another %s", name)
			}
		}
	}
}

// asks: the answer is the account's own, whatever was attempted, and nobody's
// without the fact.
func (k kit) asks(t *testing.T) {
	h := k.open(t)
	if len(h.Right) == 0 {
		t.Fatal("the harness names no right answer")
	}
	for i, a := range h.Right {
		if !h.Method.Verify(k.challenge(h, one, recovery.Reset, h.Reachable), a) {
			t.Errorf("Right[%d] was refused", i)
		}
		for _, nobody := range []account.Account{{}, h.Unreachable} {
			if h.Method.Verify(k.challenge(h, one, recovery.Reset, nobody), a) {
				t.Error("an account without the fact has a right answer")
			}
		}
	}
	if h.Method.(recovery.Asked).Alone(account.Account{}, recovery.Reset) {
		t.Error("it suffices alone for nobody's account")
	}
}

func (k kit) wrong(t *testing.T) {
	h := k.open(t)
	c := k.challenge(h, one, recovery.Reset, h.Reachable)
	wrong := []recovery.Answer{{}, {Code: "0"}, {Token: "0"}, {Code: " "}}
	for _, a := range k.answers(t, h, c) {
		wrong = append(wrong, recovery.Answer{Code: a.Token, Token: a.Code, Login: a.Login, Name: a.Name}, longer(a), shorter(a), changed(a))
	}
	for _, a := range wrong {
		if h.Method.Verify(c, a) {
			t.Errorf("a wrong answer was taken (code of %d, token of %d characters)", len(a.Code), len(a.Token))
		}
	}
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
