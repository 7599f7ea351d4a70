package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
)

const (
	// consentLife is how long a consent is remembered after its last use.
	consentLife = 365 * 24 * time.Hour
	// consentTime is how long somebody may look at the page before the demands
	// of the request must be met anew.
	consentTime = 10 * time.Minute

	fieldAsked    = "asked"
	fieldDecision = "decision"
	decisionAllow = "allow"
)

// asking is what the page brings back: the request, and that this session met
// all its demands at that time.
type asking struct {
	URL string `json:"u"`
	SID string `json:"s"`
	At  int64  `json:"t"`
}

// consented reports whether the person agreed to what the client is told, or
// answers the request. Only clients that are configured so, and those that ask
// by prompt=consent, need it.
func (p *provider) consented(w http.ResponseWriter, r *http.Request, a *authorization, s *session.Session, target string) bool {
	if !a.client.Consent && !a.asks {
		return true
	}
	if !a.asks {
		remembered, err := p.remembered(r.Context(), s.Account.ID, a.client)
		if err != nil {
			p.env.Login.Pages.Unavailable(w, r, err)
			return false
		}
		if covers(remembered, a.toTell()) {
			return true
		}
	}
	if a.silent {
		p.deny(w, r, a, &oidc.Error{ErrorType: "consent_required"})
		return false
	}
	plain, err := json.Marshal(asking{URL: target, SID: p.env.Sessions.SID(s), At: p.env.Now().Unix()})
	if err != nil {
		panic(err) // texts
	}
	if err := p.env.Sessions.Commit(r.Context(), w, s); err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return false
	}
	p.env.Pages.Render(w, r, http.StatusOK, render.Consent{
		Frame: render.Frame{Destination: a.client.Name, Theme: a.client.Theme, Action: pathConsent, FormTargets: []string{a.redirectURI}, NoDoors: true,
			Hidden: []render.Field{{Name: fieldAsked, Value: p.consentBox().Seal(plain, "")}}},
		Login: s.Account.Login, Telling: a.client.telling(a.toTell()),
	})
	return false
}

func (p *provider) consentBox() *secret.Box { return p.env.Keys.Box("oidc consent") }

// toTell is what the client would be told of the person, by name.
func (a *authorization) toTell() []string {
	return a.client.toTell(a.scope, append(slices.Clone(a.userinfoClaims), a.idClaims...)...)
}

// toTell is what a scope, the configuration and claims asked for by name tell.
func (c *client) toTell(scope string, claims ...string) []string {
	names := append(strings.Fields(scope), claims...)
	for _, each := range c.Attributes {
		names = append(names, each.Told())
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// telling puts it in words, as far as there are any.
func (c *client) telling(names []string) (out render.Telling) {
	for _, scope := range knownScopes {
		if slices.Contains(names, scope) {
			out.Told = append(out.Told, render.Told(scope))
		}
	}
	for _, name := range names {
		if !slices.Contains(knownScopes, name) {
			out.Names = append(out.Names, name)
		}
	}
	return out
}

// decided answers the page. The request is looked at again from its beginning,
// but for demands that were met when the page was shown.
func (p *provider) decided(w http.ResponseWriter, r *http.Request) {
	var asked asking
	plain, err := p.consentBox().Open(r.PostForm.Get(fieldAsked), "")
	if err != nil || json.Unmarshal(plain, &asked) != nil {
		p.problem(w, r, errors.New("the answer to a question that was not asked"))
		return
	}
	s, err := p.env.Sessions.Current(r)
	if err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return
	}
	late := p.env.Now().Sub(time.Unix(asked.At, 0)) > consentTime
	if s == nil || late || p.env.Sessions.SID(s) != asked.SID {
		redirect(w, p.env.Issuer+asked.URL) // somebody else, or too late: from the beginning
		return
	}
	u, err := url.Parse(asked.URL)
	if err != nil {
		p.problem(w, r, err) // cannot be: we sealed it
		return
	}
	again := r.Clone(r.Context())
	again.Form, again.PostForm = u.Query(), nil
	a := p.request(w, again)
	if a == nil || !p.welcome(w, r, a, s) {
		return
	}
	if r.PostForm.Get(fieldDecision) != decisionAllow {
		p.record(r, "oidc.consent", "denied", a.client, s.Account.ID)
		p.deny(w, r, a, &oidc.Error{ErrorType: oidc.AccessDenied, Description: "the person refused"})
		return
	}
	s.With(p.remember(s.Account.ID, a.client, a.toTell())...)
	p.record(r, "oidc.consent", "allowed", a.client, s.Account.ID)
	p.issue(w, r, a, s)
}

// A person's consents are one record, with a field for each client: its mark,
// and after it the time and the names.
func consentKey(id account.ID) store.Key {
	return store.Key{Tag: "consent-" + secret.Hash(string(id))[:22], Name: "oidc consents"}
}

func (p *provider) remember(id account.ID, c *client, told []string) []store.Op {
	fields := store.Fields{c.mark: strconv.FormatInt(p.env.Now().Unix(), 10) + " " + strings.Join(told, " ")}
	return []store.Op{
		&store.Create{Key: consentKey(id), Fields: fields, TTL: consentLife},
		&store.Write{Key: consentKey(id), Fields: fields}, // when it was there
	}
}

func (p *provider) remembered(ctx context.Context, id account.ID, c *client) ([]string, error) {
	read := &store.Read{Key: consentKey(id), Extend: consentLife}
	if err := p.env.Store.Do(ctx, read); err != nil {
		return nil, err
	}
	return consentOf(read.Fields[c.mark]).Told, nil
}

func consentOf(field string) sso.Consent {
	words := strings.Fields(field)
	if len(words) == 0 {
		return sso.Consent{}
	}
	at, _ := strconv.ParseInt(words[0], 10, 64) // we wrote it
	return sso.Consent{Told: words[1:], At: time.Unix(at, 0)}
}

// covers reports whether everything that is asked was agreed to. Nothing was
// agreed to before anybody was asked.
func covers(agreed, asked []string) bool {
	return len(agreed) > 0 && !slices.ContainsFunc(asked, func(name string) bool { return !slices.Contains(agreed, name) })
}

// Consents implements sso.Consenter.
func (p *provider) Consents(ctx context.Context, id account.ID) ([]sso.Consent, error) {
	read := &store.Read{Key: consentKey(id)}
	if err := p.env.Store.Do(ctx, read); err != nil {
		return nil, err
	}
	var out []sso.Consent
	for _, c := range p.clients {
		if consent := consentOf(read.Fields[c.mark]); consent.Told != nil {
			consent.Client, consent.Name = c.ID, c.Name
			out = append(out, consent)
		}
	}
	slices.SortFunc(out, func(a, b sso.Consent) int { return strings.Compare(a.Name+a.Client, b.Name+b.Client) })
	return out, nil
}

// RevokeConsent implements sso.Consenter.
func (p *provider) RevokeConsent(ctx context.Context, id account.ID, client string) error {
	c := p.clients[client]
	if c == nil {
		return nil
	}
	return p.env.Store.Do(ctx, &store.Write{Key: consentKey(id), Fields: store.Fields{c.mark: ""}})
}
