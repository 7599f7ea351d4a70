package cas_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/loge-idp/loge/providers/cas"
)

func TestL1(t *testing.T) {
	h := open(t)
	b := h.browser()
	if form := b.get("/cas/login"); form.state() == "" || form.StatusCode != http.StatusOK {
		t.Fatalf("without service and session: %d %s, want the form", form.StatusCode, form.body)
	}
	if a := b.signIn("alice"); a.Header.Get("Location") != h.url+"/login" {
		t.Errorf("A4: after the form: to %q, want our own page", a.Header.Get("Location"))
	}
	if a := b.get("/cas/login"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != h.url+"/login" {
		t.Errorf("with a session: %d to %q, want our own page", a.StatusCode, a.Header.Get("Location"))
	}
}

// L2, R-CAS-05, R-CAS-06: with and without a session, whatever else is asked.
func TestL2(t *testing.T) {
	h := open(t)
	signedIn := h.browser()
	signedIn.ticketFor("alice", app)
	for _, b := range []*browser{h.browser(), signedIn} {
		for _, more := range [][]string{nil, {"gateway", "true"}, {"renew", "true"}, {"method", "POST"}} {
			a := b.get("/cas/login", append([]string{"service", "https://evil.example/"}, more...)...)
			if a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" || !strings.Contains(a.Header.Get("Content-Type"), "text/html") {
				t.Errorf("%v: %d to %q, want a page that refuses", more, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
	b := h.browser()
	state := b.get("/cas/login", "service", app).state()
	a := b.post("/cas/login", "username", "alice", "password", "right", "state", state, "service", "https://evil.example/")
	if a.StatusCode != http.StatusForbidden {
		t.Errorf("POST: %d, want 403", a.StatusCode)
	}
	if !strings.Contains(h.log.String(), "https://evil.example/") {
		t.Error("the log does not tell the operator which service was refused")
	}
}

// L3, R-CAS-04.
func TestL3(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	for _, query := range [][]string{{"renew", "true"}, {"renew", "true", "gateway", "true"}} {
		query = append(query, "service", app)
		if form := b.get("/cas/login", query...); form.state() == "" {
			t.Fatalf("%v with a session: %d, want the form", query, form.StatusCode)
		}
		a := b.signIn("alice", query...)
		if a.ticket() == "" {
			t.Fatalf("%v: no ticket after the form: %d", query, a.StatusCode)
		}
		if got := h.validate("serviceValidate", "service", app, "ticket", a.ticket(), "renew", "true"); got.code != "" {
			t.Errorf("%v: V7: %s", query, got.code)
		}
	}
	if a := b.get("/cas/login", "service", app, "renew", "false"); a.ticket() == "" {
		t.Error("renew=false asked for credentials")
	}
}

func TestL4(t *testing.T) {
	h := open(t)
	b := h.browser()
	a := b.get("/cas/login", "service", app+"?a=1#f", "gateway", "true")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != app+"?a=1#f" {
		t.Errorf("no session: %d to %q, want the service as given", a.StatusCode, a.Header.Get("Location"))
	}
	if a := b.get("/cas/login", "gateway", "true"); a.state() == "" {
		t.Errorf("without service: %d, want the form", a.StatusCode)
	}
	b.ticketFor("alice", app)
	if a := b.get("/cas/login", "service", app, "gateway", "true"); a.ticket() == "" {
		t.Errorf("with a session: %d to %q, want a ticket", a.StatusCode, a.Header.Get("Location"))
	}

	// Grace is allowed at one application and not at the other (R13).
	left := h.browser()
	notice := left.signIn("grace", "service", app)
	if a := left.post("/login/continue", "step", "grace", "state", notice.state()); a.ticket() == "" {
		t.Fatalf("grace: %d %s", a.StatusCode, a.body)
	}
	if a := left.get("/cas/login", "service", "https://moodle.example/cas", "gateway", "true"); a.Header.Get("Location") != "https://moodle.example/cas" {
		t.Errorf("refused under gateway: to %q, want the service without ticket", a.Header.Get("Location"))
	}
	if a := left.get("/cas/login", "service", "https://moodle.example/cas"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "refused=departure") {
		t.Errorf("R55: %d %s, want the reason on a page of ours", a.StatusCode, a.body)
	}
}

func TestL5(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	a := b.get("/cas/login", "service", app, "method", "POST")
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `action="`+app+`"`) || !strings.Contains(a.body, `name="ticket" value="ST-`) {
		t.Errorf("POST: %d %s", a.StatusCode, a.body)
	}
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), "form-action 'self' http:") {
		t.Errorf("POST: the policy forbids the form: %s", a.Header.Get("Content-Security-Policy"))
	}
	a = b.get("/cas/login", "service", app+"?x=1", "method", "HEADER")
	if a.StatusCode != http.StatusOK || a.Header.Get("Service") != app+"?x=1" || !strings.HasPrefix(a.Header.Get("Ticket"), "ST-") || a.body != "" {
		t.Errorf("HEADER: %d %v %s", a.StatusCode, a.Header, a.body)
	}
	if got := h.validate("serviceValidate", "service", app+"?x=1", "ticket", a.Header.Get("Ticket")); got.user != "alice" {
		t.Errorf("HEADER: %s", got.body)
	}
	for _, method := range []string{"GET", "PUT", "post"} {
		if a := b.get("/cas/login", "service", app, "method", method); a.ticket() == "" {
			t.Errorf("%s: no redirect with a ticket but %d", method, a.StatusCode)
		}
	}
}

// L6, A5: a program may post what the form holds to either address.
func TestL6(t *testing.T) {
	h := open(t)
	for _, target := range []string{"/login", "/cas/login"} {
		b := h.browser()
		form := b.get("/cas/login", "service", app)
		if !strings.Contains(form.body, `name="service" value="`+app+`"`) {
			t.Fatalf("the form does not echo the service: %s", form.body)
		}
		failed := b.post(target, "username", "alice", "password", "wrong", "state", form.state(), "service", app)
		if failed.state() == "" || !strings.Contains(failed.body, "failure=rejected\nlogin=alice") || failed.ticket() != "" {
			t.Fatalf("%s, wrong password: %d %s", target, failed.StatusCode, failed.body)
		}
		if a := b.post(target, "username", "alice", "password", "right", "state", failed.state(), "service", app); a.ticket() == "" {
			t.Errorf("%s: %d %s", target, a.StatusCode, a.body)
		}
	}
	// Without what the form hid, the credentials count for nothing.
	a := h.browser().post("/cas/login", "username", "alice", "password", "right", "service", app)
	if a.state() == "" || !strings.Contains(a.body, "party=Try") {
		t.Errorf("without state: %d %s, want the form for the service", a.StatusCode, a.body)
	}
}

func TestA2(t *testing.T) {
	h := open(t)
	for _, field := range []string{"remember", "rememberMe"} {
		b := h.browser()
		form := b.get("/cas/login", "service", app)
		a := b.post("/cas/login", "username", "alice", "password", "right", "state", form.state(), field, "true")
		if got := h.validate("serviceValidate", "service", app, "ticket", a.ticket()); got.attributes["longTermAuthenticationRequestTokenUsed"][0] != "true" {
			t.Errorf("%s, R3: %s", field, got.body)
		}
	}
}

func TestA3(t *testing.T) {
	h := open(t)
	b := h.browser()
	for _, c := range []struct{ service, before, after string }{
		{app, app + "?ticket=", ""},
		{app + "?", app + "?ticket=", ""},
		{app + "?a=1", app + "?a=1&ticket=", ""},
		{app + "?a=1&", app + "?a=1&ticket=", ""},
		{app + "?a=%20b+c&d#frag?x", app + "?a=%20b+c&d&ticket=", "#frag?x"},
		{app + "#frag", app + "?ticket=", "#frag"},
		{"http://localhost", "http://localhost?ticket=", ""},
		{"http://[::1]:8080/x", "http://[::1]:8080/x?ticket=", ""},
	} {
		a := b.get("/cas/login", "service", c.service)
		if a.state() != "" {
			a = b.signIn("alice", "service", c.service)
		}
		to := a.Header.Get("Location")
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, c.before+"ST-") || !strings.HasSuffix(to, c.after) {
			t.Errorf("%s: %d to %s", c.service, a.StatusCode, to)
		}
		if a.Header.Get("Pragma") != "no-cache" || a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.Header.Get("Expires"), "1970") {
			t.Errorf("%s: appendix B: %v", c.service, a.Header)
		}
	}
}

// G4: of two parameters nobody knows which counts.
func TestG4Login(t *testing.T) {
	b := open(t).browser()
	for _, name := range []string{"service", "renew", "gateway", "method"} {
		a := b.get("/cas/login?" + name + "=" + url.QueryEscape(app) + "&" + name + "=" + url.QueryEscape(app))
		if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
			t.Errorf("%s twice: %d", name, a.StatusCode)
		}
	}
}

// R-CAS-03, R50: 32 characters that every client takes.
func TestRCAS03(t *testing.T) {
	h := open(t)
	b := h.browser()
	ticket := b.ticketFor("alice", app)
	if len(ticket) != 32 || !strings.HasPrefix(ticket, "ST-") || strings.Trim(ticket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Errorf("ticket %q", ticket)
	}
	h.clock.Advance(61e9)
	if got := h.validate("serviceValidate", "service", app, "ticket", ticket); got.code != "INVALID_TICKET" {
		t.Errorf("expired: %q", got.code)
	}
}

func TestLogout(t *testing.T) {
	h := open(t)
	for _, c := range []struct{ rule, query, to string }{
		{"O2", "", ""},
		{"O3", "service=" + url.QueryEscape(app+"?bye"), app + "?bye"},
		{"O3, R-CAS-06", "service=https://evil.example/", ""},
		{"O4, R-CAS-20", "url=" + url.QueryEscape(app), ""},
		{"G4", "service=" + url.QueryEscape(app) + "&service=https://evil.example/", ""},
	} {
		b := h.browser()
		ticket := b.ticketFor("alice", app)
		a := b.get("/cas/logout?" + c.query)
		if c.to != a.Header.Get("Location") || (c.to == "") != (a.StatusCode == http.StatusOK) {
			t.Errorf("%s: %d to %q, want %q", c.rule, a.StatusCode, a.Header.Get("Location"), c.to)
		}
		if form := b.get("/cas/login", "service", app); form.state() == "" {
			t.Errorf("%s, O1: the session lives on: %d", c.rule, form.StatusCode)
		}
		if got := h.validate("serviceValidate", "service", app, "ticket", ticket); got.code != "INVALID_TICKET" {
			t.Errorf("%s: the ticket lives on: %q", c.rule, got.code)
		}
	}
	if a := h.browser().get("/cas/logout"); a.StatusCode != http.StatusOK {
		t.Errorf("without a session: %d", a.StatusCode)
	}
	// Some applications post it, and of their form the cookie is kept back.
	posted := h.browser().post("/cas/logout", "service", app+"?bye").Header.Get("Location")
	if want := h.url + "/cas/logout?service=" + url.QueryEscape(app+"?bye"); posted != want {
		t.Errorf("posted: %q, want %q", posted, want)
	}
}

// R-CAS-11: a name that could be read as another is not told at all.
func TestRCAS11User(t *testing.T) {
	b := open(t).browser()
	if a := b.signIn("newline", "service", app); a.StatusCode != http.StatusForbidden || a.ticket() != "" {
		t.Errorf("%d to %q, want a refusal", a.StatusCode, a.Header.Get("Location"))
	}
}

// The budget: a form costs the store nothing, a ticket on a live
// session two exchanges.
func TestRoundTrips(t *testing.T) {
	h := open(t)
	b := h.browser()
	count := func(what string, most int64, do func()) {
		before := h.trips.Load()
		do()
		if got := h.trips.Load() - before; got > most {
			t.Errorf("%s: %d round trips, at most %d", what, got, most)
		}
	}
	var form answer
	count("form", 0, func() { form = b.get("/cas/login", "service", app) })
	count("password", 2, func() {
		if a := b.post("/login", "username", "alice", "password", "right", "state", form.state()); a.ticket() == "" {
			t.Fatal(a.StatusCode, a.body)
		}
	})
	reads := h.people.reads.Load()
	var ticket string
	count("ticket", 2, func() { ticket = b.get("/cas/login", "service", app).ticket() })
	count("validation", 1, func() {
		if got := h.validate("serviceValidate", "service", app, "ticket", ticket); got.user != "alice" {
			t.Fatal(got.body)
		}
	})
	if got := h.people.reads.Load() - reads; got != 0 {
		t.Errorf("ticket and validation asked the directory %d times", got)
	}
	// An anonymous flood leaves nothing behind, because it never gets there.
	count("flood", 0, func() {
		for range 100 {
			h.browser().get("/cas/login", "service", app)
		}
	})
}

func TestStoreDown(t *testing.T) {
	h := open(t)
	b := h.browser()
	ticket := b.ticketFor("alice", app)
	h.store.down.Store(true)
	for _, path := range []string{"/cas/login", "/cas/logout"} {
		for _, more := range [][]string{nil, {"gateway", "true"}} {
			a := b.get(path, append([]string{"service", app}, more...)...)
			if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || len(a.Cookies()) != 0 {
				t.Errorf("%s %v: %d %v, want 503 and the cookies untouched", path, more, a.StatusCode, a.Header)
			}
		}
	}
	for _, path := range endpoints {
		if got := h.validate(path, "service", app, "ticket", ticket); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || path != "validate" && got.code != "INTERNAL_ERROR" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	h.store.down.Store(false)
	if got := h.validate("serviceValidate", "service", app, "ticket", ticket); got.user != "alice" {
		t.Errorf("back again: %s", got.body)
	}
}

// O4, R56: by option, and only for registered services.
func TestLogoutURL(t *testing.T) {
	h := openConfig(t, cas.Config{Services: services, LogoutURL: true})
	for _, c := range []struct{ query, to string }{
		{"url=" + url.QueryEscape(app), app},
		{"url=https://evil.example/", ""},
		{"service=https://evil.example/&url=" + url.QueryEscape(app), ""},
		{"service=" + url.QueryEscape(app+"?s") + "&url=" + url.QueryEscape(app+"?u"), app + "?s"},
		{"url=" + url.QueryEscape(app) + "&url=https://evil.example/", ""},
	} {
		b := h.browser()
		b.ticketFor("alice", app)
		if a := b.get("/cas/logout?" + c.query); a.Header.Get("Location") != c.to {
			t.Errorf("%s: to %q, want %q", c.query, a.Header.Get("Location"), c.to)
		}
	}
}
