package ldap_test

import (
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/directory/directorytest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"

	goldap "github.com/go-ldap/ldap/v3"
)

func clock() time.Time { return fixtures.Clock }

var services = fixtures.Services{Reader: "reader-secret", Writer: "writer-secret"}

// network is one of the two fixtures, and how a directory on it is set up.
type network struct {
	name      string
	suffix    string
	ldif      []byte
	preset    string
	domains   []string
	people    []directorytest.Person
	ambiguous []string
	uid       func(login string) string // of the entry's name
}

var networks = []network{
	{
		"university", fixtures.UniversitySuffix, fixtures.University(fixtures.Clock, services), "supann",
		[]string{"univ-valmont.example"}, directorytest.University(), nil,
		func(login string) string { return login },
	},
	{
		"school", fixtures.SchoolSuffix, fixtures.School(fixtures.Clock, services), "ent-school",
		[]string{"ent-valmont.example"}, directorytest.School(), []string{"legoff@example.org"},
		func(string) string { return "F26x0001" },
	},
}

// config reads a network with the service accounts of the fixtures.
func (n network) config() ldap.Config {
	return ldap.Config{
		BindDN:        fixtures.ReaderDN(n.suffix),
		BindPassword:  secret.New(services.Reader),
		WriteDN:       fixtures.WriterDN(n.suffix),
		WritePassword: secret.New(services.Writer),
		Base:          "ou=people," + n.suffix,
		Preset:        n.preset,
		OwnDomains:    n.domains,
		Schema:        ldap.Schema{Attributes: ldap.Attributes{Editable: []string{"description"}}},
		Timeout:       plugin.Duration(10 * time.Second), // the machine may be busy
		Now:           clock,
	}
}

// embedded starts the server of package ldapserver on a network.
func (n network) embedded(t testing.TB) *ldapserver.Server {
	t.Helper()
	s := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema),
		[]string{fixtures.ReaderDN(n.suffix)}, []string{fixtures.WriterDN(n.suffix)})
	if err := s.Load(n.ldif); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// open opens a configuration until the test ends.
func open(t testing.TB, c ldap.Config) directory.Directory {
	t.Helper()
	d, err := c.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.(interface{ Close() error }).Close() })
	return d
}

// rename gives the first person another login, as an administrator would.
func (n network) rename(t *testing.T, admin *goldap.Conn, login, to string) {
	t.Helper()
	dn := "uid=" + n.uid(login) + ",ou=people," + n.suffix
	var err error
	if n.preset == "supann" {
		err = admin.ModifyDN(goldap.NewModifyDNRequest(dn, "uid="+to, true, ""))
	} else {
		change := goldap.NewModifyRequest(dn, nil)
		change.Replace("ENTPersonLogin", []string{to})
		err = admin.Modify(change)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// admin is a connection of the tests' own, bound as the one who may write.
func (n network) admin(t testing.TB, conn *goldap.Conn) *goldap.Conn {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if err := conn.Bind(fixtures.WriterDN(n.suffix), services.Writer); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestEmbedded(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			directorytest.Run(t, func(t *testing.T) directorytest.Harness {
				server := n.embedded(t)
				config := n.config()
				config.Dial = server.Dial
				raw, err := server.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				conn := goldap.NewConn(raw, false)
				conn.Start()
				admin := n.admin(t, conn)
				return directorytest.Harness{
					Directory: open(t, config),
					People:    n.people,
					Ambiguous: n.ambiguous,
					Editable:  "description",
					Rename:    func(t *testing.T, login, to string) { n.rename(t, admin, login, to) },
				}
			})
		})
	}
}

// lockAfter is the policy of the servers under test.
const (
	lockAfter = 3
	policy    = "pwdLockout: TRUE\npwdMaxFailure: 3\npwdInHistory: 3\npwdMinLength: 8\npwdCheckQuality: 2\npwdMustChange: TRUE\n"
)

// slapd starts a real server on a network.
func (n network) slapd(t testing.TB, o slapdtest.Options) *slapdtest.Server {
	t.Helper()
	o.Trees = []slapdtest.Tree{{Suffix: n.suffix, LDIF: n.ldif}}
	o.Schema, o.Index = fixtures.Schema, fixtures.Index
	return slapdtest.Start(t, o)
}

func dialURL(t testing.TB, url string) *goldap.Conn {
	t.Helper()
	conn, err := goldap.DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSlapd(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			directorytest.Run(t, func(t *testing.T) directorytest.Harness {
				server := n.slapd(t, slapdtest.Options{Policy: policy})
				config := n.config()
				config.URLs = []string{server.URL}
				admin := n.admin(t, dialURL(t, server.URL))
				return directorytest.Harness{
					Directory: open(t, config),
					People:    n.people,
					Ambiguous: n.ambiguous,
					Editable:  "description",
					Rename:    func(t *testing.T, login, to string) { n.rename(t, admin, login, to) },
					Lock: func(t *testing.T, login string) {
						guesser := dialURL(t, server.URL)
						defer guesser.Close()
						for range lockAfter {
							guesser.Bind("uid="+n.uid(login)+",ou=people,"+n.suffix, "a guess")
						}
					},
				}
			})
		})
	}
}
