package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
	"github.com/loge-idp/loge/providers/memory"
)

const (
	idle = time.Hour
	life = 8 * time.Hour
)

var (
	alice = account.Account{ID: "a", Login: "alice", Status: account.Active, Attributes: map[string][]string{"memberOf": {"x", "y"}}}
	bob   = account.Account{ID: "b", Login: "bob", Status: account.Active}
)

type world struct {
	t     *testing.T
	clock *memory.FakeTimeStore
	down  atomic.Bool
	trips atomic.Int64
	*session.Manager
	tickets ticket.Book
}

// Do makes world a store that can be switched off.
func (w *world) Do(ctx context.Context, ops ...store.Op) error {
	if w.down.Load() {
		return errors.Join(store.ErrUnavailable, errors.New("switched off"))
	}
	return w.clock.Do(ctx, ops...)
}

func open(t *testing.T) *world {
	w := &world{t: t}
	var err error
	w.clock, err = memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), func(int) { w.trips.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.clock.Close() })
	keys := secret.RandomKeyring()
	w.Manager = &session.Manager{
		Cookies: &session.Cookies{Store: w, Options: sessions.Options{Path: "/", HttpOnly: true}, Idle: idle, Life: life},
		Cookie:  "session", Keys: keys, Now: w.clock.Now,
		Outbox: &outbox.Outbox{Store: w, Box: keys.Box("outbox"), Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler)},
	}
	w.tickets = ticket.Book{Store: w, Kind: "st", Prefix: "ST-", TTL: 24 * time.Hour}
	return w
}

// request is one of a browser with this cookie; empty for none.
func request(cookie string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	return r
}

// signIn starts a session over that of a cookie, and returns the new cookie.
func (w *world) signIn(cookie string, a account.Account, longTerm bool, ops ...store.Op) *http.Cookie {
	w.t.Helper()
	s, err := w.Start(request(cookie), a, longTerm, "pwd")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.commit(s, ops...)
}

func (w *world) commit(s *session.Session, ops ...store.Op) *http.Cookie {
	w.t.Helper()
	rec := httptest.NewRecorder()
	if err := w.Commit(w.t.Context(), rec, s, ops...); err != nil {
		w.t.Fatal(err)
	}
	if set := rec.Result().Cookies(); len(set) == 1 {
		return set[0]
	}
	return nil
}

// current is the session of a cookie; nil for none.
func (w *world) current(cookie string) *session.Session {
	w.t.Helper()
	s, err := w.Current(request(cookie))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) ticket(s *session.Session) string {
	w.t.Helper()
	text, create := w.tickets.Issue(w.Under(s), store.Fields{"a": "b"})
	w.commit(s, create)
	return text
}

func (w *world) alive(ticket string) bool {
	w.t.Helper()
	take, err := w.tickets.Redeem(w.t.Context(), ticket)
	if err != nil {
		w.t.Fatal(err)
	}
	return take.Outcome == store.Taken
}

// farewells are the parties of the jobs in the outbox, sorted. They are taken
// out.
func (w *world) farewells() []string {
	w.t.Helper()
	var mu sync.Mutex
	var parties []string
	ctx, stop := context.WithCancel(w.t.Context())
	box := &outbox.Outbox{Store: w, Box: w.Outbox.Box, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler)}
	box.Handle(session.Farewell("cas"), func(_ context.Context, job outbox.Job) error {
		v, err := session.VisitOf(job)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		parties = append(parties, v.Party+" "+v.Data["ticket"]+" "+string(v.Account))
		return nil
	})
	box.Handle("last", func(context.Context, outbox.Job) error { stop(); return nil })
	if err := box.Add(ctx, outbox.Job{Kind: "last"}); err != nil {
		w.t.Fatal(err)
	}
	box.Run(ctx) // ends once all before "last" have begun, and waits for them
	slices.Sort(parties)
	return parties
}

func TestKept(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false)
	w.clock.Advance(time.Minute)
	s := w.current(cookie.Value)
	if s == nil {
		t.Fatal("no session")
	}
	if diff := cmp.Diff(alice, s.Account); diff != "" {
		t.Error(diff)
	}
	began := w.clock.Now().Add(-time.Minute)
	if !s.AuthTime.Equal(began) || !s.Checked.Equal(began) || !slices.Equal(s.Methods, []string{"pwd"}) || s.LongTerm || s.JustStarted() {
		t.Errorf("%+v", s)
	}
	s.SetNote("grace", "seen")
	w.commit(s)
	if got := w.current(cookie.Value).Note("grace"); got != "seen" {
		t.Errorf("note %q", got)
	}
	s = w.current(cookie.Value)
	s.SetNote("grace", "")
	w.commit(s)
	if got := w.current(cookie.Value).Note("grace"); got != "" {
		t.Errorf("a removed note is %q", got)
	}
}

// R-SESS-01: names that we did not give are never taken on.
func TestRSESS01Unknown(t *testing.T) {
	w := open(t)
	known := w.signIn("", alice, false).Value
	if len(known) < 22 {
		t.Fatalf("%q is too short", known)
	}
	for _, planted := range []string{
		strings.Repeat("x", len(known)), known[:len(known)-1], known + "x", known[:len(known)-1] + "!", "", "session",
		known[:11] + strings.Repeat("0", len(known)-11), // the right record, another secret
	} {
		if s := w.current(planted); s != nil {
			t.Errorf("%q is a session", planted)
		}
		if got := w.signIn(planted, bob, false); got.Value == planted || got.Value[11:] == planted[min(11, len(planted)):] {
			t.Errorf("%q was adopted", planted)
		}
	}
	if s := w.current(known); s == nil || s.Account.ID != "a" {
		t.Error("somebody else's guesses ended the session")
	}
	two := request(known)
	two.AddCookie(&http.Cookie{Name: "session", Value: w.signIn("", bob, false).Value})
	if s, err := w.Current(two); err != nil || s != nil {
		t.Errorf("two cookies of one name, of which one was planted, are a session (%v)", err)
	}
}

// R-SESS-01: credentials change the name; what hangs from the session stays.
func TestRSESS01Rotate(t *testing.T) {
	w := open(t)
	first := w.signIn("", alice, false).Value
	s := w.current(first)
	w.Visit(s, "one", session.Visit{Protocol: "cas", Party: "one"})
	kept, sid := w.ticket(s), w.SID(s)
	second := w.signIn(first, alice, false).Value
	if second == first {
		t.Error("the name is the same after new credentials")
	}
	if w.current(first) != nil {
		t.Error("the old name still is a session")
	}
	s = w.current(second)
	if s == nil || w.SID(s) != sid || len(w.Visits(s)) != 1 {
		t.Fatal("the session did not go on")
	}
	if !w.alive(kept) {
		t.Error("its ticket died")
	}
}

// R-OAUTH-50: another person's credentials end the session that was there.
func TestROAUTH50(t *testing.T) {
	w := open(t)
	first := w.signIn("", alice, false).Value
	s := w.current(first)
	w.Visit(s, "one", session.Visit{Protocol: "cas", Party: "one"})
	hers := w.ticket(s)
	second := w.signIn(first, bob, false).Value
	if w.current(first) != nil || w.alive(hers) {
		t.Error("alice's session or ticket lives on")
	}
	s = w.current(second)
	if s == nil || s.Account.ID != "b" || len(w.Visits(s)) != 0 {
		t.Errorf("bob's session: %+v", s)
	}
	if diff := cmp.Diff([]string{"one  a"}, w.farewells()); diff != "" {
		t.Error(diff)
	}
}

// R-SESS-04: one second before the limit there is a session, one after there
// is none.
func TestRSESS04(t *testing.T) {
	for _, c := range []struct {
		name     string
		longTerm bool
		use      time.Duration // how often the session is used
		ends     time.Duration
	}{
		{"idle", false, 0, idle},
		{"absolute", false, idle / 2, life},
		{"remembered", true, 0, 30 * 24 * time.Hour},
		{"remembered and used", true, 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		for _, after := range []time.Duration{-time.Second, time.Second} {
			w := open(t)
			cookie := w.signIn("", alice, c.longTerm)
			limit := w.clock.Now().Add(c.ends)
			end := limit.Add(after)
			for c.use > 0 && w.clock.Now().Add(c.use).Before(limit) {
				w.clock.Advance(c.use)
				if w.current(cookie.Value) == nil {
					t.Fatalf("%s: over at %s", c.name, w.clock.Now())
				}
			}
			w.clock.Advance(end.Sub(w.clock.Now()))
			if alive := w.current(cookie.Value) != nil; alive != (after < 0) {
				t.Errorf("%s: %s from the limit alive: %v", c.name, after, alive)
			}
			want := 0 // until the browser is closed
			if c.longTerm {
				want = int(c.ends / time.Second)
			}
			if cookie.MaxAge != want {
				t.Errorf("%s: Max-Age %d, want %d", c.name, cookie.MaxAge, want)
			}
		}
	}
}

func TestEnd(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false).Value
	s := w.current(cookie)
	for i := range 3 {
		w.Visit(s, strconv.Itoa(i), session.Visit{Protocol: "cas", Party: strconv.Itoa(i), Data: map[string]string{"ticket": "T"}})
	}
	w.Visit(s, "2", session.Visit{Protocol: "cas", Party: "2", Data: map[string]string{"ticket": "T2"}}) // replaces
	hangs := w.ticket(s)

	s = w.current(cookie)
	rec := httptest.NewRecorder()
	w.down.Store(true)
	if err := w.End(t.Context(), rec, s); !errors.Is(err, store.ErrUnavailable) || len(rec.Result().Cookies()) != 0 {
		t.Fatalf("store down: %v, %v", err, rec.Result().Cookies())
	}
	w.down.Store(false)
	rec = httptest.NewRecorder()
	if err := w.End(t.Context(), rec, s); err != nil {
		t.Fatal(err)
	}
	if set := rec.Result().Cookies(); len(set) != 1 || set[0].MaxAge >= 0 || set[0].Name != "session" {
		t.Errorf("the cookie is not removed: %v", set)
	}
	if w.current(cookie) != nil || w.alive(hangs) {
		t.Error("the session or its ticket lives on")
	}
	if diff := cmp.Diff([]string{"0 T a", "1 T a", "2 T2 a"}, w.farewells()); diff != "" {
		t.Error(diff)
	}
	if again := w.farewells(); len(again) != 0 {
		t.Errorf("told twice: %v", again)
	}
}

// R-SESS-05, R15: every session of one account, and nobody else's.
func TestEndAll(t *testing.T) {
	w := open(t)
	var cookies, tickets []string
	for i := range 3 {
		cookie := w.signIn("", alice, i == 0).Value
		s := w.current(cookie)
		w.Visit(s, "v", session.Visit{Protocol: "cas", Party: strconv.Itoa(i)})
		cookies, tickets = append(cookies, cookie), append(tickets, w.ticket(s))
	}
	cookies[1] = w.signIn(cookies[1], alice, false).Value // under a new name
	others := w.signIn("", bob, false).Value
	loose := store.Key{Tag: "family", Name: "refresh"}
	if err := w.Do(t.Context(), append(w.Index("a", loose, time.Hour), &store.Create{Key: loose, TTL: time.Hour, Fields: store.Fields{"x": "y"}})...); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing
		if err := w.EndAll(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cookies {
		if w.current(cookies[i]) != nil || w.alive(tickets[i]) {
			t.Errorf("session %d or its ticket lives on", i)
		}
	}
	read := &store.Read{Key: loose}
	if err := w.Do(t.Context(), read); err != nil || read.Fields != nil {
		t.Errorf("what was indexed lives on: %v %v", read.Fields, err)
	}
	if w.current(others) == nil {
		t.Error("another person's session ended too")
	}
	if diff := cmp.Diff([]string{"0  a", "1  a", "2  a"}, w.farewells()); diff != "" {
		t.Error(diff)
	}
}

// R-CAS-16: requests of one session side by side lose none of their visits.
func TestParallelVisits(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false).Value
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			s := w.current(cookie)
			w.Visit(s, strconv.Itoa(i), session.Visit{Protocol: "cas", Party: strconv.Itoa(i)})
			w.commit(s)
		})
	}
	all.Wait()
	if got := len(w.Visits(w.current(cookie))); got != 50 {
		t.Errorf("%d visits of 50", got)
	}
}

func TestStoreDown(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false).Value
	s, err := w.Start(request(""), bob, false)
	if err != nil {
		t.Fatal(err)
	}
	w.down.Store(true)
	if _, err := w.Current(request(cookie)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Current: %v", err)
	}
	if _, err := w.Start(request(cookie), bob, false); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Start: %v", err)
	}
	if err := w.EndAll(t.Context(), "a"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("EndAll: %v", err)
	}
	rec := httptest.NewRecorder()
	if err := w.Commit(t.Context(), rec, s); !errors.Is(err, store.ErrUnavailable) || len(rec.Result().Cookies()) != 0 {
		t.Errorf("Commit: %v, %v", err, rec.Result().Cookies())
	}
	w.down.Store(false)
	if w.current(cookie) == nil {
		t.Error("the session is gone")
	}
	// The same login goes through once the store is back.
	if c := w.commit(s); c == nil || w.current(c.Value) == nil {
		t.Error("the commit cannot be repeated")
	}
}

// Reading is one round trip, however often a request asks, and writing one
// more.
func TestRoundTrips(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false).Value
	before := w.trips.Load()
	r := request(cookie)
	for range 3 {
		s, err := w.Current(r)
		if err != nil || s == nil {
			t.Fatal(s, err)
		}
	}
	s, _ := w.Current(r)
	w.commit(s) // nothing changed: nothing to write
	if got := w.trips.Load() - before; got != 1 {
		t.Errorf("reading took %d round trips", got)
	}
	w.ticket(s)
	if got := w.trips.Load() - before; got != 2 {
		t.Errorf("reading and writing took %d round trips", got)
	}
	if w.current(""); w.trips.Load()-before != 2 {
		t.Error("a browser without a cookie cost a round trip")
	}
}

// SID names a session to others; it must not be of use to them.
func TestSID(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false).Value
	sid := w.SID(w.current(cookie))
	if sid == "" || strings.Contains(cookie, sid) || strings.Contains(sid, cookie[:7]) || w.current(sid) != nil {
		t.Errorf("sid %q of cookie %q", sid, cookie)
	}
	if other := w.SID(w.current(w.signIn("", alice, false).Value)); other == sid {
		t.Error("two sessions have one sid")
	}
}

// "Stay signed in", ticked or unticked when the same person gives credentials
// again, changes how long the session lives, and nothing that hangs from it.
func TestRememberChanges(t *testing.T) {
	for _, longTerm := range []bool{true, false} {
		w := open(t)
		first := w.signIn("", alice, !longTerm)
		text := w.ticket(w.current(first.Value))
		w.clock.Advance(idle / 2)
		again := w.signIn(first.Value, alice, longTerm)
		w.clock.Advance(life + time.Hour)
		if alive := w.current(again.Value) != nil; alive != longTerm {
			t.Errorf("now long-term %v: alive after the usual life: %v", longTerm, alive)
		}
		if alive := w.alive(text); alive != longTerm {
			t.Errorf("now long-term %v: its ticket is alive: %v", longTerm, alive)
		}
	}
}

// A session that lasts for weeks stays quick to read, and the latest parties
// of each protocol hear of its end.
func TestVisitsAreBounded(t *testing.T) {
	w := open(t)
	s := w.current(w.signIn("", alice, false).Value)
	w.Visit(s, "first", session.Visit{Protocol: "oidc", Party: "1000"})
	for i := range 320 {
		w.clock.Advance(time.Second)
		w.Visit(s, strconv.Itoa(i), session.Visit{Protocol: "cas", Party: strconv.Itoa(i)})
	}
	var parties []int
	for _, v := range w.Visits(s) {
		n, err := strconv.Atoi(v.Party)
		if err != nil {
			t.Fatal(err)
		}
		parties = append(parties, n)
	}
	slices.Sort(parties)
	if len(parties) != 301 || parties[0] != 20 || parties[299] != 319 || parties[300] != 1000 {
		t.Errorf("%d visits, from %d", len(parties), parties[0])
	}
}
