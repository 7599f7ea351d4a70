package account

import (
	"strings"
	"unicode/utf8"
)

// dots stand for any number of characters: the mask must not tell a length
// (requirement R24).
const dots = "••••"

// Masked is a contact as far as it may be shown: j••••@e••••, or •••• 42. What is
// not an address masks to the same shape.
func (c Contact) Masked() string {
	switch c.Kind {
	case Email:
		local, domain, _ := strings.Cut(c.Value, "@")
		return initial(local) + dots + "@" + initial(domain) + dots
	case Phone:
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, c.Value)
		if len(digits) < 2 {
			return dots
		}
		return dots + "\u00a0" + digits[len(digits)-2:]
	}
	return ""
}

// MaskedName is a person's name as far as it may be shown to somebody who shares
// their address: "Loïc M.".
func (a Account) MaskedName() string {
	if a.FamilyName == "" {
		return a.GivenName
	}
	return strings.TrimSpace(a.GivenName + " " + initial(a.FamilyName) + ".")
}

func initial(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 || r == utf8.RuneError {
		return ""
	}
	return string(r)
}
