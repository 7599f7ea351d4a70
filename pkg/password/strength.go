package password

import (
	_ "embed"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go/data"
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
	for _, password := range append(strings.Fields(frenchPasswords), list("Passwords")...) {
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

// maxEstimated is how many characters are estimated: the work grows with the
// square of the length.
const maxEstimated = 72

// bits estimates how many bits of guessing a folded password is worth, as it is
// and with its look-alike signs read as letters.
func bits(plain string) float64 {
	text := ascii(plain)
	return min(estimate(text), estimate(leet.Replace(text)))
}

// estimate is that of zxcvbn (Wheeler, USENIX Security 2016) in its first form:
// the cheapest way to put a text together from known words, dates, sequences,
// repetitions and single characters.
func estimate(text string) float64 {
	single := math.Log2(alphabet(text))
	cheapest := make([]float64, len(text)+1)
	for end := 1; end <= len(text); end++ {
		cheapest[end] = cheapest[end-1] + single
		for start := range end - 1 {
			if worth, ok := pattern(text[start:end], single); ok {
				cheapest[end] = min(cheapest[end], cheapest[start]+worth)
			}
		}
	}
	return cheapest[len(text)]
}

// pattern is what a part of a text is worth that somebody would try as a whole.
func pattern(part string, single float64) (bits float64, ok bool) {
	if place, known := words()[part]; known {
		return math.Log2(float64(place)), true
	}
	if date(part) {
		return math.Log2(31 * 12 * 119), true
	}
	switch step := int(part[1]) - int(part[0]); {
	case len(part) < 3 || !steady(part, step):
	case step == 0:
		return single + math.Log2(float64(len(part))), true
	case step == 1 || step == -1:
		return math.Log2(36) + math.Log2(float64(len(part))), true
	}
	return 0, false
}

// steady reports whether each character is the same step from the one before.
func steady(part string, step int) bool {
	for i := 2; i < len(part); i++ {
		if int(part[i])-int(part[i-1]) != step {
			return false
		}
	}
	return true
}

// date reports whether a part is a day, with or without signs between its
// numbers.
func date(part string) bool {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune("/-._ ", r) {
			return -1
		}
		return r
	}, part)
	if len(digits) != 6 && len(digits) != 8 || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	for _, layout := range []string{"02012006", "01022006", "20060102", "020106", "010206", "060102"} {
		if _, err := time.Parse(layout, digits); err == nil {
			return true
		}
	}
	return false
}

// alphabet is of how many characters a text seems to choose.
func alphabet(text string) (size float64) {
	for _, kind := range []struct {
		holds func(c rune) bool
		size  float64
	}{
		{unicode.IsLower, 26}, {unicode.IsUpper, 26}, {unicode.IsDigit, 10},
		{func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }, 33},
	} {
		if strings.ContainsFunc(text, kind.holds) {
			size += kind.size
		}
	}
	return size
}

// words are what people make passwords of, each with its place in the order in
// which somebody would try it: the French lists, years, and those of zxcvbn,
// which are English. A word of several lists has its best place.
var words = sync.OnceValue(func() map[string]int {
	out := map[string]int{}
	add := func(list []string) {
		for i, word := range list {
			if place, known := out[word]; len(word) > 1 && (!known || i+1 < place) {
				out[word] = i + 1
			}
		}
	}
	french := strings.Fields(frenchPasswords)
	for year := 2039; year >= 1940; year-- {
		french = append(french, strconv.Itoa(year))
	}
	add(append(french, strings.Fields(frenchWords)...))
	for _, name := range []string{"Passwords", "English", "MaleNames", "FemaleNames", "Surnames"} {
		add(list(name))
	}
	return out
})

// list is one of zxcvbn's. Its own package of lists would hold all of them from
// the start of the process, most of which change no password.
func list(name string) []string {
	var content struct{ List []string }
	if err := json.Unmarshal(data.MustAsset("data/"+name+".json"), &content); err != nil {
		panic(err) // it is within the program
	}
	return content.List
}

// ascii cuts a text for the estimate, which takes bytes for characters: a letter
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
