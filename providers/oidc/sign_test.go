package oidc_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"

	"github.com/loge-idp/loge/pkg/signing"
)

// Keys of three algorithms are published together, each client's tokens are of
// its own, and a key that is added is published before it signs (F-KEY-01,
// C-18).
func TestKeysChangeWhileRunning(t *testing.T) {
	w := newWorld(t)
	keys := append([]signing.Key(nil), signers...)
	extra, err := signing.Generate("EdDSA", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, extra)
	w.ring, err = signing.Open(t.Context(), func(context.Context) ([]signing.Key, error) { return keys, nil }, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	config := cast()
	config.Clients[2].SigningAlgorithm = "EdDSA"
	r := w.serve(config, "")
	b := &browser{r, http.DefaultClient}
	published := func() []string {
		t.Helper()
		p := b.get("/oidc/keys")
		if p.Header.Get("Cache-Control") != "public, max-age=600" {
			t.Errorf("Cache-Control: %q", p.Header.Get("Cache-Control"))
		}
		var ids []string
		list, _ := decode(t, p).json["keys"].([]any)
		for _, each := range list {
			key, _ := each.(map[string]any)
			for name := range key {
				switch name {
				case "d", "p", "q", "dp", "dq", "qi", "k":
					t.Errorf("a private member is published: %s", name)
				}
			}
			id, _ := key["kid"].(string)
			ids = append(ids, id)
		}
		return ids
	}
	provider, err := goidc.NewProvider(t.Context(), r.issuer)
	if err != nil {
		t.Fatal(err)
	}
	signedBy := func(client, token string) string {
		t.Helper()
		if _, err := provider.Verifier(&goidc.Config{ClientID: client, Now: w.clock.Now}).Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", client, err)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		return jws.Signatures[0].Header.KeyID
	}
	login := func(client string, changes ...string) string {
		t.Helper()
		code := r.browser().code(params(append([]string{"client_id", client}, changes...)...))
		form := codeForm(code)
		if len(changes) > 1 {
			form.Set("redirect_uri", changes[1])
		}
		return signedBy(client, r.call("/oidc/token", client, form).text("id_token"))
	}
	if got := published(); len(got) != 3 {
		t.Errorf("%v", got)
	}
	if kid := login("w"); kid != "e1" {
		t.Errorf("W's token is signed by %s", kid)
	}
	if kid := login("p", "redirect_uri", nativeCallback); kid != extra.ID {
		t.Errorf("P's token is signed by %s", kid)
	}

	next, err := signing.Generate("ES256", w.clock.Now().Add(signing.MinLead))
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, next)
	if err := w.ring.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := published(); len(got) != 4 || login("w") != "e1" {
		t.Errorf("before its time: %v", got)
	}
	w.clock.Advance(signing.MinLead)
	if kid := login("w"); kid != next.ID {
		t.Errorf("after its time the token is signed by %s", kid)
	}
	w.clock.Advance(signing.Keep)
	if got := published(); len(got) != 3 {
		t.Errorf("long after: %v", got)
	}
}

func TestEveryAlgorithmMustBeThere(t *testing.T) {
	section := `{"type":"oidc","clients":[{"id":"m","name":"M","redirectURIs":["https://m.example/cb"],"secret":"a-secret-of-22-letters","signingAlgorithm":"EdDSA"}]}`
	want := "clients[0] (m).signingAlgorithm: the server has no EdDSA key; it has: RS256"
	if err := open(t, section); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
