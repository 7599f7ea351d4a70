// Package portal is the pages that people meet at the identity provider
// itself: sign-in, sign-out and the ways back in. It turns forms into calls of
// the engines and their answers into pages, and decides nothing.
//
//	GET  POST /login            the form; its answer
//	     POST /login/continue   a notice was read
//	GET  POST /logout           ask; do
//	GET  POST /recover, /activate        who are you
//	GET  POST /recover/sent              a message has left: type its code
//	GET  POST /code                      a code, on any device
//	GET  POST /recover/link              a link was opened; go on
//	GET  POST /recover/number            who are you, by a number and a date
//	GET  POST /recover/more              prove what is still missing
//	GET  POST /recover/address           give a rescue address
//	GET  POST /recover/password          choose a password
//	GET  POST /recover/unlock            or keep the one there is
//	GET  POST /recover/undo              take a changed address back
//	GET       /recover/done              sign in now
//	GET       /help, /accessibilite
//	GET       /account, and below it what is one's own
package portal

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/web"
)

// Portal is the pages. Its fields are set before Routes is called.
type Portal struct {
	Login    *login.Flow
	Recovery *recovery.Flow // nil: no way back in is offered
	Sessions *session.Manager
	Pages    *render.Pages
	Cookies  web.Cookies
	Keys     *secret.Keyring
	// Namers know to which application a local URL leads.
	Namers []sso.Namer
	// Establishments, when set, are those between which people may change.
	Establishments *login.Establishments
	// Consenters know what people agreed to.
	Consenters []sso.Consenter
	// Lifecycle says who may ask for their account to last longer, and
	// Extensions keeps the requests; nil: nobody may.
	Lifecycle  lifecycle.Config
	Extensions *lifecycle.Extensions

	fields []Field // see Allow
	asks   Steps   // see Steps
	notes  notes
	Logger *slog.Logger
}

var _ login.Pages = (*Portal)(nil)

// Routes adds the pages.
func (p *Portal) Routes(m *web.Mux) {
	page := func(pattern string, h http.HandlerFunc) { m.Page(pattern, h) }
	page("GET /{$}", func(w http.ResponseWriter, r *http.Request) { p.to(w, r, "/login") })
	page("GET /login", p.login)
	page("POST /login", p.postLogin)
	page("POST /login/continue", func(w http.ResponseWriter, r *http.Request) {
		p.Login.Continue(w, p.Pages.WithLanguage(r), r.PostFormValue(sso.FieldState))
	})
	page("GET /logout", p.logout)
	page("POST /logout", p.postLogout)
	page("GET /help", p.help)
	page("GET /accessibilite", p.accessibility)
	p.accountRoutes(m)
	if p.Establishments != nil {
		p.establishmentRoutes(m)
	}
	if p.Recovery != nil {
		page("GET /recover", p.identify(recovery.Reset))
		page("POST /recover", p.postIdentify(recovery.Reset))
		page("GET /activate", p.identify(recovery.Activate))
		page("POST /activate", p.postIdentify(recovery.Activate))
		page("GET /recover/number", p.number)
		page("POST /recover/number", p.postNumber)
		page("GET /recover/sent", p.sent)
		page("POST /recover/sent", p.postSent)
		page("GET /code", p.code)
		page("POST /code", p.postCode)
		page("GET /recover/link", p.link)
		page("POST /recover/link", p.postLink)
		page("GET /recover/more", p.more)
		page("POST /recover/more", p.postMore)
		page("GET /recover/password", p.password)
		page("POST /recover/password", p.postPassword)
		page("POST /recover/password/check", p.checkNew)
		page("GET /recover/address", p.address)
		page("POST /recover/address", p.postAddress)
		page("GET /recover/unlock", p.unlock)
		page("POST /recover/unlock", p.postUnlock)
		page("GET /recover/undo", p.undo)
		page("POST /recover/undo", p.postUndo)
		page("GET /recover/done", p.done)
	}
}

// Check makes sure that every wording which depends on a value exists. Call it
// at start.
func (p *Portal) Check() error {
	var keys []string
	for _, reason := range password.Reasons() {
		keys = append(keys, refusedKey(string(reason)))
	}
	if p.Recovery != nil {
		keys = append(keys, p.Recovery.Messages()...)
	}
	return p.Pages.Require(keys...)
}

// login is the page of somebody who came for no application. With return it is
// the way to one, after a detour.
func (p *Portal) login(w http.ResponseWriter, r *http.Request) {
	if back := local(r); back != "" {
		p.to(w, r, back)
		return
	}
	s := p.Login.Require(w, r, login.Request{URL: "/login"})
	if s == nil {
		return
	}
	if err := p.Sessions.Commit(r.Context(), w, s); err != nil {
		p.Unavailable(w, r, err)
		return
	}
	view := render.SignedIn{Name: s.Account.Name, Login: s.Account.Login, Frame: render.Frame{NoDoors: true}}
	if s.Account.Status == account.Grace {
		view.GraceEnds = s.Account.Ends
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

func (p *Portal) postLogin(w http.ResponseWriter, r *http.Request) {
	sso.PostLogin(p.Login, p.Pages, w, r)
}

// LoginForm implements login.Pages.
func (p *Portal) LoginForm(w http.ResponseWriter, r *http.Request, f login.Form) {
	frame := render.Frame{
		Destination: f.Party,
		Theme:       f.Theme,
		Action:      "/login",
		Hidden:      []render.Field{{Name: sso.FieldState, Value: f.State}},
		FormTargets: f.Targets,
	}
	for name, values := range f.Echo {
		for _, v := range values {
			frame.Hidden = append(frame.Hidden, render.Field{Name: name, Value: v})
		}
	}
	if f.URL != "/login" {
		frame.Return = f.URL
	}
	if done := p.finished(r); done.Login != "" && f.Failure == login.None {
		p.Cookies.Delete(w, cookieDone)
		f.Login = done.Login
		if news := done.news(); news != "" {
			frame.Alert = &render.Alert{Key: news, Good: true}
		}
	}
	status := http.StatusOK
	switch f.Failure {
	case login.Rejected:
		status = http.StatusUnauthorized
		frame.Alert = &render.Alert{Key: render.AlertBadLogin, Field: "password"}
		if p.Recovery != nil {
			frame.Alert.Key, frame.Alert.Links = render.AlertBadCredentials, []render.Link{
				p.door(render.LinkRecover, "/recover", frame.Return), p.door(render.LinkActivate, "/activate", frame.Return)}
		}
	case login.OtherBrowser:
		status = http.StatusForbidden
		frame.Alert = &render.Alert{Key: render.AlertOtherBrowser}
	}
	p.Pages.Render(w, r, status, render.Login{Frame: frame, Username: f.Login, Letters: p.Recovery != nil && p.Recovery.Letters()})
}

// Refused implements login.Pages.
func (p *Portal) Refused(w http.ResponseWriter, r *http.Request, a account.Account, why account.Reason, party string) {
	view := render.Refused{Frame: render.Frame{Destination: party}, Reason: render.Reason(why)}
	if why == account.ReasonExpired {
		view.Since = a.Ends
	}
	p.Pages.Render(w, r, http.StatusForbidden, view)
}

// GraceNotice is the page of login.GraceNotice.
func (p *Portal) GraceNotice(w http.ResponseWriter, r *http.Request, a account.Account, form login.StepForm) {
	rule := p.Lifecycle.GraceOf(a, p.now())
	p.Pages.Render(w, r, http.StatusOK, render.Grace{Ends: a.Ends, More: p.extendable(a) > 0, Final: rule.Months > 0 && !rule.Renewable,
		Frame: stepFrame(login.GraceNotice{}, form)})
}

// stepFrame is the frame of the page of a step.
func stepFrame(step login.Step, form login.StepForm) render.Frame {
	alert, _ := form.Again.(*render.Alert)
	return render.Frame{
		Alert:       alert,
		Destination: form.Party,
		Theme:       form.Theme,
		Action:      "/login/continue",
		Hidden:      []render.Field{{Name: sso.FieldState, Value: form.State}, {Name: login.FieldStep, Value: step.Name()}},
		FormTargets: form.Targets,
		NoDoors:     true,
	}
}

// retryAfter is when to come back after a fault, in seconds.
const retryAfter = "5"

// Unavailable implements login.Pages.
func (p *Portal) Unavailable(w http.ResponseWriter, r *http.Request, err error) {
	p.Logger.LogAttrs(r.Context(), slog.LevelError, "unavailable", slog.String("ref", web.Reference(r)), slog.Any("err", err))
	w.Header().Set("Retry-After", retryAfter)
	p.Problem(w, r, http.StatusServiceUnavailable)
}

// Problem is the page of a status of 400 and above.
func (p *Portal) Problem(w http.ResponseWriter, r *http.Request, status int) {
	p.Pages.Render(w, r, status, render.Problem{Kind: render.ProblemFor(status), Reference: web.Reference(r)})
}

func (p *Portal) logout(w http.ResponseWriter, r *http.Request) {
	s, err := p.Sessions.Current(r)
	switch {
	case err != nil:
		p.Unavailable(w, r, err)
	case s == nil:
		p.Pages.Render(w, r, http.StatusOK, render.LoggedOut{})
	default:
		p.Pages.Render(w, r, http.StatusOK, render.LogoutConfirm{Login: s.Account.Login, Frame: render.Frame{NoDoors: true}})
	}
}

func (p *Portal) postLogout(w http.ResponseWriter, r *http.Request) {
	farewells, err := p.Login.Logout(w, r)
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.Pages.Render(w, r, http.StatusOK, render.LoggedOut{Farewells: farewells})
}

func (p *Portal) help(w http.ResponseWriter, r *http.Request) {
	p.Pages.Render(w, r, http.StatusOK, render.HelpPage{Frame: render.Frame{Return: local(r)}})
}

func (p *Portal) accessibility(w http.ResponseWriter, r *http.Request) {
	p.Pages.Render(w, r, http.StatusOK, render.Accessibility{})
}

func (p *Portal) now() time.Time {
	if p.Login.Now == nil {
		return time.Now()
	}
	return p.Login.Now()
}

func (p *Portal) to(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, p.Pages.URL(path), http.StatusSeeOther)
}

func (p *Portal) door(key render.LinkKey, path, back string) render.Link {
	return render.Link{Key: key, URL: withReturn(path, back)}
}
