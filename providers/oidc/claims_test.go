package oidc_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/oidc"
)

// inAll is the cast with W allowed every scope.
func inAll() oidc.Config {
	config := cast()
	config.Clients[0].Scopes = []string{"openid", "profile", "email", "address", "phone", "eduperson", "supann", "offline_access"}
	config.Clients[0].Attributes = []sso.Attribute{{Name: "memberOf", As: "groups"}}
	return config
}

func (p *people) give(id account.ID, attributes map[string][]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.by[id]
	a.Attributes = attributes
	p.by[id] = a
}

// payload reads a token without checking it.
func payload(t testing.TB, token string) map[string]any {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		t.Fatalf("%q: %v", token, err)
	}
	var out map[string]any
	if err := plugin.Strict(jws.UnsafePayloadWithoutVerification(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestScopes is C-06, with the scopes of research and education: what each is
// told at userinfo, in which form, and R54: nothing is called verified.
func TestScopes(t *testing.T) {
	r := newWorld(t).serve(inAll(), "")
	r.people.give("id-alice", map[string][]string{
		"telephoneNumber": {"+33 1 99 00 12 34"}, "postalAddress": {"1 rue de la Loge$35000 Valmont"}, "memberOf": {"cn=a", "cn=b"},
		"eduPersonAffiliation": {"member"}, "eduPersonPrimaryAffiliation": {"student"}, "eduPersonPrincipalName": {"alice@univ.example"},
		"eduPersonEntitlement": {"urn:a", "urn:b"}, "supannEtuId": {"20260001"}, "supannEtablissement": {"{UAI}0350936C"}, "secretAttribute": {"x"},
	})
	groups := []any{"cn=a", "cn=b"}
	b := r.browser()
	for scope, wanted := range map[string]map[string]any{
		"phone":     {"phone_number": "+33 1 99 00 12 34"},
		"address":   {"address": map[string]any{"formatted": "1 rue de la Loge\n35000 Valmont"}},
		"email":     {"email": "alice@univ.example"},
		"eduperson": {"eduperson_affiliation": []any{"member"}, "eduperson_primary_affiliation": "student", "eduperson_principal_name": "alice@univ.example", "eduperson_entitlement": []any{"urn:a", "urn:b"}},
		"supann":    {"supann_etu_id": "20260001", "supann_etablissement": []any{"{UAI}0350936C"}},
	} {
		wanted["sub"], wanted["groups"] = "id-alice", groups
		tokens := r.exchange(b.code(params("scope", "openid "+scope)))
		if diff := cmp.Diff(wanted, r.userinfo(tokens.text("access_token")).json); diff != "" {
			t.Errorf("%s: %s", scope, diff)
		}
		id := payload(t, tokens.text("id_token"))
		for name := range wanted {
			if name != "sub" && id[name] != nil {
				t.Errorf("%s: %s is in the ID token", scope, name)
			}
		}
	}
}

// TestClaimsParameter is C-15 and OpenID Connect Core 1.0 section 5.5.
func TestClaimsParameter(t *testing.T) {
	config := inAll()
	config.Clients[0].Scopes = []string{"openid", "profile", "eduperson", "offline_access"} // no email
	r := newWorld(t).serve(config, "")
	b := r.browser()
	for _, test := range []struct {
		name, claims string
		userinfo, id []string // beyond sub
	}{
		{"essential", `{"userinfo":{"name":{"essential":true}}}`, []string{"name"}, nil},
		{"null", `{"userinfo":{"given_name":null,"eduperson_affiliation":null}}`, []string{"given_name", "eduperson_affiliation"}, nil},
		{"in the ID token", `{"id_token":{"name":null,"eduperson_affiliation":{"essential":true}}}`, nil, []string{"name", "eduperson_affiliation"}},
		{"not allowed", `{"userinfo":{"email":{"essential":true}},"id_token":{"email":null,"nonsense":null,"iss":{"value":"evil"},"amr":{"values":["mfa"]}}}`, nil, nil},
		{"values are no orders", `{"userinfo":{"name":{"value":"Somebody Else"}},"id_token":{"acr":{"value":"urn:none"},"auth_time":{"value":1}}}`, []string{"name"}, nil},
		{"other members", `{"userinfo":{"name":{"x":1}},"verified_claims":{}}`, []string{"name"}, nil},
		{"empty", `{}`, nil, nil},
	} {
		tokens := r.exchange(b.code(params("scope", "openid offline_access", "claims", test.claims)))
		for round := range 2 { // kept through a refresh
			info := r.userinfo(tokens.text("access_token")).json
			if diff := cmp.Diff(len(test.userinfo)+1, len(info)); diff != "" {
				t.Errorf("%s, round %d: userinfo %v", test.name, round, info)
			}
			for _, name := range test.userinfo {
				if info[name] == nil {
					t.Errorf("%s, round %d: no %s at userinfo", test.name, round, name)
				}
			}
			id := payload(t, tokens.text("id_token"))
			for _, name := range []string{"name", "email", "eduperson_affiliation", "given_name", "nonsense"} {
				if (id[name] != nil) != strings.Contains(strings.Join(test.id, " "), name) {
					t.Errorf("%s, round %d: %s in the ID token: %v", test.name, round, name, id[name])
				}
			}
			if id["iss"] != r.issuer || fmt.Sprint(id["amr"]) != "[pwd]" {
				t.Errorf("%s: %v", test.name, id)
			}
			tokens = r.refresh("w", tokens.text("refresh_token"))
		}
	}
	for name, test := range map[string]struct{ claims, code string }{
		"no JSON":        {`{"userinfo"`, "invalid_request"},
		"no object":      {`[]`, "invalid_request"},
		"wrong kind":     {`{"userinfo":{"name":{"essential":"yes"}}}`, "invalid_request"},
		"somebody else":  {`{"id_token":{"sub":{"value":"id-bob"}}}`, "login_required"},
		"nobody":         {`{"id_token":{"sub":{"value":7}}}`, "invalid_request"},
		"two people":     {`{"id_token":{"sub":{"value":"id-alice"}},"userinfo":{"sub":{"value":"id-bob"}}}`, "invalid_request"},
		"unmet acr":      {`{"id_token":{"acr":{"essential":true,"values":["urn:none"]}}}`, "unmet_authentication_requirements"},
		"unmet acr, one": {`{"id_token":{"acr":{"essential":true,"value":"urn:none"}}}`, "unmet_authentication_requirements"},
	} {
		if got := b.authorize(params("claims", test.claims)).answer(t); got.Get("error") != test.code || got.Has("code") {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, claims := range map[string]string{
		"alice":   `{"id_token":{"sub":{"value":"id-alice"}}}`,
		"met acr": `{"id_token":{"acr":{"essential":true,"values":["x","urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"]}}}`,
	} {
		if got := b.authorize(params("claims", claims)).answer(t); !got.Has("code") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What a client may have is decided when it is asked for, and again when it is
// told.
func TestScopesTakenAway(t *testing.T) {
	w := newWorld(t)
	rich, poor := inAll(), inAll()
	poor.Clients[0].Scopes = []string{"openid", "profile"}
	r := w.serve(rich, "")
	z := w.serve(poor, r.issuer)
	granted := r.exchange(r.browser().code(params("scope", "openid email"))).text("access_token")
	if got := z.userinfo(granted).json; got["email"] != nil || got["sub"] != "id-alice" {
		t.Errorf("taken away, and told: %v", got)
	}
	refused := z.exchange(z.browser().code(params("scope", "openid email", "claims", `{"userinfo":{"email":null}}`))).text("access_token")
	if got := r.userinfo(refused).json; got["email"] != nil || got["sub"] != "id-alice" {
		t.Errorf("not granted, and told: %v", got)
	}
}

// How somebody was authenticated is said as it was, and stays so through
// refreshes.
func TestAuthenticationIsToldHonestly(t *testing.T) {
	r := start(t)
	begun := r.clock.Now().Unix()
	tokens := r.exchange(r.browser().code(params("scope", "openid offline_access", "acr_values", "urn:mfa urn:else")))
	for round := range 3 {
		id := payload(t, tokens.text("id_token"))
		if id["acr"] != "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport" || fmt.Sprint(id["amr"]) != "[pwd]" || id["auth_time"] != float64(begun) {
			t.Errorf("round %d: %v", round, id)
		}
		r.clock.Advance(time.Hour)
		tokens = r.refresh("w", tokens.text("refresh_token"))
	}
}

// TestSubjects: each client knows people as it should, everywhere.
func TestSubjects(t *testing.T) {
	config := cast()
	config.Clients[0].Subject = "pairwise" // w.example
	config.Clients[1].Subject, config.Clients[1].SectorIdentifier = "pairwise", "shared.example"
	config.Clients[2].Subject, config.Clients[2].User = "user", sso.User{Name: "mail"}
	config.Clients = append(config.Clients,
		oidc.Client{RelyingParty: relyingParty("Y"), ID: "y", Secret: config.Clients[0].Secret, RedirectURIs: []string{"https://y.example/cb", "https://other.example/"},
			Subject: "pairwise", SectorIdentifier: "shared.example"},
		oidc.Client{RelyingParty: relyingParty("Z"), ID: "z", Secret: config.Clients[0].Secret, RedirectURIs: []string{"https://z.example/cb"}})
	secrets := map[string]string{"w": secrets["w"], "x": secrets["x"], "y": secrets["w"], "z": secrets["w"]}
	r := newWorld(t).serve(config, "")
	places := map[string]string{"w": callback, "x": callbackX, "p": nativeCallback, "y": "https://y.example/cb", "z": "https://z.example/cb"}
	in := func(b *browser, id string) reply {
		t.Helper()
		v := params("client_id", id, "redirect_uri", places[id], "scope", "openid")
		p := b.authorize(v)
		if p.Header.Get("X-Form") != "" {
			p = b.submit(p, "alice")
		}
		form := codeForm(p.answer(t).Get("code"), "redirect_uri", places[id], "client_id", id)
		if s := secrets[id]; s != "" {
			form.Set("client_secret", s)
		}
		return decode(t, b.do("POST", "/oidc/token", form))
	}
	b := r.browser()
	subjects, hints := map[string]string{}, map[string]string{}
	for id := range places {
		tokens := in(b, id)
		want(t, id, tokens, 200, "")
		hints[id], subjects[id] = tokens.text("id_token"), idClaims(t, tokens).Sub
		access := tokens.text("access_token")
		if info := r.userinfo(access).json; info["sub"] != subjects[id] {
			t.Errorf("%s: userinfo %v, ID token %s", id, info, subjects[id])
		}
		ask := url.Values{"token": {access}, "client_id": {id}, "client_secret": {secrets[id]}}
		if id != "p" {
			if got := decode(t, b.do("POST", "/oidc/introspect", ask)); got.json["sub"] != subjects[id] || got.json["active"] != true {
				t.Errorf("%s: introspection %v", id, got.json)
			}
			ask.Set("token", tokens.text("refresh_token"))
			if got := decode(t, b.do("POST", "/oidc/introspect", ask)); got.json["sub"] != subjects[id] {
				t.Errorf("%s: introspection of a refresh token %v", id, got.json)
			}
		}
		for what, text := range map[string]string{"access": access, "refresh": tokens.text("refresh_token"), "ID": tokens.text("id_token")} {
			if id != "z" && holds(text, "id-alice") {
				t.Errorf("%s: the %s token tells the account", id, what)
			}
		}
	}
	if subjects["x"] != subjects["y"] || subjects["w"] == subjects["x"] || subjects["z"] != "id-alice" || subjects["p"] != "alice@univ.example" {
		t.Errorf("subjects %v", subjects)
	}
	if again := idClaims(t, in(r.browser(), "w")).Sub; again != subjects["w"] {
		t.Errorf("another browser: %s, before %s", again, subjects["w"])
	}
	// A hint is understood as its own client meant it.
	for id, hint := range hints {
		if got := b.authorize(params("prompt", "none", "id_token_hint", hint)).answer(t); !got.Has("code") {
			t.Errorf("the hint of %s: %v", id, got)
		}
		bob := r.browser()
		bob.submit(bob.authorize(params()), "bob")
		if got := bob.authorize(params("prompt", "none", "id_token_hint", hint)).answer(t); got.Get("error") != "login_required" {
			t.Errorf("the hint of %s in bob's session: %v", id, got)
		}
		if p := bob.get("/oidc/logout?" + url.Values{"id_token_hint": {hint}}.Encode()); !strings.Contains(p.body, "/oidc/logout/confirm") {
			t.Errorf("the hint of %s logs bob out: %d", id, p.StatusCode)
		}
	}
	if p := b.get("/oidc/logout?" + url.Values{"id_token_hint": {hints["w"]}}.Encode()); strings.Contains(p.body, "/oidc/logout/confirm") || p.StatusCode != http.StatusOK {
		t.Errorf("logout by a pairwise hint: %d", p.StatusCode)
	}
}

// holds reports whether a token lets a text be read in any of its parts.
func holds(token, text string) bool {
	for part := range strings.SplitSeq(token, ".") {
		if plain, err := base64.RawURLEncoding.DecodeString(part); err == nil && strings.Contains(string(plain), text) {
			return true
		}
	}
	return strings.Contains(token, text)
}
