package render

import (
	"strings"
	"unicode/utf8"
)

// dots stand for any number of characters: the mask must not tell a length
// (requirement R24).
const dots = "••••"

// MaskMail is an address as far as it may be shown: j••••@e••••. Whatever is
// not an address masks to the same shape.
func MaskMail(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	return initial(local) + dots + "@" + initial(domain) + dots
}

// MaskPhone is a phone number as far as it may be shown: •••• 42.
func MaskPhone(number string) string {
	var digits []rune
	for _, r := range number {
		if r >= '0' && r <= '9' {
			digits = append(digits, r)
		}
	}
	if len(digits) < 2 {
		return dots
	}
	return dots + "\u00a0" + string(digits[len(digits)-2:])
}

func initial(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 || r == utf8.RuneError {
		return ""
	}
	return string(r)
}

// MaskName is a person's name as far as it may be shown to somebody who shares
// their address: "Loïc M.".
func MaskName(given, family string) string {
	if family == "" {
		return given
	}
	return strings.TrimSpace(given + " " + initial(family) + ".")
}
