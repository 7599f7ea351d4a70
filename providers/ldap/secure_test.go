package ldap_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// No password is sent to a server that did not prove who it is.
func TestTLS_RAUTH22(t *testing.T) {
	n := networks[0]
	secure := n.slapd(t, slapdtest.Options{TLS: true})
	plain := n.slapd(t, slapdtest.Options{})
	old := n.slapd(t, slapdtest.Options{TLS: true, Expired: true})
	foreign := n.slapd(t, slapdtest.Options{TLS: true}).CA
	strip := startFake(t, answers{goldap.ApplicationExtendedRequest: func(id int64) []byte {
		return append(message(id, goldap.ApplicationExtendedResponse, 0, ""), message(1, goldap.ApplicationBindResponse, 0, "")...)
	}})
	for _, c := range []struct {
		name     string
		url      string
		startTLS bool
		ca       string
		server   string
		good     bool
	}{
		{"ldaps", secure.SecureURL, false, secure.CA, "", true},
		{"StartTLS", secure.URL, true, secure.CA, "", true},
		{"another name in the certificate", secure.SecureURL, false, secure.CA, "localhost", true},
		{"ldaps, unknown authority", secure.SecureURL, false, "", "", false},
		{"StartTLS, unknown authority", secure.URL, true, "", "", false},
		{"ldaps, another authority", secure.SecureURL, false, foreign, "", false},
		{"ldaps, wrong name", secure.SecureURL, false, secure.CA, "ldap.example.org", false},
		{"StartTLS, wrong name", secure.URL, true, secure.CA, "ldap.example.org", false},
		{"ldaps, expired", old.SecureURL, false, old.CA, "", false},
		{"StartTLS, expired", old.URL, true, old.CA, "", false},
		{"StartTLS refused", plain.URL, true, secure.CA, "", false},
		{"plaintext behind the answer to StartTLS", strip.url, true, secure.CA, "", false},
		{"ldaps to a plain port", strings.Replace(plain.URL, "ldap:", "ldaps:", 1), false, secure.CA, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := n.config()
			config.URLs, config.StartTLS, config.CA, config.ServerName = []string{c.url}, c.startTLS, c.ca, c.server
			var ops counter
			config.Observe = ops.observe
			d := open(t, config)
			err := login(t.Context(), d)
			sent := ops.take()
			if c.good {
				if err != nil {
					t.Error(err)
				}
				return
			}
			unavailable(t, "login", err)
			unavailable(t, "Authenticate", d.Authenticate(t.Context(), account.Account{Handle: "uid=x,dc=y"}, secret.New("x")))
			unavailable(t, "SetPassword", d.SetPassword(t.Context(), "x", secret.New("x")))
			if sent["bind"] != 0 {
				t.Errorf("binds were sent: %v", sent)
			}
		})
	}
}

// An empty password reaches no server, even one that would take it.
func TestEmptyPassword_RAUTH01(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{AllowUnauthenticated: true})
	careless := dialURL(t, server.URL)
	defer careless.Close()
	if err := careless.UnauthenticatedBind("uid=elefevre,ou=people," + n.suffix); err != nil {
		t.Fatalf("the server under test is not careless: %v", err)
	}
	config := n.config()
	config.URLs = []string{server.URL}
	var ops counter
	config.Observe = ops.observe
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	ops.take()
	for _, p := range []string{"", "\x00", "a\x00b", strings.Repeat("x", 4097)} {
		if err := d.Authenticate(t.Context(), a, secret.New(p)); !strings.Contains(err.Error(), directory.ErrBadPassword.Error()) {
			t.Errorf("%.5q: %v", p, err)
		}
	}
	if _, err := d.Find(t.Context(), strings.Repeat("x", 257)); err == nil {
		t.Error("a login of 257 bytes was found")
	}
	if sent := ops.take(); len(sent) != 0 {
		t.Errorf("operations: %v", sent)
	}
}

// A login is one search and one bind, on connections that are kept apart
// (R-AUTH-26) and whatever the login looks like.
func TestOperationsPerLogin_RAUTH10_RAUTH26(t *testing.T) {
	n := networks[0]
	server := n.embedded(t) // answers no search of people, so a wrong connection shows
	config := n.config()
	config.Dial = server.Dial
	var ops counter
	config.Observe = ops.observe
	d := open(t, config)
	for range 3 {
		if err := login(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	ops.take()
	ids := map[account.ID]bool{}
	for _, typed := range []string{"elefevre", "ELEFEVRE", " elefevre", "ｅｌｅｆｅｖｒｅ", "elodie.lefevre", "elefevre@univ-valmont.example"} {
		a, err := d.Find(t.Context(), typed)
		if err != nil {
			t.Fatal(err)
		}
		ids[a.ID] = true
		if err := d.Authenticate(t.Context(), a, secret.New("wrong")); err == nil {
			t.Error("a wrong password is right")
		}
		if diff := cmp.Diff(map[string]int{"search": 1, "bind": 1}, ops.take()); diff != "" {
			t.Errorf("%q: %s", typed, diff)
		}
	}
	if len(ids) != 1 {
		t.Errorf("%d identifiers for one person", len(ids))
	}
}

// Every error of a configuration says in one line where and what.
func TestConfigErrors(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, breakIt := range map[string]func(c *ldap.Config){
		"urls: is missing":                         func(c *ldap.Config) { c.URLs = nil },
		"urls[0]: must begin with ldap":            func(c *ldap.Config) { c.URLs = []string{"https://ldap.univ.fr"} },
		"urls[1]: must be ldap://host":             func(c *ldap.Config) { c.URLs = append(c.URLs, "ldap.univ.fr") },
		"urls[0]: would send passwords":            func(c *ldap.Config) { c.URLs = []string{"ldap://ldap.univ.fr"} },
		"urls[0]: ldaps:// is TLS already":         func(c *ldap.Config) { c.StartTLS = true },
		"ca: open":                                 func(c *ldap.Config) { c.CA = "/nowhere/ca.pem" },
		"holds no PEM certificate":                 func(c *ldap.Config) { c.CA = notPEM },
		"base: must be the DN":                     func(c *ldap.Config) { c.Base = "people" },
		"scope: must be sub or one":                func(c *ldap.Config) { c.Scope = "all" },
		"preset: none is called":                   func(c *ldap.Config) { c.Preset = "supan" },
		"state: nothing is called":                 func(c *ldap.Config) { c.State = []string{"etat"} },
		"filter: is no LDAP filter":                func(c *ldap.Config) { c.Filter = "objectClass=person)" },
		"passwordChange: must be":                  func(c *ldap.Config) { c.PasswordChange = "plain" },
		"absentState: must be":                     func(c *ldap.Config) { c.AbsentState = "grace" },
		"bindDN, bindPassword: the service":        func(c *ldap.Config) { c.BindPassword = secret.String{} },
		"writeDN, writePassword: one of":           func(c *ldap.Config) { c.WritePassword = secret.String{} },
		"attributes.lookup: at least one":          func(c *ldap.Config) { c.Attributes.Lookup = []string{} },
		"attributes.lookup: \"uid)(x\" is no name": func(c *ldap.Config) { c.Attributes.Lookup = []string{"uid)(x"} },
		"passwordChange: Active Directory takes new passwords over TLS only": func(c *ldap.Config) {
			c.URLs, c.PasswordChange = []string{"ldap://127.0.0.1"}, "ad"
		},
	} {
		c := networks[0].config()
		c.URLs = []string{"ldaps://ldap.univ.fr"}
		breakIt(&c)
		_, err := c.Open(t.Context(), directory.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v; want %q", err, want)
		}
	}
	for _, good := range []func(c *ldap.Config){
		func(c *ldap.Config) { c.URLs = []string{"ldap://127.0.0.1:3890", "ldap://localhost", "ldap://[::1]"} },
		func(c *ldap.Config) { c.URLs, c.InsecurePlaintext = []string{"ldap://ldap.univ.fr"}, true },
		func(c *ldap.Config) { c.URLs, c.StartTLS = []string{"ldap://ldap.univ.fr"}, true },
	} {
		c := networks[0].config()
		good(&c)
		if _, err := c.Open(t.Context(), directory.Env{}); err != nil {
			t.Error(err)
		}
	}
}

// A section of a configuration file becomes the plugin.
func TestSection(t *testing.T) {
	set := plugin.Set[directory.Directory, directory.Env]{
		"ldap": func() plugin.Config[directory.Directory, directory.Env] { return new(ldap.Config) },
	}
	decoded, err := set.Decode([]byte(`{
		"type": "ldap", "urls": ["ldaps://ldap.univ.fr"], "bindDN": "cn=idp", "bindPassword": "s", "base": "ou=people,dc=univ,dc=fr",
		"preset": "supann", "state": ["supann"], "attributes": {"login": "eduPersonPrincipalName"}, "timeout": "1s", "pool": {"binds": 4}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	c := decoded.(*ldap.Config)
	if c.Attributes.Login != "eduPersonPrincipalName" || c.State[0] != "supann" || c.Pool.Binds != 4 || c.BindPassword.Reveal() != "s" {
		t.Errorf("%+v", c)
	}
	if _, err := set.Decode([]byte(`{"type": "ldap", "attributes": {"uid": "x"}}`)); err == nil || !strings.HasPrefix(err.Error(), "attributes.uid: unknown key") {
		t.Error(err)
	}
	for _, preset := range ldap.Presets() {
		c := networks[0].config()
		c.URLs, c.Preset = []string{"ldaps://ldap.univ.fr"}, preset
		if _, err := c.Open(t.Context(), directory.Env{}); err != nil {
			t.Errorf("preset %s: %v", preset, err)
		}
	}
}

func TestExamine(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	secure := n.slapd(t, slapdtest.Options{TLS: true})
	old := n.slapd(t, slapdtest.Options{TLS: true, Expired: true})
	large := slapdtest.Start(t, slapdtest.Options{
		Trees: []slapdtest.Tree{{Suffix: n.suffix, LDIF: crowd(1000)}}, Schema: fixtures.Schema,
		Index: []string{"eduPersonPrincipalName eq", "eduPersonUniqueId eq"},
	})
	config := n.config()
	config.URLs, config.Now = []string{server.URL}, nil
	for _, c := range []struct {
		name    string
		breakIt func(c *ldap.Config)
		fault   string // what is not OK; empty: nothing
	}{
		{"all well", func(*ldap.Config) {}, ""},
		{"wrong password", func(c *ldap.Config) { c.BindPassword = secret.New("wrong") }, "bind as cn=idp-ro"},
		{"wrong password to write", func(c *ldap.Config) { c.WritePassword = secret.New("wrong") }, "bind as cn=idp-rw"},
		{"read-only account to write", func(c *ldap.Config) { c.WriteDN, c.WritePassword = c.BindDN, c.BindPassword },
			"may not write userPassword, supannRessourceEtat, supannRessourceEtatDate of uid="},
		{"missing index", func(c *ldap.Config) { c.URLs = []string{large.URL} }, "index for equality, on the server: supannAliasLogin ("},
		{"untrusted certificate", func(c *ldap.Config) { c.URLs = []string{secure.SecureURL} }, "set ca to the file of that authority's certificate"},
		{"certificate of another name", func(c *ldap.Config) {
			c.URLs, c.CA, c.ServerName = []string{secure.SecureURL}, secure.CA, "ldap.univ.example"
		}, "write that name in urls, or set serverName"},
		{"expired certificate", func(c *ldap.Config) { c.URLs, c.CA = []string{old.SecureURL}, old.CA }, "has expired, or our clock is wrong: renew it"},
		{"StartTLS not offered", func(c *ldap.Config) { c.StartTLS, c.CA = true, secure.CA }, "does not offer StartTLS"},
		{"clock off", func(c *ldap.Config) { c.Now = func() time.Time { return time.Now().Add(10 * time.Minute) } }, "from ours: check NTP on both"},
		{"no server", func(c *ldap.Config) { c.URLs = []string{"ldap://127.0.0.1:1"} }, "check urls and startTLS, and that the server runs"},
		{"wrong base", func(c *ldap.Config) { c.Base = "ou=nobody," + n.suffix }, "base ou=nobody"},
		{"wrong filter", func(c *ldap.Config) { c.Filter = "(objectClass=device)" }, "an account matching"},
		{"wrong identifier", func(c *ldap.Config) { c.Attributes.ID = "employeeNumber" }, "identifier employeeNumber"},
		{"wrong login", func(c *ldap.Config) { c.Attributes.Login = "employeeNumber" }, "login employeeNumber"},
		{"no such state", func(c *ldap.Config) { c.State = []string{"ent"} }, "account state (ent)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := config
			c.breakIt(&config)
			d := open(t, config)
			var faults []string
			for _, f := range d.(directory.Examiner).Examine(t.Context()) {
				if !f.OK {
					faults = append(faults, f.What+": "+f.Mend)
				}
				if f.OK != (f.Mend == "") || strings.Contains(f.Mend, "\n") {
					t.Errorf("%+v", f)
				}
			}
			if (len(faults) == 1) != (c.fault != "") || len(faults) > 1 || !strings.Contains(strings.Join(faults, "\n"), c.fault) {
				t.Errorf("faults %q; want %q", faults, c.fault)
			}
		})
	}
	if err := open(t, config).(directory.Pinger).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
