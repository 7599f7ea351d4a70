package ldap_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"

	goldap "github.com/go-ldap/ldap/v3"
)

// faults are the lines of a report that are not OK.
func faults(t *testing.T, config ldap.Config) (out []string) {
	t.Helper()
	for _, f := range open(t, config).(directory.Examiner).Examine(t.Context()) {
		if !f.OK {
			out = append(out, f.What+" — "+f.Mend)
		}
	}
	return out
}

// A password of a service account that has expired, or that an administrator
// set, is accepted, and nothing else is after it.
func TestExamineServicePassword(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{Policy: "pwdMustChange: TRUE"})
	for _, dn := range []string{fixtures.ReaderDN(n.suffix), fixtures.WriterDN(n.suffix)} {
		config := n.config()
		config.URLs, config.Now = []string{server.URL}, nil
		root := dialURL(t, server.URL)
		defer root.Close()
		must(t, root.Bind("cn=root,"+n.suffix, slapdtest.RootPassword))
		reset := goldap.NewModifyRequest(dn, nil)
		reset.Replace("pwdReset", []string{"TRUE"})
		must(t, root.Modify(reset))
		if got := faults(t, config); len(got) != 1 || !strings.Contains(got[0], "bind as "+dn) || !strings.Contains(got[0], "has expired, or must be changed: set a new one") {
			t.Errorf("%s: %q", dn, got)
		}
		reset = goldap.NewModifyRequest(dn, nil)
		reset.Delete("pwdReset", nil)
		must(t, root.Modify(reset))
	}
}

// A copy is to hold the same accounts, and does not take changes.
func TestExamineCopies(t *testing.T) {
	n := networks[0]
	provider := n.slapd(t, slapdtest.Options{Provides: true})
	config := n.config()
	config.Now = nil
	copied := n.slapd(t, slapdtest.Options{CopyOf: provider.URL})
	c := dialURL(t, copied.URL)
	defer c.Close()
	for began := time.Now(); c.Bind(config.WriteDN, services.Writer) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the copy stays empty")
		}
	}
	config.URLs, config.Replicas = []string{provider.URL}, []string{copied.URL}
	if got := faults(t, config); len(got) > 0 {
		t.Errorf("a copy of all: %q", got)
	}
	config.URLs, config.Replicas = []string{copied.URL}, nil
	if got := faults(t, config); len(got) != 1 || !strings.Contains(got[0], "sends changes elsewhere") {
		t.Errorf("a copy in place of the provider: %q", got)
	}
	other := n.slapd(t, slapdtest.Options{}) // which does not hear of what is added
	config.Base = "ou=alumni," + n.suffix
	admin := n.admin(t, dialURL(t, provider.URL))
	alumni := goldap.NewAddRequest(config.Base, nil)
	alumni.Attribute("objectClass", []string{"organizationalUnit"})
	must(t, admin.Add(alumni))
	must(t, admin.ModifyDN(goldap.NewModifyDNRequest("uid=elefevre,ou=people,"+n.suffix, "uid=elefevre", true, config.Base)))
	config.URLs, config.Replicas = []string{provider.URL}, []string{other.URL}
	if got := faults(t, config); len(got) != 1 || !strings.Contains(got[0], strings.TrimPrefix(other.URL, "ldap://")+" has none") {
		t.Errorf("a copy of something else: %q", got)
	}
}

// Whatever an account cannot do without is told once, with an example; nothing
// goes to the log besides.
func TestExamineEntries(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	admin := n.admin(t, dialURL(t, server.URL))
	for i := range 2 {
		person := goldap.NewAddRequest(fmt.Sprintf("uid=nobody%d,ou=people,%s", i, n.suffix), nil)
		person.Attribute("objectClass", []string{"inetOrgPerson", "eduPerson", "supannPerson"})
		person.Attribute("sn", []string{"N"})
		person.Attribute("cn", []string{"N"})
		must(t, admin.Add(person))
	}
	config := n.config()
	var log bytes.Buffer
	config.URLs, config.Now, config.Logger = []string{server.URL}, nil, slog.New(slog.NewTextHandler(&log, nil))
	if got := faults(t, config); len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("2 of %d entries are no accounts", len(n.people)+2)) ||
		!strings.Contains(got[0], "uid=nobody0,") {
		t.Errorf("%q", got)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}

// Whoever makes the changes must be there; none is made to find out.
func TestExamineDelegate(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	var asked []string
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method)
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	defer there.Close()
	for name, c := range map[string]struct {
		delegate ldap.Delegate
		fault    string
	}{
		"command":             {ldap.Delegate{Command: []string{"/bin/true"}}, ""},
		"command not there":   {ldap.Delegate{Command: []string{"/nowhere/change"}}, "changes by /nowhere/change — check delegate: "},
		"command not allowed": {ldap.Delegate{Command: []string{"/etc/passwd"}}, "permission denied"},
		"address":             {ldap.Delegate{URL: there.URL}, ""},
		"address not there":   {ldap.Delegate{URL: "http://127.0.0.1:1/"}, "connection refused"},
	} {
		config := n.config()
		config.URLs, config.Now, config.Delegate = []string{server.URL}, nil, &c.delegate
		got := faults(t, config)
		if (len(got) == 1) != (c.fault != "") || !strings.Contains(strings.Join(got, ""), c.fault) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if len(asked) != 1 || asked[0] != http.MethodHead {
		t.Errorf("asked: %v", asked)
	}
}

// What is to be mended is named when a bind is refused or a port is another's.
func TestExamineConnections(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{TLS: true})
	strict := startFake(t, answers{goldap.ApplicationBindRequest: ends(goldap.ApplicationBindResponse, goldap.LDAPResultConfidentialityRequired, "")})
	for name, c := range map[string]struct {
		change func(*ldap.Config)
		mend   string
	}{
		"no DN":          {func(c *ldap.Config) { c.BindDN = "idp-ro" }, "check bindDN and bindPassword"},
		"no DN to write": {func(c *ldap.Config) { c.WriteDN = "idp-rw" }, "check writeDN and writePassword"},
		"wrong password": {func(c *ldap.Config) { c.BindPassword = secret.New("x") }, "locked or disabled sounds the same"},
		"TLS wanted":     {func(c *ldap.Config) { c.URLs = []string{strict.url} }, "lets nobody in without TLS"},
		"StartTLS at ldaps": {func(c *ldap.Config) {
			c.URLs, c.StartTLS = []string{"ldap" + strings.TrimPrefix(server.SecureURL, "ldaps")}, true
		}, "write ldaps:// without startTLS"},
		"ldaps at plain port": {func(c *ldap.Config) { c.URLs = []string{"ldaps" + strings.TrimPrefix(server.URL, "ldap")} }, "no TLS is spoken at this port"},
	} {
		config := n.config()
		config.URLs, config.CA, config.Now = []string{server.URL}, server.CA, nil
		c.change(&config)
		if got := faults(t, config); len(got) != 1 || !strings.Contains(got[0], c.mend) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A name that the server does not have finds nobody and is no error of any
// search: the doctor says so.
func TestExamineNames(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	findings := func(change func(*ldap.Config)) map[string]directory.Finding {
		t.Helper()
		config := n.config()
		config.URLs, config.Now = []string{server.URL}, nil
		change(&config)
		out := map[string]directory.Finding{}
		for _, f := range open(t, config).(directory.Examiner).Examine(t.Context()) {
			out[f.What] = f
		}
		return out
	}
	const schema = "attributes are of the server's schema"
	there := "groups under ou=groups," + n.suffix
	good := findings(func(c *ldap.Config) {
		c.Groups.Base = "ou=groups," + n.suffix
		c.Attributes.Editable, c.Attributes.Emails = []string{"preferredLanguage"}, []string{"supannMailPrive{SECOURS}"}
		c.Attributes.Lookup, c.Attributes.Search = []string{"uid", "supannAliasLogin:usualCases"}, []string{"commonName*"}
	})
	if !good[schema].OK || !good[there].OK {
		t.Errorf("%+v %+v", good[schema], good[there])
	}
	bad := findings(func(c *ldap.Config) {
		c.Groups.Base = "ou=gruops," + n.suffix
		c.Attributes.Editable, c.Attributes.Release = []string{"mailForwardingAddres"}, []string{"cn", "supannEmpIdd"}
	})
	if f := bad[schema]; f.OK || !strings.Contains(f.Mend, "attributes.editable: mailForwardingAddres, attributes.release: supannEmpIdd") {
		t.Errorf("%+v", f)
	}
	if f, ok := bad["groups under ou=gruops,"+n.suffix]; !ok || f.OK || !strings.Contains(f.Mend, "check groups.base") {
		t.Errorf("%+v", f)
	}
}
