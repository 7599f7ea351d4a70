package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/demo"
	"github.com/loge-idp/loge/providers/demobox"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// network is one of the fictitious ones.
type network struct {
	suffix   string
	ldif     func(time.Time, fixtures.Services) []byte
	index    []string
	accounts string
}

var networks = map[string]network{
	"campus": {fixtures.UniversitySuffix, fixtures.University,
		[]string{"supannAliasLogin eq", "eduPersonPrincipalName eq", "eduPersonUniqueId eq"},
		`elefevre       Valmont-elefevre-2026     a student; also by her alias, mail or eppn
    kaitouaret     Valmont-kaitouaret-2026   has left, in grace
    hnguyen        (none)                    to activate: the mail is in the box`},
	"school": {fixtures.SchoolSuffix, fixtures.School,
		[]string{"ENTPersonLogin eq"},
		`lea.dalmeida        Ent-lea.dalmeida-2026         a pupil
    claire.dalmeida     Ent-claire.dalmeida-2026      her mother
    sophie.dubois-garin Ent-sophie.dubois-garin-2026  her teacher`},
}

// parts are what a configuration is tried on.
type parts struct {
	slapd     *slapdtest.Server
	redis     *redistest.Server
	mail      net.Listener
	side      net.Listener // the applications and the box
	folder    string
	services  fixtures.Services
	apps      demo.Apps
	issuer    string
	listen    string
	directory string // of the example
}

// run runs everything until ctx ends or loge does.
func run(ctx context.Context, name, listen, loge string, out io.Writer) (err error) {
	n, ok := networks[name]
	if !ok {
		return fmt.Errorf("no example %q; known: campus, school", name)
	}
	p := &parts{directory: filepath.Join("examples", name)}
	defer p.stop()
	if err := p.start(n, listen); err != nil {
		return err
	}
	side := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = side.Serve(p.side) }() // ends with its listener

	if _, err := os.Stat(filepath.Join(p.directory, "keys")); errors.Is(err, os.ErrNotExist) {
		if err := server.NewKeys(filepath.Join(p.directory, "keys")); err != nil {
			return err
		}
	}
	file := filepath.Join(p.directory, "loge.yaml")
	serve := exec.CommandContext(ctx, loge, "serve", "--config", file)
	environment := p.environment()
	serve.Env = append(os.Environ(), environment...)
	// For whoever starts another replica, or the doctor, by hand.
	exports := "export " + strings.Join(environment, "\nexport ") + "\n"
	if err := os.WriteFile(filepath.Join(p.folder, "environment"), []byte(exports), 0o600); err != nil {
		return err
	}
	serve.Cancel = func() error { return serve.Process.Signal(syscall.SIGTERM) }
	serve.WaitDelay = 40 * time.Second // more than loge takes to end in good order
	log, err := os.Create(filepath.Join(p.folder, "loge.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	serve.Stdout, serve.Stderr = log, log
	if err := serve.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	if err := p.answers(ctx, ended); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w: %s", err, text)
	}
	p.greet(out, n, loge, file, log.Name())
	if err := <-ended; err != nil && ctx.Err() == nil {
		return fmt.Errorf("loge serve: %w; its log was %s", err, log.Name())
	}
	return nil
}

// start starts what loge needs. What it has started when it fails, stop stops.
func (p *parts) start(n network, listen string) (err error) {
	if p.folder, err = os.MkdirTemp("", "loge-scratch-"); err != nil {
		return err
	}
	if p.listen, err = free(listen); err != nil {
		return err
	}
	p.issuer = "http://" + p.listen
	p.services = fixtures.Services{Reader: secret.Random(22), Writer: secret.Random(22)}
	p.slapd, err = slapdtest.Launch(slapdtest.Options{
		Trees:  []slapdtest.Tree{{Suffix: n.suffix, LDIF: n.ldif(time.Now(), p.services)}},
		Schema: fixtures.Schema, Index: n.index, TLS: true,
	})
	if err != nil {
		return fmt.Errorf("%w (Debian: apt-get install slapd ldap-utils redis-server)", err)
	}
	if p.redis, err = redistest.Launch(p.folder, "--appendonly", "yes"); err != nil {
		return err
	}
	if p.mail, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if p.side, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	url := "http://" + p.side.Addr().String()
	p.apps = demo.Apps{Issuer: p.issuer, URL: url, Secret: secret.New(secret.Random(22)), Box: url + "/demo/box"}
	return nil
}

// free turns port 0 into a port that nobody listens on.
func free(listen string) (string, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("%w; choose another: -listen 127.0.0.1:0", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (p *parts) stop() {
	for _, l := range []net.Listener{p.mail, p.side} {
		if l != nil {
			_ = l.Close()
		}
	}
	if p.redis != nil {
		p.redis.Kill()
	}
	if p.slapd != nil {
		p.slapd.Stop()
	}
	_ = os.RemoveAll(p.folder)
}

// environment is what the examples' files refer to.
func (p *parts) environment() []string {
	_, mailPort, _ := net.SplitHostPort(p.mail.Addr().String())
	values := map[string]string{
		"LOGE_ISSUER":        p.issuer,
		"LOGE_LISTEN":        p.listen,
		"LOGE_LDAP_URL":      strings.Replace(p.slapd.SecureURL, "127.0.0.1", "localhost", 1),
		"LOGE_LDAP_CA":       p.slapd.CA,
		"LOGE_LDAP_READER":   p.services.Reader,
		"LOGE_LDAP_WRITER":   p.services.Writer,
		"LOGE_REDIS":         p.redis.Addr,
		"LOGE_SMTP_PORT":     mailPort,
		"LOGE_PORTAL_SECRET": p.apps.Secret.Reveal(),
		"LOGE_PORTAL_LOGIN":  p.apps.RedirectURI(),
		"LOGE_PORTAL_HOME":   p.apps.HomeURI(),
		"LOGE_PORTAL_LOGOUT": p.apps.LogoutURI(),
		"LOGE_LIBRARY":       p.apps.ServicePrefix(),
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, name+"="+values[name])
	}
	return out
}

// answers waits until loge is ready.
func (p *parts) answers(ctx context.Context, ended <-chan error) error {
	for {
		if answer, err := http.Get(p.issuer + "/readyz"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("loge serve ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// handler serves the applications and the box, and takes the mail in.
func (p *parts) handler() http.Handler {
	box := &demobox.Box{}
	go receive(p.mail, &demobox.Mail{Box: box})
	quiet := slog.New(slog.DiscardHandler)
	pages, err := render.Open(render.Config{Issuer: p.apps.URL, Logger: quiet})
	if err != nil {
		panic(err) // the shipped templates
	}
	mux, err := web.New(web.Config{Issuer: p.apps.URL, Logger: quiet})
	if err != nil {
		panic(err) // a loopback URL
	}
	box.Routes(mux, pages)
	mux.Machine("GET /static/{file}", pages.Static())
	apps := p.apps.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.apps.Mine(r.URL.Path) {
			apps.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (p *parts) greet(out io.Writer, n network, loge, file, log string) {
	fmt.Fprintf(out, `
Loge on OpenLDAP and Redis: %[1]s

  Portal (signs in by OpenID Connect)   %[2]s
  Library (signs in by CAS)             %[3]s/
  Mails                                 %[4]s
  Own page of the identity provider     %[5]s/login

  Accounts
    %[6]s

  Your own tools
    OpenID Connect   public client demo-native, redirect http://127.0.0.1:<any port>/callback (PKCE)
    CAS              %[5]s/cas, any service on 127.0.0.1

  What it runs on
    OpenLDAP  %[7]s
    Redis     %[8]s
    log       %[9]s

  A second replica on the same Redis, and the doctor
    . %[10]s
    %[11]s serve --config %[1]s --listen 127.0.0.1:8081
    %[11]s check --config %[1]s --login %[12]s

Ctrl-C ends it, and removes all of it.

`, file, p.apps.HomeURI(), p.apps.ServicePrefix(), p.apps.Box, p.issuer, n.accounts,
		p.slapd.SecureURL, p.redis.Addr, log, filepath.Join(p.folder, "environment"), loge, strings.Fields(n.accounts)[0])
}
