package oidc

import (
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/sso"
)

// What the claim sub of a client may be.
const (
	subjectPublic   = "public"
	subjectPairwise = "pairwise"
	subjectUser     = "user"
)

// subject is how a client knows an account. It is only ever told: what is
// stored, and what opens a record, is the account's own ID.
func (p *provider) subject(c *client, a account.Account) string {
	switch c.Subject {
	case subjectPairwise:
		return sso.Opaque(p.env.Keys, c.sector, a.ID)
	case subjectUser:
		name, _ := c.Username(a, p.env.Keys) // an account without one is not admitted
		return name
	}
	return string(a.ID)
}

// hinted is whom an ID token of ours, or the claims parameter, says that a
// request is about: a subject as one client knows it. The zero value is about
// nobody in particular.
type hinted struct {
	client  *client
	subject string
}

// about reports whether an account is the one that a hint names.
func (p *provider) about(h hinted, a account.Account) bool {
	return h.subject != "" && p.subject(h.client, a) == h.subject
}

// hint reads an id_token_hint: an ID token of ours, of whatever age (OpenID
// Connect RP-Initiated Logout 1.0 section 4), for a client that is still known.
func (p *provider) hint(token string) (hinted, bool) {
	var claims oidc.IDTokenClaims
	if p.verified(token, typeID, &claims) != nil || claims.Issuer != p.env.Issuer || len(claims.Audience) != 1 {
		return hinted{}, false
	}
	h := hinted{p.clients[claims.Audience[0]], claims.Subject}
	return h, h.client != nil && h.subject != ""
}
