package systemtest_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without the store nothing is granted and nothing is forgotten: a page says
// so, cookies stay, and it goes on by itself when the store is back.
func TestRedisStops(t *testing.T) {
	for _, c := range []struct {
		name       string
		stop, back func(*testing.T, *world)
		keeps      bool // its memory
	}{
		{"paused", func(_ *testing.T, w *world) { w.redis.Pause() }, func(_ *testing.T, w *world) { w.redis.Resume() }, true},
		{"killed", func(_ *testing.T, w *world) { w.redis.Kill() }, func(t *testing.T, w *world) {
			if err := w.redis.Restart(); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := newBrowser(t, w.a)
			ask := newRequest("portal")
			granted := ask.redeem(t, w.a, b.signIn(b.get(ask.url()), "elefevre", password("elefevre")).arrived(callback, "code"))
			ticket := b.get(casLogin(casService)).arrived(casService, "ticket")
			stranger := newBrowser(t, w.b)
			form := stranger.get(newRequest("portal").url())

			c.stop(t, w)
			for what, p := range map[string]*page{
				"authorize with a session": b.do(http.MethodGet, newRequest("portal").url(), nil),
				"CAS login with a session": b.do(http.MethodGet, casLogin(casService), nil),
				"sign-out":                 b.do(http.MethodPost, "/logout", nil),
				"a posted password":        stranger.signIn(form, "elefevre", password("elefevre")),
				"recovery":                 stranger.do(http.MethodPost, "/recover", map[string][]string{"username": {"elefevre"}}),
			} {
				p.shows(http.StatusServiceUnavailable, "The service is not answering")
				if p.header.Get("Retry-After") == "" || len(p.header.Values("Set-Cookie")) > 0 {
					t.Errorf("%s: Retry-After %q, Set-Cookie %q", what, p.header.Get("Retry-After"), p.header.Values("Set-Cookie"))
				}
			}
			if got := w.a.token(t, "portal", map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {granted.Refresh}}); got.Status != http.StatusServiceUnavailable {
				t.Errorf("a refresh token without the store: %+v", got)
			}
			if got := w.b.validate(t, casService, ticket); got.Response.Failure.Code != "INTERNAL_ERROR" {
				t.Errorf("a ticket without the store: %+v", got)
			}
			// Who has no session needs no store until the password is typed.
			for _, path := range []string{"/.well-known/openid-configuration", "/oidc/keys", "/healthz", newRequest("portal").url(), casLogin(casService)} {
				if p := newBrowser(t, w.a).get(path); p.status != http.StatusOK {
					t.Errorf("%s: %d", path, p.status)
				}
			}
			if p := newBrowser(t, w.a).get("/readyz"); p.status != http.StatusServiceUnavailable {
				t.Errorf("/readyz: %d", p.status)
			}

			c.back(t, w)
			eventually(t, "/readyz says no for ever", func() bool { return b.get("/readyz").status == http.StatusOK })
			if c.keeps {
				b.get(newRequest("portal").url()).arrived(callback, "code")
			}
			// The very form of before goes on.
			stranger.signIn(form, "elefevre", password("elefevre")).arrived(callback, "code")
		})
	}
}

func eventually(t *testing.T, complaint string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal(complaint)
}

// A directory that accepts and never answers ends a login with a clear page.
// Its five seconds are a promise of the product, not an expectation of speed.
func TestDirectoryFallsSilent(t *testing.T) {
	const promise = 5 * time.Second
	w := newWorld(t)
	b := newBrowser(t, w.a)
	signedIn := newBrowser(t, w.b)
	signedIn.signIn(signedIn.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	form := b.get(newRequest("portal").url())

	w.slapd.Pause()
	t.Cleanup(w.slapd.Resume)
	for _, n := range []*node{w.a, w.b} { // one with kept connections, one without
		began := time.Now()
		p := b.on(n).signIn(form, "elefevre", password("elefevre"))
		if took := time.Since(began); took > promise {
			t.Errorf("the login took %v", took)
		}
		p.shows(http.StatusServiceUnavailable, "The service is not answering")
		if p.header.Get("Retry-After") == "" || len(p.header.Values("Set-Cookie")) > 0 {
			t.Errorf("Retry-After %q, Set-Cookie %q", p.header.Get("Retry-After"), p.header.Values("Set-Cookie"))
		}
	}
	// A session goes on: its account was looked at within the minute.
	signedIn.get(newRequest("portal").url()).arrived(callback, "code")

	w.slapd.Resume()
	eventually(t, "no login after the directory came back", func() bool {
		return b.signIn(form, "elefevre", password("elefevre")).location() != nil
	})
}

// What is wrong at the start is said in one line, and nothing runs.
func TestStartFailures(t *testing.T) {
	w := newServers(t, university, configuration)
	missing := filepath.Join(w.folder, "missing.yaml")
	for _, c := range []struct {
		name      string
		from, to  string // replaced in the configuration
		file      string // in place of it
		want      []string
		unmention string
	}{
		{name: "unknown key", from: "  preset: supann", to: "  preset: supann\n  retries: 3", want: []string{"loge.yaml:18: ", "directory.retries", "unknown"}},
		{name: "unknown plugin", from: "type: redis", to: "type: memcached", want: []string{"loge.yaml:20: ", "store.type", "redis"}},
		{name: "missing issuer", from: "issuer: ${env:LOGE_ISSUER}", to: "", want: []string{"loge.yaml:1: ", "issuer", "missing"}},
		{name: "unreachable file", file: missing, want: []string{missing, "no such file"}},
		{name: "missing keys", from: "keys: keys", to: "keys: elsewhere", want: []string{"loge.yaml:2: ", "keys", "elsewhere"}},
		{name: "secret in the file", from: "${env:LOGE_LDAP_READER}", to: "hunter-two", want: []string{"loge.yaml:13: ", "directory.bindPassword"}, unmention: "hunter-two"},
		{name: "variable not set", from: "${env:LOGE_LDAP_READER}", to: "${env:LOGE_NOWHERE}", want: []string{"loge.yaml:13: ", "LOGE_NOWHERE"}},
		{name: "unreachable Redis", from: "${env:LOGE_REDIS}", to: "127.0.0.1:1", want: []string{"loge.yaml:22: ", "store.addresses", "does not answer"}},
		{name: "plain issuer", from: "${env:LOGE_ISSUER}", to: "http://login.univ-valmont.example", want: []string{"loge.yaml:1: ", "issuer", "https"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.file
			if file == "" {
				if !strings.Contains(configuration, c.from) {
					t.Fatalf("the configuration has no %q", c.from)
				}
				file = w.file()
				if err := os.WriteFile(file, []byte(strings.Replace(configuration, c.from, c.to, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(program(t), "serve", "--config", file, "--listen", "127.0.0.1:0")
			cmd.Env = append(os.Environ(), w.environment()...)
			var out, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hurry := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
			err := cmd.Wait()
			if !hurry.Stop() {
				t.Fatal("it runs")
			}
			if err == nil || cmd.ProcessState.ExitCode() < 1 {
				t.Errorf("exit %v", cmd.ProcessState)
			}
			said := out.String() + errs.String()
			if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "loge: ") {
				t.Errorf("not one line: %q", said)
			}
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("%q does not say %q", said, want)
				}
			}
			if c.unmention != "" && strings.Contains(said, c.unmention) {
				t.Errorf("%q quotes a secret", said)
			}
		})
	}
}
