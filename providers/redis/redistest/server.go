// Package redistest runs real Redis servers, on free loopback ports and in a
// directory of their own, for tests and for programs that try things out. They
// end with the test, and at the latest with the process that started them.
package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// TB is what is needed of a *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	TempDir() string
}

// ErrNotInstalled says that there is no redis-server on this machine.
var ErrNotInstalled = errors.New("redis-server is not installed (Debian: apt-get install redis-server)")

// Server is one redis-server. Its methods are not for concurrent use.
type Server struct {
	// Addr is host:port, the same after a Restart.
	Addr string

	dir    string
	args   []string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start runs a server until the end of the test. Without redis-server the
// test is skipped, or fails where the environment says CI=true. The arguments
// are options of redis-server, like "--appendonly", "yes"; without any it
// keeps nothing on disk.
func Start(t TB, args ...string) *Server {
	t.Helper()
	s, err := Launch(t.TempDir(), args...)
	must(t, err)
	t.Cleanup(s.Kill)
	return s
}

func must(t TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true":
		t.Skipf("%v", err)
	case err != nil:
		t.Fatalf("%v", err)
	}
}

// Launch is Start for programs that are no test: they say where the server may
// write, and must Stop it.
func Launch(dir string, args ...string) (*Server, error) {
	var err error
	for range 3 { // somebody may take the port before the server does
		var ports []int
		if ports, err = freePorts(1); err != nil {
			return nil, err
		}
		s := newServer(dir, ports[0], args)
		if err = s.start(); err == nil || errors.Is(err, ErrNotInstalled) {
			return s, err
		}
	}
	return nil, err
}

func newServer(dir string, port int, args []string) *Server {
	listen := []string{"--port", fmt.Sprint(port)}
	if encrypted(args) {
		listen = []string{"--port", "0", "--tls-port", fmt.Sprint(port)}
	}
	listen = append(listen, "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--maxmemory-policy", "noeviction",
		"--repl-diskless-sync-delay", "0") // a replica need not wait for others
	return &Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), dir: dir, args: append(listen, args...)}
}

func encrypted(args []string) bool { return slices.Contains(args, "--tls-cert-file") }

// start runs the process and waits until it answers.
func (s *Server) start() error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return ErrNotInstalled
	}
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	defer log.Close()
	s.cmd = exec.Command(binary, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = dieWithParent()
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	cmd, exited := s.cmd, make(chan struct{})
	s.exited = exited
	go func() {
		cmd.Wait()
		close(exited)
	}()
	deadline := time.After(20 * time.Second)
	for {
		if s.answers() {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("redistest: redis-server ended at once: %s", s.lastWords())
		case <-deadline:
			s.Kill()
			return fmt.Errorf("redistest: redis-server does not answer: %s", s.lastWords())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Server) answers() bool {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if encrypted(s.args) {
		return true
	}
	conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(conn, "PING\r\n")
	answer := make([]byte, 7)
	_, err = conn.Read(answer)
	// -LOADING: not yet. -NOAUTH: there, and with a password.
	return err == nil && (answer[0] == '+' || strings.HasPrefix(string(answer), "-NOAUTH"))
}

func (s *Server) log() string { return filepath.Join(s.dir, "redis.log") }

func (s *Server) lastWords() string {
	log, _ := os.ReadFile(s.log())
	return string(log[max(0, len(log)-500):])
}

// Stop ends the server in good order and waits for that. A server that is
// not running is left alone.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends it as a crash does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal os.Signal) {
	s.cmd.Process.Signal(syscall.SIGCONT) // a paused one would not hear
	s.cmd.Process.Signal(signal)
	<-s.exited
}

// Restart starts the server again, on the same port and directory, after
// stopping it if it runs.
func (s *Server) Restart() error {
	s.Stop()
	return s.start()
}

// Pause keeps the server from answering, while its connections stay open.
func (s *Server) Pause() { s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.cmd.Process.Signal(syscall.SIGCONT) }

// freePorts returns ports that nobody listens on at the moment.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
