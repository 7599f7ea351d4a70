package ldap_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"

	"github.com/google/go-cmp/cmp"
)

// one is a directory of one person, with some attributes of their own.
func one(t *testing.T, preset, ldif string) ldap.Config {
	t.Helper()
	const suffix = "dc=one,dc=example"
	server := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema), []string{"cn=svc," + suffix}, []string{"cn=svc," + suffix})
	err := server.Load([]byte(`dn: ` + suffix + `
objectClass: domain
dc: one

dn: cn=svc,` + suffix + `
objectClass: organizationalRole
cn: svc
userPassword: svc

dn: cn=jo,` + suffix + `
objectClass: inetOrgPerson
objectClass: supannPerson
objectClass: ENTPerson
objectClass: user
objectCategory: person
cn: jo
sn: Jo
uid: jo
ENTPersonLogin: jo
sAMAccountName: jo
nsUniqueId: 0b2f8e01
eduPersonUniqueId: 0b2f8e01@one.example
objectGUID:: AQIDBAUGBwgJCgsMDQ4PEA==
userPassword: right
` + strings.TrimSpace(ldif) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return ldap.Config{
		Dial: server.Dial, BindDN: "cn=svc," + suffix, BindPassword: secret.New("svc"),
		Base: suffix, Preset: preset, Now: clock,
	}
}

// The decision table R10, R11 and R16, row by row.
func TestStates_R10_R11_R16(t *testing.T) {
	const (
		supann = "supannRessourceEtat: {COMPTE}"
		dated  = "\nsupannRessourceEtatDate: {COMPTE}"
	)
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	endOf2026 := at("2026-12-31T23:59:59+01:00")
	cases := []struct {
		preset, entry string
		now           string // empty: the clock of the fixtures, 2026-09-15
		want          account.Status
		reason        account.Reason
		ends          time.Time
	}{
		{"supann", "", "", account.Active, "", time.Time{}},
		{"supann", "supannRessourceEtat: {MAIL}I:SupannInactif", "", account.Active, "", time.Time{}},
		{"supann", supann + "A", "", account.Active, "", time.Time{}},
		{"supann", supann + "A:SupannActif", "", account.Active, "", time.Time{}},
		{"supann", "supannRessourceEtat: {compte}a:supannactif", "", account.Active, "", time.Time{}},
		{"supann", supann + "A:SupannAnticipe", "", account.Active, "", time.Time{}},
		{"supann", supann + "A:SupannSursis", "", account.Grace, account.ReasonDeparture, time.Time{}},
		{"supann", supann + "A:SupannSursis" + dated + "A:SupannSursis:20260701:20261231", "", account.Grace, account.ReasonDeparture, endOf2026},
		{"supann", supann + "I:SupannPrecree", "", account.Pending, account.ReasonNotActivated, time.Time{}},
		{"supann", supann + "I:SupannCree" + dated + "I:SupannCree:20260901:20260902", "", account.Pending, account.ReasonNotActivated, time.Time{}},
		{"supann", supann + "I:SupannExpire", "", account.Disabled, account.ReasonExpired, time.Time{}},
		{"supann", supann + "I:SupannInactif", "", account.Disabled, account.ReasonClosed, time.Time{}},
		{"supann", supann + "I", "", account.Disabled, account.ReasonClosed, time.Time{}},
		{"supann", supann + "I:SupannSupprDonnees", "", account.Disabled, account.ReasonClosed, time.Time{}},
		{"supann", supann + "I:SupannSupprCompte", "", account.Disabled, account.ReasonClosed, time.Time{}},
		{"supann", supann + "S:SupannVerrouAdministratif", "", account.Locked, account.ReasonAdministrative, time.Time{}},
		{"supann", supann + "S:SupannVerrouTechnique", "", account.Locked, account.ReasonSecurity, time.Time{}},
		{"supann", supann + "S", "", account.Locked, account.ReasonAdministrative, time.Time{}},
		{"supann", supann + "S:SupannVerrouTechnique" + dated + "S:SupannVerrouTechnique:20260101:20260201", "", account.Locked, account.ReasonSecurity, time.Time{}},
		// what nobody described is refused
		{"supann", supann + "A:Invente", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann + "Z", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann, "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann + "A\n" + supann + "I", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::demain", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", "supannRessourceEtat: A:SupannActif", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif:20250901:20261231" + dated + "A:SupannActif:20250901:20270831", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		// R11: to the last second of the day in Paris
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::20261231", "2026-12-31T23:59:59+01:00", account.Active, "", endOf2026},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::20261231", "2027-01-01T00:00:00+01:00", account.Disabled, account.ReasonExpired, endOf2026},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::20260831", "2026-08-31T21:59:59Z", account.Active, "", at("2026-08-31T21:59:59Z")},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::20260831", "2026-08-31T22:00:00Z", account.Disabled, account.ReasonExpired, at("2026-08-31T21:59:59Z")},
		{"supann", supann + "A:SupannSursis" + dated + "A:SupannSursis:20250901:20260831", "", account.Disabled, account.ReasonExpired, at("2026-08-31T21:59:59Z")},
		// dates of another state, and dates alone
		{"supann", supann + "A:SupannActif" + dated + "A:SupannSursis::20260101", "", account.Active, "", time.Time{}},
		{"supann", supann + "A:SupannActif" + dated + "I:SupannPrecree:20250701:20250831" + dated + "A:SupannActif:20250901:20261231", "", account.Active, "", endOf2026},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif:20250901:20260831" + dated + "A:SupannActif:20260901:20261231", "", account.Active, "", endOf2026},
		{"supann", supann + " A:SupannActif", "", account.Active, "", time.Time{}},
		{"supann", dated + "A:SupannActif:20250901:20260630" + dated + "A:SupannSursis:20260701:20261231", "", account.Grace, account.ReasonDeparture, endOf2026},
		{"supann", dated + "A:SupannSursis:20260701:20261231", "", account.Grace, account.ReasonDeparture, endOf2026},
		// the severer of two sources, the earlier of two ends
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::20270930\npwdEndTime: 20261231230000Z", "", account.Active, "", endOf2026},
		{"supann", supann + "A:SupannActif" + dated + "A:SupannActif::20261231\npwdEndTime: 20270930220000Z", "", account.Active, "", endOf2026},
		{"supann", supann + "A:SupannActif\npwdEndTime: 20260914220000Z", "", account.Disabled, account.ReasonExpired, at("2026-09-14T21:59:59Z")},
		{"supann", supann + "A:SupannActif\npwdStartTime: 20260915080001Z", "", account.Locked, account.ReasonAdministrative, fixtures.Clock.Add(time.Second)},
		{"supann", supann + "A:SupannActif\npwdStartTime: 20260915080000Z", "", account.Active, "", time.Time{}},
		{"supann", supann + "A:SupannActif\npwdStartTime: soon", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann + "A:SupannActif\npwdEndTime: soon", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"supann", supann + "A:SupannActif\npwdEndTime: 20261231230000Z\npwdAccountLockedTime: 20260915075900Z", "", account.Locked, account.ReasonTooManyTries, time.Time{}},
		{"supann", supann + "A:SupannActif\npwdAccountLockedTime: 20260915075900Z", "", account.Locked, account.ReasonTooManyTries, time.Time{}},
		{"supann", supann + "I:SupannInactif\npwdAccountLockedTime: 20260915075900Z", "", account.Disabled, account.ReasonClosed, time.Time{}},

		{"ent-school", "ESCOPersonEtatCompte: VALIDE", "", account.Active, "", time.Time{}},
		{"ent-school", "ESCOPersonEtatCompte: INVALIDE", "", account.Pending, account.ReasonNotActivated, time.Time{}},
		{"ent-school", "ESCOPersonEtatCompte: BLOQUE", "", account.Locked, account.ReasonAdministrative, time.Time{}},
		{"ent-school", "ESCOPersonEtatCompte: DELETE", "", account.Disabled, account.ReasonClosed, time.Time{}},
		{"ent-school", "ESCOPersonEtatCompte: PEUT-ETRE", "", account.Disabled, account.ReasonUnknownState, time.Time{}},
		{"ent-school", "", "", account.Active, "", time.Time{}},

		{"inetorgperson", "", "", account.Active, "", time.Time{}},
		{"inetorgperson", "pwdAccountLockedTime: 000001010000Z", "", account.Locked, account.ReasonAdministrative, time.Time{}},
		{"inetorgperson", "pwdAccountLockedTime: 20260915075959.123456Z", "", account.Locked, account.ReasonTooManyTries, time.Time{}},
		{"inetorgperson", "pwdAccountLockedTime: yesterday", "", account.Locked, account.ReasonTooManyTries, time.Time{}},

		{"active-directory", "userAccountControl: 512", "", account.Active, "", time.Time{}},
		{"active-directory", "userAccountControl: 514", "", account.Locked, account.ReasonAdministrative, time.Time{}},
		{"active-directory", "userAccountControl: 512\nlockoutTime: 0\naccountExpires: 9223372036854775807", "", account.Active, "", time.Time{}},
		{"active-directory", "userAccountControl: 512\nlockoutTime: " + fileTime(fixtures.Clock.Add(-time.Hour)), "", account.Locked, account.ReasonTooManyTries, time.Time{}},
		{"active-directory", "userAccountControl: 512\nmsDS-User-Account-Control-Computed: 0\nlockoutTime: 132", "", account.Active, "", time.Time{}},
		{"active-directory", "userAccountControl: 512\nmsDS-User-Account-Control-Computed: 16", "", account.Locked, account.ReasonTooManyTries, time.Time{}},
		{"active-directory", "userAccountControl: 512\naccountExpires: " + fileTime(endOf2026.Add(time.Second)), "", account.Active, "", endOf2026},
		{"active-directory", "userAccountControl: 512\naccountExpires: " + fileTime(fixtures.Clock), "", account.Disabled, account.ReasonExpired, fixtures.Clock.Add(-time.Second)},
		{"active-directory", "userAccountControl: many", "", account.Disabled, account.ReasonUnknownState, time.Time{}},

		{"389ds", "nsAccountLock: true", "", account.Locked, account.ReasonAdministrative, time.Time{}},
		{"389ds", "nsAccountLock: FALSE", "", account.Active, "", time.Time{}},
		{"389ds", "", "", account.Active, "", time.Time{}},
	}
	for _, c := range cases {
		t.Run(c.preset+" "+c.entry, func(t *testing.T) {
			config := one(t, c.preset, c.entry)
			if c.now != "" {
				config.Now = func() time.Time { return at(c.now) }
			}
			a, err := open(t, config).Find(t.Context(), "jo")
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != c.want || a.Reason != c.reason || !a.Ends.Equal(c.ends) {
				t.Errorf("%s (%s) until %s; want %s (%s) until %s", a.Status, a.Reason, a.Ends, c.want, c.reason, c.ends)
			}
		})
	}
}

// What must be changed is said by the entry too, in the words of each server.
func TestMarks(t *testing.T) {
	for _, c := range []struct {
		preset, entry string
		want          bool
	}{
		{"inetorgperson", "pwdReset: TRUE", true},
		{"inetorgperson", "pwdReset: FALSE", false},
		{"inetorgperson", "", false},
		{"supann", "pwdReset: TRUE", true},
		{"active-directory", "userAccountControl: 512\npwdLastSet: 0", true},
		{"active-directory", "userAccountControl: 512\npwdLastSet: 134000000000000000", false},
		{"active-directory", "userAccountControl: 512\npwdReset: TRUE", false},
		{"389ds", "passwordExpirationTime: 19700101000000Z", true},
		{"389ds", "passwordExpirationTime: 20300101000000Z", false},
	} {
		a, err := open(t, one(t, c.preset, c.entry)).Find(t.Context(), "jo")
		if err != nil || a.MustChange != c.want || a.Status != account.Active {
			t.Errorf("%s, %q: %v, %s, %v; want %v", c.preset, c.entry, a.MustChange, a.Status, err, c.want)
		}
	}
}

// R-REC-09: when the password was last set, in the words of each server.
func TestPasswordSet(t *testing.T) {
	second := time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		preset, entry string
		want          time.Time
	}{
		{"supann", "", time.Time{}},
		{"supann", "pwdChangedTime: 20260915080000Z", second},
		{"supann", "sambaPwdLastSet: 1789459200", second},
		{"supann", "pwdChangedTime: 20200101000000Z\nsambaPwdLastSet: 1789459200", second},
		{"supann", "pwdChangedTime: yesterday", time.Time{}},
		{"supann", "sambaPwdLastSet: 0", time.Time{}},
		{"ent-school", "pwdChangedTime: 20260915080000.000001Z", second.Add(time.Microsecond)},
		{"inetorgperson", "pwdUpdateTime: 20260915080000Z", second},
		{"389ds", "pwdUpdateTime: 20260915080000Z", second},
		{"active-directory", "pwdLastSet: " + fileTime(second), second},
		{"active-directory", "pwdLastSet: 0", time.Time{}}, // must be changed
	} {
		a, err := open(t, one(t, c.preset, c.entry)).Find(t.Context(), "jo")
		if err != nil || !a.PasswordSet.Equal(c.want) {
			t.Errorf("%s, %q: %v, %v; want %v", c.preset, c.entry, a.PasswordSet, err, c.want)
		}
	}
}

func TestAbsentState_R10(t *testing.T) {
	for absent, want := range map[account.Status]account.Reason{
		account.Active: "", account.Pending: account.ReasonNotActivated, account.Disabled: account.ReasonUnknownState,
	} {
		config := one(t, "supann", "")
		config.AbsentState = absent
		a, err := open(t, config).Find(t.Context(), "jo")
		if err != nil || a.Status != absent || a.Reason != want {
			t.Errorf("absentState %s: %s (%s), %v", absent, a.Status, a.Reason, err)
		}
	}
}

// The server's own lock runs out by itself, but the attribute stays.
func TestLockoutDuration_R16(t *testing.T) {
	config := one(t, "inetorgperson", "pwdAccountLockedTime: 20260915074500Z")
	config.LockoutDuration = plugin.Duration(15*time.Minute + time.Second)
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	a, err := d.Find(t.Context(), "jo")
	if err != nil || a.Status != account.Locked || !a.Ends.Equal(now.Add(time.Second)) {
		t.Errorf("%s until %s, %v", a.Status, a.Ends, err)
	}
	now = now.Add(time.Second)
	if a, err = d.Find(t.Context(), "jo"); err != nil || a.Status != account.Active {
		t.Errorf("a second later: %s, %v", a.Status, err)
	}
}

func TestContacts_R20(t *testing.T) {
	config := one(t, "supann", `
supannAutreMail: autre@example.org
supannMailPerso: perso@example.org
supannMailPrive: {PRO}pro@example.org
supannMailPrive: {PARENTS}parents@example.org
supannMailPrive: {PERSO}chez.moi@example.net
supannMailPrive: {SECOURS}jo@one.example
supannMailPrive: {SECOURS}jo@etu.one.example
supannMailPrive: {SECOURS}Secours@example.org
supannMailPrive: {PERSO}secours@EXAMPLE.org
supannMailPrive: {SECOURS}a@example.org, b@example.org
supannMailPrive: {SECOURS}Jo <jo@example.org>
supannMailPrive: {SECOURS}jo@notone.example
supannMailPrive: unlabelled@example.org
pager: +33 6 39 98 00 25
mobile: 06.39.98.00.26
mobile: 0692123456
mobile: 00353 20 910 0012
mobile: 12345
mobile: appelez-moi
supannTelephonePrive: {MOBPERSO}+33639980001
supannTelephonePrive: {FIXEPERSO}+33139980001
supannTelephonePrive: {SECOURS}+33 (0)6 39 98 00 09`)
	config.OwnDomains = []string{"One.example"}
	a, err := open(t, config).Find(t.Context(), "jo")
	if err != nil {
		t.Fatal(err)
	}
	want := []account.Contact{
		{Kind: account.Email, Value: "Secours@example.org", Label: "SECOURS"},
		{Kind: account.Email, Value: "jo@notone.example", Label: "SECOURS"},
		{Kind: account.Email, Value: "chez.moi@example.net", Label: "PERSO"},
		{Kind: account.Email, Value: "perso@example.org", Label: "supannMailPerso"},
		{Kind: account.Email, Value: "autre@example.org", Label: "supannAutreMail"},
		{Kind: account.Phone, Value: "+33639980009", Label: "SECOURS"},
		{Kind: account.Phone, Value: "+33639980001", Label: "MOBPERSO"},
		{Kind: account.Phone, Value: "+33639980026", Label: "mobile"},
		{Kind: account.Phone, Value: "+262692123456", Label: "mobile"},
		{Kind: account.Phone, Value: "+353209100012", Label: "mobile"},
		{Kind: account.Phone, Value: "+33639980025", Label: "pager"},
	}
	if diff := cmp.Diff(want, a.Contacts); diff != "" {
		t.Error(diff)
	}
}

// A number is read by the plan of the site, the same by which texts leave
// (R-REC-14): one table decides what "751234" is.
func TestNumbersOfTheSite_R20(t *testing.T) {
	for written, want := range map[string]string{
		"0639 69 12 34": "+262639691234", "87123456": "+68987123456", "751234": "+687751234", "0508 55 12 34": "+508551234",
		"33639980006": "+33639980006", "(+33)6.39.98.00.04": "+33639980004", "+33 1 39 98 00 01": "+33139980001", "0139980001": "",
		"0032 470 12 34 56": "+32470123456", "0470123456": "",
	} {
		if got := onFile(t, directory.Env{}, written); got != want {
			t.Errorf("%s is %q, want %q", written, got, want)
		}
	}
	abroad := directory.Env{Mobile: sms.Plan{Home: []string{"BE", "WF"}}.Mobile}
	for written, want := range map[string]string{"0470123456": "+32470123456", "821234": "+681821234", "0639980001": ""} {
		if got := onFile(t, abroad, written); got != want {
			t.Errorf("at home elsewhere %s is %q, want %q", written, got, want)
		}
	}
}

func onFile(t *testing.T, env directory.Env, written string) string {
	t.Helper()
	config := one(t, "supann", "supannTelephonePrive: {MOBPERSO}"+written)
	d, err := config.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.(io.Closer).Close() })
	a, err := d.Find(t.Context(), "jo")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Contacts) == 0 {
		return ""
	}
	return a.Contacts[0].Value
}
