package cas_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/memory"
)

// app is the service that most tests use.
const app = "http://127.0.0.1:9/app"

var services = []cas.Service{
	{RelyingParty: sso.RelyingParty{Name: "Try", Grace: sso.GraceAllow, Attributes: []sso.Attribute{{Name: "mail"}, {Name: "memberOf"}, {Name: "x;lang-fr", As: "x_lang-fr"}, {Name: "displayName"}}}, Loopback: true},
	{RelyingParty: sso.RelyingParty{Name: "Moodle"}, Prefix: "https://moodle.example/cas"},
	{RelyingParty: sso.RelyingParty{Name: "Exact"}, URL: "https://app.univ.example/"},
}

// house is a whole server with nothing but CAS in it.
type house struct {
	t      testing.TB
	url    string
	clock  *memory.FakeTimeStore
	store  *faulty
	people *people
	outbox *outbox.Outbox
	log    *strings.Builder // of the protocol, not of requests
	trips  atomic.Int64
	public atomic.Int64 // calls by the client for public addresses, which has nobody to reach
}

func open(t testing.TB, registered ...cas.Service) *house {
	t.Helper()
	if registered == nil {
		registered = services
	}
	return openConfig(t, cas.Config{Services: registered})
}

func openConfig(t testing.TB, config cas.Config) *house {
	t.Helper()
	h := &house{t: t, people: &people{}, log: &strings.Builder{}}
	var err error
	h.clock, err = memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), func(int) { h.trips.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.clock.Close() })
	h.store = &faulty{Store: h.clock}

	server := httptest.NewUnstartedServer(nil)
	h.url = "http://" + server.Listener.Addr().String()
	quiet := slog.New(slog.DiscardHandler)
	mux, err := web.New(web.Config{Issuer: h.url, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := render.Open(render.Config{Issuer: h.url})
	if err != nil {
		t.Fatal(err)
	}
	keys := secret.RandomKeyring()
	h.outbox = &outbox.Outbox{Store: h.store, Box: keys.Box("outbox"), Logger: quiet, Now: h.clock.Now, Poll: time.Millisecond}
	manager := &session.Manager{
		Cookies: &session.Cookies{Store: h.store, Options: sessions.Options{Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}, Idle: time.Hour, Life: 8 * time.Hour},
		Cookie:  "session", Keys: keys, Outbox: h.outbox, Now: h.clock.Now,
	}
	flow := &login.Flow{
		Directory: h.people, Sessions: manager, Keys: keys, Pages: plainPages{}, Audit: audit.Log{Logger: quiet},
		Limits: login.DefaultLimits(), Steps: []login.Step{login.GraceNotice{Pages: plainPages{}}}, Resume: http.HandlerFunc(mux.Again), Floor: time.Nanosecond, Now: h.clock.Now,
	}
	protocol, err := config.Open(t.Context(), sso.Env{
		Issuer: h.url, Store: h.store, Directory: h.people, Login: flow, Sessions: manager, Outbox: h.outbox, Keys: keys,
		Pages: pages, Audit: audit.Log{Logger: quiet}, Logger: slog.New(slog.NewTextHandler(h.log, nil)), Now: h.clock.Now,
		Client: &http.Client{Timeout: 5 * time.Second, Transport: trusting(t), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Public: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			h.public.Add(1)
			return nil, errors.New("nobody is there")
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	protocol.Routes(mux)
	mux.Page("POST /login", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		flow.Login(w, r, login.Credentials{Login: r.PostFormValue("username"), Password: secret.New(r.PostFormValue("password")),
			Remember: r.PostFormValue("remember") != "", State: r.PostFormValue("state")})
	}))
	mux.Page("POST /login/continue", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		flow.Continue(w, r, r.PostFormValue("state"))
	}))
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	return h
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// trusting believes the certificate of every TLS server of package httptest.
func trusting(t testing.TB) *http.Transport {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// runOutbox lets the farewells leave until the test ends.
func (h *house) runOutbox() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.outbox.Run(ctx) }()
	h.t.Cleanup(func() { stop(); <-ended })
}

// browser keeps cookies and follows nothing.
type browser struct {
	h *house
	c http.Client
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	*http.Response
	body string
}

func (b *browser) do(req *http.Request, err error) answer {
	b.h.t.Helper()
	if err != nil {
		b.h.t.Fatal(err)
	}
	resp, err := b.c.Do(req)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

func (b *browser) get(path string, query ...string) answer {
	b.h.t.Helper()
	return b.do(http.NewRequest(http.MethodGet, b.h.url+path+encode(query), nil))
}

func (b *browser) post(path string, fields ...string) answer {
	b.h.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.h.url+path, strings.NewReader(strings.TrimPrefix(encode(fields), "?")))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.do(req, err)
}

func encode(pairs []string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

var stateField = regexp.MustCompile(`name="state" value="([^"]*)"`)

// state is the hidden field of the form in an answer; empty when there is no
// form.
func (a answer) state() string {
	if m := stateField.FindStringSubmatch(a.body); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// ticket is the one that a redirect carries; empty when there is none.
func (a answer) ticket() string {
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		return ""
	}
	all := to.Query()["ticket"]
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1] // the service may have brought one
}

// signIn goes through the form as somebody and returns where it leads.
func (b *browser) signIn(who string, query ...string) answer {
	b.h.t.Helper()
	form := b.get("/cas/login", query...)
	if form.state() == "" {
		b.h.t.Fatalf("no form but %d %s", form.StatusCode, form.body)
	}
	a := b.post("/login", "username", who, "password", "right", "state", form.state())
	if own, ok := strings.CutPrefix(a.Header.Get("Location"), "/cas/"); ok {
		return b.get("/cas/" + own) // a notice has a URL of its own
	}
	return a
}

// ticketFor signs in and returns the ticket.
func (b *browser) ticketFor(who, service string) string {
	b.h.t.Helper()
	a := b.signIn(who, "service", service)
	if a.ticket() == "" {
		b.h.t.Fatalf("no ticket but %d %s", a.StatusCode, a.body)
	}
	return a.ticket()
}

// plainPages are the least that a browser needs.
type plainPages struct{}

func (plainPages) LoginForm(w http.ResponseWriter, _ *http.Request, f login.Form) {
	page := `<form method="post" action="/login"><input type="hidden" name="state" value="` + f.State + `">` +
		"\nfailure=" + string(f.Failure) + "\nlogin=" + f.Login + "\nparty=" + f.Party + "\ntargets=" + strings.Join(f.Targets, " ") + "\n"
	for name, values := range f.Echo {
		page += `<input type="hidden" name="` + name + `" value="` + html.EscapeString(values[0]) + `">`
	}
	_, _ = io.WriteString(w, page)
}

func (plainPages) Refused(w http.ResponseWriter, _ *http.Request, _ account.Account, why account.Reason, _ string) {
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w, "refused="+string(why))
}

func (plainPages) GraceNotice(w http.ResponseWriter, _ *http.Request, _ account.Account, form login.StepForm) {
	_, _ = io.WriteString(w, `grace <form method="post" action="/login/continue"><input type="hidden" name="state" value="`+form.State+`">`)
}

func (plainPages) Unavailable(w http.ResponseWriter, _ *http.Request, _ error) {
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// people is a directory in which everybody's password is "right".
type people struct {
	reads atomic.Int64
	told  string // the attribute memberOf of the account "told"
	// closed makes Get find every account disabled.
	closed atomic.Bool
}

var hostile = "</cas:user><cas:user>admin ]]> & \x00\x0b\x1b\r\n\t\xff" + strings.Repeat("é<", 16<<10)

var everybody = map[string]account.Account{
	"alice": {ID: "1", Login: "alice", Name: "Alice Â", Mail: "alice@univ.example", Status: account.Active,
		Attributes: map[string][]string{"memberOf": {"staff", "it"}, "x;lang-fr": {"oui"}, "secret": {"never told"}}},
	"bob":     {ID: "2", Login: "bob", Status: account.Active},
	"grace":   {ID: "3", Login: "grace", Status: account.Grace, Reason: account.ReasonDeparture},
	"gone":    {ID: "4", Login: "gone", Status: account.Disabled, Reason: account.ReasonExpired},
	"hostile": {ID: "5", Login: "<host&ile>", Status: account.Active, Attributes: map[string][]string{"memberOf": {hostile}}},
	"newline": {ID: "6", Login: "new\nadmin", Status: account.Active},
}

func (p *people) Find(_ context.Context, login string) (account.Account, error) {
	p.reads.Add(1)
	if login == "told" {
		return account.Account{ID: "7", Login: "told", Status: account.Active, Attributes: map[string][]string{"memberOf": {p.told}}}, nil
	}
	if a, ok := everybody[strings.ToLower(login)]; ok {
		return a, nil
	}
	return account.Account{}, directory.ErrNotFound
}

func (p *people) Get(_ context.Context, id account.ID) (account.Account, error) {
	p.reads.Add(1)
	for _, a := range everybody {
		if a.ID == id {
			if p.closed.Load() {
				a.Status, a.Reason = account.Disabled, account.ReasonClosed
			}
			return a, nil
		}
	}
	return account.Account{}, directory.ErrNotFound
}

func (*people) Authenticate(_ context.Context, _ account.Account, password secret.String) error {
	if password.Reveal() != "right" {
		return directory.ErrBadPassword
	}
	return nil
}

// faulty is a store that can be made to fail.
type faulty struct {
	store.Store
	down atomic.Bool
}

func (f *faulty) Do(ctx context.Context, ops ...store.Op) error {
	if f.down.Load() {
		return errors.Join(store.ErrUnavailable, errors.New("switched off"))
	}
	return f.Store.Do(ctx, ops...)
}
