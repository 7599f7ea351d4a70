package recovery_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/recovery/activationcode"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
)

// withDesk is a world in which codes are handed over too.
func withDesk(t *testing.T) *world {
	t.Helper()
	w := start(t)
	for _, config := range []interface {
		Open(context.Context, recovery.Env) (recovery.Method, error)
	}{&helpdesk.Config{}, &activationcode.Config{}} {
		m, err := config.Open(t.Context(), recovery.Env{})
		if err != nil {
			t.Fatal(err)
		}
		w.flow.Methods = append(w.flow.Methods, m)
	}
	return w
}

func (w *world) issue(t *testing.T, method, login string) recovery.Issued {
	t.Helper()
	issued, err := w.flow.Issue(t.Context(), recovery.Issue{Method: method, Account: account.ID("id-" + login), By: "id-operator"})
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

var grouped = regexp.MustCompile(`^[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}$`)

// R32, R42: a code is handed over, typed as people type, and good once.
func TestCodeIsHandedOver(t *testing.T) {
	for name, typed := range map[string]func(string) string{
		"as printed":  func(code string) string { return code },
		"lower case":  strings.ToLower,
		"without":     func(code string) string { return strings.ReplaceAll(code, "-", "") },
		"with spaces": func(code string) string { return " " + strings.ReplaceAll(code, "-", " ") + "\n" },
		"a sentence":  func(code string) string { return "Votre code : " + code + ", merci." },
	} {
		t.Run(name, func(t *testing.T) {
			w := withDesk(t)
			issued := w.issue(t, "helpdesk", "alice")
			code := issued.Code.Reveal()
			if !grouped.MatchString(code) || issued.Purpose != recovery.Reset || issued.Account.Login != "alice" {
				t.Fatalf("issued %q %+v", code, issued)
			}
			proven, err := w.answer(t, recovery.Reply{Login: "ALICE", Code: typed(code)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: code}); !errors.Is(err, recovery.ErrWrong) {
				t.Errorf("the code was good twice: %v", err)
			}
			if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil {
				t.Fatal(err)
			}
			w.advance(25 * time.Minute) // the code would still be good
			if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: code}); !errors.Is(err, recovery.ErrWrong) {
				t.Errorf("the code outlives the change: %v", err)
			}
		})
	}
}

// R64: whoever is interrupted before there is a password needs no other letter.
func TestCodeComesBackWhenItsProofEnds(t *testing.T) {
	w := withDesk(t)
	code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code}); err != nil {
		t.Fatal(err)
	}
	w.advance(21 * time.Minute)
	proven, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code})
	if err != nil {
		t.Fatal(err)
	}
	if ready, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil || ready.Purpose != recovery.Activate {
		t.Errorf("%+v, %v", ready, err)
	}
}

// A code is ended by a newer one, a login, an operator, its batch and its time,
// and by nothing that the person asks for.
func TestWhatEndsACode(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, w *world, batch string)
		want error
	}{
		"nothing":      {func(*testing.T, *world, string) {}, nil},
		"a request":    {func(t *testing.T, w *world, _ string) { w.begin(t, "newcomer"); w.next(t); w.settled(t) }, nil},
		"another code": {func(t *testing.T, w *world, _ string) { w.issue(t, "helpdesk", "newcomer") }, nil},
		"a reprint":    {func(t *testing.T, w *world, _ string) { w.issue(t, "activationcode", "newcomer") }, recovery.ErrWrong},
		"a login": {func(t *testing.T, w *world, _ string) {
			if err := w.store.Do(t.Context(), w.flow.Forget("id-newcomer")...); err != nil {
				t.Fatal(err)
			}
		}, recovery.ErrWrong},
		"an operator": {func(t *testing.T, w *world, _ string) {
			if err := w.flow.Cancel(t.Context(), "id-newcomer", "activationcode", "id-operator"); err != nil {
				t.Fatal(err)
			}
		}, recovery.ErrWrong},
		"its batch": {func(t *testing.T, w *world, batch string) {
			if err := w.flow.RevokeBatch(t.Context(), batch, "id-operator"); err != nil {
				t.Fatal(err)
			}
			if err := w.flow.RevokeBatch(t.Context(), batch, "id-operator"); !errors.Is(err, recovery.ErrBatch) {
				t.Errorf("revoked twice: %v", err)
			}
		}, recovery.ErrWrong},
		"thirty days": {func(_ *testing.T, w *world, _ string) { w.advance(30*24*time.Hour + time.Minute) }, recovery.ErrWrong},
		"its state": {func(_ *testing.T, w *world, _ string) {
			w.people.change("newcomer", func(a *account.Account) { a.Status, a.Reason = account.Disabled, account.ReasonClosed })
		}, recovery.ErrState},
	} {
		t.Run(name, func(t *testing.T) {
			w := withDesk(t)
			batch, err := w.flow.NewBatch(t.Context(), "id-operator")
			if err != nil {
				t.Fatal(err)
			}
			issued, err := w.flow.Issue(t.Context(), recovery.Issue{Method: "activationcode", Account: "id-newcomer", By: "id-operator", Batch: batch})
			if err != nil {
				t.Fatal(err)
			}
			c.do(t, w, batch)
			proven, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: issued.Code.Reveal()})
			if err == nil {
				_, err = w.flow.Proven(t.Context(), proven.Proof)
			}
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// R-REC-09: once another tool has set the password, whatever was sent, handed
// over or proved before is worth nothing. A replica of the directory that lags
// behind ends nothing, and neither does a provisioning that sets passwords of
// accounts which were never activated.
func TestPasswordSetElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		login string
		later time.Duration
		want  bool // still good
	}{
		"later":           {"alice", time.Second, false},
		"the same":        {"alice", 0, true},
		"a replica lags":  {"alice", -time.Hour, true},
		"never activated": {"newcomer", time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := withDesk(t)
			set := func(at time.Time) { w.people.change(c.login, func(a *account.Account) { a.PasswordSet = at }) }
			before := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
			set(before)
			proof := w.proof(t, c.login)
			code := w.issue(t, "helpdesk", c.login).Code.Reveal()
			set(before.Add(c.later))
			if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); (err == nil) != c.want || err != nil && !errors.Is(err, recovery.ErrNoProof) {
				t.Errorf("the proof: %v", err)
			}
			if c.want {
				return // what it changed ended the rest
			}
			if _, err := w.answer(t, recovery.Reply{Login: c.login, Code: code}); !errors.Is(err, recovery.ErrWrong) {
				t.Errorf("the code of the desk: %v", err)
			}
			begun := w.begin(t, c.login)
			link, six := w.next(t)
			w.settled(t)
			set(before.Add(2 * c.later))
			if seen, err := w.flow.Look(t.Context(), link, ""); err != nil || seen.Fate != recovery.Ended || seen.Login != c.login {
				t.Errorf("the link: %+v, %v", seen, err)
			}
			for _, reply := range []recovery.Reply{{Link: link}, {Attempt: begun.Attempt, Code: six}, {Login: c.login, Code: six}} {
				if _, err := w.answer(t, reply); !errors.Is(err, recovery.ErrWrong) {
					t.Errorf("%+v: %v", reply, err)
				}
			}
			if len(w.people.set) != 0 {
				t.Errorf("set %v", w.people.set)
			}
			w.proof(t, c.login) // the way on
		})
	}
}

// R12, R10: no code for a state that refuses.
func TestNoCodeForARefusedState(t *testing.T) {
	w := withDesk(t)
	for _, login := range []string{"locked", "closed"} {
		if _, err := w.flow.Issue(t.Context(), recovery.Issue{Method: "helpdesk", Account: account.ID("id-" + login)}); !errors.Is(err, recovery.ErrState) {
			t.Errorf("%s: %v", login, err)
		}
	}
	if _, err := w.flow.Issue(t.Context(), recovery.Issue{Method: "emaillink", Account: "id-alice"}); err == nil {
		t.Error("a code of a method that sends was given out")
	}
}

// R32, R34: five wrong codes from one network end its tries for an hour, and
// not the owner's from another one. A mistyped code is no try. For a name that
// nobody has it is the same.
func TestGuessingACode(t *testing.T) {
	w := withDesk(t)
	code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	last := "2"
	if strings.HasSuffix(code, last) {
		last = "3"
	}
	for range 20 {
		if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code[:13] + last}); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
	}
	if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code}); err != nil {
		t.Fatalf("the right code after twenty slips: %v", err)
	}
	code = w.issue(t, "activationcode", "newcomer").Code.Reveal()
	wrong := w.issue(t, "helpdesk", "alice").Code.Reveal() // well formed, and another's
	for range 5 {
		if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: wrong}); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
	}
	for range 5 {
		if _, err := w.answer(t, recovery.Reply{Login: "nobody", Code: wrong}); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
	}
	for _, login := range []string{"newcomer", "nobody"} {
		var slow *recovery.SlowDown
		if _, err := w.answer(t, recovery.Reply{Login: login, Code: code}); !errors.As(err, &slow) || slow.Wait <= 59*time.Minute || slow.Wait > time.Hour {
			t.Errorf("%s, the right code after five wrong ones: %v %v", login, err, slow)
		}
	}
	if _, err := w.flow.Answer(t.Context(), recovery.Reply{Login: "newcomer", Code: code, Source: "198.51.100.0/24"}); err != nil {
		t.Errorf("the owner is kept out: %v", err)
	}
	code = w.issue(t, "activationcode", "newcomer").Code.Reveal()
	if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code}); err != nil {
		t.Errorf("the next letter: %v", err)
	}
}

// Whoever has the right code learns why it does not do any more. Nobody else
// does.
func TestLate(t *testing.T) {
	w := withDesk(t)
	answer := func(reply recovery.Reply, want recovery.Fate) *recovery.Late {
		t.Helper()
		var late *recovery.Late
		_, err := w.answer(t, reply)
		if !errors.Is(err, recovery.ErrWrong) || !errors.As(err, &late) || late.Fate != want || late.At.IsZero() && (want == recovery.Answered || want == recovery.Replaced || want == recovery.Used) {
			t.Fatalf("%v %+v, want %s", err, late, want)
		}
		return late
	}
	old := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	answer(recovery.Reply{Login: "newcomer", Code: old}, recovery.Replaced)

	// Interrupted: the browser that has the proof goes on, another one is told
	// when the code does again.
	first, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code})
	if err != nil {
		t.Fatal(err)
	}
	same, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code, Proof: first.Proof})
	if err != nil || same.Proof != first.Proof {
		t.Fatalf("%v %v", same, err)
	}
	if wait := answer(recovery.Reply{Login: "newcomer", Code: code}, recovery.Answered).Again.Sub(w.flow.Now()); wait < 19*time.Minute || wait > 20*time.Minute {
		t.Errorf("again in %v", wait)
	}
	w.advance(21 * time.Minute)
	first, err = w.answer(t, recovery.Reply{Login: "newcomer", Code: code})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), first.Proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	answer(recovery.Reply{Login: "newcomer", Code: code}, recovery.Used)
	w.settled(t)
	w.unread()
	w.issue(t, "helpdesk", "alice")
	if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: code}); !errors.Is(err, recovery.ErrWrong) || errors.As(err, new(*recovery.Late)) {
		t.Errorf("somebody else's code: %v", err)
	}

	// A message that was opened on the telephone: its code on the computer.
	begun := w.begin(t, "alice")
	link, six := w.next(t)
	w.settled(t)
	held, err := w.answer(t, recovery.Reply{Link: link})
	if err != nil {
		t.Fatal(err)
	}
	if late := answer(recovery.Reply{Attempt: begun.Attempt, Code: six}, recovery.Answered); !late.Again.IsZero() {
		t.Errorf("a message twice: %+v", late)
	}
	answer(recovery.Reply{Link: link}, recovery.Answered)
	for proof, here := range map[string]bool{"": false, first.Proof: false, held.Proof: true} {
		if seen, err := w.flow.Look(t.Context(), link, proof); err != nil || seen.Fate != recovery.Answered || seen.Here != here || seen.At.IsZero() {
			t.Errorf("%+v, %v; want here %v", seen, err, here)
		}
	}
	if again, err := w.answer(t, recovery.Reply{Link: link, Proof: held.Proof}); err != nil || again.Proof != held.Proof {
		t.Errorf("%+v, %v", again, err)
	}

	begun = w.begin(t, "alice")
	_, six = w.next(t)
	w.settled(t)
	w.advance(11 * time.Minute)
	answer(recovery.Reply{Attempt: begun.Attempt, Code: six}, recovery.Expired)
	if err := w.flow.Cancel(t.Context(), "id-alice", "emaillink", "id-operator"); err != nil {
		t.Fatal(err)
	}
	answer(recovery.Reply{Attempt: begun.Attempt, Code: six}, recovery.Ended)
}

// R-REC-10, R-REC-24: nobody else's, nothing else's, and of two at once one.
func TestCodeIsBound(t *testing.T) {
	w := withDesk(t)
	code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	for _, login := range []string{"alice", "nobody", "", "locked"} {
		if _, err := w.answer(t, recovery.Reply{Login: login, Code: code}); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("%q: %v", login, err)
		}
	}
	proofs := make(chan string, 50)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			p, err := w.flow.Answer(context.Background(), recovery.Reply{Login: "newcomer", Code: code, Source: string(rune('a' + i))})
			if err == nil {
				proofs <- p.Proof
			}
		})
	}
	all.Wait()
	if len(proofs) != 1 {
		t.Errorf("%d proofs from one code", len(proofs))
	}
}

// The link of a QR code is the code.
func TestCodeAsLink(t *testing.T) {
	w := withDesk(t)
	issued := w.issue(t, "activationcode", "newcomer")
	_, token, _ := strings.Cut(issued.URL.Reveal(), "?t=")
	if seen, err := w.flow.Look(t.Context(), token, ""); err != nil || seen.Fate != recovery.Open || seen.Code != "" || !seen.Handed {
		t.Errorf("%+v, %v", seen, err)
	}
	if _, err := w.answer(t, recovery.Reply{Link: token}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: issued.Code.Reveal()}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("link and code are two: %v", err)
	}
}

// What the desk is shown: what left, where to, and what became of it.
func TestEvents(t *testing.T) {
	w := withDesk(t)
	w.begin(t, "alice")
	link, _ := w.next(t)
	w.settled(t)
	w.advance(time.Minute)
	w.issue(t, "helpdesk", "alice")
	if _, err := w.answer(t, recovery.Reply{Link: link}); err != nil {
		t.Fatal(err)
	}
	events, err := w.flow.Events(t.Context(), "id-alice")
	if err != nil || len(events) != 2 {
		t.Fatalf("%+v, %v", events, err)
	}
	if e := events[0]; e.Method != "helpdesk" || e.Result != "issued" || e.By != "id-operator" || e.Fate != recovery.Open || e.To != "" {
		t.Errorf("the code: %+v", e)
	}
	if e := events[1]; e.Method != "emaillink" || e.Result != "sent" || e.Fate != recovery.Answered || e.To != "a••••@h••••" || !e.At.Before(events[0].At) {
		t.Errorf("the mail: %+v", e)
	}
	w.flow.Limits.Submitted.Limit = 100 // another limit is tried
	for range 4 {
		w.begin(t, "nobox")
		w.settled(t)
	}
	if events, err := w.flow.Events(t.Context(), "id-nobox"); err != nil || len(events) != 4 || events[0].Result != "no_channel" || events[0].Fate != "" {
		t.Errorf("%+v, %v", events, err)
	}
}

// A code that was replaced stays so, also once the newer one is used and the
// time of both is over.
func TestReplacedStaysReplaced(t *testing.T) {
	w := withDesk(t)
	w.issue(t, "helpdesk", "alice")
	w.advance(time.Minute)
	issued := w.issue(t, "helpdesk", "alice")
	fates := func() (out []recovery.Fate) {
		t.Helper()
		events, err := w.flow.Events(t.Context(), "id-alice")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Method == "helpdesk" {
				out = append(out, e.Fate)
			}
		}
		return out
	}
	if got := fates(); !slices.Equal(got, []recovery.Fate{recovery.Open, recovery.Replaced}) {
		t.Errorf("%v", got)
	}
	if err := w.flow.Store.Do(t.Context(), w.flow.Forget(issued.Account.ID)...); err != nil {
		t.Fatal(err)
	}
	if got := fates(); !slices.Equal(got, []recovery.Fate{recovery.Ended, recovery.Replaced}) {
		t.Errorf("after a login: %v", got)
	}
	w.advance(issued.Until.Sub(w.flow.Now()) + time.Second)
	if got := fates(); !slices.Equal(got, []recovery.Fate{recovery.Expired, recovery.Replaced}) {
		t.Errorf("later: %v", got)
	}
}

// R-REC-04: the store holds nothing by which somebody could answer.
func TestStoreHoldsNoCode(t *testing.T) {
	w := withDesk(t)
	issued := w.issue(t, "activationcode", "newcomer")
	code := issued.Code.Reveal()
	_, token, _ := strings.Cut(issued.URL.Reveal(), "?t=")
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for _, text := range w.store.texts {
		for _, hidden := range []string{code, strings.ReplaceAll(code, "-", ""), token[16:]} {
			if strings.Contains(text, hidden) {
				t.Errorf("the store was given %s", text)
			}
		}
	}
}

// Who has proved one account, on a computer that many use, and types the name
// and the code of another goes on with that one.
func TestCodeOfAnotherThanWasProved(t *testing.T) {
	w := withDesk(t)
	code := w.issue(t, "activationcode", "newcomer").Code.Reveal()
	other := w.proof(t, "alice")
	proven, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: code, Proof: other})
	if err != nil {
		t.Fatal(err)
	}
	if ready, err := w.flow.Proven(t.Context(), proven.Proof); err != nil || ready.Login != "newcomer" {
		t.Errorf("%+v, %v", ready, err)
	}
}
