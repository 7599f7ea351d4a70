package cas

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"time"
)

var shapes = []rule{
	{"X1.1", must, "success in XML: user, attributes, proxyGrantingTicket and proxies, in this order and each at most once", func(t *trial) {
		b := t.browser()
		s := t.service().url
		t.ordered(t.accepted(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s))))
		g := t.grant(b)
		t.ordered(g.answer)
		t.ordered(t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s))))
	}},
	{"X1.2", must, "failure in XML: a code, and a description", func(t *trial) {
		for _, endpoint := range append(slices.Clone(validators), "proxy") {
			a := t.refused(t.ask(endpoint))
			if a.code == "" || a.description == "" {
				t.failf("code %q, description %q", a.code, a.description)
			}
		}
	}},
	{"X1.3", must, "/proxy in XML: proxySuccess with one proxyTicket", func(t *trial) {
		g := t.grant(t.browser())
		a := t.ask("proxy", "pgt", g.pgt, "targetService", t.service().url)
		if a.kind != proxySuccess || !slices.Equal(a.order, []string{"proxyTicket"}) || a.proxyTicket == "" {
			t.failf("%s with %v", a.says(), a.order)
		}
	}},
	{"X2.1", must, "attributes begin with authenticationDate, longTermAuthenticationRequestTokenUsed and isFromNewLogin, once each", func(t *trial) {
		a := t.told(t.browser())
		var names []string
		for _, p := range a.attributes {
			names = append(names, p.name)
		}
		if len(names) < 3 || !slices.Equal(names[:3], standard) || slices.ContainsFunc(names[3:], func(name string) bool { return slices.Contains(standard, name) }) {
			t.failf("%v", names)
		}
	}},
	{"X2.2", must, "authenticationDate is an xs:dateTime of the login, the two others are booleans", func(t *trial) {
		a := t.told(t.browser())
		at, err := dateTime(a.value(standard[0]))
		if err != nil || time.Since(at).Abs() > 15*time.Hour { // without a zone it may be local time anywhere
			t.failf("authenticationDate %q", a.value(standard[0]))
		}
		for _, name := range standard[1:] {
			if !slices.Contains([]string{"true", "false", "1", "0"}, a.value(name)) {
				t.failf("%s %q", name, a.value(name))
			}
		}
	}},
	{"X2.3", must, "isFromNewLogin is true for credentials, false for the session", func(t *trial) {
		b := t.browser()
		if a := t.told(b); !isTrue(a.value(standard[2])) {
			t.failf("%q after credentials", a.value(standard[2]))
		}
		if a := t.told(b); isTrue(a.value(standard[2])) {
			t.failf("%q in the session", a.value(standard[2]))
		}
	}},
	{"X3.1", must, "/p3/serviceValidate returns attributes", func(t *trial) {
		t.told(t.browser())
	}},
	{"X3.2", may, "/serviceValidate returns attributes too", func(t *trial) {
		s := t.service().url
		if a := t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s))); len(a.attributes) == 0 {
			t.lacksf("none")
		}
	}},
	{"X4.1", must, "an answer is well-formed whatever stands in ticket, service and pgt", func(t *trial) {
		for _, hostile := range []string{
			`</cas:authenticationFailure><cas:authenticationSuccess><cas:user>admin</cas:user></cas:authenticationSuccess>`,
			"]]>", "&", "&amp", `"'<>`, "\x0b\x1f", "\x00", "\xff\xfe", "\ufffe", "<!--", "<![CDATA[",
		} {
			for _, endpoint := range validators {
				t.refused(t.ask(endpoint, "service", t.service().url, "ticket", "ST-"+hostile))
				t.refused(t.ask(endpoint, "service", "https://unregistered.invalid/"+hostile, "ticket", "ST-unknown"))
			}
			t.refused(t.ask("proxy", "pgt", "PGT-"+hostile, "targetService", hostile))
			p := t.call("serviceValidate", "service", hostile, "ticket", "ST-"+hostile, "format", "JSON")
			a, err := readJSON(p)
			if err != nil {
				t.failf("not a CAS answer: %v; %s", err, p.says())
			}
			t.refused(a)
		}
	}},
	{"X4.2", must, "an & in the callback URL is escaped in proxies", func(t *trial) {
		b := t.browser()
		g := t.grantFor(b, t.callback(), "?a=1&b=2")
		s := t.service().url
		a := t.accepted(t.ask("proxyValidate", "service", s, "ticket", t.proxyTicket(g.pgt, s)))
		if want := []string{g.url}; !slices.Equal(a.proxies, want) {
			t.failf("proxies %q", a.proxies)
		}
	}},
	{"X5.1", must, "success in JSON: serviceResponse, authenticationSuccess, user", func(t *trial) {
		a := t.json(t.browser(), "serviceValidate")
		if a.kind != success || a.user == "" {
			t.failf("%s", a.says())
		}
	}},
	{"X5.2", must, "attributes in JSON, with the three that are always there", func(t *trial) {
		a := t.json(t.browser(), "p3/serviceValidate")
		for _, name := range standard {
			if a.value(name) == "" {
				t.failf("no %s", name)
			}
		}
	}},
	{"X5.3", must, "failure in JSON: code and description", func(t *trial) {
		p := t.call("serviceValidate", "service", t.service().url, "ticket", "ST-unknown", "format", "JSON")
		a, err := readJSON(p)
		if err != nil {
			t.failf("not a CAS answer: %v; %s", err, p.says())
		}
		if a.kind != failure || a.code != "INVALID_TICKET" || a.description == "" {
			t.failf("%s", a.says())
		}
	}},
	{"X5.4", must, "the PGTIOU in JSON", func(t *trial) {
		c := t.callback()
		s := t.service().url
		p := t.call("serviceValidate", "service", s, "ticket", t.browser().ticket(s), "pgtUrl", c.url, "format", "JSON")
		a, err := readJSON(p)
		if err != nil {
			t.failf("not a CAS answer: %v; %s", err, p.says())
		}
		if got := t.received(c); a.kind != success || a.iou == "" || a.iou != got.query.Get("pgtIou") {
			t.failf("%s, proxyGrantingTicket %q", a.says(), a.iou)
		}
	}},
	{"X6.1", may, "/proxy speaks JSON; its failure is called proxyFailure or, as in the specification's example, authenticationFailure", func(t *trial) {
		p := t.call("proxy", "pgt", "PGT-unknown", "targetService", t.service().url, "format", "JSON")
		a, err := readJSON(p)
		if err != nil {
			t.lacksf("%s", p.says())
		}
		t.refused(a)
	}},
	{"X7.1", field, "the prefix is cas: to the letter: old clients look for <cas:user> as text", func(t *trial) {
		s := t.service().url
		a := t.accepted(t.ask("serviceValidate", "service", s, "ticket", t.browser().ticket(s)))
		for _, text := range []string{"<cas:serviceResponse", "<cas:authenticationSuccess>", "<cas:user>" + escapeXML(a.user) + "</cas:user>"} {
			if !strings.Contains(a.body, text) {
				t.failf("no %s: %s", text, a.page.says())
			}
		}
		p := t.call("serviceValidate", "service", s, "ticket", "ST-unknown")
		if !strings.Contains(p.body, "<cas:authenticationFailure code=") {
			t.failf("no <cas:authenticationFailure code=: %s", p.says())
		}
	}},
	{"X7.2", field, "attributes are elements called cas:name", func(t *trial) {
		a := t.told(t.browser())
		for _, p := range a.attributes {
			if !strings.Contains(a.body, "<cas:"+p.name+">") && !strings.Contains(a.body, "<cas:"+p.name+"/>") {
				t.failf("no <cas:%s>", p.name)
			}
		}
	}},
}

// standard are the attributes that are always there (CAS 3.0.3 section 2.5.7).
var standard = []string{"authenticationDate", "longTermAuthenticationRequestTokenUsed", "isFromNewLogin"}

func isTrue(text string) bool { return text == "true" || text == "1" }

// dateTime reads an xs:dateTime, whose zone may be missing.
func dateTime(text string) (time.Time, error) {
	// Java's name of a zone in brackets is no part of xs:dateTime.
	if regexp.MustCompile(`\[.*\]$`).MatchString(text) {
		return time.Time{}, &time.ParseError{Value: text, Message: ": a zone in brackets"}
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	return time.Parse("2006-01-02T15:04:05.999999999", text)
}

func escapeXML(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // a Builder takes all
	return out.String()
}

// told is what /p3/serviceValidate tells with attributes.
func (t *trial) told(b *browser) answer {
	s := t.service().url
	a := t.accepted(t.ask("p3/serviceValidate", "service", s, "ticket", b.ticket(s)))
	if len(a.attributes) == 0 {
		t.failf("no attributes: %s", a.page.says())
	}
	return a
}

func (t *trial) json(b *browser, endpoint string) answer {
	s := t.service().url
	p := t.call(endpoint, "service", s, "ticket", b.ticket(s), "format", "JSON")
	a, err := readJSON(p)
	if err != nil {
		t.failf("not a CAS answer: %v; %s", err, p.says())
	}
	return a
}

// ordered ends the trial unless the children of a success come as the schema
// has them. Others are taken for attributes that stand directly in it.
func (t *trial) ordered(a answer) {
	last := -1
	for _, name := range a.order {
		i := slices.Index([]string{"user", "attributes", "proxyGrantingTicket", "proxies"}, name)
		if i < 0 {
			continue
		}
		if i <= last {
			t.failf("%v", a.order)
		}
		last = i
	}
	if len(a.order) == 0 || a.order[0] != "user" {
		t.failf("%v", a.order)
	}
}
