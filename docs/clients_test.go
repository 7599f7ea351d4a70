// Package docs_test holds the pages of docs to what the server takes.
package docs_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/standard"
)

var (
	ours     = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	variable = regexp.MustCompile(`\$\{env:([A-Z_]+)\}`)
	link     = regexp.MustCompile(`\]\(([a-z-]+\.md)\)`)
)

// nobody is a directory that no page asks anything of.
type nobody struct{ directory.Directory }

func (n *nobody) Open(context.Context, directory.Env) (directory.Directory, error) { return n, nil }

// A page shows no key that the server does not know, and no value that it
// refuses: each block in YAML is part of a configuration that opens.
func TestPagesOpen(t *testing.T) {
	plugins := standard.Plugins()
	plugins.Directories["nobody"] = func() plugin.Config[directory.Directory, directory.Env] { return &nobody{} }
	dir := t.TempDir()
	if err := server.NewKeys(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages(t), "directory.md", "metrics.md") {
		for _, block := range ours.FindAllStringSubmatch(read(t, page), -1) {
			rest := "issuer: https://auth.univ.example\nkeys: keys\nstore: {type: memory}\n"
			if !strings.Contains("\n"+block[1], "\ndirectory:") {
				rest += "directory: {type: nobody}\n"
			}
			for _, name := range variable.FindAllStringSubmatch(block[1], -1) {
				t.Setenv(name[1], strings.Repeat("0f", 32)) // like a SHA-256
			}
			file := filepath.Join(dir, "loge.yaml")
			if err := os.WriteFile(file, []byte(rest+block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := server.Load(file)
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[1])
				continue
			}
			s, err := server.Open(context.Background(), config, plugins, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[1])
				continue
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

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
		if !ours.MatchString(text) {
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
