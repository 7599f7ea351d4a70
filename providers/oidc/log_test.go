package oidc_test

import (
	"testing"
)

// What is wrong with an application's request stands in the log, for whoever
// mends it; the person reads a page, and no secret of the request is kept.
func TestWhyARequestWasRefused(t *testing.T) {
	r := start(t)
	b := r.browser()
	for _, c := range []struct {
		what   string
		target string
		want   []string
	}{
		{"an unknown client", "/oidc/authorize?" + params("client_id", "nobody").Encode(), []string{`no client is called`, `nobody`}},
		{"a foreign place", "/oidc/authorize?" + params("redirect_uri", callback+"/more?token=hush").Encode(), []string{`has no such redirect URI`, callback + "/more"}},
		{"a place after a logout", "/oidc/logout?client_id=w&post_logout_redirect_uri=https://evil.example/?token=hush", []string{`no such post-logout redirect URI`, "https://evil.example/"}},
		{"without PKCE", "/oidc/authorize?" + params("code_challenge", "").Encode(), []string{"action=oidc.authorize", "code_challenge"}},
	} {
		b.do("GET", c.target, nil)
		if !r.audit.has(c.want...) {
			t.Errorf("%s: the log does not say %q", c.what, c.want)
		}
	}
	if r.audit.has("hush") {
		t.Error("the log keeps what a query brought")
	}
}
