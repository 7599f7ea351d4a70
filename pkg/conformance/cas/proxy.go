package cas

import (
	"crypto/tls"
	"net/http"
	"slices"
)

var callbacks = []rule{
	{"P1.1", must, "a pgtUrl of http gets no proxy-granting ticket", func(t *trial) {
		t.grant(t.browser())
		t.noGrant(t.browser(), t.app.place(t.app.plain, t.id))
	}},
	{"P1.2", must, "a callback whose certificate nobody known has signed gets no proxy-granting ticket", func(t *trial) {
		t.withCertificate(t.app.foreign)
	}},
	{"P1.3", must, "a callback whose certificate has expired gets no proxy-granting ticket", func(t *trial) {
		t.withCertificate(t.app.outdated)
	}},
	{"P1.4", must, "a callback whose certificate is of another host gets no proxy-granting ticket", func(t *trial) {
		t.withCertificate(t.app.misnamed)
	}},
	{"P1.5", must, "/proxyValidate gives a proxy-granting ticket for a proxy ticket", func(t *trial) {
		b := t.browser()
		t.proxyTicket(t.chain(b, t.grant(b)).pgt, t.service().url)
	}},
	{"P2.1", must, "the callback is a GET with pgtId and pgtIou, and keeps its own query", func(t *trial) {
		c := t.callback()
		t.grantFor(t.browser(), c, "?a=1&b=%C3%A9")
		got := t.received(c)
		if got.method != http.MethodGet || !got.query.Has("pgtId") || !got.query.Has("pgtIou") || got.query.Get("a") != "1" || got.query.Get("b") != "é" {
			t.failf("%s %s", got.method, got.query.Encode())
		}
	}},
	{"P3.1", must, "proxyGrantingTicket in the answer is the pgtIou of the callback", func(t *trial) {
		c := t.callback()
		s := t.service().url
		a := t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s), "pgtUrl", c.url))
		if got := t.received(c).query.Get("pgtIou"); a.iou == "" || a.iou != got {
			t.failf("%q, called back with %q", a.iou, got)
		}
	}},
	{"P3.2", must, "a callback that answers 404 or 500: no proxyGrantingTicket", func(t *trial) {
		b := t.browser()
		t.grant(b)
		for _, status := range []int{http.StatusNotFound, http.StatusInternalServerError} {
			c := t.callback()
			c.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			s := t.service().url
			if a := t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", c.url); a.iou != "" {
				t.failf("%s, with a proxyGrantingTicket, though the callback answered %d", a.says(), status)
			}
		}
	}},
	{"P4.1", must, "a callback that redirects: when it is followed, the proxy is the URL first given", func(t *trial) {
		b := t.browser()
		t.grant(b)
		first, second := t.callback(), t.callback()
		first.answers(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, second.url+"?"+r.URL.RawQuery, http.StatusFound)
		})
		s := t.service().url
		a := t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", first.url)
		got, _ := first.seen(isCallback)
		if a.iou == "" || len(got) == 0 {
			return // not followed
		}
		a = t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(got[len(got)-1].query.Get("pgtId"), s)))
		if !slices.Equal(a.proxies, []string{first.url}) {
			t.failf("proxies %q", a.proxies)
		}
	}},
	{"P5.1", must, "a pgtUrl of http or with a bad certificate fails the validation, by INVALID_PROXY_CALLBACK or another code", func(t *trial) {
		b := t.browser()
		t.grant(b)
		s := t.service().url
		t.refused(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", t.app.place(t.app.plain, t.id).url))
		t.app.shown.Store(t.app.foreign)
		t.refused(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", t.callback().url))
	}},
	{"P5.2", field, "a callback that answers 500 fails the validation, by INVALID_PROXY_CALLBACK", func(t *trial) {
		b := t.browser()
		t.grant(b)
		c := t.callback()
		c.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		s := t.service().url
		t.refused(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", c.url), "INVALID_PROXY_CALLBACK")
	}},
	{"P6.1", must, "a validation that fails leaves no proxy-granting ticket", func(t *trial) {
		b := t.browser()
		t.grant(b)
		b.ticket(t.service().url)
		s := t.service().url
		for _, pairs := range [][]string{
			{"service", s, "ticket", "ST-unknown"},
			{"service", t.service().url, "ticket", b.ticket(s)},
			{"service", s, "ticket", b.ticket(s), "renew", "true"},
		} {
			c := t.callback()
			t.refused(t.ask("serviceValidate", append(pairs, "pgtUrl", c.url)...))
			t.worthless(c)
		}
	}},
	{"P7.1", field, "a callback that redirects to another host is not followed", func(t *trial) {
		b := t.browser()
		t.grant(b)
		c, elsewhere := t.callback(), t.app.place(t.app.plain, t.id)
		c.answers(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url+"?"+r.URL.RawQuery, http.StatusFound)
		})
		s := t.service().url
		t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", c.url)
		if got, _ := elsewhere.seen(func(arrival) bool { return true }); len(got) > 0 {
			t.failf("the proxy-granting ticket went to %s", elsewhere.url)
		}
	}},
}

var proxies = []rule{
	{"Q1.1", must, "/proxyValidate accepts a service ticket", func(t *trial) {
		s := t.service().url
		a := t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.browser().ticket(s)))
		if len(a.proxies) > 0 {
			t.failf("proxies %q", a.proxies)
		}
	}},
	{"Q1.2", must, "/proxyValidate accepts a proxy ticket, for the same user", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		if a := t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s))); a.user != g.answer.user {
			t.failf("%s", a.says())
		}
	}},
	{"Q2.1", must, "proxies lists the callback of the proxy", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		if a := t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s))); !slices.Equal(a.proxies, []string{g.url}) {
			t.failf("proxies %q", a.proxies)
		}
	}},
	{"Q2.2", must, "proxies lists a chain, the most recent first", func(t *trial) {
		b := t.browser()
		one := t.grant(b)
		two := t.chain(b, one)
		s := t.service().url
		if a := t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(two.pgt, s))); !slices.Equal(a.proxies, []string{two.url, one.url}) {
			t.failf("proxies %q", a.proxies)
		}
	}},
	{"Q3.1", must, "/proxy without pgt or without targetService is INVALID_REQUEST", func(t *trial) {
		g := t.grant(t.browser())
		t.refused(t.ask("proxy", "pgt", g.pgt), "INVALID_REQUEST")
		t.refused(t.ask("proxy", "targetService", t.service().url), "INVALID_REQUEST")
	}},
	{"Q3.2", must, "a proxy ticket is for its targetService only: another is INVALID_SERVICE, and the ticket is dead", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		ticket := t.proxyTicket(g.pgt, s)
		t.refused(t.ask("proxyValidate", "service", t.service().url, "ticket", ticket), "INVALID_SERVICE")
		t.refused(t.ask("proxyValidate", "service", s, "ticket", ticket), "INVALID_TICKET")
	}},
	{"Q3.3", must, "/proxy gives no ticket for a service that is not registered: UNAUTHORIZED_SERVICE", func(t *trial) {
		t.closed()
		g := t.grant(t.browser())
		t.refused(t.ask("proxy", "pgt", g.pgt, "targetService", t.o.Unregistered), "UNAUTHORIZED_SERVICE")
	}},
	{"Q4.1", must, "a proxy ticket is for one use", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		ticket := t.proxyTicket(g.pgt, s)
		t.accepted(t.ask("proxyValidate", "service", s, "ticket", ticket))
		t.refused(t.ask("proxyValidate", "service", s, "ticket", ticket), "INVALID_TICKET")
	}},
	{"Q5.1", must, "a proxy-granting ticket can be used again", func(t *trial) {
		g := t.grant(t.browser())
		for range 3 {
			s := t.service().url
			t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s)))
		}
	}},
	{"Q5.2", must, "a proxy-granting ticket dies at logout", func(t *trial) {
		b := t.browser()
		g := t.grant(b)
		t.proxyTicket(g.pgt, t.service().url)
		b.get("logout")
		t.refused(t.ask("proxy", "pgt", g.pgt, "targetService", t.service().url))
	}},
	{"Q5.3", must, "a proxy ticket dies at logout", func(t *trial) {
		b := t.browser()
		g := t.grant(b)
		s := t.service().url
		ticket := t.proxyTicket(g.pgt, s)
		b.get("logout")
		t.refused(t.ask("proxyValidate", "service", s, "ticket", ticket), "INVALID_TICKET")
	}},
	{"Q5.4", must, "a chain of proxies dies at logout", func(t *trial) {
		b := t.browser()
		two := t.chain(b, t.grant(b))
		t.proxyTicket(two.pgt, t.service().url)
		b.get("logout")
		t.refused(t.ask("proxy", "pgt", two.pgt, "targetService", t.service().url))
	}},
	{"Q6.1", must, "/p3/proxyValidate: the same with attributes", func(t *trial) {
		g := t.grant(t.browser())
		s := t.service().url
		a := t.accepted(t.ask("p3/proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s)))
		if a.value(standard[0]) == "" || !slices.Equal(a.proxies, []string{g.url}) {
			t.failf("attributes %v, proxies %q", a.attributes, a.proxies)
		}
	}},
	{"Q7.1", must, "/proxy with a proxy-granting ticket that is unknown: proxyFailure with a code", func(t *trial) {
		a := t.ask("proxy", "pgt", "PGT-unknown0000000000000000000000", "targetService", t.service().url)
		if a.kind != proxyFailure || a.code == "" {
			t.failf("%s", a.says())
		}
	}},
	{"Q7.2", must, "/proxy takes neither a PGTIOU nor a service ticket for a proxy-granting ticket", func(t *trial) {
		b := t.browser()
		g := t.grant(b)
		for _, wrong := range []string{g.iou, b.ticket(t.service().url)} {
			t.refused(t.ask("proxy", "pgt", wrong, "targetService", t.service().url))
		}
	}},
}

// granted is a proxy-granting ticket.
type granted struct {
	pgt, iou string
	url      string // pgtUrl
	answer   answer
}

// grant signs in at a new service, which asks for a proxy-granting ticket.
func (t *trial) grant(b *browser) granted { return t.grantFor(b, t.callback(), "") }

func (t *trial) grantFor(b *browser, c *spot, query string) granted {
	s := t.service().url
	return t.granted(c, query, t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", c.url+query))
}

// chain is a service that gets a proxy ticket and asks for a proxy-granting
// ticket itself.
func (t *trial) chain(b *browser, g granted) granted {
	c := t.callback()
	s := t.service().url
	return t.granted(c, "", t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s), "pgtUrl", c.url))
}

func (t *trial) granted(c *spot, query string, a answer) granted {
	got, _ := c.seen(isCallback)
	if a.kind != success || len(got) == 0 {
		t.lacksf("no proxy-granting ticket for %s: %s (is the service allowed to be a proxy, and the suite's authority trusted?)", c.url+query, a.says())
	}
	last := got[len(got)-1].query
	g := granted{pgt: last.Get("pgtId"), iou: last.Get("pgtIou"), url: c.url + query, answer: a}
	t.secret(g.pgt)
	t.secret(g.iou)
	return g
}

// received is the last callback.
func (t *trial) received(c *spot) arrival {
	got, _ := c.seen(isCallback)
	if len(got) == 0 {
		t.lacksf("%s was not called back", c.url)
	}
	last := got[len(got)-1]
	t.secret(last.query.Get("pgtId"))
	return last
}

// proxyTicket gets one at /proxy.
func (t *trial) proxyTicket(pgt, target string) string {
	a := t.ask("proxy", "pgt", pgt, "targetService", target)
	if a.kind != proxySuccess || a.proxyTicket == "" {
		t.failf("no proxy ticket: %s", a.says())
	}
	t.secret(a.proxyTicket)
	return a.proxyTicket
}

// withCertificate shows that a callback with a good certificate works and one
// with another does not, at the same address.
func (t *trial) withCertificate(cert *tls.Certificate) {
	b := t.browser()
	t.grant(b)
	t.app.shown.Store(cert)
	t.noGrant(b, t.callback())
}

// noGrant ends the trial when a callback gets a proxy-granting ticket, or the
// service one to collect.
func (t *trial) noGrant(b *browser, c *spot) {
	s := t.service().url
	a := t.ask("serviceValidate", "service", s, "ticket", b.ticket(s), "pgtUrl", c.url)
	if a.iou != "" {
		t.failf("%s, with a proxyGrantingTicket", a.says())
	}
	t.worthless(c)
}

// worthless ends the trial when what a callback got is good at /proxy.
func (t *trial) worthless(c *spot) {
	got, _ := c.seen(isCallback)
	for _, each := range got {
		t.secret(each.query.Get("pgtId"))
		a := t.ask("proxy", "pgt", each.query.Get("pgtId"), "targetService", t.service().url)
		if a.kind == proxySuccess {
			t.failf("the proxy-granting ticket sent to %s is good", c.url)
		}
	}
}
