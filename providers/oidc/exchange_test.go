package oidc_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/oidc"
)

const grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

// withExchange is the cast, with W's tokens for the API too, which calls the
// archive, which calls nobody.
func withExchange() oidc.Config {
	config := cast()
	config.Clients[0].Audience = []string{"api"}
	config.Clients = append(config.Clients,
		oidc.Client{RelyingParty: relyingParty("API"), ID: "api", Secret: secret.New("the secret of the api..."), TokenExchange: true,
			Scopes: []string{"openid", "profile", "phone"}, Audience: []string{"archive"}, AccessTokenFormat: "jwt"},
		oidc.Client{RelyingParty: relyingParty("Archive"), ID: "archive", Secret: secret.New("the secret of the archive"), TokenExchange: true,
			Scopes: []string{"openid", "profile"}})
	return config
}

func init() {
	secrets["api"], secrets["archive"], secrets["c"] = "the secret of the api...", "the secret of the archive", "the secret of client c"
}

func (r *replica) swap(client, token string, changes ...string) reply {
	r.t.Helper()
	v := url.Values{"grant_type": {grantExchange}, "subject_token": {token}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}
	for i := 0; i+1 < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
	}
	return r.call("/oidc/token", client, v)
}

func (r *replica) introspect(client, token string) reply {
	r.t.Helper()
	return r.call("/oidc/introspect", client, url.Values{"token": {token}})
}

func TestTokenExchange(t *testing.T) {
	r := newWorld(t).serve(withExchange(), "")
	b := r.browser()
	first := r.exchange(b.code(params("scope", "openid profile email offline_access"))).text("access_token")
	r.clock.Advance(4 * time.Minute)
	got := r.swap("api", first)
	want(t, "the API's", got, 200, "")
	if got.text("scope") != "openid profile" || got.json["expires_in"] != 360.0 || got.text("token_type") != "Bearer" ||
		got.text("issued_token_type") != "urn:ietf:params:oauth:token-type:access_token" || got.text("refresh_token") != "" {
		t.Errorf("%v", got.json)
	}
	second := got.text("access_token")
	seen := r.introspect("api", second)
	if seen.json["active"] != true || seen.text("client_id") != "api" || seen.text("sub") != "id-alice" {
		t.Errorf("%v", seen.json)
	}
	if diff := cmp.Diff(map[string]any{"sub": "api"}, seen.json["act"]); diff != "" {
		t.Error(diff)
	}
	if r.introspect("w", second).json["active"] != false {
		t.Error("W may look at the API's token")
	}

	// On to the archive, for the archive alone; who acts is a chain.
	narrow := r.swap("api", second, "scope", "openid", "audience", "archive")
	want(t, "narrower", narrow, 200, "")
	if r.introspect("api", narrow.text("access_token")).json["active"] != false {
		t.Error("a token for the archive alone is for the API")
	}
	third := r.swap("archive", narrow.text("access_token"))
	want(t, "the archive's", third, 200, "")
	if diff := cmp.Diff(map[string]any{"sub": "archive", "act": map[string]any{"sub": "api", "act": map[string]any{"sub": "api"}}},
		r.introspect("archive", third.text("access_token")).json["act"]); diff != "" {
		t.Error(diff)
	}
	if third.text("scope") != "openid" {
		t.Errorf("%v", third.json)
	}

	// All of them end with the first, and no later.
	want(t, "before the end", r.userinfo(second), 200, "")
	r.call("/oidc/revoke", "w", url.Values{"token": {first}})
	for _, token := range []string{second, narrow.text("access_token"), third.text("access_token")} {
		want(t, "after the end", r.userinfo(token), 401, "invalid_token")
	}
	want(t, "of one that has ended", r.swap("api", first), 400, "invalid_request")
}

func TestTokenExchangeRefused(t *testing.T) {
	r := newWorld(t).serve(withExchange(), "")
	b := r.browser()
	answer := r.exchange(b.code(params()))
	token := answer.text("access_token")
	for _, c := range []struct {
		name, client, token string
		changes             []string
		code                string
	}{
		{"by a client that may not", "x", token, nil, "unauthorized_client"},
		{"not for this client", "archive", token, nil, "invalid_request"},
		{"nonsense", "api", "x", nil, "invalid_request"},
		{"none", "api", "", nil, "invalid_request"},
		{"an ID token", "api", answer.text("id_token"), nil, "invalid_request"},
		{"a refresh token", "api", answer.text("refresh_token"), nil, "invalid_request"},
		{"of another type", "api", token, []string{"subject_token_type", "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"},
		{"for another type", "api", token, []string{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"},
		{"with an actor", "api", token, []string{"actor_token", token}, "invalid_request"},
		{"wider than the token", "api", token, []string{"scope", "openid phone"}, "invalid_scope"},
		{"wider than the client", "api", token, []string{"scope", "openid email"}, "invalid_scope"},
		{"for a stranger", "api", token, []string{"audience", "x"}, "invalid_target"},
		{"for a resource", "api", token, []string{"resource", "https://api.example"}, "invalid_target"},
	} {
		want(t, c.name, r.swap(c.client, c.token, c.changes...), 400, c.code)
	}
	r.clock.Advance(11 * time.Minute)
	want(t, "over", r.swap("api", token), 400, "invalid_request")
}

// Exchanging again and again prolongs nothing.
func TestAnExchangeNeverOutlivesTheFirst(t *testing.T) {
	r := newWorld(t).serve(withExchange(), "")
	token := r.exchange(r.browser().code(params())).text("access_token")
	for range 3 {
		r.clock.Advance(3 * time.Minute)
		got := r.swap("api", token)
		want(t, "in time", got, 200, "")
		token = got.text("access_token")
	}
	r.clock.Advance(61 * time.Second)
	want(t, "userinfo", r.userinfo(token), 401, "invalid_token")
	want(t, "exchange", r.swap("api", token), 400, "invalid_request")
}
