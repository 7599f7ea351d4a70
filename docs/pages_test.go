// Package docs_test holds the pages of docs, and those beside the examples, to
// what the program takes.
package docs_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/cli"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/standard"
)

// everyPage is every page that shows how something is written.
func everyPage(t *testing.T) []string {
	t.Helper()
	all := []string{"../README.md"}
	for _, pattern := range []string{"*.md", "clients/*.md", "../examples/*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(found), err)
		}
		all = append(all, found...)
	}
	return all
}

var fence = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```")

// blocks are the blocks in YAML of a page, without the margin of the list in
// which they may stand.
func blocks(page string) (all []string) {
	for _, found := range fence.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.TrimPrefix(strings.ReplaceAll("\n"+found[2], "\n"+found[1], "\n"), "\n"))
	}
	return all
}

// nowhere are the ways out and the directory of a page that is about something
// else, and nobody asks them anything.
type (
	nobody struct {
		directory.Directory
		directory.Editor
	}
	noMail  struct{ mail.Sender }
	noSMS   struct{ sms.Gateway }
	noRedis struct{ redis.Config }
)

func (n *nobody) Open(context.Context, directory.Env) (directory.Directory, error) { return n, nil }
func (n *noMail) Open(context.Context, struct{}) (mail.Sender, error)              { return n, nil }
func (n *noSMS) Open(context.Context, struct{}) (sms.Gateway, error)               { return n, nil }

func (*noRedis) Open(ctx context.Context, env struct{}) (store.Store, error) {
	return (&memory.StoreConfig{}).Open(ctx, env)
}

// needs is what a block needs besides, unless it has its own.
var needs = []struct{ key, value string }{
	{"issuer", "https://auth.univ.example"}, {"keys", "keys"}, {"store", "{type: memory}"}, {"directory", "{type: nowhere}"},
	{"mail", "{type: nowhere}"}, {"sms", "{type: nowhere}"}, {"recovery", "{methods: [{type: emaillink}, {type: helpdesk}]}"},
}

var (
	variable = regexp.MustCompile(`\$\{env:([A-Z_]+)\}`)
	file     = regexp.MustCompile(`\$\{file:([^}]+)\}`)
	// machine are the paths of programs and lists that a house has.
	machine = regexp.MustCompile(`/usr/local/bin/[a-z-]+|/srv/loge/[a-z0-9.-]+`)
)

// A page shows no key that the server does not know, and no value that it
// refuses: each block in YAML is part of a configuration that opens.
func TestPagesOpen(t *testing.T) {
	plugins := standard.Plugins()
	plugins.Directories["nowhere"] = func() plugin.Config[directory.Directory, directory.Env] { return &nobody{} }
	plugins.Mail["nowhere"] = func() plugin.Config[mail.Sender, struct{}] { return &noMail{} }
	plugins.SMS["nowhere"] = func() plugin.Config[sms.Gateway, struct{}] { return &noSMS{} }
	plugins.Stores["redis"] = func() plugin.Config[store.Store, struct{}] { return &noRedis{} }
	dir := t.TempDir()
	if err := server.NewKeys(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	const secret = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f" // and like a SHA-256
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	here := write("machine", strings.ToUpper(secret[:40])+":1\n", 0o700) // a program to run, a list of passwords to read
	if err := os.Mkdir(filepath.Join(dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, page := range everyPage(t) {
		for _, block := range blocks(read(t, page)) {
			for _, name := range variable.FindAllStringSubmatch(block, -1) {
				t.Setenv(name[1], secret)
			}
			for _, name := range file.FindAllStringSubmatch(block, -1) {
				write(name[1], secret, 0o600)
			}
			whole := machine.ReplaceAllString(block, here)
			for _, n := range needs {
				if !strings.Contains("\n"+block, "\n"+n.key+":") {
					whole += "\n" + n.key + ": " + n.value
				}
			}
			config, err := server.Load(write("loge.yaml", whole, 0o600))
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, block)
				continue
			}
			s, err := server.Open(context.Background(), config, plugins, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, block)
				continue
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A command stands on a line of its own, or between backquotes.
var (
	command = regexp.MustCompile(`(?m)^ *(?:\./)?loge ([a-z][^\n]*?(?:\\\n[^\n]*?)*)(?: *[#<>|].*)?$`)
	inline  = regexp.MustCompile("`loge ([a-z][^`]*)`")
	broken  = strings.NewReplacer("\\\n", " ")
)

// A page shows no command and no flag that the program does not have.
func TestPagesRun(t *testing.T) {
	tried := 0
	for _, page := range everyPage(t) {
		text := read(t, page)
		for _, found := range append(command.FindAllStringSubmatch(text, -1), inline.FindAllStringSubmatch(text, -1)...) {
			args := strings.Fields(broken.Replace(found[1]))
			var out, errs bytes.Buffer
			status := cli.Run(t.Context(), standard.Plugins(), append(args, "--help"), &out, &errs)
			if status != 0 || !strings.Contains(out.String(), "\n  loge "+args[0]) {
				t.Errorf("%s: loge %s: %s%s", page, found[1], &errs, &out)
			}
			tried++
		}
	}
	if tried < 15 {
		t.Errorf("only %d commands", tried)
	}
}
