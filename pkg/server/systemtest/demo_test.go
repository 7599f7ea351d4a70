package systemtest_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// newDemo runs the demonstration.
func newDemo(t *testing.T) *node {
	t.Helper()
	portal := regexp.MustCompile(`http://(\S+)/demo/portal/`)
	return start(t, program(t), nil, func(line string) string {
		if found := portal.FindStringSubmatch(line); found != nil {
			return found[1]
		}
		return ""
	}, "demo", "--listen", "127.0.0.1:0")
}

// The client library of somebody else, against what the demonstration
// registers for people's own tools.
func TestAnIndependentApplication(t *testing.T) {
	at := newDemo(t)
	ctx := oidc.ClientContext(t.Context(), http.DefaultClient)
	provider, err := oidc.NewProvider(ctx, at.url)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, at)
	for _, config := range []oauth2.Config{
		{ClientID: "demo-client", ClientSecret: "demo-client-secret", RedirectURL: "http://127.0.0.1:9/callback"},
		{ClientID: "demo-native", RedirectURL: "http://127.0.0.1:54321/callback"},
	} {
		t.Run(config.ClientID, func(t *testing.T) {
			b.t = t
			config.Endpoint = provider.Endpoint()
			config.Scopes = []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess}
			verifier := oauth2.GenerateVerifier()
			p := b.get(config.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(verifier)))
			if p.status == http.StatusOK {
				p = b.signIn(p, "elefevre", password("elefevre"))
			}
			code := p.arrived(config.RedirectURL, "code")
			if q := p.location().Query(); q.Get("state") != "state-1" || q.Get("iss") != at.url {
				t.Errorf("%v", q)
			}
			token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			check(t, ctx, provider, config, token)
		})
	}
	t.Run("CAS", func(t *testing.T) {
		b.t = t
		const service = "http://127.0.0.1:9/app"
		ticket := b.get("/cas/login?service="+url.QueryEscape(service)).arrived(service, "ticket")
		answer, err := http.Get(at.url + "/cas/serviceValidate?service=" + url.QueryEscape(service) + "&ticket=" + ticket)
		if err != nil {
			t.Fatal(err)
		}
		read(t, answer).shows(http.StatusOK, "elefevre")
	})
}

// check does all that the library can with tokens.
func check(t *testing.T, ctx context.Context, provider *oidc.Provider, config oauth2.Config, token *oauth2.Token) {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil || id.Nonce != "nonce-1" {
		t.Errorf("nonce %q, at_hash %v", id.Nonce, err)
	}
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Preferred string `json:"preferred_username"`
		Email     string `json:"email"`
	}
	if err := info.Claims(&claims); err != nil || info.Subject != id.Subject || claims.Preferred != "elefevre" || claims.Email == "" {
		t.Errorf("userinfo %+v %+v, %v", info, claims, err)
	}
	next, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || next.AccessToken == token.AccessToken || next.RefreshToken == token.RefreshToken {
		t.Errorf("refresh: %v", err)
	}
}
