package systemtest_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// oidcCase is one case of docs/conformance.md.
type oidcCase struct {
	id  string
	run func(*testing.T, *oidcWorld)
}

// TestOIDC talks HTTP to two processes, with a real Redis and a real slapd.
// -run TestOIDC/R-OAUTH-17 runs one case.
func TestOIDC(t *testing.T) {
	o := newOIDC(t)
	for _, c := range slices.Concat(conformance, attacks) {
		t.Run(c.id, func(t *testing.T) { c.run(t, o) })
	}
	if n := len(o.canary.received()); n != 0 {
		t.Errorf("the canary was called %d times", n)
	}
}

// Whoever reads docs/conformance.md reads what is run: every case of the two
// lists has a row there and a test here, under the same number.
func TestConformanceTable(t *testing.T) {
	text, err := os.ReadFile("../../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| ((?:C|R-OAUTH)-\d+) \|.*\| (\S+) \| (\S.*) \|$`)
	var written []string
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		written = append(written, found[1])
		if test := "`TestOIDC/" + found[1] + "`"; found[2] != test {
			t.Errorf("%s: the table names %s, want %s", found[1], found[2], test)
		}
	}
	var run []string
	for _, c := range slices.Concat(conformance, attacks) {
		run = append(run, c.id)
	}
	if !slices.Equal(written, run) {
		t.Errorf("the table has\n%s\nand the tests are\n%s", strings.Join(written, " "), strings.Join(run, " "))
	}
	for n := range 22 {
		if id := fmt.Sprintf("C-%02d", n+1); !slices.Contains(run, id) {
			t.Errorf("%s is not run", id)
		}
	}
	// "| R-OAUTH-25, -26 |" names two rules.
	rules, err := os.ReadFile("../../../docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, cell := range regexp.MustCompile(`(?m)^\| R-OAUTH([-0-9, ]+) \|`).FindAllStringSubmatch(string(rules), -1) {
		for number := range strings.SplitSeq(cell[1], ",") {
			named++
			if id := "R-OAUTH" + strings.TrimSpace(number); !slices.Contains(run, id) {
				t.Errorf("%s is not run", id)
			}
		}
	}
	if named != len(attacks) {
		t.Errorf("%d rules are named, %d run", named, len(attacks))
	}
}
