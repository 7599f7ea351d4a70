package systemtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	goredis "github.com/redis/go-redis/v9"
)

// oidcWorld is two processes with the cast of the battery: W and X are
// confidential, P is public, K has keys, S must push its requests, A is an API.
type oidcWorld struct {
	*world
	key    *ecdsa.PrivateKey // K's
	told   *listener         // of the end of sessions
	canary *listener         // must never be called
}

// The places of the cast. Nobody listens there.
const (
	callbackX = "http://127.0.0.1:9/x?keep=%2F+1"
	bye       = "http://127.0.0.1:9/bye"
	native    = "http://127.0.0.1/native"
	ownScheme = "fr.example.app:/cb"
	verifier  = "a-verifier-of-at-least-forty-three-characters-0123"
)

// listener keeps what is posted to it.
type listener struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
	heads []http.Header
}

func listen(t *testing.T) *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forms, l.heads = append(l.forms, form), append(l.heads, r.Header)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) received() []url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]url.Values(nil), l.forms...)
}

// newOIDC starts the servers and both processes.
func newOIDC(t *testing.T) *oidcWorld {
	t.Helper()
	o := &oidcWorld{told: listen(t), canary: listen(t)}
	var err error
	if o.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: o.key.Public(), KeyID: "k1", Algorithm: "ES256"}}})
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "k.json")
	if err := os.WriteFile(keys, set, 0o600); err != nil {
		t.Fatal(err)
	}
	hanging := hang(t)
	clients := `    clients:
      - {id: w, name: Wiki, secret: "${env:LOGE_PORTAL_SECRET}", redirectURIs: ["` + callback + `"], postLogoutRedirectURIs: ["` + bye + `"],
         scopes: [openid, profile, email, address, phone, offline_access], backchannelLogoutURI: "` + o.told.URL + `/w"}
      - {id: x, name: Xerox, secret: "${env:LOGE_PORTAL_SECRET}", redirectURIs: ["` + callbackX + `", "` + callback + `"], requirePKCE: false,
         scopes: [openid, profile], signingAlgorithm: ES256, backchannelLogoutURI: "` + hanging + `"}
      - {id: p, name: Pocket, public: true, redirectURIs: ["` + native + `", "` + ownScheme + `"]}
      - {id: k, name: Keys, jwksFile: "` + keys + `", redirectURIs: ["` + callback + `"], accessTokenFormat: jwt, audience: [a]}
      - {id: s, name: Strict, secret: "${env:LOGE_PORTAL_SECRET}", redirectURIs: ["` + callback + `"], requirePushedAuthorizationRequests: true}
      - {id: a, name: API, secret: "${env:LOGE_PORTAL_SECRET}", clientCredentials: true}
`
	from, to := strings.Index(configuration, "    clients:\n"), strings.Index(configuration, "  cas:\n")
	o.world = newServers(t, university, configuration[:from]+clients+configuration[to:])
	o.a, o.b = o.serve(t), o.serve(t)
	return o
}

// hang is the address of an application that accepts and never answers.
func hang(t *testing.T) string {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); s.Close() })
	return s.URL
}

// pass makes a time go by in the store, which measures all lifetimes of codes
// and grants: what ends meanwhile is gone.
func (w *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	script := `for _, key in ipairs(redis.call('KEYS', '*')) do
		if redis.call('TYPE', key).ok == 'hash' then
			local ttl = redis.call('PTTL', key)
			for _, field in ipairs(redis.call('HKEYS', key)) do
				if field == '.l' or field == '.ta' or field == '.na' or field:sub(1, 2) == '.w' then redis.call('HINCRBY', key, field, -ARGV[1]) end
			end
			if ttl >= 0 then redis.call('PEXPIRE', key, ttl - ARGV[1]) end
		end
	end`
	if err := redis.Eval(t.Context(), script, nil, d.Milliseconds()).Err(); err != nil && !errors.Is(err, goredis.Nil) {
		t.Fatal(err)
	}
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ask is a good authorization request of W, changed by pairs; an empty value
// removes.
func ask(changes ...string) url.Values {
	return changed(url.Values{"client_id": {"w"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {"st&te=1"}, "nonce": {"n-0"}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}, changes)
}

func askX(changes ...string) url.Values {
	return ask(append([]string{"client_id", "x", "redirect_uri", callbackX}, changes...)...)
}

func askP(changes ...string) url.Values {
	return ask(append([]string{"client_id", "p", "redirect_uri", native}, changes...)...)
}

// redeem is a good token request of W.
func redeem(code string, changes ...string) url.Values {
	return changed(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, changes)
}

func changed(v url.Values, changes []string) url.Values {
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			v.Del(changes[i])
		} else {
			v.Set(changes[i], changes[i+1])
		}
	}
	return v
}

// authorize asks, and stops at the answer.
func (b *browser) authorize(v url.Values) *page {
	b.t.Helper()
	return b.do(http.MethodGet, issuer+"/oidc/authorize?"+v.Encode(), nil)
}

// answer is what the redirect to the application says.
func (p *page) answer() url.Values {
	p.t.Helper()
	to := p.location()
	if to == nil || "http://"+to.Host == issuer {
		p.t.Fatalf("no redirect to an application: %d %q %v", p.status, p.title(), to)
	}
	return to.Query()
}

// page says that the answer leads nowhere.
func (p *page) leadsNowhere(status int) {
	p.t.Helper()
	if p.status != status || p.header.Get("Location") != "" {
		p.t.Errorf("%d to %q, want %d and no redirect", p.status, p.header.Get("Location"), status)
	}
}

// person signs somebody in with a browser of their own.
func (o *oidcWorld) person(t testing.TB, uid string) *browser {
	t.Helper()
	b := newBrowser(t, o.a)
	b.signIn(b.get("/login"), uid, password(uid)).shows(http.StatusOK, "You are signed in")
	return b
}

// code goes on with a session.
func (b *browser) code(v url.Values) string {
	b.t.Helper()
	code := b.authorize(v).answer().Get("code")
	if code == "" {
		b.t.Fatal("no code")
	}
	return code
}

// said is the answer to a program.
type said struct {
	status int
	header http.Header
	json   map[string]any
}

func (s said) text(name string) string { v, _ := s.json[name].(string); return v }

// call posts a form as a client, by client_secret_basic where it has a secret.
func (n *node) call(t testing.TB, path, client string, form url.Values, header ...string) said {
	t.Helper()
	if client != "" && client != "p" {
		header = append(header, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(client+":"+clientSecret)))
	} else if client == "p" {
		form.Set("client_id", "p")
	}
	return n.send(t, http.MethodPost, path, form.Encode(), header...)
}

func (n *node) send(t testing.TB, method, path, body string, header ...string) said {
	t.Helper()
	r, err := http.NewRequest(method, issuer+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return said{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := n.client.Do(r)
	if err != nil {
		t.Error(err) // not Fatal: races call this from many goroutines
		return said{}
	}
	defer answer.Body.Close()
	out := said{status: answer.StatusCode, header: answer.Header}
	if text, err := io.ReadAll(answer.Body); err != nil {
		t.Error(err)
	} else if strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &out.json); err != nil {
			t.Error(err)
		}
	}
	return out
}

// is demands a status and an error.
func (s said) is(t testing.TB, what string, status int, code string) said {
	t.Helper()
	if s.status != status || s.text("error") != code {
		t.Errorf("%s: %d %v, want %d %q", what, s.status, s.json, status, code)
	}
	return s
}

func (n *node) exchange(t testing.TB, code string) said {
	t.Helper()
	return n.call(t, "/oidc/token", "w", redeem(code))
}

func (n *node) refresh(t testing.TB, client, token string, changes ...string) said {
	t.Helper()
	return n.call(t, "/oidc/token", client, changed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, changes))
}

func (n *node) whoIs(t testing.TB, access string) said {
	t.Helper()
	return n.send(t, http.MethodGet, "/oidc/userinfo", "", "Authorization", "Bearer "+access)
}

func (n *node) active(t testing.TB, client, token string) bool {
	t.Helper()
	return n.call(t, "/oidc/introspect", client, url.Values{"token": {token}}).json["active"] == true
}

// granted signs alice in and returns W's tokens.
func (o *oidcWorld) granted(t testing.TB, scope string) (*browser, said) {
	t.Helper()
	b := o.person(t, "elefevre")
	return b, o.b.exchange(t, b.code(ask("scope", scope))).is(t, "exchange", 200, "")
}

// signed is a JWT by K's key.
func (o *oidcWorld) signed(t testing.TB, claims map[string]any) string {
	t.Helper()
	return signedBy(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: o.key, KeyID: "k1"}}, claims)
}

func signedBy(t testing.TB, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(plain)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func unsecured(t testing.TB, claims map[string]any) string {
	t.Helper()
	plain, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(plain) + "."
}

// assertion is how K says who it is.
func (o *oidcWorld) assertion(t testing.TB) url.Values {
	t.Helper()
	return url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {
		o.signed(t, map[string]any{"iss": "k", "sub": "k", "aud": issuer, "jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix()})}}
}

// with joins forms.
func with(forms ...url.Values) url.Values {
	out := url.Values{}
	for _, form := range forms {
		for name, values := range form {
			out[name] = values
		}
	}
	return out
}

// published are the keys of the server.
func (n *node) published(t testing.TB) jose.JSONWebKeySet {
	t.Helper()
	answer, err := n.client.Get(issuer + "/oidc/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return set
}

// verified reads a token of the server with the published keys.
func (n *node) verified(t testing.TB, token, algorithm, typ string) map[string]any {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		t.Fatalf("%q: %v", token, err)
	}
	header := jws.Signatures[0].Protected
	set := n.published(t)
	keys := set.Key(header.KeyID)
	if len(keys) != 1 || header.ExtraHeaders[jose.HeaderType] != typ {
		t.Fatalf("%d keys of kid %q, typ %v", len(keys), header.KeyID, header.ExtraHeaders[jose.HeaderType])
	}
	plain, err := jws.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(plain, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
