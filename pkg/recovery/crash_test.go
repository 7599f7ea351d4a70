package recovery_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// fuse kills the goroutine that does the nth operation, before its effect or
// after it, as kill -9 does a process: nothing that follows happens, no
// deferred repair included.
type fuse struct {
	left int
	late bool
}

func (f *fuse) burn(effect func()) {
	f.left--
	if f.left == 0 && !f.late {
		runtime.Goexit()
	}
	effect()
	if f.left == 0 {
		runtime.Goexit()
	}
}

type mortalStore struct {
	store.Store
	*fuse
}

func (s mortalStore) Do(ctx context.Context, ops ...store.Op) (err error) {
	s.burn(func() { err = s.Store.Do(ctx, ops...) })
	return err
}

type mortalDirectory struct {
	directory.Directory
	*fuse
}

func (d mortalDirectory) SetPassword(ctx context.Context, id account.ID, p secret.String) (err error) {
	d.burn(func() { err = d.Directory.SetPassword(ctx, id, p) })
	return err
}

func (d mortalDirectory) Unlock(ctx context.Context, id account.ID) (err error) {
	d.burn(func() { err = d.Directory.Unlock(ctx, id) })
	return err
}

// trail keeps audit events.
type trail struct {
	mu    sync.Mutex
	lines []string
}

func (l *trail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *trail) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.lines, ""), text)
}

// F-KILL-01: the process dies at each operation of a reset, in turn. The
// password is the old or the new one; a proof that changed it is dead; the
// audit knows; and the owner is told, once or twice.
func TestDeathAtEveryOperation(t *testing.T) {
	died, changed := 0, 0
	for _, late := range []bool{false, true} {
		for n := 1; ; n++ {
			w := start(t)
			log := &trail{}
			w.flow.Audit = audit.Log{Logger: slog.New(slog.NewTextHandler(log, nil))}
			proof := w.proof(t, "alice")
			w.settled(t)
			burning := &fuse{left: n, late: late}
			// The one that dies is a replica of its own, whose outbox runs
			// nowhere.
			mortal := &recovery.Flow{
				Store: mortalStore{w.flow.Store, burning}, Directory: mortalDirectory{w.people, burning}, Sessions: w.flow.Sessions,
				Outbox: &outbox.Outbox{Store: w.store, Box: w.flow.Keys.Box("outbox"), Now: w.flow.Now}, Keys: w.flow.Keys, Methods: w.flow.Methods,
				Mail: w, Pages: w.flow.Pages, Link: w.flow.Link, Home: w.flow.Home, Limits: w.flow.Limits, Audit: w.flow.Audit, Now: w.flow.Now,
			}
			lived := make(chan bool, 1)
			go func() {
				whole := false
				defer func() { lived <- whole }()
				_, err := mortal.Complete(context.Background(), proof, secret.New(good), "")
				whole = err == nil
			}()
			if <-lived {
				break // there is no nth operation
			}
			died++
			_, alive := w.flow.Proven(t.Context(), proof)
			w.advance(2 * time.Minute)
			w.flow.Outbox.Nudge()
			w.settled(t)
			told := map[string]int{}
			for len(w.mails) > 0 {
				told[(<-w.mails).To]++
			}
			_, err := w.flow.Proven(t.Context(), proof)
			if len(w.people.set) == 0 {
				if alive == nil && (err != nil || len(told) > 0) {
					t.Errorf("late %v, operation %d: nothing was done; told %v, the proof %v", late, n, told, err)
				}
				continue
			}
			changed++
			if len(w.people.set) != 1 || !errors.Is(err, recovery.ErrNoProof) {
				t.Errorf("late %v, operation %d: set %d times, and its proof: %v", late, n, len(w.people.set), err)
			}
			if !log.has("recovery.complete") {
				t.Errorf("late %v, operation %d: the audit knows nothing", late, n)
			}
			for _, to := range []string{"a@home.example", "a@work.example", "alice@univ.example"} {
				if told[to] != 1 && told[to] != 2 {
					t.Errorf("late %v, operation %d: %d notices to %s", late, n, told[to], to)
				}
			}
		}
	}
	if died < 8 || changed < 4 {
		t.Errorf("%d deaths and %d changes show nothing", died, changed)
	}
	t.Logf("%d deaths, %d of them after the change", died, changed)
}

func (d mortalDirectory) Replace(ctx context.Context, id account.ID, from, to account.Contact) (err error) {
	d.burn(func() { err = d.Directory.(directory.Editor).Replace(ctx, id, from, to) })
	return err
}

func (mortalDirectory) Edit(context.Context, account.ID, string, []string, []string) error {
	return nil
}

// R25, F-KILL-01: the process dies at each operation of a change of rescue
// address, in turn. Either nothing has changed and nobody is told, or the old
// addresses are told, once or twice, and may take it back.
func TestDeathAmidAChangeOfAddress(t *testing.T) {
	died, changed := 0, 0
	for _, late := range []bool{false, true} {
		for n := 1; ; n++ {
			w := start(t)
			log := &trail{}
			w.flow.Directory, w.flow.Undo, w.flow.Audit = wide{w.people}, "https://login.example/recover/undo?t=", audit.Log{Logger: slog.New(slog.NewTextHandler(log, nil))}
			alice, err := w.people.Find(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			change := recovery.Change{From: alice.Contacts[0], To: account.Contact{Kind: account.Email, Value: "thief@home.example"}}
			burning := &fuse{left: n, late: late}
			mortal := *w.flow
			mortal.Store, mortal.Directory = mortalStore{w.flow.Store, burning}, mortalDirectory{w.flow.Directory, burning}
			mortal.Outbox = &outbox.Outbox{Store: w.store, Box: w.flow.Keys.Box("outbox"), Now: w.flow.Now} // runs nowhere
			lived := make(chan bool, 1)
			go func() {
				whole := false
				defer func() { lived <- whole }()
				whole = mortal.ReplaceContact(context.Background(), alice, change, "", "") == nil
			}()
			if <-lived {
				break // there is no nth operation
			}
			died++
			w.advance(2 * time.Minute)
			w.flow.Outbox.Nudge()
			w.settled(t)
			told, token := map[string]int{}, ""
			for len(w.mails) > 0 {
				m := <-w.mails
				told[m.To]++
				_, token, _ = strings.Cut(m.Text, "undo?t=")
				token, _, _ = strings.Cut(token, "\n")
			}
			if w.people.accounts["alice"].Contacts[0] == change.From {
				if len(told) > 0 {
					t.Errorf("late %v, operation %d: nothing was done; told %v", late, n, told)
				}
				continue
			}
			changed++
			if !log.has("recovery.contact") {
				t.Errorf("late %v, operation %d: the audit knows nothing", late, n)
			}
			for _, to := range []string{"a@home.example", "a@work.example", "alice@univ.example"} {
				if told[to] != 1 && told[to] != 2 {
					t.Errorf("late %v, operation %d: %d notices to %s", late, n, told[to], to)
				}
			}
			if err := w.flow.UndoContact(t.Context(), token, ""); err != nil || w.people.accounts["alice"].Contacts[0] != change.From {
				t.Errorf("late %v, operation %d: it cannot be taken back: %v", late, n, err)
			}
		}
	}
	if died < 6 || changed < 4 {
		t.Errorf("%d deaths and %d changes show nothing", died, changed)
	}
	t.Logf("%d deaths, %d of them after the change", died, changed)
}

// An answer of the directory that was lost says nothing; asked again, it tells.
func TestLostAnswer(t *testing.T) {
	w := start(t)
	proof := w.proof(t, "alice")
	w.flow.Directory = forgetful{w.people}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Proven(t.Context(), proof); !errors.Is(err, recovery.ErrNoProof) {
		t.Errorf("changed, and the proof still good: %v", err)
	}
}

// forgetful sets a password and loses the answer.
type forgetful struct{ *people }

func (d forgetful) SetPassword(ctx context.Context, id account.ID, p secret.String) error {
	_ = d.people.SetPassword(ctx, id, p)
	return directory.ErrUnavailable
}

func (d forgetful) Authenticate(_ context.Context, _ account.Account, p secret.String) error {
	if p.Reveal() != good {
		return directory.ErrBadPassword
	}
	return nil
}
