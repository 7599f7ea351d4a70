package password

import (
	"maps"
	"math"
	"slices"
	"unicode"
)

// Preset is the name of a rule book that a site must follow. Each adds to what
// the default policy refuses, and takes away nothing but its length.
type Preset string

// rules are what a Preset asks for.
type rules struct {
	length  int     // code points
	bits    float64 // by the count of classes.bits
	classes int     // of four
}

var presets = map[Preset]rules{
	"": {length: 12},
	// CNIL recommendation 2022-100, case 1: a password and nothing else, 80
	// bits; its own example is 12 characters of all four kinds.
	"cnil-1": {length: 12, bits: 80},
	// The same, case 2: a password behind a limit of tries, 50 bits; its own
	// example is 8 characters of three kinds.
	"cnil-2": {length: 8, bits: 50},
	// ANSSI, "Recommandations relatives à l’authentification multifacteur et
	// aux mots de passe": 16 characters and more for administrators.
	"anssi-admin": {length: 16},
	// Active Directory with "password must meet complexity requirements".
	"legacy-ad": {length: 12, classes: 3},
}

// Presets are the names of all.
func Presets() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(presets)) {
		if name != "" {
			names = append(names, string(name))
		}
	}
	return names
}

// classes are the kinds of characters that a password uses.
type classes struct{ lower, upper, digit, other bool }

func classesOf(text string) (c classes) {
	for _, r := range text {
		switch {
		case unicode.IsLower(r):
			c.lower = true
		case unicode.IsUpper(r):
			c.upper = true
		case unicode.IsDigit(r):
			c.digit = true
		default:
			c.other = true
		}
	}
	return c
}

func (c classes) kinds() (n int) {
	for _, used := range []bool{c.lower, c.upper, c.digit, c.other} {
		if used {
			n++
		}
	}
	return n
}

// bits counts as the CNIL does, to the next whole bit: as if each character
// were drawn from all of the kinds used, with 37 signs. It says nothing about
// words, which is why the estimate is asked too.
func (c classes) bits(length int) float64 {
	alphabet := 0.0
	for used, size := range map[*bool]float64{&c.lower: 26, &c.upper: 26, &c.digit: 10, &c.other: 37} {
		if *used {
			alphabet += size
		}
	}
	if alphabet == 0 {
		return 0
	}
	return math.Ceil(float64(length) * math.Log2(alphabet))
}
