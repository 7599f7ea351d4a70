// Package demo is the command `loge demo`: the whole product in one process,
// with fictitious people, a box where its messages can be read, and two
// applications to sign in to. Nothing of it reaches beyond this machine.
package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	conformance "github.com/loge-idp/loge/pkg/conformance/cas"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	idp "github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/demobox"
	"github.com/loge-idp/loge/providers/memory"
)

// Run runs the demonstration until ctx ends, and says on out what can be
// tried. The plugins must hold memory as a store, oidc, cas and emaillink.
func Run(ctx context.Context, plugins server.Plugins, listen string, out io.Writer, logger *slog.Logger) error {
	host, _, err := net.SplitHostPort(listen)
	switch {
	case err != nil:
		return errors.New("listen: must be host:port, like 127.0.0.1:8080")
	case !web.Loopback(host):
		return errors.New("listen: the demonstration has known passwords and no TLS: it is for a loopback address only, like 127.0.0.1:8080")
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen: %w; choose another port: loge demo --listen 127.0.0.1:0", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	url := "http://" + net.JoinHostPort(host, port)
	people, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	trustSuite(logger)
	d, err := open(ctx, plugins, url, people, logger)
	if err != nil {
		return errors.Join(err, listener.Close(), people.Close())
	}
	fmt.Fprint(out, strings.NewReplacer("{url}", url, "{ldap}", "ldap://"+people.Addr().String(), "{password}", ldapPassword).Replace(greeting))
	return errors.Join(d.Server.Run(ctx, listener, d.Handler), d.Server.Close())
}

// trustSuite lets the conformance suite, when it runs on this machine, be called
// back over TLS: its authority joins those of the system (crypto/x509 on Unix).
// It must come before the first use of those.
func trustSuite(logger *slog.Logger) {
	file, err := conformance.AuthorityFile()
	if err == nil {
		_, err = conformance.LoadAuthority(file)
	}
	if err == nil {
		err = os.Setenv("SSL_CERT_DIR", cmp.Or(os.Getenv("SSL_CERT_DIR"), "/etc/ssl/certs")+":"+filepath.Dir(file))
	}
	if err != nil {
		logger.Warn("the CAS conformance suite cannot try proxies here", "error", err)
	}
}

// Demo is an opened demonstration.
type Demo struct {
	Server  *server.Server
	Handler http.Handler // of the server and the applications
}

// Open opens the demonstration for a URL at which its Handler will be served.
func Open(ctx context.Context, plugins server.Plugins, url string, logger *slog.Logger) (*Demo, error) {
	return open(ctx, plugins, url, nil, logger)
}

// ldapPassword is that of the service accounts of the directory.
const ldapPassword = "demo-ldap"

// open opens it with a directory that programs may ask too, at a listener.
func open(ctx context.Context, plugins server.Plugins, url string, people net.Listener, logger *slog.Logger) (*Demo, error) {
	keys, err := server.MakeKeys()
	if err != nil {
		return nil, err
	}
	apps := Apps{Issuer: url, URL: url, Secret: secret.New(secret.Random(22)), Box: url + "/demo/box"}
	s, err := server.Open(ctx, config(apps, keys), shown(plugins, people), logger)
	if err != nil {
		return nil, err
	}
	inside, outside := apps.Handler(), s.Handler()
	return &Demo{Server: s, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if apps.Mine(r.URL.Path) {
			inside.ServeHTTP(w, r)
			return
		}
		outside.ServeHTTP(w, r)
	})}, nil
}

// shown adds to the plugins what only a demonstration may have: people whose
// passwords everybody knows (R-AUTH-24), and a box as a way out by mail and SMS
// and as a page.
func shown(plugins server.Plugins, people net.Listener) server.Plugins {
	plugins.Directories = maps.Clone(plugins.Directories)
	plugins.Directories["memory"] = func() plugin.Config[directory.Directory, directory.Env] {
		return &memory.DirectoryConfig{Listener: people, Password: secret.New(ldapPassword)}
	}
	box := &demobox.Box{}
	plugins.Mail = maps.Clone(plugins.Mail)
	plugins.Mail["demobox"] = func() plugin.Config[mail.Sender, struct{}] { return &demobox.Mail{Box: box} }
	plugins.SMS = maps.Clone(plugins.SMS)
	plugins.SMS["demobox"] = func() plugin.Config[sms.Gateway, struct{}] { return &demobox.SMS{Box: box} }
	plugins.Routes = box.Routes
	return plugins
}

// config is what a site would write in its file.
func config(apps Apps, keys *server.Keys) server.Config {
	return server.Config{
		Issuer:      apps.Issuer,
		KeyMaterial: keys,
		Site: render.Site{
			Name:         render.Text{"fr": "Université de Valmont", "en": "Valmont University"},
			Account:      render.Text{"fr": "de l’université", "en": "of the university"},
			LoginExample: "elefevre",
			Help: render.Help{
				Phone: "01 99 00 12 34", Mail: "assistance@univ-valmont.example",
				Place: render.Text{"fr": "Bâtiment A, rez-de-chaussée", "en": "Building A, ground floor"},
			},
			Links: render.Links{Portal: apps.HomeURI()},
		},
		Directory: section(map[string]any{"type": "memory"}),
		Store:     section(map[string]any{"type": "memory"}),
		Mail:      section(map[string]any{"type": "demobox"}),
		SMS:       section(map[string]any{"type": "demobox"}),
		Recovery: server.Recovery{Methods: []plugin.Section{section(map[string]any{"type": "emaillink"}), section(map[string]any{"type": "smscode"}),
			section(map[string]any{"type": "helpdesk"}), section(map[string]any{"type": "activationcode"})}},
		Desk: desk(),
		// Accepted with the first password. The whole of the steps needs an
		// attribute of the directory to keep them in.
		Steps: idp.Steps{Charter: &idp.Terms{Version: "2026-09", URL: "https://www.univ-valmont.example/charte"}},
		Protocols: map[string]plugin.Section{
			"oidc": section(map[string]any{"clients": []any{
				map[string]any{
					"id": portalID, "name": "Portail de Valmont", "secret": apps.Secret.Reveal(), "grace": "allow",
					"redirectURIs": []string{apps.RedirectURI()}, "postLogoutRedirectURIs": []string{apps.HomeURI()},
					"backchannelLogoutURI": apps.LogoutURI(), "signingAlgorithm": "ES256",
				},
				map[string]any{
					// Everybody may know this secret, so it need not be long: demo-client-secret.
					"id": "demo-client", "name": "demo-client", "grace": "allow",
					"secretHash":             "sha256:3b63d5e98b94cace167480e9cb590842715204d660aa53505638f357428cbe36",
					"redirectURIs":           []string{"http://127.0.0.1:9/callback"},
					"postLogoutRedirectURIs": []string{"http://127.0.0.1:9/"},
					"scopes":                 []string{"openid", "profile", "email", "offline_access"},
				},
				map[string]any{
					"id": "demo-native", "name": "demo-native", "public": true, "grace": "allow",
					"redirectURIs": []string{"http://127.0.0.1/callback", "http://127.0.0.1/cb", "http://127.0.0.1/", "http://127.0.0.1", "http://[::1]/callback", "http://[::1]/cb", "http://[::1]/"},
					"scopes":       []string{"openid", "profile", "email", "offline_access"},
				},
			}}),
			"cas": section(map[string]any{"privateCallbacks": true, "services": []any{
				map[string]any{
					"name": "Bibliothèque de Valmont", "prefix": apps.ServicePrefix(), "grace": "allow",
					"attributes": []string{"displayName", "givenName", "sn", "mail", "accountState"},
				},
				map[string]any{
					"name": "Application locale", "loopback": true, "grace": "allow",
					"proxy":      map[string]any{"callbacks": []string{"https://" + conformance.ListenTLS + "/"}},
					"attributes": []string{"displayName", "givenName", "sn", "mail", "accountState"},
				},
			}}),
		},
	}
}

func section(values map[string]any) plugin.Section {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // texts and lists of them
	}
	return text
}
