package ldap

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// maxLogin is the most bytes of a login that are looked up.
const maxLogin = 256

// typed cleans what somebody typed (requirement R1); empty when no account
// can have that name.
func typed(login string) string {
	if len(login) > maxLogin || !utf8.ValidString(login) {
		return ""
	}
	login = norm.NFC.String(strings.TrimSpace(login))
	if strings.ContainsFunc(login, inNoName) {
		return ""
	}
	return login
}

// inNoName reports what no name has in it, though a server may find one
// through it (R-AUTH-12 of the security battery): RFC 4518 section 2.2 has
// servers overlook what cannot be seen, and OpenLDAP takes a dotted capital I
// for a plain one.
func inNoName(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || r == 'İ'
}

// lookup is an attribute in which logins are looked up.
type lookup struct{ attribute, rule string }

func parseLookup(list []string) []lookup {
	var out []lookup
	for _, l := range list {
		attribute, rule, _ := strings.Cut(l, ":")
		out = append(out, lookup{attribute, rule})
	}
	return out
}

// usualCases is the rule that no server knows: the value as typed, and in the
// cases in which such names are usually stored.
const usualCases = "usualCases"

// filter is the items for one value (RFC 4515), to stand in an "or". The value
// is escaped, so it can be nothing but a value.
func (l lookup) filter(value string) string {
	switch l.rule {
	case "":
		return "(" + l.attribute + "=" + goldap.EscapeFilter(value) + ")"
	case usualCases:
		var out string
		lower := strings.ToLower(value)
		forms := []string{value, lower, capitals(lower), strings.ToUpper(value)}
		for i, form := range forms {
			if !slices.Contains(forms[:i], form) {
				out += lookup{attribute: l.attribute}.filter(form)
			}
		}
		return out
	}
	return "(" + l.attribute + ":" + l.rule + ":=" + goldap.EscapeFilter(value) + ")"
}

// capitals writes the first letter of every part of a name large:
// "jean-paul.petit" as "Jean-Paul.Petit".
func capitals(lower string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		first := !inWord
		inWord = unicode.IsLetter(r)
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, lower)
}
