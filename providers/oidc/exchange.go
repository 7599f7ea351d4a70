package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// tokenExchange gives a client that was handed an access token of this server
// one of its own, to call further on for the same person (RFC 8693). The new
// one hangs from the grant of the old: it ends with it, and no later than the
// old one would have. It says no more, to nobody else, and who acts.
func (p *provider) tokenExchange(r *http.Request, c *client, form url.Values) (*oidc.TokenExchangeResponse, *oidc.Error) {
	if !c.TokenExchange {
		return nil, &oidc.Error{ErrorType: oidc.UnauthorizedClient}
	}
	if refused := exchangeable(form); refused != nil {
		return nil, refused
	}
	t, owner, ok := p.openAccess(form.Get("subject_token"))
	if !ok || t.Account == "" {
		return nil, badRequest("subject_token is not an access token of this server for a person")
	}
	a, g, refused := p.holder(r, t, owner)
	switch {
	case refused == errToken:
		return nil, badRequest("subject_token has ended")
	case refused != nil:
		return nil, refused
	case !slices.Contains(g.audience(owner), c.ID):
		return nil, badRequest("subject_token is not for this client")
	}
	if _, ok, err := p.account(r.Context(), c, t.Account); err != nil || !ok {
		if err != nil {
			return nil, p.fault(r, err)
		}
		return nil, &oidc.Error{ErrorType: oidc.AccessDenied}
	}
	next := grant{Account: t.Account, Subject: p.subject(c, a), SID: g.SID, AuthTime: g.AuthTime, Checked: p.env.Now(), Methods: g.Methods,
		Actors: append([]string{c.ID}, g.Actors...), Ends: time.Unix(t.Expires, 0)}
	if next.Scope, ok = exchangedScope(c, t.Scope, form.Get("scope")); !ok {
		return nil, &oidc.Error{ErrorType: oidc.InvalidScope, Description: "more than the token says, or than the client may have"}
	}
	if asked := form.Get("audience"); asked != "" {
		if !slices.Contains(c.audience(), asked) {
			return nil, &oidc.Error{ErrorType: oidc.InvalidTarget}
		}
		next.Audience = []string{asked}
	}
	above := owner.key(t.Locator)
	code := newCode(above.Tag)
	created := p.create(c, code, above, next)
	created.TTL = next.Ends.Sub(p.env.Now())
	if err := p.env.Store.Do(r.Context(), created); err != nil {
		return nil, p.fault(r, err)
	}
	if !created.Created {
		return nil, badRequest("subject_token has ended")
	}
	answer, refused := p.access(c, next, code[:locatorLen], next.Scope)
	if refused != nil {
		return nil, refused
	}
	p.record(r, "oidc.exchange", "ok", c, t.Account)
	return &oidc.TokenExchangeResponse{AccessToken: answer.AccessToken, IssuedTokenType: oidc.AccessTokenType, TokenType: oidc.BearerToken,
		ExpiresIn: uint64(min(p.accessLife, created.TTL).Seconds()), Scopes: answer.Scope}, nil
}

// exchangeable says what is asked that is not done here.
func exchangeable(form url.Values) *oidc.Error {
	requested := form.Get("requested_token_type")
	switch {
	case form.Get("subject_token") == "":
		return badRequest("subject_token is missing")
	case form.Get("subject_token_type") != string(oidc.AccessTokenType):
		return badRequest("subject_token_type must be " + string(oidc.AccessTokenType))
	case requested != "" && requested != string(oidc.AccessTokenType):
		return badRequest("requested_token_type must be " + string(oidc.AccessTokenType))
	case form.Has("actor_token") || form.Has("actor_token_type"):
		return badRequest("the actor is the client: actor_token is not supported")
	case form.Has("resource"): // RFC 8693 section 2.2.2
		return &oidc.Error{ErrorType: oidc.InvalidTarget, Description: "name the audience, not a resource"}
	}
	return nil
}

// exchangedScope is what the new token says: what was asked of, or else all of,
// what both the old token says and the client may have. An exchange is for
// now, so it gives nothing for later.
func exchangedScope(c *client, had, asked string) (string, bool) {
	both := slices.DeleteFunc(strings.Fields(c.allowed(strings.Fields(had))), func(scope string) bool { return scope == oidc.ScopeOfflineAccess })
	return narrowed(strings.Join(both, " "), asked)
}

// audience is whom the tokens of a grant are for.
func (g grant) audience(c *client) oidc.Audience {
	if len(g.Audience) > 0 {
		return g.Audience
	}
	return c.audience()
}

// ends is when an access token of the grant that is made now ends.
func (g grant) ends(now time.Time, life time.Duration) time.Time {
	if end := now.Add(life); g.Ends.IsZero() || end.Before(g.Ends) {
		return end
	}
	return g.Ends
}

// actor says who acts for the person, and for whom that one acts (RFC 8693
// section 4.1).
type actor struct {
	Subject string `json:"sub"`
	Actor   *actor `json:"act,omitempty"`
}

func actors(ids []string) *actor {
	if len(ids) == 0 {
		return nil
	}
	return &actor{ids[0], actors(ids[1:])}
}
