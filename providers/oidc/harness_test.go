package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/signing"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/oidc"
)

// The keys are made once: an RSA key takes a while.
var rsaKey, ecKey = func() (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return r, e
}()

var signers = []signing.Key{{ID: "r1", Algorithm: "RS256", Private: rsaKey}, {ID: "e1", Algorithm: "ES256", Private: ecKey}}

// The cast: W and X are confidential, P is public.
const (
	callback       = "https://w.example/cb"
	callbackX      = "https://x.example/cb?keep=%2F+1"
	nativeCallback = "http://127.0.0.1/cb"
	verifier       = "a-verifier-of-at-least-forty-three-characters-0123"
)

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func relyingParty(name string) sso.RelyingParty { return sso.RelyingParty{Name: name} }

func cast() oidc.Config {
	off := false
	all := []string{"openid", "profile", "email", "offline_access"}
	return oidc.Config{Clients: []oidc.Client{
		{RelyingParty: relyingParty("W"), ID: "w", Secret: secret.New("the secret of w: & %+é."), RedirectURIs: []string{callback},
			PostLogoutRedirectURIs: []string{"https://w.example/bye"}, Scopes: all, SigningAlgorithm: "ES256"},
		{RelyingParty: sso.RelyingParty{Name: "X", Attributes: []sso.Attribute{{Name: "login"}, {Name: "eduPersonAffiliation"}}}, ID: "x", Secret: secret.New("the secret of client x"),
			RedirectURIs: []string{callbackX, "https://x.example/cb", "http://127.0.0.1/x"}, Scopes: all, RequirePKCE: &off},
		{RelyingParty: relyingParty("P"), ID: "p", Public: true, RedirectURIs: []string{nativeCallback, "fr.example.p:/cb"}},
	}}
}

// people is a small directory. It counts how often it is asked.
type people struct {
	mu   sync.Mutex
	by   map[account.ID]account.Account
	asks atomic.Int64
	down atomic.Bool
}

func newPeople() *people {
	one := func(id, login string, status account.Status) account.Account {
		return account.Account{ID: account.ID(id), Login: login, Logins: []string{login}, Status: status,
			Name: "N " + login, GivenName: "N", FamilyName: login, Mail: login + "@univ.example", Language: "fr",
			Attributes: map[string][]string{"eduPersonAffiliation": {"member"}}}
	}
	p := &people{by: map[account.ID]account.Account{}}
	for _, a := range []account.Account{one("id-alice", "alice", account.Active), one("id-bob", "bob", account.Active), one("id-gus", "gus", account.Grace)} {
		p.by[a.ID] = a
	}
	return p
}

func (p *people) set(id account.ID, status account.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.by[id]
	a.Status = status
	if status == account.Disabled {
		a.Reason = account.ReasonClosed
	}
	p.by[id] = a
}

func (p *people) ask() error {
	p.asks.Add(1)
	if p.down.Load() {
		return directory.ErrUnavailable
	}
	return nil
}

func (p *people) Find(_ context.Context, login string) (account.Account, error) {
	if err := p.ask(); err != nil {
		return account.Account{}, err
	}
	return p.get(account.ID("id-" + login))
}

func (p *people) Get(_ context.Context, id account.ID) (account.Account, error) {
	if err := p.ask(); err != nil {
		return account.Account{}, err
	}
	return p.get(id)
}

func (p *people) get(id account.ID) (account.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.by[id]
	if !ok {
		return a, directory.ErrNotFound
	}
	return a, nil
}

func (p *people) Authenticate(_ context.Context, _ account.Account, password secret.String) error {
	if err := p.ask(); err != nil {
		return err
	}
	if !password.Equal(secret.New("good")) {
		return directory.ErrBadPassword
	}
	return nil
}

// pages are the least that a browser can go on with.
type pages struct{}

func form(w http.ResponseWriter, action, state string) {
	fmt.Fprintf(w, `<form action=%q><input name="state" value="%s"></form>`, action, html.EscapeString(state))
}

func (pages) LoginForm(w http.ResponseWriter, _ *http.Request, f login.Form) {
	w.Header().Set("X-Form", "login "+string(f.Failure)+" "+strings.Join(f.Targets, " ")+" "+f.Login)
	form(w, "/login", f.State)
}

func (pages) Refused(w http.ResponseWriter, _ *http.Request, _ account.Account, why account.Reason, _ string) {
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, why)
}

func (pages) GraceNotice(w http.ResponseWriter, _ *http.Request, _ account.Account, step login.StepForm) {
	w.Header().Set("X-Form", "grace")
	form(w, "/login/continue", step.State)
}

func (pages) Unavailable(w http.ResponseWriter, _ *http.Request, _ error) {
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// faulty is a store that can be made to fail.
type faulty struct {
	store.Store
	down atomic.Bool
	saw  atomic.Pointer[func(store.Op)] // when set, is shown every operation
}

// watch shows every operation to a function, nil for none.
func (f *faulty) watch(saw func(store.Op)) { f.saw.Store(&saw) }

func (f *faulty) Do(ctx context.Context, ops ...store.Op) error {
	if f.down.Load() {
		return store.ErrUnavailable
	}
	if saw := f.saw.Load(); saw != nil && *saw != nil {
		for _, op := range ops {
			(*saw)(op)
		}
	}
	return f.Store.Do(ctx, ops...)
}

// world is what replicas share.
type world struct {
	t      testing.TB
	clock  *memory.FakeTimeStore
	store  *faulty
	people *people
	keys   *secret.Keyring
	ring   *signing.Ring
	trips  atomic.Int64
	idle   bool // nobody looks at the outbox
	audit  *lines
}

// lines keeps the audit log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if all(parts, func(p string) bool { return strings.Contains(line, p) }) {
			return true
		}
	}
	return false
}

func all(parts []string, ok func(string) bool) bool {
	for _, p := range parts {
		if !ok(p) {
			return false
		}
	}
	return true
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, people: newPeople(), keys: secret.RandomKeyring(), ring: signing.Fixed(signers...), audit: &lines{}}
	clock, err := memory.NewFakeTimeStore(time.Now().Truncate(time.Second), func(int) { w.trips.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clock.Close() })
	w.clock, w.store = clock, &faulty{Store: clock}
	return w
}

// replica is one server of a world.
type replica struct {
	*world
	issuer   string
	url      string
	mux      *web.Mux
	sessions *session.Manager
	protocol sso.Protocol
}

// serve starts a replica. An empty issuer is its own address.
func (w *world) serve(config oidc.Config, issuer string) *replica {
	w.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	w.t.Cleanup(server.Close)
	address := "http://" + server.Listener.Addr().String()
	if issuer == "" {
		issuer = address
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	mux, err := web.New(web.Config{Issuer: issuer, Logger: quiet})
	must(err)
	cookies, err := web.CookiesFor(issuer)
	must(err)
	view, err := render.Open(render.Config{Issuer: issuer, Logger: quiet, Site: render.Site{
		Name: render.Text{"fr": "Université", "en": "University"}, Account: render.Text{"fr": "de l’université", "en": "university"},
	}})
	must(err)
	out := &outbox.Outbox{Store: w.store, Box: w.keys.Box("outbox"), Logger: quiet, Now: w.clock.Now}
	sessions := &session.Manager{
		Cookies: &session.Cookies{Store: w.store, Idle: 8 * time.Hour, Life: 24 * time.Hour},
		Cookie:  cookies.Name("session"), Keys: w.keys, Outbox: out, Now: w.clock.Now,
	}
	sessions.Cookies.Options.Path, sessions.Cookies.Options.HttpOnly = "/", true
	log := audit.Log{Logger: slog.New(slog.NewTextHandler(w.audit, nil))}
	flow := &login.Flow{
		Directory: w.people, Sessions: sessions, Keys: w.keys, Cookies: cookies, Pages: pages{}, Audit: log,
		Limits: login.DefaultLimits(), Steps: []login.Step{login.GraceNotice{Pages: pages{}}}, Resume: http.HandlerFunc(mux.Again), Floor: time.Nanosecond, Now: w.clock.Now,
	}
	protocol, err := config.Open(w.t.Context(), sso.Env{
		Issuer: issuer, Store: w.store, Directory: w.people, Login: flow, Sessions: sessions, Outbox: out, Keys: w.keys,
		Signers: w.ring, Pages: view, Audit: log, Logger: log.Logger, Now: w.clock.Now, Client: http.DefaultClient,
	})
	must(err)
	protocol.Routes(mux)
	mux.Page("POST /login", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		flow.Login(rw, r, login.Credentials{Login: r.PostForm.Get("username"), Password: secret.New(r.PostForm.Get("password")), State: r.PostForm.Get("state")})
	}))
	mux.Page("POST /login/continue", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		flow.Continue(rw, r, r.PostForm.Get("state"))
	}))
	server.Config.Handler = mux
	server.Start()
	if w.idle {
		return &replica{world: w, issuer: issuer, url: address, mux: mux, sessions: sessions, protocol: protocol}
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { out.Run(ctx) })
	w.t.Cleanup(func() { stop(); running.Wait() })
	return &replica{world: w, issuer: issuer, url: address, mux: mux, sessions: sessions, protocol: protocol}
}

func start(t testing.TB) *replica { return newWorld(t).serve(cast(), "") }

// browser keeps cookies and stops at each redirect.
type browser struct {
	*replica
	client *http.Client
}

func (r *replica) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &browser{r, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page is an answer that was read.
type page struct {
	*http.Response
	body string
}

func (b *browser) do(method, target string, form url.Values, header ...string) page {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.url + target
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{answer, string(text)}
}

func (b *browser) get(target string) page { b.t.Helper(); return b.do("GET", target, nil) }

// answer is the query of the redirect to a client.
func (p page) answer(t testing.TB) url.Values {
	t.Helper()
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil || p.StatusCode != http.StatusSeeOther {
		t.Fatalf("no redirect to a client: %d %q %.200s", p.StatusCode, p.Header.Get("Location"), p.body)
	}
	return u.Query()
}

// params is a good request of W's, changed by pairs; an empty value removes.
func params(changes ...string) url.Values {
	v := url.Values{"client_id": {"w"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {"st&te=1"}, "nonce": {"n0"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			v.Del(changes[i])
		} else {
			v.Set(changes[i], changes[i+1])
		}
	}
	return v
}

func asX(changes ...string) url.Values {
	return params(append([]string{"client_id", "x", "redirect_uri", callbackX}, changes...)...)
}

func (b *browser) authorize(v url.Values) page {
	b.t.Helper()
	return b.get("/oidc/authorize?" + v.Encode())
}

var hidden = regexp.MustCompile(`name="([a-z_]+)" value="([^"]*)"`)

func (p page) fields() url.Values {
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(p.body, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// submit answers a login form.
func (b *browser) submit(p page, user string) page {
	b.t.Helper()
	if !strings.HasPrefix(p.Header.Get("X-Form"), "login") {
		b.t.Fatalf("no login form: %d %s %.200s", p.StatusCode, p.Header.Get("Location"), p.body)
	}
	return b.do("POST", "/login", url.Values{"username": {user}, "password": {"good"}, "state": {p.fields().Get("state")}})
}

// code signs alice in, or goes on with her session, and returns a code.
func (b *browser) code(v url.Values) string {
	b.t.Helper()
	p := b.authorize(v)
	if p.StatusCode == http.StatusOK {
		p = b.submit(p, "alice")
	}
	code := p.answer(b.t).Get("code")
	if code == "" {
		b.t.Fatalf("no code: %s", p.Header.Get("Location"))
	}
	return code
}

// reply is the JSON of a machine's answer.
type reply struct {
	*http.Response
	json map[string]any
}

func (r reply) text(key string) string { s, _ := r.json[key].(string); return s }

func decode(t testing.TB, p page) reply {
	t.Helper()
	out := reply{p.Response, map[string]any{}}
	if p.body != "" {
		if err := json.Unmarshal([]byte(p.body), &out.json); err != nil {
			t.Fatalf("no JSON: %d %.200s", p.StatusCode, p.body)
		}
	}
	return out
}

var secrets = map[string]string{"w": "the secret of w: & %+é.", "x": "the secret of client x"}

// call posts a form to an endpoint as a client, by client_secret_basic.
func (r *replica) call(path, client string, form url.Values) reply {
	r.t.Helper()
	var header []string
	if s := secrets[client]; s != "" {
		credentials := url.QueryEscape(client) + ":" + url.QueryEscape(s)
		header = []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))}
	} else {
		form = maps.Clone(form)
		form.Set("client_id", client)
	}
	b := &browser{r, http.DefaultClient}
	return decode(r.t, b.do("POST", path, form, header...))
}

func codeForm(code string, changes ...string) url.Values {
	v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return v
}

func (r *replica) exchange(code string) reply {
	r.t.Helper()
	return r.call("/oidc/token", "w", codeForm(code))
}

func (r *replica) refresh(client, token string, scope ...string) reply {
	r.t.Helper()
	v := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	if len(scope) > 0 {
		v.Set("scope", scope[0])
	}
	return r.call("/oidc/token", client, v)
}

func (r *replica) userinfo(token string) reply {
	r.t.Helper()
	b := &browser{r, http.DefaultClient}
	return decode(r.t, b.do("GET", "/oidc/userinfo", nil, "Authorization", "Bearer "+token))
}

func (r *replica) active(token string) bool {
	r.t.Helper()
	return r.call("/oidc/introspect", "w", url.Values{"token": {token}}).json["active"] == true
}

// want checks the status and the error of a machine's answer.
func want(t testing.TB, what string, got reply, status int, code string) {
	t.Helper()
	if got.StatusCode != status || got.text("error") != code {
		t.Errorf("%s: got %d %v, want %d %q", what, got.StatusCode, got.json, status, code)
	}
}
