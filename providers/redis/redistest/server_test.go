package redistest_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/loge-idp/loge/providers/redis/redistest"
)

// caller notes how a test would end.
type caller struct {
	*testing.T
	end string
}

func (c *caller) Skipf(string, ...any)  { c.end = "skipped"; panic(c) }
func (c *caller) Fatalf(string, ...any) { c.end = "failed"; panic(c) }

func TestNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := redistest.Launch(t.TempDir()); !errors.Is(err, redistest.ErrNotInstalled) {
		t.Errorf("Launch: %v", err)
	}
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		c := &caller{T: t}
		func() {
			defer func() { recover() }()
			redistest.Start(c)
		}()
		if c.end != want {
			t.Errorf("with CI=%q the test is %q, want %s", ci, c.end, want)
		}
	}
}

func TestServer(t *testing.T) {
	server := redistest.Start(t)
	listens := func() bool {
		conn, err := net.Dial("tcp", server.Addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"Start", func() {}, true},
		{"Stop", server.Stop, false},
		{"Stop again", server.Stop, false},
		{"Restart", func() { server.Restart() }, true},
		{"Restart while it runs", func() { server.Restart() }, true},
		{"Pause and Resume", func() { server.Pause(); server.Resume() }, true},
		{"Pause and Kill", func() { server.Pause(); server.Kill() }, false},
	} {
		if step.do(); listens() != step.want {
			t.Errorf("after %s: %v, want %v", step.name, !step.want, step.want)
		}
	}
	_, err := redistest.Launch(t.TempDir(), "--no-such-option", "x")
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("with a wrong option: %v, want the server's own words", err)
	}
}
