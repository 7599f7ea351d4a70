package cas

import (
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// restLogin answers POST /cas/v1/tickets: a password against a ticket for a
// session without a browser. The interface is none of the specification; it is
// that of Apereo CAS, which programs know.
func (p *protocol) restLogin(w http.ResponseWriter, r *http.Request) {
	given, failed := read(r, "username", "password")
	if failed != nil || given["username"] == "" {
		http.Error(w, "username and password are required", http.StatusBadRequest)
		return
	}
	s, err := p.env.Login.Enter(r, login.Credentials{Login: given["username"], Password: secret.New(given["password"])})
	switch {
	case errors.Is(err, login.ErrRejected):
		http.Error(w, "the credentials are wrong", http.StatusUnauthorized)
		return
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
		return
	}
	under := p.env.Sessions.Under(s)
	ticket, create := p.sessions.Issue(under, assertion{Session: under.Name}.fields())
	if !p.commit(w, r, s, create) {
		return
	}
	w.Header().Set("Location", p.env.Issuer+"/cas/v1/tickets/"+ticket)
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(ticket)) // the program has gone: nobody is left to tell
}

// restSession is the session of the ticket in the path, or the answer that
// there is none.
func (p *protocol) restSession(w http.ResponseWriter, r *http.Request) *session.Session {
	s, err := p.behind(r, r.PathValue("ticket"))
	if err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return nil
	}
	if s == nil {
		http.Error(w, "the ticket is unknown or has expired", http.StatusNotFound)
	}
	return s
}

func (p *protocol) behind(r *http.Request, ticket string) (*session.Session, error) {
	key, ok := p.sessions.Key(ticket)
	if !ok {
		return nil, nil
	}
	look := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), look); err != nil || look.Fields == nil {
		return nil, err
	}
	held, err := assertionOf(look.Fields)
	if err != nil {
		return nil, err
	}
	return p.env.Login.Behind(r, store.Key{Tag: key.Tag, Name: held.Session})
}

// restTicket answers POST /cas/v1/tickets/{ticket}: a service ticket.
func (p *protocol) restTicket(w http.ResponseWriter, r *http.Request) {
	given, failed := read(r, "service")
	if failed != nil {
		http.Error(w, failed.description, http.StatusBadRequest)
		return
	}
	var a ask
	var err error
	if a.service, a.party, err = p.registered(given["service"]); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s := p.restSession(w, r)
	if s == nil {
		return
	}
	if why := p.refusal(a, s); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	ticket, ok := p.issue(w, r, a, s)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, _ = w.Write([]byte(ticket)) // the program has gone: nobody is left to tell
}

// restLogout answers DELETE /cas/v1/tickets/{ticket}: the session ends, and
// every service hears of it.
func (p *protocol) restLogout(w http.ResponseWriter, r *http.Request) {
	s := p.restSession(w, r)
	if s == nil {
		return
	}
	if err := p.env.Sessions.End(r.Context(), w, s); err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
	}
}
