package ldap_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

const rightPassword = "Valmont-elefevre-2026"

// login is what a login page does.
func login(ctx context.Context, d directory.Directory) error {
	a, err := d.Find(ctx, "elefevre")
	if err != nil {
		return err
	}
	return d.Authenticate(ctx, a, secret.New(rightPassword))
}

// counter counts operations.
type counter struct {
	mu  sync.Mutex
	ops map[string]int
}

func (c *counter) observe(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ops == nil {
		c.ops = map[string]int{}
	}
	c.ops[op]++
}

func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.ops
	c.ops = nil
	return out
}

func unavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("%s: %v; want ErrUnavailable", what, err)
	}
	for _, other := range []error{directory.ErrBadPassword, directory.ErrNotFound, directory.ErrLocked} {
		if errors.Is(err, other) {
			t.Errorf("%s: %v counts as a failure of the person", what, err)
		}
	}
}

// A server that accepts and never answers: each operation ends by its own
// timeout, is tried once, and leaves no connection behind. With the default of
// 2 s a login, which is two operations, so ends within 5 s.
func TestSilentServer_FLDAP02(t *testing.T) {
	silent := startFake(t, nil)
	config := networks[0].config()
	config.URLs, config.Timeout = []string{silent.url}, plugin.Duration(50*time.Millisecond)
	d := open(t, config)
	_, err := d.Find(t.Context(), "elefevre")
	unavailable(t, "Find", err)
	unavailable(t, "Authenticate", d.Authenticate(t.Context(), account.Account{Handle: "uid=x,dc=y"}, secret.New("x")))
	unavailable(t, "SetPassword", d.SetPassword(t.Context(), "x", secret.New("x")))
	if n := silent.connections.Load(); n != 3 {
		t.Errorf("%d connections for three operations: something was tried again after its time was used", n)
	}
}

func TestPausedServer_FLDAP02(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	config := networks[0].config()
	config.URLs, config.Timeout = []string{server.URL}, plugin.Duration(200*time.Millisecond)
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	if err := login(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	server.Pause()
	for range 3 {
		unavailable(t, "login", login(t.Context(), d))
		unavailable(t, "Authenticate", d.Authenticate(t.Context(), a, secret.New(rightPassword)))
	}
	server.Resume()
	now = now.Add(time.Second)
	if err := login(t.Context(), d); err != nil {
		t.Errorf("a second after the server came back: %v", err)
	}
}

// Servers are tried in order, and one that failed is not waited for again.
func TestFailOver(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	silent := startFake(t, nil)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	config := networks[0].config()
	config.URLs = []string{"ldap://" + closed.Addr().String(), silent.url, server.URL}
	config.Timeout = plugin.Duration(time.Second)
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	if err := login(t.Context(), d); err != nil {
		t.Errorf("with the third server only: %v", err)
	}
	if n := silent.connections.Load(); n != 1 {
		t.Errorf("the silent server was asked %d times", n)
	}
	now = now.Add(time.Hour) // kept connections are too old, and the failures forgotten
	if err := login(t.Context(), d); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	if n := silent.connections.Load(); n != 2 {
		t.Errorf("the silent server was asked %d times in all", n)
	}
}

// When a server falls silent, no login fails: what the first of them was
// looking up is asked of the next server.
func TestFallsSilent_FLDAP02(t *testing.T) {
	first, second := networks[0].slapd(t, slapdtest.Options{}), networks[0].slapd(t, slapdtest.Options{})
	config := networks[0].config()
	config.URLs = []string{first.URL, second.URL}
	config.Timeout = plugin.Duration(time.Second)
	config.Now = nil
	d := open(t, config)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if err := login(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	first.Pause()
	defer first.Resume()
	for i := range 20 {
		if err := login(t.Context(), d); err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
	}
}

// One that accepts and never answers stays the first in the list. Whoever tries
// it once a second, with a search or with a password, is answered by the next
// one, and it keeps no connection.
func TestHalfOpen_FLDAP02(t *testing.T) {
	first, second := slapdtest.StartProxy(t, networks[0].slapd(t, slapdtest.Options{}).Address), networks[0].slapd(t, slapdtest.Options{})
	config := networks[0].config()
	config.URLs, config.Timeout = []string{first.URL, second.URL}, plugin.Duration(time.Second)
	now, hurried := clock(), false
	config.Now = func() time.Time {
		if hurried {
			now = now.Add(time.Second)
		}
		return now
	}
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	first.Becomes(slapdtest.Silent)
	for i := range 4 {
		before := first.Accepted.Load()
		if err := d.Authenticate(t.Context(), a, secret.New(rightPassword)); err != nil {
			t.Errorf("second %d, a password: %v", i, err)
		}
		if tried := first.Accepted.Load() > before; !tried {
			t.Errorf("second %d: nobody looked whether the first is back", i)
		}
		if now = now.Add(time.Second); i%2 == 1 {
			if _, err := d.Find(t.Context(), "elefevre"); err != nil {
				t.Errorf("second %d, a search: %v", i, err)
			}
			now = now.Add(time.Second)
		}
	}
	hurried = true // its second is over again while the same caller waits
	for i := range 2 {
		if err := login(t.Context(), d); err != nil {
			t.Errorf("hurried, %d: %v", i, err)
		}
	}
	hurried = false
	told := `server="` + first.Address + `"`
	for measured(t, d).Sum("loge_ldap_connections", told) != 0 { // they are closed beside
		runtime.Gosched()
	}
	first.Becomes(slapdtest.Honest)
	before := first.Accepted.Load()
	if err := login(t.Context(), d); err != nil {
		t.Error(err)
	}
	if n := first.Accepted.Load() - before; n == 0 {
		t.Error("it is back, and not used again")
	}
}

// A server that takes long over one search and answers others meanwhile is not
// given up: what it was asked is not asked again.
func TestSlowIsNotSilent(t *testing.T) {
	var held, searches atomic.Int64
	hold := make(chan struct{}, 1)
	script := answers{
		goldap.ApplicationBindRequest: bound,
		goldap.ApplicationSearchRequest: func(id int64) []byte {
			done := ends(goldap.ApplicationSearchResultDone, 0, "")
			switch searches.Add(1) {
			case 2:
				held.Store(id)
				hold <- struct{}{}
				return []byte{}
			case 3, 4:
				return done(id)
			}
			if late := held.Swap(0); late != 0 {
				return append(done(id), done(late)...)
			}
			return done(id)
		},
	}
	config := networks[0].config()
	config.URLs, config.Timeout = []string{startFake(t, script).url}, plugin.Duration(4*time.Second)
	config.Pool.Searches = 1
	d := open(t, config)
	find := func() {
		if _, err := d.Find(t.Context(), "nobody"); !errors.Is(err, directory.ErrNotFound) {
			t.Error(err)
		}
	}
	find() // connects
	var all sync.WaitGroup
	all.Go(find)
	<-hold
	find()
	time.Sleep(2200 * time.Millisecond) // more than half of the timeout
	find()
	find()
	all.Wait()
	if n := searches.Load(); n != 5 {
		t.Errorf("%d searches were sent for 5", n)
	}
}

func TestRefusedConnection_FLDAP01(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	config := networks[0].config()
	config.URLs = []string{"ldap://" + closed.Addr().String()}
	unavailable(t, "login", login(t.Context(), open(t, config)))
}

// Kept connections that were cut, while busy or idle, are no error that
// anybody sees.
func TestCutConnections_FLDAP03(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	between := slapdtest.StartProxy(t, server.Address)
	config := networks[0].config()
	config.URLs = []string{between.URL}
	d := open(t, config)
	for i := range 100 {
		if err := login(t.Context(), d); err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
		between.Cut()
	}
}

// A firewall forgets connections without a word to either side. What was idle
// for 20 minutes is not even tried; what was in use a moment ago costs half of
// one timeout, and nobody an error: 100 of 100.
func TestForgottenConnections_FLDAP03(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	for name, idle := range map[string]time.Duration{"idle for 20 minutes": 20 * time.Minute, "just used": 0} {
		t.Run(name, func(t *testing.T) {
			between := slapdtest.StartProxy(t, server.Address)
			var passed atomic.Int64
			config := networks[0].config()
			config.URLs, config.Timeout = []string{between.URL}, plugin.Duration(4*time.Second)
			config.Now = func() time.Time { return clock().Add(time.Duration(passed.Load())) }
			processes := make([]directory.Directory, 100)
			for i := range processes {
				processes[i] = open(t, config)
				if err := login(t.Context(), processes[i]); err != nil {
					t.Fatal(err)
				}
			}
			passed.Store(int64(idle))
			between.Forget()
			var all sync.WaitGroup
			for _, d := range processes {
				all.Go(func() {
					if err := login(t.Context(), d); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := between.Swallowed.Load(); (n == 0) != (idle > 0) {
				t.Errorf("%d requests went into the void", n)
			}
		})
	}
}

// The only server there is cuts one connection after the other: while it is
// being made, under the first request and under a later one.
func TestCutAgain_FLDAP03(t *testing.T) {
	n := networks[0]
	embedded := n.embedded(t)
	var dialled, broken atomic.Int64
	broken.Store(1)
	config := n.config()
	config.Pool.Searches = 1
	requests := map[int64]int{ // that each connection carries before it breaks
		1: 2,       // the service account's bind and the search of the first login
		2: 1,       // its bind
		3: 0, 4: 1, // for the search of the second login, as 5 is
		6: 0, // for its bind, as 7 is
	}
	config.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := embedded.Dial(ctx)
		if spare, ok := requests[dialled.Add(1)]; ok {
			return &brittle{Conn: c, broken: &broken, spare: spare}, err
		}
		return c, err
	}
	d := open(t, config)
	for i := range 2 {
		if err := login(t.Context(), d); err != nil {
			t.Errorf("login %d: %v", i, err)
		}
	}
	if dialled.Load() != 7 {
		t.Errorf("%d connections; want 7", dialled.Load())
	}
}

// A kept connection that breaks under the very request is replaced, once, for
// searches and binds; a change is never sent twice.
func TestBreaksUnderRequest_FLDAP03(t *testing.T) {
	for name, late := range map[string]bool{"before it is sent": false, "before it is answered": true} {
		t.Run(name, func(t *testing.T) {
			n := networks[0]
			embedded := n.embedded(t)
			var generation, broken atomic.Int64
			config := n.config()
			config.Dial = func(ctx context.Context) (net.Conn, error) {
				c, err := embedded.Dial(ctx)
				return &brittle{Conn: c, generation: generation.Load(), broken: &broken, late: late}, err
			}
			var ops counter
			config.Observe = ops.observe
			d := open(t, config)
			for range 3 {
				if err := login(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			broken.Store(generation.Add(1)) // all there are
			ops.take()
			if err := login(t.Context(), d); err != nil {
				t.Error(err)
			}
			// Each twice, and the bind of the service account on the new one.
			if diff := cmp.Diff(map[string]int{"search": 2, "bind": 3}, ops.take()); diff != "" {
				t.Error(diff)
			}
			broken.Store(generation.Add(1) + 1) // and all there will be
			ops.take()
			unavailable(t, "login", login(t.Context(), d))
			unavailable(t, "SetPassword", d.SetPassword(t.Context(), "x", secret.New("x")))
			if sent := ops.take(); sent["extended"] != 0 || sent["search"] > 1 {
				t.Errorf("on connections that all break: %v", sent)
			}
		})
	}
}

// brittle breaks at the next request once its generation is.
type brittle struct {
	net.Conn
	generation int64
	broken     *atomic.Int64
	late       bool
	spare      int // requests before
}

func (c *brittle) Write(b []byte) (int, error) {
	if c.generation >= c.broken.Load() {
		return c.Conn.Write(b)
	}
	if c.spare > 0 {
		c.spare--
		return c.Conn.Write(b)
	}
	c.Conn.Close()
	if c.late {
		return len(b), nil
	}
	return 0, net.ErrClosed
}

// A reply that stops in the middle is no reply.
func TestHangUp(t *testing.T) {
	for name, script := range map[string]answers{
		"at the service bind": {goldap.ApplicationBindRequest: hangUp},
		"at the search":       {goldap.ApplicationBindRequest: bound, goldap.ApplicationSearchRequest: hangUp},
		"in an entry": {goldap.ApplicationBindRequest: bound, goldap.ApplicationSearchRequest: func(int64) []byte {
			return []byte{0x30, 0x50, 2, 1, 2, 0x64, 0x40, 4}
		}},
		"with something else": {goldap.ApplicationBindRequest: bound, goldap.ApplicationSearchRequest: func(int64) []byte {
			return []byte("HTTP/1.1 400 Bad Request\r\n\r\n")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := networks[0].config()
			config.URLs, config.Timeout = []string{startFake(t, script).url}, plugin.Duration(200*time.Millisecond)
			unavailable(t, "login", login(t.Context(), open(t, config)))
		})
	}
}

// Whoever gives up waiting takes nobody's connection away.
func TestCallerLeaves(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	config := networks[0].config()
	config.URLs = []string{server.URL}
	config.Pool.Searches = 1
	var ops counter
	config.Observe = ops.observe
	d := open(t, config)
	if err := login(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := d.Find(impatient, "elefevre")
	unavailable(t, "impatient Find", err)
	var left sync.WaitGroup // without a word of when
	gone, leave := context.WithCancel(t.Context())
	ops.take()
	left.Go(func() { _, _ = d.Find(gone, "elefevre") })
	for ops.take()["search"] == 0 {
		runtime.Gosched()
	}
	leave()
	server.Resume()
	left.Wait()
	ops.take()
	if _, err := d.Find(t.Context(), "elefevre"); err != nil {
		t.Error(err)
	}
	if n := ops.take(); n["bind"] != 0 || n["search"] != 1 {
		t.Errorf("operations afterwards: %v; want one search on the kept connection", n)
	}
}

// A server that hangs does not gather callers without end: beyond the queue
// they are told at once.
func TestOverload_FLDAP02(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	config := networks[0].config()
	config.URLs, config.Timeout = []string{server.URL}, plugin.Duration(300*time.Millisecond)
	config.Pool.Binds = 1
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	server.Pause()
	var all sync.WaitGroup
	var shed atomic.Int64
	for range 100 {
		all.Go(func() {
			err := d.Authenticate(t.Context(), a, secret.New(rightPassword))
			unavailable(t, "Authenticate", err)
			if err != nil && strings.Contains(err.Error(), "too many") {
				shed.Add(1)
			}
		})
	}
	all.Wait()
	server.Resume()
	if shed.Load() == 0 {
		t.Error("100 callers waited for one connection")
	}
	now = now.Add(time.Second)
	if err := login(t.Context(), d); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A referral is not followed with anybody's password.
func TestReferral_RAUTH08(t *testing.T) {
	canary := startFake(t, nil)
	referral := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	referral.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, canary.url, ""))
	script := answers{}
	for request, response := range map[ber.Tag]ber.Tag{
		goldap.ApplicationBindRequest:   goldap.ApplicationBindResponse,
		goldap.ApplicationSearchRequest: goldap.ApplicationSearchResultDone,
	} {
		script[request] = func(id int64) []byte {
			if request == goldap.ApplicationBindRequest && id == 1 { // the service account's
				return bound(id)
			}
			return message(id, response, goldap.LDAPResultReferral, "", referral)
		}
	}
	config := networks[0].config()
	config.URLs = []string{startFake(t, script).url}
	d := open(t, config)
	_, err := d.Find(t.Context(), "elefevre")
	unavailable(t, "Find", err)
	unavailable(t, "SetPassword", d.SetPassword(t.Context(), "x", secret.New("x")))

	script[goldap.ApplicationBindRequest] = func(id int64) []byte {
		return message(id, goldap.ApplicationBindResponse, goldap.LDAPResultReferral, "", referral)
	}
	config.URLs = []string{startFake(t, script).url}
	unavailable(t, "Authenticate", open(t, config).Authenticate(t.Context(), account.Account{Handle: "uid=x,dc=y"}, secret.New("x")))
	if n := canary.connections.Load(); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}
