package cas

import (
	"path"
	"slices"
	"strings"
	"time"
)

var tickets = []rule{
	{"T-ST.1", must, "a service ticket begins with ST-", func(t *trial) {
		t.begins(t.browser().ticket(t.service().url), "ST-")
	}},
	{"T-ST.2", must, "a service ticket is for one validation: twenty at once at every endpoint, one succeeds", func(t *trial) {
		b := t.browser()
		all := append(slices.Clone(validators), "validate")
		for range 3 {
			s := t.service().url
			if got := t.race(20, func(i int) string { return all[i%len(all)] }, s, b.ticket(s)); got != 1 {
				t.failf("%d of 20 succeeded", got)
			}
		}
	}},
	{"T-ST.3", must, "a service ticket is for one validation: the second is INVALID_TICKET", func(t *trial) {
		b := t.browser()
		for _, endpoint := range validators {
			s := t.service().url
			ticket := b.ticket(s)
			t.accepted(t.ask(endpoint, "service", s, "ticket", ticket))
			t.refused(t.ask(endpoint, "service", s, "ticket", ticket), "INVALID_TICKET")
		}
	}},
	{"T-ST.4", should, "a service ticket does not hold the service", func(t *trial) {
		s := t.service().url
		ticket := t.browser().ticket(s)
		if name := path.Base(s); strings.Contains(ticket, name) {
			t.failf("it holds %s", name)
		}
	}},
	{"T-ST.5", must, "service tickets cannot be guessed: ten differ in at least sixteen places", func(t *trial) {
		b := t.browser()
		var all []string
		for range 10 {
			all = append(all, b.ticket(t.service().url))
		}
		places := 0
		for i := range len(all[0]) {
			if slices.ContainsFunc(all, func(ticket string) bool { return i < len(ticket) && ticket[i] != all[0][i] }) {
				places++
			}
		}
		if places < 16 {
			t.failf("they differ in %d places", places)
		}
	}},
	{"T-ST.6", should, "a service ticket has at most 256 characters", func(t *trial) {
		t.atMost("the ticket", t.browser().ticket(t.service().url), 256)
	}},
	{"T-ST.7", field, "a service ticket has at most 32 characters: no service must take more", func(t *trial) {
		t.atMost("the ticket", t.browser().ticket(t.service().url), 32)
	}},
	{"T-ST.8", must, "a service ticket dies with its session", func(t *trial) {
		b := t.browser()
		s := t.service().url
		ticket := b.ticket(s)
		b.get("logout")
		t.refused(t.ask("serviceValidate", "service", s, "ticket", ticket), "INVALID_TICKET")
	}},
	{"T-PT.1", should, "a proxy ticket begins with PT-", func(t *trial) {
		t.begins(t.proxyTicket(t.grant(t.browser()).pgt, t.service().url), "PT-")
	}},
	{"T-PT.2", must, "a proxy ticket is for one validation: twenty at once, one succeeds", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		if got := t.race(20, func(int) string { return "proxyValidate" }, s, t.proxyTicket(g.pgt, s)); got != 1 {
			t.failf("%d of 20 succeeded", got)
		}
	}},
	{"T-PT.3", should, "a proxy ticket has at most 256 characters", func(t *trial) {
		t.atMost("the ticket", t.proxyTicket(t.grant(t.browser()).pgt, t.service().url), 256)
	}},
	{"T-PGT.1", should, "a proxy-granting ticket begins with PGT-", func(t *trial) {
		t.begins(t.grant(t.browser()).pgt, "PGT-")
	}},
	{"T-PGT.2", should, "a proxy-granting ticket and its IOU have at most 256 characters", func(t *trial) {
		g := t.grant(t.browser())
		t.atMost("the PGT", g.pgt, 256)
		t.atMost("the PGTIOU", g.iou, 256)
	}},
	{"T-PGTIOU.1", should, "a PGTIOU begins with PGTIOU-", func(t *trial) {
		t.begins(t.grant(t.browser()).iou, "PGTIOU-")
	}},
	{"T-PGTIOU.2", must, "a PGTIOU reveals nothing of its proxy-granting ticket", func(t *trial) {
		b := t.browser()
		one, other := t.grant(b), t.grant(b)
		const long = 12
		for i := 0; i+long <= len(one.pgt); i++ {
			// What all tickets of a server share is no secret.
			if part := one.pgt[i : i+long]; strings.Contains(one.iou, part) && !strings.Contains(other.pgt, part) {
				t.failf("they have %d characters in common", long)
			}
		}
		if one.iou == other.iou || one.pgt == other.pgt {
			t.failf("two are equal")
		}
	}},
	{"T-LT.1", should, "a login ticket begins with LT-", func(t *trial) {
		t.begins(t.loginTicket(), "LT-")
	}},
	{"T-LT.2", must, "each form has a login ticket of its own", func(t *trial) {
		if one := t.loginTicket(); one == t.loginTicket() {
			t.failf("the same twice")
		}
	}},
	{"T-TGC.1", must, "the ticket-granting cookie ends with the browser, unless a long session is asked for", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		if c := t.sessionCookie(b); c.MaxAge > 0 || !c.Expires.IsZero() {
			t.failf("%s lasts until %v, Max-Age %d", c.Name, c.Expires, c.MaxAge)
		}
	}},
	{"T-TGC.2", must, "the path of the ticket-granting cookie is no wider than the pages that sign in", func(t *trial) {
		b := t.browser()
		p := b.get("login", "service", t.service().url)
		f, ok := p.login()
		if !ok {
			t.failf("%s", p.says())
		}
		action, err := p.url.Parse(f.action)
		if err != nil {
			t.failf("the form leads to %q", f.action)
		}
		b.signIn(p)
		widest := common(t.target.Path+"/login", action.Path)
		if c := t.sessionCookie(b); len(strings.TrimSuffix(c.where(), "/")) < len(strings.TrimSuffix(widest, "/")) {
			t.failf("%s has the path %s, %s would do", c.Name, c.where(), widest)
		}
	}},
	{"T-TGC.3", should, "the value of the ticket-granting cookie begins with TGC- or TGT-", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		t.begins(t.sessionCookie(b).Value, "TGC-", "TGT-")
	}},
	{"T-TGC.4", field, "the ticket-granting cookie is HttpOnly, has no Domain, and over TLS is Secure", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		if c := t.sessionCookie(b); !c.HttpOnly || c.Domain != "" || t.target.Scheme == "https" && !c.Secure {
			t.failf("%s: HttpOnly %t, Domain %q, Secure %t", c.Name, c.HttpOnly, c.Domain, c.Secure)
		}
	}},
	{"T-TGC.5", must, "a value of the ticket-granting cookie from before the login is worth nothing after it", func(t *trial) {
		b := t.browser()
		s := t.service().url
		p := b.get("login", "service", s)
		before := b.twin("")
		t.ticketIn(b.signIn(p), s)
		if p := before.get("login", "service", t.service().url); !p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
}

func (t *trial) begins(ticket string, prefixes ...string) {
	t.secret(ticket)
	if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(ticket, prefix) && ticket != prefix }) {
		t.failf("it begins with %q", excerpt(ticket, 4))
	}
}

func (t *trial) atMost(what, ticket string, n int) {
	if len(ticket) > n {
		t.failf("%s has %d", what, len(ticket))
	}
}

// loginTicket is that of a new form.
func (t *trial) loginTicket() string {
	p := t.browser().get("login", "service", t.service().url)
	f, ok := p.login()
	if !ok {
		t.failf("%s", p.says())
	}
	ticket := f.values().Get("lt")
	if ticket == "" {
		t.excusef("the form has no login ticket")
	}
	return ticket
}

// common is the folder that two paths are in.
func common(one, other string) string {
	folder := path.Dir(one)
	for folder != "/" && !strings.HasPrefix(other, folder+"/") {
		folder = path.Dir(folder)
	}
	return folder
}

var longTerm = []rule{
	{"R1.1", may, "the form offers a long session by a checkbox", func(t *trial) {
		t.remember()
	}},
	{"R1.2", must, "the checkbox is not ticked by itself", func(t *trial) {
		if box := t.rememberIfOffered(); box.has("checked") {
			t.failf("it is ticked")
		}
	}},
	{"R3.1", must, "a long session is told to services on every validation", func(t *trial) {
		b := t.stay()
		for range 2 {
			if got := t.told(b).value(standard[1]); !isTrue(got) {
				t.failf("%s is %q", standard[1], got)
			}
		}
	}},
	{"R3.2", must, "who did not ask for a long session is not told to have one", func(t *trial) {
		b := t.browser()
		for range 2 {
			if got := t.told(b).value(standard[1]); isTrue(got) {
				t.failf("%s is %q", standard[1], got)
			}
		}
	}},
	{"R4.1", must, "the cookie of a long session outlives the browser, but not three months", func(t *trial) {
		b := t.stay()
		c := t.sessionCookie(b)
		left := time.Duration(c.MaxAge) * time.Second
		if c.MaxAge == 0 {
			left = time.Until(c.Expires)
		}
		if c.MaxAge == 0 && c.Expires.IsZero() || left > 93*24*time.Hour {
			t.failf("%s: Max-Age %d, Expires %v", c.Name, c.MaxAge, c.Expires)
		}
	}},
	{"R5.1", must, "/validate says nothing of a long session", func(t *trial) {
		b := t.stay()
		s := t.service().url
		p := t.call("validate", "service", s, "ticket", b.ticket(s))
		if lines := strings.Split(strings.TrimRight(p.body, "\n"), "\n"); lines[0] != "yes" || len(lines) > 2 {
			t.failf("%s", p.says())
		}
	}},
}

// remember is the checkbox of a new form.
func (t *trial) remember() tag {
	p := t.browser().get("login", "service", t.service().url)
	f, _ := p.login()
	box, ok := f.remember()
	if !ok {
		t.lacksf("the form has none")
	}
	return box
}

func (t *trial) rememberIfOffered() tag {
	p := t.browser().get("login", "service", t.service().url)
	f, _ := p.login()
	box, ok := f.remember()
	if !ok {
		t.excusef("the form offers no long session")
	}
	return box
}

// stay is a browser that asked for a long session.
func (t *trial) stay() *browser {
	box := t.rememberIfOffered()
	value := "on"
	if box.has("value") {
		value = box.attrs["value"]
	}
	b := t.browser()
	t.signInWith(b, box.attrs["name"], value)
	return b
}
