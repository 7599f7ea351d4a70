package ldapserver_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

const (
	suffix = fixtures.UniversitySuffix
	people = "ou=people," + suffix
)

var services = fixtures.Services{Reader: "reader-secret", Writer: "writer-secret"}

func start(t testing.TB) *ldapserver.Server {
	t.Helper()
	s := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema), []string{fixtures.ReaderDN(suffix)}, []string{fixtures.WriterDN(suffix)})
	if err := s.Load(fixtures.University(fixtures.Clock, services)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t testing.TB, s *ldapserver.Server) *goldap.Conn {
	t.Helper()
	raw, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := goldap.NewConn(raw, false)
	c.Start()
	t.Cleanup(func() { c.Close() })
	return c
}

func bound(t testing.TB, s *ldapserver.Server, dn, password string) *goldap.Conn {
	t.Helper()
	c := dial(t, s)
	if err := c.Bind(dn, password); err != nil {
		t.Fatal(err)
	}
	return c
}

func reader(t testing.TB, s *ldapserver.Server) *goldap.Conn {
	return bound(t, s, fixtures.ReaderDN(suffix), services.Reader)
}

func writer(t testing.TB, s *ldapserver.Server) *goldap.Conn {
	return bound(t, s, fixtures.WriterDN(suffix), services.Writer)
}

func search(c *goldap.Conn, base string, scope int, filter string, attributes ...string) (*goldap.SearchResult, error) {
	return c.Search(goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
}

// What was measured on OpenLDAP 2.5 with the same entries.
func TestFilters(t *testing.T) {
	c := reader(t, start(t))
	const all = goldap.ScopeWholeSubtree
	for filter, want := range map[string]string{
		"(uid=elefevre)":                                     "elefevre",
		"(uid= ELEFEVRE  )":                                  "elefevre",
		"(uid=ｅｌｅｆｅｖｒｅ)":                                     "elefevre",
		"(uid=e\u200blefevre)":                               "",
		"(uid=еlefevre)":                                     "", // Cyrillic е
		"(sn=lefevre)":                                       "",
		"(sn=lefèvre)":                                       "elefevre",
		"(sn=lefe\u0300vre)":                                 "elefevre",
		"(sn=de  la tour d'auvergne)":                        "mdelatour",
		"(supannAliasLogin=elodie.lefevre)":                  "",
		"(supannAliasLogin=Elodie.Lefevre)":                  "elefevre",
		"(supannAliasLogin:caseIgnoreMatch:=elodie.lefevre)": "elefevre",
		"(supannAliasLogin:2.5.13.2:=elodie.lefevre)":        "elefevre",
		"(supannAliasLogin:noSuchMatch:=elodie.lefevre)":     "",
		"(!(supannAliasLogin:noSuchMatch:=elodie.lefevre))":  "", // not Undefined is Undefined
		"(supannMailPrive=elodie.l@example.org)":             "",
		"(supannMailPrive={secours}elodie.l@example.org)":    "elefevre",
		"(mail=ELODIE.lefevre@etu.univ-valmont.example)":     "elefevre",
		"(mail=é@etu.univ-valmont.example)":                  "",
		"(|(uid=elefevre)(mail=é))":                          "elefevre",
		"(&(uid=elefevre)(mail=é))":                          "",
		"(supannTelephonePrive=*0001)":                       "elefevre",
		"(uid=ele*)":                                         "elefevre",
		"(uid=*fev*re)":                                      "elefevre",
		"(uid=fev*)":                                         "",
		"(uid=*lef*lef*)":                                    "",
		"(&(supannEtuId>=22601013)(supannEtuId<=22601013))":  "zmartinez",
		"(&(uid=elefevre)(!(uid=elefevre)))":                 "",
		"(&(uid=elefevre)(displayName=*))":                   "elefevre",
		"(&(uid=elefevre)(noSuchAttribute=*))":               "",
		"(&(uid=elefevre)(entryUUID=*))":                     "elefevre",
		"(&(uid=elefevre)(userPassword=*))":                  "",
		"(supannParrainDN=UID=mdelatour, OU=people, DC=univ-valmont,dc=EXAMPLE)": "fbadge",
	} {
		found, err := search(c, suffix, all, filter, "uid")
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		var uids []string
		for _, e := range found.Entries {
			uids = append(uids, e.GetAttributeValue("uid"))
		}
		if got := strings.Join(uids, " "); got != want {
			t.Errorf("%s finds %q; want %q", filter, got, want)
		}
	}
}

func TestScopesAndLimits(t *testing.T) {
	c := reader(t, start(t))
	for _, s := range []struct {
		base  string
		scope int
		want  int
		code  uint16
	}{
		{suffix, goldap.ScopeBaseObject, 1, 0},
		{suffix, goldap.ScopeSingleLevel, 4, 0},
		{people, goldap.ScopeSingleLevel, 29, 0},
		{people, goldap.ScopeWholeSubtree, 30, 0},
		{"OU=People, " + suffix, goldap.ScopeWholeSubtree, 30, 0},
		{"ou=nowhere," + suffix, goldap.ScopeWholeSubtree, 0, goldap.LDAPResultNoSuchObject},
		{"nonsense", goldap.ScopeWholeSubtree, 0, goldap.LDAPResultInvalidDNSyntax},
	} {
		found, err := search(c, s.base, s.scope, "(objectClass=*)", "1.1")
		if (s.code != 0) != (err != nil) || s.code != 0 && !goldap.IsErrorWithCode(err, s.code) {
			t.Errorf("%s: %v", s.base, err)
		} else if err == nil && len(found.Entries) != s.want {
			t.Errorf("%s scope %d: %d entries; want %d", s.base, s.scope, len(found.Entries), s.want)
		}
	}
	request := goldap.NewSearchRequest(people, goldap.ScopeWholeSubtree, 0, 2, 0, false, "(objectClass=inetOrgPerson)", nil, nil)
	found, err := c.Search(request)
	if !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) || len(found.Entries) != 2 {
		t.Errorf("with a limit of 2: %d, %v", len(found.Entries), err)
	}
}

// Nobody reads a password, nobody but the service accounts reads anything, and
// only one of them writes.
func TestRights(t *testing.T) {
	s := start(t)
	dn := "uid=elefevre," + people
	replace := func(c *goldap.Conn) error {
		m := goldap.NewModifyRequest(dn, nil)
		m.Replace("displayName", []string{"x"})
		return c.Modify(m)
	}
	person := bound(t, s, dn, "Valmont-elefevre-2026")
	for name, c := range map[string]*goldap.Conn{"anonymous": dial(t, s), "a person": person} {
		if _, err := search(c, people, goldap.ScopeWholeSubtree, "(uid=elefevre)"); !goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) {
			t.Errorf("search by %s: %v", name, err)
		}
		if err := replace(c); !goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) {
			t.Errorf("modify by %s: %v", name, err)
		}
	}
	ro := reader(t, s)
	if err := replace(ro); !goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("modify by the reader: %v", err)
	}
	found, err := search(ro, people, goldap.ScopeWholeSubtree, "(uid=elefevre)", "*", "+", "userPassword")
	if err != nil || len(found.Entries) != 1 || found.Entries[0].GetAttributeValue("userPassword") != "" || found.Entries[0].GetAttributeValue("entryUUID") == "" {
		t.Errorf("%v, %v", found, err)
	}
	if err := ro.Bind(dn, "wrong"); !goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials) {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := search(ro, people, goldap.ScopeWholeSubtree, "(uid=elefevre)"); err == nil {
		t.Error("a failed bind left the old identity")
	}
	if err := dial(t, s).UnauthenticatedBind(dn); !goldap.IsErrorWithCode(err, goldap.LDAPResultUnwillingToPerform) {
		t.Errorf("bind without a password: %v", err)
	}
	if who, err := person.WhoAmI(nil); err != nil || who.AuthzID != "dn:"+dn {
		t.Errorf("who am I: %v, %v", who, err)
	}
	if _, err := person.PasswordModify(goldap.NewPasswordModifyRequest("", "", "my own choice")); err != nil {
		t.Errorf("own password: %v", err)
	}
	bound(t, s, dn, "my own choice")
	if _, err := person.PasswordModify(goldap.NewPasswordModifyRequest("uid=fndiaye,"+people, "", "x")); err == nil {
		t.Error("a person set another's password")
	}
}

func TestModify(t *testing.T) {
	s := start(t)
	c := writer(t, s)
	dn := "uid=elefevre," + people
	read := func(attribute string) []string {
		found, err := search(c, dn, goldap.ScopeBaseObject, "(objectClass=*)", attribute)
		if err != nil {
			t.Fatal(err)
		}
		return found.Entries[0].GetAttributeValues(attribute)
	}
	const attribute = "supannMailPrive"
	for _, step := range []struct {
		name string
		edit func(m *goldap.ModifyRequest)
		code uint16
		want []string
	}{
		{"add", func(m *goldap.ModifyRequest) { m.Add(attribute, []string{"{PERSO}a@b.example"}) }, 0, []string{"{SECOURS}elodie.l@example.org", "{PERSO}a@b.example"}},
		{"add what is there", func(m *goldap.ModifyRequest) { m.Add(attribute, []string{"{perso}A@b.example"}) }, 20, nil},
		{"delete what is not there", func(m *goldap.ModifyRequest) { m.Delete(attribute, []string{"{PERSO}x@y.example"}) }, 16, nil},
		{"all or nothing", func(m *goldap.ModifyRequest) {
			m.Delete(attribute, []string{"{PERSO}a@b.example"})
			m.Delete(attribute, []string{"{PERSO}a@b.example"})
		}, 16, []string{"{SECOURS}elodie.l@example.org", "{PERSO}a@b.example"}},
		{"delete one", func(m *goldap.ModifyRequest) { m.Delete(attribute, []string{"{PERSO}a@b.example"}) }, 0, []string{"{SECOURS}elodie.l@example.org"}},
		{"replace", func(m *goldap.ModifyRequest) { m.Replace(attribute, []string{"{PERSO}c@d.example"}) }, 0, []string{"{PERSO}c@d.example"}},
		{"delete all", func(m *goldap.ModifyRequest) { m.Delete(attribute, nil) }, 0, []string{}},
		{"delete all again", func(m *goldap.ModifyRequest) { m.Delete(attribute, nil) }, 16, nil},
		{"replace by nothing", func(m *goldap.ModifyRequest) { m.Replace(attribute, nil) }, 0, []string{}},
		{"not ASCII", func(m *goldap.ModifyRequest) { m.Replace("supannMailPerso", []string{"é@example.org"}) }, 21, nil},
		{"the name itself", func(m *goldap.ModifyRequest) { m.Replace("uid", []string{"other"}) }, 67, nil},
	} {
		m := goldap.NewModifyRequest(dn, nil)
		step.edit(m)
		err := c.Modify(m)
		if (err != nil) != (step.code != 0) || step.code != 0 && !goldap.IsErrorWithCode(err, step.code) {
			t.Errorf("%s: %v; want code %d", step.name, err, step.code)
		}
		if step.want != nil {
			if diff := cmp.Diff(step.want, read(attribute)); diff != "" {
				t.Errorf("%s: %s", step.name, diff)
			}
		}
	}
}

func TestAddRenameDelete(t *testing.T) {
	c := writer(t, start(t))
	dn := "uid=new," + people
	add := goldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"inetOrgPerson"})
	add.Attribute("uid", []string{"new"})
	if err := c.Add(add); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(add); !goldap.IsErrorWithCode(err, goldap.LDAPResultEntryAlreadyExists) {
		t.Errorf("add twice: %v", err)
	}
	uuid := func(dn string) string {
		found, err := search(c, dn, goldap.ScopeBaseObject, "(objectClass=*)", "entryUUID", "uid")
		if err != nil {
			t.Fatal(err)
		}
		return found.Entries[0].GetAttributeValue("entryUUID") + " " + found.Entries[0].GetAttributeValue("uid")
	}
	before := uuid(dn)
	if err := c.ModifyDN(goldap.NewModifyDNRequest(dn, "uid=newer", true, "")); err != nil {
		t.Fatal(err)
	}
	if after := uuid("uid=newer," + people); after != strings.Replace(before, "new", "newer", 1) {
		t.Errorf("%s after the rename of %s", after, before)
	}
	if err := c.ModifyDN(goldap.NewModifyDNRequest("uid=newer,"+people, "uid=elefevre", true, "")); !goldap.IsErrorWithCode(err, goldap.LDAPResultEntryAlreadyExists) {
		t.Errorf("rename to a taken name: %v", err)
	}
	if err := c.Del(goldap.NewDelRequest(people, nil)); !goldap.IsErrorWithCode(err, goldap.LDAPResultNotAllowedOnNonLeaf) {
		t.Errorf("delete of what has children: %v", err)
	}
	for _, want := range []uint16{0, goldap.LDAPResultNoSuchObject} {
		err := c.Del(goldap.NewDelRequest("uid=newer,"+people, nil))
		if (err != nil) != (want != 0) || want != 0 && !goldap.IsErrorWithCode(err, want) {
			t.Errorf("delete: %v; want %d", err, want)
		}
	}
}

// Many at once, on one connection and on several, through the pipe.
func TestConcurrent(t *testing.T) {
	s := start(t)
	shared := reader(t, s)
	rw := writer(t, s)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			for range 10 {
				found, err := search(shared, people, goldap.ScopeWholeSubtree, "(objectClass=inetOrgPerson)")
				if err != nil || len(found.Entries) != 29 {
					t.Errorf("%v", err)
				}
			}
		})
		all.Go(func() {
			m := goldap.NewModifyRequest("uid=elefevre,"+people, nil)
			m.Replace("displayName", []string{strings.Repeat("x", i+1)})
			if err := rw.Modify(m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestLDIFErrors(t *testing.T) {
	for want, ldif := range map[string]string{
		"without a colon":  "dn: dc=x\nhello",
		"begins with":      "cn: x\n",
		"illegal base64":   "dn: dc=x\ncn:: !!\n",
		"not a DN":         "dn: x\ncn: x\n",
		"Already Exists":   "dn: dc=x\ndc: x\n\ndn: dc=X\ndc: x\n",
		"value is not IA5": "dn: dc=x\nmail: é\n",
	} {
		err := ldapserver.New(ldapserver.ParseSchema(""), nil, nil).Load([]byte(ldif))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", ldif, err, want)
		}
	}
	s := ldapserver.New(ldapserver.ParseSchema(""), []string{"cn=r,dc=x"}, nil)
	folded := "# a comment\n that goes on\ndn: dc=\n x\r\ndc: x\n\n\ndn: cn=r,dc=x\nuserPassword: plain\ndescription: a long\n  line\n"
	if err := s.Load([]byte(folded)); err != nil {
		t.Fatal(err)
	}
	c := bound(t, s, "cn=r,dc=x", "plain")
	found, err := search(c, "dc=x", goldap.ScopeWholeSubtree, "(description=a long line)", "1.1")
	if err != nil || len(found.Entries) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
