package password_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// valmont is the policy of a site with its own words.
var valmont = password.Policy{Words: []string{"Université de Valmont", "Lycée Jean-Zay", "0690123A"}}

var elise = account.Account{
	Login: "elefevre", Logins: []string{"elefevre", "e21004567"},
	Name: "Élise Lefèvre", GivenName: "Élise", FamilyName: "Lefèvre",
	Mail: "elise.lefevre@etu.univ-valmont.example",
	Attributes: map[string][]string{
		"supannOIDCDateDeNaissance": {"2005-03-12"},
		"supannEtablissement":       {"{UAI}0751717J"},
	},
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		rule, chosen string
		want         []password.Reason
	}{
		{"R40 passphrase FR", "trois petits chats bleus", nil},
		{"R40 passphrase FR", "cheval-agrafe-nuage-42", nil},
		{"R40 passphrase FR, accents", "L’été, où êtes-vous ?", nil},
		{"R40 passphrase EN", "correct horse battery staple", nil},
		{"R40 passphrase EN", "lemon bicycle under thirteen", nil},
		{"R40 no composition: lower case only", "kqzvhtwmxpba", nil},
		{"R40 no composition: digits only", "830274961537928461", nil},
		{"R40 from a password keeper", "x7#Qv!m2Lz@9Kp", nil},
		{"R40 another script", "пять зелёных яблок", nil},
		{"R40 emoji", "🐎📎☁️ quarante-deux nuages", nil},

		{"R40 empty", "", []password.Reason{password.TooShort}},
		{"R40 11 code points", "x7#Qv!m2Lz@", []password.Reason{password.TooShort}},
		{"R40 12 code points of more bytes", "éàùçèêîôûœæë", nil},
		{"R40 128 code points", strings.Repeat("x7#Qv!m2Lz@9Kpuw", 7) + "e5T%gB8&yN4*hM1?", nil},
		{"R40 129 code points", strings.Repeat("é", 129), []password.Reason{password.TooLong}},
		{"control characters", "cheval\x00agrafe\tnuage", []password.Reason{password.Control}},
		{"no UTF-8", "cheval-agrafe-\xff\xfe-42", []password.Reason{password.Control}},

		{"R-REC-20 common FR", "motdepasse2026!", []password.Reason{password.Common}},
		{"R-REC-20 common FR, disguised", "M0t2P@sse2026", []password.Reason{password.Common}},
		{"R-REC-20 common FR", "Marseille13!!", []password.Reason{password.Common}},
		{"R-REC-20 common FR, signs first", "**2026*Soleil*", []password.Reason{password.Common}},
		{"R-REC-20 common EN", "Password1234!", []password.Reason{password.Common}},
		{"R-REC-20 common EN, disguised", "P4$$w0rd-2026", []password.Reason{password.Common}},
		{"R-REC-20 common and short", "azerty123", []password.Reason{password.TooShort, password.Common, password.Sequence}},

		{"R40 login", "le-mien-elefevre-a-moi", []password.Reason{password.Personal}},
		{"R40 name without accents", "LEFEVRE pour toujours", []password.Reason{password.Personal}},
		{"R40 name disguised", "3l1s3-cheval-nuage-x", []password.Reason{password.Personal}},
		{"R40 student number", "ma carte e21004567 ici", []password.Reason{password.Personal}},
		{"R40 establishment", "bonne-annee-a-valmont-59", []password.Reason{password.Personal}},
		{"R40 UAI of the site", "agrafe 0690123a nuage", []password.Reason{password.Personal}},
		{"R40 UAI of the account", "agrafe 0751717J nuage", []password.Reason{password.Personal}},
		{"R40 date of birth", "nuage-12/03/2005-agrafe", []password.Reason{password.Personal}},
		{"R40 date of birth EN", "cloud 2005-03-12 staple", []password.Reason{password.Personal}},
		{"R40 date of birth, short", "nuage.120305.agrafe", []password.Reason{password.Personal}},
		{"R40 another date", "nuage-14/03/2007-agrafe-zinc", nil},
		{"the passwords of the fixtures", "Valmont-elefevre-2026", []password.Reason{password.Personal}},

		{"R40 keyboard FR", "azertyuiopqs", []password.Reason{password.Sequence}},
		{"R40 keyboard FR, shifted digits", "&é\"'(-è_çà)=", []password.Reason{password.Sequence}},
		{"R40 keyboard FR, columns", "1aqw2zsx3edc", []password.Reason{password.Sequence}},
		{"R40 keyboard FR, backwards", "poiuytreza78", []password.Reason{password.Common, password.Sequence}},
		{"R40 keyboard EN", "qwertyasdfgh", []password.Reason{password.Sequence}},
		{"R40 keyboard EN, columns", "1qaz2wsx3edc", []password.Reason{password.Sequence}},
		{"R40 alphabet", "abcdefghijkl", []password.Reason{password.Sequence}},
		{"R40 digits", "123456789012", []password.Reason{password.Sequence}},
		{"R40 one character", "zzzzzzzzzzzz", []password.Reason{password.Sequence}},
		{"R40 one piece repeated", "Chat-Chat-Chat-", []password.Reason{password.Sequence}},
		{"R40 a short run in a good one", "agrafe-1234-nuage-zinc", nil},

		{"R40 weak FR", "maison soleil", []password.Reason{password.Weak}},
		{"R40 weak FR, season and year", "Le printemps 2026", []password.Reason{password.Weak}},
		{"R40 weak FR, disguised", "S0l31l-4z3rty", []password.Reason{password.Weak}},
		{"R40 weak EN", "monkey dragon", []password.Reason{password.Weak}},
	} {
		t.Run(c.rule+"/"+c.chosen[:min(len(c.chosen), 24)], func(t *testing.T) {
			got := valmont.Check(secret.New(c.chosen), password.ContextOf(elise))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// R40: without an account and words of a site the default policy still works.
func TestZeroPolicy(t *testing.T) {
	var p password.Policy
	if got := p.Check(secret.New("Valmont-elefevre-2026"), password.Context{}); got != nil {
		t.Error(got)
	}
	if p.Minimum() != 12 || p.Validate() != nil {
		t.Errorf("minimum %d, %v", p.Minimum(), p.Validate())
	}
}

func TestBirthAttributes(t *testing.T) {
	born := time.Date(2011, 5, 2, 0, 0, 0, 0, time.UTC)
	for name, value := range map[string]string{
		"supannOIDCDateDeNaissance": "2011-05-02", "schacDateOfBirth": "20110502", "ENTPersonDateNaissance": "02/05/2011",
	} {
		got := password.ContextOf(account.Account{Attributes: map[string][]string{name: {value}}})
		if !got.Born.Equal(born) {
			t.Errorf("%s: born %s", name, got.Born)
		}
		if got := password.ContextOf(account.Account{Attributes: map[string][]string{name: {"inconnue"}}}); !got.Born.IsZero() {
			t.Errorf("%s without a date: born %s", name, got.Born)
		}
	}
}

func TestConfig(t *testing.T) {
	for section, place := range map[string]string{
		`{}`:                                  "",
		`{"minLength": 15, "words": ["Zay"]}`: "",
		`{"minLength": 7}`:                    "minLength",
		`{"minLength": 65}`:                   "minLength",
		`{"maxLength": 63}`:                   "maxLength",
		`{"maxLength": 257}`:                  "maxLength",
		`{"minLength": 16, "maxLength": 64}`:  "",
	} {
		var p password.Policy
		if err := json.Unmarshal([]byte(section), &p); err != nil {
			t.Fatal(err)
		}
		err := p.Validate()
		var wrong *plugin.Error
		if (err != nil) != (place != "") || err != nil && (!errors.As(err, &wrong) || wrong.Path != place) {
			t.Errorf("%s: %v", section, err)
		}
	}
	p := password.Policy{MinLength: 15, MaxLength: 64}
	for chosen, want := range map[string][]password.Reason{
		"x7#Qv!m2Lz@9Kp":                   {password.TooShort},
		"x7#Qv!m2Lz@9Kpw":                  nil,
		strings.Repeat("x7#Qv!m2Lz@9K", 5): {password.TooLong},
	} {
		if diff := cmp.Diff(want, p.Check(secret.New(chosen), password.Context{})); diff != "" {
			t.Errorf("%q: %s", chosen, diff)
		}
	}
}

// A megabyte costs as little memory as one character too many.
func TestLongInputIsBounded(t *testing.T) {
	for _, length := range []int{129, 1 << 20} {
		chosen := secret.New(strings.Repeat("é", length))
		allocs := testing.AllocsPerRun(10, func() {
			if got := valmont.Check(chosen, password.Context{}); !slices.Equal(got, []password.Reason{password.TooLong}) {
				t.Fatal(got)
			}
		})
		if allocs > 1 {
			t.Errorf("%d characters: %v allocations", length, allocs)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "a", "cheval-agrafe-nuage-42", "Ǆ ﷺ ﬃ ½", "\x00", "\xff", "(({[<369!1|$5+7%20a4@8", "ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ"} {
		f.Add(seed, "Valmont")
	}
	f.Fuzz(func(t *testing.T, chosen, word string) {
		p := password.Policy{Words: []string{word}}
		got := p.Check(secret.New(chosen), password.ContextOf(elise))
		for _, reason := range got {
			if !slices.Contains(password.Reasons(), reason) {
				t.Errorf("an unknown reason: %q", reason)
			}
		}
		around := secret.New("agrafe-elefevre-" + chosen)
		if got := p.Check(around, password.ContextOf(elise)); len(got) == 0 {
			t.Error("a password with the login in it is good")
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	about := password.ContextOf(elise)
	for name, chosen := range map[string]string{
		"passphrase":    "cheval-agrafe-nuage-42",
		"lookalikes128": strings.Repeat("(4@8[<369!1|$5+7%20z", 7)[:125] + "end",
		"letters128":    strings.Repeat("nuage agrafe cheval zinc ", 5) + "fin",
		"megabyte":      strings.Repeat("a", 1<<20),
	} {
		b.Run(name, func(b *testing.B) {
			s := secret.New(chosen)
			for b.Loop() {
				valmont.Check(s, about)
			}
		})
	}
}
