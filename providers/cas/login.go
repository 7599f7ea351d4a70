package cas

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
)

// PartyAt implements sso.Namer.
func (p *protocol) PartyAt(u *url.URL) string {
	if u.Path != "/cas/login" {
		return ""
	}
	service, _ := serviceOf(u.Query().Get("service"), u.Query().Get(samlTarget))
	_, party, err := p.registered(service)
	if err != nil {
		return ""
	}
	return party.Name
}

// request answers GET /cas/login: CAS as credential requestor (section 2.1).
func (p *protocol) request(w http.ResponseWriter, r *http.Request) {
	a, err := p.ask(r.URL.Query())
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.serve(w, r, a)
}

func (p *protocol) serve(w http.ResponseWriter, r *http.Request, a ask) {
	if a.gateway {
		p.pass(w, r, a)
		return
	}
	s := p.env.Login.Require(w, r, a.demand())
	switch {
	case s == nil:
	case a.party == nil:
		if p.commit(w, r, s) {
			http.Redirect(w, r, p.env.Issuer+"/login", http.StatusSeeOther)
		}
	case p.admitted(w, r, a, s):
		p.enter(w, r, a, s)
	}
}

// admitted tells whether the account may enter, or answers why not.
func (p *protocol) admitted(w http.ResponseWriter, r *http.Request, a ask, s *session.Session) bool {
	why := a.party.Admit(s.Account, p.env.Now())
	if why != account.ReasonNone {
		p.env.Login.Refuse(w, r, s, why, a.party.Name)
	}
	return why == account.ReasonNone
}

// pass serves a gateway: no credentials are ever asked for, and without a
// session that may enter the browser goes back without a ticket.
func (p *protocol) pass(w http.ResponseWriter, r *http.Request, a ask) {
	s, err := p.env.Login.Session(r, a.demand())
	switch {
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
	case s == nil:
		redirect(w, r, a.service.Bare())
	case a.party.Admit(s.Account, p.env.Now()) != account.ReasonNone:
		if p.commit(w, r, s) {
			redirect(w, r, a.service.Bare())
		}
	default:
		p.enter(w, r, a, s)
	}
}

// enter sends somebody who may to the service, unless they want to be asked
// first.
func (p *protocol) enter(w http.ResponseWriter, r *http.Request, a ask, s *session.Session) {
	if warns(a, s) {
		p.warn(w, r, a, s)
		return
	}
	p.send(w, r, a, s)
}

// send issues the ticket and sends the browser with it.
func (p *protocol) send(w http.ResponseWriter, r *http.Request, a ask, s *session.Session) {
	ticket, ok := p.issue(w, r, a, s)
	if !ok {
		return
	}
	_, word := a.words()
	switch a.method {
	case methodPost:
		noCache(w)
		p.env.Pages.Render(w, r, http.StatusOK, render.FormPost{
			Frame:  render.Frame{Destination: a.party.Name},
			Target: a.service.Bare(),
			Fields: []render.Field{{Name: word, Value: ticket}},
		})
	case methodHeader:
		noCache(w)
		w.Header().Set("service", a.service.Bare())
		w.Header().Set("ticket", ticket)
		w.WriteHeader(http.StatusOK)
	default:
		redirect(w, r, a.service.With(word, ticket))
	}
}

// issue makes a service ticket, or answers why that could not be. Every ticket
// is a visit of its own: a service keeps one login per ticket and wants the end
// of each.
func (p *protocol) issue(w http.ResponseWriter, r *http.Request, a ask, s *session.Session) (ticket string, ok bool) {
	under := p.env.Sessions.Under(s)
	ticket, create := p.issued.Issue(under, p.assert(a, s, under).fields())
	p.visit(s, a, ticket, name)
	if !p.commit(w, r, s, create) {
		return "", false
	}
	p.record(r, audit.Event{Action: "ticket.issue", Result: "ok", Account: s.Account.ID, Party: a.party.Name})
	return ticket, true
}

// accept answers POST /cas/login: CAS as credential acceptor (section 2.2).
// The login page posts to /login; programs that drive the form post here, and
// without what the form hid they are shown the form.
func (p *protocol) accept(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	for field, values := range r.PostForm {
		asked[field] = values
	}
	a, err := p.ask(asked)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	if r.PostFormValue(sso.FieldState) == "" {
		p.serve(w, r, a)
		return
	}
	sso.PostLogin(p.env.Login, p.env.Pages, w, r)
}

func (p *protocol) commit(w http.ResponseWriter, r *http.Request, s *session.Session, ops ...store.Op) bool {
	if err := p.env.Sessions.Commit(r.Context(), w, s, ops...); err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return false
	}
	return true
}

// refuse tells the person on a page of ours: a service that is not registered
// is never redirected to.
func (p *protocol) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadRequest
	if errors.Is(err, errNotRegistered) {
		status = http.StatusForbidden
	}
	p.env.Logger.LogAttrs(r.Context(), slog.LevelWarn, "cas: login refused", slog.String("ref", web.Reference(r)), slog.Any("error", err))
	p.env.Pages.Render(w, r, status, render.Problem{Kind: render.ProblemApplication, Reference: web.Reference(r)})
}

func (p *protocol) record(r *http.Request, e audit.Event) {
	e.Address = web.ClientAddr(r).String()
	p.env.Audit.Record(r.Context(), e)
}

// redirect makes a GET whatever the method was, and one that no cache keeps
// (appendix B).
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	noCache(w)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func noCache(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}
