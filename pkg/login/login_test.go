package login_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/memory"
)

// world is a login engine with a protocol that knows one route, /app: it asks
// for a session (with fresh=… or max=…) and says whose it got.
type world struct {
	t     *testing.T
	clock *memory.FakeTimeStore
	trips atomic.Int64
	down  atomic.Bool
	dir   *people
	flow  *login.Flow
	mux   *web.Mux
}

func (w *world) Do(ctx context.Context, ops ...store.Op) error {
	if w.down.Load() {
		return errors.Join(store.ErrUnavailable, errors.New("switched off"))
	}
	return w.clock.Do(ctx, ops...)
}

func open(t *testing.T) *world {
	w := &world{t: t, dir: &people{status: map[string]account.Status{}}}
	var err error
	if w.clock, err = memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), func(int) { w.trips.Add(1) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.clock.Close() })
	quiet := slog.New(slog.DiscardHandler)
	if w.mux, err = web.New(web.Config{Issuer: "http://127.0.0.1", Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	keys := secret.RandomKeyring()
	manager := &session.Manager{
		Cookies: &session.Cookies{Store: w, Options: sessions.Options{Path: "/"}, Idle: time.Hour, Life: 8 * time.Hour},
		Cookie:  "session", Keys: keys, Now: w.clock.Now,
		Outbox: &outbox.Outbox{Store: w, Box: keys.Box("outbox"), Now: w.clock.Now, Logger: quiet},
	}
	w.flow = &login.Flow{
		Directory: w.dir, Sessions: manager, Keys: keys, Pages: pages{}, Audit: audit.Log{Logger: quiet}, Limits: login.DefaultLimits(),
		Steps:  []login.Step{login.GraceNotice{Pages: pages{}}},
		Resume: http.HandlerFunc(w.mux.Again), Floor: time.Nanosecond, Now: w.clock.Now,
	}
	w.mux.Page("GET /app", http.HandlerFunc(w.app))
	w.mux.Page("GET /login", http.HandlerFunc(w.app))
	w.mux.Page("POST /login", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("lang") != "" {
			w.flow.Again(rw, r, r.PostFormValue("username"), r.PostFormValue("state"))
			return
		}
		w.flow.Login(rw, r, login.Credentials{Login: r.PostFormValue("username"), Password: secret.New(r.PostFormValue("password")),
			Remember: r.PostFormValue("remember") != "", State: r.PostFormValue("state")})
	}))
	w.mux.Page("POST /login/continue", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.flow.Continue(rw, r, r.PostFormValue("state"))
	}))
	w.mux.Page("POST /logout", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := w.flow.Logout(rw, r); err != nil {
			pages{}.Unavailable(rw, r, err)
		}
	}))
	return w
}

func (w *world) app(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	maxAge, _ := time.ParseDuration(q.Get("max"))
	s := w.flow.Require(rw, r, login.Request{URL: r.URL.RequestURI(), Party: "App", Fresh: q.Get("fresh") != "", MaxAge: maxAge, Login: q.Get("hint")})
	if s == nil {
		return
	}
	if err := w.flow.Sessions.Commit(r.Context(), rw, s); err != nil {
		pages{}.Unavailable(rw, r, err)
		return
	}
	_, _ = fmt.Fprintf(rw, "in as %s at %s, fresh %v, long %v", s.Account.Login, r.URL.RequestURI(), s.FromCredentials, s.LongTerm)
}

// browser keeps cookies and follows redirects to paths of ours.
type browser struct {
	w       *world
	address string
	cookies map[string]string
}

func (w *world) browser() *browser {
	return &browser{w, "192.0.2.1:1", map[string]string{}}
}

type answer struct {
	*httptest.ResponseRecorder
}

func (b *browser) do(method, target string, fields url.Values) answer {
	r := httptest.NewRequest(method, target, strings.NewReader(fields.Encode()))
	r.RemoteAddr = b.address
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.w.mux.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	if to := rec.Header().Get("Location"); strings.HasPrefix(to, "/") {
		return b.do(http.MethodGet, to, nil)
	}
	return answer{rec}
}

func (b *browser) get(target string) answer { return b.do(http.MethodGet, target, nil) }

func (b *browser) post(target string, fields ...string) answer {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, target, values)
}

// try fills the form of a page in.
func (b *browser) try(form answer, who, password string) answer {
	b.w.t.Helper()
	if form.state() == "" {
		b.w.t.Fatalf("no form: %d %s", form.Code, form.Body)
	}
	return b.post("/login", "username", who, "password", password, "state", form.state())
}

var stateField = regexp.MustCompile(`state=([^\s]*)`)

func (a answer) state() string {
	if m := stateField.FindStringSubmatch(a.Body.String()); m != nil {
		return m[1]
	}
	return ""
}

func (a answer) has(text string) bool { return strings.Contains(a.Body.String(), text) }

func (w *world) want(what string, a answer, text string) {
	w.t.Helper()
	if !a.has(text) {
		w.t.Errorf("%s: %d %s\nwant %s", what, a.Code, a.Body, text)
	}
}

type pages struct{}

func (pages) LoginForm(w http.ResponseWriter, _ *http.Request, f login.Form) {
	_, _ = fmt.Fprintf(w, "form for %s failure=%s login=%q state=%s", f.Party, f.Failure, f.Login, f.State)
}

func (pages) Refused(w http.ResponseWriter, _ *http.Request, a account.Account, why account.Reason, _ string) {
	w.WriteHeader(http.StatusForbidden)
	_, _ = fmt.Fprintf(w, "refused %s: %s", a.Login, why)
}

func (pages) GraceNotice(w http.ResponseWriter, _ *http.Request, _ account.Account, form login.StepForm) {
	_, _ = io.WriteString(w, "notice state="+form.State)
}

func (pages) Unavailable(w http.ResponseWriter, _ *http.Request, _ error) {
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// people is a directory of one password, "right", in which everybody can be
// found under a name, a mail address, and in any case.
type people struct {
	mu     sync.Mutex
	status map[string]account.Status // of who is not active
	down   bool
	finds  atomic.Int64
	binds  atomic.Int64
	fresh  atomic.Bool
	gets   atomic.Int64
	tried  string // the last password
	takes  time.Duration
}

// marked is somebody whose password must be changed, as the directory says
// without being given it.
const marked = "marked"

func (p *people) set(who string, status account.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status[who] = status
}

func (p *people) account(who string) (account.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return account.Account{}, directory.ErrUnavailable
	}
	switch {
	case who == "alice", who == "bob", strings.HasPrefix(who, "person"):
	case who == "twin":
		return account.Account{}, errors.Join(directory.ErrNotFound, directory.ErrAmbiguous)
	default:
		return account.Account{}, directory.ErrNotFound
	}
	a := account.Account{ID: account.ID("id-" + who), Login: who, Status: account.Active}
	if status := p.status[who]; status == marked {
		a.MustChange = true
	} else if status != "" {
		a.Status, a.Reason = status, account.ReasonClosed
	}
	return a, nil
}

func (p *people) Find(_ context.Context, login string) (account.Account, error) {
	p.finds.Add(1)
	return p.account(strings.TrimSuffix(strings.ToLower(strings.TrimSpace(login)), "@univ.example"))
}

func (p *people) Get(_ context.Context, id account.ID) (account.Account, error) {
	p.gets.Add(1)
	return p.account(strings.TrimPrefix(string(id), "id-"))
}

func (p *people) Authenticate(ctx context.Context, a account.Account, password secret.String) error {
	p.binds.Add(1)
	p.fresh.Store(directory.IsFresh(ctx))
	time.Sleep(p.takes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried = password.Reveal()
	switch {
	case p.status[a.Login] == "bolted":
		return directory.ErrLocked
	case p.status[a.Login] == "away": // found, and then no answer any more
		return directory.ErrUnavailable
	case p.tried == "old":
		return directory.ErrMustChange
	case p.tried != "right":
		return directory.ErrBadPassword
	}
	return nil
}

func TestLogin(t *testing.T) {
	w := open(t)
	b := w.browser()
	form := b.get("/app?hint=al&x=1")
	w.want("form", form, `form for App failure= login="al"`)
	w.want("wrong", b.try(form, "alice ", "wrong"), `failure=rejected login="alice "`)
	w.want("right", b.try(form, "ALICE", "right"), "in as alice at /app?hint=al&x=1, fresh true, long false")
	w.want("again", b.get("/app"), "in as alice at /app, fresh false")
	first := b.cookies["session"]
	b.post("/logout")
	w.want("after logout", b.get("/app"), "form")
	b.cookies["session"] = first
	w.want("with the old cookie", b.get("/app"), "form")
	a := b.post("/login", "username", "bob", "password", "right", "remember", "yes", "state", b.get("/app").state())
	w.want("remembered", a, "in as bob at /app, fresh true, long true")
}

// R-AUTH-01, R-AUTH-21: what is no password reaches no directory; what is one
// reaches it as it is.
func TestRAUTH21(t *testing.T) {
	w := open(t)
	b := w.browser()
	for _, c := range []struct {
		password string
		reaches  bool
	}{
		{"", false},
		{strings.Repeat("x", 4097), false},
		{" ", true},
		{" right ", true},
		{"ﬁé\u0301", true},
		{"a\x00b", true},
		{strings.Repeat("x", 64), true},
		{strings.Repeat("é", 512), true},
		{strings.Repeat("x", 4096), true},
	} {
		w.clock.Advance(time.Hour) // past the delay after failures
		finds, binds := w.dir.finds.Load(), w.dir.binds.Load()
		w.want("password", b.try(b.get("/app"), "alice", c.password), "failure=rejected")
		if got := w.dir.binds.Load() > binds; got != c.reaches || got && w.dir.tried != c.password {
			t.Errorf("%.20q: reached %v as %.20q", c.password, got, w.dir.tried)
		}
		if !c.reaches && w.dir.finds.Load() != finds {
			t.Errorf("%.20q: the directory was asked", c.password)
		}
	}
}

// R-AUTH-10: the names of one account share one counter, and a right password
// clears it (R34).
func TestRAUTH10(t *testing.T) {
	w := open(t)
	names := []string{"alice", "ALICE", " alice", "alice@univ.example", "Alice@Univ.Example"}
	fail := func(n int) {
		for i := range n {
			b := w.browser()
			w.want("wrong", b.try(b.get("/app"), names[i%len(names)], "wrong"), "failure=rejected")
		}
	}
	fail(4)
	b := w.browser()
	w.want("before the limit", b.try(b.get("/app"), "alice", "right"), "in as alice")
	fail(4)
	b = w.browser()
	w.want("cleared by the right password", b.try(b.get("/app"), "alice", "right"), "in as alice")
	fail(5)
	for _, name := range names {
		b = w.browser()
		w.want("R34: "+name, b.try(b.get("/app"), name, "right"), "failure=rejected")
	}
	b.address = "198.51.100.1:1"
	w.want("R-AUTH-16: the owner elsewhere", b.try(b.get("/app"), "alice", "right"), "in as alice")
	b = w.browser()
	w.want("another account", b.try(b.get("/app"), "bob", "right"), "in as bob")
	w.clock.Advance(time.Minute)
	b = w.browser()
	w.want("a minute later", b.try(b.get("/app"), "alice", "right"), "in as alice")
}

// R34: after an operator has lifted a lock nobody waits for what was tried
// before, wherever they come from; who goes on guessing waits again.
func TestPardon_R34(t *testing.T) {
	w := open(t)
	const here, elsewhere = "192.0.2.1:1", "198.51.100.1:1"
	try := func(what, from, password, want string) {
		t.Helper()
		b := w.browser()
		b.address = from
		w.want(what, b.try(b.get("/app"), "alice", password), want)
	}
	fail := func(from string) {
		t.Helper()
		for range 5 {
			try("a guess", from, "wrong", "failure=rejected")
		}
	}
	pardon := func() {
		if err := w.Do(t.Context(), w.flow.Limits.Pardon("id-alice")...); err != nil {
			t.Fatal(err)
		}
	}
	fail(elsewhere)
	fail(here)
	try("slowed down", here, "right", "failure=rejected")
	pardon()
	try("pardoned", here, "right", "in as alice")
	fail(here)
	try("guessed at again", here, "right", "failure=rejected")
	try("another network", elsewhere, "right", "in as alice")
	pardon()
	try("a second pardon", here, "right", "in as alice")
	pardon()
	w.clock.Advance(time.Hour)
	fail(here)
	try("long after", here, "right", "failure=rejected")
}

// R-AUTH-16: whoever floods an account from one network, for hours, keeps its
// owner waiting nowhere else.
func TestFlood_RAUTH16(t *testing.T) {
	w := open(t)
	for range 300 {
		w.clock.Advance(time.Minute + time.Second)
		b := w.browser()
		w.want("a flood", b.try(b.get("/app"), "alice", "wrong"), "failure=rejected")
	}
	b := w.browser()
	b.address = "198.51.100.1:1"
	w.want("the owner elsewhere", b.try(b.get("/app"), "alice", "right"), "in as alice")
}

// R34: guesses from all over are slowed down too, and a minute later the owner
// is let in.
func TestGuessesFromEverywhere_R34(t *testing.T) {
	w := open(t)
	from := func(network int) *browser {
		b := w.browser()
		b.address = fmt.Sprintf("10.0.%d.1:1", network)
		return b
	}
	for n := range w.flow.Limits.Everywhere.Limit {
		b := from(n)
		w.want("a guess", b.try(b.get("/app"), "alice", fmt.Sprint("wrong", n)), "failure=rejected")
	}
	b := from(200)
	w.want("one more", b.try(b.get("/app"), "alice", "right"), "failure=rejected")
	w.clock.Advance(time.Minute + time.Second)
	w.want("a minute later", b.try(b.get("/app"), "alice", "right"), "in as alice")
}

// R35: whatever is wrong is answered after the same time.
func TestFloor_R35(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.flow.Floor = time.Hour
		for _, who := range []string{"alice", "nobody"} {
			b := w.browser()
			form := b.get("/app")
			began := time.Now()
			w.want(who, b.try(form, who, "wrong"), "failure=rejected")
			if took := time.Since(began); took != time.Hour {
				t.Errorf("%s: answered after %v", who, took)
			}
		}
	})
}

// R-AUTH-17: of one password tried at hundreds, from one network or from many,
// fifty are looked at, and somebody is told. Nobody else waits, and nobody is
// locked out whose password it is.
func TestSpray_RAUTH17(t *testing.T) {
	for name, networks := range map[string]int{"one network": 1, "a hundred": 100} {
		t.Run(name, func(t *testing.T) {
			w, log := open(t), &bytes.Buffer{}
			w.flow.Audit = audit.Log{Logger: slog.New(slog.NewJSONHandler(log, nil))}
			w.flow.Limits.Source.Limit = 10_000 // another limit is tried
			b := w.browser()
			form := b.get("/app")
			for n := range 400 {
				b.address = fmt.Sprintf("10.0.%d.1:1", n%networks)
				w.want("a try", b.try(form, fmt.Sprint("person", n), "Autumn-2026"), "failure=rejected")
			}
			if looked := w.dir.binds.Load(); looked > 50 {
				t.Errorf("%d were looked at", looked)
			}
			if told := strings.Count(log.String(), `"spray"`); told != 1 {
				t.Errorf("told %d times", told)
			}
			other := w.browser()
			other.address = "10.0.0.1:1"
			w.want("another password", other.try(other.get("/app"), "alice", "right"), "in as alice")
		})
	}
}

// A password that many have, and some mistake for theirs, lets those in whose it
// is: right ones count for nothing, and after too many wrong ones a moment is
// enough.
func TestPasswordOfMany_RAUTH17(t *testing.T) {
	w := open(t)
	w.flow.Limits.Spray.Limit = 3
	try := func(who string) answer { b := w.browser(); return b.try(b.get("/app"), who, "right") }
	for n := range 10 {
		w.want("theirs", try(fmt.Sprint("person", n)), "in as person")
	}
	for n := range 3 {
		w.want("nobody's", try(fmt.Sprint("nobody", n)), "failure=rejected")
	}
	w.want("at once", try("alice"), "failure=rejected")
	w.clock.Advance(time.Minute + time.Second)
	w.want("a moment later", try("alice"), "in as alice")
}

// R33: right passwords count for no network, wrong ones do.
func TestCampusBehindOneAddress_R33(t *testing.T) {
	w := open(t)
	w.flow.Limits.Source.Limit = 3
	for range 10 {
		b := w.browser()
		w.want("one of a campus", b.try(b.get("/app"), "alice", "right"), "in as alice")
	}
	for range 3 {
		b := w.browser()
		w.want("a guess", b.try(b.get("/app"), "nobody", "wrong"), "failure=rejected")
	}
	b := w.browser()
	w.want("after the guesses", b.try(b.get("/app"), "alice", "right"), "failure=rejected")
}

// F-LDAP-01: a try at which nobody looked at the password counts for nothing.
func TestUnavailableIsNoTry_FLDAP01(t *testing.T) {
	w := open(t)
	w.dir.set("alice", "away")
	for range 20 {
		b := w.browser()
		b.try(b.get("/app"), "alice", "right")
	}
	w.dir.set("alice", account.Active)
	b := w.browser()
	w.want("back again", b.try(b.get("/app"), "alice", "right"), "in as alice")
}

// F-LDAP-04: a password that was set a moment ago is tried where changes are made.
func TestChanged_FLDAP04(t *testing.T) {
	w := open(t)
	mark := store.Key{Tag: "s", Name: "changed"}
	w.flow.Changed = func(id account.ID) *store.Read {
		if id != "id-alice" {
			return &store.Read{Key: store.Key{Tag: "s", Name: "other"}}
		}
		return &store.Read{Key: mark}
	}
	try := func(who string, fresh bool) {
		t.Helper()
		b := w.browser()
		w.want("in", b.try(b.get("/app"), who, "right"), "in as "+who)
		if w.dir.fresh.Load() != fresh {
			t.Errorf("%s: asked afresh %v, want %v", who, !fresh, fresh)
		}
	}
	try("alice", false)
	if err := w.flow.Sessions.Cookies.Store.Do(t.Context(), &store.Create{Key: mark, Fields: store.Fields{"a": "1"}, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	try("alice", true)
	try("bob", false)
}

// R-AUTH-13, R35: whatever the cause, the answer is the same.
func TestRAUTH13(t *testing.T) {
	w := open(t)
	answers := map[string]string{}
	try := func(cause, who, password string) {
		b := w.browser()
		form := b.get("/app")
		a := b.try(form, who, password)
		body := stateField.ReplaceAllString(a.Body.String(), "state=")
		body = strings.ReplaceAll(body, who, "NAME")
		answers[cause] = fmt.Sprint(a.Code, a.Result().Header, body)
	}
	try("wrong", "alice", "wrong")
	try("unknown", "nobody", "right")
	try("empty", "alice", "")
	try("two accounts of one name", "twin", "right")
	w.dir.set("bob", account.Disabled)
	try("closed", "bob", "wrong")
	w.dir.set("bob", account.Pending)
	try("not activated", "bob", "wrong")
	w.dir.set("bob", "bolted")
	try("locked by the directory", "bob", "right")
	for range 6 {
		try("slowed down", "alice", "wrong")
	}
	for cause, got := range answers {
		if diff := cmp.Diff(answers["wrong"], got); diff != "" {
			t.Errorf("%s: %s", cause, diff)
		}
	}
}

// R2: of a name that two accounts have the audit log says so, and not who typed
// it or what.
func TestR2(t *testing.T) {
	w := open(t)
	var log bytes.Buffer
	w.flow.Audit = audit.Log{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	b := w.browser()
	b.try(b.get("/app"), "nobody", "right")
	if strings.Contains(log.String(), "lookup.ambiguous") {
		t.Errorf("nobody is two: %s", &log)
	}
	w.want("twin", b.try(b.get("/app"), "Twin", "right"), "failure=rejected")
	if got := log.String(); strings.Count(got, "action=lookup.ambiguous result=refused address=192.0.2.1") != 1 || strings.Contains(strings.ToLower(got), "twin") {
		t.Errorf("%s", got)
	}
	if n := w.dir.binds.Load(); n != 0 {
		t.Errorf("%d passwords were tried", n)
	}
}

// R10, R16: a right password is not yet a login; it does earn the reason.
func TestR16(t *testing.T) {
	w := open(t)
	for _, status := range []account.Status{account.Pending, account.Locked, account.Disabled} {
		w.dir.set("bob", status)
		b := w.browser()
		a := b.try(b.get("/app"), "bob", "right")
		w.want(string(status), a, "refused bob: closed")
		if b.cookies["session"] != "" || a.Code != http.StatusForbidden {
			t.Errorf("%s: a session", status)
		}
	}
	w.dir.set("bob", "")
	b := w.browser()
	w.want("must change", b.try(b.get("/app"), "bob", "old"), "refused bob: must_change")
}

// R-AUTH-15: of guesses side by side no more reach the directory than one
// after the other.
func TestRAUTH15(t *testing.T) {
	w := open(t)
	form := w.browser()
	state := form.get("/app").state()
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			b := &browser{w, "192.0.2.1:1", map[string]string{"browser": form.cookies["browser"]}}
			b.post("/login", "username", "alice", "password", "wrong", "state", state)
		})
	}
	all.Wait()
	if got := w.dir.binds.Load(); got > 5 {
		t.Errorf("%d guesses reached the directory", got)
	}
}

// Right ones side by side all enter, however many: a program's account, or a
// person's impatience.
func TestRightPasswordsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.flow.Floor, w.dir.takes, w.flow.Limits.Spray.Limit = time.Minute, time.Millisecond, 3
		form := w.browser()
		state := form.get("/app").state()
		var all sync.WaitGroup
		for n := range 100 { // eight of one account
			who := []string{"alice", fmt.Sprint("person", n)}[min(n/8, 1)]
			all.Go(func() {
				b := &browser{w, "192.0.2.1:1", map[string]string{"browser": form.cookies["browser"]}}
				w.want("side by side", b.post("/login", "username", who, "password", "right", "state", state), "in as "+who)
			})
		}
		all.Wait()
	})
}

// An anonymous request belongs to the browser that made it: elsewhere its form
// logs nobody in (login CSRF), and no credentials are looked at.
func TestBrowserBinding(t *testing.T) {
	w := open(t)
	attacker, victim := w.browser(), w.browser()
	form := attacker.get("/app?evil")
	for what, cookie := range map[string]string{"none yet": "", "its own": "x"} {
		if cookie != "" {
			victim.get("/app")
		}
		a := victim.try(form, "alice", "right")
		w.want(what, a, `form for App failure=other_browser login="alice"`)
		if victim.cookies["session"] != "" || w.dir.finds.Load() != 0 {
			t.Errorf("%s: the credentials were used", what)
		}
		w.want("then on its own form", victim.try(a, "alice", "right"), "in as alice at /app?evil")
		victim, w.dir.finds = w.browser(), atomic.Int64{}
	}
	for _, state := range []string{"", "x", form.state()[1:], strings.Repeat("A", 5000)} {
		a := attacker.post("/login", "username", "alice", "password", "right", "state", state)
		w.want("forged", a, "failure=other_browser")
	}
}

// L3, prompt=login: a demand for fresh credentials is met once for each time
// they are given.
func TestFresh(t *testing.T) {
	w := open(t)
	b := w.browser()
	b.try(b.get("/app"), "alice", "right")
	before := b.cookies["session"]
	for range 2 {
		w.want("met", b.try(b.get("/app?fresh=1"), "alice", "right"), "in as alice at /app?fresh=1, fresh true")
	}
	w.want("used up", b.get("/app?fresh=1"), "form")
	w.want("the session goes on", b.get("/app"), "in as alice at /app, fresh false")
	if b.cookies["session"] == before {
		t.Error("R-SESS-01: new credentials, but the same name of the session")
	}
	w.want("young enough", b.get("/app?max=1m"), "in as alice")
	w.clock.Advance(61 * time.Second)
	w.want("too old", b.get("/app?max=1m"), "form")
	w.want("R-OAUTH-50", b.try(b.get("/app?fresh=1"), "bob", "right"), "in as bob")
	b.cookies["session"] = before
	w.want("whose session ended", b.get("/app"), "form")
}

// R13: the notice stands before everything until it was read, and costs nobody
// the freshness of the credentials.
func TestGrace(t *testing.T) {
	w := open(t)
	w.dir.set("alice", account.Grace)
	b := w.browser()
	notice := b.try(b.get("/app?fresh=1"), "alice", "right")
	w.want("after the password", notice, "notice")
	w.want("another address", b.get("/app?other"), "notice")
	w.want("the same again", b.get("/app?fresh=1"), "notice")
	other := w.browser()
	foreign := other.try(other.get("/app?theirs"), "alice", "right")
	w.want("a notice read in another browser", b.post("/login/continue", "step", "grace", "state", foreign.state()), "notice")
	w.want("a forged state", b.post("/login/continue", "step", "grace", "state", "x"), "notice")
	w.want("read", b.post("/login/continue", "step", "grace", "state", notice.state()), "in as alice at /app?fresh=1, fresh true")
	w.want("used up", b.get("/app?fresh=1"), "form")
	w.want("not shown twice", b.get("/app?other"), "in as alice")

	late := w.browser()
	notice = late.try(late.get("/app?fresh=1"), "alice", "right")
	w.clock.Advance(11 * time.Minute)
	w.want("read much later", late.post("/login/continue", "step", "grace", "state", notice.state()), "form")
}

// R72: a change of language is no attempt, and keeps what was typed.
func TestLanguage(t *testing.T) {
	w := open(t)
	b := w.browser()
	state := b.get("/app?hint=x").state()
	trips := w.trips.Load()
	a := b.post("/login", "lang", "en", "username", "typed", "password", "right", "state", state)
	w.want("switched", a, `form for App failure= login="typed"`)
	if w.dir.finds.Load() != 0 || w.trips.Load() != trips {
		t.Error("the switch was taken for an attempt")
	}
	w.want("then", b.try(a, "alice", "right"), "in as alice at /app?hint=x")
}

// R15, R-AUTH-23: an account that was closed is out within a minute, in all
// browsers at once.
func TestR15(t *testing.T) {
	w := open(t)
	one, other := w.browser(), w.browser()
	one.try(one.get("/app"), "alice", "right")
	other.try(other.get("/app"), "alice", "right")
	w.dir.set("alice", account.Disabled)
	w.clock.Advance(59 * time.Second)
	w.want("within the minute", one.get("/app"), "in as alice")
	w.clock.Advance(time.Second)
	w.want("after it", one.get("/app"), "form")
	w.dir.set("alice", "")
	for _, b := range []*browser{one, other} {
		w.want("open again", b.get("/app"), "form")
	}
}

func TestRoundTrips(t *testing.T) {
	w := open(t)
	b := w.browser()
	var form answer
	for _, c := range []struct {
		what               string
		trips, finds, gets int64
		do                 func()
	}{
		{"the form", 0, 0, 0, func() { form = b.get("/app") }},
		{"the password", 2, 1, 0, func() { w.want("login", b.try(form, "alice", "right"), "in as") }},
		{"a live session", 1, 0, 0, func() { w.want("session", b.get("/app"), "in as") }},
		{"a look at the directory", 2, 0, 1, func() { w.clock.Advance(time.Minute); w.want("recheck", b.get("/app"), "in as") }},
	} {
		trips, finds, gets := w.trips.Load(), w.dir.finds.Load(), w.dir.gets.Load()
		c.do()
		got := [3]int64{w.trips.Load() - trips, w.dir.finds.Load() - finds, w.dir.gets.Load() - gets}
		if got != [3]int64{c.trips, c.finds, c.gets} {
			t.Errorf("%s: %v, want %d round trips, %d searches, %d reads", c.what, got, c.trips, c.finds, c.gets)
		}
	}
	if w.dir.binds.Load() != 1 {
		t.Errorf("%d binds", w.dir.binds.Load())
	}
}

// What does not answer costs nobody a session, and counts as nobody's failure.
func TestUnavailable(t *testing.T) {
	w := open(t)
	b, anonymous := w.browser(), w.browser()
	b.try(b.get("/app"), "alice", "right")
	form := anonymous.get("/app")
	for what, set := range map[string]func(bool){
		"store":     w.down.Store,
		"directory": func(down bool) { w.dir.mu.Lock(); w.dir.down = down; w.dir.mu.Unlock() },
	} {
		set(true)
		w.clock.Advance(time.Minute)
		for _, a := range []answer{b.get("/app"), anonymous.try(form, "alice", "right")} {
			if a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" || len(a.Result().Cookies()) != 0 {
				t.Errorf("%s down: %d %v", what, a.Code, a.Header())
			}
		}
		set(false)
		w.want(what+" back", b.get("/app"), "in as alice")
	}
	w.want("the form still serves", anonymous.try(form, "alice", "right"), "in as alice")
}
