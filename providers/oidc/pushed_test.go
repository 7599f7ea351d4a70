package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/loge-idp/loge/pkg/store"
)

func segment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func named(client, uri string) url.Values {
	return url.Values{"client_id": {client}, "request_uri": {uri}}
}

// push pushes a request of W's, and returns its name.
func (r *replica) push(v url.Values) string {
	r.t.Helper()
	got := r.call("/oidc/par", "w", v)
	if got.StatusCode != http.StatusCreated || got.json["expires_in"] != 60.0 || got.Header.Get("Cache-Control") != "no-store" {
		r.t.Fatalf("push: %d %v %v", got.StatusCode, got.json, got.Header)
	}
	return got.text("request_uri")
}

// TestPush is RFC 9126.
func TestPush(t *testing.T) {
	w := newWorld(t)
	config := keyed()
	config.Clients[0].RequirePushedAuthorizationRequests = true
	r := w.serve(config, "")
	other := w.serve(config, r.issuer)
	t.Run("once", func(t *testing.T) {
		b := r.browser()
		uri := r.push(params())
		if !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || strings.Contains(uri, "w.example") {
			t.Errorf("request_uri %q", uri)
		}
		form := b.authorize(named("w", uri))
		r.clock.Advance(30 * time.Minute) // at the login form
		code := b.submit(form, "alice").answer(t)
		if code.Get("state") != "st&te=1" {
			t.Errorf("answer %v", code)
		}
		want(t, "exchange", r.exchange(code.Get("code")), 200, "")
		for _, b := range []*browser{b, r.browser()} {
			if p := b.authorize(named("w", uri)); p.StatusCode != http.StatusBadRequest || p.Header.Get("Location") != "" {
				t.Errorf("again: %d %s", p.StatusCode, p.Header.Get("Location"))
			}
		}
	})
	t.Run("in parallel", func(t *testing.T) {
		b, z := r.browser(), other.browser()
		b.submit(b.authorize(named("w", r.push(params()))), "alice")
		z.client = b.client
		uri := r.push(params())
		var codes, others atomic.Int64
		var racers sync.WaitGroup
		for n := range 20 {
			racers.Go(func() {
				p := []*browser{b, z}[n%2].authorize(named("w", uri))
				if strings.Contains(p.Header.Get("Location"), "code=") {
					codes.Add(1)
				} else if p.StatusCode < 500 {
					others.Add(1)
				}
			})
		}
		racers.Wait()
		if codes.Load() != 1 || others.Load() != 19 {
			t.Errorf("%d codes, %d refusals", codes.Load(), others.Load())
		}
	})
	t.Run("while another is about to use it", func(t *testing.T) {
		b := r.browser()
		b.submit(b.authorize(named("w", r.push(params()))), "alice")
		uri := r.push(params())
		var inner page
		w.store.watch(func(op store.Op) {
			if take, ok := op.(*store.Take); ok && strings.HasPrefix(take.Key.Name, "oidc par") {
				w.store.watch(nil)
				inner = b.authorize(named("w", uri))
			}
		})
		outer := b.authorize(named("w", uri))
		if !inner.answer(t).Has("code") || outer.answer(t).Get("error") != "invalid_request_uri" {
			t.Errorf("%s and %s", inner.Header.Get("Location"), outer.Header.Get("Location"))
		}
	})
	t.Run("not brought in time", func(t *testing.T) {
		uri := r.push(params())
		r.clock.Advance(61 * time.Second)
		if p := r.browser().authorize(named("w", uri)); p.StatusCode != http.StatusBadRequest {
			t.Errorf("%d", p.StatusCode)
		}
	})
	t.Run("another client's", func(t *testing.T) {
		uri := r.push(params())
		for name, v := range map[string]url.Values{"x": named("x", uri), "none": {"request_uri": {uri}}, "cut": named("w", uri[:len(uri)-1]),
			"x with its own redirect": params("client_id", "x", "redirect_uri", callbackX, "request_uri", uri)} {
			p := r.browser().authorize(v)
			if strings.Contains(p.Header.Get("Location"), "code=") || p.Header.Get("X-Form") != "" {
				t.Errorf("%s: %d %s", name, p.StatusCode, p.Header.Get("Location"))
			}
		}
		if p := r.browser().authorize(named("w", uri)); p.Header.Get("X-Form") == "" {
			t.Error("it was used up")
		}
	})
	t.Run("what is beside it does not count", func(t *testing.T) {
		v := named("w", r.push(params("scope", "openid")))
		v.Set("scope", "openid email")
		v.Set("redirect_uri", "https://evil.example/")
		b := r.browser()
		p := b.submit(b.authorize(v), "alice")
		if to := p.Header.Get("Location"); !strings.HasPrefix(to, callback+"?") {
			t.Fatalf("to %s", to)
		}
		if got := r.exchange(p.answer(t).Get("code")); got.text("scope") != "openid" {
			t.Errorf("scope %q", got.text("scope"))
		}
	})
	t.Run("required", func(t *testing.T) {
		if got := r.browser().authorize(params()).answer(t); got.Get("error") != "invalid_request" {
			t.Errorf("W: %v", got)
		}
		if p := r.browser().authorize(asX()); p.Header.Get("X-Form") == "" {
			t.Errorf("X: %d", p.StatusCode)
		}
	})
	t.Run("refused", func(t *testing.T) {
		for name, v := range map[string]url.Values{
			"redirect_uri": params("redirect_uri", "https://evil.example/"), "no redirect_uri": params("redirect_uri", ""),
			"response_type": params("response_type", "token"), "no PKCE": params("code_challenge", ""), "plain": params("code_challenge_method", "plain"),
			"request_uri": params("request_uri", "https://evil.example/"), "scope": params("scope", "email"), "long": params("extra", strings.Repeat("x", 9000)),
			"another client": params("client_id", "x"), "twice": {"scope": {"openid", "openid"}}, "unsigned": params("request", unsecured(t, nil)),
		} {
			if got := r.call("/oidc/par", "w", v); got.StatusCode != http.StatusBadRequest || got.text("error") == "" || got.text("request_uri") != "" {
				t.Errorf("%s: %d %v", name, got.StatusCode, got.json)
			}
		}
		wrong := params("client_secret", "wrong")
		want(t, "secret", decode(t, r.browser().do("POST", "/oidc/par", wrong)), 401, "invalid_client")
		want(t, "public", r.call("/oidc/par", "p", params("client_id", "p", "redirect_uri", nativeCallback)), 400, "unauthorized_client")
		if p := r.browser().get("/oidc/par?" + params().Encode()); p.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", p.StatusCode)
		}
	})
	t.Run("a secret is not kept", func(t *testing.T) {
		var kept []string
		w.store.watch(func(op store.Op) {
			if create, ok := op.(*store.Create); ok && create.Fields["form"] != "" {
				kept = append(kept, create.Fields["form"])
			}
		})
		defer w.store.watch(nil)
		posted := params("client_secret", secrets["w"])
		b := r.browser()
		uri := decode(t, b.do("POST", "/oidc/par", posted)).text("request_uri")
		signed := url.Values{"scope": {"openid"}, "response_type": {"code"}, "redirect_uri": {callback}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}}
		want(t, "K", r.asK("/oidc/par", signed, object(t, jose.ES256, r.assertion(nil))), 201, "")
		if len(kept) != 2 || strings.Contains(strings.Join(kept, " "), "client_secret") || strings.Contains(strings.Join(kept, " "), "client_assertion") {
			t.Errorf("kept %q", kept)
		}
		if p := b.authorize(named("w", uri)); p.Header.Get("X-Form") == "" {
			t.Errorf("%d", p.StatusCode)
		}
	})
	t.Run("who it is may stand in the header alone", func(t *testing.T) {
		b := r.browser()
		if p := b.authorize(named("w", r.push(params("client_id", "")))); p.Header.Get("X-Form") == "" {
			t.Errorf("%d", p.StatusCode)
		}
	})
	t.Run("signed", func(t *testing.T) {
		claims := map[string]any{"iss": "k", "aud": r.issuer}
		for name, values := range paramsK() {
			claims[name] = values[0]
		}
		pushed := url.Values{"request": {object(t, jose.EdDSA, claims)}}
		got := r.asK("/oidc/par", pushed, object(t, jose.ES256, r.assertion(map[string]any{"aud": r.issuer + "/oidc/par"})))
		b := r.browser()
		if code := b.submit(b.authorize(named("k", got.text("request_uri"))), "alice").answer(t).Get("code"); code == "" {
			t.Error("no code")
		}
	})
	t.Run("unavailable", func(t *testing.T) {
		uri := r.push(params())
		r.store.down.Store(true)
		defer r.store.down.Store(false)
		if p := r.browser().authorize(named("w", uri)); p.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("authorize: %d", p.StatusCode)
		}
		want(t, "push", r.call("/oidc/par", "w", params()), 503, "temporarily_unavailable")
	})
}
