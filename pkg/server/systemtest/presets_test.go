package systemtest_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/standard"
)

// presets are the examples for the kinds of house that the requirements
// describe, with somebody who can sign in there.
var presets = []struct{ name, login, password string }{
	{"la-rochelle", "elefevre", password("elefevre")},
	{"montpellier", "elodie.lefevre@etu.univ-valmont.example", password("elefevre")},
	{"clermont", "Elodie.Lefevre", password("elefevre")},
	{"iledefrance", "lea.dalmeida", schoolPassword("lea.dalmeida")},
	{"pronote", "claire@example.org", schoolPassword("claire.dalmeida")},
	{"gepi", "yann.legoff", schoolPassword("yann.legoff")},
	{"scolinfo", "helene.roy", schoolPassword("helene.roy")},
	{"ecoledirecte", "karim.haddad", schoolPassword("karim.haddad")},
}

func schoolPassword(login string) string { return "Ent-" + login + "-2026" }

func example(name string) string { return filepath.Join("../../../examples", name, "loge.yaml") }

// memoryStore stands for the Redis of a file: its section must be right, and
// nothing is connected.
type memoryStore struct{ redis.Config }

func (*memoryStore) Open(ctx context.Context, env struct{}) (store.Store, error) {
	return new(memory.StoreConfig).Open(ctx, env)
}

// embedded are plugins on a directory and a store in this process, for files
// that name an LDAP server and a Redis.
func embedded(t *testing.T) server.Plugins {
	t.Helper()
	people := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema),
		[]string{fixtures.ReaderDN(fixtures.UniversitySuffix), fixtures.ReaderDN(fixtures.SchoolSuffix)},
		[]string{fixtures.WriterDN(fixtures.UniversitySuffix), fixtures.WriterDN(fixtures.SchoolSuffix)})
	t.Cleanup(func() { people.Close() })
	for _, ldif := range [][]byte{fixtures.University(time.Now(), services), fixtures.School(time.Now(), services)} {
		if err := people.Load(ldif); err != nil {
			t.Fatal(err)
		}
	}
	plugins := standard.Plugins()
	plugins.Directories["ldap"] = func() plugin.Config[directory.Directory, directory.Env] { return &ldap.Config{Dial: people.Dial} }
	plugins.Stores["redis"] = func() plugin.Config[store.Store, struct{}] { return &memoryStore{} }
	return plugins
}

// presetEnvironment is what the files of the presets take from it, for embedded
// plugins.
func presetEnvironment(t *testing.T, folder, mailPort, phones string) {
	t.Helper()
	for name, value := range map[string]string{
		"LOGE_ISSUER": issuer, "LOGE_LDAP_URL": "ldaps://localhost", "LOGE_LDAP_CA": filepath.Join(folder, "ca.pem"),
		"LOGE_LDAP_READER": services.Reader, "LOGE_LDAP_WRITER": services.Writer, "LOGE_REDIS": "localhost:6379",
		"LOGE_SMTP_PORT": mailPort, "LOGE_SMS_URL": phones, "LOGE_PORTAL_SECRET": clientSecret,
	} {
		t.Setenv(name, value)
	}
}

// Every preset opens as it is in the project, shows its pages, and lets in who
// may come in.
func TestPresetsOpen(t *testing.T) {
	folder := t.TempDir()
	if err := slapdtest.WriteCertificates(folder); err != nil {
		t.Fatal(err)
	}
	material := filepath.Join(folder, "keys")
	if err := server.NewKeys(material); err != nil {
		t.Fatal(err)
	}
	presetEnvironment(t, folder, "9", "http://127.0.0.1:9/sms")
	plugins := embedded(t)
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) {
			config, err := server.Load(example(p.name))
			if err != nil {
				t.Fatal(err)
			}
			config.Keys = material
			s, err := server.Open(t.Context(), config, plugins, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			b := newBrowser(t, &node{url: issuer, client: &http.Client{Transport: &counted{handler: s.Handler()},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}})
			for _, path := range []string{"/login", "/recover", "/activate", "/code", "/help"} {
				if shown := b.get(path); shown.status != http.StatusOK || !strings.Contains(shown.body, "Valmont") && !strings.Contains(shown.body, "Veil") {
					t.Errorf("%s: %d %q", path, shown.status, shown.title())
				}
			}
			in := b.signIn(b.get("/login"), p.login, p.password)
			if in.status != http.StatusOK || strings.Contains(in.body, `type="password"`) {
				t.Errorf("signing in: %d %q", in.status, in.title())
			}
		})
	}
}
