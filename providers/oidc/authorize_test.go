package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/sso"
)

// TestRedirectURI is R-OAUTH-01, 03, 04 and 06: whatever is not registered gets
// a page, and nothing is sent anywhere.
func TestRedirectURI(t *testing.T) {
	r := start(t)
	b := r.browser()
	refused := map[string]url.Values{
		"slash":               params("redirect_uri", callback+"/"),
		"query":               params("redirect_uri", callback+"?x=1"),
		"fragment":            params("redirect_uri", callback+"#f"),
		"port":                params("redirect_uri", "https://w.example:8443/cb"),
		"upper-case host":     params("redirect_uri", "https://W.example/cb"),
		"http":                params("redirect_uri", "http://w.example/cb"),
		"extra path (C-12)":   params("redirect_uri", callback+"/more"),
		"user":                params("redirect_uri", "https://w.example@evil.example/cb"),
		"none":                params("redirect_uri", ""),
		"another client's":    params("redirect_uri", callbackX),
		"unknown client":      params("client_id", "nobody"),
		"no client":           params("client_id", ""),
		"silent":              params("redirect_uri", callback+"/", "prompt", "none"),
		"with another error":  params("redirect_uri", callback+"/", "response_type", "token"),
		"decoded":             asX("redirect_uri", "https://x.example/cb?keep=/ 1"),
		"encoded otherwise":   asX("redirect_uri", "https://x.example/cb?keep=%2f+1"),
		"space for plus":      asX("redirect_uri", "https://x.example/cb?keep=%2F%201"),
		"confidential port":   asX("redirect_uri", "http://127.0.0.1:1/x"),
		"native, https":       params("client_id", "p", "redirect_uri", "https://127.0.0.1:99/cb"),
		"native, other host":  params("client_id", "p", "redirect_uri", "http://127.0.0.2:99/cb"),
		"native, name":        params("client_id", "p", "redirect_uri", "http://localhost:99/cb"),
		"native, path":        params("client_id", "p", "redirect_uri", "http://127.0.0.1:99/cb/x"),
		"native, query":       params("client_id", "p", "redirect_uri", "http://127.0.0.1:99/cb?x"),
		"native, no number":   params("client_id", "p", "redirect_uri", "http://127.0.0.1:9a/cb"),
		"native, long number": params("client_id", "p", "redirect_uri", "http://127.0.0.1:123456/cb"),
		"native, user":        params("client_id", "p", "redirect_uri", "http://127.0.0.1:9@evil.example/cb"),
	}
	for _, twice := range []string{"client_id", "redirect_uri"} {
		v := params()
		v.Add(twice, v.Get(twice))
		refused[twice+" twice"] = v
	}
	for name, v := range refused {
		if p := b.authorize(v); p.StatusCode != http.StatusBadRequest || p.Header.Get("Location") != "" || p.Header.Get("X-Form") != "" {
			t.Errorf("%s: %d %q", name, p.StatusCode, p.Header.Get("Location"))
		}
	}
	for name, v := range map[string]url.Values{
		"exact":             params(),
		"exact with query":  asX(),
		"native":            params("client_id", "p", "redirect_uri", "http://127.0.0.1/cb"),
		"native, any port":  params("client_id", "p", "redirect_uri", "http://127.0.0.1:54321/cb"),
		"scheme of its own": params("client_id", "p", "redirect_uri", "fr.example.p:/cb"),
	} {
		p := b.authorize(v)
		if p.StatusCode == http.StatusOK {
			p = b.submit(p, "alice")
		}
		if !strings.HasPrefix(p.Header.Get("Location"), v.Get("redirect_uri")) || p.answer(t).Get("code") == "" {
			t.Errorf("%s: %d %q", name, p.StatusCode, p.Header.Get("Location"))
		}
	}
}

// TestAuthorizeErrors are sent to the client, with state and iss, by the mode
// that it asked for (R-OAUTH-08, 09, 10, 23, 25 to 29; C-02, C-14, C-19).
func TestAuthorizeErrors(t *testing.T) {
	r := start(t)
	b := r.browser()
	twice := params()
	twice.Add("nonce", "n1")
	for _, test := range []struct {
		name, code string
		v          url.Values
	}{
		{"no challenge", "invalid_request", params("code_challenge", "", "code_challenge_method", "")},
		{"no challenge, public", "invalid_request", params("client_id", "p", "redirect_uri", nativeCallback, "code_challenge", "", "code_challenge_method", "")},
		{"plain", "invalid_request", params("code_challenge_method", "plain")},
		{"no method", "invalid_request", params("code_challenge_method", "")},
		{"unknown method", "invalid_request", params("code_challenge_method", "s256")},
		{"plain for an exempted client", "invalid_request", asX("code_challenge_method", "plain")},
		{"short challenge", "invalid_request", params("code_challenge", strings.Repeat("a", 42))},
		{"long challenge", "invalid_request", params("code_challenge", strings.Repeat("a", 129))},
		{"alphabet", "invalid_request", params("code_challenge", strings.Repeat("a", 42)+"+")},
		{"no response_type", "invalid_request", params("response_type", "")},
		{"token", "unsupported_response_type", params("response_type", "token")},
		{"id_token", "unsupported_response_type", params("response_type", "id_token")},
		{"hybrid", "unsupported_response_type", params("response_type", "code id_token")},
		{"fragment", "invalid_request", params("response_mode", "fragment")},
		{"unknown mode", "invalid_request", params("response_mode", "web_message")},
		{"request", "request_not_supported", params("request", "eyJhbGciOiJub25lIn0.e30.")},
		{"request_uri", "request_uri_not_supported", params("request_uri", "http://127.0.0.1:1/canary")},
		{"no scope", "invalid_scope", params("scope", "")},
		{"no openid", "invalid_scope", params("scope", "email")},
		{"none and login", "invalid_request", params("prompt", "none login")},
		{"max_age", "invalid_request", params("max_age", "-1")},
		{"hint", "invalid_request", params("id_token_hint", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJpZC1hbGljZSJ9.")},
		{"twice", "invalid_request", twice},
		{"nobody signed in (C-10)", "login_required", params("prompt", "none")},
	} {
		got := b.authorize(test.v).answer(t)
		if got.Get("error") != test.code || got.Get("state") != "st&te=1" || got.Get("iss") != r.issuer || got.Has("code") {
			t.Errorf("%s: %v", test.name, got)
		}
		test.v.Set("response_mode", "form_post")
		if test.v.Get("response_mode") != "form_post" || strings.Contains(test.name, "mode") || test.name == "fragment" {
			continue
		}
		p := b.authorize(test.v)
		if p.StatusCode != http.StatusOK || p.Header.Get("Location") != "" || p.fields().Get("error") != test.code ||
			p.fields().Get("iss") != r.issuer || p.fields().Get("state") != "st&te=1" || p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s by form_post: %d %v", test.name, p.StatusCode, p.fields())
		}
	}
	if n := r.people.asks.Load(); n != 0 {
		t.Errorf("%d look-ups for requests that were refused", n)
	}
}

// withEmpty adds parameters without a value, which count for nothing (RFC 6749
// section 3.1).
func withEmpty(v url.Values, names ...string) url.Values {
	for _, name := range names {
		v.Set(name, "")
	}
	return v
}

// TestAccepted is C-05, C-07, C-08, C-13, C-17: never an error.
func TestAccepted(t *testing.T) {
	r := start(t)
	for name, v := range map[string]url.Values{
		"no nonce": params("nonce", ""), "no state": params("state", ""), "display": params("display", "popup"),
		"locales": params("ui_locales", "xx fr", "claims_locales", "se"), "acr": params("acr_values", "1 2"),
		"unknown": params("extra", "foobar"), "without values": withEmpty(params(), "request", "request_uri", "claims", "prompt", "max_age", "id_token_hint"), "claims": params("claims", `{"userinfo":{"name":{"essential":true}}}`),
		"scope order": params("scope", "email profile openid"), "unknown scope": params("scope", "openid else"),
		"query":              params("response_mode", "query"),
		"exempted from PKCE": asX("code_challenge", "", "code_challenge_method", ""),
	} {
		b := r.browser()
		if got := b.submit(b.authorize(v), "alice").answer(t); got.Get("code") == "" || got.Get("state") != v.Get("state") {
			t.Errorf("%s: %v", name, got)
		}
	}
	t.Run("login_hint", func(t *testing.T) {
		if p := r.browser().authorize(params("login_hint", "bob")); !strings.HasSuffix(p.Header.Get("X-Form"), " "+callback+" bob") {
			t.Errorf("form %q", p.Header.Get("X-Form"))
		}
	})
	t.Run("POST", func(t *testing.T) { // from another site
		b := r.browser()
		p := b.do("POST", "/oidc/authorize", params(), "Sec-Fetch-Site", "cross-site", "Origin", "https://w.example")
		if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), r.issuer+"/oidc/authorize?") {
			t.Fatalf("%d %s", p.StatusCode, p.Header.Get("Location"))
		}
		if got := b.submit(b.get(p.Header.Get("Location")), "alice").answer(t); got.Get("code") == "" {
			t.Errorf("%v", got)
		}
	})
	t.Run("form_post", func(t *testing.T) { // C-19
		b := r.browser()
		p := b.submit(b.authorize(params("response_mode", "form_post")), "alice")
		if f := p.fields(); p.StatusCode != http.StatusOK || len(f.Get("code")) < 22 || f.Get("state") != "st&te=1" || f.Get("iss") != r.issuer ||
			!strings.Contains(p.Header.Get("Content-Security-Policy"), "form-action 'self' https:;") {
			t.Errorf("%d %v %s", p.StatusCode, f, p.Header.Get("Content-Security-Policy"))
		}
	})
}

// TestPrompts is C-09 and C-10.
func TestPrompts(t *testing.T) {
	r := start(t)
	b := r.browser()
	first := idClaims(t, r.exchange(b.code(params())))
	r.clock.Advance(10 * time.Second)
	for name, v := range map[string]url.Values{
		"again": params(), "none": params("prompt", "none"), "max_age": params("max_age", "10000"),
		"hint": params("prompt", "none", "id_token_hint", first.raw),
	} {
		p := b.authorize(v)
		claims := idClaims(t, r.exchange(p.answer(t).Get("code")))
		if claims.AuthTime != first.AuthTime || claims.Sub != first.Sub || claims.SID != first.SID {
			t.Errorf("%s: %+v after %+v", name, claims, first)
		}
	}
	for name, v := range map[string]url.Values{
		"login": params("prompt", "login"), "max_age": params("max_age", "5"), "max_age 0": params("max_age", "0"),
		"select_account": params("prompt", "select_account"),
	} {
		before := idClaims(t, r.exchange(b.code(params())))
		r.clock.Advance(10 * time.Second)
		claims := idClaims(t, r.exchange(b.submit(b.authorize(v), "alice").answer(t).Get("code")))
		if claims.AuthTime <= before.AuthTime || claims.Sub != before.Sub {
			t.Errorf("%s: %+v after %+v", name, claims, before)
		}
	}
	if got := b.authorize(params("prompt", "none", "max_age", "0")).answer(t); got.Get("error") != "login_required" {
		t.Errorf("silent and fresh: %v", got)
	}
	t.Run("R-OAUTH-50", func(t *testing.T) {
		old := r.exchange(b.code(params()))
		p := b.submit(b.authorize(params("prompt", "login")), "bob")
		if claims := idClaims(t, r.exchange(p.answer(t).Get("code"))); claims.Sub != "id-bob" || claims.SID == first.SID {
			t.Errorf("%+v", claims)
		}
		want(t, "alice's token", r.userinfo(old.text("access_token")), 401, "invalid_token")
		if got := b.authorize(params("id_token_hint", first.raw)).answer(t); got.Get("error") != "login_required" {
			t.Errorf("alice's hint in bob's session: %v", got)
		}
	})
}

// TestFixation is R-OAUTH-41: who begins a request gets nothing out of somebody
// else's login.
func TestFixation(t *testing.T) {
	r := start(t)
	attacker, victim := r.browser(), r.browser()
	begun := attacker.authorize(params())
	// The victim is made to answer the attacker's form: the engine asks again,
	// on a form of the victim's own.
	p := victim.submit(begun, "alice")
	if p.Header.Get("X-Form") == "" || p.Header.Get("Location") != "" {
		t.Fatalf("the form of another browser went through: %d %s", p.StatusCode, p.Header.Get("Location"))
	}
	if code := victim.submit(p, "alice").answer(t).Get("code"); code == "" {
		t.Error("the victim's own form failed")
	}
	if p := attacker.authorize(params()); p.Header.Get("X-Form") == "" {
		t.Error("the attacker is signed in")
	}
}

// TestAccess is R13: grace is refused unless the client allows it, and the
// notice is seen first.
func TestAccess(t *testing.T) {
	config := cast()
	config.Clients[1].Grace = sso.GraceAllow
	r := newWorld(t).serve(config, "")
	b := r.browser()
	notice := b.get(b.submit(b.authorize(params()), "gus").Header.Get("Location"))
	if notice.Header.Get("X-Form") != "grace" {
		t.Fatalf("no notice: %d", notice.StatusCode)
	}
	p := b.do("POST", "/login/continue", url.Values{"step": {"grace"}, "state": {notice.fields().Get("state")}})
	if p.StatusCode != http.StatusForbidden || p.body != string(account.ReasonDeparture) {
		t.Errorf("%d %q", p.StatusCode, p.body)
	}
	if got := b.authorize(params("prompt", "none")).answer(t); got.Get("error") != "access_denied" {
		t.Errorf("silent: %v", got)
	}
	if got := b.authorize(asX()).answer(t); got.Get("code") == "" {
		t.Errorf("client that allows grace: %v", got)
	}
}

// TestAnonymous: an authorize request without a session costs the store and the
// directory nothing.
func TestAnonymous(t *testing.T) {
	w := newWorld(t)
	w.idle = true
	r := w.serve(cast(), "")
	before := r.trips.Load()
	for range 50 {
		if p := r.browser().authorize(params()); p.StatusCode != http.StatusOK {
			t.Fatal(p.StatusCode)
		}
	}
	if trips := r.trips.Load() - before; trips != 0 {
		t.Errorf("%d round trips", trips)
	}
	if n := r.people.asks.Load(); n != 0 {
		t.Errorf("%d look-ups", n)
	}
}

func TestUnavailable(t *testing.T) {
	r := start(t)
	b := r.browser()
	code := b.code(params("scope", "openid offline_access"))
	tokens := r.exchange(code)
	spare := b.code(params())
	r.store.down.Store(true)
	for name, v := range map[string]url.Values{"authorize": params(), "silent": params("prompt", "none")} {
		if p := b.authorize(v); p.StatusCode != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || len(p.Cookies()) != 0 {
			t.Errorf("%s: %d", name, p.StatusCode)
		}
	}
	if p := b.get("/oidc/logout"); p.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("logout: %d", p.StatusCode)
	}
	check := func(what string, got reply) {
		t.Helper()
		want(t, what, got, http.StatusServiceUnavailable, "temporarily_unavailable")
		if got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", what)
		}
	}
	check("exchange", r.exchange(spare))
	check("refresh", r.refresh("w", tokens.text("refresh_token")))
	check("userinfo", r.userinfo(tokens.text("access_token")))
	check("introspect", r.call("/oidc/introspect", "w", url.Values{"token": {tokens.text("access_token")}}))
	check("revoke (R-OAUTH-47)", r.call("/oidc/revoke", "w", url.Values{"token": {tokens.text("access_token")}}))
	r.store.down.Store(false)

	// The directory: nothing is used up meanwhile, however long it lasts.
	r.people.down.Store(true)
	for range 3 {
		check("refresh", r.refresh("w", tokens.text("refresh_token")))
		check("userinfo", r.userinfo(tokens.text("access_token")))
		r.clock.Advance(20 * time.Second)
	}
	r.people.down.Store(false)
	want(t, "refresh after the fault", r.refresh("w", tokens.text("refresh_token")), 200, "")
}

// TestIssuerPath: behind a path of the public URL everything is found below it.
func TestIssuerPath(t *testing.T) {
	w := newWorld(t)
	r := w.serve(cast(), "http://127.0.0.1:1/idp")
	b := r.browser()
	got := decode(t, b.get("/idp/.well-known/openid-configuration"))
	if got.text("token_endpoint") != r.issuer+"/oidc/token" {
		t.Fatalf("discovery: %d %v", got.StatusCode, got.json)
	}
	p := b.get("/idp/oidc/authorize?" + params().Encode())
	p = b.do("POST", "/idp/login", url.Values{"username": {"alice"}, "password": {"good"}, "state": {p.fields().Get("state")}})
	want(t, "exchange", r.call("/idp/oidc/token", "w", codeForm(p.answer(t).Get("code"))), 200, "")
	if p := b.get("/idp/oidc/logout"); !strings.Contains(p.body, `action="/idp/oidc/logout/confirm"`) {
		t.Errorf("confirmation: %d %.200s", p.StatusCode, p.body)
	}
}
