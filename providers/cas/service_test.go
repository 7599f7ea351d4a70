package cas_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// Of every kind of URL that package registry refuses, one: here it must lead
// nowhere, whatever is asked of it.
var hostileURLs = []string{
	"https://app.univ.example.evil.example/", "http://app.univ.example/", "https://app.univ.example:8443/",
	"https://app.univ.example@evil.example/", "https://evil.example\\@app.univ.example/", "https://evil.example/https://app.univ.example/",
	"https:/app.univ.example/", "https:app.univ.example/", "//app.univ.example/", "javascript://app.univ.example/%0aalert(1)",
	" https://app.univ.example/", "https://app\t.univ.example/", "https://app.univ.example/\r\nSet-Cookie: a=b", "https://app%2euniv.example/",
	"https://ａpp.univ.example/", "https://app.univ.example／evil", "https://moodle.example/cas/../admin", "https://moodle.example/cas/%2e%2e/admin",
	"https://moodle.example/cas/..;/admin", "https://moodle.example/cas/..%5cadmin", "https://moodle.example/cas/%0d%0aLocation:x",
	"https://moodle.example/cas2", "http://127.0.0.1.evil.example/", "http://2130706433/", "https://moodle.example/cas/" + strings.Repeat("a", 5000),
}

// anyTicket is more than a reference for the helpdesk may hold by chance.
var anyTicket = regexp.MustCompile(`ST-[0-9A-Za-z]{29}`)

// R-CAS-07: 0 tickets.
func TestRCAS07(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	for _, service := range hostileURLs {
		for name, a := range map[string]answer{
			"login":         b.get("/cas/login", "service", service),
			"gateway":       b.get("/cas/login", "service", service, "gateway", "true"),
			"POST":          b.post("/cas/login", "service", service),
			"method=POST":   b.get("/cas/login", "service", service, "method", "POST"),
			"method=HEADER": b.get("/cas/login", "service", service, "method", "HEADER"),
			"stranger":      h.browser().get("/cas/login", "service", service, "gateway", "true"),
		} {
			if to := a.Header.Get("Location"); to != "" || anyTicket.MatchString(a.body) || a.Header.Get("ticket") != "" {
				t.Errorf("%s of %q: %d to %q", name, service, a.StatusCode, to)
			}
		}
		if a := h.browser().get("/cas/logout", "service", service); a.Header.Get("Location") != "" {
			t.Errorf("logout to %q", a.Header.Get("Location"))
		}
	}
}

// R52: what does not count at login does not count at validation; http is left
// on the way, and the ticket of another time is not sent back.
func TestR52Upgrade(t *testing.T) {
	h := open(t, cas.Service{RelyingParty: sso.RelyingParty{Name: "Java"}, URL: "https://java.example/app",
		Normalise: registry.Normalise{StripJSessionID: true, IgnoreTicket: true, UpgradeHTTP: true}})
	b := h.browser()
	if form := b.get("/cas/login", "service", "http://java.example/app"); !strings.Contains(form.body, "\ntargets=https://java.example/app\n") {
		t.Errorf("the page's policy lets the browser go elsewhere: %s", form.body)
	}
	a := b.signIn("alice", "service", "http://java.example/app;jsessionid=1?ticket=ST-old")
	if want := "https://java.example/app;jsessionid=1?ticket=" + a.ticket(); a.Header.Get("Location") != want || a.ticket() == "ST-old" {
		t.Errorf("sent to %s, want %s", a.Header.Get("Location"), want)
	}
	if got := b.get("/cas/serviceValidate", "service", "http://java.example/app", "ticket", a.ticket()); !strings.Contains(got.body, "<cas:user>alice</cas:user>") {
		t.Error(got.body)
	}
	again := b.get("/cas/login", "service", "https://java.example/app").ticket()
	if got := b.get("/cas/serviceValidate", "service", "https://java.example/app/", "ticket", again); !strings.Contains(got.body, "INVALID_SERVICE") {
		t.Error(got.body)
	}
	if !strings.Contains(h.log.String(), `issued_for`) {
		t.Errorf("the difference is not in the log: %s", h.log)
	}
}

// A service that wants fresh credentials gets them, and others do not ask.
func TestMaxAge(t *testing.T) {
	h := open(t, cas.Service{RelyingParty: sso.RelyingParty{Name: "Pay", MaxAge: plugin.Duration(10 * time.Minute)}, URL: "https://pay.example/"},
		cas.Service{RelyingParty: sso.RelyingParty{Name: "Wiki"}, URL: "https://wiki.example/"})
	b := h.browser()
	b.ticketFor("alice", "https://pay.example/")
	h.clock.Advance(9 * time.Minute)
	if b.get("/cas/login", "service", "https://pay.example/").ticket() == "" {
		t.Error("asked again after 9 minutes")
	}
	h.clock.Advance(2 * time.Minute)
	if a := b.get("/cas/login", "service", "https://pay.example/"); a.ticket() != "" || a.state() == "" {
		t.Errorf("not asked again after 11 minutes: %s", a.body)
	}
	if b.get("/cas/login", "service", "https://wiki.example/").ticket() == "" {
		t.Error("another service asks again")
	}
}
