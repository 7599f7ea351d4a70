package web_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/web"
)

// host is a Mux with one page and one machine endpoint, and what it logged.
type host struct {
	*web.Mux
	log *bytes.Buffer
}

func newHost(t *testing.T, change func(*web.Config)) host {
	t.Helper()
	log := &bytes.Buffer{}
	config := web.Config{
		Issuer: "https://auth.example.fr",
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Problem: func(w http.ResponseWriter, r *http.Request, status int) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "page %d %s", status, web.Reference(r))
		},
	}
	if change != nil {
		change(&config)
	}
	mux, err := web.New(config)
	if err != nil {
		t.Fatal(err)
	}
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s form=%s body=%d", r.Method, r.URL.Path, r.PostFormValue("a"), len(body))
	})
	mux.Page("GET /login", echo)
	mux.Page("POST /login", echo)
	mux.Machine("POST /token", echo)
	mux.Page("GET /crash", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("broken") }))
	return host{mux, log}
}

func (h host) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	h := newHost(t, nil)
	for _, target := range []string{"/login", "/nowhere", "/crash"} {
		got := h.do("GET", target, "").Header()
		for name, want := range map[string]string{
			"Cache-Control":             "no-store",
			"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
			"Referrer-Policy":           "no-referrer",
			"Strict-Transport-Security": "max-age=31536000",
			"X-Content-Type-Options":    "nosniff",
			"X-Frame-Options":           "DENY",
		} {
			if got.Get(name) != want {
				t.Errorf("R-WEB-01 %s: %s is %q", target, name, got.Get(name))
			}
		}
	}
	plain := newHost(t, func(c *web.Config) { c.Issuer = "http://127.0.0.1:8080" })
	if hsts := plain.do("GET", "/login", "").Header().Get("Strict-Transport-Security"); hsts != "" {
		t.Errorf("HSTS over plain http: %q", hsts)
	}
}

func TestIssuer(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://auth.example.fr": true, "https://ent.example.fr/loge": true, "http://127.0.0.1:8080": true,
		"http://[::1]:80": true, "http://localhost:1": true,
		"": false, "auth.example.fr": false, "http://auth.example.fr": false, "ftp://x": false,
		"https://a:b@x": false, "https://x?q": false, "https://x#f": false, "https:///path": false,
	} {
		if _, err := web.New(web.Config{Issuer: issuer}); (err == nil) != good {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

func TestIssuerWithAPath(t *testing.T) {
	h := newHost(t, func(c *web.Config) { c.Issuer = "https://ent.example.fr/loge" })
	if w := h.do("GET", "/loge/login", ""); w.Body.String() != "GET /login form= body=0" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := h.do("GET", "/login", ""); w.Code != 404 {
		t.Errorf("outside the issuer: %d", w.Code)
	}
}

func TestAgainServesAnotherRouteWithinARequest(t *testing.T) {
	for issuer, base := range map[string]string{"https://auth.example.fr": "", "https://ent.example.fr/loge": "/loge"} {
		h := newHost(t, func(c *web.Config) { c.Issuer = issuer })
		h.Page("POST /leave", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			back := r.Clone(r.Context())
			back.Method, back.URL, back.Body = http.MethodGet, &url.URL{Path: "/login"}, http.NoBody
			h.Again(w, back)
		}))
		if w := h.do("POST", base+"/leave", "a=1"); !strings.HasPrefix(w.Body.String(), "GET /login ") {
			t.Errorf("%s: %d %s", issuer, w.Code, w.Body)
		}
		if n := strings.Count(h.log.String(), "\n"); n != 1 {
			t.Errorf("%s: %d lines in the log", issuer, n)
		}
	}
}

func TestRWEB10Methods(t *testing.T) {
	h := newHost(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/login", 200, ""},
		{"HEAD", "/login", 200, ""},
		{"PUT", "/login", 405, "GET, HEAD, POST"},
		{"TRACE", "/login", 405, "GET, HEAD, POST"},
		{"DELETE", "/token", 405, "POST"},
		{"GET", "/token", 405, "POST"},
		{"TRACE", "/nowhere", 405, "GET, HEAD, POST"},
		{"GET", "/nowhere", 404, ""},
	} {
		w := h.do(c.method, c.path, "")
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
		if c.status >= 400 && !strings.HasPrefix(w.Body.String(), fmt.Sprintf("page %d ", c.status)) {
			t.Errorf("%s %s: no page but %q", c.method, c.path, w.Body)
		}
	}
	h.Page("GET /who", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cookie", r.Header.Get("Cookie"))
	}))
	for method, want := range map[string]string{"GET": "a=1", "HEAD": ""} {
		if got := h.do(method, "/who", "", "Cookie", "a=1").Header().Get("X-Cookie"); got != want {
			t.Errorf("%s of somebody: seen as %q", method, got)
		}
	}
	if w := h.do("POST", "/login", "a=1", "X-HTTP-Method-Override", "DELETE"); w.Body.String() != "POST /login form=1 body=0" {
		t.Errorf("override: %s", w.Body)
	}
}

func TestPatternWithoutMethodIsRefused(t *testing.T) {
	h := newHost(t, nil)
	for _, pattern := range []string{"/any", "PUT /any", "TRACE /any"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", pattern)
				}
			}()
			h.Page(pattern, http.NotFoundHandler())
		}()
	}
}

func TestRWEB11Bodies(t *testing.T) {
	h := newHost(t, nil)
	full := "a=" + strings.Repeat("x", web.MaxBody-2)
	if w := h.do("POST", "/token", full); w.Code != 200 {
		t.Errorf("a full body: %d", w.Code)
	}
	for _, path := range []string{"/token", "/login", "/nowhere"} {
		if w := h.do("POST", path, full+"x"); w.Code != 413 {
			t.Errorf("%s: a body too large: %d", path, w.Code)
		}
		r := httptest.NewRequest("POST", path, io.MultiReader(strings.NewReader(full), strings.NewReader("xx")))
		r.ContentLength = -1
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 413 {
			t.Errorf("%s: a body of unknown length, too large: %d", path, w.Code)
		}
		if w := h.do("POST", path, "a=1", "Content-Encoding", "gzip"); w.Code != 415 {
			t.Errorf("%s: an encoded body: %d", path, w.Code)
		}
	}
	if w := h.do("POST", "/login", "a=%zz"); w.Code != 400 {
		t.Errorf("a malformed form: %d", w.Code)
	}
}

func TestRWEB06Origins(t *testing.T) {
	h := newHost(t, nil)
	for _, c := range []struct {
		name    string
		path    string
		headers []string
		status  int
	}{
		{"our own page", "/login", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"no browser", "/login", nil, 200},
		{"behind a proxy that changes Host", "/login", []string{"Origin", "https://auth.example.fr"}, 200},
		{"another site", "/login", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"a site of the same domain", "/login", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.example.fr"}, 403},
		{"another site, older browser", "/login", []string{"Origin", "https://evil.example"}, 403},
		{"a hidden origin", "/login", []string{"Origin", "null"}, 403},
		{"an endpoint of a protocol", "/token", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 200},
	} {
		if w := h.do("POST", c.path, "a=1", c.headers...); w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.status)
		}
	}
	if w := h.do("GET", "/login", "", "Sec-Fetch-Site", "cross-site"); w.Code != 200 {
		t.Errorf("a link from another site: %d", w.Code)
	}
}

func TestPanicBecomesAPageWithAReference(t *testing.T) {
	h := newHost(t, nil)
	w := h.do("GET", "/crash", "")
	match := regexp.MustCompile(`^page 500 ([A-Z2-7]{4}-[A-Z2-7]{4})$`).FindStringSubmatch(w.Body.String())
	if w.Code != 500 || match == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if n := strings.Count(h.log.String(), "ref="+match[1]); n != 2 { // the panic and the request
		t.Errorf("the reference is %d times in the log:\n%s", n, h.log)
	}
	broken := newHost(t, func(c *web.Config) {
		c.Problem = func(http.ResponseWriter, *http.Request, int) { panic("the page too") }
	})
	if w := broken.do("GET", "/crash", ""); w.Code != 500 || !strings.HasPrefix(w.Body.String(), "Internal Server Error") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRWEB16AccessLog(t *testing.T) {
	h := newHost(t, nil)
	h.do("GET", "/login?code=s3cret&x=%0aforged", "", "User-Agent", "a\nforged=1")
	line := h.log.String()
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "s3cret") || strings.Contains(line, "forged") {
		t.Errorf("%q", line)
	}
	for _, want := range []string{"method=GET", `route="GET /login"`, "status=200", "client=192.0.2.1"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %q", want, line)
		}
	}
}

func TestRAUTH18ClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	type seen struct{ Addr, Range string }
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       seen
	}{
		{"direct", "192.0.2.7:1", nil, seen{"192.0.2.7", "192.0.2.0/24"}},
		{"forged", "192.0.2.7:1", []string{"203.0.113.9"}, seen{"192.0.2.7", "192.0.2.0/24"}},
		{"through a proxy", "10.1.1.1:1", []string{"203.0.113.9"}, seen{"203.0.113.9", "203.0.113.0/24"}},
		{"forged through a proxy", "10.1.1.1:1", []string{"1.1.1.1, 203.0.113.9"}, seen{"203.0.113.9", "203.0.113.0/24"}},
		{"forged in a header of its own", "10.1.1.1:1", []string{"1.1.1.1", "203.0.113.9, 10.2.2.2"}, seen{"203.0.113.9", "203.0.113.0/24"}},
		{"through a proxy that says nothing", "10.1.1.1:1", nil, seen{"10.1.1.1", "10.1.1.0/24"}},
		{"through a proxy that says nonsense", "10.1.1.1:1", []string{"unknown"}, seen{"10.1.1.1", "10.1.1.0/24"}},
		{"IPv6", "[2001:db8:1:2:3::4]:1", nil, seen{"2001:db8:1:2:3::4", "2001:db8:1:2::/64"}},
		{"IPv4 in IPv6", "[::ffff:192.0.2.7]:1", nil, seen{"192.0.2.7", "192.0.2.0/24"}},
		{"IPv6 proxy", "[fd00::1]:1", []string{"2001:db8::9"}, seen{"2001:db8::9", "2001:db8::/64"}},
	} {
		mux, err := web.New(web.Config{Issuer: "https://auth.example.fr", Proxies: proxies, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var got seen
		mux.Page("GET /", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = seen{web.ClientAddr(r).String(), web.ClientRange(r)}
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("Forwarded", "for=9.9.9.9")
		for _, value := range c.forwarded {
			r.Header.Add("X-Forwarded-For", value)
		}
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
