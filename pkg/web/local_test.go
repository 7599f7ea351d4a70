package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/web"
)

func TestRWEB08LocalPath(t *testing.T) {
	for value, local := range map[string]bool{
		"/": true, "/login": true, "/account/": true, "/cas/login?service=https://x/y//z": true, "/a?b=%0a": true,
		"": false, "login": false, "//evil": false, `/\evil`: false, `\\evil`: false, "/%09/evil": false, "/\t/evil": false,
		"/%2f/evil": false, "/%5cevil": false, "https:evil": false, "https://evil": false, "///evil": false,
		"/a/..//evil": false, "/../evil": false, "/./evil": false, "/a#b": false, "/a\nb": false, "/\u2028": false,
		"javascript:alert(1)": false, "/%zz": false,
	} {
		if web.LocalPath(value) != local {
			t.Errorf("%q: %v", value, !local)
		}
	}
}

func FuzzRWEB08LocalPath(f *testing.F) {
	for _, seed := range []string{"/login?x=1", "//evil", `/\evil`, "/%09/evil", "https:evil", "/a/..//evil", "/@evil"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://auth.example.fr/login")
	f.Fuzz(func(t *testing.T, value string) {
		if !web.LocalPath(value) {
			return
		}
		to, err := base.Parse(value)
		if err != nil || to.Scheme != "https" || to.Host != base.Host || to.User != nil {
			t.Errorf("%q leads to %v (%v)", value, to, err)
		}
		w := httptest.NewRecorder()
		http.Redirect(w, httptest.NewRequest("GET", "/login", nil), value, http.StatusSeeOther)
		if location := w.Header().Get("Location"); len(location) > 1 && (location[1] == '/' || location[1] == '\\') {
			t.Errorf("%q is sent as %q", value, location)
		}
	})
}

func TestCookies(t *testing.T) {
	for _, c := range []struct {
		issuer, want string
	}{
		{"https://auth.example.fr", "__Host-sid=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"},
		{"http://127.0.0.1:8080", "sid=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"},
	} {
		cookies, err := web.CookiesFor(c.issuer)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		cookies.Set(w, "sid", "v", time.Minute)
		cookies.Delete(w, "old")
		set := w.Result().Cookies()
		if diff := cmp.Diff(c.want, w.Header().Get("Set-Cookie")); diff != "" {
			t.Error(diff)
		}
		if set[1].MaxAge != -1 {
			t.Errorf("deleting: %v", set[1])
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(set[0])
		if got := cookies.Get(r, "sid"); got != "v" {
			t.Errorf("got %q", got)
		}
		r.AddCookie(&http.Cookie{Name: cookies.Name("sid"), Value: "planted"})
		if got := cookies.Get(r, "sid"); got != "" {
			t.Errorf("of two cookies, %q was taken", got)
		}
	}
	if _, err := web.CookiesFor("http://auth.example.fr"); err == nil {
		t.Error("plain http on a public address was taken")
	}
}
