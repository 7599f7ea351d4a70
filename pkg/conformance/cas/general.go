package cas

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// alphabet is all that tickets may hold (CAS 3.0.3 section 3.7).
var alphabet = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

var validators = []string{"serviceValidate", "proxyValidate", "p3/serviceValidate", "p3/proxyValidate"}

var general = []rule{
	{"G1.1", must, "every endpoint is there, and answers a request without parameters in its own way", func(t *trial) {
		for _, endpoint := range validators {
			t.refused(t.ask(endpoint))
		}
		if a := t.ask("proxy"); a.kind != proxyFailure {
			t.failf("%s", a.says())
		}
		if p := t.call("validate"); !strings.HasPrefix(p.body, "no\n") {
			t.failf("%s", p.says())
		}
		b := t.browser()
		for _, endpoint := range []string{"login", "logout"} {
			if p := b.get(endpoint); p.status == http.StatusNotFound {
				t.failf("%s", p.says())
			}
		}
	}},
	{"G2.1", must, "/login tells parameters apart by case: SERVICE is no service", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		s := t.service()
		if p := b.get("login", "SERVICE", s.url); p.destination() != nil && same(p.destination(), s.url) {
			t.failf("%s", p.says())
		}
	}},
	{"G2.2", must, "/serviceValidate tells parameters apart by case: Ticket is no ticket", func(t *trial) {
		s := t.service()
		t.refused(t.ask("serviceValidate", "service", s.url, "Ticket", t.browser().ticket(s.url)), "INVALID_REQUEST")
	}},
	{"G3.1", must, "a service ticket holds only letters, digits and hyphens", func(t *trial) {
		t.plain("the ticket", t.browser().ticket(t.service().url))
	}},
	{"G3.2", must, "the value of the ticket-granting cookie holds only letters, digits and hyphens", func(t *trial) {
		b := t.browser()
		b.ticket(t.service().url)
		t.plain("the cookie", t.sessionCookie(b).Value)
	}},
	{"G3.3", must, "PT, PGT and PGTIOU hold only letters, digits and hyphens", func(t *trial) {
		g := t.grant(t.browser())
		t.plain("the PGT", g.pgt)
		t.plain("the PGTIOU", g.iou)
		t.plain("the PT", t.proxyTicket(g.pgt, t.service().url))
	}},
	{"G4.1", field, "a failed validation is a 200: clients in Java read no body of a 4xx", func(t *trial) {
		for _, endpoint := range append(slices.Clone(validators), "validate", "proxy") {
			for _, pairs := range [][]string{nil, {"service", t.service().url, "ticket", "ST-unknown", "pgt", "PGT-unknown", "targetService", t.service().url}} {
				if p := t.call(endpoint, pairs...); p.status != http.StatusOK {
					t.failf("%s", p.says())
				}
			}
		}
	}},
	{"G4.2", field, "a parameter given twice is INVALID_REQUEST: programs do not agree on which counts", func(t *trial) {
		s, other := t.service().url, t.service().url
		b := t.browser()
		b.ticket(t.service().url)
		t.refused(t.ask("serviceValidate", "service", s, "service", other, "ticket", b.ticket(s)), "INVALID_REQUEST")
		t.refused(t.ask("serviceValidate", "service", other, "service", s, "ticket", b.ticket(s)), "INVALID_REQUEST")
		t.refused(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "ticket", "ST-unknown"), "INVALID_REQUEST")
	}},
	{"G4.3", field, "a ticket is opaque: an & in it brings no other parameter", func(t *trial) {
		s := t.service().url
		ticket := t.browser().ticket(s)
		t.refused(t.ask("serviceValidate", "ticket", ticket+"&service="+url.QueryEscape(s)))
		t.refused(t.ask("serviceValidate", "service", s, "ticket", "ST-unknown&ticket="+ticket))
	}},
}

func (t *trial) plain(what, value string) {
	if !alphabet.MatchString(value) {
		t.failf("%s holds %q", what, regexp.MustCompile(`[A-Za-z0-9-]+`).ReplaceAllString(value, ""))
	}
}

// sessionCookie finds the ticket-granting cookie of a browser that is signed
// in: the one without which credentials are asked again. Nothing says what it
// is called.
func (t *trial) sessionCookie(b *browser) cookie {
	for _, c := range b.cookies {
		if b.twin(c.Name).get("login", "service", t.service().url).asksForPassword() {
			return c
		}
	}
	t.failf("no cookie makes the session")
	return cookie{}
}
