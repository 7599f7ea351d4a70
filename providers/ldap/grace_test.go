package ldap_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	goldap "github.com/go-ldap/ldap/v3"
)

// R10, R11, R13: where the directory has the end of somebody's time only, the
// account lasts on in grace as long as the house decides for people of that
// kind; where it says how long the grace is, that holds.
func TestGrace_R13(t *testing.T) {
	left := func(state, day string) string {
		return "supannRessourceEtat: {COMPTE}A:" + state + "\nsupannRessourceEtatDate: {COMPTE}A:" + state + "::" + day
	}
	begun := func(day string) string {
		return "supannRessourceEtat: {COMPTE}A:SupannSursis\nsupannRessourceEtatDate: {COMPTE}A:SupannSursis:" + day + ":"
	}
	for name, c := range map[string]struct {
		preset, entry string
		months        int
		want          string
	}{
		"not yet":                         {"supann", left("SupannActif", "20260930"), 6, "active until 2026-09-30, closes 2027-03-31"},
		"no rule":                         {"supann", left("SupannActif", "20260831"), 0, "disabled (expired) until 2026-08-31"},
		"3 months":                        {"supann", left("SupannActif", "20260831"), 3, "grace (departure) until 2026-11-30"},
		"6 months":                        {"supann", left("SupannActif", "20260831"), 6, "grace (departure) until 2027-02-28"},
		"12 months":                       {"supann", left("SupannActif", "20260831"), 12, "grace (departure) until 2027-08-31"},
		"its last day":                    {"supann", left("SupannActif", "20260615"), 3, "grace (departure) until 2026-09-15"},
		"over":                            {"supann", left("SupannActif", "20260614"), 3, "disabled (expired) until 2026-09-14"},
		"the grace is in the directory":   {"supann", left("SupannSursis", "20260930"), 12, "grace (departure) until 2026-09-30"},
		"and over":                        {"supann", left("SupannSursis", "20260831"), 12, "disabled (expired) until 2026-08-31"},
		"a grace with its begin only":     {"supann", begun("20260701"), 6, "grace (departure) until 2026-12-31"},
		"in the middle of a month":        {"supann", begun("20260616"), 3, "grace (departure) until 2026-09-15"},
		"over by the rule":                {"supann", begun("20260615"), 3, "disabled (expired) until 2026-09-14"},
		"a begin, and no rule":            {"supann", begun("20200701"), 0, "grace (departure)"},
		"a begin that is no day":          {"supann", begun("hier"), 3, "disabled (unknown_state)"},
		"never arrived":                   {"supann", left("SupannAnticipe", "20260831"), 12, "disabled (expired) until 2026-08-31"},
		"closed by hand":                  {"supann", "supannRessourceEtat: {COMPTE}I:SupannInactif", 12, "disabled (closed)"},
		"locked in the grace":             {"supann", left("SupannActif", "20260831") + "\npwdAccountLockedTime: 000001010000Z", 12, "locked (administrative)"},
		"the server lets nobody in":       {"supann", left("SupannActif", "20260831") + "\npwdEndTime: 20260831220000Z", 12, "disabled (expired) until 2026-08-31"},
		"schacExpiryDate, before":         {"schac", "schacExpiryDate: 20260930220000Z", 3, "active until 2026-09-30, closes 2026-12-31"},
		"schacExpiryDate, afterwards":     {"schac", "schacExpiryDate: 20260831220000Z", 3, "grace (departure) until 2026-11-30"},
		"schacExpiryDate, no grace":       {"schac", "schacExpiryDate: 20260831220000Z", 0, "disabled (expired) until 2026-08-31"},
		"accountExpires is an end for AD": {"active-directory", "userAccountControl: 512\naccountExpires: 134326800000000000", 12, "disabled (expired) until 2026-08-31"},
	} {
		t.Run(name, func(t *testing.T) {
			preset := c.preset
			if preset == "schac" {
				preset = "inetorgperson"
			}
			config := one(t, preset, c.entry)
			if c.preset == "schac" {
				config.State = []string{"schac"}
			}
			d := open(t, config)
			d.(directory.Graceful).Grace(func(a account.Account) int {
				if a.Login != "jo" || a.Status != account.Active {
					t.Errorf("asked about %s, %s", a.Login, a.Status)
				}
				return c.months
			})
			a, err := d.Find(t.Context(), "jo")
			if err != nil {
				t.Fatal(err)
			}
			if got := spoken(a); got != c.want {
				t.Errorf("%s; want %s", got, c.want)
			}
		})
	}
}

func spoken(a account.Account) string {
	out := string(a.Status)
	if a.Reason != "" {
		out += " (" + string(a.Reason) + ")"
	}
	for _, each := range []struct {
		word string
		at   time.Time
	}{{" until ", a.Ends}, {", closes ", a.Closes}} {
		if !each.at.IsZero() {
			out += each.word + account.DateOf(each.at).String()
		}
	}
	return out
}

// R13, R7: an extension is written where the end is, in the words of each
// directory, and means the same when it is read again.
func TestExtendEverywhere_R13(t *testing.T) {
	const ours, mail = "{COMPTE}", "{MAIL}A:SupannActif:20260101:20260831"
	for name, c := range map[string]struct {
		preset, entry string
		months        int // of a grace that follows by itself
		by            int // months
		want          string
		values        map[string][]string
	}{
		"student, 12 months": {"supann", "supannRessourceEtat: {COMPTE}A:SupannSursis\nsupannRessourceEtatDate: {COMPTE}A:SupannSursis:20260701:20261231", 0, 12,
			"grace (departure) until 2027-12-31", map[string][]string{
				"supannRessourceEtat":     {ours + "A:SupannSursis"},
				"supannRessourceEtatDate": {ours + "A:SupannSursis:20260701:20271231"}}},
		"staff, 6 months, of a grace that was not written": {"supann",
			"supannRessourceEtat: {COMPTE}A:SupannActif\nsupannRessourceEtatDate: {COMPTE}A:SupannActif:20200901:20260831\nsupannRessourceEtatDate: " + mail, 6, 6,
			"grace (departure) until 2027-08-31", map[string][]string{
				"supannRessourceEtat":     {ours + "A:SupannSursis"},
				"supannRessourceEtatDate": {ours + "A:SupannSursis:20260901:20270831", mail}}},
		"affiliate, 3 months, of a grace with its begin only": {"supann",
			"supannRessourceEtat: {COMPTE}A:SupannSursis\nsupannRessourceEtatDate: {COMPTE}A:SupannSursis:20260701:", 3, 3,
			"grace (departure) until 2026-12-31", map[string][]string{"supannRessourceEtatDate": {ours + "A:SupannSursis:20260701:20261231"}}},
		"guest, 3 months, who has not left": {"supann", "supannRessourceEtat: {COMPTE}A:SupannActif\nsupannRessourceEtatDate: {COMPTE}A:SupannActif::20260930", 0, 3,
			"active until 2026-12-31", map[string][]string{
				"supannRessourceEtat":     {ours + "A:SupannActif"},
				"supannRessourceEtatDate": {ours + "A:SupannActif::20261231"}}},
		"two ends": {"supann", "supannRessourceEtat: {COMPTE}A:SupannActif\nsupannRessourceEtatDate: {COMPTE}A:SupannActif::20260930\npwdEndTime: 20261001220000Z", 0, 3,
			"active until 2026-12-31", map[string][]string{
				"supannRessourceEtatDate": {ours + "A:SupannActif::20261231"},
				"pwdEndTime":              {"20261231230000Z"}}},
		"ppolicy": {"inetorgperson", "pwdEndTime: 20260930220000Z", 0, 6,
			"active until 2027-03-31", map[string][]string{"pwdEndTime": {"20270331220000Z"}}},
		"Active Directory": {"active-directory", "userAccountControl: 512\naccountExpires: 134352792000000000", 0, 3, // 2026-09-30, up to midnight in Paris
			"active until 2026-12-31", map[string][]string{"accountExpires": {"134432316000000000"}, "userAccountControl": {"512"}}},
		"schac": {"schac", "schacExpiryDate: 20260930220000Z", 0, 3,
			"active until 2026-12-31", map[string][]string{"schacExpiryDate": {"20261231230000Z"}}},
	} {
		t.Run(name, func(t *testing.T) {
			preset := c.preset
			if preset == "schac" {
				preset = "inetorgperson"
			}
			config := one(t, preset, c.entry)
			if c.preset == "schac" {
				config.State = []string{"schac"}
			}
			d := open(t, config)
			d.(directory.Graceful).Grace(func(account.Account) int { return c.months })
			a, err := d.Find(t.Context(), "jo")
			if err != nil {
				t.Fatal(err)
			}
			from := account.DateOf(a.Ends)
			if err := d.(directory.Extender).Extend(t.Context(), a.ID, from, from.AddMonths(c.by)); err != nil {
				t.Fatal(err)
			}
			if a, err = d.Find(t.Context(), "jo"); err != nil || spoken(a) != c.want {
				t.Errorf("%s, %v; want %s", spoken(a), err, c.want)
			}
			for attribute, want := range c.values {
				if diff := cmp.Diff(want, values(t, config, attribute)); diff != "" {
					t.Errorf("%s: %s", attribute, diff)
				}
			}
		})
	}
}

// The same on a real server, which keeps pwdEndTime by its own rules and lets
// nobody in afterwards.
func TestExtendOnSlapd_R13(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{Policy: policy})
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	d.(directory.Graceful).Grace(func(account.Account) int { return 12 })
	admin := n.admin(t, dialURL(t, server.URL))
	change := goldap.NewModifyRequest("uid=fbadge,ou=people,"+n.suffix, nil)
	change.Replace("supannRessourceEtatDate", []string{"{COMPTE}A:SupannActif::20260831"})
	if err := admin.Modify(change); err != nil {
		t.Fatal(err)
	}
	ends := goldap.NewModifyRequest("uid=jdupont,ou=people,"+n.suffix, nil)
	ends.Replace("pwdEndTime", []string{"20260930220000Z"})
	if err := admin.Modify(ends); err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string][2]string{
		"fbadge":  {"grace (departure) until 2027-08-31", "grace (departure) until 2028-08-31"},
		"jdupont": {"active until 2026-09-30", "active until 2027-09-30, closes 2028-09-30"},
	} {
		a, err := d.Find(t.Context(), login)
		if err != nil || spoken(a) != want[0] {
			t.Fatalf("%s: %s, %v; want %s", login, spoken(a), err, want[0])
		}
		from := account.DateOf(a.Ends)
		if err := d.(directory.Extender).Extend(t.Context(), a.ID, from, from.AddMonths(12)); err != nil {
			t.Fatal(err)
		}
		if a, err = d.Find(t.Context(), login); err != nil || spoken(a) != want[1] {
			t.Errorf("%s: %s, %v; want %s", login, spoken(a), err, want[1])
		}
		if err := d.(directory.Extender).Extend(t.Context(), a.ID, from, from.AddMonths(12)); !errors.Is(err, directory.ErrConflict) {
			t.Errorf("%s, a second time: %v", login, err)
		}
	}
	ends = goldap.NewModifyRequest("uid=jdupont,ou=people,"+n.suffix, nil)
	ends.Replace("pwdEndTime", []string{"20200101000000Z"}) // past, by every clock
	if err := admin.Modify(ends); err != nil {
		t.Fatal(err)
	}
	a, err := d.Find(t.Context(), "jdupont")
	if err != nil || spoken(a) != "disabled (expired) until 2020-01-01" {
		t.Errorf("%s, %v", spoken(a), err)
	}
	if err := d.Authenticate(t.Context(), a, secret.New("Valmont-jdupont-2026")); !errors.Is(err, directory.ErrBadPassword) {
		t.Errorf("signing in afterwards: %v", err)
	}
}

// sambaEnd puts the end of an account off in a real domain.
func sambaEnd(t *testing.T, admin *goldap.Conn, config ldap.Config) {
	dn := "CN=parte," + config.Base
	addADUser(t, admin, dn, "parte", "Qui-part-2026", nil)
	changeTo(t, admin, dn, "accountExpires", "134352792000000000") // 2026-09-30, up to midnight in Paris
	d := open(t, config)
	a, err := d.Find(t.Context(), "parte")
	if err != nil || spoken(a) != "active until 2026-09-30" {
		t.Fatalf("%s, %v", spoken(a), err)
	}
	from := account.DateOf(a.Ends)
	must(t, d.(directory.Extender).Extend(t.Context(), a.ID, from, from.AddMonths(12)))
	if a, err = d.Find(t.Context(), "parte"); err != nil || spoken(a) != "active until 2027-09-30" {
		t.Errorf("%s, %v", spoken(a), err)
	}
	if err := d.(directory.Extender).Extend(t.Context(), a.ID, from, from.AddMonths(12)); !errors.Is(err, directory.ErrConflict) {
		t.Errorf("a second time: %v", err)
	}
}
