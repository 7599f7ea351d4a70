package account_test

import (
	"testing"

	"github.com/loge-idp/loge/pkg/account"
)

// R5: the spellings that people use of one name.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		family, birth, typed string
		want                 bool
	}{
		{"N'Diaye", "", "n’diaye", true},
		{"N'Diaye", "", "NDIAYE", true},
		{"NʼDiaye", "", "n diaye", true},
		{"Œuvrard", "", "oeuvrard", true},
		{"Oeuvrard", "", "ŒUVRARD", true},
		{"Le Goff", "", "Le-Goff", true},
		{"Le Goff", "", "legoff", true},
		{"Nguyễn", "", "nguyen", true},
		{"Lefe\u0300vre", "", "Lefèvre", true},
		{"Strauß", "", "STRAUSS", true},
		{"de La Tour d'Auvergne", "", "DE LA TOUR D AUVERGNE", true},
		{"Petit-Leroy", "Petit", "petit", true},
		{"Petit-Leroy", "Petit", "PETIT LEROY", true},
		{"Petit-Leroy", "Petit", "leroy", false},
		{"Dupont", "", "Dupond", false},
		{"Dupont", "", "", false},
		{"", "", "", false},
		{"", "", "-", false},
		{"Dupont", "", "Dup", false},
	} {
		a := account.Account{FamilyName: c.family, BirthName: c.birth}
		if got := a.IsNamed(c.typed); got != c.want {
			t.Errorf("%q or %q, typed %q: %v", c.family, c.birth, c.typed, got)
		}
	}
}
