package portal_test

import (
	"net/http"
	"strings"
	"testing"
)

// signIn posts the form with the field names of one protocol or the other.
func (b *browser) signIn(who string, fields ...string) answer {
	b.h.t.Helper()
	form := b.get("/login").is(b.h.t, http.StatusOK)
	return b.post("/login", append(fields, "username", who, "password", old, "state", form.state(b.h.t))...)
}

func TestSignInAndOut(t *testing.T) {
	h := open(t)
	b := h.browser()
	if a := b.get("/"); a.Header.Get("Location") != "/login" {
		t.Errorf("the front door leads to %q", a.Header.Get("Location"))
	}
	b.get("/logout").is(t, http.StatusOK)
	b.signIn("alice")
	b.get("/login").is(t, http.StatusOK).has(t, "Alice")
	b.get("/logout").is(t, http.StatusOK).has(t, "alice")
	b.get("/login").has(t, "Alice") // looking ended nothing
	b.post("/logout").is(t, http.StatusOK)
	b.get("/login").has(t, `name="password"`)
}

// What a form calls "stay signed in": ours, and that of CAS 3.0.3 section
// 2.2.1.
func TestRemember(t *testing.T) {
	for field, want := range map[string]bool{"remember": true, "rememberMe": true, "other": false} {
		h := open(t)
		b := h.browser()
		form := b.get("/login")
		a := b.post("/login", "username", "alice", "password", old, "state", form.state(t), field, "yes")
		found, lasts := false, false
		for _, c := range a.Cookies() {
			if c.Name == "__Host-session" && c.Value != "" {
				found, lasts = true, c.MaxAge > 0
			}
		}
		if !found || lasts != want {
			t.Errorf("%s: a session %v, that lasts %v", field, found, lasts)
		}
	}
}

func TestWrongPasswordOffersTheDoors(t *testing.T) {
	h := open(t)
	b := h.browser()
	form := b.get("/login")
	a := b.post("/login", "username", "al<ice", "password", "wrong", "state", form.state(t))
	a.is(t, http.StatusUnauthorized).has(t, `href="/activate"`, `href="/recover"`, `value="al&lt;ice"`)
	if strings.Contains(a.body, "wrong\"") {
		t.Error("the page holds the password")
	}
	other := h.browser()
	other.post("/login", "username", "alice", "password", old, "state", form.state(t)).is(t, http.StatusForbidden)
	if other.cookies["__Host-session"] != "" {
		t.Error("another browser's form opened a session")
	}
}

// R10, R13: a right password is told why it is not enough, and of an end.
func TestStatesAreTold(t *testing.T) {
	h := open(t)
	h.browser().signIn("susan").is(t, http.StatusForbidden)
	h.browser().signIn("newby").is(t, http.StatusForbidden)

	b := h.browser()
	notice := b.leads(b.signIn("grace"), "/login").is(t, http.StatusOK).has(t, `action="/login/continue"`)
	b.post("/login/continue", "step", "grace", "state", notice.state(t))
	b.get("/login").is(t, http.StatusOK).has(t, "grace")
}

func TestFaultsAtSignIn(t *testing.T) {
	h := open(t)
	b := h.browser()
	form := b.get("/login")
	h.people.switchOff(true)
	a := b.post("/login", "username", "alice", "password", old, "state", form.state(t)).is(t, http.StatusServiceUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.people.switchOff(false)
	b.signIn("alice")
	h.store.down.Store(true)
	for _, a := range []answer{b.get("/login"), b.get("/logout"), b.post("/logout")} {
		if a.is(t, http.StatusServiceUnavailable); len(a.set) != 0 {
			t.Errorf("cookies were touched: %v", a.set)
		}
	}
	h.store.down.Store(false)
	b.get("/login").is(t, http.StatusOK).has(t, "Alice")
}

func TestOtherPages(t *testing.T) {
	h := open(t)
	for path, status := range map[string]int{"/help": 200, "/help?return=/app": 200, "/accessibilite": 200, "/recover/done": 303, "/nowhere": 404} {
		h.browser().get(path).is(t, status)
	}
	b := h.browser()
	b.headers.Set("Sec-Fetch-Site", "cross-site")
	b.post("/recover", "username", "alice").is(t, http.StatusForbidden)
	b.post("/logout").is(t, http.StatusForbidden)
	if h.settled(); len(h.mails) != 0 {
		t.Error("another site had a mail sent")
	}
}
