package ldap_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	goldap "github.com/go-ldap/ldap/v3"
)

// Whatever spelling of a name the server takes, it is one account with the
// name that is stored (R-AUTH-09); what only looks like the name, or is meant
// for the filter, is nobody (R-AUTH-04, R-AUTH-12).
func TestSpellings_RAUTH04_RAUTH09_RAUTH12(t *testing.T) {
	config := networks[0].config()
	config.URLs = []string{networks[0].slapd(t, slapdtest.Options{}).URL}
	d := open(t, config)
	want, err := d.Find(t.Context(), "imichel")
	must(t, err)
	for _, spelling := range []string{
		"IMICHEL", " imichel", "imichel ", "\u00a0imichel\u2003", "ＩＭＩＣＨＥＬ", "ｉmichel", "imichel@univ-valmont.example", "Imichel@Univ-Valmont.Example",
	} {
		if got, err := d.Find(t.Context(), spelling); err != nil || got.ID != want.ID || got.Login != "imichel" {
			t.Errorf("%q: %s, %v", spelling, got.Login, err)
		}
	}
	for _, other := range []string{
		"*", "i*", "imiche*", "admin)(|(uid=*", `\2a`, `\69michel`, "(", ")", "", " ", "\x00", "imichel\x00", "imichel)(objectClass=*", "imi chel",
		"imi\u200bchel", "imichel\u200d", "\ufeffimichel", "imi\u00adchel", "imichel\u2060", "imichel\ufe0f", "imichel\U000e0001", "\u202eimichel", // not seen
		"\u0456michel", "imich\u0435l", // Cyrillic
		"\u0131michel", "\u0130michel", "I\u0307michel", "imichél", "ìmichel", "imicheł",
	} {
		if got, err := d.Find(t.Context(), other); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q: %s, %v", other, got.Login, err)
		}
	}
}

// A name in a DN is what the server says it is, whatever is in it.
func TestNamesRoundTrip_RAUTH05(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	admin := n.admin(t, dialURL(t, server.URL))
	for _, name := range []string{
		"o,u=x", `a"b"`, "a+b", `back\slash`, "#sharp", "a<b>c;d=e", " both ends ", "é,œ", "😀+1", "*", "(a)(b)", `\2c`, "a/b", "-", "ou=people",
	} {
		stored := strings.TrimSpace(name)
		add := goldap.NewAddRequest("uid="+goldap.EscapeDN(stored)+",ou=people,"+n.suffix, nil)
		for attribute, value := range map[string]string{
			"uid": stored, "sn": "x", "cn": "x", "userPassword": "of " + stored,
			"eduPersonUniqueId": "of-" + goldap.EscapeDN(stored) + "@example",
		} {
			add.Attribute(attribute, []string{value})
		}
		add.Attribute("objectClass", []string{"inetOrgPerson", "eduPerson", "supannPerson"})
		must(t, admin.Add(add))
		a, err := d.Find(t.Context(), name)
		if err != nil || a.Login != stored {
			t.Errorf("%q: %q, %v", name, a.Login, err)
			continue
		}
		if err := d.Authenticate(t.Context(), a, secret.New("of "+stored)); err != nil {
			t.Errorf("%q as %s: %v", name, a.Handle, err)
		}
		if again, err := d.Get(t.Context(), a.ID); err != nil || again.Handle != a.Handle {
			t.Errorf("%q by its identifier: %q, %v", name, again.Handle, err)
		}
		if err := d.SetPassword(t.Context(), a.ID, secret.New("another of "+stored)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A search is made by the service account and nobody else, however many
// passwords, right and wrong, are checked beside it: people may read nothing on
// this server.
func TestIdentities_RAUTH26(t *testing.T) {
	config := networks[0].config()
	config.URLs = []string{networks[0].slapd(t, slapdtest.Options{}).URL}
	config.Pool = ldap.Pool{Searches: 1, Binds: 2}
	d := open(t, config)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for range 20 {
				a, err := d.Find(t.Context(), "elefevre")
				if err != nil {
					t.Errorf("Find: %v", err)
					return
				}
				want, password := error(nil), rightPassword
				if i%2 == 0 {
					want, password = directory.ErrBadPassword, "wrong"
				}
				if err := d.Authenticate(t.Context(), a, secret.New(password)); !errors.Is(err, want) {
					t.Errorf("%q: %v", password, err)
				}
			}
		})
	}
	all.Wait()
}
