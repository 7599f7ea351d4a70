package session_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/session"
)

// R56: the parties hear of the end and what hung from the session is gone; the
// person stays signed in, under another name and SID.
func TestPart(t *testing.T) {
	for name, longTerm := range map[string]bool{"for a day": false, "for long": true} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			cookie := w.signIn("", alice, longTerm)
			s := w.current(cookie.Value)
			s.SetNote("n", "kept")
			w.Visit(s, "1", session.Visit{Protocol: "cas", Party: "App"})
			ticket := w.ticket(s)
			sid, under := w.SID(s), w.Under(s)

			s = w.current(cookie.Value)
			w.Part(s)
			next := w.commit(s)
			if next == nil || next.Value == cookie.Value || (next.MaxAge > 0) != longTerm {
				t.Fatalf("the cookie: %+v", next)
			}
			if w.alive(ticket) || w.current(cookie.Value) != nil {
				t.Error("something of before lives")
			}
			if got := w.farewells(); !slices.Equal(got, []string{"App  a"}) {
				t.Errorf("farewells: %q", got)
			}
			now := w.current(next.Value)
			if now == nil {
				t.Fatal("signed out")
			}
			if now.Account.ID != alice.ID || now.LongTerm != longTerm || now.Note("n") != "kept" || now.JustStarted() || len(w.Visits(now)) != 0 ||
				w.SID(now) == sid || w.Under(now) == under || !slices.Equal(now.Methods, []string{"pwd"}) {
				t.Errorf("%+v", now)
			}
			if err := w.EndAll(t.Context(), alice.ID); err != nil {
				t.Fatal(err)
			}
			if w.current(next.Value) != nil {
				t.Error("was not indexed")
			}
		})
	}
}

// Whoever parts again and again stays signed in no longer than they would have.
func TestPartKeepsTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		longTerm   bool
		step, last time.Duration
	}{
		"for a day": {false, 30 * time.Minute, life},
		"for long":  {true, 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			cookie := w.signIn("", alice, c.longTerm)
			var lasted time.Duration
			for s := w.current(cookie.Value); s != nil; s = w.current(cookie.Value) {
				w.Part(s)
				var set *http.Cookie
				if set = w.commit(s); set == nil {
					t.Fatal("no cookie")
				}
				cookie = set
				w.clock.Advance(c.step)
				if lasted += c.step; lasted > 2*c.last {
					t.Fatal("for ever")
				}
			}
			if lasted != c.last {
				t.Errorf("%v, want %v", lasted, c.last)
			}
		})
	}
}

// A change that could not be kept leaves everything as it was.
func TestPartWithoutStore(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, false)
	s := w.current(cookie.Value)
	w.Part(s)
	w.down.Store(true)
	if err := w.Commit(t.Context(), nil, s); err == nil {
		t.Error("no error")
	}
	w.down.Store(false)
	if w.current(cookie.Value) == nil {
		t.Error("signed out")
	}
}
