package cas_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
)

// whose are the registered services; the value says who may have a ticket.
var whose = []struct{ service, party string }{
	// url: one address, in any of its spellings
	{"https://app.univ.example/", "Exact"},
	{"https://app.univ.example", "Exact"},
	{"HTTPS://APP.Univ.example:443/", "Exact"},
	{"https://app.univ.example/#top", "Exact"},
	{"https://app.univ.example/x", ""},
	{"https://app.univ.example/?x", ""},
	// prefix: ends where a segment ends
	{"https://moodle.example/cas", "Moodle"},
	{"https://moodle.example/cas/", "Moodle"},
	{"https://moodle.example/cas/login.php?a=/../b", "Moodle"},
	{"https://moodle.example/cas?a", "Moodle"},
	{"https://moodle.example/cas//x", "Moodle"},
	{"https://moodle.example/cas/élève", "Moodle"},
	{"https://moodle.example/cas2", ""},
	{"https://moodle.example/CAS", ""},
	{"https://moodle.example/", ""},
	{"https://moodle.example/cas%2fx", ""},
	// loopback: any port, any path, either scheme
	{"http://127.0.0.1:9/app", "Try"},
	{"https://127.5.6.7/", "Try"},
	{"http://[::1]:9", "Try"},
	{"http://localhost:3000/x", "Try"},
	{"http://localhost.evil.example/", ""},
	{"http://127.0.0.1.evil.example/", ""},
	{"http://127.1/", ""},
	{"http://2130706433/", ""},
	{"http://0x7f.0.0.1/", ""},
	{"http://0.0.0.0/", ""},
	{"http://[::ffff:8.8.8.8]/", ""},
	{"http://[::1%25lo]/", ""},
	// R-CAS-07: another host, scheme, port or path that looks like it
	{"https://app.univ.example.evil.example/", ""},
	{"http://app.univ.example/", ""},
	{"https://app.univ.example:8443/", ""},
	{"https://app.univ.example:0/", ""},
	{"https://app.univ.example:99999/", ""},
	{"https://app.univ.example@evil.example/", ""},
	{"https://user@app.univ.example/", ""},
	{"https://user:pw@app.univ.example/", ""},
	{"https://@app.univ.example/", ""},
	{"https://app.univ.example./", ""},
	{"https://evil.example/https://app.univ.example/", ""},
	{"https://evil.example\\@app.univ.example/", ""},
	{"https://evil.example\\.app.univ.example/", ""},
	{"https:\\\\app.univ.example/", ""},
	{"https://app.univ.example\\", ""},
	{"https:/app.univ.example/", ""},
	{"https:app.univ.example/", ""},
	{"https:///app.univ.example/", ""},
	{"//app.univ.example/", ""},
	{"/app", ""},
	{"javascript://app.univ.example/%0aalert(1)", ""},
	{"data:text/html,x", ""},
	{"ftp://app.univ.example/", ""},
	{" https://app.univ.example/", ""},
	{"https://app.univ.example/ ", ""},
	{"https://app.univ.example/\r\nSet-Cookie: a=b", ""},
	{"https://app\t.univ.example/", ""},
	{"ht\ntps://app.univ.example/", ""},
	{"https://app.univ.example/\x00", ""},
	{"https://app.univ.example/\x7f", ""},
	{"https://app%2euniv.example/", ""},
	{"https://%61pp.univ.example/", ""},
	{"https://app.univ.example%00.evil.example/", ""},
	{"https://app.univ.example%5c.evil.example/", ""},
	{"https://ａpp.univ.example/", ""},
	{"https://app。univ.example/", ""},
	{"https://app.univ.example／evil", ""},
	{"https://app.univ.example\u2028/", ""},
	{"https://app.univ\u00ad.example/", ""},
	{"https://moodle.example/cas/../admin", ""},
	{"https://moodle.example/cas/%2e%2e/admin", ""},
	{"https://moodle.example/cas/.%2E/admin", ""},
	{"https://moodle.example/cas/..%2fadmin", ""},
	{"https://moodle.example/cas/..;/admin", ""},
	{"https://moodle.example/cas/..;x=y/admin", ""},
	{"https://moodle.example/cas/..%5cadmin", ""},
	{"https://moodle.example/cas?\\@evil.example/", ""},
	{"https://moodle.example/cas/%00", ""},
	{"https://moodle.example/cas/%0d%0aLocation:x", ""},
	{"https://moodle.example/cas/.", ""},
	{"https://moodle.example/cas/%zz", ""},
	{"https://moodle.example/cas/\xff", ""},
	{"https://moodle.example/cas/" + strings.Repeat("a", 5000), ""},
}

func TestRCAS07(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.ticketFor("alice", app)
	for _, c := range whose {
		a := b.get("/cas/login", "service", c.service)
		if got := a.ticket() != ""; got != (c.party != "") {
			t.Errorf("%q: %d to %q, want a ticket: %v", c.service, a.StatusCode, a.Header.Get("Location"), c.party != "")
		}
		form := h.browser().get("/cas/login", "service", c.service)
		if c.party != "" && !strings.Contains(form.body, "party="+c.party+"\n") {
			t.Errorf("%q: not of %s: %s", c.service, c.party, form.body)
		}
	}
}

// The service of the longest path wins, whatever the order.
func TestClosest(t *testing.T) {
	named := func(name string) sso.RelyingParty { return sso.RelyingParty{Name: name} }
	h := open(t,
		cas.Service{RelyingParty: named("all"), Prefix: "https://a.example/"},
		cas.Service{RelyingParty: named("one"), URL: "https://a.example/x/y"},
		cas.Service{RelyingParty: named("some"), Prefix: "https://a.example/x/"},
		cas.Service{RelyingParty: named("old"), Prefix: "http://b.example/", InsecureHTTP: true},
	)
	for service, party := range map[string]string{
		"https://a.example/": "all", "https://a.example/x": "all", "https://a.example/x/": "some", "https://a.example/x/y": "one",
		"https://a.example/x/y/z": "some", "http://b.example/q": "old",
	} {
		if form := h.browser().get("/cas/login", "service", service); !strings.Contains(form.body, "party="+party+"\n") {
			t.Errorf("%s: not %s: %s", service, party, form.body)
		}
	}
}

// What a configuration gets wrong is said at start, by the name of the
// service.
func TestConfig(t *testing.T) {
	for _, c := range []struct{ section, want string }{
		{`{"services":[{"name":"A","url":"https://a.example/"},{"name":"Moodle"}]}`, "services[1] (Moodle): give exactly one of url, prefix, pattern and loopback"},
		{`{"services":[{"name":"A","url":"https://a.example/","loopback":true}]}`, "services[0] (A): give exactly one"},
		{`{"services":[{"url":"https://a.example/"}]}`, "services[0].name: is missing"},
		{`{"services":[{"name":"A","url":"http://a.example/"}]}`, "services[0] (A).url: must be https"},
		{`{"services":[{"name":"A","prefix":"http://a.example/"}]}`, "services[0] (A).prefix: must be https"},
		{`{"services":[{"name":"A","url":"https://a.example/../x"}]}`, "services[0] (A).url: must be a whole URL"},
		{`{"services":[{"name":"A","url":"a.example"}]}`, "services[0] (A).url: must be a whole URL"},
		{`{"services":[{"name":"A","url":"https://a.example/#x"}]}`, "services[0] (A).url: must not have a fragment"},
		{`{"services":[{"name":"A","prefix":"https://a.example/?x"}]}`, "services[0] (A).prefix: must end with the path"},
		{`{"services":[{"name":"A","url":"https://a.example/"},{"name":"B","url":"https://A.example"}]}`, `services[1] (B).url: "A" has the same`},
		{`{"services":[{"name":"A","prefix":"https://a.example/"},{"name":"B","prefix":"https://A.example"}]}`, `services[1] (B).prefix: "A" has the same`},
		{`{"services":[{"name":"A","loopback":true},{"name":"B","loopback":true}]}`, `services[1] (B).loopback: "A" covers`},
		{`{"services":[{"name":"A","loopback":true,"attributes":["isFromNewLogin"]}]}`, `services[0] (A).attributes: "isFromNewLogin" is told twice, or by the protocol itself`},
		{`{"services":[{"name":"A","loopback":true,"attributes":["a;b","a_b"]}]}`, `services[0] (A).attributes: "a;b" is no name in XML`},
		{`{"services":[{"name":"A","loopback":true,"attributes":[""]}]}`, `services[0] (A).attributes[0].name: is missing`},
		{`{"services":[{"name":"A","grace":"perhaps","loopback":true}]}`, "grace must be"},
		{`{"services":[{"name":"A","loopbak":true}]}`, "services[0].loopbak: unknown key; known: access, attributes, grace"},
		{`{"services":[{"name":"A","url":"http://127.0.0.1:8/x"},{"name":"B","url":"http://b.example/","insecureHTTP":true}]}`, ""},
	} {
		var config cas.Config
		err := plugin.Strict(json.RawMessage(c.section), &config)
		if err == nil {
			_, err = config.Open(t.Context(), sso.Env{Outbox: &outbox.Outbox{Box: secret.RandomKeyring().Box("outbox")}})
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s\n got %v\nwant %s", c.section, err, c.want)
		}
	}
}

// Whatever is asked, the browser is sent nowhere but to a registered host, as
// a second parser reads it.
func FuzzService(f *testing.F) {
	for _, c := range whose {
		f.Add(c.service)
	}
	h := open(f)
	b := h.browser()
	f.Fuzz(func(t *testing.T, service string) {
		h.t = t
		a := b.get("/cas/login", "service", service, "gateway", "true")
		to := a.Header.Get("Location")
		if to == "" {
			return
		}
		host, ok := whatwgHost(to)
		if !ok || host != "app.univ.example" && host != "moodle.example" && host != "localhost" && host != "::1" && !strings.HasPrefix(host, "127.") {
			t.Errorf("%q leads to %q at %q", service, to, host)
		}
		if u, err := url.Parse(to); err != nil || strings.ToLower(u.Hostname()) != host {
			t.Errorf("%q is at %q for one parser and at %q for another (%v)", service, host, u.Hostname(), err)
		}
	})
}

// whatwgHost is the host as browsers read it: the part of the URL standard
// that differs from RFC 3986.
func whatwgHost(raw string) (string, bool) {
	raw = strings.Trim(raw, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	raw = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(raw)
	scheme, rest, ok := strings.Cut(raw, ":")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" {
		return "", false
	}
	rest = strings.TrimLeft(rest, `/\`)
	if end := strings.IndexAny(rest, `/\?#`); end >= 0 {
		rest = rest[:end]
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[at+1:]
	}
	if inside, bracketed := strings.CutPrefix(rest, "["); bracketed {
		host, _, closed := strings.Cut(inside, "]")
		return host, closed
	}
	host, _, _ := strings.Cut(rest, ":")
	return strings.ToLower(host), true
}
