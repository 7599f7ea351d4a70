package oidc

import (
	"cmp"
	"net/http"
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
	a, refused := p.holder(r, t, c)
	if refused != nil {
		p.record(r, "oidc.userinfo", string(refused.ErrorType), c, t.Account)
		challenge(w, refused)
		return
	}
	respond(w, http.StatusOK, c.claims(a, t.Scope))
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

// holder returns the account of an access token whose grant lives and which may
// still enter.
func (p *provider) holder(r *http.Request, t access, c *client) (account.Account, *oidc.Error) {
	key := c.key(t.Locator)
	read := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), read); err != nil {
		return account.Account{}, p.fault(r, err)
	}
	if read.Fields == nil {
		return account.Account{}, errToken
	}
	a, ok, err := p.account(r.Context(), c, t.Account)
	if err != nil {
		return a, p.fault(r, err)
	}
	if !ok {
		return a, cmp.Or(p.end(r, c, key, t.Account, "account_refused"), errToken)
	}
	return a, nil
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
	default:
		refuse(w, e)
	}
}

// introspect tells a client about its own tokens (RFC 7662). Of others' it
// learns nothing.
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
	answer, refused := p.examine(r, c, form.Get("token"))
	if refused != nil {
		refuse(w, refused)
		return
	}
	respond(w, http.StatusOK, answer)
}

func (p *provider) examine(r *http.Request, c *client, token string) (*oidc.IntrospectionResponse, *oidc.Error) {
	inactive := &oidc.IntrospectionResponse{}
	if text, id, ok := parseRefresh(token); ok {
		read := &store.Read{Key: c.key(text[:locatorLen])}
		if err := p.env.Store.Do(r.Context(), read); err != nil {
			return nil, p.fault(r, err)
		}
		g := grantOf(read.Fields)
		if read.Fields[fieldSecret] != refreshHash(text) || g.Account != id {
			return inactive, nil
		}
		return &oidc.IntrospectionResponse{Active: true, Scope: strings.Fields(g.Scope), ClientID: c.ID, TokenType: "refresh_token",
			Subject: string(id), Issuer: p.env.Issuer, Audience: oidc.Audience{c.ID}, AuthTime: oidc.FromTime(g.AuthTime),
			Expiration: oidc.FromTime(p.env.Now().Add(read.TTL))}, nil
	}
	t, owner, ok := p.openAccess(token)
	if !ok || owner != c {
		return inactive, nil
	}
	a, refused := p.holder(r, t, c)
	switch {
	case refused == errToken:
		return inactive, nil
	case refused != nil:
		return nil, refused
	}
	return &oidc.IntrospectionResponse{Active: true, Scope: strings.Fields(t.Scope), ClientID: c.ID, TokenType: oidc.BearerToken,
		Subject: string(t.Account), Username: a.Login, Issuer: p.env.Issuer, Audience: oidc.Audience{c.ID},
		IssuedAt: oidc.Time(t.Issued), Expiration: oidc.Time(t.Expires)}, nil
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
	if text, id, ok := parseRefresh(token); ok {
		return text[:locatorLen], id
	}
	if t, owner, ok := p.openAccess(token); ok && owner == c {
		return t.Locator, t.Account
	}
	return "", ""
}
