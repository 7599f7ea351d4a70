package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([a-z-]+\.md)\)`)

// Whoever looks for an application finds its page, and on it what every page
// has.
func TestClientPagesAreWhole(t *testing.T) {
	index := read(t, "clients/README.md")
	listed := map[string]bool{}
	for _, name := range link.FindAllStringSubmatch(index, -1) {
		listed[name[1]] = true
	}
	for _, page := range pages(t) {
		name := filepath.Base(page)
		if !listed[name] {
			t.Errorf("%s is not in the index", name)
		}
		delete(listed, name)
		text := read(t, page)
		if len(blocks(text)) == 0 {
			t.Errorf("%s has nothing for our side", name)
		}
		for _, part := range []string{"\nRead: ", "\n## Here\n", "\n## There\n", "\n## What is sent\n", "\n## Logout\n", "\n## Try it\n", "\n## What goes wrong\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", name, strings.TrimSpace(part))
			}
		}
	}
	for name := range listed {
		t.Errorf("the index has %s, which is not there", name)
	}
}

// pages are those of docs/clients, but for the index.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("clients/[a-z]*.md")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
