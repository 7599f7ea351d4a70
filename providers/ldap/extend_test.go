package ldap_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// R7: putting the end off rewrites that of the account and nothing beside it; an
// end that is no longer what was read is left alone.
func TestExtend_R7(t *testing.T) {
	config := one(t, "supann", `
supannRessourceEtat: {MAIL}A:SupannActif
supannRessourceEtat: {COMPTE}A:SupannSursis
supannRessourceEtatDate: {MAIL}A:SupannActif:20260101:20261231
supannRessourceEtatDate: {COMPTE}A:SupannActif:20250901:20260630
supannRessourceEtatDate: {COMPTE}A:SupannSursis:20260701:20261231`)
	d := open(t, config).(directory.Extender)
	from, until := account.Date{Year: 2026, Month: 12, Day: 31}, account.Date{Year: 2027, Month: 6, Day: 30}
	if err := d.Extend(t.Context(), "0b2f8e01@one.example", from, until); err != nil {
		t.Fatal(err)
	}
	for attribute, want := range map[string][]string{
		"supannRessourceEtat":     {"{COMPTE}A:SupannSursis", "{MAIL}A:SupannActif"},
		"supannRessourceEtatDate": {"{COMPTE}A:SupannActif:20250901:20260630", "{COMPTE}A:SupannSursis:20260701:20270630", "{MAIL}A:SupannActif:20260101:20261231"},
	} {
		if diff := cmp.Diff(want, values(t, config, attribute)); diff != "" {
			t.Errorf("%s: %s", attribute, diff)
		}
	}
	if err := d.Extend(t.Context(), "0b2f8e01@one.example", from, until); !errors.Is(err, directory.ErrConflict) {
		t.Errorf("a second time: %v", err)
	}
	if err := d.Extend(t.Context(), "nobody@one.example", from, until); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// Where the end is kept elsewhere, nothing is written.
func TestExtendElsewhere(t *testing.T) {
	config := one(t, "inetorgperson", "")
	d := open(t, config).(directory.Extender)
	if err := d.Extend(t.Context(), "jo", account.Date{Year: 2026, Month: 12, Day: 31}, account.Date{Year: 2027, Month: 6, Day: 30}); err == nil {
		t.Error("no error")
	}
}
