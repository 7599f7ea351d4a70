package portal_test

import (
	"context"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
)

const (
	issuer = "https://login.example"
	// old is everybody's password, chosen what they choose instead.
	old    = "cheval-agrafe-nuage-42"
	chosen = "girafe-tambour-olive-77"
)

// people is a directory of four accounts.
type people struct {
	mu        sync.Mutex
	accounts  map[string]account.Account
	passwords map[string]string
	set       int
	unlocked  int
	down      bool
}

func (d *people) Find(_ context.Context, name string) (account.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return account.Account{}, directory.ErrUnavailable
	}
	if a, ok := d.accounts[strings.ToLower(name)]; ok {
		return a, nil
	}
	return account.Account{}, directory.ErrNotFound
}

func (d *people) Get(ctx context.Context, id account.ID) (account.Account, error) {
	return d.Find(ctx, string(id))
}

func (d *people) Authenticate(_ context.Context, a account.Account, password secret.String) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if password.Empty() || d.passwords[a.Login] != password.Reveal() {
		return directory.ErrBadPassword
	}
	return nil
}

func (d *people) SetPassword(_ context.Context, id account.ID, password secret.String) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passwords[string(id)], d.set = password.Reveal(), d.set+1
	return nil
}

func (d *people) Activate(_ context.Context, id account.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[string(id)]
	a.Status, a.Reason = account.Active, account.ReasonNone
	d.accounts[string(id)] = a
	return nil
}

func (d *people) Unlock(context.Context, account.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlocked++
	return nil
}

func (d *people) switchOff(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = off
}

func (d *people) changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set
}

// faulty is a store that can be switched off.
type faulty struct {
	*memory.FakeTimeStore
	down atomic.Bool
}

func (s *faulty) Do(ctx context.Context, ops ...store.Op) error {
	if s.down.Load() {
		return errors.Join(store.ErrUnavailable, errors.New("switched off"))
	}
	return s.FakeTimeStore.Do(ctx, ops...)
}

// moodle is the application that a detour comes back to.
type moodle struct{}

func (moodle) PartyAt(u *url.URL) string {
	if u.Path == "/app" {
		return "Moodle"
	}
	return ""
}

// house is a server with the portal in it and one application.
type house struct {
	t      *testing.T
	mux    *web.Mux
	people *people
	store  *faulty
	mails  chan mail.Message
	portal *portal.Portal
}

func (h *house) Send(_ context.Context, m mail.Message) error {
	h.mails <- m
	return m.Check()
}

func open(t *testing.T) *house {
	t.Helper()
	fake, err := memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fake.Close() })
	h := &house{t: t, store: &faulty{FakeTimeStore: fake}, mails: make(chan mail.Message, 100),
		people: &people{accounts: map[string]account.Account{}, passwords: map[string]string{}}}
	rescue := []account.Contact{{Kind: account.Email, Value: "rescue@home.example"}}
	for _, a := range []account.Account{
		{Login: "alice", Name: "Alice", Status: account.Active, Contacts: rescue},
		{Login: "newby", Status: account.Pending, Reason: account.ReasonNotActivated, Contacts: []account.Contact{{Kind: account.Email, Value: "newby@home.example"}}},
		{Login: "susan", Status: account.Locked, Reason: account.ReasonSecurity, Contacts: rescue},
		{Login: "grace", Status: account.Grace, Reason: account.ReasonDeparture, Ends: fake.Now().Add(30 * 24 * time.Hour)},
	} {
		a.ID, a.Logins = account.ID(a.Login), []string{a.Login}
		h.people.accounts[a.Login], h.people.passwords[a.Login] = a, old
	}

	quiet := slog.New(slog.DiscardHandler)
	cookies, err := web.CookiesFor(issuer)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := render.Open(render.Config{Issuer: issuer, Recovery: true, Now: fake.Now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	keys := secret.RandomKeyring()
	box := &outbox.Outbox{Store: h.store, Box: keys.Box("outbox"), Now: fake.Now, Poll: time.Hour, Logger: quiet}
	manager := &session.Manager{
		Cookies: &session.Cookies{Store: h.store, Options: sessions.Options{Path: "/", Secure: true, HttpOnly: true}, Idle: time.Hour, Life: 8 * time.Hour},
		Cookie:  cookies.Name("session"), Remember: 30 * 24 * time.Hour, Keys: keys, Outbox: box, Now: fake.Now,
	}
	p := &portal.Portal{Sessions: manager, Pages: pages, Cookies: cookies, Keys: keys, Namers: []sso.Namer{moodle{}}, Logger: quiet}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if h.mux, err = web.New(web.Config{Issuer: issuer, Problem: p.Problem, Logger: quiet, Now: fake.Now}); err != nil {
		t.Fatal(err)
	}
	method, err := (&emaillink.Config{}).Open(t.Context(), recovery.Env{Mail: h, Pages: pages})
	if err != nil {
		t.Fatal(err)
	}
	trail := audit.Log{Logger: quiet}
	p.Recovery = &recovery.Flow{
		Store: h.store, Directory: h.people, Sessions: manager, Outbox: box, Keys: keys, Methods: []recovery.Method{method}, Mail: h, Pages: pages,
		Link: issuer + "/recover/link?t=", Home: issuer + "/recover", Audit: trail, Now: fake.Now,
	}
	p.Recovery.Start()
	p.Login = &login.Flow{
		Directory: h.people, Sessions: manager, Keys: keys, Cookies: cookies, Pages: p, Audit: trail, Limits: login.DefaultLimits(), Steps: []login.Step{login.GraceNotice{Pages: p, More: "/account/extend"}},
		Resume: http.HandlerFunc(h.mux.Again), Entered: p.Recovery.Forget, Floor: time.Nanosecond, Now: fake.Now,
	}
	p.Login.Code = p.Recognised
	h.portal = p
	p.Routes(h.mux)

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); box.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return h
}

var inMail = regexp.MustCompile(`(\S+recover/link\?t=\w+)[\s\S]*?\b(\d{6})\b`)

// next waits for a mail and returns the link and the code in it.
func (h *house) next() (link, code string) {
	h.t.Helper()
	select {
	case m := <-h.mails:
		found := inMail.FindStringSubmatch(m.Text)
		if found == nil {
			h.t.Fatalf("no link and code in %q", m.Text)
		}
		return found[1], found[2]
	case <-time.After(20 * time.Second):
		h.t.Fatal("no mail came")
	}
	return "", ""
}

// settled waits until all that was to be sent was sent.
func (h *house) settled() {
	h.t.Helper()
	for range 4000 {
		list := &store.List{Queue: "outbox"}
		if err := h.store.FakeTimeStore.Do(h.t.Context(), list); err != nil {
			h.t.Fatal(err)
		}
		if len(list.Entries) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.t.Fatal("jobs are left")
}

var inPage = regexp.MustCompile(` href="#([^"]*)"`)

// browser keeps cookies and follows nothing.
type browser struct {
	h       *house
	cookies map[string]string
	headers http.Header
}

func (h *house) browser() *browser { return &browser{h, map[string]string{}, http.Header{}} }

type answer struct {
	*http.Response
	body string
	set  map[string]bool // the cookies that were set or deleted
}

func (b *browser) do(method, target string, fields url.Values) answer {
	b.h.t.Helper()
	target = issuer + strings.TrimPrefix(target, issuer)
	r := httptest.NewRequest(method, target, strings.NewReader(fields.Encode()))
	for name, values := range b.headers {
		r.Header[name] = values
	}
	if host := b.headers.Get("Host"); host != "" {
		r.Host = host
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.h.mux.ServeHTTP(rec, r)
	a := answer{rec.Result(), rec.Body.String(), map[string]bool{}}
	for _, within := range inPage.FindAllStringSubmatch(a.body, -1) {
		if !strings.Contains(a.body, ` id="`+within[1]+`"`) {
			b.h.t.Errorf("%s %s: a link leads to #%s, which is not there", method, target, within[1])
		}
	}
	for _, c := range a.Cookies() {
		a.set[c.Name] = true
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			b.h.t.Errorf("a cookie that others can touch: %v", c)
		}
		b.cookies[c.Name] = c.Value
	}
	return a
}

func (b *browser) get(target string) answer { b.h.t.Helper(); return b.do(http.MethodGet, target, nil) }

func (b *browser) post(target string, fields ...string) answer {
	b.h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, target, form)
}

// leads checks a redirect and follows it.
func (b *browser) leads(a answer, to string) answer {
	b.h.t.Helper()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != to {
		b.h.t.Fatalf("answered %d to %q, want %q: %s", a.StatusCode, a.Header.Get("Location"), to, a.body)
	}
	return b.get(to)
}

// is checks the status of a page.
func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	return a
}

// has checks what a page holds.
func (a answer) has(t *testing.T, texts ...string) answer {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("no %q in %s", text, a.body)
		}
	}
	return a
}

var stateField = regexp.MustCompile(`name="state" value="([^"]*)"`)

func (a answer) state(t *testing.T) string {
	t.Helper()
	found := stateField.FindStringSubmatch(a.body)
	if found == nil {
		t.Fatalf("no state in %d %s", a.StatusCode, a.body)
	}
	return html.UnescapeString(found[1])
}

// begin asks for a message and returns the page that says it left.
func (b *browser) begin(who string, fields ...string) answer {
	b.h.t.Helper()
	return b.leads(b.post("/recover", append(fields, "username", who)...), "/recover/sent").is(b.h.t, http.StatusOK)
}

// proven goes as far as the page that asks for a password.
func (b *browser) proven(who string, fields ...string) answer {
	b.h.t.Helper()
	b.begin(who, fields...)
	_, code := b.h.next()
	b.h.settled()
	return b.leads(b.post("/recover/sent", "code", code), "/recover/password").is(b.h.t, http.StatusOK)
}
