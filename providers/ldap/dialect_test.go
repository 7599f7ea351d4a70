package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/directory/directorytest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/ds389test"
	"github.com/loge-idp/loge/providers/ldap/sambatest"
	"github.com/loge-idp/loge/providers/memory/fixtures"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// entries are those of the embedded directory, to be put into another, with
// the passwords that the people of the kit have.
func (n network) entries(t *testing.T) []*goldap.AddRequest {
	t.Helper()
	raw, err := n.embedded(t).Dial(t.Context())
	must(t, err)
	conn := goldap.NewConn(raw, false)
	conn.Start()
	found, err := n.admin(t, conn).Search(goldap.NewSearchRequest(n.suffix, goldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", nil, nil))
	must(t, err)
	passwords := map[string]string{"cn=idp-ro": services.Reader, "cn=idp-rw": services.Writer}
	for _, p := range n.people {
		passwords["uid="+p.Login] = p.Password
	}
	var out []*goldap.AddRequest
	for _, e := range found.Entries {
		add := goldap.NewAddRequest(e.DN, nil)
		for _, a := range e.Attributes {
			add.Attribute(a.Name, a.Values)
		}
		name, _, _ := strings.Cut(e.DN, ",")
		if password := passwords[name]; password != "" {
			add.Attribute("userPassword", []string{password})
		}
		out = append(out, add)
	}
	return out
}

// must fails the test at once.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// empty removes the leaves below a name.
func empty(t *testing.T, admin *goldap.Conn, below string) {
	t.Helper()
	found, err := admin.Search(goldap.NewSearchRequest(below, goldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	must(t, err)
	for _, e := range found.Entries {
		must(t, admin.Del(goldap.NewDelRequest(e.DN, nil)))
	}
}

func changeTo(t *testing.T, admin *goldap.Conn, dn, attribute string, values ...string) {
	t.Helper()
	change := goldap.NewModifyRequest(dn, nil)
	change.Replace(attribute, values)
	must(t, admin.Modify(change))
}

// start389 is a real 389ds with the university, its administrator and the
// configuration for it.
func start389(t *testing.T) (*goldap.Conn, ldap.Config) {
	t.Helper()
	n := networks[0]
	server := ds389test.Start(t, ds389test.Options{Suffix: n.suffix, Schema: fixtures.Schema})
	raw, err := server.Dial()
	must(t, err)
	admin := goldap.NewConn(raw, false)
	admin.Start()
	t.Cleanup(func() { admin.Close() })
	must(t, admin.Bind(ds389test.RootDN, ds389test.RootPassword))
	changeTo(t, admin, "cn=config", "passwordStorageScheme", "SSHA") // the default takes 10 ms
	for _, add := range n.entries(t) {
		must(t, admin.Add(add))
	}
	changeTo(t, admin, n.suffix, "aci",
		`(targetattr!="userPassword")(version 3.0; acl "read"; allow (read,search,compare) userdn="ldap:///`+fixtures.ReaderDN(n.suffix)+`";)`,
		`(targetattr="* || nsAccountLock || accountUnlockTime || passwordRetryCount || passwordExpirationTime")(version 3.0; acl "write"; allow (all) userdn="ldap:///`+fixtures.WriterDN(n.suffix)+`";)`,
		`(targetattr="userPassword")(version 3.0; acl "own"; allow (write) userdn="ldap:///self";)`)
	config := n.config()
	config.Dial = func(context.Context) (net.Conn, error) { return server.Dial() }
	config.Schema.Attributes.ID = "nsUniqueId"
	config.State = []string{"supann", "389ds"}
	return admin, config
}

// The kit on a real 389ds, which holds SUPANN people.
func Test389DS(t *testing.T) {
	t.Parallel()
	n := networks[0]
	admin, config := start389(t)
	people := slices.Clone(n.people)
	for i := range people {
		// It folds case, not the compatibility forms of letters.
		people[i].Also = slices.DeleteFunc(slices.Clone(people[i].Also), func(name string) bool { return name == "ｅｌｅｆｅｖｒｅ" })
	}
	entries := n.entries(t)
	changeTo(t, admin, "cn=config", "passwordMaxFailure", "3")
	directorytest.Run(t, func(t *testing.T) directorytest.Harness {
		changeTo(t, admin, "cn=config", "passwordLockout", "off")
		empty(t, admin, "ou=people,"+n.suffix)
		for _, add := range entries {
			if strings.HasSuffix(add.DN, ",ou=people,"+n.suffix) {
				must(t, admin.Add(add))
			}
		}
		return directorytest.Harness{
			Directory: open(t, config),
			People:    people,
			Editable:  "description",
			Rename:    func(t *testing.T, login, to string) { n.rename(t, admin, login, to) },
			Lock: func(t *testing.T, login string) {
				changeTo(t, admin, "cn=config", "passwordLockout", "on")
				raw, err := config.Dial(t.Context())
				must(t, err)
				guesser := goldap.NewConn(raw, false)
				guesser.Start()
				defer guesser.Close()
				for range lockAfter {
					guesser.Bind("uid="+login+",ou=people,"+n.suffix, "a guess")
				}
			},
		}
	})
}

// What 389ds says of accounts and passwords of its own.
func Test389DSPolicy(t *testing.T) {
	t.Parallel()
	n := networks[0]
	admin, config := start389(t)
	examined(t, config)
	reader := config
	reader.WriteDN, reader.WritePassword = config.BindDN, config.BindPassword
	examined(t, reader, "it may not write userPassword, supannRessourceEtat")
	d := open(t, config)
	const dn = "uid=elefevre,ou=people,"
	try := func(password string) error {
		t.Helper()
		a, err := d.Find(t.Context(), "elefevre")
		must(t, err)
		return d.Authenticate(t.Context(), a, secret.New(password))
	}

	changeTo(t, admin, dn+n.suffix, "nsAccountLock", "true")
	if a, err := d.Find(t.Context(), "elefevre"); err != nil || a.Status != account.Locked || a.Reason != account.ReasonAdministrative {
		t.Errorf("inactivated: %s (%s), %v", a.Status, a.Reason, err)
	}
	for _, password := range []string{rightPassword, "wrong"} { // it does not tell which
		if err := try(password); !errors.Is(err, directory.ErrLocked) {
			t.Errorf("inactivated, with %q: %v", password, err)
		}
	}
	changeTo(t, admin, dn+n.suffix, "nsAccountLock")

	for attribute, value := range map[string]string{
		"passwordCheckSyntax": "on", "passwordMinLength": "10", "passwordMinCategories": "1", "passwordHistory": "on", "passwordInHistory": "3", "passwordMustChange": "on",
		"passwordTrackUpdateTime": "on",
	} {
		changeTo(t, admin, "cn=config", attribute, value)
	}
	a, err := d.Find(t.Context(), "elefevre")
	must(t, err)
	var why *directory.Rejection
	for _, c := range []struct{ from, to, want string }{
		{rightPassword, "court", "weak"}, // as it says of short ones too
		{rightPassword, "Un premier choix 1", ""},
		{"Un premier choix 1", "Un second choix 2", ""},
		{"Un second choix 2", "Un premier choix 1", "in_history"},
		{"Un second choix 2", "Un troisième choix 3", ""}, // from here on each must be a day old
		{"Un troisième choix 3", "Un quatrième choix 4", "too_young"},
	} {
		if c.from == "Un second choix 2" && c.want == "" {
			changeTo(t, admin, "cn=config", "passwordMinAge", "86400")
		}
		why = nil
		err := d.(directory.Changer).ChangePassword(t.Context(), a, secret.New(c.from), secret.New(c.to))
		if errors.As(err, &why); (err != nil) != (c.want != "") || why != nil && why.Why != c.want {
			t.Errorf("to %q: %v; want %q", c.to, err, c.want)
		}
	}

	changeTo(t, admin, "cn=config", "passwordMinAge", "0")
	changeTo(t, admin, dn+n.suffix, "passwordAllowChangeTime")

	// Who sets it here is an administrator for 389ds, but the person chose it.
	must(t, d.SetPassword(t.Context(), a.ID, secret.New("Donné par le guichet")))
	if again, err := d.Get(t.Context(), a.ID); err != nil || !again.PasswordSet.After(a.PasswordSet) {
		t.Errorf("set at %v, then at %v, %v", a.PasswordSet, again.PasswordSet, err)
	}
	if err := try("Donné par le guichet"); err != nil {
		t.Errorf("chosen by the person: %v", err)
	}
	changeTo(t, admin, dn+n.suffix, "passwordExpirationTime", "19700101000000Z")
	var change *directory.MustChange
	if err := try("Donné par le guichet"); !errors.As(err, &change) || change.Expired {
		t.Errorf("reset by an administrator: %v", err)
	}
	changeTo(t, admin, "cn=config", "passwordExp", "on")
	changeTo(t, admin, dn+n.suffix, "passwordExpirationTime", "20200101000000Z")
	if err := try("Donné par le guichet"); !errors.As(err, &change) || !change.Expired {
		t.Errorf("expired: %v", err)
	}
	changeTo(t, admin, "cn=config", "passwordGraceLimit", "2")
	for left := 1; left >= 0; left-- {
		if err := try("Donné par le guichet"); !errors.As(err, &change) || !change.Expired || change.GraceLogins != left {
			t.Errorf("expired, with grace: %v, %+v; want %d more logins", err, change, left)
		}
	}
	if err := try("wrong"); !errors.Is(err, directory.ErrBadPassword) {
		t.Errorf("expired and wrong: %v", err)
	}
}

// twin is somebody as Active Directory keeps them.
func twin(p directorytest.Person) (directorytest.Person, bool) {
	if p.Password == "" || len(p.Login) > 20 {
		return p, false
	}
	p.Birth, p.BirthName, p.Ends = "", "", ""
	p.Also = []string{strings.ToUpper(p.Login), p.Login + "@univ-valmont.example"}
	switch p.Status {
	case account.Locked:
		p.Reason = account.ReasonAdministrative
	case account.Disabled: // for a year, see sambaKit
		p.Reason, p.Ends = account.ReasonExpired, "2025-09-15"
	default:
		p.Status, p.Reason = account.Active, ""
	}
	return p, true
}

// startSamba is a real domain controller, its administrator and the
// configuration for it.
func startSamba(t *testing.T) (*goldap.Conn, ldap.Config) {
	t.Helper()
	server := sambatest.Start(t)
	config := ldap.Config{
		BindDN: "CN=idp-ro,CN=Users," + sambatest.Suffix, BindPassword: secret.New("Lecteur-2026"),
		WriteDN: sambatest.AdminDN, WritePassword: secret.New(sambatest.AdminPassword),
		Base: "OU=people," + sambatest.Suffix, Preset: "active-directory", OwnDomains: []string{"univ-valmont.example"},
		Schema:  ldap.Schema{Attributes: ldap.Attributes{Editable: []string{"otherTelephone"}}},
		Timeout: plugin.Duration(20 * time.Second), // one process does everything
		Now:     clock,
	}
	if server.SecureURL != "" {
		config.URLs, config.CA, config.ServerName = []string{server.SecureURL}, server.CA, "localhost"
	} else {
		config.Dial = func(context.Context) (net.Conn, error) { return server.Dial() }
	}
	raw, err := server.Dial()
	must(t, err)
	admin := goldap.NewConn(raw, true)
	admin.Start()
	t.Cleanup(func() { admin.Close() })
	must(t, admin.Bind(sambatest.AdminDN, sambatest.AdminPassword))
	domain := goldap.NewModifyRequest(sambatest.Suffix, nil)
	for attribute, value := range map[string]string{"pwdProperties": "0", "minPwdLength": "7", "minPwdAge": "0", "pwdHistoryLength": "0", "maxPwdAge": "0"} {
		domain.Replace(attribute, []string{value})
	}
	must(t, admin.Modify(domain))
	ou := goldap.NewAddRequest("OU=people,"+sambatest.Suffix, nil)
	ou.Attribute("objectClass", []string{"organizationalUnit"})
	must(t, admin.Add(ou))
	addADUser(t, admin, config.BindDN, "idp-ro", "Lecteur-2026", nil)
	return admin, config
}

func addADUser(t *testing.T, admin *goldap.Conn, dn, name, password string, more map[string][]string) {
	t.Helper()
	add := goldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("unicodePwd", []string{unicodePwd(password)})
	add.Attribute("userAccountControl", []string{"512"})
	for attribute, values := range more {
		add.Attribute(attribute, values)
	}
	must(t, admin.Add(add))
}

// The kit, and more, on a real Active Directory domain controller, Samba's.
func TestSamba(t *testing.T) {
	t.Parallel()
	admin, config := startSamba(t)
	t.Run("policy", func(t *testing.T) { sambaPolicy(t, admin, config) })
	t.Run("end", func(t *testing.T) { sambaEnd(t, admin, config) })
	t.Run("kit", func(t *testing.T) { sambaKit(t, admin, config) })
}

// changedSince removes the entries below a name that are not as they were when
// versions was filled, and fills it. What is left need not be made again, which
// takes Samba a tenth of a second each.
func changedSince(t *testing.T, admin *goldap.Conn, below string, versions map[string]string) {
	t.Helper()
	found, err := admin.Search(goldap.NewSearchRequest(below, goldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=*)", []string{"uSNChanged"}, nil))
	must(t, err)
	there := map[string]string{}
	for _, e := range found.Entries {
		there[e.DN] = e.GetAttributeValue("uSNChanged")
		if versions[e.DN] != there[e.DN] {
			must(t, admin.Del(goldap.NewDelRequest(e.DN, nil)))
			delete(there, e.DN)
		}
	}
	clear(versions)
	maps.Copy(versions, there)
}

func sambaKit(t *testing.T, admin *goldap.Conn, config ldap.Config) {
	var people []directorytest.Person
	for _, p := range networks[0].people {
		if p, ok := twin(p); ok {
			people = append(people, p)
		}
	}
	people = people[:12] // who is disabled, expired or has a phone is among them
	entries := networks[0].entries(t)
	versions := map[string]string{}
	directorytest.Run(t, func(t *testing.T) directorytest.Harness {
		changeTo(t, admin, sambatest.Suffix, "lockoutThreshold", "0")
		changedSince(t, admin, config.Base, versions)
		for _, p := range people {
			if _, there := versions["CN="+p.Login+","+config.Base]; there {
				continue
			}
			i := slices.IndexFunc(entries, func(e *goldap.AddRequest) bool { return strings.HasPrefix(e.DN, "uid="+p.Login+",") })
			more := map[string][]string{"userPrincipalName": {p.Login + "@univ-valmont.example"}, "department": {string(p.Status)}}
			for _, a := range entries[i].Attributes {
				if slices.Contains([]string{"sn", "givenName", "displayName", "mail"}, a.Type) {
					more[a.Type] = a.Vals
				}
			}
			if len(p.Emails) > 0 {
				more["otherMailbox"] = p.Emails
			}
			if len(p.Phones) > 0 {
				more["mobile"] = p.Phones
			}
			addADUser(t, admin, "CN="+p.Login+","+config.Base, p.Login, p.Password, more)
			switch p.Status {
			case account.Locked:
				changeTo(t, admin, "CN="+p.Login+","+config.Base, "userAccountControl", "514")
			case account.Disabled:
				changeTo(t, admin, "CN="+p.Login+","+config.Base, "accountExpires", fileTime(fixtures.Clock.AddDate(-1, 0, 0)))
			}
		}
		found, err := admin.Search(goldap.NewSearchRequest(config.Base, goldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=*)", []string{"uSNChanged"}, nil))
		must(t, err)
		for _, e := range found.Entries {
			versions[e.DN] = e.GetAttributeValue("uSNChanged")
		}
		return directorytest.Harness{
			Directory: open(t, config),
			People:    people,
			Editable:  "otherTelephone",
			Rename: func(t *testing.T, login, to string) {
				changeTo(t, admin, "CN="+login+","+config.Base, "userPrincipalName", to+"@univ-valmont.example")
				changeTo(t, admin, "CN="+login+","+config.Base, "sAMAccountName", to)
			},
			Lock: func(t *testing.T, login string) {
				changeTo(t, admin, sambatest.Suffix, "lockoutThreshold", "3")
				d := open(t, config)
				for range lockAfter {
					d.Authenticate(t.Context(), account.Account{Handle: "CN=" + login + "," + config.Base}, secret.New("a guess"))
				}
			},
		}
	})
}

// What Active Directory says of passwords.
func sambaPolicy(t *testing.T, admin *goldap.Conn, config ldap.Config) {
	d := open(t, config)
	dn := "CN=jo," + config.Base
	addADUser(t, admin, dn, "jo", "Premier-2026", nil)
	try := func(password string) error {
		t.Helper()
		a, err := d.Find(t.Context(), "jo")
		must(t, err)
		return d.Authenticate(t.Context(), a, secret.New(password))
	}
	must(t, try("Premier-2026"))
	a, err := d.Find(t.Context(), "jo")
	must(t, err)
	var why *directory.Rejection
	if err := d.SetPassword(t.Context(), a.ID, secret.New("court")); !errors.As(err, &why) || why.Why != "too_short" {
		t.Errorf("a short one, by the rules of the domain: %v", err)
	}
	changeTo(t, admin, dn, "pwdLastSet", "0")
	var change *directory.MustChange
	if err := try("Premier-2026"); !errors.As(err, &change) || change.Expired {
		t.Errorf("must change: %v", err)
	}
	if err := try("wrong"); !errors.Is(err, directory.ErrBadPassword) {
		t.Errorf("must change, wrong: %v", err)
	}
	must(t, d.SetPassword(t.Context(), a.ID, secret.New("Choisi-2026")))
	if again, err := d.Get(t.Context(), a.ID); err != nil || a.PasswordSet.IsZero() || !again.PasswordSet.After(a.PasswordSet) {
		t.Errorf("set at %v, then at %v, %v", a.PasswordSet, again.PasswordSet, err)
	}
	if err := try("Choisi-2026"); err != nil {
		t.Errorf("after the change: %v", err)
	}

	sambaRules(t, admin, config, dn, a)

	examined(t, config)
	reader := config
	reader.WriteDN, reader.WritePassword = config.BindDN, config.BindPassword
	examined(t, reader, "it may not write unicodePwd of CN=jo,")

	inner := addADGroup(t, admin, "inner", sambatest.Suffix, dn)
	outer := addADGroup(t, admin, "outer", sambatest.Suffix, inner)
	ring := goldap.NewModifyRequest(inner, nil)
	ring.Add("member", []string{outer}) // a ring
	must(t, admin.Modify(ring))
	config.Groups = ldap.Groups{Base: sambatest.Suffix, Filter: "(objectClass=group)", InChain: true}
	a, err = open(t, config).Find(t.Context(), "jo")
	must(t, err)
	slices.Sort(a.Attributes["groups"])
	if diff := cmp.Diff([]string{"inner", "outer"}, a.Attributes["groups"]); diff != "" {
		t.Errorf("groups in chain: %s", diff)
	}
}

// sambaRules puts a person under a fine-grained policy. Why a password is refused
// is told by whoever may read it.
func sambaRules(t *testing.T, admin *goldap.Conn, config ldap.Config, dn string, a account.Account) {
	const policy = "CN=students,CN=Password Settings Container,CN=System," + sambatest.Suffix
	const day = "-864000000000"
	add := goldap.NewAddRequest(policy, nil)
	for attribute, value := range map[string]string{
		"objectClass": "msDS-PasswordSettings", "msDS-PasswordSettingsPrecedence": "1", "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
		"msDS-PasswordHistoryLength": "3", "msDS-PasswordComplexityEnabled": "TRUE", "msDS-MinimumPasswordLength": "16",
		"msDS-MinimumPasswordAge": "0", "msDS-MaximumPasswordAge": "-9223372036854775808", "msDS-LockoutThreshold": "0",
		"msDS-LockoutObservationWindow": day, "msDS-LockoutDuration": day, "msDS-PSOAppliesTo": dn,
	} {
		add.Attribute(attribute, []string{value})
	}
	must(t, admin.Add(add))
	t.Cleanup(func() { admin.Del(goldap.NewDelRequest(policy, nil)) })
	config.Now = nil // the server's is the real one
	blind := open(t, config)
	config.BindDN, config.BindPassword = config.WriteDN, config.WritePassword
	d := open(t, config)
	reason := func(err error) string {
		var why *directory.Rejection
		if errors.As(err, &why) {
			return why.Why
		}
		return fmt.Sprint(err)
	}
	const good, better = "Sept-bateaux-2026", "Neuf-bateaux-2026"
	set := func(chosen string) error { return d.SetPassword(t.Context(), a.ID, secret.New(chosen)) }
	change := func(old, chosen string) error {
		return d.(directory.Changer).ChangePassword(t.Context(), a, secret.New(old), secret.New(chosen))
	}
	if err := blind.SetPassword(t.Context(), a.ID, secret.New("Choisi-2027")); reason(err) != "other" {
		t.Errorf("short, and the policy cannot be read: %v", err)
	}
	if err := set("Choisi-2027"); reason(err) != "too_short" {
		t.Errorf("short for the policy: %v", err)
	}
	if err := set("sept bateaux dans la brume"); reason(err) != "weak" {
		t.Errorf("of two kinds: %v", err)
	}
	must(t, set(good))
	must(t, change(good, better))
	if err := change(better, good); reason(err) != "in_history" {
		t.Errorf("the one of before: %v", err)
	}
	changeTo(t, admin, policy, "msDS-MinimumPasswordAge", day)
	if err := change(better, "Onze-bateaux-2026"); reason(err) != "too_young" {
		t.Errorf("the same day: %v", err)
	}
	changeTo(t, admin, policy, "msDS-MinimumPasswordAge", "0")
}

// addADGroup makes a group of a domain.
func addADGroup(t *testing.T, admin *goldap.Conn, name, base string, members ...string) string {
	t.Helper()
	dn := "CN=" + name + "," + base
	add := goldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"group"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("member", members)
	must(t, admin.Add(add))
	return dn
}

// examined runs the doctor, which must find these faults and no other.
func examined(t *testing.T, config ldap.Config, faults ...string) {
	t.Helper()
	config.Now = nil // the server's is the real one
	for _, f := range open(t, config).(directory.Examiner).Examine(t.Context()) {
		switch {
		case f.OK:
		case len(faults) > 0 && strings.Contains(f.Mend, faults[0]):
			faults = faults[1:]
		default:
			t.Errorf("%+v", f)
		}
	}
	if len(faults) > 0 {
		t.Errorf("not found: %q", faults)
	}
}

// fileTime is an instant as Active Directory writes it.
func fileTime(at time.Time) string { return fmt.Sprint((at.Unix() + 11644473600) * 10_000_000) }
