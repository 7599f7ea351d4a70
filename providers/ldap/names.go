package ldap

import (
	"strings"
	"unicode"

	goldap "github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

var ligatures = strings.NewReplacer("œ", "oe", "æ", "ae", "ß", "ss", "ø", "o", "đ", "d", "ł", "l")

// fold makes one of the spellings of a name: no case, no accents, no
// ligatures, and one space for whatever stands between its parts (requirement
// R5).
func fold(name string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(ligatures.Replace(strings.ToLower(name))))
	return strings.Join(strings.FieldsFunc(plain, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " ")
}

// squeezed is a folded name without spaces: "Le Goff" and "legoff" are one.
func squeezed(name string) string { return strings.ReplaceAll(fold(name), " ", "") }

// loose is a pattern for a folded word that a server can compare which takes
// accents for letters, and spaces, apostrophes and hyphens too: an asterisk
// stands for them, and for every letter that is written with an accent in
// French and around it. "lefevre" is "*l*f*v*r*", which finds Lefèvre. What
// else it finds is compared again by fold.
func loose(word string) string {
	var out strings.Builder
	out.WriteByte('*')
	for _, r := range word {
		if !strings.ContainsRune("aceinouy", r) {
			out.WriteString(goldap.EscapeFilter(string(r)) + "*")
		}
	}
	return out.String()
}
