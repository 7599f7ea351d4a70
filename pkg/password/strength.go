package password

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/frequency"
	"github.com/ccojocar/zxcvbn-go/matching"
)

// The most frequent French passwords, and the words and first names of which
// the French make others: without accents, the most frequent first.
var (
	//go:embed lists/fr-passwords.txt
	frenchPasswords string
	//go:embed lists/fr-words.txt
	frenchWords string
)

// known are the skeletons of the passwords that others have already: the
// French list and the 7,000 of zxcvbn, which are English.
var known = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, password := range append(strings.Fields(frenchPasswords), frequency.Lists["Passwords"].List...) {
		if bare := skeleton(password); len(bare) >= minWord {
			out[bare] = true
		}
	}
	return out
})

// common reports whether a folded password is a known one, alone or with
// digits and signs before or behind it: "Motdepasse2026!".
func common(plain string) bool {
	list, decoration := known(), func(r rune) bool { return !unicode.IsLetter(r) }
	return list[skeleton(plain)] ||
		list[skeleton(strings.TrimFunc(plain, decoration))] ||
		list[skeleton(strings.TrimLeftFunc(plain, decoration))] ||
		list[skeleton(strings.TrimRightFunc(plain, decoration))]
}

// guesses are the words that zxcvbn does not know, in the order in which
// somebody would try them: the place of a word is what it is worth, so each is
// there once.
var guesses = sync.OnceValue(func() []string {
	all := strings.Fields(frenchPasswords)
	for year := 2039; year >= 1940; year-- {
		all = append(all, strconv.Itoa(year))
	}
	var out []string
	seen := map[string]bool{}
	for _, word := range append(all, strings.Fields(frenchWords)...) {
		if !seen[word] {
			seen[word] = true
			out = append(out, word)
		}
	}
	return out
})

// maxEstimated is how many characters are estimated: the time of zxcvbn grows
// with the cube of the length.
const maxEstimated = 72

// bits estimates how many bits of guessing a folded password is worth, as it is
// and with its look-alike signs read as letters. Two of zxcvbn's own matchers
// are left out: for look-alikes it tries every combination, which takes a second
// for 72 of them, and its keyboards know Dvorak but not the French one.
func bits(plain string) float64 {
	text := ascii(plain)
	return min(estimate(text), estimate(leet.Replace(text)))
}

func estimate(text string) float64 {
	return zxcvbn.PasswordStrength(text, guesses(), matching.FilterL33tMatcher, matching.FilterSpatialMatcher).Entropy
}

// ascii cuts a text for zxcvbn, which mistakes bytes for characters: a letter
// of another script becomes one of ours, neither always the same nor worth
// more.
func ascii(plain string) string {
	out := make([]byte, 0, maxEstimated)
	for _, r := range plain {
		if len(out) == maxEstimated {
			break
		}
		if r >= utf8.RuneSelf {
			r = 'a' + r%26
		}
		out = append(out, byte(r))
	}
	return string(out)
}
