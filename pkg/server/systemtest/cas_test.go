package systemtest_test

import (
	"encoding/pem"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// proxy is a service over TLS which takes proxy-granting tickets at /callback
// and messages of logout elsewhere.
type proxy struct {
	*httptest.Server
	mu      sync.Mutex
	granted map[string]string // by PGTIOU
	ended   chan string       // tickets
}

func newProxy(t *testing.T) *proxy {
	p := &proxy{granted: map[string]string{}, ended: make(chan string, 100)}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var message struct{ SessionIndex string }
		_ = xml.Unmarshal([]byte(r.PostFormValue("logoutRequest")), &message)
		p.ended <- message.SessionIndex
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.granted[r.FormValue("pgtIou")] = r.FormValue("pgtId")
}

func (p *proxy) pgt(iou string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.granted[iou]
}

func (p *proxy) app() string      { return p.URL + "/app" }
func (p *proxy) callback() string { return p.URL + "/callback" }

// proxyWorld is two processes that trust the proxies and have them registered.
func proxyWorld(t *testing.T, proxies ...*proxy) *world {
	t.Helper()
	trusted := filepath.Join(t.TempDir(), "roots.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxies[0].Certificate().Raw}) // that of all of them
	if err := os.WriteFile(trusted, root, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", trusted)
	services := ""
	for _, p := range proxies {
		services += "\n      - {name: Proxy, prefix: \"" + p.URL + "\", proxy: {callbacks: [\"" + p.callback() + "\"]}}"
	}
	w := newServers(t, university, strings.Replace(configuration, "  cas:\n    services:", "  cas:\n    privateCallbacks: true\n    services:"+services, 1))
	w.a, w.b = w.serve(t), w.serve(t)
	return w
}

// next is what arrives next; a test that waits in vain fails and does not hang.
func next(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case text := <-from:
		return text
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrives")
		return ""
	}
}

// casAnswer is an answer of CAS in XML.
type casAnswer struct {
	User    string   `xml:"authenticationSuccess>user"`
	IOU     string   `xml:"authenticationSuccess>proxyGrantingTicket"`
	Proxies []string `xml:"authenticationSuccess>proxies>proxy"`
	Failure struct {
		Code string `xml:"code,attr"`
	} `xml:"authenticationFailure"`
	Ticket  string `xml:"proxySuccess>proxyTicket"`
	Refused struct {
		Code string `xml:"code,attr"`
	} `xml:"proxyFailure"`
}

func (n *node) cas(t *testing.T, endpoint string, query url.Values) casAnswer {
	t.Helper()
	answer, err := n.client.Get(issuer + "/cas/" + endpoint + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var read casAnswer
	if err := xml.NewDecoder(answer.Body).Decode(&read); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	return read
}

// redeems tells whether this validation is the one that succeeds.
func (n *node) redeems(t *testing.T, endpoint, service, ticket string) bool {
	answer, err := n.client.Get(issuer + "/cas/" + endpoint + "?service=" + url.QueryEscape(service) + "&ticket=" + ticket)
	if err != nil {
		t.Error(err)
		return false
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Error(answer.Status, err)
	}
	return strings.HasPrefix(string(body), "yes\n") || strings.Contains(string(body), "<cas:user>")
}

// R-CAS-02: 2,000 tickets, each validated by 50 at once, at three endpoints of
// two processes, succeed 2,000 times.
func TestRCAS02(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w.a)
	b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	endpoints := []string{"validate", "serviceValidate", "p3/serviceValidate"}
	tickets, successes := 2**rounds, 0
	for round := range tickets {
		ticket := b.on([]*node{w.a, w.b}[round%2]).get(casLogin(casService)).arrived(casService, "ticket")
		var rival atomic.Int64
		won := w.winners(func(at *node) bool {
			return at.redeems(t, endpoints[int(rival.Add(1))%len(endpoints)], casService, ticket)
		})
		if won != 1 {
			t.Errorf("round %d: %d of %d validated one ticket", round, won, rivals)
		}
		successes += won
	}
	if successes != tickets {
		t.Errorf("%d successes for %d tickets", successes, tickets)
	}
}

// R-CAS-13 over replicas: each step of a chain is served by the process that
// did not serve the one before, and a logout at one of them ends it all.
func TestProxyChainOverReplicas(t *testing.T) {
	portal, mail, archive := newProxy(t), newProxy(t), newProxy(t)
	w := proxyWorld(t, portal, mail, archive)
	b := newBrowser(t, w.a)
	b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")

	first := b.get(casLogin(portal.app())).arrived(portal.app(), "ticket")
	got := w.b.cas(t, "serviceValidate", url.Values{"service": {portal.app()}, "ticket": {first}, "pgtUrl": {portal.callback()}})
	pgt := portal.pgt(got.IOU)
	second := w.a.cas(t, "proxy", url.Values{"pgt": {pgt}, "targetService": {mail.app()}}).Ticket
	got = w.b.cas(t, "proxyValidate", url.Values{"service": {mail.app()}, "ticket": {second}, "pgtUrl": {mail.callback()}})
	further := mail.pgt(got.IOU)
	third := w.a.cas(t, "proxy", url.Values{"pgt": {further}, "targetService": {archive.app()}}).Ticket
	got = w.b.cas(t, "proxyValidate", url.Values{"service": {archive.app()}, "ticket": {third}})
	if diff := cmp.Diff([]string{mail.callback(), portal.callback()}, got.Proxies); diff != "" || got.User != "elefevre" {
		t.Fatalf("%q %s", got.User, diff)
	}
	unused := w.a.cas(t, "proxy", url.Values{"pgt": {further}, "targetService": {archive.app()}}).Ticket
	if unused == "" {
		t.Fatal("no second ticket")
	}

	b.on(w.b).get("/cas/logout").shows(http.StatusOK, "You are signed out")
	for at, each := range map[*node]string{w.a: pgt, w.b: further} {
		if got := at.cas(t, "proxy", url.Values{"pgt": {each}, "targetService": {archive.app()}}); got.Refused.Code != "INVALID_TICKET" {
			t.Errorf("a proxy-granting ticket outlives the session: %+v", got)
		}
	}
	if got := w.a.cas(t, "proxyValidate", url.Values{"service": {archive.app()}, "ticket": {unused}}); got.Failure.Code != "INVALID_TICKET" {
		t.Errorf("a proxy ticket outlives the session: %+v", got)
	}
	for _, c := range []struct {
		at   *proxy
		want []string
	}{{portal, []string{first}}, {mail, []string{second}}, {archive, []string{third, unused}}} {
		var heard []string
		for range c.want {
			heard = append(heard, next(t, c.at.ended))
		}
		slices.Sort(heard)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, heard); diff != "" {
			t.Errorf("told of the end: %s", diff)
		}
	}
}

// R-CAS-16: of twenty services entered at once, by way of two processes, every
// one is told of the end.
func TestRCAS16(t *testing.T) {
	w := newServers(t, university, strings.Replace(configuration, "    services:", "    services:\n      - {name: Local, loopback: true}", 1))
	w.a, w.b = w.serve(t), w.serve(t)
	ended := make(chan string, 100)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ SessionIndex string }
		_ = xml.Unmarshal([]byte(r.PostFormValue("logoutRequest")), &message)
		ended <- message.SessionIndex
	}))
	t.Cleanup(service.Close)
	b := newBrowser(t, w.a)
	b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")

	tickets := make([]string, 20)
	var entered sync.WaitGroup
	for i := range tickets {
		at := []*node{w.a, w.b}[i%2]
		entered.Go(func() {
			r, err := http.NewRequest(http.MethodGet, casLogin(service.URL+"/"+string(rune('a'+i))), nil)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range b.jar.Cookies(r.URL) {
				r.AddCookie(c)
			}
			answer, err := at.client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			answer.Body.Close()
			to, err := answer.Location()
			if err != nil {
				t.Error(answer.Status, err)
				return
			}
			tickets[i] = to.Query().Get("ticket")
		})
	}
	entered.Wait()
	b.on(w.b).get("/cas/logout")
	var heard []string
	for range tickets {
		heard = append(heard, next(t, ended))
	}
	slices.Sort(tickets)
	slices.Sort(heard)
	if diff := cmp.Diff(tickets, heard); diff != "" {
		t.Error(diff)
	}
}
