package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/store"
)

// The answers of the endpoints that programs call.
var (
	errGrant       = &oidc.Error{ErrorType: oidc.InvalidGrant}
	errClient      = &oidc.Error{ErrorType: oidc.InvalidClient}
	errUnavailable = &oidc.Error{ErrorType: "temporarily_unavailable"}
)

func badRequest(why string) *oidc.Error {
	return &oidc.Error{ErrorType: oidc.InvalidRequest, Description: why}
}

// token is the token endpoint (RFC 6749 section 3.2).
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	form, c, refused := p.authenticated(r)
	if refused != nil {
		refuse(w, refused)
		return
	}
	var answer *oidc.AccessTokenResponse
	switch oidc.GrantType(form.Get("grant_type")) {
	case oidc.GrantTypeCode:
		answer, refused = p.exchange(r, c, form)
	case oidc.GrantTypeRefreshToken:
		answer, refused = p.refresh(r, c, form)
	case "":
		refused = badRequest("grant_type is missing")
	default:
		refused = &oidc.Error{ErrorType: oidc.UnsupportedGrantType}
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	respond(w, http.StatusOK, answer)
}

// exchange turns a code into tokens. The code is used up before anything else
// of it is looked at: a wrong verifier or redirect_uri ends it.
func (p *provider) exchange(r *http.Request, c *client, form url.Values) (*oidc.AccessTokenResponse, *oidc.Error) {
	code, verifier := form.Get("code"), form.Get("code_verifier")
	if code == "" {
		return nil, badRequest("code is missing")
	}
	if !wellFormed(code) {
		return nil, errGrant
	}
	key := c.key(code[:locatorLen])
	next := p.successor(code)
	rotate := &store.Rotate{Key: key, Field: fieldSecret, From: codeHash(code), To: refreshHash(next), Extend: p.refreshIdle}
	if err := p.env.Store.Do(r.Context(), rotate); err != nil {
		return nil, p.fault(r, err)
	}
	if rotate.Outcome != store.Taken {
		return nil, p.unusable(r, c, rotate, "oidc.token")
	}
	g := grantOf(rotate.Fields)
	proved := g.Challenge == "" && verifier == "" || g.Challenge != "" && len(verifier) >= 43 &&
		oidc.VerifyCodeChallenge(&oidc.CodeChallenge{Challenge: g.Challenge, Method: oidc.CodeChallengeMethodS256}, verifier)
	if form.Get("redirect_uri") != g.RedirectURI || !proved {
		return nil, cmp.Or(p.end(r, c, key, g.Account, "mismatch"), errGrant)
	}
	if p.env.Now().Sub(g.Checked) >= recheck {
		if refused := p.stillWelcome(r, c, key, g.Account); refused != nil {
			return nil, refused
		}
	}
	p.record(r, "oidc.token", "ok", c, g.Account)
	return p.tokens(c, g, code[:locatorLen], g.Scope, next, g.Nonce)
}

// refresh goes on to the next refresh token (RFC 6749 section 6). The account
// is asked for first: a directory that does not answer must not use a token
// up.
func (p *provider) refresh(r *http.Request, c *client, form url.Values) (*oidc.AccessTokenResponse, *oidc.Error) {
	token := form.Get("refresh_token")
	if token == "" {
		return nil, badRequest("refresh_token is missing")
	}
	presented, id, ok := parseRefresh(token)
	if !ok {
		return nil, errGrant
	}
	key := c.key(presented[:locatorLen])
	if refused := p.narrower(r, key, form.Get("scope")); refused != nil {
		return nil, refused
	}
	if refused := p.stillWelcome(r, c, key, id); refused != nil {
		return nil, refused
	}
	next := p.successor(presented)
	rotate := &store.Rotate{Key: key, Field: fieldSecret, From: refreshHash(presented), To: refreshHash(next),
		Grace: refreshGrace, Extend: p.refreshIdle}
	if err := p.env.Store.Do(r.Context(), rotate); err != nil {
		return nil, p.fault(r, err)
	}
	if rotate.Outcome != store.Taken {
		return nil, p.unusable(r, c, rotate, "oidc.refresh")
	}
	g := grantOf(rotate.Fields)
	if g.Account != id { // another account's name was put on it
		return nil, cmp.Or(p.end(r, c, key, g.Account, "mismatch"), errGrant)
	}
	scope := g.Scope
	if asked := strings.Fields(form.Get("scope")); len(asked) > 0 {
		scope = strings.Join(asked, " ")
	}
	p.record(r, "oidc.refresh", "ok", c, id)
	// Core section 12.2: the ID token of a refresh has no nonce.
	return p.tokens(c, g, presented[:locatorLen], scope, next, "")
}

// narrower refuses a scope that was not granted. It costs a round trip of its
// own, which only those pay who send one: the token must not be used up by it.
func (p *provider) narrower(r *http.Request, key store.Key, asked string) *oidc.Error {
	if asked == "" {
		return nil
	}
	read := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), read); err != nil {
		return p.fault(r, err)
	}
	if read.Fields == nil {
		return errGrant
	}
	granted := strings.Fields(grantOf(read.Fields).Scope)
	for _, scope := range strings.Fields(asked) {
		if !slices.Contains(granted, scope) {
			return &oidc.Error{ErrorType: oidc.InvalidScope, Description: "more than was granted"}
		}
	}
	return nil
}

// stillWelcome reads the account afresh. One that may no longer enter loses
// the grant (requirement R15).
func (p *provider) stillWelcome(r *http.Request, c *client, key store.Key, id account.ID) *oidc.Error {
	_, ok, err := p.account(r.Context(), c, id)
	switch {
	case err != nil:
		return p.fault(r, err)
	case !ok:
		return cmp.Or(p.end(r, c, key, id, "account_refused"), errGrant)
	}
	return nil
}

// account reads an account, and says whether it may enter.
func (p *provider) account(ctx context.Context, c *client, id account.ID) (account.Account, bool, error) {
	a, err := p.env.Directory.Get(ctx, id)
	if errors.Is(err, directory.ErrNotFound) {
		return a, false, nil
	}
	return a, err == nil && c.Admit(a, p.env.Now()) == account.ReasonNone, err
}

// unusable says that a code or refresh token is not good, and records when it
// was used before: somebody may have stolen it.
func (p *provider) unusable(r *http.Request, c *client, rotate *store.Rotate, action string) *oidc.Error {
	if rotate.Outcome == store.Spent {
		p.record(r, action, "reused", c, grantOf(rotate.Fields).Account)
	}
	return errGrant
}

// end deletes a grant. What it returns is nil or errUnavailable.
func (p *provider) end(r *http.Request, c *client, key store.Key, id account.ID, why string) *oidc.Error {
	if err := p.env.Store.Do(r.Context(), &store.Delete{Tag: key.Tag, Names: []string{key.Name}}); err != nil {
		return p.fault(r, err)
	}
	p.record(r, "oidc.grant.end", why, c, id)
	return nil
}

func (p *provider) tokens(c *client, g grant, locator, scope, next, nonce string) (*oidc.AccessTokenResponse, *oidc.Error) {
	now := p.env.Now()
	answer := &oidc.AccessTokenResponse{
		AccessToken:  p.sealAccess(c, locator, scope, g.Account),
		TokenType:    oidc.BearerToken,
		RefreshToken: refreshToken(next, g.Account),
		ExpiresIn:    uint64(p.accessLife.Seconds()),
		Scope:        strings.Fields(scope),
	}
	claims := &oidc.IDTokenClaims{SessionID: g.SID, TokenClaims: oidc.TokenClaims{
		Issuer: p.env.Issuer, Subject: string(g.Account), Audience: oidc.Audience{c.ID},
		IssuedAt: oidc.FromTime(now), Expiration: oidc.FromTime(now.Add(idTokenLife)),
		AuthTime: oidc.FromTime(g.AuthTime), Nonce: nonce, AuthenticationMethodsReferences: g.Methods,
	}}
	var err error
	if claims.AccessTokenHash, err = oidc.ClaimHash(answer.AccessToken, jose.SignatureAlgorithm(c.SigningAlgorithm)); err == nil {
		answer.IDToken, err = p.sign(c, typeID, claims)
	}
	if err != nil {
		p.env.Logger.Error("oidc: ID token not signed", "err", err)
		return nil, oidc.ErrServerError()
	}
	return answer, nil
}

// authenticated reads the form and finds out which client sent it, by the
// methods of RFC 6749 section 2.3.1, of which it must use one. What stands in
// the URL is not looked at.
func (p *provider) authenticated(r *http.Request) (url.Values, *client, *oidc.Error) {
	if r.ParseForm() != nil {
		return nil, nil, badRequest("the form cannot be read")
	}
	form := r.PostForm
	if !once(form) {
		return nil, nil, badRequest("a parameter is given twice")
	}
	id, presented := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		headerID, err1 := url.QueryUnescape(user)
		headerSecret, err2 := url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return nil, nil, errClient
		}
		if presented != "" || id != "" && id != headerID {
			return nil, nil, badRequest("the client authenticates in two ways")
		}
		id, presented = headerID, headerSecret
	}
	c := p.clients[id]
	if c == nil || !c.accepts(presented) {
		p.record(r, "oidc.client", "rejected", c, "")
		return nil, nil, errClient
	}
	return form, c, nil
}

// fault turns an error of the store or the directory into an answer that asks
// to try again: never into one that makes the client throw its token away.
func (p *provider) fault(r *http.Request, err error) *oidc.Error {
	p.env.Logger.WarnContext(r.Context(), "oidc: fault", "err", err)
	return errUnavailable
}

// refuse answers a program with an error (RFC 6749 section 5.2).
func refuse(w http.ResponseWriter, e *oidc.Error) {
	status := http.StatusBadRequest
	switch e.ErrorType {
	case oidc.InvalidClient:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="oidc"`)
	case errUnavailable.ErrorType:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	case oidc.ServerError:
		status = http.StatusInternalServerError
	}
	respond(w, status, e)
}

// respond sends JSON that nobody may keep (RFC 6749 section 5.1).
func respond(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody is left to tell
}
