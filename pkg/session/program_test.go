package session_test

import (
	"net/http/httptest"
	"testing"

	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// What a program holds leads to the session, leaves the cookie alone, and ends
// with it.
func TestBehind(t *testing.T) {
	w := open(t)
	cookie := w.signIn("", alice, true)
	under := w.Under(w.current(cookie.Value))

	s, err := w.Behind(t.Context(), under)
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	if s.Account.ID != alice.ID || !s.LongTerm || s.FromCredentials || s.JustStarted() || w.Under(s) != under || w.SID(s) != w.SID(w.current(cookie.Value)) {
		t.Errorf("%+v", s)
	}
	w.Visit(s, "1", session.Visit{Protocol: "cas", Party: "App"})
	if set := w.commit(s); set != nil {
		t.Errorf("a cookie: %v", set)
	}
	current := w.current(cookie.Value)
	if current == nil || len(w.Visits(current)) != 1 {
		t.Fatalf("the browser's session: %+v", current)
	}

	for name, key := range map[string]store.Key{
		"another tag":    {Tag: "0000000", Name: under.Name},
		"another record": {Tag: under.Tag, Name: under.Name[:len(under.Name)-1] + "-"},
		"no session":     {Tag: under.Tag, Name: "st:x"},
	} {
		if s, err := w.Behind(t.Context(), key); s != nil || err != nil {
			t.Errorf("%s: %+v %v", name, s, err)
		}
	}
	if err := w.End(t.Context(), httptest.NewRecorder(), current); err != nil {
		t.Fatal(err)
	}
	if s, err := w.Behind(t.Context(), under); s != nil || err != nil {
		t.Errorf("after its end: %+v %v", s, err)
	}
}

// Nobody is there: asking does not make the session last.
func TestBehindIsNoUse(t *testing.T) {
	w := open(t)
	under := w.Under(w.current(w.signIn("", alice, false).Value))
	for range 2 {
		w.clock.Advance(idle/2 + 1)
		if _, err := w.Behind(t.Context(), under); err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := w.Behind(t.Context(), under); s != nil {
		t.Error("it lasted longer than an unused one")
	}
}

// A session of no browser has no cookie, at its beginning or its end, and ends
// with all others of its account.
func TestDetached(t *testing.T) {
	w := open(t)
	s := w.Detached(alice, "pwd")
	under := w.Under(s)
	if set := w.commit(s); set != nil {
		t.Errorf("a cookie: %v", set)
	}
	behind, err := w.Behind(t.Context(), under)
	if err != nil || behind == nil || behind.Account.ID != alice.ID || behind.Methods[0] != "pwd" || !behind.AuthTime.Equal(w.clock.Now()) {
		t.Fatalf("%+v %v", behind, err)
	}
	rec := httptest.NewRecorder()
	if err := w.End(t.Context(), rec, behind); err != nil || len(rec.Result().Cookies()) != 0 {
		t.Errorf("%v, cookies %v", err, rec.Result().Cookies())
	}

	s = w.Detached(alice, "pwd")
	under = w.Under(s)
	w.commit(s)
	if err := w.EndAll(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	if s, err := w.Behind(t.Context(), under); s != nil || err != nil {
		t.Errorf("after the end of all: %+v %v", s, err)
	}
}
