package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/demo/demotest"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/standard"
)

const secretOfTheTest = "a-secret-of-22-letters"

func section(t *testing.T, values map[string]any) plugin.Section {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// start opens Loge and the application, each on a port of its own.
func start(t *testing.T) (loge, application string) {
	t.Helper()
	var handlers [2]http.Handler
	var urls [2]string
	for i := range handlers {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handlers[i].ServeHTTP(w, r) }))
		t.Cleanup(s.Close)
		urls[i] = s.URL
	}
	// Cookies know no ports: the two must have different names.
	urls[1] = strings.Replace(urls[1], "127.0.0.1", "localhost", 1)
	keys, err := server.MakeKeys()
	if err != nil {
		t.Fatal(err)
	}
	plugins := standard.Plugins()
	plugins.Directories["memory"] = func() plugin.Config[directory.Directory, directory.Env] { return &memory.DirectoryConfig{} }
	opened, err := server.Open(t.Context(), server.Config{
		Issuer: urls[0], KeyMaterial: keys,
		Site:      render.Site{Name: render.Text{"fr": "Valmont", "en": "Valmont"}, Account: render.Text{"fr": "de l’université", "en": "university"}},
		Directory: section(t, map[string]any{"type": "memory"}), Store: section(t, map[string]any{"type": "memory"}),
		Protocols: map[string]plugin.Section{"oidc": section(t, map[string]any{"clients": []any{map[string]any{
			"id": "bff", "name": "Agenda", "secret": secretOfTheTest, "redirectURIs": []string{urls[1] + "/callback"},
			"postLogoutRedirectURIs": []string{urls[1] + "/"}}}})},
	}, plugins, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	handlers[0] = opened.Handler()
	b, err := newBackend(t.Context(), urls[0], urls[1], "bff", secretOfTheTest)
	if err != nil {
		t.Fatal(err)
	}
	handlers[1] = b.handler()
	return urls[0], urls[1]
}

func TestTokensStayInTheBackend(t *testing.T) {
	_, application := start(t)
	b := demotest.New(t)
	b.Open(application + "/api/me")
	if b.Status != http.StatusUnauthorized {
		t.Fatalf("nobody signed in: %d", b.Status)
	}
	b.Open(application + "/login")
	b.Submit("username", "elefevre", "password", "Valmont-elefevre-2026")
	b.At("/callback", "Continue")
	for _, word := range []string{"access_token", "refresh_token", "id_token", "eyJ"} {
		if strings.Contains(b.Page, word) {
			t.Errorf("the browser is given %q", word)
		}
	}
	b.Open(application + "/api/me")
	if b.Status != http.StatusOK || !strings.Contains(b.Page, `"name":"Élodie Lefèvre"`) {
		t.Errorf("%d %s", b.Status, b.Page)
	}
	b.Open(application + "/")
	b.Submit() // sign out, here and at Loge
	b.At("/", "Agenda")
	b.Open(application + "/api/me")
	if b.Status != http.StatusUnauthorized {
		t.Errorf("after the sign-out: %d", b.Status)
	}
	b.Open(application + "/login")
	if strings.HasPrefix(b.URL.String(), application) || !strings.Contains(b.Page, `name="password"`) {
		t.Errorf("the session at Loge goes on: %s", b.URL)
	}
}

// A sign-in ends in the browser in which it began, with the state it began
// with, by the issuer it was sent to; and no other site signs people out.
func TestForgeries(t *testing.T) {
	loge, application := start(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent := func() url.Values {
		t.Helper()
		answer, err := client.Get(application + "/login")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		to, err := answer.Location()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range answer.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("%+v", c)
			}
		}
		return to.Query()
	}
	try := func(client *http.Client, answer url.Values) (int, string) {
		t.Helper()
		got, err := client.Get(application + "/callback?" + answer.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, string(text)
	}
	state := sent().Get("state")
	for name, c := range map[string]struct {
		client *http.Client
		answer url.Values
	}{
		"another browser": {http.DefaultClient, url.Values{"state": {state}, "iss": {loge}, "code": {"c"}}},
		"another state":   {client, url.Values{"state": {"x"}, "iss": {loge}, "code": {"c"}}},
	} {
		if status, text := try(c.client, c.answer); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	state = sent().Get("state")
	if status, text := try(client, url.Values{"state": {state}, "iss": {"https://evil.example"}, "code": {"c"}}); status != http.StatusBadRequest {
		t.Errorf("another issuer: %d %s", status, text)
	}
	forged, err := http.NewRequest(http.MethodPost, application+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	forged.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := client.Do(forged)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("signed out by another site: %d", answer.StatusCode)
	}
}
