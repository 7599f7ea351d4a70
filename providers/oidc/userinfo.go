package oidc

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/store"
)

// userinfo is the UserInfo endpoint (OpenID Connect Core 1.0 section 5.3).
func (p *provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, refused := bearer(r)
	if refused != nil {
		challenge(w, refused)
		return
	}
	t, c, ok := p.openAccess(token)
	if !ok {
		challenge(w, errToken)
		return
	}
	a, g, refused := p.holder(r, t, c)
	if refused == nil && t.Account == "" { // of a client: about nobody
		refused = errToken
	}
	if refused != nil {
		p.record(r, "oidc.userinfo", string(refused.ErrorType), c, t.Account)
		challenge(w, refused)
		return
	}
	claims := p.claims(c, a, t.Scope, g.UserinfoClaims)
	claims["sub"] = g.Subject
	respond(w, http.StatusOK, claims)
}

var errToken = &oidc.Error{ErrorType: "invalid_token"}

// bearer takes the access token from the header or the form, of which one must
// be used. One in the URL is refused: URLs are logged (RFC 9700 section
// 4.3.2). An error without a type says that there is none at all.
func bearer(r *http.Request) (string, *oidc.Error) {
	if r.URL.Query().Has("access_token") {
		return "", badRequest("an access token must not be in the URL")
	}
	if r.ParseForm() != nil || !once(r.PostForm) {
		return "", badRequest("the form cannot be read")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, oidc.BearerToken) { // RFC 9110 section 11.1
		token = ""
	}
	posted := r.PostForm.Get("access_token")
	switch {
	case token != "" && posted != "":
		return "", badRequest("the access token is sent in two ways")
	case token == "" && posted == "":
		return "", &oidc.Error{}
	}
	return strings.TrimSpace(token + posted), nil
}

// holder returns the account and the grant of an access token: the grant lives
// and the account may still enter. A token of client credentials has no
// account.
func (p *provider) holder(r *http.Request, t access, c *client) (account.Account, grant, *oidc.Error) {
	key := c.key(t.Locator)
	read := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), read); err != nil {
		return account.Account{}, grant{}, p.fault(r, err)
	}
	if read.Fields == nil {
		return account.Account{}, grant{}, errToken
	}
	g := grantOf(read.Fields)
	if t.Account == "" {
		return account.Account{}, g, nil
	}
	a, ok, err := p.account(r.Context(), c, t.Account)
	if err != nil {
		return a, g, p.fault(r, err)
	}
	if !ok {
		return a, g, cmp.Or(p.end(r, c, key, t.Account, "account_refused"), errToken)
	}
	return a, g, nil
}

// challenge refuses a bearer of a token (RFC 6750 section 3).
func challenge(w http.ResponseWriter, e *oidc.Error) {
	switch e.ErrorType {
	case "":
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidc"`)
		w.WriteHeader(http.StatusUnauthorized)
	case errToken.ErrorType:
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidc", error="invalid_token"`)
		respond(w, http.StatusUnauthorized, e)
	case oidc.InvalidRequest:
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidc", error="invalid_request"`)
		refuse(w, e)
	default:
		refuse(w, e)
	}
}

// introspect tells a client about its own tokens, and an API about those that
// are for it (RFC 7662). Of others they learn nothing.
func (p *provider) introspect(w http.ResponseWriter, r *http.Request) {
	form, c, refused := p.authenticated(r)
	if refused == nil && c.Public {
		refused = errClient // section 2.1: the caller must authenticate
	}
	if refused == nil && form.Get("token") == "" {
		refused = badRequest("token is missing")
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	examine := p.examineAccess
	if _, ok := p.parseRefresh(c, form.Get("token")); ok {
		examine = p.examineRefresh
	}
	answer, refused := examine(r, c, form.Get("token"))
	if refused != nil {
		refuse(w, refused)
		return
	}
	respond(w, http.StatusOK, answer)
}

func (p *provider) examineRefresh(r *http.Request, c *client, token string) (*oidc.IntrospectionResponse, *oidc.Error) {
	t, _ := p.parseRefresh(c, token)
	key := c.key(t.locator())
	read := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), read); err != nil {
		return nil, p.fault(r, err)
	}
	if read.Fields[fieldSecret] != refreshHash(t.text) {
		return &oidc.IntrospectionResponse{}, nil
	}
	switch _, refused := p.stillWelcome(r, c, key, t.Account); refused {
	case nil:
	case errGrant:
		return &oidc.IntrospectionResponse{}, nil
	default:
		return nil, refused
	}
	g := grantOf(read.Fields)
	return &oidc.IntrospectionResponse{Active: true, Scope: strings.Fields(g.Scope), ClientID: c.ID, TokenType: "refresh_token",
		Subject: g.Subject, Issuer: p.env.Issuer, Audience: oidc.Audience{c.ID}, AuthTime: oidc.FromTime(g.AuthTime),
		Expiration: oidc.FromTime(p.env.Now().Add(read.TTL))}, nil
}

func (p *provider) examineAccess(r *http.Request, c *client, token string) (*oidc.IntrospectionResponse, *oidc.Error) {
	t, owner, ok := p.openAccess(token)
	if !ok {
		return &oidc.IntrospectionResponse{}, nil
	}
	a, g, refused := p.holder(r, t, owner)
	switch {
	case refused == errToken:
		return &oidc.IntrospectionResponse{}, nil
	case refused != nil:
		return nil, refused
	case !slices.Contains(g.audience(owner), c.ID):
		return &oidc.IntrospectionResponse{}, nil
	}
	answer := &oidc.IntrospectionResponse{Active: true, Scope: strings.Fields(t.Scope), ClientID: owner.ID, TokenType: oidc.BearerToken,
		Subject: g.Subject, Issuer: p.env.Issuer, Audience: g.audience(owner), IssuedAt: oidc.Time(t.Issued), Expiration: oidc.Time(t.Expires)}
	if len(g.Actors) > 0 {
		answer.Claims = map[string]any{"act": actors(g.Actors)}
	}
	if t.Account != "" {
		answer.Username, _ = owner.Username(a, p.env.Keys)
		answer.AuthTime, answer.AuthenticationMethodsReferences = oidc.FromTime(g.AuthTime), g.Methods
	}
	return answer, nil
}

// revoke ends the grant of a token, with everything issued from it (RFC 7009
// section 2.1). Of another client's token, or of none, it does nothing and
// does not say so.
func (p *provider) revoke(w http.ResponseWriter, r *http.Request) {
	form, c, refused := p.authenticated(r)
	if refused == nil && form.Get("token") == "" {
		refused = badRequest("token is missing")
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	if locator, id := p.revocable(c, form.Get("token")); locator != "" {
		if refused := p.end(r, c, c.key(locator), id, "revoked"); refused != nil {
			refuse(w, refused)
			return
		}
	}
	w.WriteHeader(http.StatusOK)
}

// revocable returns where the grant of a token is and whose it is; nothing for
// what is no token of this client.
func (p *provider) revocable(c *client, token string) (string, account.ID) {
	if t, ok := p.parseRefresh(c, token); ok {
		return t.locator(), t.Account
	}
	if t, owner, ok := p.openAccess(token); ok && owner == c {
		return t.Locator, t.Account
	}
	return "", ""
}
