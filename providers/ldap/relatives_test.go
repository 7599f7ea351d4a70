package ldap_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

// R63: a minor without a contact gets back in by those of the relatives with
// parental authority, in whichever entry they are now; whoever is merely in
// charge of a child gets nothing.
func TestRelatives_R63(t *testing.T) {
	n := networks[1]
	config := n.config()
	config.URLs = []string{n.slapd(t, slapdtest.Options{}).URL}
	config.Attributes.Children = "ENTAuxPersRelEleveEleve"
	var ops counter
	config.Observe = ops.observe
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	mail := func(value string) []account.Contact {
		return []account.Contact{{Kind: account.Email, Value: value, Label: "mail"}}
	}
	if _, err := d.Find(t.Context(), "jade.o-connor"); err != nil { // connects
		t.Fatal(err)
	}
	for _, c := range []struct {
		login    string
		want     []account.Contact
		searches int
	}{
		{"jade.o-connor", mail("marc@example.org"), 3}, // S16, who is S15 now
		{"eloise.martin2", nil, 2},                     // S14 is in charge of her
		{"ines.benyoussef", nil, 2},                    // S11 has no address
		{"tom.legoff", nil, 1},                         // has one himself
		{"karim.haddad", nil, 1},
		{"marc.haddad", nil, 1},
	} {
		ops.take()
		a, err := d.Find(t.Context(), c.login)
		if err != nil {
			t.Errorf("%s: %v", c.login, err)
		}
		if diff := cmp.Diff(c.want, a.Relatives); diff != "" {
			t.Errorf("%s: %s", c.login, diff)
		}
		if n := ops.take()["search"]; n != c.searches {
			t.Errorf("%s: %d searches, not %d", c.login, n, c.searches)
		}
	}
	now = time.Date(2030, 3, 20, 12, 0, 0, 0, time.UTC) // a day before she is 18
	if a, err := d.Find(t.Context(), "jade.o-connor"); err != nil || len(a.Relatives) != 1 {
		t.Errorf("at 17: %v, %v", a.Relatives, err)
	}
	now = now.AddDate(0, 0, 1)
	if a, err := d.Find(t.Context(), "jade.o-connor"); err != nil || a.Relatives != nil {
		t.Errorf("at 18: %v, %v", a.Relatives, err)
	}
}
