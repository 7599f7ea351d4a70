package ldap

import (
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
	f.Fuzz(func(t *testing.T, input string) {
		value := typed(input)
		if value == "" {
			return
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
	})
}
