package oidc_test

import (
	"net/url"
	"strings"
	"testing"
)

// OpenID Connect Front-Channel Logout 1.0: the page that ends the session loads
// the URLs of the clients that were visited, and of no others.
func TestFrontChannelLogout(t *testing.T) {
	config := cast()
	config.Clients[0].FrontchannelLogoutURI = "https://w.example/front?keep=1"
	config.Clients[1].FrontchannelLogoutURI = "https://x.example/front"
	config.Clients[2].BackchannelLogoutURI = "http://127.0.0.1:1/back" // told, but not by the browser
	r := newWorld(t).serve(config, "")
	b, token := signedIn(t, r)
	sid, _ := payload(t, token)["sid"].(string)
	p := b.get(logoutURL("id_token_hint", token, "post_logout_redirect_uri", bye, "state", "s"))
	frame := "https://w.example/front?" + url.Values{"iss": {r.issuer}, "keep": {"1"}, "sid": {sid}}.Encode()
	if p.StatusCode != 200 || sid == "" || strings.Count(p.body, "<iframe") != 1 {
		t.Fatalf("%d, %d frames", p.StatusCode, strings.Count(p.body, "<iframe"))
	}
	src := between(p.body, `<iframe src="`, `"`)
	got, err := url.Parse(strings.ReplaceAll(src, "&amp;", "&"))
	if err != nil || got.Scheme+"://"+got.Host+got.Path != "https://w.example/front" || got.Query().Encode() != strings.SplitN(frame, "?", 2)[1] {
		t.Errorf("%s, want %s", src, frame)
	}
	if !strings.Contains(p.body, bye+"?state=s") {
		t.Error("the page does not lead back to the application")
	}
	if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src https://w.example;") {
		t.Errorf("%s", csp)
	}
	if b.hasSession() {
		t.Error("the session goes on")
	}

	quiet, token := func() (*browser, string) { // with a client that wants nothing of the kind
		b := r.browser()
		return b, r.call("/oidc/token", "p", codeForm(b.code(params("client_id", "p", "redirect_uri", nativeCallback)), "redirect_uri", nativeCallback)).text("id_token")
	}()
	if p := quiet.get(logoutURL("id_token_hint", token)); strings.Contains(p.body, "<iframe") || strings.Contains(p.Header.Get("Content-Security-Policy"), "frame-src") {
		t.Error("frames for nobody")
	}
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	out, _, _ := strings.Cut(rest, after)
	return out
}

func TestFrontChannelConfig(t *testing.T) {
	client := func(rest string) string {
		return `{"type":"oidc","clients":[{"id":"m","name":"Moodle","redirectURIs":["https://m.example/cb"],` + rest + `}]}`
	}
	for name, test := range map[string]struct{ section, begins string }{
		"http":                 {client(`"secret":"a-secret-of-22-letters","frontchannelLogoutURI":"http://m.example/front"`), "clients[0] (m).frontchannelLogoutURI: must be https"},
		"exchange by a public": {client(`"public":true,"tokenExchange":true`), "clients[0] (m).tokenExchange: a public client"},
	} {
		if err := open(t, test.section); err == nil || !strings.HasPrefix(err.Error(), test.begins) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
