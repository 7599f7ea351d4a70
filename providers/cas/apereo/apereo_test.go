package apereo_test

import (
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/cas/apereo"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/standard"
)

var update = flag.Bool("update", false, "write the golden files")

// The services of testdata, as Apereo CAS writes them; the golden files are
// the configuration and the report.
func TestImport(t *testing.T) {
	var out, report strings.Builder
	if err := apereo.Import([]string{"testdata/services"}, &out, &report); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]string{"config.yaml": out.String(), "report.txt": report.String()} {
		file = filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if strings.Contains(out.String()+report.String(), "Sup3r") {
		t.Error("a secret was written")
	}
}

// What is written is a configuration: it opens, and everything in it is found.
func TestRoundTrip(t *testing.T) {
	t.Setenv("LOGE_WIKI_INTERNE", "a secret made for both sides")
	imported, err := os.ReadFile("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := server.NewKeys(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "loge.yaml")
	whole := "issuer: http://127.0.0.1:9\nkeys: keys\ndirectory: {type: memory}\nstore: {type: memory}\n" + string(imported)
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := server.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	plugins := standard.Plugins()
	plugins.Directories["memory"] = func() plugin.Config[directory.Directory, directory.Env] { return &memory.DirectoryConfig{} }
	asked := map[string]string{
		"https://moodle.univ.fr/login/index.php": "Moodle", "http://ent.univ.fr/uPortal/Login": "Portail",
		"https://koha.univ.fr/cgi-bin/koha/opac-user.pl?x=1": "Bibliothèque", "nuage": "Nuage", "wiki-interne": "Wiki",
	}
	findings := server.Check(t.Context(), config, plugins, slog.New(slog.DiscardHandler), server.Question{Applications: slices.Collect(maps.Keys(asked))})
	for url, name := range asked {
		if !slices.ContainsFunc(findings, func(f server.Finding) bool { return f.OK && strings.HasPrefix(f.What, url+" is "+name+", by ") }) {
			t.Errorf("%s is not found: %+v", url, findings)
		}
	}
}

// one imports a service file with this text in it.
func one(t *testing.T, text string) (out, report string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s-1.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var written, told strings.Builder
	err = apereo.Import([]string{file}, &written, &told)
	return written.String(), told.String(), err
}

// Which URLs are a service's: simpler where that is provably the same, and
// never another host's.
func TestAddresses(t *testing.T) {
	for serviceID, want := range map[string]string{
		`https://app.univ.fr/`:                   "url: https://app.univ.fr/",
		`^https://app\\.univ\\.fr/login$`:        "url: https://app.univ.fr/login",
		`^https://app\\.univ\\.fr/.*`:            "prefix: https://app.univ.fr/",
		`^https://app\\.univ\\.fr/moodle/.*$`:    "prefix: https://app.univ.fr/moodle/",
		`^https://app.univ.fr/moodle/.*`:         "prefix: https://app.univ.fr/moodle/",
		`^https://app\\.univ\\.fr/moodle.*`:      `pattern: "https://app\\.univ\\.fr/moodle.*"`,
		`^https://app\\.univ\\.fr/x/.+`:          `pattern: "https://app\\.univ\\.fr/x/.+"`,
		`^https://app\\.univ\\.fr/x(/.*)?$`:      `pattern: "https://app\\.univ\\.fr/x(/.*)?"`,
		`^https://(a|b)\\.univ\\.fr/.*`:          `pattern: "https://(a|b)\\.univ\\.fr/.*"`,
		`^https://app\\.univ\\.fr.*`:             "prefix: https://app.univ.fr/",
		`^https://app.univ.fr.+`:                 "prefix: https://app.univ.fr/",
		`^https?://app\\.univ\\.fr/.*`:           "upgradeHTTP: true",
		`^(https|http)://app\\.univ\\.fr/.*`:     "upgradeHTTP: true",
		`^http[s]?://app\\.univ\\.fr/.*`:         "upgradeHTTP: true",
		`^http://app\\.univ\\.fr/.*`:             "insecureHTTP: true",
		`^https://app\\.univ\\.fr:8443/x\\?y=.*`: `pattern: "https://app\\.univ\\.fr:8443/x\\?y=.*"`,
		`^https://app\\.univ\\.fr/\\.well/.*`:    "prefix: https://app.univ.fr/.well/",
		`^(https|imaps)://.*`:                    "",
		`^https?://.*`:                           "",
		`.*`:                                     "",
		`^https://.*\\.univ\\.fr/.*`:             "",
		`^https://[^.]+\\.univ\\.fr/.*`:          "",
		`^https://[a-z0-9.]*univ.fr/.*`:          "",
		`^https://app\\.univ\\.fr/(?!admin).*`:   "",
		`^https://app\\.univ\\.fr\\..*`:          "",
		`imaps://mail.univ.fr/`:                  "",
		``:                                       "",
	} {
		out, report, err := one(t, `{"@class": "org.apereo.cas.services.RegexRegisteredService", "name": "A", "id": 1, "serviceId": "`+serviceID+`"}`)
		if err != nil {
			t.Errorf("%s: %v", serviceID, err)
		}
		if left := strings.Contains(report, "left out: serviceId") || strings.Contains(report, "left out: could") || strings.Contains(report, "left out: must"); left != (want == "") || want == "" && strings.Contains(out, "name:") {
			t.Errorf("%s: left out %v\n%s%s", serviceID, left, out, report)
		}
		if !strings.Contains(out, want) {
			t.Errorf("%s: no %s in\n%s", serviceID, want, out)
		}
	}
}

// What cannot be said here never makes a service easier to enter.
func TestNeverEasier(t *testing.T) {
	const service = `{"@class": "org.apereo.cas.services.CasRegisteredService", "name": "A", "id": 1, "serviceId": "https://a.univ.fr/", "accessStrategy": {"@class": "org.apereo.cas.services.`
	for strategy, want := range map[string]string{
		`DefaultRegisteredServiceAccessStrategy", "enabled": false}`:                                                                            "",
		`GroovyRegisteredServiceAccessStrategy", "groovyScript": "file:/x"}`:                                                                    "",
		`RemoteEndpointServiceAccessStrategy", "endpointUrl": "https://x"}`:                                                                     "",
		`TimeBasedRegisteredServiceAccessStrategy", "startingDateTime": "next year"}`:                                                           "",
		`DefaultRegisteredServiceAccessStrategy", "requiredAttributes": {"@class": "java.util.HashMap", "g": ["java.util.HashSet", ["^a.*"]]}}`: "- ^a.*",
		`DefaultRegisteredServiceAccessStrategy", "requiredAttributes": {"@class": "java.util.HashMap", "g": ["java.util.HashSet", []]}}`:       "in: []",
	} {
		out, report, err := one(t, service+strategy+`}`)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && (strings.Contains(out, "name:") || !strings.Contains(report, "left out")) || !strings.Contains(out, want) {
			t.Errorf("%s\n%s%s", strategy, out, report)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for _, text := range []string{``, `[]`, `{`, `{"@class": "org.example.Other", "serviceId": "https://a.univ.fr/"}`, `{"serviceId": "https://a.univ.fr/"}`} {
		out, report, err := one(t, text)
		if err == nil || !strings.Contains(report, "not read") || strings.Contains(out, "name:") {
			t.Errorf("%s: %v\n%s%s", text, err, out, report)
		}
	}
	if err := apereo.Import([]string{t.TempDir()}, &strings.Builder{}, &strings.Builder{}); err == nil {
		t.Error("an empty directory was read")
	}
	if err := apereo.Import([]string{"testdata/none"}, &strings.Builder{}, &strings.Builder{}); err == nil {
		t.Error("no directory was read")
	}
}
