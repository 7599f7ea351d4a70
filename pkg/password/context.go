package password

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
)

// Context is what an acquaintance would try first for one person.
type Context struct {
	Words []string  // names, logins, codes
	Born  time.Time // zero when unknown

	account *account.Account // for Policy.Privileged; nil when not known
}

// ContextOf takes from an account its logins, names, mail address, the codes
// of its establishments and its date of birth, as far as they were read.
func ContextOf(a account.Account) Context {
	c := Context{account: &a, Words: slices.Concat([]string{a.Login, a.Name, a.GivenName, a.FamilyName}, a.Logins)}
	local, _, _ := strings.Cut(a.Mail, "@")
	c.Words = append(c.Words, local)
	for name, values := range a.Attributes {
		name = strings.ToLower(name)
		if slices.Contains(placeAttributes, name) {
			c.Words = append(c.Words, values...)
		}
		layout, ok := birthAttributes[name]
		if !ok || len(values) == 0 {
			continue
		}
		if born, err := time.Parse(layout, values[0]); err == nil {
			c.Born = born
		}
	}
	return c
}

// Where SUPANN, schac and the school ENT schema keep the UAI of an
// establishment and the date of birth, in lower case.
var (
	placeAttributes = []string{"supannetablissement", "entpersonstructrattach", "entstructureuai"}
	birthAttributes = map[string]string{
		"supannoidcdatedenaissance": "2006-01-02",
		"schacdateofbirth":          "20060102",
		"entpersondatenaissance":    "02/01/2006",
	}
)

// words are those of the Context and the date of birth in the ways people
// write it.
func (c Context) words() []string {
	if c.Born.IsZero() {
		return c.Words
	}
	out := slices.Clone(c.Words)
	for _, layout := range []string{"02012006", "20060102", "01022006", "020106", "060102"} {
		out = append(out, c.Born.Format(layout))
	}
	return out
}

// minWord is the length from which a word counts: shorter ones are in too many
// others.
const minWord = 4

// holdsAny reports whether a folded password holds one of these, whole or one
// of their parts, however it is disguised.
func holdsAny(plain string, words []string) bool {
	disguised := skeleton(plain)
	for _, word := range words {
		word = fold(word)
		for _, part := range append(strings.FieldsFunc(word, separator), word) {
			part = skeleton(part)
			if utf8.RuneCountInString(part) >= minWord && strings.Contains(disguised, part) {
				return true
			}
		}
	}
	return false
}

func separator(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
