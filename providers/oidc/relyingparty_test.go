package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// TestIndependentClient walks the whole way with a client library that shares
// no code with the server: login, ID token, userinfo, refresh, logout.
func TestIndependentClient(t *testing.T) {
	for _, test := range []struct{ id, secret, redirect, algorithm string }{
		{"w", secrets["w"], callback, "ES256"},
		{"x", secrets["x"], callbackX, "RS256"},
		{"p", "", "http://127.0.0.1:4711/cb", "RS256"},
	} {
		t.Run(test.id, func(t *testing.T) {
			r := start(t)
			ctx := context.Background()
			provider, err := goidc.NewProvider(ctx, r.issuer)
			if err != nil {
				t.Fatal(err)
			}
			client := oauth2.Config{ClientID: test.id, ClientSecret: test.secret, RedirectURL: test.redirect,
				Endpoint: provider.Endpoint(), Scopes: []string{"openid", "profile", "email"}}
			proof := oauth2.GenerateVerifier()
			b := r.browser()
			u, err := url.Parse(client.AuthCodeURL("s1", oauth2.S256ChallengeOption(proof), goidc.Nonce("n1")))
			if err != nil {
				t.Fatal(err)
			}
			back := b.submit(b.get(u.String()), "alice")
			if !strings.HasPrefix(back.Header.Get("Location"), test.redirect) {
				t.Fatalf("sent to %s", back.Header.Get("Location"))
			}
			answer := back.answer(t)
			if answer.Get("state") != "s1" || answer.Get("iss") != r.issuer {
				t.Fatalf("answer %v", answer)
			}
			token, err := client.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(proof))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := token.Extra("id_token").(string)
			id, err := provider.Verifier(&goidc.Config{ClientID: test.id, SupportedSigningAlgs: []string{test.algorithm}}).Verify(ctx, raw)
			if err != nil {
				t.Fatal(err)
			}
			if id.Subject != "id-alice" || id.Nonce != "n1" || id.VerifyAccessToken(token.AccessToken) != nil {
				t.Errorf("ID token %+v", id)
			}
			var claims map[string]any
			if err := id.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			if claims["sid"] == "" || claims["auth_time"] == nil || claims["amr"] == nil || claims["name"] != nil || claims["email"] != nil || claims["acr"] == nil {
				t.Errorf("claims %v", claims) // C-06: name and email are for userinfo
			}
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err != nil || info.Subject != "id-alice" || info.Email != "alice@univ.example" {
				t.Fatalf("userinfo %+v, %v", info, err)
			}
			token.Expiry = r.clock.Now().Add(-1)
			again, err := client.TokenSource(ctx, token).Token()
			if err != nil || again.RefreshToken == token.RefreshToken {
				t.Fatalf("refresh: %v", err)
			}
			// Logout of the person with the ID token as a hint.
			if p := b.get("/oidc/logout?id_token_hint=" + raw); p.StatusCode != http.StatusOK || p.Header.Get("Location") != "" {
				t.Fatalf("logout: %d", p.StatusCode)
			}
			if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(again)); err == nil {
				t.Error("the access token outlived the session")
			}
			again.Expiry = r.clock.Now().Add(-1)
			if _, err := client.TokenSource(ctx, again).Token(); err == nil {
				t.Error("the refresh token outlived the session")
			}
		})
	}
}
