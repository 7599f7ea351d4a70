package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing/fstest"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/oidc"
)

// readers are the users of a library: passwords by name.
type readers map[string]secret.String

func (r readers) Find(_ context.Context, name string) (account.Account, error) {
	if _, ok := r[name]; !ok {
		return account.Account{}, directory.ErrNotFound
	}
	return account.Account{ID: account.ID(name), Login: name, Status: account.Active}, nil
}

func (r readers) Get(ctx context.Context, id account.ID) (account.Account, error) {
	return r.Find(ctx, string(id))
}

func (r readers) Authenticate(_ context.Context, a account.Account, password secret.String) error {
	if password.Empty() || !password.Equal(r[a.Login]) {
		return directory.ErrBadPassword
	}
	return nil
}

// A library signs its readers in to applications by OpenID Connect, at /id of
// its own site and in its own words.
func ExampleEmbed() {
	catalogue := oidc.Client{RelyingParty: sso.RelyingParty{Name: "Catalogue"}, ID: "catalogue", Public: true,
		RedirectURIs: []string{"http://127.0.0.1/callback"}}
	s, err := server.Embed(context.Background(), server.Parts{
		Issuer:    "http://127.0.0.1:8080/id",
		People:    readers{"ada": secret.New("analytical engine")},
		Store:     &memory.StoreConfig{},
		Protocols: map[string]server.Protocol{"oidc": &oidc.Config{Clients: []oidc.Client{catalogue}}},
		Templates: fstest.MapFS{"locales/en.json": {Data: []byte(`{"login": {"title_to": "Show your card to enter {app}"}}`)}},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	site := http.NewServeMux()
	site.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the library") })
	site.Handle("/id/", s.Handler())
	// A program that has an http.Server calls s.Work(ctx) beside it; s.Run(ctx,
	// listener, site) is both.

	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/id/oidc/authorize?client_id=catalogue&response_type=code&scope=openid"+
		"&redirect_uri=http://127.0.0.1:9/callback&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&ui_locales=en", nil))
	fmt.Println(w.Code, regexp.MustCompile(`<h1>(.*)</h1>`).FindStringSubmatch(w.Body.String())[1])
	// Output:
	// 200 Show your card to enter Catalogue
}
