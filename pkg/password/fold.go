package password

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var ligatures = strings.NewReplacer("œ", "oe", "Œ", "OE", "æ", "ae", "Æ", "AE", "ß", "ss")

// fold takes accents, ligatures and the variants of Unicode off, and keeps
// upper and lower case: "Élève" and "Eleve" are one guess.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(ligatures.Replace(text)))
}

// leet are the letters that people replace by something that looks alike.
var leet = strings.NewReplacer("0", "o", "1", "i", "2", "z", "3", "e", "4", "a", "5", "s", "6", "g", "7", "t", "8", "b", "9", "g",
	"@", "a", "$", "s", "!", "i", "|", "i", "€", "e", "+", "t")

// skeleton is what is left of a folded text when nothing disguises it: two
// texts that a person would call the same word have the same one. It is for
// comparison only: l and i are one, since a 1 may be either.
func skeleton(plain string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'l':
			return 'i'
		case separator(r):
			return -1
		}
		return r
	}, leet.Replace(strings.ToLower(plain)))
}
