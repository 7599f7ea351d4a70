package recovery

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// CodeLen is how many digits a code has that is sent (requirement R32).
const CodeLen = 6

// unmistakable is the alphabet of codes that are handed over: no 0 and O, no 1,
// I and L (requirement R32). It has a prime number of characters, so that the
// last one of a code can tell every single mistake and every exchange of two
// neighbours.
const (
	unmistakable = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
	symbols      = uint64(len(unmistakable))
)

// longLen is how many characters a handed-over code has: eleven that are drawn,
// 54 bits, and one that checks them.
const longLen = 12

// longCode makes the code of twelve characters from nineteen derived digits.
func longCode(digits string) string {
	drawn, _ := strconv.ParseUint(digits, 10, 64) // 10^19 < 2^64
	code := make([]byte, longLen)
	for i := range longLen - 1 {
		code[i] = unmistakable[drawn%symbols]
		drawn /= symbols
	}
	code[longLen-1] = check(string(code))
	return string(code)
}

// grouped writes a long code as it is read out: "K7QM-2XDB-9RTH".
func grouped(code string) string {
	return code[:4] + "-" + code[4:8] + "-" + code[8:]
}

var longShape = regexp.MustCompile(`\b[0-9A-Z]{4}[\s-]*[0-9A-Z]{4}[\s-]*[0-9A-Z]{4}\b`)

// LongCode finds a handed-over code in what was typed or pasted, whatever the
// case, the spaces and the hyphens; empty without one. One that was mistyped is
// none: it need not be compared with anything, and is no try.
func LongCode(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\u2010' || r == '\u2011' || r == '\u2013' {
			return '-'
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(text)))
	for _, found := range longShape.FindAllString(text, -1) {
		code := strings.Map(func(r rune) rune {
			if strings.ContainsRune(unmistakable, r) {
				return r
			}
			return -1
		}, found)
		if len(code) == longLen && code[longLen-1] == check(code) {
			return code
		}
	}
	return ""
}

// check is the last character that belongs to the others.
func check(code string) byte {
	sum := 0
	for i := range longLen - 1 {
		sum += (i + 1) * strings.IndexByte(unmistakable, code[i])
	}
	return unmistakable[sum%len(unmistakable)]
}

var (
	number      = regexp.MustCompile(`[0-9]+`)
	sixApart    = regexp.MustCompile(`[0-9](?:[\s\p{Pd}.]*[0-9]){5}`)
	digitsAlone = regexp.MustCompile(`^[0-9OoIl\s\p{Pd}.]*$`)
	likeDigits  = strings.NewReplacer("O", "0", "o", "0", "I", "1", "l", "1")
)

// Digits finds a code that was sent in what was typed or pasted, a whole message
// perhaps: the last number of exactly CodeLen digits, since an identifier comes
// before the code and longer numbers are something else; or the first CodeLen
// digits with nothing but spaces, hyphens and dots between them. Letters that
// look like digits are digits where nothing else was typed. Empty without a code.
func Digits(text string) string {
	text = norm.NFKC.String(text)
	if digitsAlone.MatchString(text) {
		text = likeDigits.Replace(text)
	}
	for _, digits := range slices.Backward(number.FindAllString(text, -1)) {
		if len(digits) == CodeLen {
			return digits
		}
	}
	return strings.Join(number.FindAllString(sixApart.FindString(text), -1), "")
}
