package sms_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sms"
)

// R74: one message holds 160 septets of the GSM alphabet.
func TestLength(t *testing.T) {
	for text, want := range map[string]int{
		"a":                      1,
		"é à ù è ì ò Ç É":        15,
		"€{}[]\\~^|":             18,
		"@#\n\r $":               6,
		strings.Repeat("a", 160): 160,
		strings.Repeat("€", 80):  160,
	} {
		if got, err := sms.Length(text); err != nil || got != want {
			t.Errorf("%.20q: %d septets, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", strings.Repeat("a", 161), strings.Repeat("€", 80) + "a",
		"ê", "ô", "ç", "î", "û", "ë", "ï", "œ", "À", "È", "«", "»", "’", "–", "…", "\u00a0", "\u202f", "\t", "\x00", "\x0c", "\x1b", "`", "🔑", "a\xff"} {
		if got, err := sms.Length(text); err == nil {
			t.Errorf("%.20q: %d septets, want an error", text, got)
		}
	}
	if _, err := sms.Length("code 042137 ô"); err == nil || !strings.Contains(err.Error(), `'ô'`) || strings.Contains(err.Error(), "042137") {
		t.Errorf("the error must name the character and nothing else: %v", err)
	}
}

func TestMobile(t *testing.T) {
	everywhere := sms.Plan{Countries: []string{"FR", "RE", "GP", "GB", "US", "BE"}}
	for _, c := range []struct {
		name    string
		plan    sms.Plan
		written string
		want    string // empty: refused
	}{
		{"spaces", sms.Plan{}, "06 12 34 56 78", "+33612345678"},
		{"points", sms.Plan{}, "06.12.34.56.78", "+33612345678"},
		{"no-break spaces", sms.Plan{}, "06\u00a012\u202f34\u00a056\u00a078", "+33612345678"},
		{"country code", sms.Plan{}, "+33 6 12 34 56 78", "+33612345678"},
		{"country code and zero", sms.Plan{}, "+33 (0)6 12 34 56 78", "+33612345678"},
		{"00", sms.Plan{}, "0033612345678", "+33612345678"},
		{"without the zero", sms.Plan{}, "612345678", "+33612345678"},
		{"fiction", sms.Plan{}, "06 39 98 00 01", "+33639980001"},
		{"La Réunion from Paris", sms.Plan{}, "0692 12 34 56", "+262692123456"},
		{"La Réunion, the newer range", sms.Plan{}, "0693.12.34.56", "+262693123456"},
		{"Mayotte", sms.Plan{}, "0639 69 12 34", "+262639691234"},
		{"Guadeloupe", sms.Plan{}, "0690123456", "+590690123456"},
		{"Saint-Martin", sms.Plan{}, "+590 690 00 12 34", "+590690001234"},
		{"Saint-Pierre-et-Miquelon", sms.Plan{}, "05 08 55 12 34", "+508551234"},
		{"Saint-Pierre-et-Miquelon, its code", sms.Plan{}, "+508 55 12 34", "+508551234"},
		{"Wallis-et-Futuna", sms.Plan{}, "+681 82 12 34", "+681821234"},
		{"Martinique", sms.Plan{}, "0696123456", "+596696123456"},
		{"Guyane", sms.Plan{}, "0694123456", "+594694123456"},
		{"Nouvelle-Calédonie", sms.Plan{}, "74.12.34", "+687741234"},
		{"Polynésie", sms.Plan{}, "87 12 34 56", "+68987123456"},
		{"a fixed line of La Réunion", sms.Plan{}, "0262 12 34 56", ""},
		{"a fixed line of Mayotte", sms.Plan{}, "0269 61 12 34", ""},
		{"a fixed line of Guadeloupe", sms.Plan{}, "0590 12 34 56", ""},
		{"a fixed line of Guyane", sms.Plan{}, "0594 30 12 34", ""},
		{"a fixed line of Martinique", sms.Plan{}, "0596 50 12 34", ""},
		{"a fixed line of Saint-Pierre-et-Miquelon", sms.Plan{}, "0508 41 12 34", ""},
		{"R-REC-14 Saint-Pierre not allowed", sms.Plan{Countries: []string{"FR"}}, "0508 55 12 34", ""},
		{"not at home there", sms.Plan{Home: []string{"FR"}}, "0692 12 34 56", ""},
		{"the order of Home", sms.Plan{Home: []string{"BE", "FR"}, Countries: []string{"BE", "FR"}}, "0470 12 34 56", "+32470123456"},
		{"Home is allowed", sms.Plan{Home: []string{"BE"}}, "0470 12 34 56", "+32470123456"},

		{"abroad", everywhere, "+44 7400 123456", "+447400123456"},
		{"a country without mobile ranges", everywhere, "+1 202 555 0123", "+12025550123"},
		{"R-REC-14 a country not allowed", sms.Plan{}, "+447400123456", ""},
		{"R-REC-14 the same code, another country", everywhere, "+18765550123", ""},
		{"R-REC-14 overseas not allowed", sms.Plan{Countries: []string{"FR"}}, "0692123456", ""},
		{"R-REC-14 fiction is French", sms.Plan{Countries: []string{"BE"}}, "+33639980001", ""},
		{"R-REC-14 premium", sms.Plan{}, "0899 12 34 56", ""},
		{"R-REC-14 shared cost", sms.Plan{}, "0812345678", ""},
		{"R-REC-14 short", sms.Plan{}, "3615", ""},
		{"R-REC-14 voice over IP", sms.Plan{}, "0972123456", ""},
		{"R-REC-14 personal", everywhere, "+447012345678", ""},
		{"R-REC-14 satellite", everywhere, "+881612345678", ""},
		{"fixed", sms.Plan{}, "01 23 45 67 89", ""},
		{"too short", sms.Plan{}, "06 12 34 56", ""},
		{"two numbers", sms.Plan{}, "0612345678 0698765432", ""},
		{"letters", sms.Plan{}, "060FLOWERS", ""},
		{"an extension", sms.Plan{}, "+33612345678;ext=5", ""},
		{"nothing", sms.Plan{}, "", ""},
		{"long", sms.Plan{}, strings.Repeat("6", 1000), ""},
	} {
		got, err := c.plan.Mobile(c.written)
		if got != c.want || (err == nil) != (c.want != "") || err != nil && !errors.Is(err, sms.ErrNumber) {
			t.Errorf("%s: %q is %q, %v; want %q", c.name, c.written, got, err, c.want)
		}
	}
}

func TestMobileIsStable(t *testing.T) {
	for _, written := range []string{"0612345678", "0692123456", "741234", "0639980001"} {
		once, err := sms.Plan{}.Mobile(written)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := (sms.Plan{}).Mobile(once); err != nil || twice != once {
			t.Errorf("%s is then %s, %v", once, twice, err)
		}
	}
}

func TestPlanCheck(t *testing.T) {
	if err := (sms.Plan{Home: []string{"RE", "YT"}, Countries: []string{"RE", "YT", "FR", "MU"}}).Check(); err != nil {
		t.Error(err)
	}
	for place, plan := range map[string]sms.Plan{
		"home[1]":      {Home: []string{"FR", "fr"}},
		"countries[0]": {Countries: []string{"+33"}},
	} {
		var where *plugin.Error
		if err := plan.Check(); !errors.As(err, &where) || where.Path != place {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestCheck(t *testing.T) {
	good := sms.Message{ID: "AZaz09_-", To: "+33612345678", Text: "a"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for i, change := range []func(*sms.Message){
		func(m *sms.Message) { m.ID = "" }, func(m *sms.Message) { m.ID = strings.Repeat("a", 65) }, func(m *sms.Message) { m.ID = "a b" },
		func(m *sms.Message) { m.To = "33612345678" }, func(m *sms.Message) { m.To = "+033612345678" }, func(m *sms.Message) { m.To += "\n" },
		func(m *sms.Message) { m.To = "+3361234567890123" }, func(m *sms.Message) { m.Text = "" }, func(m *sms.Message) { m.Text = "ê" },
	} {
		m := good
		change(&m)
		if err := m.Check(); !errors.Is(err, sms.ErrRefused) || strings.Contains(err.Error(), "3361") {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// Whatever stands in a directory: a number in E.164 that Check takes, or none.
func FuzzMobile(f *testing.F) {
	for _, seed := range []string{"06 12 34 56 78", "+33 (0)6", "0692123456", "tel:+336", "\x00", "+1876", "٠٦١٢٣٤٥٦٧٨"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		number, err := sms.Plan{}.Mobile(written)
		if err != nil {
			return
		}
		if err := (sms.Message{ID: "a", To: number, Text: "a"}).Check(); err != nil {
			t.Errorf("%q is %q: %v", written, number, err)
		}
		prefixes := []string{"+33", "+262", "+590", "+596", "+594", "+687", "+689", "+508", "+681"}
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(number, p) }) {
			t.Errorf("%q is %q, which is not in France", written, number)
		}
	})
}
