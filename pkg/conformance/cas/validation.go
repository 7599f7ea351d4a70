package cas

import (
	"net/http"
	"strings"
)

var validation = []rule{
	{"V1.1", must, "/validate says yes to a good ticket", func(t *trial) {
		s := t.service().url
		if p := t.call("validate", "service", s, "ticket", t.browser().ticket(s)); !strings.HasPrefix(p.body, "yes\n") {
			t.failf("%s", p.says())
		}
	}},
	{"V1.2", must, "/validate says no without service or without ticket", func(t *trial) {
		s := t.service().url
		ticket := t.browser().ticket(s)
		t.saysNo(t.call("validate", "service", s))
		t.saysNo(t.call("validate", "ticket", ticket))
	}},
	{"V1.3", must, "/validate says no to a ticket that is unknown, used, or another service's", func(t *trial) {
		s := t.service().url
		b := t.browser()
		ticket := b.ticket(s)
		t.saysNo(t.call("validate", "service", s, "ticket", "ST-unknown"))
		t.call("validate", "service", s, "ticket", ticket)
		t.saysNo(t.call("validate", "service", s, "ticket", ticket))
		t.saysNo(t.call("validate", "service", t.service().url, "ticket", b.ticket(s)))
	}},
	{"V1.4", must, "/validate knows renew: no to a ticket of the session, yes to one of credentials", func(t *trial) {
		b := t.browser()
		s := t.service().url
		if p := t.call("validate", "service", s, "ticket", b.ticket(s), "renew", "true"); !strings.HasPrefix(p.body, "yes\n") {
			t.failf("%s", p.says())
		}
		t.saysNo(t.call("validate", "service", s, "ticket", b.ticket(s), "renew", "true"))
	}},
	{"V2.1", must, "/validate says no to a proxy ticket", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		t.saysNo(t.call("validate", "service", s, "ticket", t.proxyTicket(g.pgt, s)))
	}},
	{"V3.1", field, "/validate: yes and the user, no and nothing, each on a line of text/plain", func(t *trial) {
		s := t.service().url
		b := t.browser()
		user := t.accepted(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s))).user
		p := t.call("validate", "service", s, "ticket", b.ticket(s))
		if p.body != "yes\n"+user+"\n" || !strings.HasPrefix(p.header.Get("Content-Type"), "text/plain") {
			t.failf("%s: %q", p.header.Get("Content-Type"), excerpt(p.body, 40))
		}
		p = t.call("validate", "service", s, "ticket", "ST-unknown")
		if p.body != "no\n\n" || !strings.HasPrefix(p.header.Get("Content-Type"), "text/plain") {
			t.failf("%s: %q", p.header.Get("Content-Type"), p.body)
		}
	}},
	{"V4.1", must, "/serviceValidate without service or without ticket is INVALID_REQUEST", func(t *trial) {
		s := t.service().url
		ticket := t.browser().ticket(s)
		for _, endpoint := range validators {
			t.refused(t.ask(endpoint, "service", s), "INVALID_REQUEST")
			t.refused(t.ask(endpoint, "ticket", ticket), "INVALID_REQUEST")
		}
	}},
	{"V4.2", must, "format=XML is the default", func(t *trial) {
		s := t.service().url
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s), "format", "XML"))
	}},
	{"V4.3", must, "an unsupported format gives an error code", func(t *trial) {
		s := t.service().url
		p := t.call("serviceValidate", "service", s, "ticket", t.browser().ticket(s), "format", "YAML")
		a, err := readXML(p)
		if err != nil {
			if a, err = readJSON(p); err != nil {
				t.failf("not a CAS answer: %s", p.says())
			}
		}
		if t.refused(a).code == "" {
			t.failf("no code: %s", p.says())
		}
	}},
	{"V5.1", must, "/serviceValidate refuses a proxy ticket", func(t *trial) {
		g := t.grant(t.browser())
		for _, endpoint := range []string{"serviceValidate", "p3/serviceValidate"} {
			s := t.service().url
			t.refused(t.ask(endpoint, "service", s, "ticket", t.proxyTicket(g.pgt, s)))
		}
	}},
	{"V5.2", should, "/serviceValidate says why it refuses a proxy ticket: not as it refuses an unknown one", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		a := t.refused(t.ask("serviceValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s)))
		t.saysWhy(a)
	}},
	{"V6.1", must, "/serviceValidate issues a proxy-granting ticket when asked", func(t *trial) {
		t.grant(t.browser())
	}},
	{"V7.1", must, "renew: a ticket that comes from the session is INVALID_TICKET", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		for _, endpoint := range validators {
			s := t.service().url
			t.refused(t.ask(endpoint, "service", s, "ticket", b.ticket(s), "renew", "true"), "INVALID_TICKET")
		}
	}},
	{"V7.2", must, "renew: a ticket that comes from credentials is good", func(t *trial) {
		b := t.browser()
		s := t.service().url
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "renew", "true"))
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s, "renew", "true"), "renew", "true"))
	}},
	{"V7.3", should, "renew: the failure says that it is for renew", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		t.saysWhy(t.refused(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "renew", "true")))
	}},
	{"V8.1", field, "a missing parameter does not spend the ticket", func(t *trial) {
		s := t.service().url
		ticket := t.browser().ticket(s)
		t.refused(t.ask("serviceValidate", "ticket", ticket))
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", ticket))
	}},
	{"V8.2", must, "an unknown ticket is INVALID_TICKET", func(t *trial) {
		for _, endpoint := range validators {
			t.refused(t.ask(endpoint, "service", t.service().url, "ticket", "ST-unknown00000000000000000000000"), "INVALID_TICKET")
		}
	}},
	{"V8.3", must, "another service is INVALID_SERVICE, and the ticket is dead", func(t *trial) {
		b := t.browser()
		for _, endpoint := range validators {
			s := t.service().url
			ticket := b.ticket(s)
			t.refused(t.ask(endpoint, "service", t.service().url, "ticket", ticket), "INVALID_SERVICE")
			t.refused(t.ask(endpoint, "service", s, "ticket", ticket), "INVALID_TICKET")
		}
	}},
	{"V8.4", must, "a ticket refused for renew is dead", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service().url
		ticket := b.ticket(s)
		t.refused(t.ask("serviceValidate", "service", s, "ticket", ticket, "renew", "true"))
		t.refused(t.ask("serviceValidate", "service", s, "ticket", ticket), "INVALID_TICKET")
	}},
	{"V8.5", field, "an unsupported format is INVALID_REQUEST", func(t *trial) {
		s := t.service().url
		t.refused(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s), "format", "YAML"), "INVALID_REQUEST")
	}},
}

func (t *trial) saysNo(p page) {
	if !strings.HasPrefix(p.body, "no\n") {
		t.failf("%s", p.says())
	}
}

// saysWhy ends the trial when a failure reads like that of an unknown ticket.
func (t *trial) saysWhy(a answer) {
	unknown := t.ask("serviceValidate", "service", t.service().url, "ticket", "ST-unknown00000000000000000000000")
	if a.description == "" || a.description == unknown.description && a.code == unknown.code {
		t.failf("%s", a.says())
	}
}

// race validates one ticket many times at once, and counts the successes.
func (t *trial) race(n int, endpoint func(int) string, service, ticket string) (successes int) {
	t.parallel(n, func(i int) page {
		p, _ := t.exchange(t.newRequest(http.MethodGet, t.at(endpoint(i), "service", service, "ticket", ticket), nil))
		return p
	}, func(_ int, p page) {
		if strings.HasPrefix(p.body, "yes\n") {
			successes++
		} else if a, err := readXML(p); err == nil && a.kind == success {
			successes++
		}
	})
	return successes
}
