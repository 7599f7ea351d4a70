package systemtest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// attacks are RFC 9700, 9207, 8252, 7636 and 6819 as cases.
var attacks = []oidcCase{
	{"R-OAUTH-01", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		for _, uri := range []string{callback + "/", callback + "?x=1", callback + "#f", "http://127.0.0.1:10/callback", "HTTP://127.0.0.1:9/callback",
			"https://127.0.0.1:9/callback", callback + "/more", "http://127.0.0.1:9/CALLBACK", "http://127.0.0.1:9/./callback", "//127.0.0.1:9/callback"} {
			b.authorize(ask("redirect_uri", uri)).leadsNowhere(400)
		}
	}},
	{"R-OAUTH-03", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		if to := b.authorize(askX()).header.Get("Location"); !strings.HasPrefix(to, callbackX+"&") {
			t.Errorf("to %s", to)
		}
		for _, uri := range []string{"http://127.0.0.1:9/x?keep=/+1", "http://127.0.0.1:9/x?keep=%2f+1", "http://127.0.0.1:9/x?keep=%2F 1", "http://127.0.0.1:9/x?keep=%2F%201", "http://127.0.0.1:9/x"} {
			b.authorize(askX("redirect_uri", uri)).leadsNowhere(400)
		}
	}},
	{"R-OAUTH-04", func(t *testing.T, o *oidcWorld) {
		for _, extra := range [][]string{{"client_id", "nobody"}, {"client_id", ""}, {"redirect_uri", ""}, {"redirect_uri", "http://evil.example/"}} {
			for _, more := range [][]string{{"prompt", "none"}, {"response_type", "token"}, {"response_mode", "form_post"}} {
				newBrowser(t, o.a).authorize(ask(append(extra, more...)...)).leadsNowhere(400)
			}
		}
	}},
	{"R-OAUTH-05", func(t *testing.T, o *oidcWorld) {
		for _, uri := range []string{"http://wiki.example/cb", "https://*.wiki.example/cb", "https://wiki.example/^cb$", "https://wiki.example/cb#f", ""} {
			list := "[]"
			if uri != "" {
				list = `["` + uri + `"]`
			}
			o.refused(t, strings.Replace(configuration, `["${env:LOGE_PORTAL_LOGIN}"]`, list, 1), "redirectURIs")
		}
	}},
	{"R-OAUTH-06", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		for _, uri := range []string{native, "http://127.0.0.1:51004/native", "http://127.0.0.1:1/native", ownScheme} {
			code := b.code(askP("redirect_uri", uri))
			o.a.call(t, "/oidc/token", "p", redeem(code, "redirect_uri", uri)).is(t, uri, 200, "")
		}
		for _, uri := range []string{"https://127.0.0.1/native", "http://127.0.0.1:51004/native/", "http://127.0.0.1:51004/native?x=1", "http://127.0.0.2/native",
			"http://localhost/native", "http://127.0.0.1.evil.example/native", "http://127.0.0.1:80@evil.example/native", "fr.example.app:/other"} {
			b.authorize(askP("redirect_uri", uri)).leadsNowhere(400)
		}
		b.authorize(ask("redirect_uri", "http://127.0.0.1:51004/callback")).leadsNowhere(400) // not for W
	}},
	{"R-OAUTH-08", refusedBeforeLogin(func() url.Values { return askP("code_challenge", "", "code_challenge_method", "") })},
	{"R-OAUTH-09", func(t *testing.T, o *oidcWorld) {
		for _, client := range []func(...string) url.Values{ask, askX, askP} {
			for _, method := range []string{"plain", "", "S512", "s256"} {
				if answer := newBrowser(t, o.a).authorize(client("code_challenge_method", method)).answer(); answer.Get("error") != "invalid_request" {
					t.Errorf("%q: %v", method, answer)
				}
			}
		}
	}},
	{"R-OAUTH-10", func(t *testing.T, o *oidcWorld) {
		for _, challenge := range []string{strings.Repeat("a", 42), strings.Repeat("a", 129), strings.Repeat("a", 42) + "+", strings.Repeat("a", 42) + "é", "a"} {
			if answer := newBrowser(t, o.a).authorize(ask("code_challenge", challenge)).answer(); answer.Get("error") != "invalid_request" {
				t.Errorf("%q: %v", challenge, answer)
			}
		}
	}},
	{"R-OAUTH-11", func(t *testing.T, o *oidcWorld) { // the code is spent
		b := o.person(t, "elefevre")
		for i, wrong := range []string{"", verifier + "x", "short"} {
			one, other := o.a, o.b
			if i%2 == 1 {
				one, other = other, one
			}
			code := b.code(ask())
			one.call(t, "/oidc/token", "w", redeem(code, "code_verifier", wrong)).is(t, "wrong", 400, "invalid_grant")
			other.exchange(t, code).is(t, "then right", 400, "invalid_grant")
		}
	}},
	{"R-OAUTH-12", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		unchallenged := askX("code_challenge", "", "code_challenge_method", "")
		o.a.call(t, "/oidc/token", "x", redeem(b.code(unchallenged), "redirect_uri", callbackX)).is(t, "a verifier without a challenge", 400, "invalid_grant")
		o.a.call(t, "/oidc/token", "x", redeem(b.code(unchallenged), "redirect_uri", callbackX, "code_verifier", "")).is(t, "neither", 200, "")
	}},
	{"R-OAUTH-14", func(t *testing.T, o *oidcWorld) {
		code := o.person(t, "elefevre").code(ask())
		o.a.call(t, "/oidc/token", "x", redeem(code)).is(t, "X", 400, "invalid_grant")
		o.b.call(t, "/oidc/token", "p", redeem(code)).is(t, "P", 400, "invalid_grant")
		o.a.call(t, "/oidc/token", "", with(redeem(code), o.assertion(t))).is(t, "K", 400, "invalid_grant")
		o.b.exchange(t, code).is(t, "W", 200, "")
	}},
	{"R-OAUTH-15", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		for _, uri := range []string{"", callback + "/", callbackX} {
			o.a.call(t, "/oidc/token", "w", redeem(b.code(ask()), "redirect_uri", uri)).is(t, uri, 400, "invalid_grant")
		}
	}},
	{"R-OAUTH-17", func(t *testing.T, o *oidcWorld) { // 2,000 codes × 50 redemptions
		b := o.person(t, "elefevre")
		var won, lost atomic.Int64
		for range 2 * *rounds {
			code := b.code(askX())
			o.winners(func(at *node) bool {
				got := at.call(t, "/oidc/token", "x", redeem(code, "redirect_uri", callbackX))
				switch {
				case got.status == 200:
					won.Add(1)
				case got.status == 400 && got.text("error") == "invalid_grant":
					lost.Add(1)
				}
				return false
			})
		}
		if codes := int64(2 * *rounds); won.Load() != codes || lost.Load() != codes*(rivals-1) {
			t.Errorf("of %d codes: %d successes, %d refusals", codes, won.Load(), lost.Load())
		}
	}},
	{"R-OAUTH-18", func(t *testing.T, o *oidcWorld) {
		code := o.person(t, "elefevre").code(ask("scope", "openid offline_access"))
		first := o.a.exchange(t, code)
		next := o.a.refresh(t, "w", first.text("refresh_token")).is(t, "refresh", 200, "")
		o.b.exchange(t, code).is(t, "replay", 400, "invalid_grant")
		for _, n := range []*node{o.a, o.b} { // at once, so within a second
			for _, tokens := range []said{first, next} {
				n.whoIs(t, tokens.text("access_token")).is(t, "userinfo", 401, "invalid_token")
				if n.active(t, "w", tokens.text("access_token")) || n.active(t, "w", tokens.text("refresh_token")) {
					t.Error("active at introspection")
				}
				n.refresh(t, "w", tokens.text("refresh_token")).is(t, "refresh", 400, "invalid_grant")
			}
		}
	}},
	{"R-OAUTH-19", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		code := b.code(ask())
		o.pass(t, 50*time.Second)
		o.a.exchange(t, code).is(t, "at 50 s", 200, "")
		code = b.code(ask())
		o.pass(t, 61*time.Second)
		o.b.exchange(t, code).is(t, "at 61 s", 400, "invalid_grant")
	}},
	{"R-OAUTH-20", func(t *testing.T, o *oidcWorld) {
		code := o.person(t, "elefevre").code(ask())
		for what, form := range map[string]url.Values{"wrong": {"client_secret": {"wrong"}}, "empty": {"client_secret": {""}}, "absent": {}, "another's": {"client_secret": {clientSecret + "x"}}} {
			got := o.a.call(t, "/oidc/token", "", with(redeem(code, "client_id", "w"), form)).is(t, what, 401, "invalid_client")
			if got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", what)
			}
		}
		o.a.call(t, "/oidc/token", "", redeem(code, "client_id", "k", "client_secret", clientSecret)).is(t, "a secret of a client with keys", 401, "invalid_client")
		o.a.exchange(t, code).is(t, "the right one", 200, "")
	}},
	{"R-OAUTH-22", func(t *testing.T, o *oidcWorld) {
		code := o.person(t, "elefevre").code(ask())
		query := "/oidc/token?" + redeem(code, "client_id", "w", "client_secret", clientSecret).Encode()
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			if got := o.a.send(t, method, query, ""); got.status != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", method, got.status)
			}
		}
		o.a.send(t, http.MethodPost, query, "").is(t, "in the query", 401, "invalid_client")
		if got := o.a.send(t, http.MethodPost, "/oidc/token", `{"grant_type":"authorization_code"}`, "Content-Type", "application/json"); got.status/100 != 4 || got.status == 404 {
			t.Errorf("JSON: %d", got.status)
		}
		o.a.exchange(t, code).is(t, "and the code is still good", 200, "")
	}},
	{"R-OAUTH-23", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		for name := range ask() {
			twice := ask()
			twice.Add(name, twice.Get(name))
			p := b.authorize(twice)
			if p.location() != nil && p.answer().Get("error") != "invalid_request" || p.location() == nil && p.status != 400 {
				t.Errorf("%s twice: %d %v", name, p.status, p.location())
			}
		}
		code := b.code(ask())
		for name := range redeem(code) {
			twice := redeem(code)
			twice.Add(name, twice.Get(name))
			o.a.call(t, "/oidc/token", "w", twice).is(t, name, 400, "invalid_request")
		}
	}},
	{"R-OAUTH-24", func(t *testing.T, o *oidcWorld) {
		b, tokens := o.granted(t, "openid")
		pushed := o.a.call(t, "/oidc/par", "w", ask())
		for what, header := range map[string]http.Header{
			"token": tokens.header, "token error": o.a.exchange(t, "nonsense").header, "userinfo": o.a.whoIs(t, tokens.text("access_token")).header,
			"introspection": o.a.call(t, "/oidc/introspect", "w", url.Values{"token": {"x"}}).header, "pushed": pushed.header,
			"form_post": b.authorize(ask("response_mode", "form_post")).header, "login": newBrowser(t, o.a).authorize(ask()).header,
			"signed in": b.get("/login").header, "logout": b.do(http.MethodGet, "/oidc/logout", nil).header,
		} {
			if !strings.Contains(header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s: Cache-Control %q", what, header.Get("Cache-Control"))
			}
		}
	}},
	{"R-OAUTH-25", func(t *testing.T, o *oidcWorld) {
		for _, kind := range []string{"token", "id_token", "code id_token", "code token", "none"} {
			if answer := newBrowser(t, o.a).authorize(ask("response_type", kind)).answer(); answer.Get("error") != "unsupported_response_type" {
				t.Errorf("%s: %v", kind, answer)
			}
		}
		for _, grant := range []string{"password", "urn:ietf:params:oauth:grant-type:jwt-bearer"} {
			o.a.call(t, "/oidc/token", "w", url.Values{"grant_type": {grant}, "username": {"elefevre"}, "password": {password("elefevre")}}).is(t, grant, 400, "unsupported_grant_type")
		}
		d := o.a.send(t, http.MethodGet, "/.well-known/openid-configuration", "")
		if fmt.Sprint(d.json["response_types_supported"]) != "[code]" || has(d.json["grant_types_supported"], "password") || has(d.json["grant_types_supported"], "implicit") {
			t.Errorf("%v, %v", d.json["response_types_supported"], d.json["grant_types_supported"])
		}
	}},
	{"R-OAUTH-26", func(t *testing.T, o *oidcWorld) {
		for _, mode := range []string{"fragment", "web_message", "jwt", "query.jwt", "x"} {
			if answer := newBrowser(t, o.a).authorize(ask("response_mode", mode)).answer(); answer.Get("error") != "invalid_request" {
				t.Errorf("%s: %v", mode, answer)
			}
		}
	}},
	{"R-OAUTH-27", func(t *testing.T, o *oidcWorld) {
		before := len(o.canary.received())
		for _, b := range []*browser{newBrowser(t, o.a), o.person(t, "elefevre")} {
			if answer := b.authorize(ask("request_uri", o.canary.URL+"/r")).answer(); answer.Get("error") != "request_uri_not_supported" {
				t.Errorf("%v", answer)
			}
		}
		if d := o.a.send(t, http.MethodGet, "/.well-known/openid-configuration", ""); d.json["request_uri_parameter_supported"] != false {
			t.Errorf("discovery: %v", d.json["request_uri_parameter_supported"])
		}
		if after := len(o.canary.received()); after != before {
			t.Errorf("the canary was called %d times", after-before)
		}
	}},
	{"R-OAUTH-28", func(t *testing.T, o *oidcWorld) {
		_, tokens := o.granted(t, "openid")
		keys := o.a.published(t)
		public, err := keys.Keys[0].MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		forge := func(claims map[string]any) []string {
			return []string{unsecured(t, claims), signedBy(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: keys.Keys[0].KeyID}}, claims)}
		}
		for _, hint := range forge(claimsOf(t, tokens.text("id_token"))) {
			if answer := newBrowser(t, o.a).authorize(ask("id_token_hint", hint)).answer(); answer.Get("error") != "invalid_request" {
				t.Errorf("hint: %v", answer)
			}
		}
		for _, object := range forge(merged(ask("client_id", "k"), map[string]any{"iss": "k"})) {
			if answer := newBrowser(t, o.a).authorize(ask("client_id", "k", "request", object)).answer(); answer.Get("error") != "invalid_request_object" {
				t.Errorf("request: %v", answer)
			}
		}
		for _, text := range forge(map[string]any{"iss": "k", "sub": "k", "aud": issuer, "jti": "j", "exp": time.Now().Add(time.Minute).Unix()}) {
			form := with(redeem("x"), o.assertion(t))
			form.Set("client_assertion", text)
			o.a.call(t, "/oidc/token", "", form).is(t, "assertion", 401, "invalid_client")
		}
	}},
	{"R-OAUTH-29", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		for _, extra := range [][]string{{}, {"prompt", "none"}, {"response_type", "token"}} {
			if answer := b.authorize(ask(extra...)).answer(); answer.Get("iss") != issuer {
				t.Errorf("%v: %v", extra, answer)
			}
			if f := b.authorize(ask(append(extra, "response_mode", "form_post")...)).form(); f.values.Get("iss") != issuer {
				t.Errorf("%v by form_post: %v", extra, f.values)
			}
		}
	}},
	{"R-OAUTH-30", func(t *testing.T, o *oidcWorld) {
		_, tokens := o.granted(t, "openid email offline_access")
		refresh := tokens.text("refresh_token")
		o.a.refresh(t, "x", refresh).is(t, "X", 400, "invalid_grant")
		o.b.refresh(t, "p", refresh).is(t, "P", 400, "invalid_grant")
		o.b.refresh(t, "w", refresh, "scope", "openid profile").is(t, "wider", 400, "invalid_scope")
		narrow := o.a.refresh(t, "w", refresh, "scope", "openid").is(t, "narrower", 200, "")
		if info := o.b.whoIs(t, narrow.text("access_token")); narrow.text("scope") != "openid" || info.json["email"] != nil {
			t.Errorf("narrower: %v %v", narrow.json, info.json)
		}
		if whole := o.b.refresh(t, "w", narrow.text("refresh_token")); whole.text("scope") != "openid email offline_access" {
			t.Errorf("afterwards: %v", whole.json)
		}
	}},
	{"R-OAUTH-31", func(t *testing.T, o *oidcWorld) {
		_, tokens := o.granted(t, "openid offline_access")
		second := o.a.refresh(t, "w", tokens.text("refresh_token"))
		o.pass(t, 11*time.Second) // the grace
		o.b.refresh(t, "w", tokens.text("refresh_token")).is(t, "the old one", 400, "invalid_grant")
		o.a.refresh(t, "w", second.text("refresh_token")).is(t, "the newest", 400, "invalid_grant")
		o.b.whoIs(t, second.text("access_token")).is(t, "its access token", 401, "invalid_token")
	}},
	{"R-OAUTH-32", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		for range max(*rounds/20, 1) {
			refresh := o.a.exchange(t, b.code(ask("scope", "openid offline_access"))).text("refresh_token")
			var mu sync.Mutex
			next := map[string]bool{}
			var racers sync.WaitGroup
			for i := range 20 {
				racers.Go(func() {
					got := []*node{o.a, o.b}[i%2].refresh(t, "w", refresh)
					mu.Lock()
					defer mu.Unlock()
					if got.status == 200 {
						next[got.text("refresh_token")] = true
					}
				})
			}
			racers.Wait()
			if len(next) != 1 {
				t.Fatalf("%d lineages", len(next))
			}
			for token := range next {
				o.b.refresh(t, "w", token).is(t, "the one lineage", 200, "")
			}
		}
	}},
	{"R-OAUTH-33", func(t *testing.T, o *oidcWorld) {
		const day = 24 * time.Hour
		_, tokens := o.granted(t, "openid offline_access")
		token := tokens.text("refresh_token")
		for i := range 6 { // idle 14 days, 90 in all
			o.pass(t, 14*day-time.Minute)
			got := o.a.refresh(t, "w", token).is(t, fmt.Sprintf("use %d", i), 200, "")
			token = got.text("refresh_token")
		}
		o.pass(t, 6*day+7*time.Minute)
		o.b.refresh(t, "w", token).is(t, "beyond 90 days", 400, "invalid_grant")
		_, tokens = o.granted(t, "openid offline_access")
		o.pass(t, 14*day+time.Second)
		o.a.refresh(t, "w", tokens.text("refresh_token")).is(t, "idle", 400, "invalid_grant")
	}},
	{"R-OAUTH-34", func(t *testing.T, o *oidcWorld) {
		refresh := func(uid string) (online, offline string) {
			b := o.person(t, uid)
			return o.a.exchange(t, b.code(ask("scope", "openid"))).text("refresh_token"),
				o.a.exchange(t, b.code(ask("scope", "openid offline_access"))).text("refresh_token")
		}
		online, offline := refresh("cpetitleroy")
		if !complete(t, o.b, o.proof(t, 0).jar.Cookies(&url.URL{Scheme: "http", Host: "localhost", Path: "/"}), "violette sous la lune rousse") {
			t.Fatal("the password was not changed")
		}
		for what, token := range map[string]string{"online": online, "offline": offline} {
			o.a.refresh(t, "w", token).is(t, what+", after a reset", 400, "invalid_grant")
		}
		online, offline = refresh("hbonnefoy")
		o.close(t, "hbonnefoy")
		for what, token := range map[string]string{"online": online, "offline": offline} {
			o.b.refresh(t, "w", token).is(t, what+", of a closed account", 400, "invalid_grant")
		}
	}},
	{"R-OAUTH-36", func(t *testing.T, o *oidcWorld) { // 10,000 mutations
		_, tokens := o.granted(t, "openid offline_access")
		access := tokens.text("access_token")
		var accepted atomic.Int64
		var workers sync.WaitGroup
		for worker := range 8 {
			workers.Go(func() {
				for i := worker; i < 10_000; i += 8 {
					if o.a.whoIs(t, mutant(access, i)).status == 200 {
						accepted.Add(1)
					}
				}
			})
		}
		workers.Wait()
		if accepted.Load() != 0 {
			t.Errorf("%d of 10,000 were accepted", accepted.Load())
		}
		o.a.whoIs(t, access).is(t, "the token itself", 200, "")
	}},
	{"R-OAUTH-39", func(t *testing.T, o *oidcWorld) {
		_, tokens := o.granted(t, "openid")
		access := tokens.text("access_token")
		o.a.send(t, http.MethodGet, "/oidc/userinfo?access_token="+access, "").is(t, "query", 400, "invalid_request")
		o.a.send(t, http.MethodPost, "/oidc/userinfo", url.Values{"access_token": {access}}.Encode(), "Authorization", "Bearer "+access).is(t, "two ways", 400, "invalid_request")
		if got := o.b.whoIs(t, "nonsense"); got.status != 401 || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%d %q", got.status, got.header.Get("WWW-Authenticate"))
		}
	}},
	{"R-OAUTH-40", func(t *testing.T, o *oidcWorld) {
		const registered = "http://127.0.0.1:9"
		for _, path := range []string{"/oidc/authorize?" + ask().Encode(), "/login", "/oidc/logout", "/oidc/par"} {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				if got := o.a.send(t, method, path, "", "Origin", registered); got.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s %s: %v", method, path, got.header)
				}
			}
		}
		for _, path := range []string{"/oidc/token", "/oidc/userinfo", "/oidc/revoke"} {
			for origin, allowed := range map[string]bool{registered: true, "http://127.0.0.1:99": false, "http://127.0.0.1": false, "null": false, "https://evil.example": false, registered + ".evil.example": false} {
				got := o.b.send(t, http.MethodOptions, path, "", "Origin", origin, "Access-Control-Request-Method", "POST")
				if origin == "http://127.0.0.1" {
					continue // that of P
				}
				if (got.header.Get("Access-Control-Allow-Origin") == origin) != allowed || got.header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s from %s: %v", path, origin, got.header)
				}
			}
		}
	}},
	{"R-OAUTH-41", func(t *testing.T, o *oidcWorld) {
		attacker, victim := newBrowser(t, o.a), newBrowser(t, o.b)
		begun := attacker.authorize(ask()).shows(http.StatusOK, "Password")
		// The victim answers the attacker's form: the engine asks again, on a
		// form of the victim's own.
		p := victim.signIn(begun, "elefevre", password("elefevre"))
		if p.location() != nil && p.location().Query().Has("code") {
			t.Fatal("the form of another browser went through")
		}
		for _, b := range []*browser{attacker, newBrowser(t, o.a)} {
			if p := b.authorize(ask()); p.location() != nil {
				t.Errorf("somebody else is signed in: %v", p.location())
			}
		}
	}},
	{"R-OAUTH-43", func(t *testing.T, o *oidcWorld) {
		b := newBrowser(t, o.a)
		f := b.authorize(ask()).form()
		if !strings.HasPrefix(f.action, issuer+"/") {
			t.Errorf("the password goes to %s", f.action)
		}
		p := b.do(f.method, f.action, f.with(t, "username", "elefevre").with(t, "password", password("elefevre")).values)
		if p.status != http.StatusSeeOther && p.status != http.StatusFound {
			t.Errorf("after the password: %d", p.status)
		}
	}},
	{"R-OAUTH-44", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		in := func() bool { return b.authorize(ask("prompt", "none")).answer().Has("code") }
		f := b.get("/oidc/logout").form()
		if f.method != http.MethodPost || !in() {
			t.Fatalf("%s without a question", f.method)
		}
		other := o.person(t, "fndiaye").get("/oidc/logout").form()
		b.submit(form{method: f.method, action: f.action, values: url.Values{}})
		b.submit(form{method: f.method, action: f.action, values: other.values})
		if !in() {
			t.Fatal("logged out by a forged form")
		}
		b.submit(f)
		if in() {
			t.Error("still signed in")
		}
	}},
	{"R-OAUTH-46", func(t *testing.T, o *oidcWorld) { // X hangs
		b := o.person(t, "elefevre")
		id := o.a.exchange(t, b.code(ask())).text("id_token")
		b.code(ask())
		b.code(askX())
		before := len(o.told.received())
		b.get("/oidc/logout?" + url.Values{"id_token_hint": {id}}.Encode())
		eventually(t, "W is not told", func() bool { return len(o.told.received()) > before })
		claims := o.a.verified(t, o.told.received()[before].Get("logout_token"), "RS256", "logout+jwt")
		if life := claims["exp"].(float64) - claims["iat"].(float64); life > 120 {
			t.Errorf("a logout token of %v s", life)
		}
		// Another session's notice comes after, and between them no second one.
		next := o.person(t, "fndiaye")
		sub := claimsOf(t, o.a.exchange(t, next.code(ask())).text("id_token"))
		next.submit(next.get("/oidc/logout").form())
		eventually(t, "W is not told of the next", func() bool { return len(o.told.received()) > before+1 })
		if second := claimsOf(t, o.told.received()[before+1].Get("logout_token")); second["sid"] != sub["sid"] {
			t.Errorf("W was told twice: %v", second)
		}
	}},
	{"R-OAUTH-47", func(t *testing.T, o *oidcWorld) {
		_, tokens := o.granted(t, "openid offline_access")
		for _, name := range []string{"access_token", "refresh_token"} {
			token := tokens.text(name)
			for _, client := range []string{"x", "p"} {
				o.a.call(t, "/oidc/revoke", client, url.Values{"token": {token}}).is(t, client, 200, "")
			}
			if !o.b.active(t, "w", token) {
				t.Errorf("the %s was revoked by another client", name)
			}
		}
		o.redis.Pause()
		got := o.a.call(t, "/oidc/revoke", "w", url.Values{"token": {tokens.text("access_token")}})
		o.redis.Resume()
		got.is(t, "without the store", 503, "temporarily_unavailable")
		eventually(t, "the store is not back", func() bool {
			return o.a.send(t, http.MethodGet, "/readyz", "").status == 200 && o.b.send(t, http.MethodGet, "/readyz", "").status == 200
		})
		o.b.call(t, "/oidc/revoke", "w", url.Values{"token": {tokens.text("access_token")}}).is(t, "W", 200, "")
		if o.a.active(t, "w", tokens.text("refresh_token")) {
			t.Error("the grant lives on")
		}
	}},
	{"R-OAUTH-48", func(t *testing.T, o *oidcWorld) {
		b := o.person(t, "elefevre")
		w := o.a.exchange(t, b.code(ask())).text("access_token")
		k := o.a.call(t, "/oidc/token", "", with(redeem(b.code(ask("client_id", "k"))), o.assertion(t))).text("access_token")
		o.a.call(t, "/oidc/introspect", "", url.Values{"token": {w}}).is(t, "nobody", 401, "invalid_client")
		o.a.call(t, "/oidc/introspect", "p", url.Values{"token": {w}}).is(t, "a public client", 401, "invalid_client")
		post := url.Values{"client_id": {"x"}, "client_secret": {clientSecret}}
		for what, test := range map[string]struct {
			got    said
			active bool
		}{
			"its own, by basic":        {o.b.call(t, "/oidc/introspect", "w", url.Values{"token": {w}}), true},
			"its own, by assertion":    {o.b.call(t, "/oidc/introspect", "", with(url.Values{"token": {k}}, o.assertion(t))), true},
			"for the API":              {o.b.call(t, "/oidc/introspect", "a", url.Values{"token": {k}}), true},
			"not for the API":          {o.b.call(t, "/oidc/introspect", "a", url.Values{"token": {w}}), false},
			"another's, by post":       {o.b.call(t, "/oidc/introspect", "", with(url.Values{"token": {w}}, post)), false},
			"another's, by assertion":  {o.b.call(t, "/oidc/introspect", "", with(url.Values{"token": {w}}, o.assertion(t))), false},
			"another's, signed, basic": {o.b.call(t, "/oidc/introspect", "w", url.Values{"token": {k}}), false},
		} {
			if test.got.status != 200 || test.got.json["active"] != test.active || !test.active && len(test.got.json) != 1 {
				t.Errorf("%s: %d %v", what, test.got.status, test.got.json)
			}
		}
	}},
	{"R-OAUTH-49", func(t *testing.T, o *oidcWorld) {
		for range max(*rounds/50, 1) {
			form := with(redeem("nonsense"), o.assertion(t))
			if n := o.winners(func(at *node) bool { return at.call(t, "/oidc/token", "", form).text("error") == "invalid_grant" }); n != 1 {
				t.Fatalf("one assertion was good %d times", n)
			}
		}
	}},
	{"R-OAUTH-50", func(t *testing.T, o *oidcWorld) {
		b, alice := o.granted(t, "openid")
		p := b.signIn(b.authorize(ask("prompt", "login")), "fndiaye", password("fndiaye"))
		bob := claimsOf(t, o.a.exchange(t, p.answer().Get("code")).text("id_token"))
		if was := claimsOf(t, alice.text("id_token")); bob["sub"] == was["sub"] || bob["sid"] == was["sid"] {
			t.Errorf("bob got %v", bob)
		}
		o.b.whoIs(t, alice.text("access_token")).is(t, "alice's token", 401, "invalid_token")
		if answer := b.authorize(ask("prompt", "none", "id_token_hint", alice.text("id_token"))).answer(); answer.Get("error") != "login_required" {
			t.Errorf("alice's hint: %v", answer)
		}
	}},
	{"R-OAUTH-51", func(t *testing.T, o *oidcWorld) {
		for _, claim := range []string{"iss", "sub", "aud", "exp", "azp", "nonce", "acr", "amr"} {
			o.refused(t, strings.Replace(configuration, "attributes: [mail, accountState, accountEnd]", "attributes: [{name: mail, as: "+claim+"}]", 1), "attributes[0]")
		}
	}},
}

// refusedBeforeLogin demands an error in place of the login form.
func refusedBeforeLogin(of func() url.Values) func(*testing.T, *oidcWorld) {
	return func(t *testing.T, o *oidcWorld) {
		if answer := newBrowser(t, o.a).authorize(of()).answer(); answer.Get("error") != "invalid_request" {
			t.Errorf("answer %v", answer)
		}
	}
}

// refused demands that a configuration stops the start, with the line and the
// key named.
func (o *oidcWorld) refused(t *testing.T, configuration, key string) {
	t.Helper()
	file := filepath.Join(o.folder, "broken.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program(t), "serve", "--config", file)
	cmd.Env = append(os.Environ(), o.environment()...)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "broken.yaml:") || !strings.Contains(string(out), key) {
		t.Errorf("%v, without the line or %s: %s", err, key, out)
	}
}

// close closes an account in the directory.
func (o *oidcWorld) close(t *testing.T, uid string) {
	t.Helper()
	conn, err := goldap.DialURL(o.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind("cn=root,"+fixtures.UniversitySuffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	change := goldap.NewModifyRequest("uid="+uid+",ou=people,"+fixtures.UniversitySuffix, nil)
	change.Replace("supannRessourceEtat", []string{"{COMPTE}I:SupannInactif"})
	if err := conn.Modify(change); err != nil {
		t.Fatal(err)
	}
}

// mutant is the nth alteration of a token: cut, prolonged, a character changed,
// or encoded otherwise.
func mutant(token string, n int) string {
	at := n / 4 % len(token)
	switch n % 4 {
	case 0:
		return token[:at]
	case 1:
		return token[:at] + string(rune('A'+n%26)) + token[at:]
	case 2:
		other := byte('A' + n%26)
		if token[at] == other {
			other = '_'
		}
		return token[:at] + string(other) + token[at+1:]
	}
	return token[:at] + url.QueryEscape(string(token[at])+"=") + token[at+1:]
}
