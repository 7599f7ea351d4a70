package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
)

// people are a directory of active accounts, but for those in other states.
type people struct {
	directory.Reader
	mu     sync.Mutex
	states map[account.ID]account.Status
	down   bool
	reads  int
}

func (p *people) Get(_ context.Context, id account.ID) (account.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	state := p.states[id]
	switch {
	case p.down:
		return account.Account{}, directory.ErrUnavailable
	case state == "gone":
		return account.Account{}, directory.ErrNotFound
	case state == "":
		state = account.Active
	}
	return account.Account{ID: id, Login: string(id), Status: state}, nil
}

// count returns how many reads there were since the last call.
func (p *people) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.reads
	p.reads = 0
	return n
}

type watched struct {
	t     *testing.T
	clock *memory.FakeTimeStore
	*people
	sessions *session.Manager
	watch    *lifecycle.Watch
}

func newWatched(t *testing.T, perSecond int) *watched {
	t.Helper()
	clock, err := memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clock.Close() })
	keys, quiet := secret.RandomKeyring(), slog.New(slog.DiscardHandler)
	w := &watched{t: t, clock: clock, people: &people{states: map[account.ID]account.Status{}}}
	w.sessions = &session.Manager{
		Cookies: &session.Cookies{Store: clock, Options: sessions.Options{Path: "/"}, Idle: time.Hour, Life: 8 * time.Hour},
		Cookie:  "session", Keys: keys, Now: clock.Now, Watched: lifecycle.Every,
		Outbox: &outbox.Outbox{Store: clock, Box: keys.Box("outbox"), Now: clock.Now, Logger: quiet},
	}
	w.watch = &lifecycle.Watch{Store: clock, Sessions: w.sessions, Directory: w.people, PerSecond: perSecond, Audit: audit.Log{Logger: quiet}, Logger: quiet}
	return w
}

// signIn gives an account a session with a visit, and returns its key.
func (w *watched) signIn(id account.ID) store.Key {
	w.t.Helper()
	s, err := w.sessions.Start(httptest.NewRequest(http.MethodGet, "/", nil), account.Account{ID: id, Status: account.Active}, false, "pwd")
	if err != nil {
		w.t.Fatal(err)
	}
	w.sessions.Visit(s, "1", session.Visit{Protocol: "cas", Party: string(id)})
	if err := w.sessions.Commit(w.t.Context(), httptest.NewRecorder(), s); err != nil {
		w.t.Fatal(err)
	}
	return w.sessions.Under(s)
}

func (w *watched) alive(key store.Key) bool {
	w.t.Helper()
	read := &store.Read{Key: key}
	if err := w.clock.Do(w.t.Context(), read); err != nil {
		w.t.Fatal(err)
	}
	return read.Fields != nil
}

// seconds passes time, in which two replicas each take their turn.
func (w *watched) seconds(n int) {
	w.t.Helper()
	for range n {
		w.clock.Advance(time.Second)
		for range 2 {
			if err := w.watch.Turn(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func (w *watched) farewells() int {
	w.t.Helper()
	list := &store.List{Queue: "outbox"}
	if err := w.clock.Do(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	return len(list.Entries)
}

// R15, R-AUTH-23: what is closed in the directory ends within a minute although
// nobody uses it, sessions and what stands alone, and the applications hear of
// it; the others stay.
func TestWatchEndsWhatWasClosed(t *testing.T) {
	for state, ends := range map[account.Status]bool{
		account.Active: false, account.Grace: false, account.Locked: true, account.Disabled: true, account.Pending: true, "gone": true,
	} {
		t.Run(string(state), func(t *testing.T) {
			w := newWatched(t, 0)
			key := w.signIn("alice")
			offline := store.Key{Tag: "offline", Name: "grant"}
			if err := w.clock.Do(t.Context(), append(w.sessions.Index("bob", offline, 24*time.Hour),
				&store.Create{Key: offline, Fields: store.Fields{"a": "b"}, TTL: 24 * time.Hour})...); err != nil {
				t.Fatal(err)
			}
			w.seconds(60)
			if !w.alive(key) || !w.alive(offline) {
				t.Fatal("ended while active")
			}
			w.states["alice"], w.states["bob"] = state, state
			w.seconds(60)
			if w.alive(key) == ends || w.alive(offline) == ends || (w.farewells() == 1) != ends {
				t.Errorf("session %v, token %v, farewells %d", w.alive(key), w.alive(offline), w.farewells())
			}
		})
	}
}

// R15: however many accounts and replicas there are, no more than PerSecond
// are read in a second; each is read once in a round, and none is left out.
func TestWatchIsBounded(t *testing.T) {
	w := newWatched(t, 3)
	for i := range 20 {
		w.signIn(account.ID(fmt.Sprint("p", i)))
	}
	w.seconds(29)
	if n := w.count(); n != 0 {
		t.Fatalf("%d reads before anything was due", n)
	}
	var perSecond []int
	for range 10 {
		w.seconds(1)
		perSecond = append(perSecond, w.count())
	}
	if !slices.Equal(perSecond, []int{3, 3, 3, 3, 3, 3, 2, 0, 0, 0}) {
		t.Errorf("reads in each second: %v", perSecond)
	}
	// What has nothing open any more is read no more.
	for i := range 19 {
		if err := w.sessions.EndAll(t.Context(), account.ID(fmt.Sprint("p", i))); err != nil {
			t.Fatal(err)
		}
	}
	w.seconds(60)
	w.count()
	w.seconds(60)
	if n := w.count(); n != 2 {
		t.Errorf("%d reads of one account in two rounds", n)
	}
	w.clock.Advance(9 * time.Hour)
	w.seconds(60)
	if n := w.count(); n != 0 {
		t.Errorf("%d reads after all have expired", n)
	}
}

// R15: a rate that is too low for those who are signed in is said, once a minute,
// with the one that would do; one that is just right is not.
func TestWatchSaysThatItIsTooSlow(t *testing.T) {
	for perSecond, want := range map[int]int{1: 2, 4: 0} {
		t.Run(fmt.Sprint(perSecond, " in a second"), func(t *testing.T) {
			w := newWatched(t, perSecond)
			var log bytes.Buffer
			w.watch.Logger = slog.New(slog.NewTextHandler(&log, nil))
			for i := range 100 {
				w.signIn(account.ID(fmt.Sprint("p", i)))
			}
			w.seconds(180)
			if n := strings.Count(log.String(), "perSecond="+fmt.Sprint(perSecond)+" needed=4\n"); n != want {
				t.Errorf("said %d times, want %d:\n%s", n, want, log.String())
			}
			page := metrics.NewPage()
			w.watch.Measure(t.Context(), page)
			var told bytes.Buffer
			if err := page.Write(&told); err != nil {
				t.Fatal(err)
			}
			late := !strings.Contains(told.String(), "loge_watch_late_seconds 0\n")
			if !strings.Contains(told.String(), "loge_watched_accounts 100\n") || late != (want > 0) {
				t.Errorf("%s", told.String())
			}
		})
	}
}

// F-LDAP: a directory that is away ends nobody's session, is not asked for
// everybody, and what was closed meanwhile ends when it is back.
func TestWatchWithoutDirectory(t *testing.T) {
	w := newWatched(t, 50)
	var keys []store.Key
	for i := range 50 {
		keys = append(keys, w.signIn(account.ID(fmt.Sprint("p", i))))
	}
	w.down = true
	w.states["p7"] = account.Disabled
	w.clock.Advance(lifecycle.Every)
	if err := w.watch.Turn(t.Context()); !errors.Is(err, directory.ErrUnavailable) {
		t.Fatal(err)
	}
	if n := w.count(); n == 0 || n > 10 {
		t.Errorf("%d reads of a directory that is away", n)
	}
	w.down = false
	w.seconds(30)
	for i, key := range keys {
		if w.alive(key) != (i != 7) {
			t.Errorf("p%d: alive %v", i, w.alive(key))
		}
	}
}

// Who signs in while the watch forgets that nothing was open is not forgotten.
func TestWatchAndSignIn(t *testing.T) {
	w := newWatched(t, 50)
	w.signIn("alice")
	if err := w.sessions.EndAll(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	var key store.Key
	between := &between{Store: w.clock}
	between.before = func(ops []store.Op) {
		if _, ok := ops[0].(*store.Drop); ok && key == (store.Key{}) {
			key = w.signIn("alice")
		}
	}
	w.sessions.Cookies.Store = between
	w.seconds(30)
	if key == (store.Key{}) {
		t.Fatal("nothing was dropped")
	}
	w.states["alice"] = account.Locked
	w.seconds(60)
	if w.alive(key) {
		t.Error("was forgotten")
	}
}

// between is a store in which something happens before an operation.
type between struct {
	store.Store
	before func([]store.Op)
}

func (b *between) Do(ctx context.Context, ops ...store.Op) error {
	b.before(ops)
	return b.Store.Do(ctx, ops...)
}
