// Package desk is the pages of operators: whom they help, what they may do for
// them, and what was done. It turns forms into calls of package operator and
// decides nothing.
//
//	GET  POST /desk                  search
//	GET  POST /desk/person/{handle}  one account; verify, act
//	GET  POST /desk/requests         those who asked for help
//	GET  POST /desk/lists            letters, invitations, campaigns
//	GET  POST /desk/letters          what was printed, and how far it is
//	GET       /desk/run/{run}        how far one is
//	GET  POST /desk/extensions       those who asked for more time
//	GET  POST /help/request          ask for help, without an account
//	GET       /help/asked
//	GET  POST /help/call             type the digits that an operator says
//
// A handle is sealed and good for one operator only: no login stands in a URL,
// and a URL that is passed on opens nothing.
package desk

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// Pages are the pages. Its fields are set before Routes is called.
type Pages struct {
	Desk     *operator.Desk
	Login    *login.Flow
	Sessions *session.Manager
	Pages    *render.Pages
	Keys     *secret.Keyring
	Cookies  web.Cookies
	Press    *letters.Press // nil: no letters are printed here
	Logger   *slog.Logger
	// Unavailable answers with a 503, and Problem with another status.
	Unavailable func(w http.ResponseWriter, r *http.Request, err error)
	Problem     func(w http.ResponseWriter, r *http.Request, status int)
}

// maxAge is how old the login of an operator may be, whatever keeps them signed
// in: a working day.
const maxAge = 12 * time.Hour

// Routes adds the pages.
func (p *Pages) Routes(m *web.Mux) {
	page := func(pattern string, h func(http.ResponseWriter, *http.Request, *session.Session)) {
		m.Page(pattern, p.signedIn(h))
	}
	page("GET /desk", func(w http.ResponseWriter, r *http.Request, s *session.Session) { p.search(w, r, s, "") })
	page("POST /desk", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		p.search(w, r, s, strings.TrimSpace(r.PostFormValue("q")))
	})
	page("GET /desk/person/{handle}", p.person)
	page("POST /desk/person/{handle}", p.postPerson)
	page("GET /desk/requests", p.queue)
	page("POST /desk/requests", p.postQueue)
	page("GET /desk/lists", p.lists)
	page("POST /desk/lists", p.postLists)
	page("GET /desk/letters", p.batches)
	page("POST /desk/letters", p.postBatches)
	page("GET /desk/run/{run}", p.run)
	page("GET /desk/extensions", p.extensions)
	page("POST /desk/extensions", p.postExtensions)
	if p.Desk.Rules.Answer() {
		m.Page("GET /help/request", http.HandlerFunc(p.ask))
		m.Page("POST /help/request", http.HandlerFunc(p.postAsk))
		m.Page("GET /help/asked", http.HandlerFunc(p.asked))
	}
	m.Page("GET "+CallPath, http.HandlerFunc(p.call))
	m.Page("POST "+CallPath, http.HandlerFunc(p.postCall))
}

// Check makes sure that every wording which depends on a value exists. Call it
// at start.
func (p *Pages) Check() error {
	var keys []string
	add := func(prefix string, values ...string) {
		for _, v := range values {
			keys = append(keys, "desk."+prefix+"."+v)
		}
	}
	for _, act := range operator.Acts() {
		add("act", string(act))
	}
	for _, why := range operator.Reasons() {
		add("reason", string(why))
	}
	for _, d := range []operator.Denied{operator.DeniedNoOperator, operator.DeniedSelf, operator.DeniedRank, operator.DeniedScope,
		operator.DeniedState, operator.DeniedUnverified} {
		add("denied", string(d))
	}
	for _, s := range []account.Status{account.Pending, account.Active, account.Grace, account.Locked, account.Disabled} {
		add("status", string(s))
	}
	add("next", "look", "handed", "vouch", "resend", "contact", "unlock", "lift", "renew", "decide", "decided", "closed", "nobody")
	for _, r := range []account.Reason{account.ReasonNotActivated, account.ReasonDeparture, account.ReasonExpired, account.ReasonClosed,
		account.ReasonAdministrative, account.ReasonSecurity, account.ReasonTooManyTries, account.ReasonMustChange, account.ReasonUnknownState} {
		add("because", string(r))
	}
	add("proof", "code", "match", "card", "facts")
	for _, need := range operator.Needs() {
		keys = append(keys, "request.need."+string(need))
	}
	add("missed", string(operator.MissedDigits), string(operator.MissedNobody))
	for _, step := range []string{"code", "match", "acted", "taken"} {
		keys = append(keys, "sms.desk."+step)
	}
	for _, why := range operator.Skips() {
		keys = append(keys, "lists.skipped."+string(why))
	}
	keys = append(keys, "mail.request.taken")
	for _, told := range []string{"unlock", "decide", "vouch", "cancel", "end", "freeze", "thaw", "campaign", "extend", "refuse"} {
		keys = append(keys, "mail.desk."+told)
	}
	for _, state := range []letters.State{letters.Printing, letters.Printed, letters.Revoked, letters.Interrupted} {
		keys = append(keys, "prints.state."+string(state))
	}
	for _, how := range operator.Outcomes() {
		keys = append(keys, "request.outcome."+string(how), "mail.request."+string(how), "sms.desk."+string(how))
	}
	return p.Pages.Require(keys...)
}

// signedIn runs a handler for somebody with a session of today. A form that
// comes without one leads back to its page, which asks for the login.
func (p *Pages) signedIn(h func(http.ResponseWriter, *http.Request, *session.Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := login.Request{URL: r.URL.Path, MaxAge: maxAge}
		var s *session.Session
		if r.Method == http.MethodPost {
			var err error
			if s, err = p.Login.Session(r, want); err != nil {
				p.Unavailable(w, r, err)
				return
			}
			if s == nil {
				http.Redirect(w, r, p.Pages.URL(r.URL.Path), http.StatusSeeOther)
				return
			}
		} else if s = p.Login.Require(w, r, want); s == nil {
			return
		}
		if err := p.Sessions.Commit(r.Context(), w, s); err != nil {
			p.Unavailable(w, r, err)
			return
		}
		if login.Resumed(r) {
			http.Redirect(w, r, p.Pages.URL(r.URL.Path), http.StatusSeeOther)
			return
		}
		h(w, r, s)
	})
}

// failed answers what is no news for the page itself: a refusal, or a fault.
func (p *Pages) failed(w http.ResponseWriter, r *http.Request, err error) {
	var denied operator.Denied
	if !errors.As(err, &denied) {
		p.Unavailable(w, r, err)
		return
	}
	p.Pages.Render(w, r, http.StatusForbidden, render.DeskDenied{Frame: render.Frame{NoDoors: true}, Why: string(denied)})
}

func (p *Pages) search(w http.ResponseWriter, r *http.Request, s *session.Session, text string) {
	c := operator.Case{Operator: s.Account.ID, Address: web.ClientAddr(r).String()}
	found, err := p.Desk.Search(r.Context(), c, text)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := render.Desk{Frame: render.Frame{NoDoors: true}, Query: text, Searched: text != "", More: found.More,
		Queue: p.Desk.May(s.Account, operator.Requests), Extensions: p.Desk.May(s.Account, operator.Extend), Lists: p.Press != nil && p.Desk.May(s.Account, operator.Letters) || p.Desk.May(s.Account, operator.Campaign)}
	if view.Queue {
		if view.Requests, err = p.Desk.Open(r.Context()); err != nil {
			p.failed(w, r, err)
			return
		}
	}
	for _, a := range found.Accounts {
		view.Found = append(view.Found, render.DeskFound{URL: p.place(s, a.ID), Name: a.Name, Login: a.Login, Status: string(a.Status)})
	}
	p.Pages.Render(w, r, http.StatusOK, view)
}

func (p *Pages) box() *secret.Box { return p.Keys.Box("desk handle") }

// place is the page of an account, for one operator.
func (p *Pages) place(s *session.Session, id account.ID) string {
	return "/desk/person/" + p.handle(s, id)
}

func (p *Pages) handle(s *session.Session, id account.ID) string {
	return p.box().Seal([]byte(id), string(s.Account.ID))
}

// of is the case that a request is about, by a handle. One that was made for
// somebody else is about nobody, whom no rule allows.
func (p *Pages) of(r *http.Request, s *session.Session, handle string) operator.Case {
	id, _ := p.box().Open(handle, string(s.Account.ID))
	return operator.Case{Operator: s.Account.ID, Account: account.ID(id), Address: web.ClientAddr(r).String()}
}
