package oidc_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
)

// signedIn is a browser with a session at W and W's ID token.
func signedIn(t testing.TB, r *replica) (*browser, string) {
	t.Helper()
	b := r.browser()
	return b, r.exchange(b.code(params())).text("id_token")
}

func (b *browser) hasSession() bool {
	b.t.Helper()
	return b.authorize(params("prompt", "none")).answer(b.t).Has("code")
}

func logoutURL(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "/oidc/logout?" + v.Encode()
}

const bye = "https://w.example/bye"

// TestLogout is C-20 and R-OAUTH-44.
func TestLogout(t *testing.T) {
	r := start(t)
	t.Run("with a hint", func(t *testing.T) {
		for name, test := range map[string]struct{ target, location string }{
			"state":    {logoutURL("post_logout_redirect_uri", bye, "state", "a&b"), bye + "?state=a%26b"},
			"no state": {logoutURL("post_logout_redirect_uri", bye), bye},
			"no uri":   {logoutURL("state", "s"), ""},
		} {
			b, token := signedIn(t, r)
			r.clock.Advance(3 * time.Hour) // the hint may be expired
			p := b.get(test.target + "&id_token_hint=" + token)
			if p.Header.Get("Location") != test.location || b.hasSession() {
				t.Errorf("%s: %d %q", name, p.StatusCode, p.Header.Get("Location"))
			}
		}
	})
	_, foreign := signedIn(t, newWorld(t).serve(cast(), "http://127.0.0.1:1"))
	b, token := signedIn(t, r)
	head, payload, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(payload, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + payload + "."
	for name, target := range map[string]string{
		"unregistered uri":      logoutURL("id_token_hint", token, "post_logout_redirect_uri", bye+"/"),
		"query added":           logoutURL("id_token_hint", token, "post_logout_redirect_uri", bye+"?x=1"),
		"uri without a hint":    logoutURL("post_logout_redirect_uri", bye),
		"alg none":              logoutURL("id_token_hint", none, "post_logout_redirect_uri", bye),
		"HS256 with public key": logoutURL("id_token_hint", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"r1"}`))+"."+payload+"."+signature),
		"altered":               logoutURL("id_token_hint", head+"."+payload+"x."+signature, "post_logout_redirect_uri", bye),
		"foreign":               logoutURL("id_token_hint", foreign, "post_logout_redirect_uri", bye),
		"another client":        logoutURL("id_token_hint", token, "client_id", "x"),
		"unknown client":        logoutURL("client_id", "nobody"),
		"twice":                 logoutURL("state", "1") + "&state=2",
	} {
		if p := b.get(target); p.StatusCode != http.StatusBadRequest || p.Header.Get("Location") != "" {
			t.Errorf("%s: %d %q", name, p.StatusCode, p.Header.Get("Location"))
		}
	}
	if !b.hasSession() {
		t.Fatal("a wrong request ended the session")
	}
	t.Run("confirmation", func(t *testing.T) {
		for name, target := range map[string]string{
			"nothing": "/oidc/logout", "state": logoutURL("state", "s"), "client": logoutURL("client_id", "w", "post_logout_redirect_uri", bye),
		} {
			p := b.get(target)
			if p.StatusCode != http.StatusOK || p.Header.Get("Location") != "" || !strings.Contains(p.body, `action="/oidc/logout/confirm"`) || !b.hasSession() {
				t.Errorf("%s: %d %.300s", name, p.StatusCode, p.body)
			}
		}
		p := b.do("POST", "/oidc/logout", url.Values{"client_id": {"w"}}, "Sec-Fetch-Site", "cross-site")
		if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), r.issuer+"/oidc/logout?") {
			t.Errorf("POST by an application: %d %s", p.StatusCode, p.Header.Get("Location"))
		}
		asked := b.get(logoutURL("client_id", "w", "post_logout_redirect_uri", bye, "state", "s")).fields()
		if p := b.do("POST", "/oidc/logout/confirm", asked, "Sec-Fetch-Site", "cross-site"); p.StatusCode != http.StatusForbidden {
			t.Errorf("cross-site: %d", p.StatusCode)
		}
		if b.do("POST", "/oidc/logout/confirm", url.Values{"client_id": {"w"}}); !b.hasSession() {
			t.Fatal("confirmed by nobody")
		}
		if p := b.do("POST", "/oidc/logout/confirm", asked); p.Header.Get("Location") != bye+"?state=s" || b.hasSession() {
			t.Errorf("confirmed: %d %q", p.StatusCode, p.Header.Get("Location"))
		}
	})
	t.Run("nobody signed in", func(t *testing.T) {
		p := r.browser().get(logoutURL("id_token_hint", token, "post_logout_redirect_uri", bye))
		if p.Header.Get("Location") != bye {
			t.Errorf("%d %q", p.StatusCode, p.Header.Get("Location"))
		}
		if p := r.browser().get(logoutURL("client_id", "w", "post_logout_redirect_uri", bye)); p.StatusCode != http.StatusOK || !strings.Contains(p.body, bye) {
			t.Errorf("without a hint: %d", p.StatusCode)
		}
	})
	t.Run("somebody else's hint", func(t *testing.T) {
		bob := r.browser()
		bob.submit(bob.authorize(params()), "bob")
		if p := bob.get(logoutURL("id_token_hint", token, "post_logout_redirect_uri", bye)); p.Header.Get("Location") != "" || !bob.hasSession() {
			t.Errorf("bob was signed out by alice's token: %d", p.StatusCode)
		}
	})
	t.Run("offline access outlives the session", func(t *testing.T) {
		b := r.browser()
		tokens := r.exchange(b.code(params("scope", "openid offline_access")))
		b.get(logoutURL("id_token_hint", tokens.text("id_token")))
		want(t, "refresh", r.refresh("w", tokens.text("refresh_token")), 200, "")
	})
}

// TestBackchannel is C-21 and R-OAUTH-46.
func TestBackchannel(t *testing.T) {
	type told struct {
		form  url.Values
		ctype string
	}
	heard := make(chan told, 10)
	fail := make(chan int, 1)
	fail <- http.StatusServiceUnavailable // the first try
	party := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case status := <-fail:
			w.WriteHeader(status)
		default:
			if err := r.ParseForm(); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
			heard <- told{r.Form, r.Header.Get("Content-Type")}
		}
	}))
	t.Cleanup(party.Close)
	config := cast()
	config.Clients[0].BackchannelLogoutURI = party.URL + "/logout"
	r := newWorld(t).serve(config, "")
	b := r.browser()
	var claims claims
	var hint string
	for range 2 { // two sign-ins at one client are one farewell
		tokens := r.exchange(b.code(params()))
		claims, hint = idClaims(t, tokens), tokens.text("id_token")
	}
	b.get(logoutURL("id_token_hint", hint))
	// The retry waits for the store's clock.
	var got told
	for tries := 0; got.form == nil; tries++ {
		select {
		case got = <-heard:
		case <-time.After(20 * time.Millisecond):
			if r.clock.Advance(time.Second); tries == 500 {
				t.Fatal("no farewell")
			}
		}
	}
	if len(got.form) != 1 || got.ctype != "application/x-www-form-urlencoded" {
		t.Errorf("form %v as %s", got.form, got.ctype)
	}
	raw := got.form.Get("logout_token")
	provider, err := goidc.NewProvider(context.Background(), r.issuer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Verifier(&goidc.Config{ClientID: "w", SupportedSigningAlgs: []string{"ES256"}, Now: r.clock.Now}).Verify(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := token.Claims(&body); err != nil {
		t.Fatal(err)
	}
	events := fmt.Sprint(body["events"])
	if body["sid"] != claims.SID || body["sub"] != claims.Sub || body["jti"] == nil || body["nonce"] != nil ||
		events != "map[http://schemas.openid.net/event/backchannel-logout:map[]]" || token.Expiry.Sub(token.IssuedAt) > 2*time.Minute {
		t.Errorf("claims %v", body)
	}
	var header map[string]any
	if raw, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0]); err != nil || json.Unmarshal(raw, &header) != nil || header["typ"] != "logout+jwt" {
		t.Errorf("header %v", header)
	}
	select {
	case again := <-heard:
		t.Errorf("told twice: %v", again.form)
	default:
	}
	if len(fail) != 0 {
		t.Error("no retry was needed")
	}
}
