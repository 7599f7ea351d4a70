package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/providers/oidc"
)

// withAPIs is the cast in which W has tokens that APIs read, for X and for an
// API that is no client here.
func withAPIs() oidc.Config {
	config := cast()
	config.Clients[0].AccessTokenFormat = "jwt"
	config.Clients[0].Audience = []string{"https://api.example", "x"}
	config.Clients[0].ClientCredentials = true
	config.Clients[1].ClientCredentials = true
	return config
}

// TestAccessJWT is RFC 9068: an API reads the token itself, and it can be
// revoked all the same.
func TestAccessJWT(t *testing.T) {
	r := newWorld(t).serve(withAPIs(), "")
	tokens := signIn(t, r, "openid profile email")
	access := tokens.text("access_token")
	jws, err := jose.ParseSignedCompact(access, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if typ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
	if _, err := jws.Verify(ecKey.Public()); err != nil {
		t.Error(err)
	}
	claims := payload(t, access)
	jti, _ := claims["jti"].(string)
	delete(claims, "jti")
	now := float64(r.clock.Now().Unix())
	if diff := cmp.Diff(map[string]any{"iss": r.issuer, "sub": "id-alice", "aud": []any{"w", "https://api.example", "x"}, "client_id": "w",
		"scope": "openid profile email", "iat": now, "exp": now + 600, "auth_time": now, "amr": []any{"pwd"},
		"acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}, claims); diff != "" {
		t.Error(diff)
	}
	want(t, "userinfo", r.userinfo(access), 200, "")
	for what, presented := range map[string]string{
		"its jti": jti, "an ID token": tokens.text("id_token"), "without signature": access[:strings.LastIndex(access, ".")+1],
		"with another signature": access[:strings.LastIndex(access, ".")+1] + strings.Split(tokens.text("id_token"), ".")[2],
	} {
		want(t, what, r.userinfo(presented), 401, "invalid_token")
		if r.active(presented) {
			t.Errorf("%s is active", what)
		}
	}
	t.Run("as a hint", func(t *testing.T) {
		config := withAPIs()
		config.Clients[0].Audience = nil // as the ID token has it
		r := newWorld(t).serve(config, "")
		access := signIn(t, r, "openid").text("access_token")
		if got := r.browser().authorize(params("prompt", "none", "id_token_hint", access)).answer(t); got.Get("error") != "invalid_request" {
			t.Errorf("%v", got)
		}
	})
	t.Run("introspection by the API (R-OAUTH-48)", func(t *testing.T) {
		api := r.call("/oidc/introspect", "x", url.Values{"token": {access}})
		if api.json["active"] != true || api.json["client_id"] != "w" || api.json["sub"] != "id-alice" || api.json["scope"] != "openid profile email" {
			t.Errorf("%v", api.json)
		}
		mine := r.exchangeX(t)
		if got := r.call("/oidc/introspect", "w", url.Values{"token": {mine}}); !cmp.Equal(got.json, map[string]any{"active": false}) {
			t.Errorf("W about X's: %v", got.json)
		}
		if got := r.call("/oidc/introspect", "x", url.Values{"token": {tokens.text("refresh_token")}}); !cmp.Equal(got.json, map[string]any{"active": false}) {
			t.Errorf("the API about a refresh token: %v", got.json)
		}
		want(t, "revocation by the API", r.call("/oidc/revoke", "x", url.Values{"token": {access}}), 200, "")
		if !r.active(access) {
			t.Error("the API revoked the token")
		}
	})
	want(t, "revocation", r.call("/oidc/revoke", "w", url.Values{"token": {access}}), 200, "")
	want(t, "revoked", r.userinfo(access), 401, "invalid_token")
	if r.active(access) {
		t.Error("revoked, and active")
	}
	t.Run("its end", func(t *testing.T) {
		access := signIn(t, r, "openid").text("access_token")
		r.clock.Advance(599 * time.Second)
		want(t, "at 599 s", r.userinfo(access), 200, "")
		r.clock.Advance(time.Second)
		want(t, "at 600 s", r.userinfo(access), 401, "invalid_token")
	})
}

func (r *replica) exchangeX(t *testing.T) string {
	t.Helper()
	code := r.browser().code(asX("scope", "openid"))
	return r.call("/oidc/token", "x", codeForm(code, "redirect_uri", callbackX)).text("access_token")
}

// TestClientCredentials is RFC 6749 section 4.4: a token about nobody.
func TestClientCredentials(t *testing.T) {
	r := newWorld(t).serve(withAPIs(), "")
	ask := url.Values{"grant_type": {"client_credentials"}}
	for _, id := range []string{"w", "x"} { // signed and opaque
		got := r.call("/oidc/token", id, ask)
		want(t, id, got, 200, "")
		if got.json["refresh_token"] != nil || got.json["id_token"] != nil || got.text("scope") != "" {
			t.Errorf("%s: %v", id, got.json)
		}
		access := got.text("access_token")
		want(t, "userinfo", r.userinfo(access), 401, "invalid_token")
		seen := r.call("/oidc/introspect", id, url.Values{"token": {access}})
		if seen.json["active"] != true || seen.json["sub"] != id || seen.json["client_id"] != id || seen.json["username"] != nil {
			t.Errorf("%s: introspection %v", id, seen.json)
		}
		want(t, "revocation", r.call("/oidc/revoke", id, url.Values{"token": {access}}), 200, "")
		if r.call("/oidc/introspect", id, url.Values{"token": {access}}).json["active"] != false {
			t.Errorf("%s: revoked, and active", id)
		}
	}
	if claims := payload(t, r.call("/oidc/token", "w", ask).text("access_token")); claims["sub"] != "w" || claims["auth_time"] != nil || claims["amr"] != nil {
		t.Errorf("%v", claims)
	}
	access := r.call("/oidc/token", "x", ask).text("access_token")
	r.clock.Advance(10*time.Minute + time.Second)
	if r.call("/oidc/introspect", "x", url.Values{"token": {access}}).json["active"] != false {
		t.Error("active after its end")
	}
	want(t, "a scope", r.call("/oidc/token", "w", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}), 400, "invalid_scope")
	want(t, "public", r.call("/oidc/token", "p", ask), 400, "unauthorized_client")
	want(t, "not allowed", start(t).call("/oidc/token", "w", ask), 400, "unauthorized_client")
}

// R-OAUTH-33 by client, and R-OAUTH-34: what outlives the session does so by
// configuration, and ends with the password.
func TestOfflineByClient(t *testing.T) {
	config := cast()
	config.Clients[0].RefreshIdle, config.Clients[0].RefreshLife = plugin.Duration(2*time.Hour), plugin.Duration(5*time.Hour)
	config.Clients[1].Scopes = []string{"openid"}
	r := newWorld(t).serve(config, "")
	token := signIn(t, r, "openid offline_access").text("refresh_token")
	for range 2 {
		r.clock.Advance(2*time.Hour - time.Second)
		got := r.refresh("w", token)
		want(t, "within two hours", got, 200, "")
		token = got.text("refresh_token")
	}
	r.clock.Advance(time.Hour + time.Second)
	want(t, "just before five hours", r.refresh("w", token), 200, "")
	r.clock.Advance(2 * time.Second)
	want(t, "after five hours", r.refresh("w", token), 400, "invalid_grant")
	token = signIn(t, r, "openid offline_access").text("refresh_token")
	r.clock.Advance(2*time.Hour + time.Second)
	want(t, "idle", r.refresh("w", token), 400, "invalid_grant")

	b := r.browser()
	offline := r.exchange(b.code(params("scope", "openid offline_access")))
	online := r.exchange(b.code(params("scope", "openid")))
	code := b.code(asX("scope", "openid offline_access"))
	unasked := r.call("/oidc/token", "x", codeForm(code, "redirect_uri", callbackX))
	if strings.Contains(unasked.text("scope"), "offline_access") {
		t.Errorf("X got %q", unasked.text("scope"))
	}
	if p := b.get("/oidc/logout?" + url.Values{"id_token_hint": {online.text("id_token")}}.Encode()); p.StatusCode != http.StatusOK {
		t.Fatal(p.StatusCode)
	}
	want(t, "online, after the session", r.refresh("w", online.text("refresh_token")), 400, "invalid_grant")
	want(t, "not allowed, after the session", r.refresh("x", unasked.text("refresh_token")), 400, "invalid_grant")
	next := r.refresh("w", offline.text("refresh_token"))
	want(t, "offline, after the session", next, 200, "")
	if err := r.sessions.EndAll(t.Context(), "id-alice"); err != nil { // the password changed
		t.Fatal(err)
	}
	want(t, "offline, after the password", r.refresh("w", next.text("refresh_token")), 400, "invalid_grant")
}
