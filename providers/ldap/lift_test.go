package ldap_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// R14, R7: a lock that stands in the entry is lifted by the reason it has, and
// by no other; what else stands there stays.
func TestLift_R14(t *testing.T) {
	for name, c := range map[string]struct {
		preset, ldif string
		reason       account.Reason
		want         map[string][]string
	}{
		"technical, SUPANN": {"supann", `
supannRessourceEtat: {MAIL}S:SupannVerrouTechnique
supannRessourceEtat: {COMPTE}S:SupannVerrouTechnique
supannRessourceEtatDate: {COMPTE}A:SupannActif:20250901:20270930
supannRessourceEtatDate: {COMPTE}S:SupannVerrouTechnique:20260612:20270930`, account.ReasonSecurity, map[string][]string{
			"supannRessourceEtat":     {"{COMPTE}A:SupannActif", "{MAIL}S:SupannVerrouTechnique"},
			"supannRessourceEtatDate": {"{COMPTE}A:SupannActif:20250901:20270930", "{COMPTE}A:SupannActif:20260915:20270930"},
		}},
		"administrative, SUPANN": {"supann", `
supannRessourceEtat: {COMPTE}S:SupannVerrouAdministratif`, account.ReasonAdministrative,
			map[string][]string{"supannRessourceEtat": {"{COMPTE}A:SupannActif"}}},
		"school": {"ent-school", `
ESCOPersonEtatCompte: BLOQUE
entryUUID: 0b2f8e01@one.example`, account.ReasonAdministrative, map[string][]string{"ESCOPersonEtatCompte": {"VALIDE"}}},
		"Active Directory": {"active-directory", `
userAccountControl: 514`, account.ReasonAdministrative, map[string][]string{"userAccountControl": {"512"}}},
		"389ds": {"389ds", `
nsAccountLock: TRUE`, account.ReasonAdministrative, map[string][]string{"nsAccountLock": {}}},
		"OpenLDAP": {"supann", `
pwdAccountLockedTime: 000001010000Z`, account.ReasonAdministrative, map[string][]string{"pwdAccountLockedTime": {}}},
	} {
		t.Run(name, func(t *testing.T) {
			config := one(t, c.preset, c.ldif)
			if c.preset == "active-directory" {
				config.InsecurePlaintext = true
			}
			d := open(t, config)
			who, err := d.Find(t.Context(), "jo")
			if err != nil || who.Status != account.Locked || who.Reason != c.reason {
				t.Fatalf("%s (%s), %v", who.Status, who.Reason, err)
			}
			l := d.(directory.Lifter)
			for _, other := range []account.Reason{account.ReasonSecurity, account.ReasonAdministrative, account.ReasonTooManyTries, ""} {
				if other == c.reason {
					continue
				}
				if err := l.Lift(t.Context(), who.ID, other); !errors.Is(err, directory.ErrConflict) {
					t.Errorf("as %q: %v", other, err)
				}
			}
			if err := l.Lift(t.Context(), who.ID, c.reason); err != nil {
				t.Fatal(err)
			}
			for attribute, want := range c.want {
				if diff := cmp.Diff(want, values(t, config, attribute)); diff != "" {
					t.Errorf("%s: %s", attribute, diff)
				}
			}
			if now, err := d.Get(t.Context(), who.ID); err != nil || now.Status != account.Active {
				t.Errorf("%s (%s), %v", now.Status, now.Reason, err)
			}
			if err := l.Lift(t.Context(), who.ID, c.reason); !errors.Is(err, directory.ErrConflict) {
				t.Errorf("once more: %v", err)
			}
		})
	}
}
