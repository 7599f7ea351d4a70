package password

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// walks are the ways in which fingers go without thinking, forth or back:
// alphabet, digits, the rows of the French and the English keyboard, and their
// columns one after the other.
var walks = func() []map[rune]int {
	var out []map[rune]int
	for _, walk := range []string{
		"abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890",
		"&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù*", "wxcvbn,;:!",
		"!@#$%^&*()_+", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./",
		"aqwzsxedcrfvtgbyhnujikolpm", "1aqw2zsx3edc4rfv5tgb6yhn7uj8ik9ol0pm",
		"qazwsxedcrfvtgbyhnujmikolp", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
	} {
		places := map[rune]int{}
		for _, r := range walk {
			places[r] = len(places)
		}
		out = append(out, places)
	}
	return out
}()

// minRun is the length from which steps along a walk are no chance.
const minRun = 4

// patterned reports whether half of a password or more is runs along a walk or
// one character again and again, or whether it is one piece repeated.
func patterned(text string) bool {
	keys := []rune(strings.ToLower(norm.NFC.String(text)))
	inRun := make([]bool, len(keys))
	for _, places := range walks {
		markRuns(keys, inRun, func(a, b rune) int {
			from, ok := places[a]
			to, ok2 := places[b]
			if step := to - from; ok && ok2 && (step == 1 || step == -1) {
				return step
			}
			return 0
		})
	}
	markRuns(keys, inRun, func(a, b rune) int {
		if a == b {
			return 1
		}
		return 0
	})
	covered := 0
	for _, marked := range inRun {
		if marked {
			covered++
		}
	}
	return len(keys) > 0 && (2*covered >= len(keys) || 2*period(keys) <= len(keys))
}

// markRuns marks the stretches of at least minRun keys whose steps all go the
// same way; a step of 0 ends one.
func markRuns(keys []rune, inRun []bool, step func(a, b rune) int) {
	start, way := 0, 0
	for i := 1; i <= len(keys); i++ {
		next := 0
		if i < len(keys) {
			next = step(keys[i-1], keys[i])
		}
		if next != 0 && next == way {
			continue
		}
		if way != 0 && i-start >= minRun {
			for j := start; j < i; j++ {
				inRun[j] = true
			}
		}
		start, way = i-1, next
	}
}

// period is the length of the shortest piece of which the keys are a
// repetition, the last one perhaps cut: the failure function of Knuth, Morris
// and Pratt.
func period(keys []rune) int {
	border := make([]int, len(keys)+1)
	border[0] = -1
	for i, k := 0, -1; i < len(keys); {
		for k >= 0 && keys[i] != keys[k] {
			k = border[k]
		}
		i, k = i+1, k+1
		border[i] = k
	}
	return len(keys) - border[len(keys)]
}
