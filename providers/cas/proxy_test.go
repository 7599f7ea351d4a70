package cas_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
)

// proxy is a service over TLS that takes proxy-granting tickets at /callback
// and logouts everywhere else.
type proxy struct {
	*httptest.Server
	mu      sync.Mutex
	granted map[string]string // by PGTIOU
	calls   []*http.Request
	status  int         // of the callback
	ended   chan string // tickets
}

func newProxy(t *testing.T) *proxy {
	p := &proxy{granted: map[string]string{}, status: http.StatusOK, ended: make(chan string, 100)}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		_, message, _ := strings.Cut(string(body), "logoutRequest=")
		plain, _ := url.QueryUnescape(message)
		var request logoutRequest
		_ = xml.Unmarshal([]byte(plain), &request)
		p.ended <- request.SessionIndex
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r)
	if p.status >= 300 && p.status < 400 {
		w.Header().Set("Location", p.URL+"/elsewhere")
	}
	w.WriteHeader(p.status)
	if p.status == http.StatusOK {
		p.granted[r.URL.Query().Get("pgtIou")] = r.URL.Query().Get("pgtId")
	}
}

// pgt is the ticket that was sent under a name.
func (p *proxy) pgt(iou string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.granted[iou]
}

// called is how often the callback was.
func (p *proxy) called() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

func (p *proxy) app() string      { return p.URL + "/app" }
func (p *proxy) callback() string { return p.URL + "/callback" }

// service registers a proxy.
func (p *proxy) service(name string) cas.Service {
	return cas.Service{RelyingParty: sso.RelyingParty{Name: name}, Prefix: p.URL, Proxy: cas.Proxy{Callbacks: []string{p.callback()}}}
}

// proxyTicket asks /cas/proxy and returns the ticket or the code.
func (h *house) proxyTicket(query ...string) (ticket, code string) {
	h.t.Helper()
	resp, err := http.Get(h.url + "/cas/proxy" + encode(query))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var read struct {
		XMLName xml.Name `xml:"http://www.yale.edu/tp/cas serviceResponse"`
		Ticket  string   `xml:"http://www.yale.edu/tp/cas proxySuccess>proxyTicket"`
		Failure *struct {
			Code string `xml:"code,attr"`
		} `xml:"http://www.yale.edu/tp/cas proxyFailure"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&read); err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatal(resp.StatusCode, err)
	}
	if (read.Ticket == "") == (read.Failure == nil) {
		h.t.Fatalf("X1: not exactly one of success and failure: %+v", read)
	}
	if read.Failure != nil {
		return "", read.Failure.Code
	}
	return read.Ticket, ""
}

// grantingTicket signs alice in at a proxy and returns its proxy-granting
// ticket.
func (h *house) grantingTicket(b *browser, p *proxy) string {
	h.t.Helper()
	ticket := b.ticketFor("alice", p.app())
	got := h.validate("serviceValidate", "service", p.app(), "ticket", ticket, "pgtUrl", p.callback())
	pgt := p.pgt(got.iou)
	if pgt == "" {
		h.t.Fatalf("no proxy-granting ticket: %s", got.body)
	}
	return pgt
}

// R-CAS-13: three services in a chain, and one logout that ends it.
func TestRCAS13(t *testing.T) {
	portal, mail, archive := newProxy(t), newProxy(t), newProxy(t)
	h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{portal.service("Portal"), mail.service("Mail"), archive.service("Archive")}})
	h.runOutbox()
	b := h.browser()

	first := b.ticketFor("alice", portal.app())
	got := h.validate("serviceValidate", "service", portal.app(), "ticket", first, "pgtUrl", portal.callback()+"?own=1&x")
	pgt := portal.pgt(got.iou)
	if got.user != "alice" || pgt == "" || !strings.HasPrefix(got.iou, "PGTIOU-") || !strings.HasPrefix(pgt, "PGT-") || got.proxies != nil {
		t.Fatalf("P3: %s", got.body)
	}
	call := portal.calls[0].URL
	if call.Path != "/callback" || !strings.HasPrefix(call.RawQuery, "own=1&x&") || strings.Contains(got.iou, pgt[4:]) {
		t.Errorf("P2: %s", call)
	}
	second, code := h.proxyTicket("pgt", pgt, "targetService", mail.app())
	if len(second) != 32 || !strings.HasPrefix(second, "PT-") {
		t.Fatalf("%q %q", second, code)
	}
	got = h.validate("proxyValidate", "service", mail.app(), "ticket", second, "pgtUrl", mail.callback())
	if diff := cmp.Diff([]string{portal.callback() + "?own=1&x"}, got.proxies); diff != "" || got.user != "alice" || got.attributes["isFromNewLogin"][0] != "false" {
		t.Fatalf("Q2: %s %s", diff, got.body)
	}
	third, _ := h.proxyTicket("pgt", mail.pgt(got.iou), "targetService", archive.app())
	got = h.validate("p3/proxyValidate", "service", archive.app(), "ticket", third)
	if diff := cmp.Diff([]string{mail.callback(), portal.callback() + "?own=1&x"}, got.proxies); diff != "" || got.user != "alice" {
		t.Errorf("Q2, the most recent first: %s %s", diff, got.body)
	}
	if again := h.validate("proxyValidate", "service", archive.app(), "ticket", third); again.code != "INVALID_TICKET" {
		t.Errorf("Q4, a second time: %q", again.code)
	}

	// Q3: the same in JSON, which is spent where it is no good.
	unused, _ := h.proxyTicket("pgt", pgt, "targetService", mail.app())
	for _, c := range []struct{ rule, endpoint, service, code string }{
		{"Q4, another service", "proxyValidate", archive.app(), "INVALID_SERVICE"},
		{"V5", "serviceValidate", mail.app(), "INVALID_TICKET_SPEC"},
		{"V5", "p3/serviceValidate", mail.app(), "INVALID_TICKET_SPEC"},
	} {
		ticket, _ := h.proxyTicket("pgt", pgt, "targetService", mail.app())
		if got := h.validate(c.endpoint, "service", c.service, "ticket", ticket); got.code != c.code {
			t.Errorf("%s: %q", c.rule, got.code)
		}
		if got := h.validate("proxyValidate", "service", mail.app(), "ticket", ticket); got.code != "INVALID_TICKET" {
			t.Errorf("%s: then %q", c.rule, got.code)
		}
	}
	ticket, _ := h.proxyTicket("pgt", pgt, "targetService", mail.app())
	if got := h.validate("validate", "service", mail.app(), "ticket", ticket); got.body != "no\n\n" {
		t.Errorf("V2: %q", got.body)
	}
	ticket, _ = h.proxyTicket("pgt", pgt, "targetService", mail.app())
	if got := h.validate("proxyValidate", "service", mail.app(), "ticket", ticket, "renew", "true"); got.code != "INVALID_TICKET" {
		t.Errorf("V7: %q", got.code)
	}

	b.get("/cas/logout")
	if got := h.validate("proxyValidate", "service", mail.app(), "ticket", unused); got.code != "INVALID_TICKET" {
		t.Errorf("Q5: a proxy ticket outlives the session: %q", got.code)
	}
	if _, code := h.proxyTicket("pgt", pgt, "targetService", mail.app()); code != "INVALID_TICKET" {
		t.Errorf("Q5, Q7: a proxy-granting ticket outlives the session: %q", code)
	}
	if told := next(t, portal.ended); told != first {
		t.Errorf("the portal is told of %s, not of %s", told, first)
	}
	if told := next(t, archive.ended); told != third {
		t.Errorf("the archive is told of %s, not of %s", told, third)
	}
	heard := []string{}
	for range 7 { // one for each ticket
		heard = append(heard, next(t, mail.ended))
	}
	if !slices.Contains(heard, second) || !slices.Contains(heard, unused) {
		t.Errorf("the mail is told of %v", heard)
	}
}

// X5: a proxy ticket validated in JSON.
func TestProxyJSON(t *testing.T) {
	portal, mail := newProxy(t), newProxy(t)
	h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{portal.service("Portal"), mail.service("Mail")}})
	ticket, _ := h.proxyTicket("pgt", h.grantingTicket(h.browser(), portal), "targetService", mail.app())
	got := h.validate("proxyValidate", "service", mail.app(), "ticket", ticket, "pgtUrl", mail.callback(), "format", "JSON")
	var read struct {
		Response struct {
			Success struct {
				User    string   `json:"user"`
				IOU     string   `json:"proxyGrantingTicket"`
				Proxies []string `json:"proxies"`
			} `json:"authenticationSuccess"`
		} `json:"serviceResponse"`
	}
	if err := json.Unmarshal([]byte(got.body), &read); err != nil {
		t.Fatal(err, got.body)
	}
	told := read.Response.Success
	if diff := cmp.Diff([]string{portal.callback()}, told.Proxies); diff != "" || told.User != "alice" || mail.pgt(told.IOU) == "" {
		t.Errorf("%s: %s", diff, got.body)
	}
	refused := h.validate("proxy", "format", "JSON")
	if !strings.Contains(refused.body, `{"serviceResponse":{"proxyFailure":{"code":"INVALID_REQUEST"`) {
		t.Errorf("%s", refused.body)
	}
}

// R-CAS-14: the callback is one of the service's own, over verified TLS, and
// answers itself.
func TestRCAS14(t *testing.T) {
	good, strange := newProxy(t), newProxy(t)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called without TLS") }))
	defer plain.Close()
	for _, c := range []struct {
		rule    string
		change  func(*cas.Service)
		pgtURL  string
		status  int
		code    string
		calls   int
		without bool // succeeds, without a proxy-granting ticket
	}{
		{rule: "good", pgtURL: good.callback(), calls: 1},
		{rule: "below", pgtURL: good.callback() + "/more", calls: 1},
		{rule: "P1, not https", change: func(s *cas.Service) { s.Proxy.Callbacks = []string{plain.URL} }, pgtURL: plain.URL + "/callback", code: "INVALID_PROXY_CALLBACK"},
		{rule: "no URL", pgtURL: "callback", code: "INVALID_PROXY_CALLBACK"},
		{rule: "not the service's", pgtURL: strange.callback(), code: "INVALID_PROXY_CALLBACK"},
		{rule: "beside", pgtURL: good.URL + "/callback2", code: "INVALID_PROXY_CALLBACK"},
		{rule: "userinfo", pgtURL: strings.Replace(good.callback(), "https://", "https://x@", 1), code: "INVALID_PROXY_CALLBACK"},
		{rule: "P1, certificate of another name", change: func(s *cas.Service) {
			s.Proxy.Callbacks = []string{strings.Replace(good.callback(), "127.0.0.1", "localhost", 1)}
		}, pgtURL: strings.Replace(good.callback(), "127.0.0.1", "localhost", 1), code: "INVALID_PROXY_CALLBACK"},
		{rule: "P3, 404", pgtURL: good.callback(), status: http.StatusNotFound, code: "INVALID_PROXY_CALLBACK", calls: 1},
		{rule: "P4, redirect", pgtURL: good.callback(), status: http.StatusFound, code: "INVALID_PROXY_CALLBACK", calls: 1},
		{rule: "P5, leniency", change: func(s *cas.Service) { s.Proxy.WithoutPGT = true }, pgtURL: good.callback(), status: http.StatusInternalServerError, calls: 1, without: true},
		{rule: "may not", change: func(s *cas.Service) { s.Proxy = cas.Proxy{} }, pgtURL: good.callback(), code: "UNAUTHORIZED_SERVICE_PROXY"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			service := good.service("Portal")
			if c.change != nil {
				c.change(&service)
			}
			h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{service}})
			good.status = http.StatusOK
			if c.status != 0 {
				good.status = c.status
			}
			before := good.called()
			ticket := h.browser().ticketFor("alice", good.app())
			got := h.validate("serviceValidate", "service", good.app(), "ticket", ticket, "pgtUrl", c.pgtURL)
			if got.code != c.code || good.called()-before != c.calls || strange.called() != 0 {
				t.Errorf("%q after %d calls, want %q and %d", got.code, good.called()-before, c.code, c.calls)
			}
			if c.code == "" && (got.iou == "") != c.without {
				t.Errorf("PGTIOU %q", got.iou)
			}
			if c.code != "" || c.without { // P6
				good.mu.Lock()
				defer good.mu.Unlock()
				if c.calls == 1 {
					pgt := good.calls[len(good.calls)-1].URL.Query().Get("pgtId")
					if _, code := h.proxyTicket("pgt", pgt, "targetService", good.app()); code != "INVALID_TICKET" {
						t.Errorf("a ticket whose callback failed is good: %q", code)
					}
				}
			}
			if strings.Contains(h.log.String(), "PGT-") {
				t.Errorf("the log holds a proxy-granting ticket: %s", h.log)
			}
			if got := h.validate("serviceValidate", "service", good.app(), "ticket", ticket); got.code != "INVALID_TICKET" {
				t.Errorf("the ticket was not spent: %q", got.code)
			}
		})
	}
}

// P6: the service's own fault calls nobody. P7: nor is a private address
// reached by a client for public ones.
func TestP7(t *testing.T) {
	portal := newProxy(t)
	h := openConfig(t, cas.Config{Services: []cas.Service{portal.service("Portal")}})
	b := h.browser()
	ticket := b.ticketFor("alice", portal.app())
	if got := h.validate("serviceValidate", "service", portal.app()+"/other", "ticket", ticket, "pgtUrl", portal.callback()); got.code != "INVALID_SERVICE" || h.public.Load() != 0 {
		t.Errorf("P6: %q after %d calls", got.code, h.public.Load())
	}
	ticket = b.get("/cas/login", "service", portal.app()).ticket()
	if got := h.validate("serviceValidate", "service", portal.app(), "ticket", ticket, "pgtUrl", portal.callback()); got.code != "INVALID_PROXY_CALLBACK" {
		t.Errorf("P7: %q", got.code)
	}
	if h.public.Load() != 1 || portal.called() != 0 {
		t.Errorf("P7: %d calls by the client for public addresses, %d arrived", h.public.Load(), portal.called())
	}
}

// Section 2.7.3 and Q7: the refusals of /proxy.
func TestProxyRefusals(t *testing.T) {
	portal := newProxy(t)
	closed := cas.Service{RelyingParty: sso.RelyingParty{Name: "Staff"}, URL: "https://staff.example/"}
	closed.User.Name = "memberOf" // of which alice has two
	h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{portal.service("Portal"), closed}})
	b := h.browser()
	pgt := h.grantingTicket(b, portal)
	for _, c := range []struct {
		rule  string
		query []string
		code  string
	}{
		{"nothing", nil, "INVALID_REQUEST"},
		{"no target", []string{"pgt", pgt}, "INVALID_REQUEST"},
		{"no ticket", []string{"targetService", portal.app()}, "INVALID_REQUEST"},
		{"twice", []string{"pgt", pgt, "pgt", pgt, "targetService", portal.app()}, "INVALID_REQUEST"},
		{"format", []string{"pgt", pgt, "targetService", portal.app(), "format", "YAML"}, "INVALID_REQUEST"},
		{"unknown", []string{"pgt", "PGT-00000000000000000000000000000", "targetService", portal.app()}, "INVALID_TICKET"},
		{"no such ticket", []string{"pgt", "x", "targetService", portal.app()}, "INVALID_TICKET"},
		{"R-CAS-06", []string{"pgt", pgt, "targetService", "https://evil.example/"}, "UNAUTHORIZED_SERVICE"},
		{"not for this account", []string{"pgt", pgt, "targetService", "https://staff.example/"}, "UNAUTHORIZED_SERVICE"},
	} {
		if _, code := h.proxyTicket(c.query...); code != c.code {
			t.Errorf("%s: %q, want %q", c.rule, code, c.code)
		}
	}
	resp, err := http.Get(h.url + "/cas/proxy" + encode([]string{"pgt", pgt, "targetService", portal.app(), "format", "JSON"}))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var read struct {
		Response struct {
			Success struct {
				Ticket string `json:"proxyTicket"`
			} `json:"proxySuccess"`
		} `json:"serviceResponse"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&read); err != nil || !strings.HasPrefix(read.Response.Success.Ticket, "PT-") {
		t.Errorf("JSON: %v %+v", err, read)
	}
}

// R-AUTH-23: a proxy gets nothing more for an account that was closed.
func TestProxyAfterClosing(t *testing.T) {
	portal := newProxy(t)
	h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{portal.service("Portal")}})
	b := h.browser()
	pgt := h.grantingTicket(b, portal)
	h.clock.Advance(61e9)
	if _, code := h.proxyTicket("pgt", pgt, "targetService", portal.app()); code != "" {
		t.Fatal(code)
	}
	h.people.closed.Store(true)
	if _, code := h.proxyTicket("pgt", pgt, "targetService", portal.app()); code != "" {
		t.Errorf("within the minute: %q", code)
	}
	h.clock.Advance(61e9)
	if _, code := h.proxyTicket("pgt", pgt, "targetService", portal.app()); code != "INVALID_TICKET" {
		t.Errorf("after it: %q", code)
	}
	if form := b.get("/cas/login", "service", portal.app()); form.state() == "" {
		t.Errorf("the session lives on: %d", form.StatusCode)
	}
}

// A service that wants fresh credentials gets no ticket by a program from a
// session in which they were given too long ago.
func TestFreshnessForPrograms(t *testing.T) {
	portal := newProxy(t)
	bank := cas.Service{RelyingParty: sso.RelyingParty{Name: "Bank", MaxAge: plugin.Duration(10 * time.Minute)}, URL: "https://bank.example/"}
	h := openConfig(t, cas.Config{PrivateCallbacks: true, REST: true, Services: []cas.Service{portal.service("Portal"), bank}})
	b := h.browser()
	pgt := h.grantingTicket(b, portal)
	at := strings.TrimPrefix(b.post("/cas/v1/tickets", "username", "alice", "password", "right").Header.Get("Location"), h.url)
	for _, c := range []struct {
		code   string
		status int
	}{{"", http.StatusOK}, {"UNAUTHORIZED_SERVICE", http.StatusForbidden}} {
		if _, code := h.proxyTicket("pgt", pgt, "targetService", bank.URL); code != c.code {
			t.Errorf("a proxy: %q, want %q", code, c.code)
		}
		if a := b.post(at, "service", bank.URL); a.StatusCode != c.status {
			t.Errorf("a program: %d, want %d", a.StatusCode, c.status)
		}
		h.clock.Advance(11 * time.Minute)
	}
}

// The browser's cookie is as good after a proxy came by way of the session.
func TestProxyLeavesTheCookie(t *testing.T) {
	portal := newProxy(t)
	h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{portal.service("Portal")}})
	b := h.browser()
	pgt := h.grantingTicket(b, portal)
	if _, code := h.proxyTicket("pgt", pgt, "targetService", portal.app()); code != "" {
		t.Fatal(code)
	}
	if a := b.get("/cas/login", "service", portal.app()); a.ticket() == "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// However often a proxy calls on, the services that the person entered hear of
// the end (R-CAS-16).
func TestProxiesForgetNobody(t *testing.T) {
	front, back := newProxy(t), newProxy(t)
	h := openConfig(t, cas.Config{PrivateCallbacks: true, Services: []cas.Service{front.service("Portal"), back.service("Mail")}})
	back.ended = make(chan string, 400)
	b := h.browser()
	pgt := h.grantingTicket(b, front)
	entered := b.get("/cas/login", "service", front.app()+"/other").ticket()
	h.clock.Advance(time.Second)
	for range 305 {
		if ticket, code := h.proxyTicket("pgt", pgt, "targetService", back.app()); ticket == "" {
			t.Fatal(code)
		}
	}
	h.runOutbox()
	b.get("/cas/logout")
	for next(t, front.ended) != entered {
	}
}
