package oidc_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
)

// TestUserinfo is C-04, C-06, C-15 and C-22: claims by scope, every way to send
// the token.
func TestUserinfo(t *testing.T) {
	r := start(t)
	plain := &browser{r, http.DefaultClient}
	b := r.browser()
	whole := map[string]any{"sub": "id-alice", "name": "N alice", "given_name": "N", "family_name": "alice",
		"preferred_username": "alice", "locale": "fr", "email": "alice@univ.example"}
	for scope, keys := range map[string][]string{
		"openid":               {"sub"},
		"openid email":         {"sub", "email"},
		"openid profile":       {"sub", "name", "given_name", "family_name", "preferred_username", "locale"},
		"openid email profile": {"sub", "name", "given_name", "family_name", "preferred_username", "locale", "email"},
	} {
		wanted := map[string]any{}
		for _, k := range keys {
			wanted[k] = whole[k]
		}
		token := r.exchange(b.code(params("scope", scope))).text("access_token")
		for how, p := range map[string]page{
			"header": plain.do("GET", "/oidc/userinfo", nil, "Authorization", "Bearer "+token),
			"case":   plain.do("GET", "/oidc/userinfo", nil, "Authorization", "bEARER "+token),
			"POST":   plain.do("POST", "/oidc/userinfo", nil, "Authorization", "Bearer "+token),
			"body":   plain.do("POST", "/oidc/userinfo", url.Values{"access_token": {token}}),
		} {
			got := decode(t, p)
			if diff := cmp.Diff(wanted, got.json); diff != "" || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s by %s: %s", scope, how, diff)
			}
		}
	}
	t.Run("released attributes", func(t *testing.T) {
		code := b.code(asX("scope", "openid"))
		got := r.userinfo(r.call("/oidc/token", "x", codeForm(code, "redirect_uri", callbackX)).text("access_token"))
		wanted := map[string]any{"sub": "id-alice", "login": "alice", "eduPersonAffiliation": []any{"member"}}
		if diff := cmp.Diff(wanted, got.json); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("R-OAUTH-39", func(t *testing.T) {
		token := r.exchange(b.code(params())).text("access_token")
		inQuery := decode(t, plain.get("/oidc/userinfo?access_token="+token))
		want(t, "query", inQuery, 400, "invalid_request")
		if got := inQuery.Header.Get("WWW-Authenticate"); got != `Bearer realm="oidc", error="invalid_request"` { // RFC 6750 section 3.1
			t.Errorf("query: %q", got)
		}
		both := plain.do("POST", "/oidc/userinfo", url.Values{"access_token": {token}}, "Authorization", "Bearer "+token)
		want(t, "header and body", decode(t, both), 400, "invalid_request")
		none := plain.get("/oidc/userinfo")
		if none.StatusCode != 401 || none.Header.Get("WWW-Authenticate") != `Bearer realm="oidc"` {
			t.Errorf("none: %d %q", none.StatusCode, none.Header.Get("WWW-Authenticate"))
		}
		bad := r.userinfo("nonsense")
		want(t, "nonsense", bad, 401, "invalid_token")
		if !strings.Contains(bad.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%q", bad.Header.Get("WWW-Authenticate"))
		}
		tokens := r.exchange(b.code(params()))
		want(t, "an ID token", r.userinfo(tokens.text("id_token")), 401, "invalid_token")
		want(t, "a refresh token", r.userinfo(tokens.text("refresh_token")), 401, "invalid_token")
		want(t, "good", r.userinfo(tokens.text("access_token")), 200, "")
		r.clock.Advance(10 * time.Minute)
		want(t, "too old", r.userinfo(tokens.text("access_token")), 401, "invalid_token")
	})
	t.Run("account", func(t *testing.T) {
		tokens := r.exchange(b.code(params()))
		r.people.set("id-alice", account.Disabled)
		want(t, "disabled", r.userinfo(tokens.text("access_token")), 401, "invalid_token")
		r.people.set("id-alice", account.Active)
		want(t, "the grant is gone", r.refresh("w", tokens.text("refresh_token")), 400, "invalid_grant")
	})
}

// TestTokenMutation is R-OAUTH-36: 10,000 alterations of a token, none good.
func TestTokenMutation(t *testing.T) {
	r := start(t)
	token := signIn(t, r, "openid").text("access_token")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. "
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 10_000 {
		b := []byte(token)
		switch i := rnd.IntN(len(b)); rnd.IntN(4) {
		case 0:
			b = b[:i]
		case 1:
			b = append(b, alphabet[rnd.IntN(len(alphabet)-1)])
		case 2:
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		case 3:
			b = slices.Insert(b, i, alphabet[rnd.IntN(len(alphabet))])
		}
		if altered := strings.TrimSpace(string(b)); altered != token && userinfoStatus(r, altered) == http.StatusOK {
			t.Fatalf("accepted: %q for %q", altered, token)
		}
	}
	if userinfoStatus(r, token) != http.StatusOK {
		t.Error("the token itself is refused")
	}
}

// TestIntrospectRevoke is R-OAUTH-47 and 48.
func TestIntrospectRevoke(t *testing.T) {
	r := start(t)
	tokens := signIn(t, r, "openid offline_access")
	accessToken, refreshToken := tokens.text("access_token"), tokens.text("refresh_token")
	asks := func(client, token string) reply {
		return r.call("/oidc/introspect", client, url.Values{"token": {token}})
	}
	if got := asks("w", accessToken); got.json["active"] != true || got.text("sub") != "id-alice" || got.text("username") != "alice" ||
		got.text("scope") != "openid offline_access" || got.text("client_id") != "w" || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", got.json)
	}
	want(t, "no client", asks("nobody", accessToken), 401, "invalid_client")
	want(t, "public client", asks("p", accessToken), 401, "invalid_client")
	for _, token := range []string{accessToken, refreshToken, "nonsense"} {
		if got := asks("x", token); got.StatusCode != 200 || !cmp.Equal(got.json, map[string]any{"active": false}) {
			t.Errorf("another client's: %v", got.json)
		}
		want(t, "revocation by another client", r.call("/oidc/revoke", "x", url.Values{"token": {token}}), 200, "")
		want(t, "revocation by a public one", r.call("/oidc/revoke", "p", url.Values{"token": {token}}), 200, "")
	}
	want(t, "revocation without client", r.call("/oidc/revoke", "nobody", url.Values{"token": {accessToken}}), 401, "invalid_client")
	if !r.active(accessToken) || !r.active(refreshToken) {
		t.Fatal("revoked by another client")
	}
	want(t, "revocation", r.call("/oidc/revoke", "w", url.Values{"token": {refreshToken}, "token_type_hint": {"access_token"}}), 200, "")
	if r.active(accessToken) || r.active(refreshToken) {
		t.Error("still active")
	}
	want(t, "refresh", r.refresh("w", refreshToken), 400, "invalid_grant")

	closed := signIn(t, r, "openid offline_access").text("refresh_token")
	r.people.set("id-alice", account.Disabled)
	if r.active(closed) {
		t.Error("the refresh token of an account that was closed is active")
	}
}

// TestDiscovery is C-18, and what R-OAUTH-25, 27 and 29 ask of it.
func TestDiscovery(t *testing.T) {
	r := start(t)
	plain := &browser{r, http.DefaultClient}
	p := plain.get("/.well-known/openid-configuration")
	got := decode(t, p)
	for key, value := range map[string]any{
		"issuer": r.issuer, "request_parameter_supported": true, "request_uri_parameter_supported": false,
		"claims_parameter_supported": true, "authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		"response_types_supported": []any{"code"}, "response_modes_supported": []any{"query", "form_post"},
		"grant_types_supported":                 []any{"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_types_supported":               []any{"public", "pairwise"},
		"token_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"pushed_authorization_request_endpoint": r.issuer + "/oidc/par",
		"code_challenge_methods_supported":      []any{"S256"},
		"id_token_signing_alg_values_supported": []any{"RS256", "ES256"},
		"token_endpoint":                        r.issuer + "/oidc/token",
	} {
		if !cmp.Equal(got.json[key], value) {
			t.Errorf("%s: %v", key, got.json[key])
		}
	}
	etag := p.Header.Get("ETag")
	if p.Header.Get("Cache-Control") != "public, max-age=600" || etag == "" {
		t.Errorf("headers %v", p.Header)
	}
	if again := plain.do("GET", "/.well-known/openid-configuration", nil, "If-None-Match", etag); again.StatusCode != http.StatusNotModified {
		t.Errorf("again: %d", again.StatusCode)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(plain.get("/oidc/keys").body), &set); err != nil {
		t.Fatal(err)
	}
	ids := map[any]bool{}
	for _, key := range set.Keys {
		ids[key["kid"]] = true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if key[private] != nil {
				t.Errorf("key %v publishes %s", key["kid"], private)
			}
		}
	}
	if len(ids) != 2 {
		t.Errorf("keys %v", ids)
	}
}

// TestCORS is R-OAUTH-40.
func TestCORS(t *testing.T) {
	r := start(t)
	plain := r.browser()
	for _, test := range []struct {
		method, path string
		open         bool
	}{
		{"GET", "/.well-known/openid-configuration", true}, {"GET", "/oidc/keys", true}, {"GET", "/oidc/userinfo", true},
		{"OPTIONS", "/oidc/token", true}, {"OPTIONS", "/oidc/userinfo", true}, {"OPTIONS", "/oidc/revoke", true},
		{"POST", "/oidc/token", true}, {"POST", "/oidc/introspect", false},
		{"GET", "/oidc/authorize?" + params().Encode(), false}, {"GET", "/oidc/logout", false}, {"OPTIONS", "/oidc/authorize", false},
	} {
		for from, registered := range map[string]bool{
			"https://w.example": true, "https://w.example.evil.example": false, "https://w.example:444": false,
			"http://w.example": false, "https://evil.example": false, "null": false,
		} {
			p := plain.do(test.method, test.path, nil, "Origin", from, "Access-Control-Request-Method", "POST")
			allowed := p.Header.Get("Access-Control-Allow-Origin")
			if (allowed == from) != (test.open && registered) || allowed != "" && allowed != from || p.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s from %s: %q", test.method, test.path, from, allowed)
			}
			if test.open && !slices.Contains(p.Header.Values("Vary"), "Origin") {
				t.Errorf("%s %s: no Vary", test.method, test.path)
			}
		}
	}
}
