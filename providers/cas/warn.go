package cas

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
)

// warns tells whether the person is asked before this service is entered: when
// they said so while signing in, or the request does, and they have not just
// given their credentials for it (CAS 3.0.3 section 2.2.1).
func warns(a ask, s *session.Session) bool {
	return (a.warn || login.Warns(s)) && !s.FromCredentials
}

const proceedPath = "/cas/login/continue"

// warning is what the page of a warning brings back. It is good for the
// session and the request that it was made for: a service cannot make one, so
// that no link of its own leads past the page (R-CAS-20).
type warning struct {
	URL string `json:"u"`
	SID string `json:"s"`
}

// warn asks before a service is entered. The answer is posted, so that nothing
// is lost without a script.
func (p *protocol) warn(w http.ResponseWriter, r *http.Request, a ask, s *session.Session) {
	if !p.commit(w, r, s) {
		return
	}
	plain, err := json.Marshal(warning{URL: a.url(), SID: p.env.Sessions.SID(s)})
	if err != nil {
		panic(err) // texts
	}
	noCache(w)
	p.env.Pages.Render(w, r, http.StatusOK, render.Warn{
		Login: s.Account.Login,
		Frame: render.Frame{
			Destination: a.party.Name,
			Theme:       a.party.Theme,
			Action:      proceedPath,
			Hidden:      []render.Field{{Name: sso.FieldState, Value: p.env.Keys.Box("cas warning").Seal(plain, "")}},
			FormTargets: []string{a.service.Bare()},
			NoDoors:     true,
		},
	})
}

// proceed answers the page of a warning.
func (p *protocol) proceed(w http.ResponseWriter, r *http.Request) {
	var read warning
	plain, err := p.env.Keys.Box("cas warning").Open(r.PostFormValue(sso.FieldState), "")
	if err == nil {
		err = json.Unmarshal(plain, &read)
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	u, err := url.Parse(read.URL)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	a, err := p.ask(u.Query())
	if err != nil {
		p.refuse(w, r, err) // no longer registered
		return
	}
	s := p.env.Login.Require(w, r, a.demand())
	switch {
	case s == nil || !p.admitted(w, r, a, s):
	case p.env.Sessions.SID(s) != read.SID:
		p.enter(w, r, a, s) // somebody else's by now, who has not been asked
	default:
		p.send(w, r, a, s)
	}
}
