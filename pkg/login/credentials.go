package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/pkg/web"
)

// Credentials is a posted login form.
type Credentials struct {
	Login    string
	Password secret.String
	// Remember is the ticked "stay signed in".
	Remember bool
	// Warn is the wish to be asked before an application is entered without
	// credentials (CAS 3.0.3 section 2.2.1).
	Warn  bool
	State string
}

// noteWarn keeps the wish with the session.
const noteWarn = "warn"

// Warns reports whether the person wants to be asked before an application is
// entered on this session.
func Warns(s *session.Session) bool { return s.Note(noteWarn) != "" }

// maxPassword is in bytes. Longer ones are refused before the directory is
// asked (R-AUTH-21), shorter ones are never cut.
const maxPassword = 4096

// Login answers a posted login form.
func (f *Flow) Login(w http.ResponseWriter, r *http.Request, c Credentials) {
	from, ours := f.unseal(r, c.State)
	target := from.URL
	if !ours {
		f.back(w, r, target, again{failure: OtherBrowser, login: c.Login})
		return
	}
	hold := f.Hold(r.Context())
	if f.Code != nil && f.Code(w, r, c.Login, c.Password, target) {
		return
	}
	a, answer := f.check(r, c)
	mustChange := errors.Is(answer, directory.ErrMustChange)
	switch {
	case errors.Is(answer, ErrRejected):
		hold()
		f.back(w, r, target, again{failure: Rejected, login: c.Login})
		return
	case answer != nil && !mustChange:
		f.Pages.Unavailable(w, r, answer)
		return
	}
	refused, why := !a.Status.MayLogin(), a.Reason
	if !refused && mustChange && !f.has(StepPassword) {
		refused, why = true, account.ReasonMustChange
	}
	if refused {
		f.record(r, audit.Event{Action: "login", Result: "refused_" + string(why), Account: a.ID})
		f.Pages.Refused(w, r, a, why, "")
		return
	}
	s, err := f.Sessions.Start(r, a, c.Remember, "pwd")
	if err != nil {
		f.Pages.Unavailable(w, r, err)
		return
	}
	if c.Warn {
		s.SetNote(noteWarn, "yes")
	}
	if mustChange || a.MustChange {
		s.SetNote(noteMustChange, f.markOf(a.ID, c.Password))
		noteExpiry(s, answer)
	}
	f.entered(r, s)
	s.With(f.remember(s, from.Party)...)
	f.resume(w, r, target)
}

// entered goes with every right password. It counts for no network: behind one
// address a whole campus signs in at eight o'clock.
func (f *Flow) entered(r *http.Request, s *session.Session) {
	id := s.Account.ID
	s.With(f.forgive(r, id)...)
	s.With(f.Limits.Source.Back(web.ClientRange(r)))
	if f.Entered != nil {
		s.With(f.Entered(id)...)
	}
	f.record(r, audit.Event{Action: "login", Result: "ok", Account: id})
}

// ErrRejected is every failure of credentials: all must look the same.
var ErrRejected = errors.New("login rejected")

// check returns the account that the credentials are right for, whatever its
// status, with directory.ErrMustChange when they are right for a change of the
// password only; or ErrRejected, or a fault.
func (f *Flow) check(r *http.Request, c Credentials) (account.Account, error) {
	ctx := r.Context()
	if c.Password.Empty() || len(c.Password.Reveal()) > maxPassword {
		return account.Account{}, ErrRejected
	}
	a, err := f.Directory.Find(ctx, c.Login)
	unknown := errors.Is(err, directory.ErrNotFound)
	if err != nil && !unknown {
		return account.Account{}, err
	}
	// The account's own counter, whatever name it was called by (R-AUTH-10);
	// for names that nobody has, one per name.
	whole := string(a.ID)
	if unknown {
		whole = "unknown " + strings.ToLower(norm.NFKC.String(strings.TrimSpace(c.Login)))
	}
	brake := f.brake(c.Password)
	ops := []store.Op{brake}
	changed := &store.Read{}
	if f.Changed != nil && !unknown {
		changed = f.Changed(a.ID)
		ops = append(ops, changed)
	}
	tries, refused := f.count(r, whole, a.ID, ops...)
	if refused == nil && brake.Fields != nil {
		f.record(r, audit.Event{Action: "login", Result: "throttled", Account: a.ID})
		refused = f.uncount(r, ErrRejected, tries...)
	}
	if refused != nil {
		return account.Account{}, refused
	}
	if changed.Fields != nil {
		ctx = directory.Fresh(ctx)
	}
	if unknown {
		if errors.Is(err, directory.ErrAmbiguous) {
			f.record(r, audit.Event{Action: "lookup.ambiguous", Result: "refused"})
		}
		f.record(r, audit.Event{Action: "login", Result: "unknown"})
		return account.Account{}, f.failed(r, c.Password)
	}
	switch err := f.Directory.Authenticate(ctx, a, c.Password); {
	case err == nil:
		return a, nil
	case errors.Is(err, directory.ErrMustChange):
		return a, err
	case errors.Is(err, directory.ErrBadPassword), errors.Is(err, directory.ErrLocked):
		f.record(r, audit.Event{Action: "login", Result: "rejected", Account: a.ID, Detail: []slog.Attr{slog.Bool("locked_by_directory", errors.Is(err, directory.ErrLocked))}})
		return account.Account{}, f.failed(r, c.Password)
	default:
		return account.Account{}, f.uncount(r, err, tries...)
	}
}

// count counts a try before the password is looked at, so that guesses side by
// side cannot all pass (R-AUTH-15). It is ErrRejected when there were too many.
// Such a try counts for nobody: whoever floods an account from one network keeps
// its owner waiting nowhere else (R-AUTH-16). What else is to be asked of the
// store goes in the same trip.
func (f *Flow) count(r *http.Request, whole string, id account.ID, more ...store.Op) (tries []*store.Hit, err error) {
	source := f.Limits.Source.Hit(web.ClientRange(r))
	tries, refused, err := f.hit(r, whole, append(more, source)...)
	if !source.Allowed && !refused && err == nil {
		refused, err = true, f.uncount(r, nil, tries...)
	}
	if refused && source.Allowed && err == nil {
		var again bool
		if again, err = f.pardoned(r, whole); again && err == nil {
			tries, refused, err = f.hit(r, whole)
		}
	}
	// Those in front may be in the directory now, with right passwords, and take
	// back what they counted: of wrong ones no more pass by this.
	for range 2 {
		if refused && source.Allowed && err == nil {
			wait(r.Context(), upTo(f.floor()/3))
			tries, refused, err = f.hit(r, whole)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case refused:
		f.record(r, audit.Event{Action: "login", Result: "throttled", Account: id})
		return nil, ErrRejected
	}
	return tries, nil
}

// hit counts a try, and takes back what it counted where a counter refuses.
func (f *Flow) hit(r *http.Request, whole string, more ...store.Op) (tries []*store.Hit, refused bool, err error) {
	narrow := f.Limits.Account.Hit(whole + " " + web.ClientRange(r))
	wide := f.Limits.Everywhere.Hit(whole)
	tries = []*store.Hit{narrow, wide}
	if err := f.Sessions.Cookies.Store.Do(r.Context(), append(more, narrow, wide)...); err != nil {
		return nil, false, err
	}
	if _, refused = throttle.Refused(tries...); refused {
		err = f.uncount(r, nil, tries...)
	}
	return tries, refused, err
}

// uncount takes a try back at which nobody looked at the password, and returns
// why.
func (f *Flow) uncount(r *http.Request, why error, tries ...*store.Hit) error {
	back := throttle.Back(tries...)
	if len(back) == 0 {
		return why
	}
	// The browser may be gone, and the next one must not pay for it.
	if err := f.Sessions.Cookies.Store.Do(context.WithoutCancel(r.Context()), back...); err != nil {
		return errors.Join(why, err)
	}
	return why
}

// Confirm has somebody who is signed in give their password again, to change
// it: try looks at it, within the limits of the login form (R-AUTH-20). When
// there were too many tries the error is ErrRejected, and try is not called.
func (f *Flow) Confirm(r *http.Request, a account.Account, try func() error) error {
	tries, err := f.count(r, string(a.ID), a.ID)
	if err != nil {
		return err
	}
	err = try()
	switch {
	case errors.Is(err, directory.ErrUnavailable):
		return f.uncount(r, err, tries...)
	case err != nil:
		return err
	}
	return f.Forgive(r, a.ID)
}

// Forgive forgets the failures of an account whose owner has proved, from the
// network of this request, who they are: they are not kept waiting for what was
// tried before (requirement R34). The error wraps store.ErrUnavailable.
func (f *Flow) Forgive(r *http.Request, id account.ID) error {
	return f.Sessions.Cookies.Store.Do(r.Context(), f.forgive(r, id)...)
}

func (f *Flow) forgive(r *http.Request, id account.ID) []store.Op {
	return []store.Op{f.Limits.Account.Forgive(string(id) + " " + web.ClientRange(r)), f.Limits.Everywhere.Forgive(string(id))}
}

// Again shows the form again without an attempt: the person changed the
// language and keeps what was typed.
func (f *Flow) Again(w http.ResponseWriter, r *http.Request, login, state string) {
	from, _ := f.unseal(r, state)
	f.back(w, r, from.URL, again{login: login})
}

// Logout ends the request's session, if there is one, and tells every party.
// The URLs are those by which the browser must tell some of them: whoever
// answers shows a page that loads them.
func (f *Flow) Logout(w http.ResponseWriter, r *http.Request) (farewells []string, err error) {
	s, err := f.Sessions.Current(r)
	if err != nil || s == nil {
		return nil, err
	}
	for _, of := range f.Farewells {
		farewells = append(farewells, of(s)...)
	}
	id := s.Account.ID
	if err := f.Sessions.End(r.Context(), w, s); err != nil {
		return nil, err
	}
	f.record(r, audit.Event{Action: "logout", Result: "ok", Account: id})
	return farewells, nil
}

// Hold begins an attempt of which nobody may tell by the clock why it fails.
// What it returns waits until Floor is over; call it before a failure is
// answered.
func (f *Flow) Hold(ctx context.Context) (hold func()) {
	over := time.Now().Add(f.floor())
	return func() { wait(ctx, time.Until(over)) }
}

func (f *Flow) floor() time.Duration { return cmp.Or(f.Floor, 300*time.Millisecond) }

// upTo is a duration at random, so that not all come back at one moment.
func upTo(most time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(most)+1))
	if err != nil {
		return most
	}
	return time.Duration(n.Int64())
}

// wait ends with ctx at the latest.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
