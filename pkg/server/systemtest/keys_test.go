package systemtest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/signing"
	"github.com/loge-idp/loge/providers/demo/demotest"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/redis/redistest"
	"github.com/loge-idp/loge/providers/standard"
)

// F-KEY-01: the keys are rotated twice in mid-session on two replicas behind a
// balancer. An application that keeps the published keys for as long as it is
// told, and does not ask again before, never fails to verify a token.
func TestKeysRotateInMidSession(t *testing.T) {
	front := newBalancer(t)
	now := time.Now()
	clock := func() time.Time { return now }
	folder := filepath.Join(t.TempDir(), "keys")
	if err := server.NewKeys(folder); err != nil {
		t.Fatal(err)
	}
	application := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(application.Close)
	master, store := secret.RandomKeyring(), redistest.Start(t).Addr
	var rings []*signing.Ring
	for range 2 {
		ring, err := signing.Open(t.Context(), signing.Files(folder), clock)
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, ring)
		front.replicas = append(front.replicas, replica(t, front.URL, store, application.URL, &server.Keys{Ring: master, Signers: ring}))
	}

	// The application.
	cache := &frugal{now: clock}
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: cache})
	provider, err := oidc.NewProvider(ctx, front.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: "portal", ClientSecret: clientSecret, Endpoint: provider.Endpoint(),
		RedirectURL: application.URL + "/cb", Scopes: []string{oidc.ScopeOpenID}}
	verifier, used := provider.Verifier(&oidc.Config{ClientID: "portal"}), map[string]bool{}
	var live []string
	verify := func(minute int, token *oauth2.Token) {
		t.Helper()
		fresh, _ := token.Extra("id_token").(string)
		live = append(live, fresh)
		used[keyOf(t, fresh)] = true
		for i, each := range live[max(0, len(live)-60):] { // of the last hour
			if _, err := verifier.Verify(ctx, each); err != nil {
				t.Fatalf("minute %d, token %d: %v", minute, i, err)
			}
		}
	}
	pkce := oauth2.GenerateVerifier()
	b := demotest.New(t)
	b.Open(config.AuthCodeURL("s", oauth2.S256ChallengeOption(pkce)))
	b.Submit("username", "elefevre", "password", "Valmont-elefevre-2026")
	token, err := config.Exchange(ctx, b.URL.Query().Get("code"), oauth2.VerifierOption(pkce))
	if err != nil {
		t.Fatal(err)
	}
	verify(0, token)
	for minute := range 150 {
		now = now.Add(time.Minute)
		if minute == 20 || minute == 90 {
			if err := server.RotateKeys(t.Context(), folder, now.Add(signing.MinLead), now); err != nil {
				t.Fatal(err)
			}
		}
		if err := rings[minute%2].Refresh(t.Context()); err != nil { // one after the other finds them
			t.Fatal(err)
		}
		if token, err = config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err != nil {
			t.Fatalf("minute %d: %v", minute, err)
		}
		verify(minute, token)
	}
	if len(used) != 3 || cache.fetched > 20 {
		t.Errorf("%d keys have signed, want 3; the keys were fetched %d times in 150 minutes, want at most 20", len(used), cache.fetched)
	}
}

// balancer sends each request to the next replica.
type balancer struct {
	*httptest.Server
	replicas []http.Handler
	turn     atomic.Int64
}

func newBalancer(t *testing.T) *balancer {
	b := &balancer{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.replicas[int(b.turn.Add(1))%len(b.replicas)].ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func replica(t *testing.T, issuer, store, application string, keys *server.Keys) http.Handler {
	t.Helper()
	section := func(values map[string]any) plugin.Section {
		text, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	plugins := standard.Plugins()
	plugins.Directories["memory"] = func() plugin.Config[directory.Directory, directory.Env] { return &memory.DirectoryConfig{} }
	opened, err := server.Open(t.Context(), server.Config{
		Issuer: issuer, KeyMaterial: keys,
		Site:      render.Site{Name: render.Text{"fr": "Valmont", "en": "Valmont"}, Account: render.Text{"fr": "de l’université", "en": "university"}},
		Directory: section(map[string]any{"type": "memory"}),
		Store:     section(map[string]any{"type": "redis", "topology": "single", "addresses": []string{store}}),
		Protocols: map[string]plugin.Section{"oidc": section(map[string]any{"clients": []any{map[string]any{
			"id": "portal", "name": "Portail", "secret": clientSecret, "redirectURIs": []string{application + "/cb"}}}})},
	}, plugins, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return opened.Handler()
}

// frugal keeps the published keys for the time that their answer says, by the
// clock of the test, whoever asks again before.
type frugal struct {
	now     func() time.Time
	body    []byte
	until   time.Time
	fetched int
}

func (f *frugal) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/keys") {
		return http.DefaultTransport.RoundTrip(r)
	}
	if !f.now().Before(f.until) {
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if f.body, err = io.ReadAll(answer.Body); err != nil {
			return nil, err
		}
		age, ok := strings.CutPrefix(answer.Header.Get("Cache-Control"), "public, max-age=")
		life, err := time.ParseDuration(age + "s")
		if !ok || err != nil {
			return nil, context.DeadlineExceeded // nothing says how long
		}
		f.until, f.fetched = f.now().Add(life), f.fetched+1
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(f.body)), Request: r}, nil
}

func keyOf(t *testing.T, token string) string {
	t.Helper()
	var header struct{ KID string }
	if err := json.Unmarshal(decoded(t, strings.SplitN(token, ".", 2)[0]), &header); err != nil || header.KID == "" {
		t.Fatalf("no kid: %v", err)
	}
	return header.KID
}

func decoded(t *testing.T, part string) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
