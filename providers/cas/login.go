package cas

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// ask is a request for a ticket (CAS 3.0.3 section 2.1.1).
type ask struct {
	party   *Service // nil when nobody asks: somebody came to sign in
	service registry.Address
	renew   bool
	gateway bool
	post    bool // method=POST; any other is GET
	locale  string
}

var errNotRegistered = errors.New("the service is not registered")

func (p *protocol) ask(values url.Values) (ask, error) {
	given, err := single(values, "service", "renew", "gateway", "method", "locale")
	if err != nil {
		return ask{}, err
	}
	a := ask{renew: set(given["renew"]), post: given["method"] == "POST", locale: given["locale"]}
	if given["service"] == "" {
		return a, nil // gateway means nothing then
	}
	// Together with renew, gateway is left out (section 2.1.1).
	a.gateway = set(given["gateway"]) && !a.renew
	if a.service, a.party, err = p.registered(given["service"]); err != nil {
		return ask{}, fmt.Errorf("%w: %q", err, registry.Shown(given["service"]))
	}
	return a, nil
}

func (p *protocol) registered(service string) (registry.Address, *Service, error) {
	a, party := p.services.Find(service)
	if party == nil {
		return registry.Address{}, nil, errNotRegistered
	}
	return a, party, nil
}

// single reads parameters of which none may be given twice: programs do not
// agree on which of two counts.
func single(values url.Values, names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		if len(values[name]) > 1 {
			return nil, fmt.Errorf("the parameter %s is given twice", name)
		}
		out[name] = values.Get(name)
	}
	return out, nil
}

// set tells whether a flag is. The specification says "set" and recommends
// "true"; some clients write out "false".
func set(flag string) bool { return flag != "" && flag != "false" }

// url is where the person comes back to after the login page.
func (a ask) url() string {
	q := url.Values{}
	add := func(name, value string, given bool) {
		if given {
			q.Set(name, value)
		}
	}
	add("service", a.service.String(), a.party != nil)
	add("renew", "true", a.renew)
	add("method", "POST", a.post)
	add("locale", a.locale, a.locale != "")
	if len(q) == 0 {
		return "/cas/login"
	}
	return "/cas/login?" + q.Encode()
}

func (a ask) demand() login.Request {
	req := login.Request{URL: a.url(), Fresh: a.renew}
	if a.party != nil {
		req.Party, req.Targets = a.party.Name, []string{a.service.String()}
		req.Echo = url.Values{"service": {a.service.String()}}
	}
	return req
}

// PartyAt implements sso.Namer.
func (p *protocol) PartyAt(u *url.URL) string {
	if u.Path != "/cas/login" {
		return ""
	}
	_, party, err := p.registered(u.Query().Get("service"))
	if err != nil || party == nil {
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
	default:
		if why := a.party.Admit(s.Account, p.env.Now()); why != account.ReasonNone {
			p.env.Login.Refuse(w, r, s, why, a.party.Name)
			return
		}
		p.enter(w, r, a, s)
	}
}

// pass serves a gateway: nothing is ever shown, and without a session that may
// enter the browser goes back without a ticket.
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

func (p *protocol) enter(w http.ResponseWriter, r *http.Request, a ask, s *session.Session) {
	ticket, create := p.tickets.Issue(p.env.Sessions.Under(s), p.assert(a, s).fields())
	// Every ticket is a visit of its own: a service keeps one login per ticket
	// and wants the end of each.
	p.env.Sessions.Visit(s, ticket, visit(a, ticket))
	if !p.commit(w, r, s, create) {
		return
	}
	p.record(r, audit.Event{Action: "ticket.issue", Result: "ok", Account: s.Account.ID, Party: a.party.Name})
	if a.post {
		noCache(w)
		p.env.Pages.Render(w, r, http.StatusOK, render.FormPost{
			Frame:  render.Frame{Destination: a.party.Name},
			Target: a.service.Bare(),
			Fields: []render.Field{{Name: "ticket", Value: ticket}},
		})
		return
	}
	redirect(w, r, a.service.With(ticket))
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

// logout answers GET /cas/logout (section 2.3). The parameter url is ignored,
// as section 2.3.1 demands.
func (p *protocol) logout(w http.ResponseWriter, r *http.Request) {
	if !p.env.Logout(w, r) {
		return
	}
	given, err := single(r.URL.Query(), "service")
	if err == nil {
		if a, _, err := p.registered(given["service"]); err == nil {
			redirect(w, r, a.Bare())
			return
		}
	}
	p.env.Pages.Render(w, r, http.StatusOK, render.LoggedOut{})
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
