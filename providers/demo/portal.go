package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/loge-idp/loge/pkg/secret"
)

// portal is an application as its owner would write it: a well-known client
// library, the code flow with PKCE, and nothing of Loge.
type portal struct {
	apps     Apps
	client   *http.Client
	visitors visitors

	mu       sync.Mutex
	provider *oidc.Provider // once discovered
}

func (p *portal) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+portalPath+"{$}", p.home)
	mux.HandleFunc("GET "+portalPath+"login", p.login)
	mux.HandleFunc("GET "+portalPath+"callback", p.callback)
	mux.HandleFunc("POST "+portalPath+"logout", p.logout)
	mux.HandleFunc("POST "+portalPath+"backchannel", p.backchannel)
}

// discover reads the server's metadata the first time it answers.
func (p *portal) discover(ctx context.Context) (*oidc.Provider, oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.provider == nil {
		// The provider keeps the context for fetching keys later on.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.apps.Issuer)
		if err != nil {
			return nil, oauth2.Config{}, err
		}
		p.provider = found
	}
	return p.provider, oauth2.Config{
		ClientID: portalID, ClientSecret: p.apps.Secret.Reveal(), RedirectURL: p.apps.RedirectURI(),
		Endpoint: p.provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}, nil
}

func (p *portal) home(w http.ResponseWriter, r *http.Request) {
	view := page{Portal: true, Apps: p.apps}
	if who, ok := p.visitors.of(r); ok {
		view.Visitor = &who
	}
	view.write(w, r, http.StatusOK)
}

// loginCookie holds state, nonce and PKCE verifier of the sign-in under way.
const loginCookie = "demo-portal-login"

func (p *portal) login(w http.ResponseWriter, r *http.Request) {
	_, config, err := p.discover(r.Context())
	if err != nil {
		page{Portal: true, Apps: p.apps, Problem: err}.write(w, r, http.StatusBadGateway)
		return
	}
	state, nonce, verifier := secret.Random(22), secret.Random(22), oauth2.GenerateVerifier()
	p.visitors.set(w, loginCookie, strings.Join([]string{state, nonce, verifier}, "."), portalPath, 600)
	http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
}

func (p *portal) callback(w http.ResponseWriter, r *http.Request) {
	who, err := p.exchange(r)
	p.visitors.set(w, loginCookie, "", portalPath, -1)
	if err != nil {
		page{Portal: true, Apps: p.apps, Problem: err}.write(w, r, http.StatusBadRequest)
		return
	}
	p.visitors.enter(w, who)
	http.Redirect(w, r, portalPath, http.StatusSeeOther)
}

func (p *portal) exchange(r *http.Request) (visitor, error) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return visitor{}, errors.New("this sign-in was not begun in this browser")
	}
	begun := strings.Split(cookie.Value, ".")
	if len(begun) != 3 || r.FormValue("state") != begun[0] {
		return visitor{}, errors.New("this answer is to another question: state differs")
	}
	if code := r.FormValue("error"); code != "" {
		return visitor{}, fmt.Errorf("the server refused: %s", code)
	}
	provider, config, err := p.discover(r.Context())
	if err != nil {
		return visitor{}, err
	}
	ctx := oidc.ClientContext(r.Context(), p.client)
	token, err := config.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(begun[2]))
	if err != nil {
		return visitor{}, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: portalID}).Verify(ctx, raw)
	if err != nil {
		return visitor{}, err
	}
	if id.Nonce != begun[1] {
		return visitor{}, errors.New("this ID token is for another sign-in: nonce differs")
	}
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil {
		return visitor{}, err
	}
	var session struct {
		SID string `json:"sid"`
	}
	var claims map[string]any
	if err := errors.Join(id.Claims(&session), info.Claims(&claims)); err != nil {
		return visitor{}, err
	}
	who := visitor{end: session.SID, idToken: raw, Facts: facts(claims)}
	who.Name, _ = claims["name"].(string)
	return who, nil
}

func facts(claims map[string]any) []fact {
	var out []fact
	for name, value := range claims {
		out = append(out, fact{name, fmt.Sprint(value)})
	}
	slices.SortFunc(out, func(a, b fact) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// logout ends the visit here and then, at the server, the session and with it
// every other application (OpenID Connect RP-Initiated Logout 1.0).
func (p *portal) logout(w http.ResponseWriter, r *http.Request) {
	who, known := p.visitors.of(r)
	p.visitors.leave(w, r)
	provider, _, err := p.discover(r.Context())
	var metadata struct {
		End string `json:"end_session_endpoint"`
	}
	if !known || err != nil || provider.Claims(&metadata) != nil || metadata.End == "" {
		http.Redirect(w, r, portalPath, http.StatusSeeOther)
		return
	}
	query := url.Values{"id_token_hint": {who.idToken}, "post_logout_redirect_uri": {p.apps.HomeURI()}}
	http.Redirect(w, r, metadata.End+"?"+query.Encode(), http.StatusSeeOther)
}

// backchannel is told by the server that a session has ended (OpenID Connect
// Back-Channel Logout 1.0 section 2.5).
func (p *portal) backchannel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	provider, _, err := p.discover(r.Context())
	if err != nil {
		http.Error(w, "no metadata", http.StatusServiceUnavailable)
		return
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: portalID}).VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		http.Error(w, "not a logout token for this application", http.StatusBadRequest)
		return
	}
	p.visitors.ended(token.SessionID)
}
