package desk_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/portal/desk"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/activationcode"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
)

// theDay is that of the fixtures' cases.
var theDay = time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC)

// school is a server with the desk in it, before one of the fixtures.
type school struct {
	t         testing.TB
	mux       *web.Mux
	directory directory.Directory
	store     *memory.FakeTimeStore
	sessions  *session.Manager
	keys      *secret.Keyring
	pages     *render.Pages
	flow      *recovery.Flow
	desk      *operator.Desk
	mails     chan mail.Message
	texts     texts
	log       *lines
	marked    *marking
	box       *outbox.Outbox
	press     *letters.Press
}

// whole is what a desk makes use of in a directory.
type whole interface {
	directory.Directory
	directory.Searcher
	directory.Selecting
	directory.Editor
	directory.Extender
	directory.Lifter
	directory.Freezer
}

// marking is a directory that marks passwords to be changed.
type marking struct {
	whole
	mu    sync.Mutex
	marks map[account.ID]int
	down  bool
	// searches counts them.
	searches int
}

func (m *marking) Search(ctx context.Context, q directory.Query, each func(account.Account) bool) error {
	m.mu.Lock()
	m.searches++
	m.mu.Unlock()
	return m.whole.Search(ctx, q, func(a account.Account) bool { return each(m.mark(a)) })
}

func (m *marking) Get(ctx context.Context, id account.ID) (account.Account, error) {
	a, err := m.whole.Get(ctx, id)
	return m.mark(a), err
}

func (m *marking) mark(a account.Account) account.Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.MustChange = a.MustChange || m.marks[a.ID] > 0
	return a
}

func (m *marking) Edit(_ context.Context, id account.ID, attribute string, from, to []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down || attribute != "pwdReset" || len(to) != 1 || to[0] != "TRUE" {
		return directory.ErrUnavailable
	}
	if (len(from) > 0) != (m.marks[id] > 0) {
		return directory.ErrConflict
	}
	m.marks[id]++
	return nil
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

func (s *school) Send(_ context.Context, m mail.Message) error {
	if strings.HasSuffix(m.To, "@bounce.example") {
		return mail.ErrRefused
	}
	s.mails <- m
	return m.Check()
}

// texts is a gateway that keeps what it is given.
type texts chan sms.Message

func (g texts) Send(_ context.Context, m sms.Message) error {
	g <- m
	return m.Check()
}

// open starts a server before the fixtures of the school.
func open(t testing.TB, issuer string, rules operator.Rules) *school {
	t.Helper()
	return before(t, "school", issuer, rules)
}

func before(t testing.TB, fixtures, issuer string, rules operator.Rules) *school {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &school{t: t, mails: make(chan mail.Message, 1000), texts: make(texts, 100), log: &lines{}, keys: secret.RandomKeyring()}
	var err error
	s.store, err = memory.NewFakeTimeStore(theDay, nil)
	must(err)
	t.Cleanup(func() { _ = s.store.Close() })
	s.directory, err = memory.DirectoryConfig{Fixtures: []string{fixtures}, Now: s.store.Now}.Open(t.Context(), directory.Env{})
	must(err)
	opened := s.directory.(io.Closer)
	t.Cleanup(func() { _ = opened.Close() })
	s.marked = &marking{whole: s.directory.(whole), marks: map[account.ID]int{}}
	s.directory = s.marked
	quiet, trail := slog.New(slog.DiscardHandler), audit.Log{Logger: slog.New(slog.NewTextHandler(s.log, nil))}
	cookies, err := web.CookiesFor(issuer)
	must(err)
	s.pages, err = render.Open(render.Config{Issuer: issuer, Recovery: true, Requests: true, Now: s.store.Now, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		Site: render.Site{Name: render.Text{"": "Lycée Simone Veil"}}})
	must(err)
	box := &outbox.Outbox{Store: s.store, Box: s.keys.Box("outbox"), Now: s.store.Now, Poll: time.Hour, Logger: quiet}
	s.box = box
	s.sessions = &session.Manager{
		Cookies: &session.Cookies{Store: s.store, Options: sessions.Options{Path: "/", Secure: cookies.Secure, HttpOnly: true}, Idle: 24 * time.Hour, Life: 48 * time.Hour},
		Cookie:  cookies.Name("session"), Keys: s.keys, Outbox: box, Now: s.store.Now,
	}
	p := &portal.Portal{Sessions: s.sessions, Pages: s.pages, Cookies: cookies, Keys: s.keys, Logger: quiet}
	s.mux, err = web.New(web.Config{Issuer: issuer, Problem: p.Problem, Logger: quiet, Now: s.store.Now})
	must(err)
	p.Login = &login.Flow{Directory: s.directory, Sessions: s.sessions, Keys: s.keys, Cookies: cookies, Pages: p, Audit: trail,
		Limits: login.DefaultLimits(), Resume: http.HandlerFunc(s.mux.Again), Floor: time.Nanosecond, Now: s.store.Now}
	env := recovery.Env{Mail: s, Pages: s.pages, Logger: quiet}
	link, err := (&emaillink.Config{}).Open(t.Context(), env)
	must(err)
	vouched, err := (&helpdesk.Config{}).Open(t.Context(), env)
	must(err)
	letter, err := (&activationcode.Config{}).Open(t.Context(), env)
	must(err)
	s.flow = &recovery.Flow{Store: s.store, Directory: s.directory, Sessions: s.sessions, Outbox: box, Keys: s.keys,
		Methods: []recovery.Method{link, vouched, letter}, Mail: s, Pages: s.pages,
		Link: issuer + "/recover/link?t=", Home: issuer + "/recover", Undo: issuer + "/recover/undo?t=", Audit: trail, Now: s.store.Now}
	s.flow.Start()
	p.Recovery = s.flow
	s.desk = &operator.Desk{Rules: rules, Store: s.store, Directory: s.directory, Recovery: s.flow, Sessions: s.sessions, Logins: p.Login.Limits, Outbox: box,
		Keys: s.keys, Mail: s, SMS: s.texts, Pages: s.pages, Home: issuer + "/recover", Call: issuer + desk.CallPath + "?t=",
		Asking: &lifecycle.Extensions{Store: s.store, Keys: s.keys, Audit: trail}, Audit: trail, Now: s.store.Now}
	s.desk.Groups, s.desk.ForceBy = []string{"ENTEleveClasses"}, operator.Force{Attribute: "pwdReset", Value: "TRUE"}
	s.desk.Start()
	s.press = &letters.Press{Recovery: s.flow, Pages: s.pages, Home: issuer + "/activate", Typed: issuer + "/code", Lost: issuer + "/recover", Now: s.store.Now}
	d := &desk.Pages{Press: s.press, Desk: s.desk, Login: p.Login, Sessions: s.sessions, Pages: s.pages, Keys: s.keys, Cookies: cookies, Logger: slog.New(slog.NewTextHandler(s.log, nil)), Unavailable: p.Unavailable, Problem: p.Problem}
	must(d.Check())
	p.Routes(s.mux)
	d.Routes(s.mux)
	s.mux.Machine("GET /static/{file}", s.pages.Static())
	// A way in without a password, for the tests.
	s.mux.Page("GET /as/{login}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now, err := s.sessions.Start(r, s.account(r.PathValue("login")), false, "pwd")
		must(err)
		must(s.sessions.Commit(r.Context(), w, now))
		http.Redirect(w, r, "/desk", http.StatusSeeOther)
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); box.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return s
}

func (s *school) account(login string) account.Account {
	s.t.Helper()
	a, err := s.directory.Find(context.Background(), login)
	if err != nil {
		s.t.Fatalf("%s: %v", login, err)
	}
	return a
}

// settled waits until all that was to be sent was sent.
func (s *school) settled() {
	s.t.Helper()
	for range 4000 {
		list := &store.List{Queue: "outbox"}
		if err := s.store.Do(context.Background(), list); err != nil {
			s.t.Fatal(err)
		}
		if len(list.Entries) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatal("jobs are left")
}

// next is the mail that left next, to an address.
func (s *school) next(to string) mail.Message {
	s.t.Helper()
	for {
		select {
		case m := <-s.mails:
			if m.To == to {
				return m
			}
		case <-time.After(20 * time.Second):
			s.t.Fatal("no mail to " + to)
		}
	}
}

const issuer = "https://login.example"

// browser keeps cookies and follows nothing.
type browser struct {
	s       *school
	cookies map[string]string
	who     account.Account
}

// as is the browser of somebody who is signed in.
func (s *school) as(login string) *browser {
	s.t.Helper()
	b := &browser{s, map[string]string{}, s.account(login)}
	b.do(http.MethodGet, "/as/"+login, nil)
	return b
}

// place is the page of an account as this operator would be shown it.
func (b *browser) place(login string) string {
	b.s.t.Helper()
	return "/desk/person/" + b.s.keys.Box("desk handle").Seal([]byte(b.s.account(login).ID), string(b.who.ID))
}

type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, target string, fields url.Values) answer {
	b.s.t.Helper()
	r := httptest.NewRequest(method, issuer+target, strings.NewReader(fields.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.s.mux.ServeHTTP(rec, r)
	a := answer{rec.Result(), rec.Body.String()}
	for _, c := range a.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return a
}

func (b *browser) get(target string) answer { b.s.t.Helper(); return b.do(http.MethodGet, target, nil) }

func (b *browser) post(target string, fields ...string) answer {
	b.s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, target, form)
}

func (a answer) is(t *testing.T, status int, texts ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("no %q in %s", text, a.body)
		}
	}
	return a
}

var issued = regexp.MustCompile(`id="issued">([0-9A-Z-]+)<`)

func profile(names ...string) account.Condition {
	c := account.Condition{Attribute: "ENTPersonProfils"}
	for _, name := range names {
		c.In = append(c.In, "National_"+name)
	}
	return c
}

// rules are those of requirement R60.
func rules(parents, anyClass bool) operator.Rules {
	every := []operator.Verb{operator.Vouch, operator.Unlock, operator.Contact, operator.End, operator.Letters, operator.Campaign, operator.Requests, operator.Extend}
	class := operator.Rule{Name: "head teacher", Who: account.Condition{All: []account.Condition{profile("ENS"), {Attribute: "ENTAuxEnsClassesPrincipal"}}},
		Verbs: []operator.Verb{operator.Vouch}, Over: profile("ELV"), Reach: &operator.Reach{Mine: "ENTAuxEnsClassesPrincipal", Theirs: "ENTEleveClasses"}}
	if parents {
		class.Over, class.Reach.Relatives = profile("ELV", "TUT"), "ENTAuxPersRelEleveEleve"
	}
	if anyClass {
		class.Reach.Mine = "ENTAuxEnsClasses"
	}
	uai := &operator.Reach{Mine: "ESCOUAI", Theirs: "ESCOUAI"}
	return operator.Rules{class,
		{Name: "vie scolaire", Who: profile("EVS"), Rank: 2, Verbs: every[:2], Over: profile("ELV", "TUT"), Reach: uai},
		{Name: "local admin", Who: account.Condition{Attribute: "ENTPersonLogin", In: []string{"nadia.adml"}}, Rank: 3, Verbs: every, Over: profile("ELV", "TUT", "ENS", "EVS"), Reach: uai},
		{Name: "head", Who: profile("DIR"), Rank: 4, Verbs: []operator.Verb{operator.See}, Reach: uai},
	}
}

// again lets time pass for jobs that failed, until all are done.
func (s *school) again() {
	s.t.Helper()
	for range 2000 {
		s.store.Advance(time.Second)
		s.box.Nudge()
		list := &store.List{Queue: "outbox"}
		if err := s.store.Do(context.Background(), list); err != nil {
			s.t.Fatal(err)
		}
		if len(list.Entries) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatal("jobs are left")
}
