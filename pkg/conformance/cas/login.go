package cas

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

var requestor = []rule{
	{"L1.1", should, "no service and no session: credentials are asked", func(t *trial) {
		if p := t.browser().get("login"); !p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
	{"L1.2", should, "no service, in a session: a page says that one is signed in", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		t.isPage(b.get("login"))
	}},
	{"L1.3", must, "a session gives tickets for other services, and asks nothing", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		if p := b.get("login", "service", t.service().url); p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
	{"L2.1", must, "a service that is not registered gets neither ticket nor redirect, with or without a session", func(t *trial) {
		t.closed()
		b := t.browser()
		p := b.get("login", "service", t.o.Unregistered)
		t.staysAway(p)
		if p.asksForPassword() {
			t.staysAway(b.signIn(p))
		}
		b.ticket(t.service().url)
		t.staysAway(b.get("login", "service", t.o.Unregistered))
		t.staysAway(b.get("login", "service", t.o.Unregistered, "method", "POST"))
	}},
	{"L2.2", field, "a service that is not registered is never redirected to, under gateway either", func(t *trial) {
		t.closed()
		b := t.browser()
		t.staysAway(b.get("login", "service", t.o.Unregistered, "gateway", "true"))
		b.ticket(t.service().url)
		t.staysAway(b.get("login", "service", t.o.Unregistered, "gateway", "true"))
	}},
	{"L2.3", must, "whoever takes a registered URL for a beginning gets nothing: other host, userinfo, backslash", func(t *trial) {
		t.closed()
		b := t.browser()
		s := t.service().url
		b.ticket(s)
		u, _ := url.Parse(s)
		for _, hostile := range []string{
			u.Scheme + "://" + u.Host + ".unregistered.invalid" + u.Path,
			u.Scheme + "://" + u.Host + "@unregistered.invalid" + u.Path,
			u.Scheme + "://unregistered.invalid\\@" + u.Host + u.Path,
			u.Scheme + "://unregistered.invalid/" + s,
			u.Scheme + "://unregistered.invalid?" + s,
			"javascript:" + s,
		} {
			p := b.get("login", "service", hostile)
			if to := p.destination(); to != nil && to.Host != t.target.Host || strings.Contains(p.header.Get("Location"), "ticket=") {
				t.failf("%s for %s", p.says(), hostile)
			}
		}
	}},
	{"L3.1", must, "renew: credentials are asked in spite of the session", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		p := b.get("login", "service", s, "renew", "true")
		if !p.asksForPassword() {
			t.failf("%s", p.says())
		}
		t.ticketIn(b.signIn(p), s)
	}},
	{"L3.2", should, "renew and gateway: gateway counts for nothing", func(t *trial) {
		b := t.browser()
		for range 2 { // without a session, then in one
			s := t.service().url
			p := b.get("login", "service", s, "renew", "true", "gateway", "true")
			if !p.asksForPassword() {
				t.failf("%s", p.says())
			}
			t.ticketIn(b.signIn(p), s)
		}
	}},
	{"L4.1", must, "gateway without a session: to the service, without a ticket", func(t *trial) {
		s := t.service().url
		p := t.browser().get("login", "service", s, "gateway", "true")
		if to := p.destination(); to == nil || !same(to, s) || to.Query().Has("ticket") {
			t.failf("%s", p.says())
		}
	}},
	{"L4.2", must, "gateway in a session: credentials are not asked", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		if p := b.get("login", "service", t.service().url, "gateway", "true"); p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
	{"L4.3", may, "gateway in a session: to the service, with a ticket", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		p := b.get("login", "service", s, "gateway", "true")
		if to := p.destination(); to == nil || !same(to, s) || !to.Query().Has("ticket") {
			t.lacksf("%s", p.says())
		}
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.ticketIn(p, s)))
	}},
	{"L4.4", should, "gateway without a service: as without gateway", func(t *trial) {
		if p := t.browser().get("login", "gateway", "true"); !p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
	{"L5.1", may, "method=POST: a form posts the ticket to the service", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		p := b.get("login", "service", s, "method", "POST")
		for _, f := range forms(p.body) {
			to, err := p.url.Parse(f.action)
			if err != nil || f.method != http.MethodPost || !same(to, s) {
				continue
			}
			t.accepted(t.ask("serviceValidate", "service", s, "ticket", f.values().Get("ticket")))
			return
		}
		t.lacksf("%s", p.says())
	}},
	{"L5.2", may, "method=HEADER: service and ticket are headers of the answer", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		p := b.get("login", "service", s, "method", "HEADER")
		if p.header.Get("ticket") == "" {
			t.lacksf("%s", p.says())
		}
		if p.header.Get("service") != s {
			t.failf("the header service is %q", p.header.Get("service"))
		}
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", p.header.Get("ticket")))
	}},
	{"L5.3", must, "method=GET is the default", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		b.ticket(t.service().url, "method", "GET")
	}},
	{"L5.4", field, "an unknown method counts as GET", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		b.ticket(t.service().url, "method", "CARRIER-PIGEON")
	}},
	{"L6.1", must, "the form is sent by POST and its fields are username and password", func(t *trial) {
		p := t.browser().get("login", "service", t.service().url)
		f, ok := p.login()
		if !ok {
			t.failf("%s", p.says())
		}
		secret, _ := f.password()
		if _, named := f.input("username"); !named || secret.attrs["name"] != "password" || f.method != http.MethodPost {
			name, _ := f.username()
			t.failf("%s with %q and %q", f.method, name.attrs["name"], secret.attrs["name"])
		}
	}},
	{"L6.2", must, "the form carries service with its first value", func(t *trial) {
		s := t.service().url + "?a=1&b=%C3%A9+%22x%22"
		p := t.browser().get("login", "service", s)
		f, ok := p.login()
		if !ok {
			t.failf("%s", p.says())
		}
		carried := f.values()["service"]
		if action, err := url.Parse(f.action); err == nil {
			carried = append(carried, action.Query()["service"]...) // a field of the request all the same
		}
		if len(carried) == 0 || slices.ContainsFunc(carried, func(each string) bool { return each != s }) {
			t.failf("the form carries %q", carried)
		}
	}},
}

var acceptor = []rule{
	{"A1.1", must, "warn: there is a prompt before somebody is signed in to another service", func(t *trial) {
		b := t.browser()
		t.signInWith(b, "warn", "true")
		s := t.service().url
		if p := b.get("login", "service", s); p.destination() != nil && same(p.destination(), s) {
			t.failf("%s", p.says())
		}
	}},
	{"A1.2", must, "warn: the prompt can be passed, and leads to the service with a ticket", func(t *trial) {
		b := t.browser()
		t.signInWith(b, "warn", "true")
		s := t.service().url
		ticket := t.pass(b, s)
		if ticket == "" {
			t.failf("nothing on the page leads to the service")
		}
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", ticket))
	}},
	{"A3.1", must, "success: the browser is sent to the service, with a ticket that is good", func(t *trial) {
		s := t.service().url
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s)))
	}},
	{"A3.2", must, "the way to the service forwards no credentials", func(t *trial) {
		p, _ := t.browser().enter(t.service().url)
		to := p.destination()
		for _, secret := range []string{t.o.Password, url.QueryEscape(t.o.Password)} {
			if strings.Contains(to.Fragment, secret) || strings.Contains(to.String(), secret) {
				t.failf("the password is in the URL")
			}
		}
		if p.status == http.StatusTemporaryRedirect || p.status == http.StatusPermanentRedirect {
			t.failf("%d repeats the POST, with the password, at the service", p.status)
		}
	}},
	{"A3.3", must, "the way to the service is in no cache: Pragma, Cache-Control, Expires", func(t *trial) {
		b := t.browser()
		for range 2 { // by credentials, then by the session
			p, _ := b.enter(t.service().url)
			expires, err := http.ParseTime(p.header.Get("Expires"))
			past := p.header.Get("Expires") == "0" || err == nil && !expires.After(time.Now())
			if p.header.Get("Pragma") != "no-cache" || !strings.Contains(strings.Join(p.header.Values("Cache-Control"), ","), "no-store") || !past {
				t.failf("Pragma %q, Cache-Control %q, Expires %q", p.header.Get("Pragma"), p.header.Values("Cache-Control"), p.header.Get("Expires"))
			}
		}
	}},
	{"A3.4", must, "the service URL keeps its query", func(t *trial) {
		s := t.service().url + "?a=1&b=%C3%A9%26c"
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s)))
	}},
	{"A3.5", field, "the ticket stands before a fragment", func(t *trial) {
		s := t.service().url
		b := t.browser()
		b.ticket(t.service().url)
		p := b.get("login", "service", s+"#part")
		if to := p.destination(); to != nil && !to.Query().Has("ticket") && strings.Contains(to.Fragment, "ticket") {
			t.failf("%s", p.says())
		}
	}},
	{"A4.1", must, "success without a service: a page says that one is signed in", func(t *trial) {
		b := t.browser()
		t.isPage(b.signIn(b.get("login")))
		b.ticket(t.service().url)
	}},
	{"A5.1", must, "wrong credentials: back to the form, and no ticket", func(t *trial) {
		b := t.browser()
		s := t.service().url
		p := b.credentials(b.get("login", "service", s), t.o.Username, wrong)
		if !p.asksForPassword() {
			t.failf("%s", p.says())
		}
		t.ticketIn(b.signIn(p), s)
	}},
	{"A5.2", should, "wrong credentials: the form says so", func(t *trial) {
		b := t.browser()
		first := b.get("login", "service", t.service().url)
		p := b.credentials(first, t.o.Username, wrong)
		if visible(p.body) == visible(first.body) {
			t.failf("the same page again: %s", p.says())
		}
		b.signIn(p)
	}},
	{"A6.1", must, "a login ticket is good for one attempt", func(t *trial) {
		b := t.browser()
		s := t.service().url
		first := b.get("login", "service", s)
		if f, ok := first.login(); !ok || f.values().Get("lt") == "" {
			t.excusef("the form has no login ticket")
		}
		second := b.credentials(first, t.o.Username, wrong)
		again := b.signIn(first)
		if to := again.destination(); to != nil && to.Query().Has("ticket") {
			t.failf("%s", again.says())
		}
		if second.asksForPassword() {
			b.signIn(second)
		}
	}},
}

// wrong is no password of anybody.
const wrong = "wrong-password-of-the-conformance-suite"

// signInWith signs in at a first service, with more fields.
func (t *trial) signInWith(b *browser, pairs ...string) (service, ticket string) {
	service = t.service().url
	p := b.signIn(b.get("login", "service", service), pairs...)
	to := p.destination()
	if to == nil || !same(to, service) {
		return service, t.press(b, p, service) // warn may prompt at once
	}
	return service, t.ticketIn(p, service)
}

// pass goes to a service through the prompt of warn.
func (t *trial) pass(b *browser, service string) string {
	return t.press(b, b.get("login", "service", service), service)
}

// press tries what a person would on a page that prompts: its links to the
// service, then its forms.
func (t *trial) press(b *browser, p page, service string) string {
	for _, link := range links(p.body) {
		if to, err := p.url.Parse(link); err == nil && same(to, service) && to.Query().Has("ticket") {
			return to.Query().Get("ticket")
		}
	}
	try := func(next page) string {
		if to := next.destination(); to != nil && same(to, service) {
			return to.Query().Get("ticket")
		}
		return ""
	}
	for _, f := range forms(p.body) {
		if _, asks := f.password(); asks || strings.Contains(f.action, "logout") {
			continue
		}
		if ticket := try(b.submit(p, f, nil)); ticket != "" {
			return ticket
		}
	}
	for _, link := range links(p.body) {
		to, err := p.url.Parse(link)
		if err != nil || to.Host != t.target.Host || strings.Contains(to.Path, "logout") {
			continue
		}
		if ticket := try(b.follow(b.send(http.MethodGet, to.String(), nil))); ticket != "" {
			return ticket
		}
	}
	return ""
}

// closed excuses a server that takes every service.
func (t *trial) closed() {
	if t.o.Open {
		t.excusef("the server takes every service")
	}
}

// isPage ends the trial unless a page of the server is shown, which asks for
// no credentials.
func (t *trial) isPage(p page) {
	if p.destination() != nil || p.asksForPassword() || visible(p.body) == "" {
		t.failf("%s", p.says())
	}
}

// staysAway ends the trial when a page leads to the service that is not
// registered, by itself or by a form.
func (t *trial) staysAway(p page) {
	if to := p.destination(); to != nil && strings.HasPrefix(to.String(), t.o.Unregistered) {
		t.failf("%s", p.says())
	}
	for _, f := range forms(p.body) {
		if strings.HasPrefix(f.action, t.o.Unregistered) {
			t.failf("a form leads to %s", f.action)
		}
	}
}
