// Package login is the engine that turns credentials into a session: it asks
// for them when a protocol requires it, checks them under throttles, walks the
// person through what must be seen first, and comes back to the URL that
// asked. It knows no protocol and no HTML.
package login

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/pkg/web"
)

// Request is what a protocol demands of a session.
type Request struct {
	// URL is the path and query, below the issuer, that asks: where the person
	// comes back to. It must hold the whole request, since nothing else of it
	// is kept.
	URL string
	// Party is the name of the application to show; empty for our own pages.
	Party string
	// Theme is the face of the pages on the way; the site's own when empty.
	Theme string
	// Targets are the origins to which the answer may redirect, for the page's
	// Content-Security-Policy: Chromium applies form-action to redirects.
	Targets []string
	// Fresh demands that the credentials be given for this request (CAS renew,
	// OIDC prompt=login).
	Fresh bool
	// MaxAge, when positive, is how long ago they may have been given (OIDC
	// max_age).
	MaxAge time.Duration
	// Login is filled into the form (OIDC login_hint).
	Login string
	// Echo are form fields that the protocol wants in the form (CAS 3.0.3
	// section 2.1.3: service).
	Echo url.Values
}

// Form is what the login page shows.
type Form struct {
	Request
	// State must come back as the form's field of this name.
	State string
	// Failure is why the form is shown again.
	Failure Failure
}

// Failure is what went wrong with the last attempt. There is deliberately one
// for all of: unknown, ambiguous, wrong password, not yet activated, closed,
// locked, slowed down (OWASP ASVS 6.3.8; requirement R35).
type Failure string

// The failures.
const (
	None     Failure = ""
	Rejected Failure = "rejected"
	// OtherBrowser: the form was made for another browser, or none. What it
	// asked for is not gone on with.
	OtherBrowser Failure = "other_browser"
)

// Pages are the pages that the engine needs. They answer completely.
type Pages interface {
	LoginForm(w http.ResponseWriter, r *http.Request, f Form)
	// Refused tells someone who gave the right password, or has a session, why
	// that is not enough.
	Refused(w http.ResponseWriter, r *http.Request, a account.Account, why account.Reason, party string)
	// Unavailable is a 503 with Retry-After.
	Unavailable(w http.ResponseWriter, r *http.Request, err error)
}

// Flow is the engine. Its fields are set before use.
type Flow struct {
	Directory directory.Reader
	Sessions  *session.Manager
	Keys      *secret.Keyring
	Cookies   web.Cookies
	Pages     Pages
	Audit     audit.Log
	Limits    Limits
	// Steps are what stands between credentials and entering, in this order.
	Steps []Step
	// Base is the path of the issuer, without a slash at its end.
	Base string
	// Resume serves the URL that asked, in process, once there is a session:
	// the whole server.
	Resume http.Handler
	// Recheck is how old the snapshot of an account may be; default and
	// maximum one minute (requirement R15).
	Recheck time.Duration
	// Floor is the least duration of an attempt that fails, here or by another
	// proof that Hold holds back, so that its cause cannot be told by the
	// clock; default 300 ms.
	Floor time.Duration
	// Farewells give the URLs by which the browser, and not the server, tells
	// applications that a session ends: a function of each protocol.
	Farewells []func(*session.Session) []string
	// Entered, when set, gives operations to carry out when an account has
	// logged in: the recovery engine ends its open attempts.
	Entered func(account.ID) []store.Op
	// Changed, when set, reads whether an account's password was set a moment ago:
	// then it is tried where changes are made, and not at a replica that may lag.
	Changed func(account.ID) *store.Read
	// Code, when set, is shown what was typed as a password before it is taken
	// for one: the code of a letter, which no failure is counted for
	// (requirement R62). It reports whether it has answered. Target is the URL
	// to go on to afterwards.
	Code func(w http.ResponseWriter, r *http.Request, login string, typed secret.String, target string) bool
	Now  func() time.Time // default time.Now
}

// Limits are the throttles of the login form: one budget for all protocols.
type Limits struct {
	// Account slows down guesses at one account from one address range.
	Account throttle.Limiter
	// Everywhere slows down guesses at one account from all over.
	Everywhere throttle.Limiter
	// Source bounds the attempts from one address range, generously: a whole
	// campus may share it.
	Source throttle.Limiter
	// Spray bounds the failures of one password at whatever accounts, from all
	// over; then it is tried once a minute.
	Spray throttle.Limiter
}

// DefaultLimits are those of requirements R33 and R34: a delay from the fifth
// failure on, growing from one minute to fifteen; nobody is locked out for
// good, and no stranger's guesses elsewhere keep the owner out for more than a
// minute.
func DefaultLimits() Limits {
	return Limits{
		Account:    throttle.Limiter{Name: "login account", Limit: 5, Window: 24 * time.Hour, Pause: time.Minute, MaxPause: 15 * time.Minute},
		Everywhere: throttle.Limiter{Name: "login everywhere", Limit: 100, Window: 24 * time.Hour, Pause: time.Minute, MaxPause: time.Minute},
		Source:     throttle.Limiter{Name: "login source", Limit: 600, Window: time.Minute},
		Spray:      throttle.Limiter{Name: "login spray", Limit: 50, Window: time.Hour},
	}
}

// Session returns the session that meets the request, nil when there is none or
// when a step is due first: for requests that allow no page (CAS
// gateway, OIDC prompt=none). It writes nothing. The error wraps
// store.ErrUnavailable or directory.ErrUnavailable. With a session come changes
// to be committed.
func (f *Flow) Session(r *http.Request, req Request) (*session.Session, error) {
	s, err := f.session(r, req)
	if s != nil && f.due(s) != nil {
		return nil, err
	}
	return s, err
}

func (f *Flow) session(r *http.Request, req Request) (*session.Session, error) {
	s, err := f.Sessions.Current(r)
	if err != nil || s == nil {
		return nil, err
	}
	if open, err := f.look(r, s); err != nil || !open {
		return nil, err
	}
	mark := secret.Hash(req.URL)
	given := s.JustStarted() || s.Note(noteFresh) == mark && f.now().Sub(s.AuthTime) <= noticeTime
	if s.Note(noteFresh) == mark {
		s.SetNote(noteFresh, "")
	}
	if !given && (req.Fresh || req.MaxAge > 0 && f.now().Sub(s.AuthTime) > req.MaxAge) {
		return nil, nil
	}
	s.FromCredentials = given
	return s, nil
}

// look asks the directory again for an account that was not looked at for a
// while. When it was closed meanwhile its sessions end (R-AUTH-23).
func (f *Flow) look(r *http.Request, s *session.Session) (open bool, err error) {
	if f.now().Sub(s.Checked) < f.recheck() {
		return true, nil
	}
	a, err := f.Directory.Get(r.Context(), s.Account.ID)
	switch {
	case errors.Is(err, directory.ErrNotFound), err == nil && !a.Status.MayLogin():
		// The session is dead; so are its tickets and tokens.
		if err := f.Sessions.EndAll(r.Context(), s.Account.ID); err != nil {
			return false, err
		}
		f.record(r, audit.Event{Action: "session.end", Result: "account_" + string(a.Status), Account: s.Account.ID})
		return false, nil
	case err != nil:
		return false, err
	}
	s.Account, s.Checked = a, f.now()
	return true, nil
}

// noteFresh says for which URL the credentials were given, when something was
// to be seen before coming back to it. Without it a demand for fresh
// credentials would never be met.
const noteFresh = "fresh"

// noticeTime is how long somebody may take to read a notice before credentials
// no longer count as given for what is asked.
const noticeTime = 10 * time.Minute

// Require returns a session that meets the request and has seen what must be
// seen, or answers the request itself and returns nil. The caller must Commit
// the session before it writes.
func (f *Flow) Require(w http.ResponseWriter, r *http.Request, req Request) *session.Session {
	s, err := f.session(r, req)
	if err != nil {
		f.Pages.Unavailable(w, r, err)
		return nil
	}
	if s == nil {
		f.form(w, r, req)
		return nil
	}
	if step := f.due(s); step != nil {
		f.show(w, r, s, req, step)
		return nil
	}
	return s
}

// Refuse answers a request whose session is right but whose account may not
// enter: with why, and whom to ask.
func (f *Flow) Refuse(w http.ResponseWriter, r *http.Request, s *session.Session, why account.Reason, party string) {
	if err := f.Sessions.Commit(r.Context(), w, s); err != nil {
		f.Pages.Unavailable(w, r, err)
		return
	}
	f.record(r, audit.Event{Action: "access", Result: "refused_" + string(why), Account: s.Account.ID, Party: party})
	f.Pages.Refused(w, r, s.Account, why, party)
}

func (f *Flow) form(w http.ResponseWriter, r *http.Request, req Request) {
	form := Form{Request: req, State: f.seal(w, r, req)}
	if again, ok := r.Context().Value(againKey{}).(again); ok {
		form.Failure, form.Login = again.failure, again.login
	}
	f.Pages.LoginForm(w, r, form)
}

func (f *Flow) record(r *http.Request, e audit.Event) {
	e.Address = web.ClientAddr(r).String()
	f.Audit.Record(r.Context(), e)
}

func (f *Flow) recheck() time.Duration {
	if f.Recheck == 0 {
		return time.Minute
	}
	return f.Recheck
}

func (f *Flow) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}
