package cas

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

var logout = []rule{
	{"O1.1", must, "the session ends: credentials are asked again", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		b.get("logout")
		if p := b.get("login", "service", t.service().url); !p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
	{"O1.2", must, "the session ends at the server: a copy of the cookie is worth nothing", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		thief := b.twin("")
		b.get("logout")
		if p := thief.get("login", "service", t.service().url); !p.asksForPassword() {
			t.failf("%s", p.says())
		}
	}},
	{"O1.3", must, "the ticket-granting cookie is taken back", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		mine := t.sessionCookie(b)
		b.get("logout")
		for _, c := range b.cookies {
			if c.Name == mine.Name && c.Value == mine.Value {
				t.failf("the browser still has %s", c.Name)
			}
		}
	}},
	{"O2.1", must, "without a service: a page says that one is signed out", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		t.isPage(b.get("logout"))
	}},
	{"O3.1", may, "with a registered service: back to it", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		p := b.get("logout", "service", s)
		if to := p.destination(); to == nil || !same(to, s) {
			t.lacksf("%s", p.says())
		}
	}},
	{"O3.2", must, "with a service that is not registered: the page of O2", func(t *trial) {
		t.closed()
		b := t.browser()
		b.ticket(t.service().url)
		t.isPage(b.get("logout", "service", t.o.Unregistered))
		if p := b.get("login", "service", t.service().url); !p.asksForPassword() {
			t.failf("the session goes on: %s", p.says())
		}
	}},
	{"O4.1", must, "url is ignored", func(t *trial) {
		b := t.browser()
		for _, to := range []string{t.service().url, t.o.Unregistered} {
			b.ticket(t.service().url)
			t.isPage(b.get("logout", "url", to))
		}
	}},
}

var singleLogout = []rule{
	{"S1.1", may, "a service hears of the end of a session", func(t *trial) {
		b := t.browser()
		s, _ := t.visit(b)
		b.get("logout")
		if len(t.heard(s)) == 0 {
			t.mute = true
			t.lacksf("nothing came within %v", t.o.Patience)
		}
	}},
	{"S1.2", must, "every service of the session hears of its end", func(t *trial) {
		b := t.browser()
		all := map[string]*spot{}
		for range 3 {
			s, ticket := t.visit(b)
			all[ticket] = s
		}
		b.get("logout")
		t.allHear(all)
	}},
	{"S1.3", must, "twenty services entered at once in one session: each hears of its end", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		all := map[string]*spot{}
		var spots []*spot
		for range 20 {
			spots = append(spots, t.service())
		}
		tickets := make([]string, len(spots))
		t.parallel(len(spots), func(i int) page {
			own := b.twin("")
			req := t.newRequest(http.MethodGet, t.at("login", "service", spots[i].url), nil)
			for _, c := range own.cookies {
				if c.belongs(req.URL) {
					req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted})
				}
			}
			p, _ := t.exchange(req)
			return p
		}, func(i int, p page) { tickets[i] = t.ticketIn(p, spots[i].url) })
		t.parallel(len(spots), func(i int) page {
			p, _ := t.exchange(t.newRequest(http.MethodGet, t.at("serviceValidate", "service", spots[i].url, "ticket", tickets[i]), nil))
			return p
		}, func(i int, p page) {
			a, err := readXML(p)
			if err != nil {
				t.failf("not a CAS answer: %v", err)
			}
			t.accepted(a)
			all[tickets[i]] = spots[i]
		})
		b.get("logout")
		t.allHear(all)
	}},
	{"S2.1", must, "a service that fails keeps neither the others nor the browser from the end", func(t *trial) {
		b := t.browser()
		broken, first := t.visit(b)
		broken.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		s, ticket := t.visit(b)
		b.get("logout")
		t.allHear(map[string]*spot{first: broken, ticket: s})
	}},
	{"S3.1", must, "the message is a samlp:LogoutRequest, version 2.0, and SessionIndex is the service ticket", func(t *trial) {
		ticket, message := t.farewell()
		root := message.root
		if root.XMLName != (xml.Name{Space: samlp2, Local: "LogoutRequest"}) || root.attr("Version") != "2.0" {
			t.failf("{%s}%s version %q", root.XMLName.Space, root.XMLName.Local, root.attr("Version"))
		}
		index := root.find(samlp2, "SessionIndex")
		if len(index) != 1 || index[0].text() != ticket {
			t.failf("SessionIndex is not the ticket: %s", message.text)
		}
	}},
	{"S3.2", must, "the message has a NameID, and an IssueInstant of now", func(t *trial) {
		_, message := t.farewell()
		if len(message.root.find("urn:oasis:names:tc:SAML:2.0:assertion", "NameID")) != 1 {
			t.failf("no NameID: %s", message.text)
		}
		at, err := time.Parse(time.RFC3339, message.root.attr("IssueInstant"))
		if err != nil || time.Since(at).Abs() > 5*time.Minute {
			t.failf("IssueInstant is %q", message.root.attr("IssueInstant"))
		}
	}},
	{"S3.3", must, "NameID is @NOT_USED@", func(t *trial) {
		_, message := t.farewell()
		if got := message.root.find("urn:oasis:names:tc:SAML:2.0:assertion", "NameID"); len(got) != 1 || got[0].text() != "@NOT_USED@" {
			t.failf("%s", message.text)
		}
	}},
	{"S3.4", must, "each message has a random ID", func(t *trial) {
		_, one := t.farewell()
		_, other := t.farewell()
		if id := one.root.attr("ID"); id == "" || id == other.root.attr("ID") {
			t.failf("ID %q, then %q", id, other.root.attr("ID"))
		}
	}},
	{"S4.1", field, "the body is a form and begins with logoutRequest=", func(t *trial) {
		_, message := t.farewell()
		if !strings.HasPrefix(message.contentType, "application/x-www-form-urlencoded") || !strings.HasPrefix(message.body, "logoutRequest=") {
			t.failf("%s: %s", message.contentType, excerpt(message.body, 40))
		}
	}},
	{"S4.2", field, "the text <samlp:SessionIndex>ticket</samlp:SessionIndex> stands in it to the letter: phpCAS looks for it", func(t *trial) {
		ticket, message := t.farewell()
		if !strings.Contains(message.text, "<samlp:SessionIndex>"+ticket+"</samlp:SessionIndex>") {
			t.failf("%s", message.text)
		}
	}},
	{"S5.1", field, "two tickets of one service: it hears of both", func(t *trial) {
		b := t.browser()
		s := t.service()
		all := map[string]*spot{}
		for range 2 {
			ticket := b.ticket(s.url)
			t.accepted(t.ask("serviceValidate", "service", s.url, "ticket", ticket))
			all[ticket] = s
		}
		b.get("logout")
		t.allHear(all)
	}},
}

const samlp2 = "urn:oasis:names:tc:SAML:2.0:protocol"

// visit enters a new service, which validates its ticket.
func (t *trial) visit(b *browser) (*spot, string) {
	s := t.service()
	ticket := b.ticket(s.url)
	t.accepted(t.ask("serviceValidate", "service", s.url, "ticket", ticket))
	return s, ticket
}

// heard waits for a first logout message.
func (t *trial) heard(s *spot) []arrival {
	if t.mute {
		t.excusef("no service hears of the end")
	}
	ctx, cancel := t.patience()
	defer cancel()
	return s.await(ctx, 1, isLogout)
}

// allHear ends the trial unless the service of each ticket hears of its end.
func (t *trial) allHear(all map[string]*spot) {
	if t.mute {
		t.excusef("no service hears of the end")
	}
	ctx, cancel := t.patience()
	defer cancel()
	missing, any := 0, false
	for ticket, s := range all {
		got := s.await(ctx, 1, func(a arrival) bool { return isLogout(a) && strings.Contains(a.body, ticket) })
		if len(got) == 0 {
			missing++
		}
		all, _ := s.seen(isLogout)
		any = any || len(all) > 0
	}
	switch {
	case !any:
		t.excusef("no service hears of the end")
	case missing > 0:
		t.failf("%d of %d tickets were told of", len(all)-missing, len(all))
	}
}

// message is a logout message.
type message struct {
	arrival
	text string // the XML
	root element
}

// farewell visits a service, signs out, and returns what the service hears.
func (t *trial) farewell() (ticket string, m message) {
	b := t.browser()
	s, ticket := t.visit(b)
	b.get("logout")
	got := t.heard(s)
	if len(got) == 0 {
		t.excusef("no service hears of the end")
	}
	m.arrival, m.text = got[0], got[0].body
	if fields, err := url.ParseQuery(m.body); err == nil && fields.Has("logoutRequest") {
		m.text = fields.Get("logoutRequest")
	}
	var err error
	if m.root, err = parse(m.text); err != nil {
		t.failf("not well-formed: %v: %s", err, excerpt(m.text, 100))
	}
	return ticket, m
}

// parallel makes n requests at once, and then reads the answers one by one.
func (t *trial) parallel(n int, ask func(int) page, read func(int, page)) {
	pages := make([]page, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { pages[i] = ask(i) })
	}
	running.Wait()
	for i, p := range pages {
		if p.url == nil {
			t.failf("no answer to one of %d requests at once", n)
		}
		read(i, p)
	}
}
