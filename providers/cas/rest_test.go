package cas_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
)

// rest is a house with the programs' interface.
func rest(t *testing.T) (*house, *browser) {
	h := openConfig(t, cas.Config{Services: services, REST: true})
	return h, h.browser()
}

func (b *browser) delete(path string) answer {
	b.h.t.Helper()
	return b.do(http.NewRequest(http.MethodDelete, b.h.url+path, nil))
}

func TestREST(t *testing.T) {
	h, b := rest(t)
	l := listen(t, http.StatusOK)
	h.runOutbox()
	made := b.post("/cas/v1/tickets", "username", "alice", "password", "right")
	at, ok := strings.CutPrefix(made.Header.Get("Location"), h.url)
	if made.StatusCode != http.StatusCreated || !ok || !strings.HasPrefix(at, "/cas/v1/tickets/TGT-") || len(made.Cookies()) != 0 {
		t.Fatalf("%d %v", made.StatusCode, made.Header)
	}
	for range 2 {
		given := b.post(at, "service", l.URL)
		if given.StatusCode != http.StatusOK || len(given.body) != 32 || len(given.Cookies()) != 0 {
			t.Fatalf("%d %s", given.StatusCode, given.body)
		}
		if got := h.validate("serviceValidate", "service", l.URL, "ticket", given.body); got.user != "alice" || got.attributes["isFromNewLogin"][0] != "false" {
			t.Errorf("%s", got.body)
		}
	}
	for _, c := range []struct {
		rule   string
		a      answer
		status int
	}{
		{"R-CAS-06", b.post(at, "service", "https://evil.example/"), http.StatusBadRequest},
		{"no service", b.post(at), http.StatusBadRequest},
		{"service twice", b.post(at, "service", app, "service", app), http.StatusBadRequest},
		{"unknown", b.post("/cas/v1/tickets/TGT-00000000000000000000000000000", "service", app), http.StatusNotFound},
		{"a service ticket", b.post("/cas/v1/tickets/"+b.post(at, "service", app).body, "service", app), http.StatusNotFound},
		{"unknown to delete", b.delete("/cas/v1/tickets/TGT-x"), http.StatusNotFound},
		{"deleted", b.delete(at), http.StatusOK},
		{"after it", b.post(at, "service", app), http.StatusNotFound},
		{"twice", b.delete(at), http.StatusNotFound},
	} {
		if c.a.StatusCode != c.status || strings.HasPrefix(c.a.body, "ST-") {
			t.Errorf("%s: %d %s, want %d", c.rule, c.a.StatusCode, c.a.body, c.status)
		}
	}
	for range 2 {
		if body := next(t, l.got); !strings.HasPrefix(body, "logoutRequest=") {
			t.Errorf("S1: %s", body)
		}
	}
}

// R-AUTH-20: the same budget as the form's, and the same refusals.
func TestRESTRefusals(t *testing.T) {
	_, b := rest(t)
	for name, fields := range map[string][]string{
		"wrong":   {"username", "alice", "password", "wrong"},
		"unknown": {"username", "nobody", "password", "right"},
		"closed":  {"username", "gone", "password", "right"},
		"empty":   {"username", "alice", "password", ""},
	} {
		if a := b.post("/cas/v1/tickets", fields...); a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	if a := b.post("/cas/v1/tickets", "password", "right"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("nobody: %d", a.StatusCode)
	}

	_, b = rest(t)
	for range 3 {
		b.post("/cas/v1/tickets", "username", "alice", "password", "wrong")
	}
	form := b.get("/cas/login", "service", app)
	for range 2 {
		b.post("/login", "username", "ALICE", "password", "wrong", "state", form.state())
	}
	if a := b.post("/cas/v1/tickets", "username", "alice", "password", "right"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("after five failures on both ways: %d", a.StatusCode)
	}
	if a := b.post("/login", "username", "alice", "password", "right", "state", form.state()); a.ticket() != "" {
		t.Error("the form let pass what the other way had used up")
	}
}

// Off by default.
func TestRESTIsOff(t *testing.T) {
	b := open(t).browser()
	if a := b.post("/cas/v1/tickets", "username", "alice", "password", "right"); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}
}

// R13: whoever is to read something first does not get past it by a program.
func TestRESTGrace(t *testing.T) {
	_, b := rest(t)
	if a := b.post("/cas/v1/tickets", "username", "grace", "password", "right"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d", a.StatusCode)
	}
}

// R55: nor past what the service says of accounts.
func TestRESTAccess(t *testing.T) {
	staff := cas.Service{RelyingParty: sso.RelyingParty{Name: "Staff"}, Prefix: "https://staff.example/"}
	staff.User.Name = "memberOf" // of which alice has two
	b := openConfig(t, cas.Config{Services: []cas.Service{staff}, REST: true}).browser()
	at := strings.TrimPrefix(b.post("/cas/v1/tickets", "username", "alice", "password", "right").Header.Get("Location"), b.h.url)
	if a := b.post(at, "service", "https://staff.example/"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "application") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
