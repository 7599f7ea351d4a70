// Package loge_test holds the project to its own rules: which package may
// import which, and that each says what it owns.
package loge_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/loge-idp/loge/"

// layers are the packages from the bottom to the top: each may import those
// of lower layers, and of its own where own says so. A name ending in /... is
// a folder with all below it.
var layers = []struct {
	packages []string
	// within says what a package of this layer may import of its own layer.
	within map[string][]string
}{
	{packages: []string{"templates"}},
	{packages: []string{"pkg/account", "pkg/secret", "pkg/plugin", "pkg/render", "pkg/web", "pkg/metrics", "pkg/letters/pdf", "pkg/conformance/..."}},
	{packages: []string{"pkg/directory", "pkg/store", "pkg/mail", "pkg/sms", "pkg/audit"}},
	{packages: []string{"pkg/ticket", "pkg/outbox", "pkg/password", "pkg/throttle", "pkg/session", "pkg/signing", "pkg/sms/guard"},
		within: map[string][]string{"pkg/session": {"pkg/outbox", "pkg/ticket"}, "pkg/sms/guard": {"pkg/throttle"}}},
	{packages: []string{"pkg/login", "pkg/recovery", "pkg/lifecycle"}},
	{packages: []string{"pkg/sso", "pkg/operator", "pkg/letters"}},
	{packages: []string{"pkg/portal", "pkg/portal/desk", "providers/oidc/...", "providers/cas/...", "providers/recovery/...", "providers/ldap/...",
		"providers/redis/...", "providers/memory/...", "providers/several/...", "providers/smtp/...", "providers/sms/...", "providers/demobox/..."},
		within: map[string][]string{
			"providers/memory/...": {"providers/ldap", "providers/redis", "providers/several"}, // the same, spoken to inside the process
		}},
	{packages: []string{"pkg/server"}},
	{packages: []string{"providers/demo/..."}},
	{packages: []string{"pkg/cli", "providers/standard"}},
	{packages: []string{"cmd/...", "examples/..."}},
}

// kits are the conformance kits beside the ports: a kit stands where its port
// does, and is for tests only.
func isKit(name string) bool { return strings.HasSuffix(name, "test") && name != "test" }

// forbidden are imports that no layer allows, each with its reason. Test files
// are free.
var forbidden = map[string]string{
	"testing":                      "production code does not test",
	"math/rand":                    "what is random here must not be guessed: crypto/rand",
	"math/rand/v2":                 "what is random here must not be guessed: crypto/rand",
	"log":                          "log by slog, so that a line has its fields",
	"github.com/gorilla/sessions":  "the session is one, and package session owns it",
	"github.com/redis/go-redis/v9": "the store is reached through its port",
	"github.com/go-ldap/ldap/v3":   "the directory is reached through its port",
}

// allowed are those who are what the rule protects.
var allowed = map[string][]string{
	"github.com/gorilla/sessions":  {"pkg/session", "pkg/server"},
	"github.com/redis/go-redis/v9": {"providers/redis"},
	"github.com/go-ldap/ldap/v3":   {"providers/ldap", "providers/memory"},
	"math/rand/v2":                 {"providers/redis"}, // tells a record from its namesake
}

// source is one Go file that is not a test.
type source struct {
	file, folder, comment, name string
	imports                     []string
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "internaltmp") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{file: file, folder: path.Dir(filepath.ToSlash(file)), comment: parsed.Doc.Text(), name: parsed.Name.Name}
		for _, each := range parsed.Imports {
			name, err := strconv.Unquote(each.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files found", len(all))
	}
	return all
}

// layerOf finds the layer and the entry of a package; a kit belongs to its
// port's.
func layerOf(folder string) (layer int, entry string) {
	for i, l := range layers {
		for _, each := range l.packages {
			tree, isTree := strings.CutSuffix(each, "/...")
			if folder == each || isTree && (folder == tree || strings.HasPrefix(folder, tree+"/")) {
				return i, each
			}
		}
	}
	if parent := path.Dir(folder); isKit(path.Base(folder)) {
		return layerOf(parent)
	}
	return -1, ""
}

func TestImportsGoOnlyDown(t *testing.T) {
	for _, s := range sources(t) {
		mine, entry := layerOf(s.folder)
		if mine < 0 {
			t.Errorf("%s: package %s has no layer: give it one here and in docs/architecture.md", s.file, s.folder)
			continue
		}
		for _, each := range s.imports {
			target, ours := strings.CutPrefix(each, module)
			if !ours {
				continue
			}
			theirs, other := layerOf(target)
			if isKit(path.Base(target)) && !isKit(path.Base(s.folder)) && !strings.HasPrefix(s.folder, "examples/") {
				t.Errorf("%s imports %s: a kit is for tests", s.file, target)
			}
			switch {
			case theirs < mine || entry == other && strings.HasSuffix(entry, "/..."):
			case isKit(path.Base(s.folder)) && target == path.Dir(s.folder):
			case theirs > mine:
				t.Errorf("%s imports %s, which is above it: imports go only down", s.file, target)
			case !slices.Contains(layers[mine].within[entry], target):
				t.Errorf("%s imports %s, which is beside it: move what they share below", s.file, target)
			}
		}
	}
}

func TestPluginsAreSwappable(t *testing.T) {
	for _, s := range sources(t) {
		for _, each := range s.imports {
			if strings.HasPrefix(s.folder, "pkg/") && strings.HasPrefix(each, module+"providers/") {
				t.Errorf("%s imports %s: what stays knows nothing of what is swapped", s.file, each)
			}
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	for _, s := range sources(t) {
		for _, each := range s.imports {
			why, ok := forbidden[each]
			isAllowed := slices.ContainsFunc(allowed[each], func(folder string) bool {
				return s.folder == folder || strings.HasPrefix(s.folder, folder+"/")
			})
			if ok && !isAllowed && !isKit(path.Base(s.folder)) {
				t.Errorf("%s imports %s: %s", s.file, each, why)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	comments := map[string][]source{}
	names := map[string]string{}
	for _, s := range sources(t) {
		names[s.folder] = s.name
		if s.comment != "" {
			comments[s.folder] = append(comments[s.folder], s)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(names)) {
		found := comments[folder]
		if len(found) != 1 {
			t.Errorf("%s has %d package comments, want one", folder, len(found))
			continue
		}
		want := "Package " + names[folder] + " "
		if names[folder] == "main" {
			want = "Command " + path.Base(folder) + " "
		}
		if !strings.HasPrefix(found[0].comment, want) {
			t.Errorf("%s: the package comment must begin with %q", found[0].file, want)
		}
	}
}

// number is how a rule is named in comments and tests.
var number = regexp.MustCompile(`\bR-(?:AUTH|SESS|REC|CAS|OAUTH|WEB)-\d+\b|\bF-[A-Z]+-\d+\b|\b[(, ]R\d{1,2}\b`)

// Whoever meets the number of a rule can look it up.
func TestNumbersAreExplained(t *testing.T) {
	text, err := os.ReadFile("docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	// "R-WEB-01, -05" names two.
	explained := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		family := ""
		for _, name := range strings.Split(cells[1], ",") {
			name = strings.TrimSpace(name)
			if digits, ok := strings.CutPrefix(name, "-"); ok {
				name = family + digits
			}
			family = name[:strings.LastIndex(name, "-")+1]
			explained[name] = true
		}
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range number.FindAllString(string(code), -1) {
			if name := strings.Trim(found, "(, "); !explained[name] {
				t.Errorf("%s: %s is not in docs/requirements.md", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
