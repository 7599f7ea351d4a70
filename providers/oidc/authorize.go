package oidc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// authorization is a request whose client and redirect URI are good: from here
// on every answer, an error too, goes to the client.
type authorization struct {
	client      *client
	redirectURI string
	state       string
	formPost    bool   // how to answer
	pushed      string // the request_uri, when the client pushed it
	// again is what is come back to: a pushed request under its name, a signed
	// one without its signature, whose time may be over by then.
	again url.Values

	scope     string // what is granted of what was asked
	nonce     string
	challenge string

	userinfoClaims, idClaims []string // asked for by name
	acr                      *claimRequest

	silent bool // prompt=none
	asks   bool // prompt=consent
	fresh  bool
	maxAge time.Duration
	login  string
	hinted hinted
}

// authorize is the authorization endpoint (OpenID Connect Core 1.0 section
// 3.1.2). It depends on the URL and the session only, so that the login engine
// can come back to it.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	a := p.request(w, r)
	if a == nil {
		return
	}
	demand := login.Request{
		URL: withQuery(pathAuthorize, a.again), Party: a.client.Name, Theme: a.client.Theme, Targets: []string{a.redirectURI},
		Fresh: a.fresh, MaxAge: a.client.Freshness(a.maxAge), Login: a.login,
	}
	s := p.session(w, r, a, demand)
	if s == nil || !p.welcome(w, r, a, s) || !p.consented(w, r, a, s, demand.URL) {
		return
	}
	p.issue(w, r, a, s)
}

// request reads what is asked, or answers why not and returns nil.
func (p *provider) request(w http.ResponseWriter, r *http.Request) *authorization {
	form, refused, err := p.asked(r)
	if err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return nil
	}
	a, err := p.addressee(form)
	if err != nil {
		p.problem(w, r, err)
		return nil
	}
	a.again = form
	if isPushed(r.Form) {
		a.pushed, a.again = r.Form.Get("request_uri"), r.Form
	}
	if refused == nil {
		refused = p.read(r, a, form)
	}
	if refused != nil {
		p.deny(w, r, a, refused)
		return nil
	}
	return a
}

// welcome reports whether the one who is signed in may have what is asked, or
// answers the request.
func (p *provider) welcome(w http.ResponseWriter, r *http.Request, a *authorization, s *session.Session) bool {
	if a.hinted.subject != "" && !p.about(a.hinted, s.Account) {
		p.deny(w, r, a, &oidc.Error{ErrorType: oidc.LoginRequired, Description: "somebody else is signed in"})
		return false
	}
	if why := a.client.Admit(s.Account, p.env.Now()); why != account.ReasonNone {
		if a.silent {
			p.deny(w, r, a, &oidc.Error{ErrorType: oidc.AccessDenied})
			return false
		}
		p.env.Login.Refuse(w, r, s, why, a.client.Name)
		return false
	}
	if a.acr != nil && a.acr.Essential && !a.acr.accepts(acr(s.Methods)) { // section 5.5.1.1
		p.deny(w, r, a, &oidc.Error{ErrorType: "unmet_authentication_requirements"})
		return false
	}
	return true
}

// asked returns the parameters of the request, wherever the client put them: in
// the form, in a request that it pushed, or in one that it signed. What is
// refused is told to the client that the form itself names, if it does. The
// error wraps store.ErrUnavailable.
func (p *provider) asked(r *http.Request) (url.Values, *oidc.Error, error) {
	form := r.Form
	switch {
	case isPushed(form):
		pushed, err := p.pushedForm(r, form)
		if errors.Is(err, errNotPushed) {
			return form, &oidc.Error{ErrorType: "invalid_request_uri"}, nil
		}
		return pushed, nil, err
	case form.Get("request_uri") != "": // one without a value is not there (RFC 6749 section 3.1)
		return form, errRequestURI, nil
	case form.Get("request") != "":
		signed, refused := p.unsigned(p.clients[form.Get("client_id")], form)
		if refused != nil {
			return form, refused, nil
		}
		return signed, nil, nil
	}
	return form, nil, nil
}

// session returns the session that meets the demand, or nil with an answer
// written. With prompt=none no page is shown (section 3.1.2.1).
func (p *provider) session(w http.ResponseWriter, r *http.Request, a *authorization, demand login.Request) *session.Session {
	if !a.silent {
		return p.env.Login.Require(w, r, demand)
	}
	s, err := p.env.Login.Session(r, demand)
	switch {
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
	case s == nil:
		p.deny(w, r, a, &oidc.Error{ErrorType: oidc.LoginRequired})
	}
	return s
}

// issue records the grant in the same round trip as the session, and sends the
// code.
func (p *provider) issue(w http.ResponseWriter, r *http.Request, a *authorization, s *session.Session) {
	if a.pushed != "" {
		take, err := p.pushedRequests().Redeem(r.Context(), a.pushed)
		if err != nil {
			p.env.Login.Pages.Unavailable(w, r, err)
			return
		}
		if take.Outcome != store.Taken {
			p.deny(w, r, a, &oidc.Error{ErrorType: "invalid_request_uri"})
			return
		}
	}
	code, created, ops := p.grantFor(a.client, s, grant{
		Scope: a.scope, RedirectURI: a.redirectURI, Challenge: a.challenge, Nonce: a.nonce,
		UserinfoClaims: a.userinfoClaims, IDClaims: a.idClaims,
	})
	if err := p.env.Sessions.Commit(r.Context(), w, s, ops...); err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return
	}
	if !created.Created { // the session was ended meanwhile
		p.deny(w, r, a, &oidc.Error{ErrorType: oidc.LoginRequired})
		return
	}
	p.record(r, "oidc.code", "ok", a.client, s.Account.ID)
	p.answer(w, r, a, url.Values{"code": {code}})
}

// grantFor is what a sign-in at a client is worth: its code, and what records
// it once the session is committed with these operations.
func (p *provider) grantFor(c *client, s *session.Session, g grant) (code string, created *store.Create, ops []store.Op) {
	g.Account, g.Subject, g.SID = s.Account.ID, p.subject(c, s.Account), p.env.Sessions.SID(s)
	g.AuthTime, g.Checked, g.Methods = s.AuthTime, s.Checked, s.Methods
	// Offline access outlives the session: its grant stands alone, and is
	// indexed by the account to die when the password changes.
	var under store.Key
	if !contains(g.Scope, oidc.ScopeOfflineAccess) {
		under = p.env.Sessions.Under(s)
	}
	code = newCode(under.Tag)
	created = p.create(c, code, under, g)
	ops = []store.Op{created}
	if under.Name == "" {
		ops = append(ops, p.env.Sessions.Index(s.Account.ID, created.Key, c.refreshLife)...)
	}
	if c.BackchannelLogoutURI != "" || c.FrontchannelLogoutURI != "" {
		p.env.Sessions.Visit(s, c.ID, session.Visit{Protocol: name, Party: c.ID, Name: c.Name, Data: map[string]string{visitSubject: g.Subject}})
	}
	return code, created, ops
}

// addressee finds out whom to answer. Where that is not certain nothing is
// ever sent anywhere (RFC 9700 section 4.11.2).
func (p *provider) addressee(form url.Values) (*authorization, error) {
	if len(form["client_id"]) != 1 || len(form["redirect_uri"]) != 1 {
		return nil, errors.New("client_id and redirect_uri must each be given once")
	}
	c := p.clients[form.Get("client_id")]
	uri := form.Get("redirect_uri")
	if c == nil {
		return nil, fmt.Errorf("no client is called %q", shown(form.Get("client_id")))
	}
	if !matches(c.RedirectURIs, uri, c.Public) {
		return nil, fmt.Errorf("client %q has no such redirect URI: %q", c.ID, shown(uri))
	}
	a := &authorization{client: c, redirectURI: uri, formPost: form.Get("response_mode") == string(oidc.ResponseModeFormPost)}
	if len(form["state"]) == 1 {
		a.state = form.Get("state")
	}
	return a, nil
}

// PartyAt implements sso.Namer.
func (p *provider) PartyAt(u *url.URL) string {
	if c := p.clients[u.Query().Get("client_id")]; c != nil && u.Path == pathAuthorize {
		return c.Name
	}
	return ""
}

// read checks the rest of the request. Parameters that are not known are
// ignored (RFC 6749 section 3.1).
func (p *provider) read(r *http.Request, a *authorization, form url.Values) *oidc.Error {
	invalid := func(why string) *oidc.Error {
		return &oidc.Error{ErrorType: oidc.InvalidRequest, Description: why}
	}
	if !once(form) {
		return invalid("a parameter is given twice")
	}
	if a.client.RequirePushedAuthorizationRequests && a.pushed == "" {
		return invalid("this client must push its requests (RFC 9126)")
	}
	switch oidc.ResponseMode(form.Get("response_mode")) {
	case "", oidc.ResponseModeQuery, oidc.ResponseModeFormPost:
	default:
		return invalid("response_mode must be query or form_post")
	}
	switch oidc.ResponseType(form.Get("response_type")) {
	case oidc.ResponseTypeCode:
	case "":
		return invalid("response_type is missing")
	default:
		return &oidc.Error{ErrorType: "unsupported_response_type", Description: "response_type must be code"}
	}
	asked := strings.Fields(form.Get("scope"))
	if !slices.Contains(asked, oidc.ScopeOpenID) {
		return &oidc.Error{ErrorType: oidc.InvalidScope, Description: "scope must hold openid"}
	}
	a.scope = a.client.allowed(asked)
	a.nonce, a.login = form.Get("nonce"), form.Get("login_hint")
	if err := a.readChallenge(form); err != "" {
		return invalid(err)
	}
	if err := a.readPrompt(form); err != "" {
		return invalid(err)
	}
	if token := form.Get("id_token_hint"); token != "" {
		var ok bool
		if a.hinted, ok = p.hint(token); !ok {
			return invalid("id_token_hint is not an ID token of this server")
		}
	}
	return p.readClaims(a, form.Get("claims"))
}

// allowed is what is granted of the scopes asked for, each once.
func (c *client) allowed(asked []string) string {
	var granted []string
	for _, scope := range asked {
		if slices.Contains(c.Scopes, scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	return strings.Join(granted, " ")
}

// readChallenge accepts S256 alone (RFC 9700 section 2.1.1; RFC 7636 section
// 4.2: 32 bytes are 43 characters). It returns what is wrong.
func (a *authorization) readChallenge(form url.Values) string {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && !a.client.requiresPKCE():
		return ""
	case challenge == "":
		return "code_challenge is missing: PKCE is required"
	case oidc.CodeChallengeMethod(method) != oidc.CodeChallengeMethodS256:
		return "code_challenge_method must be S256"
	case len(challenge) != 43 || !base64url(challenge):
		return "code_challenge is not a SHA-256 in base64url"
	}
	a.challenge = challenge
	return ""
}

func base64url(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_')
	}) < 0
}

// readPrompt reads prompt and max_age. It returns what is wrong. To
// choose another account one gives its credentials.
func (a *authorization) readPrompt(form url.Values) string {
	prompts := strings.Fields(form.Get("prompt"))
	a.silent = slices.Contains(prompts, oidc.PromptNone)
	if a.silent && len(prompts) > 1 {
		return "prompt=none must stand alone"
	}
	a.asks = slices.Contains(prompts, oidc.PromptConsent)
	a.fresh = slices.Contains(prompts, oidc.PromptLogin) || slices.Contains(prompts, oidc.PromptSelectAccount)
	if text := form.Get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return "max_age must be a number of seconds"
		}
		a.maxAge = time.Duration(seconds) * time.Second
		a.fresh = a.fresh || seconds == 0
	}
	return ""
}

// deny sends an error to the client.
func (p *provider) deny(w http.ResponseWriter, r *http.Request, a *authorization, err *oidc.Error) {
	answer := url.Values{"error": {string(err.ErrorType)}}
	if err.Description != "" {
		answer.Set("error_description", err.Description)
	}
	p.record(r, "oidc.authorize", string(err.ErrorType), a.client, "", slog.String("why", err.Description))
	p.answer(w, r, a, answer)
}

// answer sends the browser to the client, with state and iss (RFC 9207). 303
// makes it forget a posted password (RFC 9700 section 4.12).
func (p *provider) answer(w http.ResponseWriter, r *http.Request, a *authorization, answer url.Values) {
	answer.Set("iss", p.env.Issuer)
	if a.state != "" {
		answer.Set("state", a.state)
	}
	if !a.formPost {
		redirect(w, withQuery(a.redirectURI, answer))
		return
	}
	page := render.FormPost{Frame: render.Frame{Destination: a.client.Name}, Target: a.redirectURI}
	for _, name := range []string{"code", "error", "error_description", "state", "iss"} {
		if answer.Has(name) {
			page.Fields = append(page.Fields, render.Field{Name: name, Value: answer.Get(name)})
		}
	}
	p.env.Pages.Render(w, r, http.StatusOK, page)
}

// redirect leaves every byte of the URL as it is.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}
