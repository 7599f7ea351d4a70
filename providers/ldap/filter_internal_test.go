package ldap

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// Two operations are a login, and it ends within 5 s (F-LDAP-02).
func TestDefaultTimeout(t *testing.T) {
	if 2*defaultTimeout >= 5*time.Second {
		t.Errorf("a login takes up to %s", 2*defaultTimeout)
	}
}

// FuzzLookup_RAUTH05: whatever is typed, the filter that is sent is one item
// per attribute, and its value is what was typed.
func FuzzLookup_RAUTH05(f *testing.F) {
	for _, seed := range []string{"elefevre", "*", "admin)(|(uid=*", `\2a`, "(", "\x00", "é", "\xff", "a\u2028b", "�", "ＡＤＭＩＮ", strings.Repeat("(", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) { becomesItsValue(t, input) })
}

// 100,000 strings of what filters and names are made of, and of anything else.
func TestLookup_RAUTH05(t *testing.T) {
	const spice = "*()\\&|!=<>~:;,+#\"' \x00\n2aA\u00e9\u200b\u0130\uff21\U0001f600"
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	letters := []rune(spice)
	looked := 0
	for range 100_000 {
		var input strings.Builder
		for range random.IntN(24) {
			switch random.IntN(8) {
			case 0:
				input.WriteByte(byte(random.Uint32()))
			case 1:
				input.WriteRune(rune(random.IntN(0x3000)))
			default:
				input.WriteRune(letters[random.IntN(len(letters))])
			}
		}
		if becomesItsValue(t, input.String()) {
			looked++
		}
		if t.Failed() {
			return
		}
	}
	if looked < 1000 {
		t.Errorf("only %d of the strings are looked up", looked)
	}
}

// becomesItsValue checks the filters for what was typed, and reports whether
// it is looked up at all.
func becomesItsValue(t *testing.T, input string) bool {
	t.Helper()
	value := typed(input)
	if value == "" {
		return false
	}
	if typed(value) != value {
		t.Fatalf("typed is not idempotent for %q", input)
	}
	exact, err := goldap.CompileFilter(lookup{attribute: "uid"}.filter(value))
	if err != nil {
		t.Fatal(err)
	}
	if exact.Tag != goldap.FilterEqualityMatch || exact.Children[0].Data.String() != "uid" || exact.Children[1].Data.String() != value {
		t.Errorf("%q became %v", value, exact.Children)
	}
	loose, err := goldap.CompileFilter(lookup{"uid", "caseIgnoreMatch"}.filter(value))
	if err != nil {
		t.Fatal(err)
	}
	if loose.Tag != goldap.FilterExtensibleMatch || loose.Children[2].Data.String() != value {
		t.Errorf("%q became %v", value, loose.Children)
	}
	cases, err := goldap.CompileFilter("(|" + lookup{"uid", usualCases}.filter(value) + ")")
	if err != nil {
		t.Fatal(err)
	}
	if cases.Tag != goldap.FilterOr || cases.Children[0].Children[1].Data.String() != value {
		t.Errorf("%q became %v", value, cases.Children)
	}
	for _, item := range cases.Children {
		if item.Tag != goldap.FilterEqualityMatch {
			t.Errorf("%q became %v", value, cases.Children)
		}
	}
	return true
}
