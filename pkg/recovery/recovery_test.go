package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
)

// good is a password that the policy takes.
const good = "cheval-agrafe-nuage-42"

// people is a directory of a few accounts.
type people struct {
	mu       sync.Mutex
	accounts map[string]account.Account
	set      []string // what SetPassword was called with, by login
	unlocked []string
	refuse   error // the next answer of SetPassword
}

func (d *people) Find(_ context.Context, login string) (account.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.accounts[strings.ToLower(login)]
	if !ok {
		return a, directory.ErrNotFound
	}
	return a, nil
}

func (d *people) Get(ctx context.Context, id account.ID) (account.Account, error) {
	return d.Find(ctx, strings.TrimPrefix(string(id), "id-"))
}

func (d *people) Authenticate(context.Context, account.Account, secret.String) error {
	return directory.ErrBadPassword
}

func (d *people) SetPassword(_ context.Context, id account.ID, _ secret.String) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.refuse; err != nil {
		d.refuse = nil
		return err
	}
	d.set = append(d.set, strings.TrimPrefix(string(id), "id-"))
	return nil
}

func (d *people) change(login string, f func(*account.Account)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[login]
	f(&a)
	d.accounts[login] = a
}

func (d *people) Activate(_ context.Context, id account.ID) error {
	d.change(strings.TrimPrefix(string(id), "id-"), func(a *account.Account) { a.Status, a.Reason = account.Active, "" })
	return nil
}

func (d *people) Unlock(_ context.Context, id account.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlocked = append(d.unlocked, strings.TrimPrefix(string(id), "id-"))
	return nil
}

// recorded is a store that remembers whatever text it was given.
type recorded struct {
	store.Store
	mu    sync.Mutex
	texts []string
}

func (s *recorded) Do(ctx context.Context, ops ...store.Op) error {
	s.mu.Lock()
	for _, op := range ops {
		s.texts = append(s.texts, fmt.Sprintf("%+v", op))
	}
	s.mu.Unlock()
	return s.Store.Do(ctx, ops...)
}

type world struct {
	flow     *recovery.Flow
	sessions *session.Manager
	people   *people
	store    *recorded
	advance  func(time.Duration)
	mails    chan mail.Message
	fail     atomic.Int32 // how many of the next messages are not taken
	refuse   string       // the address that is refused for good
}

func (w *world) Send(_ context.Context, m mail.Message) error {
	w.mails <- m
	if w.fail.Add(-1) >= 0 {
		return errors.New("busy")
	}
	if m.To == w.refuse {
		return fmt.Errorf("%w: %w", mail.ErrRefused, mail.ErrAddress)
	}
	return m.Check()
}

// pages are read once: there are many of them.
var pages = sync.OnceValues(func() (*render.Pages, error) { return render.Open(render.Config{Issuer: "https://login.example"}) })

func start(t *testing.T) *world {
	t.Helper()
	fake, err := memory.NewFakeTimeStore(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fake.Close() })
	pages, err := pages()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{store: &recorded{Store: fake}, advance: fake.Advance, mails: make(chan mail.Message, 100), people: &people{accounts: map[string]account.Account{}}}
	for _, a := range []account.Account{
		{Login: "alice", Status: account.Active, Mail: "alice@univ.example", Logins: []string{"alice", "Alice.A"}, Contacts: []account.Contact{{Kind: account.Email, Value: "a@home.example"}, {Kind: account.Email, Value: "a@work.example"}}},
		{Login: "newcomer", Status: account.Pending, Reason: account.ReasonNotActivated, Contacts: []account.Contact{{Kind: account.Email, Value: "n@home.example"}}},
		{Login: "locked", Status: account.Locked, Reason: account.ReasonSecurity, Contacts: []account.Contact{{Kind: account.Email, Value: "l@home.example"}}},
		{Login: "closed", Status: account.Disabled, Reason: account.ReasonClosed, Contacts: []account.Contact{{Kind: account.Email, Value: "c@home.example"}}},
		{Login: "guessed", Status: account.Locked, Reason: account.ReasonTooManyTries, Contacts: []account.Contact{{Kind: account.Email, Value: "g@home.example"}}},
		{Login: "nobox", Status: account.Active},
	} {
		a.ID = account.ID("id-" + a.Login)
		w.people.accounts[a.Login] = a
	}
	keys := secret.RandomKeyring()
	now := fake.Now
	box := &outbox.Outbox{Store: w.store, Box: keys.Box("outbox"), Now: now, Poll: time.Hour, Logger: slog.New(slog.DiscardHandler)}
	method, err := (&emaillink.Config{}).Open(t.Context(), recovery.Env{Mail: w, Pages: pages})
	if err != nil {
		t.Fatal(err)
	}
	w.sessions = &session.Manager{Cookie: "session", Keys: keys, Outbox: box, Now: now, Cookies: &session.Cookies{Store: w.store, Options: sessions.Options{Path: "/"}, Idle: time.Hour, Life: 8 * time.Hour}}
	w.flow = &recovery.Flow{
		Store: w.store, Directory: w.people, Outbox: box, Keys: keys, Methods: []recovery.Method{method}, Mail: w, Pages: pages,
		Audit:    audit.Log{Logger: slog.New(slog.DiscardHandler)},
		Sessions: w.sessions,
		Link:     "https://login.example/recover/link?t=", Home: "https://login.example/recover", Now: now,
	}
	w.flow.Start()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { box.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return w
}

func (w *world) begin(t *testing.T, login string) recovery.Begun {
	t.Helper()
	return w.beginFrom(t, login, "192.0.2.0/24")
}

func (w *world) beginFrom(t *testing.T, login, source string) recovery.Begun {
	t.Helper()
	begun, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Login: login, Language: "en", Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return begun
}

var inMail = regexp.MustCompile(`recover/link\?t=(\w+)[\s\S]*?\b(\d{6})\b`)

// next waits for a mail and returns the token and the code in it.
func (w *world) next(t *testing.T) (link, code string) {
	t.Helper()
	select {
	case m := <-w.mails:
		found := inMail.FindStringSubmatch(m.Text)
		if found == nil {
			t.Fatalf("no link and code in %q", m.Text)
		}
		return found[1], found[2]
	case <-time.After(20 * time.Second):
		t.Fatal("no mail came")
	}
	return "", ""
}

// unread forgets the mails that came.
func (w *world) unread() {
	for len(w.mails) > 0 {
		<-w.mails
	}
}

// settled waits until all that was to be sent was sent.
func (w *world) settled(t *testing.T) {
	t.Helper()
	for range 2000 {
		list := &store.List{Queue: "outbox"}
		if err := w.store.Store.Do(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		if len(list.Entries) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("jobs are left")
}

func (w *world) answer(t *testing.T, r recovery.Reply) (recovery.Proven, error) {
	t.Helper()
	r.Source = "192.0.2.0/24"
	return w.flow.Answer(t.Context(), r)
}

func (w *world) proof(t *testing.T, login string) string {
	t.Helper()
	w.begin(t, login)
	link, _ := w.next(t)
	p, err := w.answer(t, recovery.Reply{Link: link})
	if err != nil {
		t.Fatal(err)
	}
	return p.Proof
}

func TestThreeWaysToAnswer(t *testing.T) {
	for name, reply := range map[string]func(begun recovery.Begun, link, code string) recovery.Reply{
		"link": func(_ recovery.Begun, link, _ string) recovery.Reply { return recovery.Reply{Link: link} },
		"code, same browser": func(b recovery.Begun, _, code string) recovery.Reply {
			return recovery.Reply{Attempt: b.Attempt, Code: code}
		},
		"code pasted in a sentence": func(b recovery.Begun, _, code string) recovery.Reply {
			return recovery.Reply{Attempt: b.Attempt, Code: "votre code : " + code[:3] + " " + code[3:] + ", merci"}
		},
		"code, other device": func(_ recovery.Begun, _, code string) recovery.Reply {
			return recovery.Reply{Login: " ALICE.a ", Code: code}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			begun := w.begin(t, "alice")
			link, code := w.next(t)
			w.settled(t)
			proven, err := w.answer(t, reply(begun, link, code))
			if err != nil {
				t.Fatal(err)
			}
			ready, err := w.flow.Proven(t.Context(), proven.Proof)
			if err != nil || ready.Login != "alice" || ready.Purpose != recovery.Reset {
				t.Fatalf("proven %+v, %v", ready, err)
			}
			if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(w.people.set, " "); got != "alice" {
				t.Errorf("passwords were set for %q", got)
			}
			if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); !errors.Is(err, recovery.ErrNoProof) {
				t.Errorf("the proof was good twice: %v", err)
			}
		})
	}
}

// R36, R-REC-21: all known addresses are told.
func TestNoticeGoesToEveryAddress(t *testing.T) {
	w := start(t)
	if _, err := w.flow.Complete(t.Context(), w.proof(t, "alice"), secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	w.settled(t)
	told := map[string]bool{}
	for range 3 {
		told[(<-w.mails).To] = true
	}
	if len(w.mails) != 0 || !told["a@home.example"] || !told["a@work.example"] || !told["alice@univ.example"] {
		t.Errorf("told %v, and %d more", told, len(w.mails))
	}
}

func TestActivation(t *testing.T) {
	w := start(t)
	proof := w.proof(t, "newcomer") // asked for a reset: the wrong door leads there too
	ready, err := w.flow.Complete(t.Context(), proof, secret.New(good), "")
	if err != nil || ready.Purpose != recovery.Activate {
		t.Fatalf("%+v, %v", ready, err)
	}
	if a, _ := w.people.Find(t.Context(), "newcomer"); a.Status != account.Active {
		t.Errorf("the account is %s", a.Status)
	}
}

// R34: somebody else's guesses keep nobody out.
func TestTooManyTriesIsNoObstacle(t *testing.T) {
	w := start(t)
	if _, err := w.flow.Complete(t.Context(), w.proof(t, "guessed"), secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.people.unlocked, " "); got != "guessed" {
		t.Errorf("unlocked %q", got)
	}
}

// R-REC-01, R12: the same answer for everybody, and nothing leaves.
func TestNobodyLearnsWhoExists(t *testing.T) {
	for _, login := range []string{"nobody", "locked", "closed", "nobox", "*", "admin)(|(uid=*"} {
		t.Run(login, func(t *testing.T) {
			w := start(t)
			begun := w.begin(t, login)
			w.settled(t)
			// R12: only the owner's mailbox hears why, and nothing to answer.
			if want := map[string]int{"locked": 1, "closed": 1}[login]; len(w.mails) != want {
				t.Errorf("%d messages left, want %d", len(w.mails), want)
			} else if want == 1 {
				if m := <-w.mails; inMail.MatchString(m.Text) || !strings.Contains(m.Text, login) {
					t.Errorf("the mail says %s", m.Text)
				}
			}
			for _, r := range []recovery.Reply{{Attempt: begun.Attempt, Code: "000000"}, {Login: login, Code: "000000"}, {Link: begun.Attempt + "0123456789012345678901"}} {
				if _, err := w.answer(t, r); !errors.Is(err, recovery.ErrWrong) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// R-REC-06: what looks consumes nothing.
func TestLookingConsumesNothing(t *testing.T) {
	w := start(t)
	w.begin(t, "alice")
	link, code := w.next(t)
	for range 50 {
		seen, err := w.flow.Look(t.Context(), link, "")
		if err != nil || seen.Fate != recovery.Open || seen.Code != code {
			t.Fatalf("%+v, %v", seen, err)
		}
	}
	if _, err := w.answer(t, recovery.Reply{Link: link}); err != nil {
		t.Fatal(err)
	}
}

func TestFates(t *testing.T) {
	w := start(t)
	w.begin(t, "alice")
	first, firstCode := w.next(t)
	w.begin(t, "alice")
	second, _ := w.next(t)
	w.settled(t)
	check := func(link string, want recovery.Fate) {
		t.Helper()
		if seen, err := w.flow.Look(t.Context(), link, ""); err != nil || seen.Fate != want || want != recovery.Unknown && seen.At.IsZero() && want != recovery.Open {
			t.Errorf("%s at %v, %v; want %s", seen.Fate, seen.At, err, want)
		}
	}
	check(first, recovery.Replaced)
	check(second, recovery.Open)
	if _, err := w.answer(t, recovery.Reply{Link: first}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("a replaced link was good: %v", err)
	}
	if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: firstCode}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("a replaced code was good: %v", err)
	}
	last := second[len(second)-1:]
	check(second[:len(second)-1]+string("ab"[boolIndex(last == "a")]), recovery.Unknown)
	check("", recovery.Unknown)
	check(second+"0", recovery.Unknown)
	proven, err := w.answer(t, recovery.Reply{Link: second})
	if err != nil {
		t.Fatal(err)
	}
	check(second, recovery.Answered) // and nothing has changed
	changed := func() bool {
		read := w.flow.Changed("id-alice")
		if err := w.store.Do(t.Context(), read); err != nil {
			t.Fatal(err)
		}
		return read.Fields != nil
	}
	if changed() {
		t.Error("changed before it was")
	}
	if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	check(second, recovery.Used)
	if !changed() {
		t.Error("F-LDAP-04: a replica that lags will be asked for the new password")
	}
	w.settled(t)
	w.unread()

	w.begin(t, "newcomer")
	third, thirdCode := w.next(t)
	w.settled(t)
	w.advance(11 * time.Minute)
	for _, late := range []recovery.Reply{{Login: "newcomer", Code: thirdCode}, {Attempt: third[:16], Code: thirdCode}} {
		if _, err := w.answer(t, late); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("R-REC-05: a code of eleven minutes was good: %v", err)
		}
	}
	check(third, recovery.Open)
	w.advance(24 * time.Hour)
	check(third, recovery.Expired)
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// R32, R-REC-11: five tries, counted before the comparison.
func TestFiveTries(t *testing.T) {
	w := start(t)
	begun := w.begin(t, "alice")
	_, code := w.next(t)
	w.settled(t)
	var wrong sync.WaitGroup
	for i := range 40 {
		wrong.Go(func() {
			if guess := fmt.Sprintf("%06d", i); guess != code {
				_, _ = w.flow.Answer(t.Context(), recovery.Reply{Attempt: begun.Attempt, Code: guess, Source: "192.0.2.0/24"})
			}
		})
	}
	wrong.Wait()
	if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the right code after five wrong ones: %v", err)
	}
}

// R32: the fifth try may be right, the sixth may not.
func TestTheSixthTryIsTooLate(t *testing.T) {
	for wrong, want := range map[int]error{4: nil, 5: recovery.ErrWrong} {
		w := start(t)
		begun := w.begin(t, "alice")
		_, code := w.next(t)
		w.settled(t)
		for i := range wrong {
			if guess := fmt.Sprintf("%06d", i); guess != code {
				_, _ = w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: guess})
			}
		}
		if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code}); !errors.Is(err, want) {
			t.Errorf("after %d wrong codes: %v", wrong, err)
		}
	}
}

// R34: whoever goes on guessing at a code that is dead keeps its owner from
// nothing: the next code is good.
func TestGuessingAtADeadCode(t *testing.T) {
	w := start(t)
	begun := w.begin(t, "alice")
	w.next(t)
	w.settled(t)
	for range 50 {
		_, _ = w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: "x"})
	}
	begun = w.begin(t, "alice")
	_, code := w.next(t)
	if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code}); err != nil {
		t.Errorf("the owner's own code: %v", err)
	}
}

// Tries are counted for everybody together too, so that many accounts are no
// more guesses than a few: the same whether or not anybody is there, and a link
// goes on.
func TestGuessingAtEverybody(t *testing.T) {
	w := start(t)
	w.flow.Limits.All.Limit = 4
	w.flow.Limits.Submitted.Limit = 100 // another limit is tried
	alice := w.begin(t, "alice")
	link, code := w.next(t)
	w.settled(t)
	for range 4 {
		nobody := w.begin(t, "nobody")
		w.settled(t)
		if _, err := w.answer(t, recovery.Reply{Attempt: nobody.Attempt, Code: "000000"}); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
	}
	for _, typed := range []string{code, code + " H4EC-KSQR-NBK6"} { // what has the shape of a letter's code is no way around
		if _, err := w.answer(t, recovery.Reply{Attempt: alice.Attempt, Code: typed}); !errors.Is(err, recovery.ErrSlowDown) {
			t.Errorf("one try too many of all: %v", err)
		}
	}
	if _, err := w.answer(t, recovery.Reply{Login: "nobody", Code: "000000"}); !errors.Is(err, recovery.ErrSlowDown) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := w.answer(t, recovery.Reply{Link: link}); err != nil {
		t.Errorf("a link is not guessed: %v", err)
	}
}

// Requests for one identifier are counted whether or not anybody has it.
func TestAskingIsBounded(t *testing.T) {
	for _, login := range []string{"nobody", "closed"} {
		w := start(t)
		var err error
		for range w.flow.Limits.Submitted.Limit {
			w.begin(t, login)
		}
		_, err = w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Login: strings.ToUpper(login) + " ", Source: "192.0.2.0/24"})
		var slow *recovery.SlowDown
		if !errors.As(err, &slow) || slow.Wait <= 0 {
			t.Errorf("%s: %v", login, err)
		}
	}
}

// A message that could not be sent is the same when it is sent again, and is
// counted once.
func TestRetryIsTheSameMessage(t *testing.T) {
	w := start(t)
	w.fail.Store(4)
	w.begin(t, "alice")
	var links []string
	for len(links) < 5 {
		select {
		case m := <-w.mails:
			links = append(links, inMail.FindStringSubmatch(m.Text)[1])
		case <-time.After(100 * time.Millisecond): // the job waits for its next try
			w.advance(30 * time.Second)
			w.flow.Outbox.Nudge()
		}
	}
	w.settled(t)
	for _, link := range links {
		if link != links[0] {
			t.Errorf("another link was sent: %v", links)
		}
	}
	w.begin(t, "alice")
	w.next(t) // more tries than messages were counted: none would come
}

// R-REC-09: a change ends what the other methods began.
func TestChangeEndsTheOtherMethods(t *testing.T) {
	w := start(t)
	w.flow.Methods = append(w.flow.Methods, other{w.flow.Methods[0].(recovery.Addressed)})
	first := w.proof(t, "alice")
	if _, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Method: "other", Login: "alice", Source: "x"}); err != nil {
		t.Fatal(err)
	}
	link, _ := w.next(t)
	second, err := w.answer(t, recovery.Reply{Link: link})
	if err != nil {
		t.Fatal(err)
	}
	for _, proof := range []string{first, second.Proof} {
		if _, err := w.flow.Proven(t.Context(), proof); err != nil {
			t.Fatalf("methods do not stand side by side: %v", err)
		}
	}
	if _, err := w.flow.Complete(t.Context(), first, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Proven(t.Context(), second.Proof); !errors.Is(err, recovery.ErrNoProof) {
		t.Errorf("the other proof: %v", err)
	}
}

// other is a method by another name.
type other struct{ recovery.Addressed }

func (other) Name() string { return "other" }

// R33, R-REC-18: three an hour and no more, and asking locks nothing.
func TestSendingIsBounded(t *testing.T) {
	w := start(t)
	w.flow.Limits.Submitted.Limit = 100 // another limit is tried
	for range 8 {
		w.begin(t, "alice")
		w.settled(t)
	}
	if len(w.mails) != 3 {
		t.Errorf("%d messages left in one hour, want 3", len(w.mails))
	}
	w.begin(t, "newcomer")
	w.settled(t)
	if len(w.mails) != 4 {
		t.Error("the requests for one account kept another's from leaving")
	}
}

// R33: one network is bounded whomever it asks for, and no other one by that.
func TestOneNetworkIsBounded(t *testing.T) {
	w := start(t)
	w.flow.Limits.Source.Limit = 3
	for n := range 3 {
		w.beginFrom(t, fmt.Sprintf("nobody%d", n), "192.0.2.0/24")
	}
	if _, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Login: "alice", Source: "192.0.2.0/24"}); !errors.Is(err, recovery.ErrSlowDown) {
		t.Errorf("%v", err)
	}
	w.beginFrom(t, "alice", "198.51.100.0/24")
}

// R33: whoever asks again and again waits longer each time, whether or not
// anybody has that name, and is told until when.
func TestAskingAgainBacksOff(t *testing.T) {
	w := start(t)
	for _, login := range []string{"alice", "nobody"} {
		for range 3 {
			w.begin(t, login)
		}
		for _, minutes := range []time.Duration{2, 4, 8, 16, 30, 30} {
			var slow *recovery.SlowDown
			_, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Login: " " + strings.ToUpper(login), Source: "192.0.2.0/24"})
			if !errors.As(err, &slow) || slow.Wait.Round(time.Second) != minutes*time.Minute {
				t.Fatalf("%s: %v, %v; want %d minutes", login, slow, err, minutes)
			}
			w.advance(slow.Wait)
			w.begin(t, login)
		}
	}
}

// R-REC-20: what refuses keeps the proof.
func TestRefusalKeepsTheProof(t *testing.T) {
	w := start(t)
	proof := w.proof(t, "alice")
	var refused *recovery.Refused
	if _, err := w.flow.Complete(t.Context(), proof, secret.New("motdepasse"), ""); !errors.As(err, &refused) {
		t.Fatalf("policy: %v", err)
	}
	w.people.refuse = &directory.Rejection{Why: "too_short"} // for the directory, not for us
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.As(err, &refused) || refused.Reasons[0] != "longer" {
		t.Fatalf("too short there: %v", err)
	}
	w.people.refuse = &directory.Rejection{Why: "in_history"}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.As(err, &refused) || refused.Reasons[0] != "in_history" {
		t.Fatalf("directory: %v", err)
	}
	w.people.refuse = directory.ErrUnavailable
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.Is(err, directory.ErrUnavailable) {
		t.Fatalf("away: %v", err)
	}
	if len(w.people.set) != 0 {
		t.Fatal("a password was set all the same")
	}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
}

// R12: the state is read again just before the write.
func TestStateIsReadAgain(t *testing.T) {
	w := start(t)
	proof := w.proof(t, "alice")
	w.people.change("alice", func(a *account.Account) { a.Status, a.Reason = account.Locked, account.ReasonSecurity })
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.Is(err, recovery.ErrState) {
		t.Errorf("%v", err)
	}
	if len(w.people.set) != 0 {
		t.Error("a locked account got a password")
	}
}

// R-REC-10: nor is a proof good for what the account is given no more.
func TestPurposeThatIsOver(t *testing.T) {
	w := start(t)
	proof := w.proof(t, "newcomer")
	w.people.change("newcomer", func(a *account.Account) { a.Status, a.Reason = account.Active, "" })
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.Is(err, recovery.ErrNoProof) || len(w.people.set) != 0 {
		t.Errorf("%v, set %v", err, w.people.set)
	}
}

// What was guessed at whose account is in the audit.
func TestGuessesAreInTheAudit(t *testing.T) {
	w, log := start(t), &trail{}
	w.flow.Audit = audit.Log{Logger: slog.New(slog.NewJSONHandler(log, nil))}
	begun := w.begin(t, "alice")
	w.settled(t)
	for _, result := range []string{"wrong", "wrong", "wrong", "wrong", "wrong", "too_many_tries"} {
		log.lines = nil
		if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: "x"}); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
		for _, want := range []string{`"recovery.answer"`, `"` + result + `"`, `"id-alice"`} {
			if !log.has(want) {
				t.Errorf("no %s in %s", want, log.lines)
			}
		}
	}
}

// R-REC-09: a login ends links, codes and proofs.
func TestLoginEndsAttempts(t *testing.T) {
	w := start(t)
	proof := w.proof(t, "alice")
	w.begin(t, "newcomer")
	link, _ := w.next(t)
	w.settled(t)
	if err := w.store.Do(t.Context(), append(w.flow.Forget("id-alice"), w.flow.Forget("id-newcomer")...)...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.Is(err, recovery.ErrNoProof) {
		t.Errorf("proof: %v", err)
	}
	if _, err := w.answer(t, recovery.Reply{Link: link}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("link: %v", err)
	}
}

// replicas are two engines over one store.
func (w *world) replicas() [2]*recovery.Flow {
	second := *w.flow
	return [2]*recovery.Flow{w.flow, &second}
}

// counting is a method that counts how often it compares.
type counting struct {
	recovery.Addressed
	n *atomic.Int32
}

func (c counting) Verify(ch recovery.Challenge, a recovery.Answer) bool {
	c.n.Add(1)
	return c.Addressed.Verify(ch, a)
}

// R-REC-11: a thousand guesses at once, over two replicas, are five.
func TestParallelGuesses(t *testing.T) {
	w := start(t)
	compared := &atomic.Int32{}
	w.flow.Methods[0] = counting{w.flow.Methods[0].(recovery.Addressed), compared}
	w.flow.Limits.Source.Limit = 1e6
	replicas := w.replicas()
	begun := w.begin(t, "alice")
	w.next(t)
	w.settled(t)
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			_, _ = replicas[i%2].Answer(context.Background(), recovery.Reply{Attempt: begun.Attempt, Code: fmt.Sprintf("%06d", i), Source: "192.0.2.0/24"})
		})
	}
	all.Wait()
	if n := compared.Load(); n == 0 || n > 5 {
		t.Errorf("%d guesses were compared, want 5 at the most", n)
	}
}

// R-REC-08: of fifty at once, one.
func TestRaces(t *testing.T) {
	w := start(t)
	w.flow.Limits.Hourly.Limit, w.flow.Limits.Daily.Limit, w.flow.Limits.Source.Limit, w.flow.Limits.Submitted.Limit, w.flow.Limits.Share.Limit = 1000, 1000, 100000, 1000, 1000
	replicas := w.replicas()
	for round := range 10 {
		w.begin(t, "alice")
		link, _ := w.next(t)
		proofs := make(chan string, 50)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if p, err := replicas[i%2].Answer(context.Background(), recovery.Reply{Link: link, Source: "x"}); err == nil {
					proofs <- p.Proof
				}
			})
		}
		all.Wait()
		if len(proofs) != 1 {
			t.Fatalf("round %d: %d proofs from one link", round, len(proofs))
		}
		proof := <-proofs
		for i := range 50 {
			all.Go(func() { _, _ = replicas[i%2].Complete(context.Background(), proof, secret.New(good), "") })
		}
		all.Wait()
		if len(w.people.set) != round+1 {
			t.Fatalf("round %d: the password was set %d times", round, len(w.people.set)-round)
		}
		w.settled(t)
		for len(w.mails) > 0 {
			<-w.mails
		}
	}
}

// signedIn signs somebody in and returns whether they still are.
func (w *world) signedIn(t *testing.T, login string) (still func() bool) {
	t.Helper()
	r, rec := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	who, _ := w.people.Find(t.Context(), login)
	s, err := w.sessions.Start(r, who, false, "pwd")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sessions.Commit(t.Context(), rec, s); err != nil {
		t.Fatal(err)
	}
	still = func() bool {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: rec.Result().Cookies()[0].Value})
		s, err := w.sessions.Current(r)
		if err != nil {
			t.Fatal(err)
		}
		return s != nil
	}
	if !still() {
		t.Fatal("there is no session to end")
	}
	return still
}

// R36, R-SESS-05: what the old password opened is closed.
func TestSessionsEnd(t *testing.T) {
	w := start(t)
	still := w.signedIn(t, "alice")
	if _, err := w.flow.Complete(t.Context(), w.proof(t, "alice"), secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	if still() {
		t.Error("the session lives on")
	}
}

// R-REC-04, R31: a copy of the store is worth nothing.
func TestStoreHoldsNoSecret(t *testing.T) {
	w := start(t)
	begun := w.begin(t, "alice")
	link, code := w.next(t)
	w.settled(t)
	proven, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	w.settled(t)
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for _, text := range w.store.texts {
		for name, value := range map[string]string{"code": code, "token": link[16:], "proof": proven.Proof[7:], "password": good, "address": "a@home.example"} {
			if strings.Contains(text, value) {
				t.Errorf("the store was given the %s: %s", name, text)
			}
		}
	}
}
