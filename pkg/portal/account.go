package portal

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// recent is how long ago somebody may have given their password when they change
// what is theirs (requirement R25).
const recent = 10 * time.Minute

// accountRoutes adds the pages of whoever is signed in.
func (p *Portal) accountRoutes(m *web.Mux) {
	look := func(path string, h func(http.ResponseWriter, *http.Request, *session.Session)) {
		m.Page("GET "+path, p.mine(path, 0, h))
	}
	change := func(path string, show, take func(http.ResponseWriter, *http.Request, *session.Session)) {
		m.Page("GET "+path, p.mine(path, recent, show))
		m.Page("POST "+path, p.mine(path, recent, take))
	}
	look("/account", p.account)
	look("/account/sessions", p.sessions)
	look("/account/events", p.events)
	m.Page("POST /account/sessions", p.mine("/account/sessions", 0, p.postSessions)) // whoever finds a stranger there need not type first
	look("/account/apps", p.apps)
	m.Page("POST /account/apps", p.mine("/account/apps", 0, p.postApps))
	m.Page("GET /account/download", p.mine("/account/download", recent, p.download))
	change("/account/data", p.profile, p.postProfile)
	look("/account/extend", p.extend)
	m.Page("POST /account/extend", p.mine("/account/extend", 0, p.postExtend))
	if p.Recovery != nil {
		look("/account/password", p.ownPassword)
		m.Page("POST /account/password", p.mine("/account/password", 0, p.postOwnPassword)) // the form asks for the present one itself
		change("/account/contacts", p.contacts, p.postContacts)
		change("/account/question", p.question, p.postQuestion)
		m.Page("POST /account/password/check", http.HandlerFunc(p.checkPassword))
	}
}

// editable reports whether more than passwords can be changed in the directory.
func (p *Portal) editable() bool {
	_, ok := p.Login.Directory.(directory.Editor)
	return ok
}

// mine is a page of somebody who is signed in, by credentials that are not
// older than that; any, when it is zero.
func (p *Portal) mine(path string, age time.Duration, h func(http.ResponseWriter, *http.Request, *session.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := p.Login.Require(w, r, login.Request{URL: path, MaxAge: age})
		if s == nil {
			return
		}
		if err := p.Sessions.Commit(r.Context(), w, s); err != nil {
			p.Unavailable(w, r, err)
			return
		}
		if login.Resumed(r) {
			p.to(w, r, path)
			return
		}
		h(w, r, s)
	}
}

// own is the frame of a page of the account, with the good news that a redirect
// names.
func (p *Portal) own(r *http.Request) render.Frame {
	frame := render.Frame{NoDoors: true}
	if key := render.AlertKey(r.URL.Query().Get("done")); r.Method == http.MethodGet && slices.Contains(render.AccountNews, key) {
		frame.Alert = &render.Alert{Key: key, Good: true}
	}
	return frame
}

// did goes to a page of the account with good news.
func (p *Portal) did(w http.ResponseWriter, r *http.Request, path string, news render.AlertKey) {
	p.to(w, r, path+"?done="+string(news))
}

func (p *Portal) account(w http.ResponseWriter, r *http.Request, s *session.Session) {
	view := render.Account{Frame: p.own(r), Name: s.Account.Name, Login: s.Account.Login, Ends: s.Account.Ends}
	for _, part := range []struct {
		name  string
		there bool
	}{{"password", p.Recovery != nil}, {"contacts", p.Recovery != nil && p.editable()}, {"question", p.Recovery != nil && p.Recovery.Choosable() != nil}, {"data", len(p.fieldsOf(s.Account)) > 0}, {"sessions", true}, {"apps", true},
		{"events", true}, {"extend", p.extendable(s.Account) > 0}, {"establishment", p.several(s)}, {"download", true}} {
		if part.there {
			view.Parts = append(view.Parts, part.name)
		}
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

func (p *Portal) ownPassword(w http.ResponseWriter, r *http.Request, s *session.Session) {
	p.showOwnPassword(w, r, http.StatusOK, s, render.NewPassword{Frame: p.own(r), Current: true})
}

func (p *Portal) showOwnPassword(w http.ResponseWriter, r *http.Request, status int, s *session.Session, view render.NewPassword) {
	view.Login = s.Account.Login
	view.Minimum, view.Kinds = p.Recovery.Policy.MinimumFor(password.ContextOf(s.Account)), p.Recovery.Policy.Kinds()
	p.Pages.Render(w, r, status, view)
}

func (p *Portal) postOwnPassword(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if render.SwitchesLanguage(r) {
		p.ownPassword(w, r, s)
		return
	}
	owner, err := p.present(r, s)
	alert, err := p.changeOwn(r, s, owner, err)
	switch {
	case err != nil:
		p.Unavailable(w, r, err)
	case alert != nil:
		frame := p.own(r)
		frame.Alert = alert
		p.showOwnPassword(w, r, http.StatusUnprocessableEntity, s, render.NewPassword{Frame: frame, Current: true})
	default:
		p.did(w, r, "/account", render.AlertPasswordChanged)
	}
}

// present has whoever is signed in prove by the present password that it is they.
func (p *Portal) present(r *http.Request, s *session.Session) (owner *recovery.Owner, err error) {
	err = p.Login.Confirm(r, s.Account, func() (err error) {
		owner, err = p.Recovery.Own(r.Context(), s.Account.ID, secret.New(r.PostFormValue("current")))
		return err
	})
	return owner, err
}

// asksCurrent reports whether the present password was given too long ago to
// change by it what gets somebody in (requirement R25): a session that stays open
// may come to a step at any time.
func (p *Portal) asksCurrent(s *session.Session) bool { return p.now().Sub(s.AuthTime) > recent }

// again has somebody give the present password once more where it is asked for.
// The alert says that it was another.
func (p *Portal) again(r *http.Request, s *session.Session) (*render.Alert, error) {
	if !p.asksCurrent(s) {
		return nil, nil
	}
	_, err := p.present(r, s)
	if isWrong(err) {
		return wrongCurrent(), nil
	}
	return nil, err
}

// isWrong reports whether it was not the present password, and wrongCurrent says
// so.
func isWrong(err error) bool {
	return errors.Is(err, login.ErrRejected) || errors.Is(err, recovery.ErrWrong)
}

func wrongCurrent() *render.Alert {
	return &render.Alert{Key: render.AlertWrongCurrent, Field: "current", Links: []render.Link{{Key: render.LinkRecover, URL: "/recover"}}}
}

// changeOwn changes the password of an owner. The alert says what was wrong, with
// the proof too; it is nil when the password was changed.
func (p *Portal) changeOwn(r *http.Request, s *session.Session, owner *recovery.Owner, err error) (*render.Alert, error) {
	if err == nil {
		err = p.Recovery.ChangeOwn(r.Context(), owner, secret.New(r.PostFormValue("password")), p.Sessions.Under(s), web.ClientAddr(r).String())
	}
	var refused *recovery.Refused
	switch {
	case isWrong(err):
		return wrongCurrent(), nil
	case errors.As(err, &refused):
		return weak(refused), nil
	}
	return nil, err
}

// weak says why a new password was refused.
func weak(refused *recovery.Refused) *render.Alert {
	alert := &render.Alert{Key: render.AlertWeakPassword, Field: "password"}
	for _, reason := range refused.Reasons {
		alert.Details = append(alert.Details, refusedKey(reason))
	}
	return alert
}

// checkPassword says in words, while somebody types, what would be wrong with a
// new password: one sentence a line, nothing when it is good. It is a comfort;
// the form asks the same again.
func (p *Portal) checkPassword(w http.ResponseWriter, r *http.Request) {
	s, err := p.Sessions.Current(r)
	if err != nil || s == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var reasons []string
	for _, reason := range p.Recovery.Policy.Check(secret.New(r.PostFormValue("password")), password.ContextOf(s.Account)) {
		reasons = append(reasons, string(reason))
	}
	p.tell(w, r, reasons)
}

// checkNew is checkPassword for whoever has proved who they are.
func (p *Portal) checkNew(w http.ResponseWriter, r *http.Request) {
	reasons, err := p.Recovery.Weak(r.Context(), p.Cookies.Get(r, cookieProof), secret.New(r.PostFormValue("password")))
	if err != nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	p.tell(w, r, reasons)
}

// tell writes why a password would be refused.
func (p *Portal) tell(w http.ResponseWriter, r *http.Request, reasons []string) {
	lines := make([]string, len(reasons))
	for i, reason := range reasons {
		lines[i] = p.Pages.Text(r, refusedKey(reason))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(strings.Join(lines, "\n"))) // the browser has gone: nobody is left to tell
}

func (p *Portal) sessions(w http.ResponseWriter, r *http.Request, s *session.Session) {
	open, err := p.Sessions.List(r.Context(), s.Account.ID)
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	view := render.Sessions{Frame: p.own(r)}
	for _, each := range open {
		shown := render.OpenSession{SID: each.SID, Device: each.Device, Origin: p.origin(r, each.Network), Began: each.Began, Seen: each.Seen, Current: each.SID == p.Sessions.SID(s)}
		for _, visit := range each.Visits {
			if name := cmp.Or(visit.Name, visit.Party); !slices.Contains(shown.Apps, name) {
				shown.Apps = append(shown.Apps, name)
			}
		}
		view.Open = append(view.Open, shown)
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

func (p *Portal) postSessions(w http.ResponseWriter, r *http.Request, s *session.Session) {
	var err error
	switch end := r.PostFormValue("end"); end {
	case "others":
		err = p.Sessions.EndOthers(r.Context(), s.Account.ID, p.Sessions.Under(s))
	case p.Sessions.SID(s):
		p.postLogout(w, r)
		return
	default:
		err = p.Sessions.EndOne(r.Context(), s.Account.ID, end)
	}
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.did(w, r, "/account/sessions", render.AlertSessionEnded)
}

// apps lists what was entered and what was agreed to, over all protocols.
func (p *Portal) apps(w http.ResponseWriter, r *http.Request, s *session.Session) {
	open, err := p.Sessions.List(r.Context(), s.Account.ID)
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	view := render.Apps{Frame: p.own(r), Used: used(open)}
	for _, each := range p.Consenters {
		given, err := each.Consents(r.Context(), s.Account.ID)
		if err != nil {
			p.Unavailable(w, r, err)
			return
		}
		for _, c := range given {
			view.Agreed = append(view.Agreed, render.Agreed{ID: c.Client, Name: c.Name, At: c.At})
		}
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

// used are the applications of open sessions, the last entered first, each once.
func used(open []session.Live) (out []render.Used) {
	for _, each := range open {
		for _, visit := range each.Visits {
			out = append(out, render.Used{Name: cmp.Or(visit.Name, visit.Party), At: time.Unix(visit.At, 0)})
		}
	}
	slices.SortStableFunc(out, func(a, b render.Used) int { return b.At.Compare(a.At) })
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(u render.Used) bool {
		again := seen[u.Name]
		seen[u.Name] = true
		return again
	})
}

func (p *Portal) postApps(w http.ResponseWriter, r *http.Request, s *session.Session) {
	for _, each := range p.Consenters {
		if err := each.RevokeConsent(r.Context(), s.Account.ID, r.PostFormValue("revoke")); err != nil {
			p.Unavailable(w, r, err)
			return
		}
	}
	p.did(w, r, "/account/apps", render.AlertRevoked)
}

func (p *Portal) events(w http.ResponseWriter, r *http.Request, s *session.Session) {
	signIns, err := p.Login.SignIns(r.Context(), s.Account.ID)
	var events []recovery.Event
	if err == nil && p.Recovery != nil {
		events, err = p.Recovery.Events(r.Context(), s.Account.ID)
	}
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	view := render.Events{Frame: p.own(r), Events: shownEvents(events)}
	for _, each := range signIns {
		view.SignIns = append(view.SignIns, render.SignIn{At: each.At, Device: each.Device, Origin: p.origin(r, each.Network), App: each.Party})
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

// origin is what people call a network, where the site has a name for it.
func (p *Portal) origin(r *http.Request, network string) render.Origin {
	if p.Recovery == nil {
		return render.Origin{Range: network}
	}
	return p.Recovery.Origin(network, p.Pages.Language(r))
}

func shownEvents(events []recovery.Event) (out []render.DeskEvent) {
	for _, e := range events {
		result := e.Result
		if strings.HasPrefix(result, "refused_") {
			result = "refused"
		}
		out = append(out, render.DeskEvent{At: e.At, Result: result, To: e.To, Fate: string(e.Fate)})
	}
	return out
}
