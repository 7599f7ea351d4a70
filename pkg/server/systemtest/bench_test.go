package systemtest_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// cpu is the processor time that a process has used, user and system
// (clock_getcpuclockid(3)).
func (n *node) cpu(t testing.TB) time.Duration {
	t.Helper()
	if n.pid == 0 {
		return 0
	}
	var now syscall.Timespec
	clock := int32(^n.pid<<3 | 2)
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&now)), 0); e != 0 {
		t.Fatal(e)
	}
	return time.Duration(now.Nano())
}

// people who can log in, so that no account has thousands of sessions.
var people = []string{"elefevre", "fndiaye", "jdupont", "jdupont2", "mdelatour", "sobriain", "hbonnefoy", "imichel", "rgirard", "lmartin", "zmartin", "suharto", "ahassan"}

// crowd is people at their browsers, each from an address of their own.
type crowd struct {
	t    testing.TB
	at   *node
	next int
}

func (c *crowd) browser() (*browser, string) {
	c.next++
	b := newBrowser(c.t, c.at)
	b.from = fmt.Sprintf("10.%d.%d.1", c.next/250%250, c.next%250)
	return b, people[c.next%len(people)]
}

// login is the whole way: the form, the password, the tokens.
func (c *crowd) login(client string) (*browser, tokens) {
	c.t.Helper()
	b, uid := c.browser()
	ask := newRequest(client)
	got := ask.redeem(c.t, c.at, b.signIn(b.get(ask.url()), uid, password(uid)).arrived(callback, "code"))
	if got.Status != http.StatusOK {
		c.t.Fatalf("%+v", got)
	}
	return b, got
}

// bench is one kind of work: prepared once for a process, then done again and
// again.
type bench struct {
	name    string
	floor   string // the client whose login is its floor
	prepare func(testing.TB, *node) (once func())
}

var benches = []bench{
	{"Login/RS256", "portal", loginWith("portal")},
	{"Login/ES256", "quick", loginWith("quick")},
	{"SSO", "", func(t testing.TB, at *node) func() {
		next := signedIn(t, at)
		return func() { next().get(newRequest("quick").url()).arrived(callback, "code") }
	}},
	{"Refresh", "", func(t testing.TB, at *node) func() {
		_, got := (&crowd{t: t, at: at}).login("quick")
		return func() {
			got = at.token(t, "quick", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}})
			if got.Status != http.StatusOK {
				t.Fatalf("%+v", got)
			}
		}
	}},
	{"Userinfo", "", func(t testing.TB, at *node) func() {
		_, got := (&crowd{t: t, at: at}).login("quick")
		return func() {
			if at.userinfo(t, got.Access) == nil {
				t.Fatal("userinfo refuses")
			}
		}
	}},
	{"CASTicketAndValidation", "", func(t testing.TB, at *node) func() {
		next := signedIn(t, at)
		return func() {
			if at.validate(t, casService, next().get(casLogin(casService)).arrived(casService, "ticket")).Response.Success.User == "" {
				t.Fatal("the ticket was refused")
			}
		}
	}},
}

func loginWith(client string) func(testing.TB, *node) func() {
	return func(t testing.TB, at *node) func() {
		c := &crowd{t: t, at: at}
		return func() { c.login(client) }
	}
}

// signedIn returns sessions in turn, so that none has hundreds of visits.
func signedIn(t testing.TB, at *node) func() *browser {
	c := &crowd{t: t, at: at}
	var sessions []*browser
	for range 100 {
		b, _ := c.login("quick")
		sessions = append(sessions, b)
	}
	i := 0
	return func() *browser {
		i++
		return sessions[i%len(sessions)]
	}
}

// BenchmarkServe measures processor time where it is used: in the process of
// the command. A login takes turns with one at its floor, so that what else the
// machine does weighs on both. Allocations and round trips are those of the
// same handler in this process, without the HTTP server around it.
func BenchmarkServe(b *testing.B) {
	w := newServers(b, university, configuration)
	at, inside := w.serve(b), w.open(b)
	for _, kind := range benches {
		b.Run(kind.name, func(b *testing.B) {
			least, bare := &node{}, func() {}
			if kind.floor != "" {
				least, bare = w.floor(b, kind.floor)
			}
			once := kind.prepare(b, at)
			for range 20 {
				once()
				bare()
			}
			before, beforeLeast := at.cpu(b), least.cpu(b)
			for b.Loop() {
				once()
				b.StopTimer()
				bare()
				b.StartTimer()
			}
			spent, unavoidable := at.cpu(b)-before, least.cpu(b)-beforeLeast
			b.ReportMetric(float64(spent)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
			if kind.floor != "" {
				b.ReportMetric(float64(spent)/float64(unavoidable), "x-floor")
			}

			once = kind.prepare(b, inside.node)
			once()
			inside.allocations.Store(0)
			const sample = 100
			got := inside.during(func() {
				for range sample {
					once()
				}
			})
			for unit, n := range map[string]int64{"server-allocs/op": inside.allocations.Load(), "redis/op": got.redis,
				"ldap/op": got.searches + got.binds + got.writes, "requests/op": got.hops} {
				b.ReportMetric(float64(n)/sample, unit)
			}
		})
	}
}

// floor starts a server that does only what nobody can leave out, and returns
// what logs in to it.
func (w *world) floor(b *testing.B, client string) (*node, func()) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), floorVariable+"="+w.slapd.URL+" "+w.redis.Addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	at := &node{address: strings.TrimSpace(strings.TrimPrefix(line, "floor ")), pid: cmd.Process.Pid}
	at.connect()
	next := 0
	return at, func() {
		next++
		uid := people[next%len(people)]
		for _, send := range []func() (*http.Response, error){
			func() (*http.Response, error) { return at.client.Get(issuer + "/form") },
			func() (*http.Response, error) {
				return at.client.PostForm(issuer+"/password", url.Values{"username": {uid}, "password": {password(uid)}})
			},
			func() (*http.Response, error) {
				return at.client.PostForm(issuer+"/token/"+client, url.Values{"code": {"1"}})
			},
		} {
			answer, err := send()
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
}

// A server that nobody uses is small.
func TestAtRest(t *testing.T) {
	const most = 40 << 10 // KiB
	w := newServers(t, university, configuration)
	at := w.serveBy(t, must(t, buildPlain))
	b := newBrowser(t, at)
	b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", at.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	resident, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB resident, first answer %v after the start of the process", float64(resident)/1024, at.first.Round(time.Millisecond))
	if resident > most {
		t.Errorf("%d KiB resident, at most %d", resident, most)
	}
}
