package systemtest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// conformance are the modules of the certification plans of the OpenID
// Foundation, by their numbers in docs/conformance.md.
var conformance = []oidcCase{
	{"C-01", func(t *testing.T, o *oidcWorld) { // oidcc-server
		b := o.person(t, "elefevre")
		answer := b.authorize(ask()).answer()
		if answer.Get("state") != "st&te=1" || answer.Get("iss") != issuer || len(answer.Get("code")) < 22 {
			t.Errorf("answer %v", answer)
		}
		tokens := o.b.exchange(t, answer.Get("code")).is(t, "exchange", 200, "")
		claims := o.a.verified(t, tokens.text("id_token"), "RS256", "JWT")
		now := float64(time.Now().Unix())
		if claims["iss"] != issuer || !has(claims["aud"], "w") || claims["nonce"] != "n-0" || claims["exp"].(float64) <= now || claims["iat"].(float64) > now+60 {
			t.Errorf("ID token %v", claims)
		}
		for name := range claims {
			if !slices.Contains(strings.Fields("iss sub aud exp iat auth_time nonce acr amr at_hash sid"), name) {
				t.Errorf("nobody asked for %s", name)
			}
		}
		if info := o.a.whoIs(t, tokens.text("access_token")).is(t, "userinfo", 200, ""); info.json["sub"] != claims["sub"] {
			t.Errorf("userinfo %v", info.json)
		}
		seen := map[rune]bool{} // of 20 codes
		for range 20 {
			for _, c := range b.code(ask()) {
				seen[c] = true
			}
		}
		if len(seen) < 50 { // of 62
			t.Errorf("only %d characters in 20 codes", len(seen))
		}
	}},
	{"C-02", func(t *testing.T, o *oidcWorld) { // oidcc-response-type-missing
		if answer := newBrowser(t, o.a).authorize(ask("response_type", "")).answer(); answer.Get("error") != "invalid_request" || answer.Get("state") != "st&te=1" {
			t.Errorf("answer %v", answer)
		}
	}},
	{"C-03", func(t *testing.T, o *oidcWorld) { // oidcc-idtoken-signature, -unsigned
		_, tokens := o.granted(t, "openid")
		o.b.verified(t, tokens.text("id_token"), "RS256", "JWT")
		b := o.person(t, "elefevre")
		x := o.a.call(t, "/oidc/token", "x", redeem(b.code(askX()), "redirect_uri", callbackX))
		o.b.verified(t, x.text("id_token"), "ES256", "JWT")
	}},
	{"C-04", func(t *testing.T, o *oidcWorld) { // oidcc-userinfo-get, -post-header, -post-body
		_, tokens := o.granted(t, "openid")
		access := tokens.text("access_token")
		sub := o.a.whoIs(t, access).is(t, "GET", 200, "").json["sub"]
		for what, got := range map[string]said{
			"header": o.b.send(t, http.MethodPost, "/oidc/userinfo", "", "Authorization", "Bearer "+access),
			"body":   o.b.send(t, http.MethodPost, "/oidc/userinfo", url.Values{"access_token": {access}}.Encode()),
		} {
			if got.is(t, what, 200, "").json["sub"] != sub {
				t.Errorf("%s: %v", what, got.json)
			}
		}
	}},
	{"C-05", func(t *testing.T, o *oidcWorld) { // oidcc-ensure-request-without-nonce-succeeds-for-code-flow
		tokens := o.a.exchange(t, o.person(t, "elefevre").code(ask("nonce", "")))
		if claims := claimsOf(t, tokens.text("id_token")); claims["nonce"] != nil {
			t.Errorf("a nonce from nowhere: %v", claims)
		}
	}},
	{"C-06", func(t *testing.T, o *oidcWorld) { // oidcc-scope-…
		b := o.person(t, "elefevre")
		for scope, name := range map[string]string{"profile": "family_name", "email": "email", "address": "", "phone": "",
			"profile email address phone": "given_name"} {
			tokens := o.a.exchange(t, b.code(ask("scope", "openid "+scope))).is(t, scope, 200, "")
			info := o.b.whoIs(t, tokens.text("access_token")).is(t, scope, 200, "")
			if name != "" && (info.json[name] == nil || claimsOf(t, tokens.text("id_token"))[name] != nil) {
				t.Errorf("%s: userinfo %v", scope, info.json)
			}
		}
	}},
	{"C-07", func(t *testing.T, o *oidcWorld) { // oidcc-alternate-happy-flow
		var backwards []string
		for pair := range strings.SplitSeq(ask("scope", "email profile openid").Encode(), "&") {
			backwards = append([]string{pair}, backwards...)
		}
		b := o.person(t, "elefevre")
		o.a.exchange(t, b.get(issuer+"/oidc/authorize?"+strings.Join(backwards, "&")).answer().Get("code")).is(t, "exchange", 200, "")
	}},
	{"C-08", func(t *testing.T, o *oidcWorld) { // what never makes an error
		b := o.person(t, "elefevre")
		for _, extra := range [][]string{{"display", "page"}, {"display", "popup"}, {"ui_locales", "se xx"}, {"claims_locales", "se"},
			{"login_hint", "elefevre"}, {"acr_values", "1 2"}, {"extra", "foobar"}} {
			b.code(ask(extra...))
		}
		newBrowser(t, o.a).authorize(ask("login_hint", "elefevre")).shows(http.StatusOK, "Password")
	}},
	{"C-09", func(t *testing.T, o *oidcWorld) { // oidcc-prompt-login, oidcc-max-age-1, -10000
		b := o.person(t, "elefevre")
		first := claimsOf(t, o.a.exchange(t, b.code(ask())).text("id_token"))
		until := time.Unix(int64(first["auth_time"].(float64))+2, 0).Add(50 * time.Millisecond)
		time.Sleep(time.Until(until)) // max_age=1 is over then
		for _, extra := range [][]string{{"max_age", "10000"}, {"prompt", "login"}, {"max_age", "1"}} {
			p := b.authorize(ask(extra...))
			again := p.location() == nil
			if again {
				p = b.signIn(p.shows(http.StatusOK, "Password"), "elefevre", password("elefevre"))
			}
			claims := claimsOf(t, o.b.exchange(t, p.answer().Get("code")).text("id_token"))
			later := claims["auth_time"].(float64) > first["auth_time"].(float64)
			if wanted := extra[1] != "10000"; again != wanted || later != wanted || claims["sub"] != first["sub"] {
				t.Errorf("%v: asked again %v, later %v, %v", extra, again, later, claims)
			}
			if extra[1] == "login" {
				time.Sleep(time.Until(time.Unix(int64(claims["auth_time"].(float64))+2, 0).Add(50 * time.Millisecond)))
			}
		}
	}},
	{"C-10", func(t *testing.T, o *oidcWorld) { // oidcc-prompt-none-…, oidcc-id-token-hint
		if answer := newBrowser(t, o.a).authorize(ask("prompt", "none")).answer(); answer.Get("error") != "login_required" {
			t.Errorf("nobody signed in: %v", answer)
		}
		b, tokens := o.granted(t, "openid")
		first := claimsOf(t, tokens.text("id_token"))
		for _, extra := range [][]string{{"prompt", "none"}, {"prompt", "none", "id_token_hint", tokens.text("id_token")}} {
			claims := claimsOf(t, o.a.exchange(t, b.on(o.b).code(ask(extra...))).text("id_token"))
			if claims["sub"] != first["sub"] || claims["auth_time"] != first["auth_time"] {
				t.Errorf("%v: %v after %v", extra[:2], claims, first)
			}
		}
	}},
	{"C-11", func(t *testing.T, o *oidcWorld) { // oidcc-codereuse, -30seconds
		b := o.person(t, "elefevre")
		for _, wait := range []time.Duration{0, 30 * time.Second} {
			code := b.code(ask("scope", "openid offline_access"))
			tokens := o.a.exchange(t, code).is(t, "once", 200, "")
			if wait > 0 {
				o.pass(t, wait)
			}
			o.b.exchange(t, code).is(t, "again", 400, "invalid_grant")
			o.a.whoIs(t, tokens.text("access_token")).is(t, "the first access token", 401, "invalid_token")
		}
	}},
	{"C-12", func(t *testing.T, o *oidcWorld) { // oidcc-ensure-registered-redirect-uri
		newBrowser(t, o.a).authorize(ask("redirect_uri", callback+"/more")).leadsNowhere(400)
	}},
	{"C-13", func(t *testing.T, o *oidcWorld) { // oidcc-ensure-post-request-succeeds, oidcc-server-client-secret-post
		b := o.person(t, "elefevre")
		code := b.follow(b.do(http.MethodPost, issuer+"/oidc/authorize", ask())).answer().Get("code")
		o.a.call(t, "/oidc/token", "", redeem(code, "client_id", "w", "client_secret", clientSecret)).is(t, "exchange", 200, "")
	}},
	{"C-14", func(t *testing.T, o *oidcWorld) { // request and request_uri are refused, or count
		b := o.person(t, "elefevre")
		object := map[string]any{"client_id": "w", "redirect_uri": callback, "response_type": "code", "scope": "openid"}
		if answer := b.authorize(ask("request", unsecured(t, object))).answer(); answer.Get("error") != "request_not_supported" {
			t.Errorf("unsigned: %v", answer)
		}
		if answer := b.authorize(ask("request_uri", o.canary.URL)).answer(); answer.Get("error") != "request_uri_not_supported" {
			t.Errorf("request_uri: %v", answer)
		}
		signed := o.signed(t, merged(ask("client_id", "k", "state", "inner"), map[string]any{"iss": "k", "aud": issuer}))
		if answer := b.authorize(ask("client_id", "k", "request", signed)).answer(); answer.Get("code") == "" || answer.Get("state") != "inner" {
			t.Errorf("signed: %v", answer)
		}
	}},
	{"C-15", func(t *testing.T, o *oidcWorld) { // oidcc-claims-essential
		b := o.person(t, "elefevre")
		tokens := o.a.exchange(t, b.code(ask("scope", "openid", "claims", `{"userinfo":{"name":{"essential":true}}}`)))
		info := o.b.whoIs(t, tokens.text("access_token"))
		if info.json["name"] == nil || info.json["email"] != nil || claimsOf(t, tokens.text("id_token"))["name"] != nil {
			t.Errorf("userinfo %v", info.json)
		}
	}},
	{"C-16", func(t *testing.T, o *oidcWorld) { // oidcc-refresh-token
		_, tokens := o.granted(t, "openid offline_access")
		refresh := tokens.text("refresh_token")
		for _, c := range refresh + tokens.text("access_token") {
			if c < 0x20 || c > 0x7e { // RFC 6749 appendix A
				t.Errorf("character %q in a token", c)
			}
		}
		o.a.refresh(t, "x", refresh).is(t, "another client", 400, "invalid_grant")
		next := o.b.refresh(t, "w", refresh).is(t, "refresh", 200, "")
		if next.header.Get("Cache-Control") != "no-store" || !strings.EqualFold(next.text("token_type"), "bearer") || next.text("refresh_token") == refresh {
			t.Errorf("%v %v", next.header, next.json)
		}
		one, two := claimsOf(t, tokens.text("id_token")), claimsOf(t, next.text("id_token"))
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
			if one[name] == nil || fmt.Sprint(one[name]) != fmt.Sprint(two[name]) {
				t.Errorf("%s: %v, then %v", name, one[name], two[name])
			}
		}
		if two["nonce"] != nil {
			t.Error("the nonce of the first")
		}
	}},
	{"C-17", func(t *testing.T, o *oidcWorld) { // oidcc-ensure-request-with-valid-pkce-succeeds
		o.granted(t, "openid")
	}},
	{"C-18", func(t *testing.T, o *oidcWorld) { // oidcc-discovery-endpoint-verification
		d := o.a.send(t, http.MethodGet, "/.well-known/openid-configuration", "").is(t, "discovery", 200, "")
		for name, value := range d.json {
			if strings.HasSuffix(name, "_endpoint") || name == "jwks_uri" { // of the scheme that the proxy gives it
				if !strings.HasPrefix(value.(string), issuer+"/") {
					t.Errorf("%s: %v", name, value)
				}
			}
		}
		for name, value := range map[string]any{"issuer": issuer, "request_parameter_supported": true, "request_uri_parameter_supported": false,
			"claims_parameter_supported": true, "authorization_response_iss_parameter_supported": true} {
			if d.json[name] != value {
				t.Errorf("%s: %v", name, d.json[name])
			}
		}
		for name, value := range map[string]string{"scopes_supported": "openid", "id_token_signing_alg_values_supported": "RS256",
			"code_challenge_methods_supported": "S256", "grant_types_supported": "refresh_token"} {
			if !has(d.json[name], value) {
				t.Errorf("%s: %v", name, d.json[name])
			}
		}
		kids := map[string]bool{}
		for _, key := range o.b.published(t).Keys {
			if !key.IsPublic() || !key.Valid() || kids[key.KeyID] || key.KeyID == "" {
				t.Errorf("key %q", key.KeyID)
			}
			kids[key.KeyID] = true
		}
	}},
	{"C-19", func(t *testing.T, o *oidcWorld) { // form_post: the answers are posted, errors too
		b := o.person(t, "elefevre")
		for _, extra := range [][]string{{}, {"response_type", "token"}, {"prompt", "none", "max_age", "0"}, {"scope", "email"}, {"code_challenge", ""}, {"request", "x"}} {
			p := b.authorize(ask(append(extra, "response_mode", "form_post")...))
			f := p.form()
			if p.status != http.StatusOK || p.location() != nil || f.method != http.MethodPost || f.action != callback || p.header.Get("Cache-Control") != "no-store" ||
				(f.values.Get("code") != "") != (len(extra) == 0) || (f.values.Get("error") != "") == (len(extra) == 0) ||
				f.values.Get("state") != "st&te=1" || f.values.Get("iss") != issuer {
				t.Errorf("%v: %d %v %v", extra, p.status, f, p.header)
			}
			if csp := p.header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe-inline") || !strings.Contains(csp, "form-action") {
				t.Errorf("%v: %s", extra, csp)
			}
			if len(extra) == 0 {
				o.b.exchange(t, f.values.Get("code")).is(t, "exchange", 200, "")
			}
		}
	}},
	{"C-20", rpLogout},
	{"C-21", func(t *testing.T, o *oidcWorld) { // back-channel
		b, tokens := o.granted(t, "openid")
		id := claimsOf(t, tokens.text("id_token"))
		before := len(o.told.received())
		began := time.Now()
		b.get("/oidc/logout?" + url.Values{"id_token_hint": {tokens.text("id_token")}}.Encode())
		eventually(t, "nobody is told of the logout", func() bool { return len(o.told.received()) > before })
		form := o.told.received()[before]
		claims := o.b.verified(t, form.Get("logout_token"), "RS256", "logout+jwt")
		iat, _ := claims["iat"].(float64)
		exp, _ := claims["exp"].(float64)
		events, _ := claims["events"].(map[string]any)
		if len(form) != 1 || claims["iss"] != issuer || !has(claims["aud"], "w") || claims["sub"] != id["sub"] || claims["sid"] != id["sid"] || claims["nonce"] != nil ||
			claims["jti"] == nil || events["http://schemas.openid.net/event/backchannel-logout"] == nil || iat < float64(began.Unix()-5) || exp <= iat || exp > iat+120 {
			t.Errorf("%v", claims)
		}
		if answer := b.authorize(ask("prompt", "none")).answer(); answer.Get("error") != "login_required" {
			t.Errorf("afterwards: %v", answer)
		}
	}},
	{"C-22", func(t *testing.T, o *oidcWorld) { // beyond certification
		b := o.person(t, "elefevre")
		code := b.code(ask())
		o.a.call(t, "/oidc/token", "x", redeem(code)).is(t, "bound to the client", 400, "invalid_grant")
		o.a.exchange(t, code).is(t, "and still good", 200, "")
		o.a.call(t, "/oidc/token", "w", redeem(b.code(ask()), "code_verifier", verifier+"x")).is(t, "incorrect verifier", 400, "invalid_grant")
		o.a.call(t, "/oidc/token", "w", redeem(b.code(ask()), "code_verifier", "")).is(t, "no verifier", 400, "invalid_grant")
		if answer := b.authorize(ask("code_challenge", verifier, "code_challenge_method", "plain")).answer(); answer.Get("error") != "invalid_request" {
			t.Errorf("plain: %v", answer)
		}
		access := o.a.exchange(t, b.code(ask())).text("access_token")
		for _, scheme := range []string{"bearer", "BEARER", "bEARER"} {
			o.b.send(t, http.MethodGet, "/oidc/userinfo", "", "Authorization", scheme+" "+access).is(t, scheme, 200, "")
		}
		long := strings.Repeat("s", 1000)
		signed := o.signed(t, merged(ask("client_id", "k", "state", long, "nonce", long), map[string]any{"iss": "k", "aud": issuer}))
		answer := b.authorize(ask("client_id", "k", "request", signed)).answer()
		tokens := o.a.call(t, "/oidc/token", "", with(redeem(answer.Get("code")), o.assertion(t))).is(t, "long", 200, "")
		if answer.Get("state") != long || claimsOf(t, tokens.text("id_token"))["nonce"] != long {
			t.Error("a long state or nonce was cut")
		}
	}},
}

// rpLogout is the plan of RP-Initiated Logout: its eleven modules.
func rpLogout(t *testing.T, o *oidcWorld) {
	leave := func(b *browser, v url.Values) *page { return b.get("/oidc/logout?" + v.Encode()) }
	in := func(b *browser) bool { return b.authorize(ask("prompt", "none")).answer().Has("code") }
	b, tokens := o.granted(t, "openid")
	id := tokens.text("id_token")
	plain := claimsOf(t, id)
	foreign := o.signed(t, plain)
	for name, v := range map[string]url.Values{
		"bad-post-logout-redirect-uri":            {"id_token_hint": {id}, "post_logout_redirect_uri": {"http://127.0.0.1:9/evil"}},
		"query-added-to-post-logout-redirect-uri": {"id_token_hint": {id}, "post_logout_redirect_uri": {bye + "?a=1"}},
		"modified-id-token-hint":                  {"id_token_hint": {unsecured(t, plain)}, "post_logout_redirect_uri": {bye}},
		"bad-id-token-hint":                       {"id_token_hint": {foreign}, "post_logout_redirect_uri": {bye}},
		"no-id-token-hint":                        {"post_logout_redirect_uri": {bye}, "client_id": {"w"}},
		"no-params":                               {},
		"only-state":                              {"state": {"s"}},
	} {
		if p := leave(b, v); p.location() != nil || p.status != http.StatusOK && p.status != http.StatusBadRequest {
			t.Errorf("%s: %d to %v", name, p.status, p.location())
		}
		if !in(b) {
			t.Fatalf("%s ended the session without a question", name)
		}
	}
	for name, v := range map[string]struct {
		v    url.Values
		goes string
	}{
		"rp-initiated-logout":         {url.Values{"post_logout_redirect_uri": {bye}, "state": {"s 1"}}, bye + "?state=s+1"},
		"no-state":                    {url.Values{"post_logout_redirect_uri": {bye}}, bye},
		"no-post-logout-redirect-uri": {url.Values{}, ""},
	} {
		b, tokens := o.granted(t, "openid")
		v.v.Set("id_token_hint", tokens.text("id_token"))
		p := leave(b, v.v)
		if goes := p.header.Get("Location"); goes != v.goes || v.goes == "" && p.status != http.StatusOK {
			t.Errorf("%s: %d to %q", name, p.status, goes)
		}
		if in(b) {
			t.Errorf("%s: still signed in", name)
		}
	}
	if d := o.a.send(t, http.MethodGet, "/.well-known/openid-configuration", ""); d.text("end_session_endpoint") != issuer+"/oidc/logout" {
		t.Errorf("discovery: %v", d.json["end_session_endpoint"])
	}
}

// has reports whether a JSON list holds a text.
func has(list any, text string) bool {
	all, _ := list.([]any)
	for _, each := range all {
		if each == text {
			return true
		}
	}
	return false
}

// merged makes the claims of a request object.
func merged(form url.Values, claims map[string]any) map[string]any {
	for name := range form {
		claims[name] = form.Get(name)
	}
	return claims
}
