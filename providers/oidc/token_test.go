package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
)

type claims struct {
	raw      string
	Sub      string `json:"sub"`
	SID      string `json:"sid"`
	Nonce    string `json:"nonce"`
	AuthTime int64  `json:"auth_time"`
}

func idClaims(t testing.TB, tokens reply) claims {
	t.Helper()
	c := claims{raw: tokens.text("id_token")}
	parts := strings.Split(c.raw, ".")
	if len(parts) != 3 {
		t.Fatalf("no ID token: %v", tokens.json)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExchange is R-OAUTH-11, 12, 14, 15, 19, 20, 22, 23, 24.
func TestExchange(t *testing.T) {
	r := start(t)
	b := r.browser()
	b.code(params())
	fresh := func() string { t.Helper(); return b.code(params()) }

	ok := r.exchange(fresh())
	want(t, "exchange", ok, 200, "")
	if ok.Header.Get("Cache-Control") != "no-store" || ok.Header.Get("Pragma") != "no-cache" ||
		!strings.EqualFold(ok.text("token_type"), "bearer") || ok.json["expires_in"] != 600.0 || ok.text("scope") != "openid profile email" {
		t.Errorf("answer %v %v", ok.Header, ok.json)
	}
	for name, f := range map[string]func(string) url.Values{
		"no verifier":        func(c string) url.Values { return codeForm(c, "code_verifier", "") },
		"wrong verifier":     func(c string) url.Values { return codeForm(c, "code_verifier", verifier+"x") },
		"no redirect_uri":    func(c string) url.Values { return codeForm(c, "redirect_uri", "") },
		"other redirect_uri": func(c string) url.Values { return codeForm(c, "redirect_uri", callback+"/") },
	} {
		code := fresh()
		want(t, name, r.call("/oidc/token", "w", f(code)), 400, "invalid_grant")
		want(t, name+", then right: the code is spent", r.exchange(code), 400, "invalid_grant")
	}
	t.Run("R-OAUTH-12", func(t *testing.T) {
		code := b.code(asX("code_challenge", "", "code_challenge_method", ""))
		want(t, "verifier without challenge", r.call("/oidc/token", "x", codeForm(code, "redirect_uri", callbackX)), 400, "invalid_grant")
		code = b.code(asX("code_challenge", "", "code_challenge_method", ""))
		want(t, "neither", r.call("/oidc/token", "x", codeForm(code, "redirect_uri", callbackX, "code_verifier", "")), 200, "")
	})
	t.Run("R-OAUTH-14", func(t *testing.T) {
		code := fresh()
		want(t, "another client", r.call("/oidc/token", "x", codeForm(code)), 400, "invalid_grant")
		want(t, "a public one", r.call("/oidc/token", "p", codeForm(code)), 400, "invalid_grant")
		want(t, "the right one", r.exchange(code), 200, "")
	})
	t.Run("R-OAUTH-19", func(t *testing.T) {
		code := fresh()
		r.clock.Advance(59 * time.Second)
		want(t, "at 59 s", r.exchange(code), 200, "")
		code = fresh()
		r.clock.Advance(61 * time.Second)
		want(t, "at 61 s", r.exchange(code), 400, "invalid_grant")
	})
	t.Run("R15", func(t *testing.T) {
		b := r.browser()
		b.code(params())
		r.clock.Advance(50 * time.Second)
		code := b.code(params()) // by a snapshot that is 50 s old
		r.clock.Advance(20 * time.Second)
		r.people.set("id-alice", account.Disabled)
		want(t, "closed meanwhile", r.exchange(code), 400, "invalid_grant")
		r.people.set("id-alice", account.Active)
		want(t, "the grant is gone", r.exchange(code), 400, "invalid_grant")
	})
	t.Run("R-OAUTH-20", func(t *testing.T) {
		plain := &browser{r, http.DefaultClient}
		code := fresh()
		for name, header := range map[string]string{
			"wrong": "Basic " + base64.StdEncoding.EncodeToString([]byte("w:wrong")),
			"empty": "Basic " + base64.StdEncoding.EncodeToString([]byte("w:")),
			"other": "Basic " + base64.StdEncoding.EncodeToString([]byte("w:the+secret+of+client+x")),
			"none":  "",
		} {
			form := codeForm(code)
			var headers []string
			if header == "" {
				form.Set("client_id", "w")
			} else {
				headers = []string{"Authorization", header}
			}
			got := decode(t, plain.do("POST", "/oidc/token", form, headers...))
			want(t, name, got, 401, "invalid_client")
			if got.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", name)
			}
		}
		public := codeForm(code, "client_id", "p", "client_secret", "some")
		want(t, "a public client with a secret", decode(t, plain.do("POST", "/oidc/token", public)), 401, "invalid_client")
		both := codeForm(code, "client_secret", secrets["w"])
		want(t, "two ways", r.call("/oidc/token", "w", both), 400, "invalid_request")
		posted := codeForm(code, "client_id", "w", "client_secret", secrets["w"])
		want(t, "client_secret_post (C-13)", decode(t, plain.do("POST", "/oidc/token", posted)), 200, "")
	})
	t.Run("R-OAUTH-22, 23, 25", func(t *testing.T) {
		plain := &browser{r, http.DefaultClient}
		code := fresh()
		query := codeForm(code, "client_id", "w", "client_secret", secrets["w"]).Encode()
		if p := plain.get("/oidc/token?" + query); p.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", p.StatusCode)
		}
		want(t, "in the query", decode(t, plain.do("POST", "/oidc/token?"+query, url.Values{})), 401, "invalid_client")
		if p := plain.do("POST", "/oidc/token", codeForm(code), "Content-Type", "application/json"); p.StatusCode/100 != 4 {
			t.Errorf("not a form: %d", p.StatusCode)
		}
		for key, code := range map[string]string{"password": "unsupported_grant_type", "": "invalid_request"} {
			want(t, "grant "+key, r.call("/oidc/token", "w", url.Values{"grant_type": {key}}), 400, code)
		}
		twice := codeForm(code)
		twice.Add("code", code)
		want(t, "twice", r.call("/oidc/token", "w", twice), 400, "invalid_request")
		want(t, "no code", r.call("/oidc/token", "w", codeForm("")), 400, "invalid_request")
		want(t, "no code of ours", r.call("/oidc/token", "w", codeForm("nonsense")), 400, "invalid_grant")
		want(t, "and the code is still good", r.exchange(code), 200, "")
	})
}

// TestReplay is R-OAUTH-18 and C-11, on two replicas.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	a := w.serve(cast(), "")
	z := w.serve(cast(), a.issuer)
	code := a.browser().code(params("scope", "openid offline_access"))
	tokens := a.exchange(code)
	want(t, "once", tokens, 200, "")
	next := a.refresh("w", tokens.text("refresh_token"))
	want(t, "refresh", next, 200, "")
	a.clock.Advance(30 * time.Second)
	want(t, "replay", z.exchange(code), 400, "invalid_grant")
	for _, r := range []*replica{a, z} {
		for _, got := range []reply{tokens, next} {
			want(t, "userinfo", r.userinfo(got.text("access_token")), 401, "invalid_token")
			want(t, "refresh", r.refresh("w", got.text("refresh_token")), 400, "invalid_grant")
			if r.active(got.text("access_token")) || r.active(got.text("refresh_token")) {
				t.Error("still active at introspection")
			}
		}
	}
	if !w.audit.has("action=oidc.token", "result=reused", "party=w", "account=id-alice") {
		t.Error("the replay is not in the audit log")
	}
}

// TestCodeRace is R-OAUTH-17 in small: over two replicas each code is redeemed
// once, and the losers get 400.
func TestCodeRace(t *testing.T) {
	w := newWorld(t)
	a := w.serve(cast(), "")
	z := w.serve(cast(), a.issuer)
	b := a.browser()
	codes := 100
	if testing.Short() {
		codes = 10
	}
	for i := range codes {
		code := b.code(params())
		var won, lost, strange atomic.Int64
		var racers sync.WaitGroup
		for n := range 50 {
			racers.Go(func() {
				got := []*replica{a, z}[n%2].exchange(code)
				switch {
				case got.StatusCode == 200:
					won.Add(1)
				case got.StatusCode == 400 && got.text("error") == "invalid_grant":
					lost.Add(1)
				default:
					strange.Add(1)
				}
			})
		}
		racers.Wait()
		if won.Load() != 1 || lost.Load() != 49 || strange.Load() != 0 {
			t.Fatalf("code %d: %d won, %d lost, %d neither", i, won.Load(), lost.Load(), strange.Load())
		}
	}
}

func signIn(t testing.TB, r *replica, scope string) reply {
	t.Helper()
	tokens := r.exchange(r.browser().code(params("scope", scope)))
	want(t, "sign-in", tokens, 200, "")
	return tokens
}

// TestRefresh is R-OAUTH-30, 31, 33, 34 and C-16.
func TestRefresh(t *testing.T) {
	for _, scope := range []string{"openid email", "openid email offline_access"} {
		t.Run(scope, func(t *testing.T) {
			r := start(t)
			t.Run("R-OAUTH-30", func(t *testing.T) {
				first := signIn(t, r, scope).text("refresh_token")
				want(t, "another client", r.refresh("x", first), 400, "invalid_grant")
				want(t, "a public one", r.refresh("p", first), 400, "invalid_grant")
				want(t, "wider", r.refresh("w", first, "openid profile"), 400, "invalid_scope")
				narrow := r.refresh("w", first, "openid")
				want(t, "narrower", narrow, 200, "")
				if info := r.userinfo(narrow.text("access_token")); info.json["email"] != nil || narrow.text("scope") != "openid" {
					t.Errorf("narrower: %v", info.json)
				}
				whole := r.refresh("w", narrow.text("refresh_token"))
				if info := r.userinfo(whole.text("access_token")); info.json["email"] == nil || whole.text("scope") != scope {
					t.Errorf("the refresh token kept less: %v", info.json)
				}
			})
			t.Run("ID token", func(t *testing.T) {
				tokens := signIn(t, r, scope)
				r.clock.Advance(20 * time.Second)
				one, two := idClaims(t, tokens), idClaims(t, r.refresh("w", tokens.text("refresh_token")))
				if two.AuthTime != one.AuthTime || two.SID != one.SID || two.Sub != one.Sub || one.Nonce != "n0" || two.Nonce != "" {
					t.Errorf("%+v after %+v", two, one)
				}
			})
			t.Run("R-OAUTH-31", func(t *testing.T) {
				first := signIn(t, r, scope).text("refresh_token")
				second := r.refresh("w", first)
				again := r.refresh("w", first)
				if again.text("refresh_token") != second.text("refresh_token") || again.StatusCode != 200 {
					t.Error("a repetition got another successor")
				}
				if r.active(first) || !r.active(second.text("refresh_token")) {
					t.Error("introspection takes the used token for the good one")
				}
				r.clock.Advance(11 * time.Second)
				want(t, "after the grace", r.refresh("w", first), 400, "invalid_grant")
				want(t, "the newest", r.refresh("w", second.text("refresh_token")), 400, "invalid_grant")
				want(t, "its access token", r.userinfo(second.text("access_token")), 401, "invalid_token")
				if !r.audit.has("action=oidc.refresh", "result=reused") {
					t.Error("the reuse is not in the audit log")
				}
			})
			t.Run("R-OAUTH-31 within the grace", func(t *testing.T) {
				first := signIn(t, r, scope).text("refresh_token")
				second := r.refresh("w", first).text("refresh_token")
				third := r.refresh("w", second)
				want(t, "third", third, 200, "")
				want(t, "grandparent", r.refresh("w", first), 400, "invalid_grant")
				want(t, "the newest", r.refresh("w", third.text("refresh_token")), 400, "invalid_grant")
			})
			t.Run("R-OAUTH-34", func(t *testing.T) {
				tokens := signIn(t, r, scope)
				r.people.set("id-alice", account.Disabled)
				want(t, "refresh", r.refresh("w", tokens.text("refresh_token")), 400, "invalid_grant")
				r.people.set("id-alice", account.Active)
				want(t, "the family is gone", r.refresh("w", tokens.text("refresh_token")), 400, "invalid_grant")
				tokens = signIn(t, r, scope)
				if err := r.sessions.EndAll(t.Context(), "id-alice"); err != nil { // the password changed
					t.Fatal(err)
				}
				want(t, "refresh", r.refresh("w", tokens.text("refresh_token")), 400, "invalid_grant")
				want(t, "userinfo", r.userinfo(tokens.text("access_token")), 401, "invalid_token")
			})
			t.Run("mixed up", func(t *testing.T) {
				b := r.browser()
				code := b.code(params("scope", scope))
				want(t, "a code as a refresh token", r.refresh("w", code+".aWQtYWxpY2U"), 400, "invalid_grant")
				tokens := signIn(t, r, scope)
				head, _, _ := strings.Cut(tokens.text("refresh_token"), ".")
				want(t, "a refresh token as a code", r.exchange(head), 400, "invalid_grant")
				tokens = signIn(t, r, scope)
				head, _, _ = strings.Cut(tokens.text("refresh_token"), ".")
				want(t, "another account", r.refresh("w", head+"."+base64.RawURLEncoding.EncodeToString([]byte("id-bob"))), 400, "invalid_grant")
			})
		})
	}
	t.Run("R-OAUTH-33", func(t *testing.T) {
		r := start(t)
		day := 24 * time.Hour
		token := signIn(t, r, "openid offline_access").text("refresh_token")
		for i := range 6 { // idle 14 days, 90 in all
			r.clock.Advance(14*day - time.Second)
			got := r.refresh("w", token)
			want(t, fmt.Sprintf("use %d", i), got, 200, "")
			token = got.text("refresh_token")
		}
		r.clock.Advance(6*day + 5*time.Second)
		want(t, "one second before the end", r.refresh("w", token), 200, "")
		r.clock.Advance(2 * time.Second)
		want(t, "beyond 90 days", r.refresh("w", token), 400, "invalid_grant")
		token = signIn(t, r, "openid offline_access").text("refresh_token")
		r.clock.Advance(14*day + time.Second)
		want(t, "idle", r.refresh("w", token), 400, "invalid_grant")
	})
}

// TestRefreshRace is R-OAUTH-32: 20 at once, one lineage.
func TestRefreshRace(t *testing.T) {
	w := newWorld(t)
	a := w.serve(cast(), "")
	z := w.serve(cast(), a.issuer)
	for range 20 {
		token := signIn(t, a, "openid offline_access").text("refresh_token")
		var mu sync.Mutex
		next := map[string]bool{}
		var racers sync.WaitGroup
		for n := range 20 {
			racers.Go(func() {
				got := []*replica{a, z}[n%2].refresh("w", token)
				mu.Lock()
				defer mu.Unlock()
				if got.StatusCode == 200 {
					next[got.text("refresh_token")] = true
				}
			})
		}
		racers.Wait()
		if len(next) != 1 {
			t.Fatalf("%d lineages", len(next))
		}
	}
}

// TestRoundTrips holds the table of the design: what each act asks of the store
// and the directory.
func TestRoundTrips(t *testing.T) {
	w := newWorld(t)
	w.idle = true // the outbox asks the store on its own account
	r := w.serve(cast(), "")
	b := r.browser()
	var code string
	var tokens reply
	var login page
	for _, step := range []struct {
		what         string
		trips, looks int64
		do           func()
	}{
		{"discovery", 0, 0, func() { b.get("/.well-known/openid-configuration") }},
		{"keys", 0, 0, func() { b.get("/oidc/keys") }},
		{"the form", 0, 0, func() { login = b.authorize(params()) }},
		{"the password", 2, 2, func() { code = b.submit(login, "alice").answer(t).Get("code") }},
		{"code to tokens", 1, 0, func() { tokens = r.exchange(code) }},
		{"live session", 2, 0, func() { b.code(params()) }},
		{"live session, offline", 2, 0, func() { code = b.code(params("scope", "openid offline_access")) }},
		{"offline code to tokens", 1, 0, func() { r.exchange(code) }},
		{"userinfo", 1, 1, func() { r.userinfo(tokens.text("access_token")) }},
		{"introspection", 1, 1, func() { r.active(tokens.text("access_token")) }},
		{"refresh", 1, 1, func() { tokens = r.refresh("w", tokens.text("refresh_token")) }},
		{"refresh, narrower", 1, 1, func() { tokens = r.refresh("w", tokens.text("refresh_token"), "openid") }},
		{"introspection of a refresh token", 1, 1, func() { r.active(tokens.text("refresh_token")) }},
		{"revocation", 1, 0, func() { r.call("/oidc/revoke", "w", url.Values{"token": {tokens.text("access_token")}}) }},
	} {
		trips, looks := r.trips.Load(), r.people.asks.Load()
		step.do()
		trips, looks = r.trips.Load()-trips, r.people.asks.Load()-looks
		t.Logf("%-34s %d round trips, %d directory operations", step.what, trips, looks)
		if trips > step.trips || looks > step.looks {
			t.Errorf("%s: %d round trips and %d directory operations, at most %d and %d", step.what, trips, looks, step.trips, step.looks)
		}
	}
}

// R-OAUTH-34: a client that is no longer in the configuration has nothing.
func TestClientRemoved(t *testing.T) {
	w := newWorld(t)
	before := w.serve(cast(), "")
	tokens := signIn(t, before, "openid offline_access")
	config := cast()
	config.Clients = config.Clients[1:]
	after := w.serve(config, before.issuer)
	want(t, "userinfo", after.userinfo(tokens.text("access_token")), 401, "invalid_token")
	want(t, "refresh", after.refresh("w", tokens.text("refresh_token")), 401, "invalid_client")
	if got := after.call("/oidc/introspect", "x", url.Values{"token": {tokens.text("access_token")}}); got.json["active"] != false {
		t.Errorf("introspection: %v", got.json)
	}
	if p := after.browser().authorize(params("id_token_hint", tokens.text("id_token"))); p.StatusCode != 400 || p.Header.Get("Location") != "" {
		t.Errorf("authorize: %d %s", p.StatusCode, p.Header.Get("Location"))
	}
	if p := after.browser().get(logoutURL("id_token_hint", tokens.text("id_token"))); p.StatusCode != 400 {
		t.Errorf("logout: %d", p.StatusCode)
	}
}
