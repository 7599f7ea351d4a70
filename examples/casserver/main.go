// Command casserver is a web application with users of its own which signs
// them in to other applications by CAS: no directory, no file.
package main

import (
	"context"
	"net"
	"net/http"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/memory"
)

// users are the application's: passwords by name.
type users map[string]secret.String

func (u users) Find(_ context.Context, name string) (account.Account, error) {
	if _, ok := u[name]; !ok {
		return account.Account{}, directory.ErrNotFound
	}
	return account.Account{ID: account.ID(name), Login: name, Name: name, Status: account.Active}, nil
}

func (u users) Get(ctx context.Context, id account.ID) (account.Account, error) {
	return u.Find(ctx, string(id))
}

func (u users) Authenticate(_ context.Context, a account.Account, password secret.String) error {
	if password.Empty() || !password.Equal(u[a.Login]) {
		return directory.ErrBadPassword
	}
	return nil
}

// serve serves the application as it was, and beside it CAS at /sso/cas.
func serve(ctx context.Context, listener net.Listener, app *http.ServeMux, people users) error {
	wiki := cas.Service{RelyingParty: sso.RelyingParty{Name: "Wiki"}, Loopback: true}
	s, err := server.Embed(ctx, server.Parts{Issuer: "http://" + listener.Addr().String() + "/sso", People: people,
		Store: &memory.StoreConfig{}, Protocols: map[string]server.Protocol{"cas": &cas.Config{Services: []cas.Service{wiki}}}})
	if err != nil {
		return err
	}
	app.Handle("/sso/", s.Handler())
	return s.Run(ctx, listener, app)
}

func main() {
	http.Handle("/", http.FileServer(http.Dir("public")))
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err == nil {
		err = serve(context.Background(), listener, http.DefaultServeMux, users{"ada": secret.New("analytical engine")})
	}
	panic(err)
}
