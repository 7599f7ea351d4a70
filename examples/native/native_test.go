package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/loge-idp/loge/providers/demo"
	"github.com/loge-idp/loge/providers/demo/demotest"
	"github.com/loge-idp/loge/providers/standard"
)

// start opens the demonstration and returns its URL.
func start(t *testing.T) string {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	d, err := demo.Open(t.Context(), standard.Plugins(), server.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Server.Close() })
	handler = d.Handler
	return server.URL
}

// signing is a person with a browser, who signs in and follows the redirect
// back to the program.
func signing(t *testing.T, browsing *sync.WaitGroup, opened *int) func(string) error {
	return func(url string) error {
		*opened++
		browsing.Go(func() {
			b := demotest.New(t)
			b.Open(url)
			b.Submit("username", "elefevre", "password", "Valmont-elefevre-2026")
			b.At("/callback", "You may close this page")
		})
		return nil
	}
}

func TestSignInAndRefresh(t *testing.T) {
	issuer, opened := start(t), 0
	var browsing sync.WaitGroup
	a := app{issuer: issuer, client: "demo-native", file: filepath.Join(t.TempDir(), "token"), open: signing(t, &browsing, &opened)}
	for range 3 {
		name, err := a.run(t.Context())
		if err != nil || !strings.Contains(name, "Lefèvre") {
			t.Fatalf("%q, %v", name, err)
		}
	}
	browsing.Wait()
	if opened != 1 {
		t.Errorf("the browser was opened %d times, want once", opened)
	}
	if info, err := os.Stat(a.file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token: %v, %v", info, err)
	}
	// A token that is no longer good only means to sign in again.
	if err := os.WriteFile(a.file, []byte(`{"refresh_token":"old"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.run(t.Context()); err != nil || opened != 2 {
		t.Errorf("%v, opened %d times", err, opened)
	}
	browsing.Wait()
}

// Whatever else is sent to the port is no answer: another state, another
// issuer (mix-up), a second one.
func TestCallback(t *testing.T) {
	answers := make(chan answer, 1)
	server := httptest.NewServer(callback("https://auth.example", "s", answers))
	t.Cleanup(server.Close)
	send := func(state, issuer string) int {
		t.Helper()
		answer, err := http.Get(server.URL + "/callback?" + url.Values{"state": {state}, "iss": {issuer}, "code": {"c"}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	for _, c := range []struct {
		state, issuer string
		status        int
	}{
		{"x", "https://auth.example", 400}, {"", "https://auth.example", 400}, {"s", "https://evil.example", 400}, {"s", "", 400},
		{"s", "https://auth.example", 200}, {"s", "https://auth.example", 400},
	} {
		if status := send(c.state, c.issuer); status != c.status {
			t.Errorf("state %q of %q: %d, want %d", c.state, c.issuer, status, c.status)
		}
	}
	if got := <-answers; got.code != "c" || got.err != nil {
		t.Errorf("%+v", got)
	}
}
