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

// FuzzAuthorize: whatever is asked, the answer is a page, or goes to a
// registered place, and nobody gets a code without a session.
func FuzzAuthorize(f *testing.F) {
	r := newWorld(f).serve(keyed(), "")
	f.Add(params().Encode())
	f.Add(params("prompt", "none").Encode())
	f.Add(params("claims", `{"userinfo":{"name":null}}`, "max_age", "1", "response_mode", "form_post").Encode())
	f.Add(paramsK("request", "eyJhbGciOiJub25lIn0.e30.").Encode())
	f.Add(named("w", "urn:ietf:params:oauth:request_uri:"+strings.Repeat("a", 29)).Encode())
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest(http.MethodGet, "/oidc/authorize", nil)
		request.URL.RawQuery = query
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, request)
		location := w.Header().Get("Location")
		if w.Code >= 500 || strings.Contains(location, "code=") || location != "" && w.Code != http.StatusSeeOther {
			t.Fatalf("%q: %d %q", query, w.Code, location)
		}
		if location == "" {
			return
		}
		place, _, _ := strings.Cut(location, "error=")
		place = strings.TrimRight(place, "?&")
		if !slices.Contains([]string{callback, callbackX, "https://x.example/cb", "fr.example.p:/cb"}, place) &&
			!strings.HasPrefix(place, "http://127.0.0.1") && !strings.HasPrefix(place, "http://[::1]") {
			t.Fatalf("%q: to %q", query, location)
		}
	})
}

// FuzzJWT: nothing but what its key signed is read, as an assertion, as a
// request and as a hint.
func FuzzJWT(f *testing.F) {
	r := newWorld(f).serve(keyed(), "")
	f.Add(unsecured(f, r.assertion(nil)))
	f.Add(object(f, "ES256", map[string]any{"iss": "w", "sub": "w"}))
	f.Add("a.b.c")
	f.Add(`{"payload":"e30","signatures":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"k"}, "client_assertion": {text}, "client_assertion_type": {assertionType}}
		request := httptest.NewRequest(http.MethodPost, "/oidc/token", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, request)
		if text != "" && w.Code != http.StatusUnauthorized {
			t.Fatalf("assertion %q: %d %s", text, w.Code, w.Body)
		}
		for _, v := range []url.Values{paramsK("request", text), paramsK("id_token_hint", text)} {
			if got := serveLocal(r, "/oidc/authorize?"+v.Encode(), ""); text != "" && (got.Code != http.StatusSeeOther || !strings.Contains(got.Header().Get("Location"), "error=")) {
				t.Fatalf("%q: %d", text, got.Code)
			}
		}
	})
}

// FuzzRefreshToken: nothing but the token itself goes on with a grant.
func FuzzRefreshToken(f *testing.F) {
	r := start(f)
	token := signIn(f, r, "openid").text("refresh_token")
	f.Add(token[:len(token)-1])
	f.Add(strings.Replace(token, ".", "..", 1))
	f.Add("." + token)
	f.Fuzz(func(t *testing.T, presented string) {
		if presented == token {
			return
		}
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"p"}, "refresh_token": {presented}}
		request := httptest.NewRequest(http.MethodPost, "/oidc/token", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, request)
		if w.Code != http.StatusBadRequest {
			t.Fatalf("%q: %d %s", presented, w.Code, w.Body)
		}
	})
}

// FuzzCookie: nothing but the cookie itself is somebody's session.
func FuzzCookie(f *testing.F) {
	r := start(f)
	b := r.browser()
	b.code(params())
	at, err := url.Parse(r.url)
	if err != nil {
		f.Fatal(err)
	}
	var name, value string
	for _, c := range b.client.Jar.Cookies(at) {
		if strings.Contains(c.Name, "session") {
			name, value = c.Name, c.Value
		}
	}
	silent := "/oidc/authorize?" + params("prompt", "none").Encode()
	signedIn := func(cookie string) bool {
		request := httptest.NewRequest(http.MethodGet, silent, nil)
		request.Header["Cookie"] = []string{name + "=" + cookie}
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, request)
		return strings.Contains(w.Header().Get("Location"), "code=")
	}
	if !signedIn(value) {
		f.Fatal("the cookie itself is nobody's")
	}
	f.Add(value[:len(value)-1])
	f.Add(value + "; " + name + "=" + value)
	f.Add(strings.Repeat("a", len(value)))
	f.Fuzz(func(t *testing.T, cookie string) {
		if signedIn(cookie) && strings.Trim(cookie, " \t") != value && strings.Trim(cookie, "\"") != value {
			t.Fatalf("%q is somebody's", cookie)
		}
	})
}
