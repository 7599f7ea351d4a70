package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
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
	var answer any
	switch oidc.GrantType(form.Get("grant_type")) {
	case oidc.GrantTypeCode:
		answer, refused = p.exchange(r, c, form)
	case oidc.GrantTypeRefreshToken:
		answer, refused = p.refresh(r, c, form)
	case oidc.GrantTypeClientCredentials:
		answer, refused = p.clientCredentials(r, c, form)
	case oidc.GrantTypeDeviceCode:
		answer, refused = p.pollDevice(r, c, form)
	case oidc.GrantTypeTokenExchange:
		answer, refused = p.tokenExchange(r, c, form)
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
	rotate := &store.Rotate{Key: key, Field: fieldSecret, From: codeHash(code), To: refreshHash(next), Extend: c.refreshIdle}
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
	var a account.Account
	if p.env.Now().Sub(g.Checked) >= recheck || len(g.IDClaims) > 0 {
		var refused *oidc.Error
		if a, refused = p.stillWelcome(r, c, key, g.Account); refused != nil {
			return nil, refused
		}
	}
	p.record(r, "oidc.token", "ok", c, g.Account)
	locator := code[:locatorLen]
	return p.tokens(c, g, a, issued{locator: locator, scope: g.Scope, refresh: next + "." + p.sealHolder(c, locator, g), nonce: g.Nonce})
}

// refresh goes on to the next refresh token (RFC 6749 section 6). The account
// is asked for first: a directory that does not answer must not use a token
// up.
func (p *provider) refresh(r *http.Request, c *client, form url.Values) (*oidc.AccessTokenResponse, *oidc.Error) {
	if form.Get("refresh_token") == "" {
		return nil, badRequest("refresh_token is missing")
	}
	t, ok := p.parseRefresh(c, form.Get("refresh_token"))
	if !ok {
		return nil, errGrant
	}
	scope, ok := narrowed(t.Scope, form.Get("scope"))
	if !ok {
		return nil, &oidc.Error{ErrorType: oidc.InvalidScope, Description: "more than was granted"}
	}
	key := c.key(t.locator())
	a, refused := p.stillWelcome(r, c, key, t.Account)
	if refused != nil {
		return nil, refused
	}
	next := p.successor(t.text)
	rotate := &store.Rotate{Key: key, Field: fieldSecret, From: refreshHash(t.text), To: refreshHash(next),
		Grace: refreshGrace, Extend: c.refreshIdle}
	if err := p.env.Store.Do(r.Context(), rotate); err != nil {
		return nil, p.fault(r, err)
	}
	if rotate.Outcome != store.Taken {
		return nil, p.unusable(r, c, rotate, "oidc.refresh")
	}
	p.record(r, "oidc.refresh", "ok", c, t.Account)
	// Core section 12.2: the ID token of a refresh has no nonce.
	return p.tokens(c, grantOf(rotate.Fields), a, issued{locator: t.locator(), scope: scope, refresh: next + "." + t.tail})
}

// narrowed is the scope of an access token by a refresh: what was granted, or
// the part of it that was asked for. It is false for anything else.
func narrowed(granted, asked string) (string, bool) {
	if asked == "" {
		return granted, true
	}
	for _, scope := range strings.Fields(asked) {
		if !contains(granted, scope) {
			return "", false
		}
	}
	return strings.Join(strings.Fields(asked), " "), true
}

// clientCredentials gives a client a token of its own (RFC 6749 section 4.4).
// It is about no person, so no scope of a person is in it; it has a record, so
// that it can be revoked.
func (p *provider) clientCredentials(r *http.Request, c *client, form url.Values) (*oidc.AccessTokenResponse, *oidc.Error) {
	if !c.ClientCredentials {
		return nil, &oidc.Error{ErrorType: oidc.UnauthorizedClient}
	}
	if form.Get("scope") != "" {
		return nil, &oidc.Error{ErrorType: oidc.InvalidScope, Description: "scopes are about people, and this token is about none"}
	}
	code := newCode("")
	g := grant{Subject: c.ID}
	create := p.create(c, code, store.Key{}, g)
	create.TTL = p.accessLife
	if err := p.env.Store.Do(r.Context(), create); err != nil {
		return nil, p.fault(r, err)
	}
	p.record(r, "oidc.token", "client", c, "")
	return p.access(c, g, code[:locatorLen], "")
}

// stillWelcome reads the account afresh. One that may no longer enter loses
// the grant (requirement R15).
func (p *provider) stillWelcome(r *http.Request, c *client, key store.Key, id account.ID) (account.Account, *oidc.Error) {
	a, ok, err := p.account(r.Context(), c, id)
	switch {
	case err != nil:
		return a, p.fault(r, err)
	case !ok:
		return a, cmp.Or(p.end(r, c, key, id, "account_refused"), errGrant)
	}
	return a, nil
}

// account reads an account, and says whether the client may still know it: the
// account may enter, and has not taken back its consent where one is needed.
func (p *provider) account(ctx context.Context, c *client, id account.ID) (account.Account, bool, error) {
	a, err := p.env.Directory.Get(ctx, id)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return a, false, nil
	case err != nil || c.Admit(a, p.env.Now()) != account.ReasonNone:
		return a, false, err
	case !c.Consent:
		return a, true, nil
	}
	told, err := p.remembered(ctx, id, c)
	return a, len(told) > 0, err
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

// issued is what an answer of the token endpoint says beyond its grant.
type issued struct {
	locator, scope string
	refresh        string
	nonce          string
}

// tokens answers with all the tokens of a grant. The account is only looked at
// for claims that were asked for in the ID token.
func (p *provider) tokens(c *client, g grant, a account.Account, i issued) (*oidc.AccessTokenResponse, *oidc.Error) {
	answer, refused := p.access(c, g, i.locator, i.scope)
	if refused != nil {
		return nil, refused
	}
	answer.RefreshToken = i.refresh
	now := p.env.Now()
	claims := &oidc.IDTokenClaims{SessionID: g.SID, TokenClaims: oidc.TokenClaims{
		Issuer: p.env.Issuer, Subject: g.Subject, Audience: oidc.Audience{c.ID},
		IssuedAt: oidc.FromTime(now), Expiration: oidc.FromTime(now.Add(idTokenLife)), AuthTime: oidc.FromTime(g.AuthTime), Nonce: i.nonce,
		AuthenticationContextClassReference: acr(g.Methods), AuthenticationMethodsReferences: g.Methods,
	}}
	if len(g.IDClaims) > 0 {
		claims.Claims = p.named(c, a, g.IDClaims)
	}
	var err error
	if claims.AccessTokenHash, err = oidc.ClaimHash(answer.AccessToken, jose.SignatureAlgorithm(c.SigningAlgorithm)); err == nil {
		answer.IDToken, err = p.sign(c, typeID, claims)
	}
	if err != nil {
		return nil, p.unsignable(err)
	}
	return answer, nil
}

// access answers with an access token alone.
func (p *provider) access(c *client, g grant, locator, scope string) (*oidc.AccessTokenResponse, *oidc.Error) {
	token, err := p.accessToken(c, g, locator, scope)
	if err != nil {
		return nil, p.unsignable(err)
	}
	return &oidc.AccessTokenResponse{AccessToken: token, TokenType: oidc.BearerToken,
		ExpiresIn: uint64(p.accessLife.Seconds()), Scope: strings.Fields(scope)}, nil
}

func (p *provider) unsignable(err error) *oidc.Error {
	p.env.Logger.Error("oidc: token not signed", "err", err)
	return oidc.ErrServerError()
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
