package account

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var ligatures = strings.NewReplacer("œ", "oe", "æ", "ae", "ß", "ss", "ø", "o", "đ", "d", "ł", "l")

// FoldName reduces a name to its letters, so that "Le-Goff", "le goff" and
// "LEGOFF" are one, and so are "N’Diaye" and "NDIAYE", "Œuvrard" and "oeuvrard"
// (requirement R5).
func FoldName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) && !unicode.Is(unicode.Lm, r) {
			return r
		}
		return -1 // accents, apostrophes (ʼ is a letter of its own kind), hyphens, spaces
	}, norm.NFKD.String(ligatures.Replace(strings.ToLower(norm.NFC.String(name)))))
}

// IsNamed reports whether a family name is that of the account, the usual one
// or the one at birth (requirement R5). Nobody is named by nothing.
func (a Account) IsNamed(family string) bool {
	folded := FoldName(family)
	return folded != "" && (folded == FoldName(a.FamilyName) || folded == FoldName(a.BirthName))
}
