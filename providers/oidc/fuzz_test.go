package oidc_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// serveLocal runs a request in process.
func serveLocal(r *replica, target, token string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, target, nil)
	if token != "" {
		request.Header["Authorization"] = []string{"Bearer " + token}
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, request)
	return w
}

func userinfoStatus(r *replica, token string) int { return serveLocal(r, "/oidc/userinfo", token).Code }

// FuzzRedirectURI: what is not registered byte for byte is only let through on
// a loopback address, with the registered path and query.
func FuzzRedirectURI(f *testing.F) {
	r := start(f)
	registered := []string{nativeCallback, "fr.example.p:/cb"}
	for _, seed := range append(registered, "http://127.0.0.1:1/cb", "http://127.0.0.1:1@e/cb", "http://127.0.0.1:/cb", "http://[::1]:5/cb",
		"http://127.0.0.1\\@e/cb", "HTTP://127.0.0.1/cb", "http://127.0.0.1:00001/cb", "http://127.0.0.1#@e/cb", "fr.example.p:/cb?") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		w := serveLocal(r, "/oidc/authorize?"+params("client_id", "p", "redirect_uri", uri, "prompt", "none").Encode(), "")
		if w.Code == http.StatusBadRequest && w.Header().Get("Location") == "" {
			return
		}
		location := w.Header().Get("Location")
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(location, uri+"?") {
			t.Fatalf("%q: %d %q", uri, w.Code, location)
		}
		if slices.Contains(registered, uri) {
			return
		}
		u, err := url.Parse(location)
		if err != nil || u.Scheme != "http" || u.User != nil || u.Path != "/cb" || !net.ParseIP(u.Hostname()).IsLoopback() {
			t.Fatalf("%q was let through: %v", uri, err)
		}
	})
}

// FuzzAccessToken: nothing but a token of ours opens.
func FuzzAccessToken(f *testing.F) {
	r := start(f)
	token := signIn(f, r, "openid").text("access_token")
	f.Add(token)
	f.Add(token[:len(token)-1])
	f.Add("")
	f.Fuzz(func(t *testing.T, presented string) {
		status := userinfoStatus(r, presented)
		if (status == http.StatusOK) != (strings.TrimSpace(presented) == token) {
			t.Fatalf("%q: %d", presented, status)
		}
	})
}

// FuzzTokenForm: the token endpoint answers whatever form without a fault.
func FuzzTokenForm(f *testing.F) {
	r := start(f)
	f.Add("grant_type=refresh_token&refresh_token=a.b&client_id=p")
	f.Add("grant_type=authorization_code&code=" + strings.Repeat("a", 40) + "&client_id=p")
	f.Add("grant_type=%zz;a")
	f.Fuzz(func(t *testing.T, form string) {
		request := httptest.NewRequest(http.MethodPost, "/oidc/token", strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, request)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusUnauthorized && w.Code != http.StatusRequestEntityTooLarge {
			t.Fatalf("%q: %d %s", form, w.Code, w.Body)
		}
	})
}
