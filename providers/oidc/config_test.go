package oidc_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/signing"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/oidc"
)

var _ plugin.Config[sso.Protocol, sso.Env] = (*oidc.Config)(nil)

func open(t *testing.T, section string) error {
	t.Helper()
	set := plugin.Set[sso.Protocol, sso.Env]{"oidc": func() plugin.Config[sso.Protocol, sso.Env] { return &oidc.Config{} }}
	_, err := set.Open(t.Context(), plugin.Section(section), sso.Env{
		Issuer: "https://auth.example", Keys: secret.RandomKeyring(), Login: &login.Flow{}, Outbox: &outbox.Outbox{}, Signers: signing.Fixed(signers[:1]...),
	})
	return err
}

// TestConfig is R-OAUTH-05 and R-OAUTH-51: a start that is refused names the
// client and the key.
func TestConfig(t *testing.T) {
	client := func(rest string) string {
		return `{"type":"oidc","clients":[{"id":"m","name":"Moodle","redirectURIs":["https://m.example/cb"],"secret":"a-secret-of-22-letters","scopes":["openid"]},` + rest + `]}`
	}
	uri := func(uri string) string {
		return client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/","` + uri + `"]}`)
	}
	const second = "clients[1] (n).redirectURIs[1]: "
	for name, test := range map[string]struct{ section, begins string }{
		"no clients":           {`{"type":"oidc"}`, "clients: "},
		"http":                 {uri("http://n.example/cb"), second},
		"wildcard":             {uri("https://*.n.example/cb"), second},
		"path wildcard":        {uri("https://n.example/*"), second},
		"regex":                {uri("https://n.example/^cb$"), second},
		"fragment":             {uri("https://n.example/cb#x"), second},
		"no host":              {uri("https:///cb"), second},
		"relative":             {uri("/cb"), second},
		"javascript":           {uri("javascript:alert(1)"), second},
		"user":                 {uri("https://a@n.example/cb"), second},
		"own scheme":           {uri("fr.example:/cb"), second},
		"none":                 {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters"}`), "clients[1] (n).redirectURIs: "},
		"logout http":          {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"],"postLogoutRedirectURIs":["http://n.example/"]}`), "clients[1] (n).postLogoutRedirectURIs[0]: "},
		"back-channel":         {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"],"backchannelLogoutURI":"http://n.example/"}`), "clients[1] (n).backchannelLogoutURI: "},
		"no id":                {client(`{"name":"N","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"]}`), "clients[1] ().id: "},
		"twice":                {client(`{"id":"m","name":"N","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"]}`), "clients[1] (m).id: "},
		"no name":              {client(`{"id":"n","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"]}`), "clients[1] (n).name: "},
		"no secret":            {client(`{"id":"n","name":"N","redirectURIs":["https://n.example/"]}`), "clients[1] (n).secret: "},
		"two secrets":          {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","secretHash":"00","redirectURIs":["https://n.example/"]}`), "clients[1] (n).secret: "},
		"hash":                 {client(`{"id":"n","name":"N","secretHash":"00","redirectURIs":["https://n.example/"]}`), "clients[1] (n).secretHash: "},
		"public secret":        {client(`{"id":"n","name":"N","public":true,"secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"]}`), "clients[1] (n).public: "},
		"public, no PKCE":      {client(`{"id":"n","name":"N","public":true,"requirePKCE":false,"redirectURIs":["https://n.example/"]}`), "clients[1] (n).requirePKCE: "},
		"scope":                {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","scopes":["openid","else"],"redirectURIs":["https://n.example/"]}`), "clients[1] (n).scopes[1]: "},
		"openid":               {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","scopes":["email"],"redirectURIs":["https://n.example/"]}`), "clients[1] (n).scopes: "},
		"algorithm":            {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","signingAlgorithm":"HS256","redirectURIs":["https://n.example/"]}`), "clients[1] (n).signingAlgorithm: "},
		"no key for it":        {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","signingAlgorithm":"ES256","redirectURIs":["https://n.example/"]}`), "clients[1] (n).signingAlgorithm: "},
		"claim (R-OAUTH-51)":   {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","attributes":["mail","sub"],"redirectURIs":["https://n.example/"]}`), "clients[1] (n).attributes[1]: "},
		"short secret":         {client(`{"id":"n","name":"N","secret":"only-21-letters-here.","redirectURIs":["https://n.example/"]}`), "clients[1] (n).secret: "},
		"subject":              {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","subject":"mail","redirectURIs":["https://n.example/"]}`), "clients[1] (n).subject: "},
		"two sectors":          {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","subject":"pairwise","redirectURIs":["https://n.example/","https://o.example/"]}`), "clients[1] (n).sectorIdentifier: "},
		"no sector":            {client(`{"id":"n","name":"N","public":true,"subject":"pairwise","redirectURIs":["fr.example.app:/cb"]}`), "clients[1] (n).sectorIdentifier: "},
		"idle sector":          {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","sectorIdentifier":"n","redirectURIs":["https://n.example/"]}`), "clients[1] (n).sectorIdentifier: "},
		"access token":         {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","accessTokenFormat":"JWT","redirectURIs":["https://n.example/"]}`), "clients[1] (n).accessTokenFormat: "},
		"public credentials":   {client(`{"id":"n","name":"N","public":true,"clientCredentials":true,"redirectURIs":["https://n.example/"]}`), "clients[1] (n).clientCredentials: "},
		"public push":          {client(`{"id":"n","name":"N","public":true,"requirePushedAuthorizationRequests":true,"redirectURIs":["https://n.example/"]}`), "clients[1] (n).requirePushedAuthorizationRequests: "},
		"prefixed hash":        {client(`{"id":"n","name":"N","secretHash":"sha256:00","redirectURIs":["https://n.example/"]}`), "clients[1] (n).secretHash: "},
		"renamed (R-OAUTH-51)": {client(`{"id":"n","name":"N","secret":"a-secret-of-22-letters","attributes":[{"name":"mail","as":"acr"}],"redirectURIs":["https://n.example/"]}`), "clients[1] (n).attributes[0]: "},
		"unknown key":          {client(`{"id":"n","nmae":"N"}`), "clients[1].nmae: unknown key"},
	} {
		err := open(t, test.section)
		if err == nil || !strings.HasPrefix(err.Error(), test.begins) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, rest := range map[string]string{
		"hex":        `{"id":"n","name":"N","secretHash":"` + strings.Repeat("0a", 32) + `","redirectURIs":["https://n.example/"]}`,
		"as printed": `{"id":"n","name":"N","secretHash":"sha256:` + strings.Repeat("A", 43) + `","redirectURIs":["https://n.example/"]}`,
		"service":    `{"id":"n","name":"N","secret":"a-secret-of-22-letters","clientCredentials":true}`,
		"base64url":  `{"id":"n","name":"N","secretHash":"` + strings.Repeat("A", 43) + `","redirectURIs":["http://localhost:8080/cb"]}`,
		"native":     `{"id":"n","name":"N","public":true,"redirectURIs":["fr.example.app:/cb","http://127.0.0.1/cb","http://[::1]/cb"]}`,
		"lifetimes":  `{"id":"n","name":"N","secret":"a-secret-of-22-letters","redirectURIs":["https://n.example/"]}],"accessLife":"5m","refreshIdle":"24h","refreshLife":"48h","clients":[{"id":"o","name":"O","public":true,"redirectURIs":["https://n.example/"]}`,
	} {
		if err := open(t, client(rest)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The page for operators names every key of a client.
func TestKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/applications.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[oidc.Client](), reflect.TypeFor[oidc.Config]()} {
		for field := range of.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if key != "" && !strings.Contains(string(page), "`"+key) {
				t.Errorf("%s is not there", key)
			}
		}
	}
}
