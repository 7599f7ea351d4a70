package systemtest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/mail/mailtest"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// scratch is the folder of what is shared by all tests of a run.
var scratch string

func TestMain(m *testing.M) {
	if servers := os.Getenv(floorVariable); servers != "" {
		serveFloor(servers)
		return
	}
	var err error
	if scratch, err = os.MkdirTemp("", "systemtest-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// program builds the command once and returns its path.
func program(t testing.TB) string {
	t.Helper()
	return must(t, build)
}

var (
	build      = sync.OnceValues(func() (string, error) { return builder("loge", raced) })
	buildPlain = sync.OnceValues(func() (string, error) { return builder("loge-plain", false) })
	keys       = sync.OnceValues(newKeys)
)

func must(t testing.TB, made func() (string, error)) string {
	t.Helper()
	path, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func builder(name string, race bool) (string, error) {
	path := filepath.Join(scratch, name)
	args := []string{"build", "-tags", "no_otel", "-o", path}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/loge-idp/loge/cmd/loge")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// newKeys makes the keys of all servers, which takes a while.
func newKeys() (string, error) {
	path, err := build()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(scratch, "keys")
	if out, err := exec.Command(path, "keys", "new", folder).CombinedOutput(); err != nil {
		return "", fmt.Errorf("loge keys new: %w\n%s", err, out)
	}
	return folder, nil
}

// issuer is what browsers believe to talk to. Nobody listens there: a test
// chooses for each request which process it reaches, as a balancer without
// affinity may.
const issuer = "http://localhost:8080"

// services are the passwords of the directory's service accounts.
var services = fixtures.Services{Reader: "reader-of-a-scratch-server", Writer: "writer-of-a-scratch-server"}

// What the applications of the configuration know.
const (
	clientSecret = "secret-of-the-scratch-application"
	callback     = "http://127.0.0.1:9/callback"
	casService   = "http://127.0.0.1:9/app"
)

// world is real servers and two processes that share them.
type world struct {
	slapd  *slapdtest.Server
	redis  *redistest.Server
	post   *mailtest.Server // nil in benchmarks
	folder string
	a, b   *node
}

// newWorld starts everything with the university. It ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := newServers(t, university, configuration)
	w.a, w.b = w.serve(t), w.serve(t)
	return w
}

var (
	university = slapdtest.Tree{Suffix: fixtures.UniversitySuffix, LDIF: fixtures.University(time.Now(), services)}
	school     = slapdtest.Tree{Suffix: fixtures.SchoolSuffix, LDIF: fixtures.School(time.Now(), services)}
)

// newServers starts a world without processes of ours.
func newServers(t testing.TB, tree slapdtest.Tree, configuration string) *world {
	t.Helper()
	return newServersWith(t, []slapdtest.Tree{tree}, configuration)
}

func newServersWith(t testing.TB, trees []slapdtest.Tree, configuration string) *world {
	t.Helper()
	w := &world{
		slapd:  slapdtest.Start(t, slapdtest.Options{Schema: fixtures.Schema, Index: fixtures.Index, Trees: trees, TLS: true}),
		redis:  redistest.Start(t),
		folder: t.TempDir(),
	}
	if t, ok := t.(*testing.T); ok {
		w.post = mailtest.NewServer(t, mailtest.Options{})
	}
	if err := os.Symlink(must(t, keys), filepath.Join(w.folder, "keys")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file(), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) file() string { return filepath.Join(w.folder, "loge.yaml") }

// environment is what a configuration takes from the environment, here and in
// the examples.
func (w *world) environment() []string {
	mailPort := "9" // nobody
	if w.post != nil {
		_, mailPort, _ = net.SplitHostPort(w.post.Address)
	}
	return []string{
		"LOGE_ISSUER=" + issuer,
		"LOGE_LISTEN=127.0.0.1:0",
		"LOGE_LDAP_URL=" + strings.Replace(w.slapd.SecureURL, "127.0.0.1", "localhost", 1),
		"LOGE_LDAP_PLAIN_URL=" + w.slapd.URL,
		"LOGE_LDAP_CA=" + w.slapd.CA,
		"LOGE_LDAP_READER=" + services.Reader,
		"LOGE_LDAP_WRITER=" + services.Writer,
		"LOGE_REDIS=" + w.redis.Addr,
		"LOGE_SMTP_PORT=" + mailPort,
		"LOGE_PORTAL_SECRET=" + clientSecret,
		"LOGE_PORTAL_LOGIN=" + callback,
		"LOGE_PORTAL_HOME=http://127.0.0.1:9/bye",
		"LOGE_PORTAL_LOGOUT=http://127.0.0.1:9/backchannel",
		"LOGE_LIBRARY=" + casService,
	}
}

// haste is for tests that give wrong answers by the hundred.
const haste = "login: {floor: 1ms}\n"

// configuration is that of most tests: a portal that hears of people in grace,
// a quick application that does not.
const configuration = `issuer: ${env:LOGE_ISSUER}
keys: keys
proxies: ["127.0.0.1/32"]
site:
  name: Université de Valmont
  language: en
  help:
    phone: 01 99 00 12 34
directory:
  type: ldap
  urls: ["${env:LOGE_LDAP_PLAIN_URL}"]
  bindDN: cn=idp-ro,ou=services,dc=univ-valmont,dc=example
  bindPassword: ${env:LOGE_LDAP_READER}
  writeDN: cn=idp-rw,ou=services,dc=univ-valmont,dc=example
  writePassword: ${env:LOGE_LDAP_WRITER}
  base: ou=people,dc=univ-valmont,dc=example
  preset: supann
  ownDomains: [univ-valmont.example, etu.univ-valmont.example]
store:
  type: redis
  topology: single
  addresses: ["${env:LOGE_REDIS}"]
mail:
  type: smtp
  host: 127.0.0.1
  port: ${env:LOGE_SMTP_PORT}
  tls: none
  from: assistance@univ-valmont.example
protocols:
  oidc:
    clients:
      - id: portal
        name: Portail
        secret: ${env:LOGE_PORTAL_SECRET}
        redirectURIs: ["${env:LOGE_PORTAL_LOGIN}"]
        postLogoutRedirectURIs: ["${env:LOGE_PORTAL_HOME}"]
        scopes: [openid, profile, email, offline_access]
        attributes: [mail, accountState, accountEnd]
        grace: allow
      - id: quick
        name: Agenda
        secret: ${env:LOGE_PORTAL_SECRET}
        redirectURIs: ["${env:LOGE_PORTAL_LOGIN}"]
        signingAlgorithm: ES256
  cas:
    services:
      - name: Moodle
        prefix: ${env:LOGE_LIBRARY}
        attributes: [mail, displayName, accountState]
        grace: allow
` + haste + `recovery:
  methods:
    - type: emaillink
`

// node is one process of the command.
type node struct {
	address   string
	url       string // at which browsers believe to reach it
	pid       int
	first     time.Duration // from the start of the process to its first answer
	client    *http.Client  // reaches this process whatever the URL says, and follows nothing
	transport *http.Transport
	log       *journal
	killed    bool
}

// kill ends the process at once, as a power cut does.
func (n *node) kill(t *testing.T) {
	t.Helper()
	n.killed = true
	if err := syscall.Kill(n.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-n.log.ended
}

// serve starts a process; it must end in good order when the test does.
func (w *world) serve(t testing.TB) *node {
	t.Helper()
	return w.serveBy(t, program(t))
}

func (w *world) serveBy(t testing.TB, program string) *node {
	t.Helper()
	n := start(t, program, w.environment(), listens, "serve", "--config", w.file(), "--listen", "127.0.0.1:0")
	n.url = issuer
	return n
}

// listens reads the address from the log of loge serve.
func listens(line string) string {
	var entry struct{ Msg, Listen string }
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "serving" {
		return ""
	}
	return entry.Listen
}

// start runs the command and waits for the line that says where it listens.
func start(t testing.TB, program string, environment []string, address func(line string) string, args ...string) *node {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	n := &node{}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.pid = cmd.Process.Pid
	log := &journal{ready: make(chan string, 1), address: address, ended: make(chan struct{})}
	n.log = log
	go log.read(output)
	t.Cleanup(func() {
		if n.transport != nil {
			n.transport.CloseIdleConnections() // else it waits for requests on them
		}
		if n.killed {
			_ = cmd.Wait() // says how it ended
			log.clean(t)
			return
		}
		stop(t, cmd, log)
	})
	select {
	case n.address = <-log.ready:
	case <-log.ended:
		t.Fatalf("loge %v ended:\n%s", args, log.text())
	case <-time.After(20 * time.Second):
		t.Fatalf("loge %v says nothing:\n%s", args, log.text())
	}
	n.connect()
	answer, err := n.client.Get(issuer + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	n.first = time.Since(started)
	n.url = "http://" + n.address
	return n
}

func (n *node) connect() {
	n.transport = &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", n.address)
		},
	}
	n.client = &http.Client{Transport: n.transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// stop asks the process to end, in good order.
func stop(t testing.TB, cmd *exec.Cmd, log *journal) {
	cmd.Process.Signal(syscall.SIGTERM)
	hurry := time.AfterFunc(15*time.Second, func() { cmd.Process.Kill() })
	defer hurry.Stop()
	<-log.ended
	if err := cmd.Wait(); err != nil {
		t.Errorf("loge ended with %v:\n%s", err, log.text())
	}
	log.clean(t)
}

// clean fails the test for a race or a panic in the log.
func (j *journal) clean(t testing.TB) {
	t.Helper()
	for _, word := range []string{"DATA RACE", `"msg":"panic"`, "goroutine "} {
		if bytes.Contains([]byte(j.text()), []byte(word)) {
			t.Errorf("the log of loge holds %q:\n%s", word, j.text())
			return
		}
	}
}

// journal is what a process wrote.
type journal struct {
	ready   chan string
	address func(line string) string
	ended   chan struct{}

	mu      sync.Mutex
	written bytes.Buffer
}

func (j *journal) read(r io.Reader) {
	defer close(j.ended)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	listens := false
	for lines.Scan() {
		if !listens {
			if address := j.address(lines.Text()); address != "" {
				listens = true
				j.ready <- address
			}
		}
		if bytes.Contains(lines.Bytes(), []byte(`"msg":"request"`)) {
			continue // of thousands
		}
		j.mu.Lock()
		if j.written.Len() < 1<<20 {
			j.written.Write(append(lines.Bytes(), '\n'))
		}
		j.mu.Unlock()
	}
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written.String()
}
