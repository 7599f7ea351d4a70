package cas_test

import (
	"net/http"
	"strings"
	"testing"
)

// warned demands the page that asks, and returns it.
func (a answer) warned(t *testing.T, rule string) answer {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.ticket() != "" || !strings.Contains(a.body, `action="/cas/login/continue"`) || a.state() == "" {
		t.Fatalf("%s: %d to %q, want the page that asks\n%s", rule, a.StatusCode, a.Header.Get("Location"), a.body)
	}
	return a
}

const other = "https://moodle.example/cas"

// A1, R-CAS-20: whoever wants to be asked is, before each service.
func TestA1(t *testing.T) {
	h := open(t)
	for name, signIn := range map[string]func(b *browser) answer{
		"a field of the form": func(b *browser) answer {
			form := b.get("/cas/login", "service", app)
			return b.post("/cas/login", "username", "alice", "password", "right", "state", form.state(), "warn", "true")
		},
		"a parameter, which the form echoes": func(b *browser) answer {
			form := b.get("/cas/login", "service", app, "warn", "true")
			if !strings.Contains(form.body, `name="warn" value="true"`) {
				t.Fatalf("not echoed: %s", form.body)
			}
			return b.post("/cas/login", "username", "alice", "password", "right", "state", form.state(), "warn", "true", "service", app)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := h.browser()
			if a := signIn(b); a.ticket() == "" {
				t.Fatalf("the service that the credentials were given for: %d %s", a.StatusCode, a.body)
			}
			for _, more := range [][]string{nil, {"gateway", "true"}, {"method", "POST"}, {"method", "HEADER"}, {"warn", "false"}} {
				a := b.get("/cas/login", append([]string{"service", other}, more...)...).warned(t, strings.Join(more, "="))
				if a.Header.Get("Ticket") != "" || !strings.Contains(a.body, "Moodle") || !strings.Contains(a.body, "alice") {
					t.Errorf("%v: %s", more, a.body)
				}
			}
			page := b.get("/cas/login", "service", other).warned(t, "once more")
			if a := b.post("/cas/login/continue", "state", page.state()); !strings.HasPrefix(a.Header.Get("Location"), other+"?ticket=ST-") {
				t.Errorf("the answer: %d to %q", a.StatusCode, a.Header.Get("Location"))
			}
			b.get("/cas/login", "service", other).warned(t, "it is asked each time")
			if a := b.signIn("alice", "service", other, "renew", "true"); a.ticket() == "" {
				t.Errorf("with credentials for this very service: %d %s", a.StatusCode, a.body)
			}
		})
	}
}

// R-CAS-20: the parameter alone asks, too; and the answer keeps the method.
func TestA1Parameter(t *testing.T) {
	b := open(t).browser()
	b.ticketFor("alice", app)
	page := b.get("/cas/login", "service", other, "warn", "true", "method", "HEADER").warned(t, "warn")
	if a := b.post("/cas/login/continue", "state", page.state()); a.Header.Get("Service") != other || a.Header.Get("Ticket") == "" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if a := b.get("/cas/login", "service", other); a.ticket() == "" {
		t.Errorf("without it: %d, want a ticket", a.StatusCode)
	}
}

// R-CAS-20: nothing but the page's own answer leads past it.
func TestA1CannotBeSkipped(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	page := b.get("/cas/login", "service", other, "warn", "true").warned(t, "warn")

	for _, state := range []string{"", "x", page.state()[1:], b.get("/cas/login", "service", app, "renew", "true").state()} {
		if a := b.post("/cas/login/continue", "state", state); a.StatusCode != http.StatusBadRequest || a.ticket() != "" {
			t.Errorf("another state: %d to %q", a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := b.get("/cas/login/continue", "state", page.state()); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("by a link: %d", a.StatusCode)
	}
	req, err := http.NewRequest(http.MethodPost, h.url+"/cas/login/continue", strings.NewReader(strings.TrimPrefix(encode([]string{"state", page.state()}), "?")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.do(req, nil); a.StatusCode != http.StatusForbidden || a.ticket() != "" {
		t.Errorf("from another site: %d", a.StatusCode)
	}

	mallory := h.browser()
	mallory.ticketFor("bob", app)
	mallory.post("/cas/login/continue", "state", page.state()).warned(t, "in another session")
	if a := h.browser().post("/cas/login/continue", "state", page.state()); !strings.Contains(a.body, "failure=") || a.ticket() != "" {
		t.Errorf("without a session: %d %s, want the form", a.StatusCode, a.body)
	}
	b.get("/cas/logout")
	if a := b.post("/cas/login/continue", "state", page.state()); !strings.Contains(a.body, "failure=") {
		t.Errorf("after the logout: %d %s, want the form", a.StatusCode, a.body)
	}
}
