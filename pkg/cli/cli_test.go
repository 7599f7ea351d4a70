package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/cli"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/standard"
)

var update = flag.Bool("update", false, "write the golden files")

// environment is what the files of testdata refer to.
func environment(t *testing.T) {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := server.NewKeys(keys); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOGE_TEST_KEYS", keys)
	t.Setenv("LOGE_TEST_SECRET", "gN5cVx0aPq8sRt2LwE7yUz")
}

func run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = cli.Run(t.Context(), plugins(), args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return found
}

// A configuration with a mistake is refused in one line that says where and
// what, and nothing is started.
func TestBusted(t *testing.T) {
	environment(t)
	for _, file := range files(t, "busted_*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			status, out, errs := run(t, "serve", "--config", file)
			if status != 1 || out != "" {
				t.Errorf("status %d, output %q", status, out)
			}
			if strings.Count(errs, "\n") != 1 {
				t.Errorf("not one line:\n%s", errs)
			}
			for _, secret := range []string{"TopSecret-1234", "gN5cVx0aPq8sRt2LwE7yUz"} {
				if strings.Contains(errs, secret) {
					t.Error("the message quotes a secret")
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(errs), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), errs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWorking(t *testing.T) {
	environment(t)
	for _, file := range files(t, "working_*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			log, errs := io.Pipe()
			done := make(chan int, 1)
			go func() {
				done <- cli.Run(ctx, plugins(), []string{"serve", "--config", file, "--listen", "127.0.0.1:0"}, io.Discard, errs)
				errs.Close()
			}()
			lines := bufio.NewScanner(log)
			var line struct{ Msg, Listen string }
			for lines.Scan() {
				if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
					t.Fatalf("not a log line: %s", lines.Text())
				}
				if line.Msg == "serving" {
					break
				}
			}
			if line.Listen == "" {
				t.Fatalf("it ended with status %d", <-done)
			}
			go io.Copy(io.Discard, log)
			if _, ok := slog.Default().Handler().(*slog.JSONHandler); !ok {
				t.Error("what plugins log is of another form")
			}
			for _, path := range []string{"/healthz", "/readyz", "/login"} {
				answer, err := http.Get("http://" + line.Listen + path)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Errorf("%s: %d", path, answer.StatusCode)
				}
			}
			http.DefaultClient.CloseIdleConnections()
			stop()
			if status := <-done; status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	status, _, errs := run(t, "serve", "--config", "testdata/nowhere.yaml")
	if want := "loge: testdata/nowhere.yaml: cannot be read: no such file or directory\n"; status != 1 || errs != want {
		t.Errorf("status %d: %q, want %q", status, errs, want)
	}
}

func TestListenMustBeFree(t *testing.T) {
	environment(t)
	status, _, errs := run(t, "serve", "--config", "testdata/working_minimal.yaml", "--listen", "192.0.2.1:1")
	if status != 1 || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestCheck(t *testing.T) {
	environment(t)
	tests := map[string]struct {
		login string
		want  []string
	}{
		"nobody":   {"nobody", []string{"problem  account    nobody has this login"}},
		"elefevre": {"elefevre", []string{"account    found as elefevre", ": active", "opens a session", "emaillink: can reset"}},
		"R10":      {"tmoreau", []string{": locked (administrative)", "opens no session", "emaillink: offers nothing"}},
		"R12":      {"hnguyen", []string{": pending (not_activated)", "emaillink: can activate"}},
		"R13":      {"kaitouaret", []string{": grace (departure), until "}},
		"R20":      {"hbonnefoy", []string{"emaillink: cannot reset"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, out, errs := run(t, "check", "--config", "testdata/working_whole.yaml", "--login", test.login)
			if errs != "" {
				t.Errorf("errors: %s", errs)
			}
			for _, want := range append(test.want, "ok       keys       master key; signing keys RS256, ES256, EdDSA", "ok       protocols  cas, oidc") {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if strings.Contains(out, "example.org") || strings.Contains(out, "+33") {
				t.Errorf("an address is printed:\n%s", out)
			}
		})
	}
}

// A part that is down is one finding, and the others are looked at all the
// same.
func TestCheckGoesOn(t *testing.T) {
	environment(t)
	status, out, _ := run(t, "check", "--config", "testdata/busted_redis_down.yaml")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"problem  store", "busted_redis_down.yaml:7: store.addresses: ", "ok       keys"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestCheckOfKeysThatAllCanRead(t *testing.T) {
	environment(t)
	if err := os.Chmod(filepath.Join(os.Getenv("LOGE_TEST_KEYS"), "master"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, out, _ := run(t, "check", "--config", "testdata/working_minimal.yaml")
	if want := "problem  keys       everybody on this machine can read the master key — chmod"; status != 1 || !strings.Contains(out, want) {
		t.Errorf("status %d, no %q in:\n%s", status, want, out)
	}
}

func TestKeysNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "below", "keys")
	if status, _, errs := run(t, "keys", "new", dir); status != 0 {
		t.Fatal(errs)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", e.Name(), info.Mode())
		}
	}
	first, err := server.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, errs := run(t, "keys", "new", dir); status != 1 || strings.Count(errs, "\n") != 1 {
		t.Errorf("keys were replaced: status %d, %s", status, errs)
	}
	again, err := server.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range first.Signers.Published() {
		if again.Signers.Published()[i].ID != s.ID {
			t.Error("a key has changed")
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"version"}, {"keys"}, {"help", "serve"}} {
		if status, out, errs := run(t, args...); status != 0 || out == "" {
			t.Errorf("%v: status %d, %q, %q", args, status, out, errs)
		}
	}
	for _, args := range [][]string{{"serve"}, {"nonsense"}, {"keys", "new"}, {"serve", "--config"}} {
		if status, _, errs := run(t, args...); status != 1 || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
}

// plugins are the shipped ones and the embedded directory, whose accounts
// everybody knows: a server must not have it.
func plugins() server.Plugins {
	p := standard.Plugins()
	p.Directories["memory"] = func() plugin.Config[directory.Directory, directory.Env] { return &memory.DirectoryConfig{} }
	return p
}
