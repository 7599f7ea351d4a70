package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/loge-idp/loge/providers/demo/demotest"
)

// up runs an example as up.sh does and returns what it printed, and the
// command loge.
func up(t *testing.T, name string) (greeting, loge string) {
	t.Helper()
	for _, program := range []string{"/usr/sbin/slapd", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") != "true" {
			t.Skipf("%v: apt-get install slapd redis-server", err)
		}
	}
	t.Chdir("../..")
	loge = filepath.Join(t.TempDir(), "loge")
	if out, err := exec.Command("go", "build", "-tags", "no_otel", "-o", loge, "./cmd/loge").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, name, "127.0.0.1:0", loge, write)
		write.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		go io.Copy(io.Discard, read)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	text := make([]byte, 8192)
	n, err := read.Read(text)
	if err != nil {
		stop()
		t.Fatal(<-ended)
	}
	return string(text[:n]), loge
}

func find(t *testing.T, pattern, text string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	return found[1]
}

// replica starts a second process on the parts of the first.
func replica(t *testing.T, greeting, loge, config string) string {
	t.Helper()
	environment := find(t, `(?m)^ +\. (\S+)$`, greeting)
	text, err := os.ReadFile(environment)
	if err != nil {
		t.Fatal(err)
	}
	listen, err := free("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(loge, "serve", "--config", config, "--listen", listen)
	command.Env = append(os.Environ(), strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "export ", "")), "\n")...)
	var log bytes.Buffer
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the second replica: %v\n%s", err, log.String())
		}
	})
	url := "http://" + listen
	demotest.Within(t, "the second replica", func() bool {
		answer, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return url
}

// At the campus: real OpenLDAP, real Redis, and a password forgotten on one
// replica that is chosen anew on the other.
func TestCampusOnTwoReplicas(t *testing.T) {
	greeting, loge := up(t, "campus")
	portal := find(t, `(http://\S+)/demo/portal/`, greeting)
	first := find(t, `(http://\S+)/login`, greeting)
	second := replica(t, greeting, loge, "examples/campus/loge.yaml")

	b := demotest.New(t)
	b.Open(portal + "/demo/portal/login")
	b.Submit("username", "Elodie.Lefevre", "password", "Valmont-elefevre-2026")
	b.At("/demo/portal/", "Élodie Lefèvre")
	b.Open(portal + "/demo/app/login")
	b.At("/demo/app/", "<dt>user</dt><dd>elefevre</dd>")
	// The session of the one is that of the other: cookies know no ports.
	b.Open(second + "/login")
	b.At("/login", "Élodie")

	other := demotest.New(t)
	other.Open(first + "/recover")
	other.Submit("username", "elefevre")
	link := demotest.Link(demotest.Mail(t, portal, "elodie.l@example.org"))
	other.Open(second + strings.TrimPrefix(link, first))
	other.Submit()
	other.At("/recover/password", "elefevre")
	other.Submit("password", "Trois-loutres-lisent-Proust-a-Vannes")
	other.At("/login", "elefevre")
	// Every session has ended, everywhere.
	demotest.Within(t, "the end of the visit to the portal", func() bool {
		b.Open(portal + "/demo/portal/")
		return strings.Contains(b.Page, "Sign in")
	})
	b.Open(portal + "/demo/portal/login")
	b.Submit("username", "elefevre", "password", "Trois-loutres-lisent-Proust-a-Vannes")
	b.At("/demo/portal/", "Élodie")
}

// The applications are at another origin than the server here.
func TestCampusInARealBrowser(t *testing.T) {
	greeting, _ := up(t, "campus")
	demotest.WalkThrough(t, find(t, `(http://\S+)/demo/portal/`, greeting), "elodie.lefevre@etu.univ-valmont.example", "Valmont-elefevre-2026", "Élodie Lefèvre")
}

func TestSchool(t *testing.T) {
	greeting, _ := up(t, "school")
	portal := find(t, `(http://\S+)/demo/portal/`, greeting)
	b := demotest.New(t)
	b.Open(portal + "/demo/app/login")
	b.Submit("username", "Lea.DAlmeida", "password", "Ent-lea.dalmeida-2026")
	b.At("/demo/app/", "<dt>user</dt><dd>lea.dalmeida</dd>")
	b.Open(portal + "/demo/portal/login")
	b.At("/demo/portal/", "Léa")
}
