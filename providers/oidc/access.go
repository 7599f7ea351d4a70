package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
)

// access is the content of an access token: sealed, so opaque to everybody but
// us. It says what may be done until when; whether it still lives is for the
// grant's record to say. A token that an API reads itself carries it as its
// jti, so that it can be revoked like the others.
type access struct {
	Locator string     `json:"g"`
	Client  string     `json:"c"`
	Account account.ID `json:"a,omitempty"` // none of client credentials
	Scope   string     `json:"s,omitempty"`
	Issued  int64      `json:"i"`
	Expires int64      `json:"e"`
}

// What a sealed access is bound to, so that the jti of a signed token is no
// token itself.
const (
	boundOpaque = ""
	boundJTI    = "jti"
)

// accessClaims are those of RFC 9068 section 2.2.
type accessClaims struct {
	Issuer   string        `json:"iss"`
	Subject  string        `json:"sub"`
	Audience oidc.Audience `json:"aud"`
	ClientID string        `json:"client_id"`
	Scope    string        `json:"scope,omitempty"`
	Issued   int64         `json:"iat"`
	Expires  int64         `json:"exp"`
	ID       string        `json:"jti"`
	AuthTime int64         `json:"auth_time,omitempty"`
	ACR      string        `json:"acr,omitempty"`
	AMR      []string      `json:"amr,omitempty"`
	Actor    *actor        `json:"act,omitempty"`
}

// accessToken makes an access token of a grant.
func (p *provider) accessToken(c *client, g grant, locator, scope string) (string, error) {
	now := p.env.Now()
	content := access{Locator: locator, Client: c.ID, Account: g.Account, Scope: scope,
		Issued: now.Unix(), Expires: g.ends(now, p.accessLife).Unix()}
	plain, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	if c.AccessTokenFormat != accessJWT {
		return p.accessBox.Seal(plain, boundOpaque), nil
	}
	claims := accessClaims{Issuer: p.env.Issuer, Subject: g.Subject, Audience: g.audience(c), ClientID: c.ID, Scope: scope,
		Issued: content.Issued, Expires: content.Expires, ID: p.accessBox.Seal(plain, boundJTI),
		ACR: acr(g.Methods), AMR: g.Methods, Actor: actors(g.Actors)}
	if !g.AuthTime.IsZero() {
		claims.AuthTime = g.AuthTime.Unix()
	}
	return p.sign(c, typeAccess, claims)
}

// audience is whom an access token is for: the client, which may ask for
// userinfo, and the APIs of its configuration.
func (c *client) audience() oidc.Audience {
	return append(oidc.Audience{c.ID}, c.Audience...)
}

// openAccess returns the content of a token that was made here, whose time is
// not over and whose client is still known.
func (p *provider) openAccess(token string) (access, *client, bool) {
	var a access
	sealed, bound := token, boundOpaque
	if strings.Contains(token, ".") {
		var claims accessClaims
		if p.verified(token, typeAccess, &claims) != nil {
			return a, nil, false
		}
		sealed, bound = claims.ID, boundJTI
	}
	plain, err := p.accessBox.Open(sealed, bound)
	if err != nil || json.Unmarshal(plain, &a) != nil || len(a.Locator) != locatorLen {
		return a, nil, false
	}
	c := p.clients[a.Client]
	return a, c, c != nil && p.env.Now().Unix() < a.Expires
}

var errNotOurs = errors.New("not a token of this kind by this server")

// verified reads a token that this server signed as one of a type, whatever
// its age, into claims.
func (p *provider) verified(token, typ string, claims any) error {
	var algorithms []jose.SignatureAlgorithm
	for _, each := range p.keys.ring.Algorithms() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(each))
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != typ {
		return errNotOurs
	}
	payload, err := p.keys.VerifySignature(context.Background(), jws)
	if err != nil {
		return errNotOurs
	}
	return json.Unmarshal(payload, claims)
}
