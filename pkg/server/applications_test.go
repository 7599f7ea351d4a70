package server_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/oidc"
)

// bridge is a world with both protocols and a store that keeps.
func bridge(t *testing.T, file string) (server.Config, server.Plugins, error) {
	t.Helper()
	w := newWorld(t)
	w.plugins.Protocols = plugin.Set[sso.Protocol, sso.Env]{
		"oidc": func() plugin.Config[sso.Protocol, sso.Env] { return &oidc.Config{} },
		"cas":  func() plugin.Config[sso.Protocol, sso.Env] { return &cas.Config{} },
		"fake": w.plugins.Protocols["fake"],
	}
	name := filepath.Join(t.TempDir(), "loge.yaml")
	text := "issuer: http://127.0.0.1:9\nkeys: none\ndirectory: {type: memory, fixtures: [university]}\nstore: {type: fake}\n" + file
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := server.Load(name)
	config.KeyMaterial = w.config.KeyMaterial
	return config, w.plugins, err
}

func check(t *testing.T, config server.Config, plugins server.Plugins, about server.Question) string {
	t.Helper()
	var out strings.Builder
	for _, f := range server.Check(t.Context(), config, plugins, slog.New(slog.DiscardHandler), about) {
		if f.Part == "service" || f.Part == "account" || f.Part == "protocols" {
			verdict := "ok "
			if !f.OK {
				verdict = "no "
			}
			io.WriteString(&out, verdict+f.What+"\n")
		}
	}
	return out.String()
}

const moodle = `
applications:
  - name: Moodle
    access: {attribute: eduPersonAffiliation, in: [student]}
    user: {name: mail, lower: true}
    attributes: [givenName, {name: supannEtuId, as: number}, {as: org, value: valmont}]
    protocols:
      cas: {prefix: https://moodle.example/, normalise: {stripJsessionid: true}}
      oidc: {id: moodle, public: true, redirectURIs: [https://moodle.example/cb]}
`

// An application on its way from CAS to OpenID Connect: what is said of it
// once holds on both.
func TestApplicationOfTwoProtocols(t *testing.T) {
	config, plugins, err := bridge(t, moodle+"protocols: {oidc: {accessLife: 5m}}\n") // cas needs no section
	if err != nil {
		t.Fatal(err)
	}
	got := check(t, config, plugins, server.Question{Login: "elefevre", Applications: []string{"https://moodle.example/x", "moodle"}})
	for _, protocol := range []string{"cas", "oidc"} {
		if strings.Contains(got, "two URLs") {
			t.Errorf("an identifier is compared with a URL:\n%s", got)
		}
		for _, want := range []string{
			"ok Moodle (" + protocol + "): may enter: the account is active; access: yes: eduPersonAffiliation is one of student\n",
			"ok Moodle (" + protocol + "): " + map[string]string{"cas": "user", "oidc": "preferred_username"}[protocol] + ` = "` + "elodie.lefevre@etu.univ-valmont.example" + "\"\n",
			"ok Moodle (" + protocol + `): givenName = "`,
			"ok Moodle (" + protocol + `): number = "`,
			"ok Moodle (" + protocol + `): org = "valmont"` + "\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is missing in\n%s", want, got)
			}
		}
	}
	got = check(t, config, plugins, server.Question{Login: "u.assist", Applications: []string{"https://moodle.example/x", "moodle"}})
	for _, protocol := range []string{"cas", "oidc"} {
		if want := "no Moodle (" + protocol + "): may not enter: access: no: eduPersonAffiliation is one of student\n"; !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
}

// What is wrong with an application is found where it stands in the file.
func TestApplicationsAreChecked(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"applications:\n- name: A\n  protocols:\n    cas:\n      url: http://a.example/\n", "loge.yaml:9: applications[0].protocols.cas (A).url: must be https"},
		{"applications:\n- name: A\n  protocols:\n    cas:\n      grace: allow\n", "loge.yaml:9: applications[0].protocols.cas.grace: belongs to the application"},
		{"applications:\n- name: A\n  protocols:\n    cas: {ulr: x}\n", "loge.yaml:8: applications[0].protocols.cas.ulr: unknown key"},
		{"applications:\n- name: A\n  protocols:\n    cas: x\n", "loge.yaml:8: applications[0].protocols.cas: must be an object"},
		{"applications:\n- name: A\n  protocol: {}\n", "applications[0].protocol: unknown key; known: access, attributes, grace, maxAge, name, protocols, theme, user"},
		{"applications:\n- name: A\n  access: {in: [x]}\n  protocols:\n    cas: {url: https://a.example/}\n", "access: in: belongs to an attribute"},
		{"applications:\n- name: A\n  protocols:\n    saml: {}\n", "protocols.saml: no protocol of this name"},
		{"applications:\n- name: A\n  protocols:\n    fake: {}\n", "applications[0].protocols.fake: this protocol cannot share applications"},
		{"applications:\n- name: A\n  protocols:\n    cas: {url: https://a.example/}\nprotocols:\n  cas:\n    services:\n    - {name: B, url: https://a.example/}\n", `applications[0].protocols.cas (A).url: "B" has the same`},
	} {
		config, plugins, err := bridge(t, c.file)
		if err == nil {
			var s *server.Server
			if s, err = server.Open(t.Context(), config, plugins, slog.New(slog.DiscardHandler)); err == nil {
				s.Close()
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.file, err, c.want)
		}
	}
}

// R52: whose a URL is, why it is nobody's, and where two differ.
func TestCheckServices(t *testing.T) {
	config, plugins, err := bridge(t, moodle)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		asked []string
		want  string
	}{
		{[]string{"https://moodle.example/x"}, "ok https://moodle.example/x is Moodle, by the prefix https://moodle.example/ of cas\n"},
		{[]string{"moodle"}, "ok moodle is Moodle, by the id moodle of oidc\n"},
		{[]string{"https://user@moodle.example/"}, "no https://user@moodle.example/ is nobody's: cas: the URL has a user before its host, as in https://user@host; oidc: no client has this identifier\n"},
		{[]string{"https://evil.example/"}, "is nobody's: cas: no service is registered for this URL; oidc:"},
		{[]string{"https://moodle.example/x;jsessionid=1", "https://Moodle.example/x"}, "ok for cas the two URLs are the same\n"},
		{[]string{"https://moodle.example/x", "https://moodle.example/y"}, `no for cas the two URLs are not the same: the same for 23 bytes, then "x" and "y"` + "\n"},
	} {
		if got := check(t, config, plugins, server.Question{Applications: c.asked}); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s is missing in\n%s", c.asked, c.want, got)
		}
	}
}

// R10, R13, R53, R57: the rule that refuses is named.
func TestCheckNamesTheRefusal(t *testing.T) {
	config, plugins, err := bridge(t, "applications:\n- name: Paie\n  user: supannEmpId\n  protocols:\n    cas: {prefix: https://paie.example/}\n")
	if err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]string{
		"kaitouaret": "the account is in grace, and the application does not allow that",
		"tmoreau":    "the account is locked (administrative)",
		"elefevre":   "it is known by supannEmpId, of which it has 0 values instead of one that can be told",
		"u.assist":   "may enter: the account is active; access: yes: everybody",
		"nobody":     "nobody has this login",
	} {
		if got := check(t, config, plugins, server.Question{Login: login, Applications: []string{"https://paie.example/"}}); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", login, want, got)
		}
	}
}
