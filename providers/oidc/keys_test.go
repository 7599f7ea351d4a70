package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/oidc"
)

// own are the keys of a client, by algorithm.
var own = func() map[jose.SignatureAlgorithm]crypto.Signer {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: rsaKey, jose.PS256: rsaKey, jose.ES256: ec, jose.EdDSA: ed}
}()

// jwks are their public halves.
func jwks() json.RawMessage {
	var set jose.JSONWebKeySet
	for algorithm, key := range own {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: string(algorithm), Algorithm: string(algorithm)})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return text
}

// keyed is the cast with K, a client with keys and no secret.
func keyed() oidc.Config {
	config := cast()
	config.Clients = append(config.Clients, oidc.Client{RelyingParty: relyingParty("K"), ID: "k", JWKS: jwks(),
		RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"https://w.example/bye"}, Scopes: []string{"openid", "profile", "offline_access"}})
	return config
}

// object signs claims as a client does.
func object(t testing.TB, algorithm jose.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	key := jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: own[algorithm], KeyID: string(algorithm)}}
	return signed(t, key, claims)
}

func signed(t testing.TB, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unsecured is a token with alg none.
func unsecured(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return segment([]byte(`{"alg":"none"}`)) + "." + segment(payload) + "."
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertion is a good client_assertion of K, changed by changes; a nil value
// removes.
func (r *replica) assertion(changes map[string]any) map[string]any {
	claims := map[string]any{"iss": "k", "sub": "k", "aud": r.issuer, "exp": r.clock.Now().Add(time.Minute).Unix(), "jti": secret.Random(22)}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// asK posts a form with an assertion.
func (r *replica) asK(path string, form url.Values, assertion string) reply {
	r.t.Helper()
	v := url.Values{"client_assertion": {assertion}, "client_assertion_type": {assertionType}}
	for name, values := range form {
		v[name] = values
	}
	return decode(r.t, (&browser{r, http.DefaultClient}).do("POST", path, v))
}

func paramsK(changes ...string) url.Values {
	return params(append([]string{"client_id", "k", "scope", "openid profile"}, changes...)...)
}

// TestAssertion is private_key_jwt (OpenID Connect Core 1.0 section 9), and
// R-OAUTH-28 and R-OAUTH-49.
func TestAssertion(t *testing.T) {
	w := newWorld(t)
	r := w.serve(keyed(), "")
	other := w.serve(keyed(), r.issuer)
	b := r.browser()
	fresh := func() url.Values { t.Helper(); return codeForm(b.code(paramsK())) }
	for algorithm := range own {
		want(t, string(algorithm), r.asK("/oidc/token", fresh(), object(t, algorithm, r.assertion(nil))), 200, "")
	}
	form := fresh()
	good := r.assertion(nil)
	for name, claims := range map[string]map[string]any{
		"issuer": {"iss": "w"}, "subject": {"sub": "w"}, "audience": {"aud": "https://else.example"}, "no audience": {"aud": nil},
		"over": {"exp": r.clock.Now().Add(-31 * time.Second).Unix()}, "no end": {"exp": nil}, "no jti": {"jti": nil}, "long jti": {"jti": strings.Repeat("j", 257)},
		"too far": {"exp": r.clock.Now().Add(11 * time.Minute).Unix()}, "not yet": {"nbf": r.clock.Now().Add(time.Minute).Unix()},
		"no number": {"exp": "soon"},
	} {
		want(t, name, r.asK("/oidc/token", form, object(t, jose.ES256, r.assertion(claims))), 401, "invalid_client")
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: own[jose.RS256].Public()})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"none":        unsecured(t, good),
		"HS256":       signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: "RS256"}}, good),
		"foreign key": signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: foreign, KeyID: "ES256"}}, good),
		"other kid":   signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: own[jose.ES256], KeyID: "else"}}, good),
		"other alg":   signed(t, jose.SigningKey{Algorithm: jose.PS256, Key: jose.JSONWebKey{Key: rsaKey, KeyID: "RS256"}}, good),
		"no token":    "a.b.c",
	} {
		asK := url.Values{"client_id": {"k"}}
		for name, values := range form {
			asK[name] = values
		}
		want(t, name, r.asK("/oidc/token", asK, text), 401, "invalid_client")
	}
	t.Run("a key without a name", func(t *testing.T) {
		config := keyed()
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: own[jose.ES256].Public()}}})
		if err != nil {
			t.Fatal(err)
		}
		config.Clients[3].JWKS = set
		r := w.serve(config, r.issuer)
		bare := jose.SigningKey{Algorithm: jose.ES256, Key: own[jose.ES256]}
		want(t, "without a kid", r.asK("/oidc/token", codeForm("x"), signed(t, bare, r.assertion(nil))), 400, "invalid_grant")
		want(t, "with one", r.asK("/oidc/token", codeForm("x"), object(t, jose.ES256, r.assertion(nil))), 401, "invalid_client")
	})
	t.Run("ways", func(t *testing.T) {
		text := object(t, jose.ES256, r.assertion(nil))
		both := codeForm("x", "client_secret", "of some sort", "client_id", "k")
		want(t, "two ways", r.asK("/oidc/token", both, text), 400, "invalid_request")
		want(t, "another type", decode(t, b.do("POST", "/oidc/token", codeForm("x", "client_id", "k", "client_assertion", text, "client_assertion_type", "saml"))), 400, "invalid_request")
		want(t, "another client", r.asK("/oidc/token", codeForm("x", "client_id", "w"), text), 401, "invalid_client")
		want(t, "a secret", decode(t, b.do("POST", "/oidc/token", codeForm("x", "client_id", "k", "client_secret", "anything"))), 401, "invalid_client")
		want(t, "nothing", decode(t, b.do("POST", "/oidc/token", codeForm("x", "client_id", "k"))), 401, "invalid_client")
		want(t, "of a client without keys", r.asK("/oidc/token", codeForm("x"), object(t, jose.ES256, r.assertion(map[string]any{"iss": "w", "sub": "w"}))), 401, "invalid_client")
	})
	t.Run("endpoint", func(t *testing.T) {
		for _, audience := range []any{r.issuer + "/oidc/token", []string{"x", r.issuer}} {
			want(t, "token endpoint", r.asK("/oidc/token", fresh(), object(t, jose.ES256, r.assertion(map[string]any{"aud": audience}))), 200, "")
		}
		token := r.asK("/oidc/token", fresh(), object(t, jose.ES256, r.assertion(nil))).text("access_token")
		ask := url.Values{"token": {token}}
		if got := r.asK("/oidc/introspect", ask, object(t, jose.ES256, r.assertion(nil))); got.json["active"] != true {
			t.Errorf("introspection: %d %v", got.StatusCode, got.json)
		}
		want(t, "revocation", r.asK("/oidc/revoke", ask, object(t, jose.ES256, r.assertion(nil))), 200, "")
		want(t, "revoked", r.userinfo(token), 401, "invalid_token")
	})
	t.Run("R-OAUTH-49", func(t *testing.T) {
		text := object(t, jose.ES256, r.assertion(nil))
		var passed, refused atomic.Int64
		var racers sync.WaitGroup
		for n := range 40 {
			racers.Go(func() {
				switch got := []*replica{r, other}[n%2].asK("/oidc/token", codeForm("nonsense"), text); got.text("error") {
				case "invalid_grant": // past the authentication
					passed.Add(1)
				case "invalid_client":
					refused.Add(1)
				}
			})
		}
		racers.Wait()
		if passed.Load() != 1 || refused.Load() != 39 {
			t.Errorf("one assertion passed %d times, was refused %d times", passed.Load(), refused.Load())
		}
		r.clock.Advance(80 * time.Second) // within the skew
		want(t, "later", r.asK("/oidc/token", codeForm("nonsense"), text), 401, "invalid_client")
	})
	t.Run("unavailable", func(t *testing.T) {
		text := object(t, jose.ES256, r.assertion(nil))
		r.store.down.Store(true)
		defer r.store.down.Store(false)
		want(t, "no replay guard, no entry", r.asK("/oidc/token", codeForm("x"), text), 503, "temporarily_unavailable")
	})
}

// TestRequestObject is RFC 9101 and R-OAUTH-28, C-14, C-22.
func TestRequestObject(t *testing.T) {
	r := newWorld(t).serve(keyed(), "")
	claims := func(changes ...string) map[string]any {
		out := map[string]any{"iss": "k", "aud": r.issuer, "exp": r.clock.Now().Add(time.Minute).Unix(), "max_age": 10000}
		for name, values := range paramsK(changes...) {
			out[name] = values[0]
		}
		return out
	}
	with := func(token string, more ...string) url.Values {
		return params(append([]string{"client_id", "k", "request", token, "state", "outer", "nonce", "", "scope", "openid"}, more...)...)
	}
	long := strings.Repeat("s", 384)
	b := r.browser()
	for algorithm := range own {
		p := b.authorize(with(object(t, algorithm, claims("state", long, "nonce", long))))
		if p.Header.Get("X-Form") != "" {
			p = b.submit(p, "alice")
		}
		got := p.answer(t)
		tokens := r.asK("/oidc/token", codeForm(got.Get("code")), object(t, jose.ES256, r.assertion(nil)))
		want(t, string(algorithm), tokens, 200, "")
		if got.Get("state") != long || idClaims(t, tokens).Nonce != long || tokens.text("scope") != "openid profile" {
			t.Errorf("%s: what counts is not what was signed: %v %v", algorithm, got, tokens.json)
		}
	}
	t.Run("over at the login", func(t *testing.T) { // the signature was checked when it was asked
		b := r.browser()
		form := b.authorize(with(object(t, jose.ES256, claims())))
		r.clock.Advance(5 * time.Minute)
		if got := b.submit(form, "alice").answer(t); got.Get("code") == "" {
			t.Errorf("%v", got)
		}
	})
	without := claims()
	delete(without, "redirect_uri")
	inner := claims()
	inner["request"] = "x"
	list := claims()
	list["scope"] = []string{"openid"}
	for name, test := range map[string]struct {
		token, code string
	}{
		"none":       {unsecured(t, claims()), "invalid_request_object"},
		"garbage":    {"x", "invalid_request_object"},
		"issuer":     {object(t, jose.ES256, merge(claims(), "iss", "w")), "invalid_request_object"},
		"audience":   {object(t, jose.ES256, merge(claims(), "aud", "https://else.example")), "invalid_request_object"},
		"over":       {object(t, jose.ES256, merge(claims(), "exp", r.clock.Now().Add(-time.Minute).Unix())), "invalid_request_object"},
		"not yet":    {object(t, jose.ES256, merge(claims(), "nbf", r.clock.Now().Add(time.Minute).Unix())), "invalid_request_object"},
		"client":     {object(t, jose.ES256, claims("client_id", "w")), "invalid_request_object"},
		"inner":      {object(t, jose.ES256, inner), "invalid_request_object"},
		"no text":    {object(t, jose.ES256, list), "invalid_request_object"},
		"assertion":  {object(t, jose.ES256, merge(claims(), "sub", "k")), "invalid_request_object"},
		"its errors": {object(t, jose.ES256, claims("response_type", "token")), "unsupported_response_type"},
	} {
		got := r.browser().authorize(with(test.token)).answer(t)
		if got.Get("error") != test.code || got.Has("code") {
			t.Errorf("%s: %v", name, got)
		}
	}
	t.Run("redirect_uri", func(t *testing.T) { // nobody to answer to: the one beside the object does not count
		if p := r.browser().authorize(with(object(t, jose.ES256, without))); p.StatusCode != http.StatusBadRequest || p.Header.Get("Location") != "" {
			t.Errorf("%d %s", p.StatusCode, p.Header.Get("Location"))
		}
	})
	t.Run("no keys", func(t *testing.T) {
		got := r.browser().authorize(params("request", object(t, jose.ES256, claims("client_id", "w")))).answer(t)
		if got.Get("error") != "request_not_supported" {
			t.Errorf("%v", got)
		}
	})
}

func merge(claims map[string]any, name string, value any) map[string]any {
	claims[name] = value
	return claims
}

// TestClientKeys: what is no public key stops the start.
func TestClientKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, jwks(), 0o600); err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: own[jose.ES256], KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	one, err := json.Marshal(jose.JSONWebKey{Key: own[jose.ES256].Public(), KeyID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	section := func(rest string) string {
		return `{"type":"oidc","clients":[{"id":"k","name":"K","redirectURIs":["https://k.example/cb"],` + rest + `}]}`
	}
	for name, test := range map[string]struct{ rest, begins string }{
		"private":   {`"jwks":` + string(private), "clients[0] (k).jwks.keys[0]: "},
		"symmetric": {`"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}`, "clients[0] (k).jwks.keys[0]: "},
		"twice":     {`"jwks":{"keys":[` + string(one) + `,` + string(one) + `]}`, "clients[0] (k).jwks.keys[1]: "},
		"empty":     {`"jwks":{"keys":[]}`, "clients[0] (k).jwks: "},
		"no set":    {`"jwks":7`, "clients[0] (k).jwks: "},
		"no file":   {`"jwksFile":"` + file + `.not"`, "clients[0] (k).jwksFile: "},
		"both":      {`"jwksFile":"` + file + `","jwks":{}`, "clients[0] (k).jwks: "},
		"public":    {`"public":true,"jwksFile":"` + file + `"`, "clients[0] (k).public: "},
	} {
		if err := open(t, section(test.rest)); err == nil || !strings.HasPrefix(err.Error(), test.begins) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, rest := range map[string]string{"file": `"jwksFile":"` + file + `"`, "inline": `"jwks":` + string(jwks()), "secret too": `"secret":"a-secret-of-22-letters","jwksFile":"` + file + `"`} {
		if err := open(t, section(rest)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
