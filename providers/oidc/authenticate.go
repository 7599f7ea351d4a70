package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
)

// proof is what a request shows to prove that a client sent it.
type proof struct {
	id, secret, assertion string
}

// authenticated reads the form and finds out which client sent it, by the
// methods of OpenID Connect Core 1.0 section 9, of which it must use one. What
// stands in the URL is not looked at.
func (p *provider) authenticated(r *http.Request) (url.Values, *client, *oidc.Error) {
	if r.ParseForm() != nil {
		return nil, nil, badRequest("the form cannot be read")
	}
	form := r.PostForm
	if !once(form) {
		return nil, nil, badRequest("a parameter is given twice")
	}
	shown, refused := proofOf(r, form)
	if refused != nil {
		return nil, nil, refused
	}
	c := p.clients[shown.id]
	switch {
	case c == nil:
		refused = errClient
	case shown.assertion != "":
		refused = p.checkAssertion(r, c, shown.assertion)
	case !c.accepts(shown.secret):
		refused = errClient
	}
	if refused != nil {
		p.record(r, "oidc.client", "rejected", c, "")
		return nil, nil, refused
	}
	return form, c, nil
}

// proofOf takes the proof from the header or the form (RFC 6749 section 2.3:
// one method in each request).
func proofOf(r *http.Request, form url.Values) (proof, *oidc.Error) {
	shown := proof{form.Get("client_id"), form.Get("client_secret"), form.Get("client_assertion")}
	if typ := form.Get("client_assertion_type"); (shown.assertion != "" || typ != "") && typ != oidc.ClientAssertionTypeJWTAssertion {
		return shown, badRequest("client_assertion_type must be " + oidc.ClientAssertionTypeJWTAssertion)
	}
	user, password, basic := r.BasicAuth()
	if shown.assertion != "" && (basic || shown.secret != "") {
		return shown, badRequest("the client authenticates in two ways")
	}
	if shown.assertion != "" && shown.id == "" { // RFC 7521 section 4.2: it is in the assertion
		var claims assertionClaims
		if _, err := oidc.ParseToken(shown.assertion, &claims); err != nil {
			return shown, errClient
		}
		shown.id = claims.Subject
	}
	if !basic {
		return shown, nil
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	if err1 != nil || err2 != nil {
		return shown, errClient
	}
	if shown.secret != "" || shown.id != "" && shown.id != id {
		return shown, badRequest("the client authenticates in two ways")
	}
	return proof{id: id, secret: secret}, nil
}

// assertionClaims are those of RFC 7523 section 3.
type assertionClaims struct {
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	Audience  oidc.Audience `json:"aud"`
	Expires   int64         `json:"exp"`
	NotBefore int64         `json:"nbf"`
	ID        string        `json:"jti"`
}

const (
	// assertionLife bounds how far away the end of an assertion may be, and so
	// how long its jti is remembered.
	assertionLife = 10 * time.Minute
	// clockSkew is how wrong the clock of a client may be.
	clockSkew = 30 * time.Second
)

// checkAssertion reports what is wrong with a client_assertion. Its jti is good
// once (R-OAUTH-49): whoever makes the record of it first has used it.
func (p *provider) checkAssertion(r *http.Request, c *client, assertion string) *oidc.Error {
	var claims assertionClaims
	if c.keys.verified(assertion, &claims) != nil {
		return errClient
	}
	now, ends := p.env.Now(), time.Unix(claims.Expires, 0)
	forUs := slices.ContainsFunc([]string{p.env.Issuer, p.env.Issuer + pathToken, p.env.Issuer + r.URL.Path},
		func(each string) bool { return slices.Contains(claims.Audience, each) })
	switch {
	case claims.Issuer != c.ID || claims.Subject != c.ID || !forUs,
		!ends.After(now.Add(-clockSkew)) || ends.After(now.Add(assertionLife+clockSkew)),
		time.Unix(claims.NotBefore, 0).After(now.Add(clockSkew)),
		claims.ID == "" || len(claims.ID) > 256:
		return errClient
	}
	mark := secret.Hash("assertion " + claims.ID)
	first := &store.Create{Key: store.Key{Tag: mark[:ticket.TagLen], Name: "oidc assertion:" + c.mark + ":" + mark},
		TTL: ends.Sub(now) + 2*clockSkew}
	if err := p.env.Store.Do(r.Context(), first); err != nil {
		return p.fault(r, err)
	}
	if !first.Created {
		return errClient
	}
	return nil
}
