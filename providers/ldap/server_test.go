package ldap_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

// pair is a provider behind a proxy and a replica that has heard of no change
// since the test began.
func pair(t *testing.T) (provider *slapdtest.Proxy, replica *slapdtest.Server) {
	t.Helper()
	return slapdtest.StartProxy(t, networks[0].slapd(t, slapdtest.Options{}).Address), networks[0].slapd(t, slapdtest.Options{})
}

// A password that was just set is right at once and the old one wrong, in
// every process, however far the replicas are behind.
func TestReadYourWrite_FLDAP04(t *testing.T) {
	provider, replica := pair(t)
	config := networks[0].config()
	config.URLs, config.Replicas = []string{provider.URL}, []string{replica.URL}
	processes := []directory.Directory{open(t, config), open(t, config), open(t, config)}
	const resets = 334 // × 3 processes: 1,002 logins with each password
	var right, wrong int
	old := rightPassword
	for i := range resets {
		chosen := fmt.Sprintf("Nouveau-mot-de-passe-%d", i)
		a, err := processes[i%3].Find(t.Context(), "elefevre")
		if err != nil {
			t.Fatal(err)
		}
		if err := processes[i%3].SetPassword(t.Context(), a.ID, secret.New(chosen)); err != nil {
			t.Fatal(err)
		}
		for _, d := range processes {
			if d.Authenticate(t.Context(), a, secret.New(chosen)) == nil {
				right++
			}
			if errors.Is(d.Authenticate(t.Context(), a, secret.New(old)), directory.ErrBadPassword) {
				wrong++
			}
		}
		old = chosen
	}
	if right != 3*resets || wrong != 3*resets {
		t.Errorf("new password right %d times, old one wrong %d times, of %d", right, wrong, 3*resets)
	}
}

// What else was just written is read too: an activated account may log in.
func TestReadYourWrite_R16(t *testing.T) {
	provider, replica := pair(t)
	config := networks[0].config()
	config.URLs, config.Replicas = []string{provider.URL}, []string{replica.URL}
	here, there := open(t, config), open(t, config)
	a, err := here.Find(t.Context(), "hnguyen")
	if err != nil {
		t.Fatal(err)
	}
	if err := here.Activate(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	for _, d := range []directory.Directory{here, there} {
		if a, err := d.Find(t.Context(), "hnguyen"); err != nil || !a.Status.MayLogin() {
			t.Errorf("after activation: %s, %v", a.Status, err)
		}
	}
}

// Without the provider people log in, and changes are for later. When it is
// back, it is asked again.
func TestProviderDown_FLDAP06(t *testing.T) {
	for name, mood := range map[string]slapdtest.Mood{"refuses": slapdtest.Refuses, "silent": slapdtest.Silent} {
		t.Run(name, func(t *testing.T) {
			provider, replica := pair(t)
			config := networks[0].config()
			config.URLs, config.Replicas = []string{provider.URL}, []string{replica.URL}
			config.Timeout = plugin.Duration(time.Second)
			now := clock()
			config.Now = func() time.Time { return now }
			d := open(t, config)
			a, err := d.Find(t.Context(), "elefevre")
			if err != nil {
				t.Fatal(err)
			}
			provider.Becomes(mood)
			// But nobody asks a replica for a password that was just set.
			if err := d.Authenticate(directory.Fresh(t.Context()), a, secret.New(rightPassword)); !errors.Is(err, directory.ErrUnavailable) {
				t.Errorf("F-LDAP-04: asked of the replica: %v", err)
			}
			for i := range 20 {
				if err := login(t.Context(), d); err != nil {
					t.Fatalf("login %d: %v", i, err)
				}
			}
			unavailable(t, "SetPassword", d.SetPassword(t.Context(), a.ID, secret.New("Un autre mot de passe")))
			provider.Becomes(slapdtest.Honest)
			provider.Cut() // what was swallowed does not come back
			now = now.Add(time.Second)
			if err := d.SetPassword(t.Context(), a.ID, secret.New("Un autre mot de passe")); err != nil {
				t.Errorf("SetPassword a second after the provider came back: %v", err)
			}
			if err := d.Authenticate(t.Context(), a, secret.New("Un autre mot de passe")); err != nil {
				t.Errorf("the new password: %v", err)
			}
			if err := login(t.Context(), d); !errors.Is(err, directory.ErrBadPassword) {
				t.Errorf("the old password, which the replica still has: %v", err)
			}
		})
	}
}

// All servers refuse: it is said at once, and nobody's password was wrong.
func TestAllRefuse_FLDAP01(t *testing.T) {
	provider, replica := pair(t)
	copied := slapdtest.StartProxy(t, replica.Address)
	config := networks[0].config()
	config.URLs, config.Replicas = []string{provider.URL}, []string{copied.URL}
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	provider.Becomes(slapdtest.Refuses)
	copied.Becomes(slapdtest.Refuses)
	for range 100 {
		unavailable(t, "login", login(t.Context(), d))
		unavailable(t, "Authenticate", d.Authenticate(t.Context(), a, secret.New("wrong")))
	}
	// Each address was tried a few times, and then left in peace.
	if n := provider.Accepted.Load() + copied.Accepted.Load(); n > 12 {
		t.Errorf("%d connections for 200 operations on servers that refuse", n)
	}
	provider.Becomes(slapdtest.Honest)
	now = now.Add(time.Second)
	if err := login(t.Context(), d); err != nil {
		t.Errorf("a second after the provider came back: %v", err)
	}
}

// An answer that breaks off in the middle is no answer; the next server's is.
func TestStumbles_FLDAP03(t *testing.T) {
	provider, replica := pair(t)
	config := networks[0].config()
	config.URLs, config.Replicas = []string{provider.URL}, []string{replica.URL}
	d := open(t, config)
	for i := range 20 {
		if err := login(t.Context(), d); err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
		provider.Becomes(slapdtest.Stumbles)
		if err := login(t.Context(), d); err != nil {
			t.Errorf("login %d, answered by half: %v", i, err)
		}
		provider.Becomes(slapdtest.Honest)
	}
}

// A server that says it is busy, or shutting down, leaves the question to the
// next one.
func TestBusy(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	for name, code := range map[string]int64{"busy": goldap.LDAPResultBusy, "unavailable": goldap.LDAPResultUnavailable} {
		say := func(tag ber.Tag) func(int64) []byte { return ends(tag, code, "try elsewhere") }
		for when, script := range map[string]answers{
			"to all":      {goldap.ApplicationBindRequest: say(goldap.ApplicationBindResponse)},
			"to searches": {goldap.ApplicationBindRequest: bound, goldap.ApplicationSearchRequest: say(goldap.ApplicationSearchResultDone)},
		} {
			busy := startFake(t, script)
			config := networks[0].config()
			config.URLs = []string{busy.url, server.URL}
			d := open(t, config)
			a, err := d.Find(t.Context(), "elefevre")
			if err != nil {
				t.Errorf("%s %s: %v", name, when, err)
			} else if err := d.Authenticate(t.Context(), a, secret.New("wrong")); when == "to all" && !errors.Is(err, directory.ErrBadPassword) {
				t.Errorf("%s %s: a wrong password: %v", name, when, err)
			}
			config.URLs = []string{busy.url}
			_, err = open(t, config).Find(t.Context(), "elefevre")
			unavailable(t, name+" and alone", err)
		}
	}
}

// A server that agrees to StartTLS and then says nothing, or not even agrees,
// has no password and no caller for longer than its time.
func TestStartTLSStalls(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{TLS: true})
	for name, script := range map[string]answers{
		"before": nil,
		"after":  {23: func(id int64) []byte { return message(id, 24, 0, "") }},
	} {
		t.Run(name, func(t *testing.T) {
			fake := startFake(t, script)
			config := networks[0].config()
			config.URLs, config.StartTLS, config.CA = []string{fake.url}, true, server.CA
			config.Timeout = plugin.Duration(50 * time.Millisecond)
			var ops counter
			config.Observe = ops.observe
			d := open(t, config)
			unavailable(t, "login", login(t.Context(), d))
			if sent := ops.take(); len(sent) != 0 {
				t.Errorf("sent to it: %v", sent)
			}
			config.URLs = []string{fake.url, server.URL}
			config.Timeout = plugin.Duration(time.Second)
			if err := login(t.Context(), open(t, config)); err != nil {
				t.Errorf("with another server: %v", err)
			}
		})
	}
}

// Entries that refer back to the very server lead nowhere.
func TestReferralLoop_RAUTH08(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	between := slapdtest.StartProxy(t, server.Address)
	admin := n.admin(t, dialURL(t, server.URL))
	for i := range 3 {
		name := fmt.Sprintf("uid=elsewhere%d,ou=people,%s", i, n.suffix)
		if err := admin.Add(referralEntry(name, fmt.Sprintf("%s/ou=people,%s", between.URL, n.suffix))); err != nil {
			t.Fatal(err)
		}
	}
	config := n.config()
	config.URLs = []string{between.URL}
	d := open(t, config)
	for range 10 {
		if err := login(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if seen, _ := everybody(t, d, directory.Query{}); seen != len(n.people) {
		t.Errorf("a search gave %d people", seen)
	}
	if made := between.Accepted.Load(); made > 4 { // two for searches, one for binds, one for the scan
		t.Errorf("%d connections: a referral was followed", made)
	}
}

// 200 logins at once need no more connections than one after the other may.
func TestConnectionsFlat(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	between := slapdtest.StartProxy(t, server.Address)
	config := networks[0].config()
	config.URLs = []string{between.URL}
	config.Pool.Binds = 16 // 16 × 16 may wait: all of them
	d := open(t, config)
	for range 3 {
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if err := login(t.Context(), d); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if n := between.Accepted.Load(); n > 2+16 {
		t.Errorf("%d connections for a pool of 2 and 16", n)
	}
}

// Nor do those whose password was just set: their binds share the connections to
// the provider with all others, and leave alone those that lead to a replica.
func TestConnectionsFlat_FLDAP04(t *testing.T) {
	provider, copied := pair(t)
	replica := slapdtest.StartProxy(t, copied.Address)
	config := networks[0].config()
	config.URLs, config.Replicas = []string{provider.URL}, []string{replica.URL}
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	bind := func(ctx context.Context) {
		t.Helper()
		if err := d.Authenticate(ctx, a, secret.New(rightPassword)); err != nil {
			t.Error(err)
		}
	}
	before := provider.Accepted.Load()
	for range 50 {
		bind(t.Context())
		bind(directory.Fresh(t.Context()))
	}
	if n := provider.Accepted.Load() - before; n != 1 {
		t.Errorf("%d connections for one bind after the other", n)
	}
	provider.Becomes(slapdtest.Refuses)
	bind(t.Context()) // at the replica, to which a connection is kept now
	provider.Becomes(slapdtest.Honest)
	now = now.Add(time.Second / 2)
	before = provider.Accepted.Load()
	bind(directory.Fresh(t.Context()))
	if n := provider.Accepted.Load() - before; n != 1 {
		t.Error("a password that was just set was asked of the replica")
	}
}

// zone is what a name server knows: for a name, IPv4 addresses or the data of
// SRV records.
type zone map[string][]record

type record struct {
	kind uint16 // 1: A, 33: SRV
	data []byte
}

func hostRecord(ip string) record { return record{1, net.ParseIP(ip).To4()} }

// srvRecord is priority, weight, port and target (RFC 2782).
func srvRecord(t *testing.T, host, address string, priority byte) record {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := net.LookupPort("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte{0, priority, 0, 0, byte(port >> 8), byte(port)}
	for label := range strings.SplitSeq(host, ".") {
		data = append(append(data, byte(len(label))), label...)
	}
	return record{33, append(data, 0)}
}

// resolver asks a name server that knows a zone and nothing else (RFC 1035).
func (z zone) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := l.ReadFrom(buffer)
			if err != nil {
				return
			}
			l.WriteTo(z.answer(buffer[:n]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", l.LocalAddr().String())
	}}
}

func (z zone) answer(query []byte) []byte {
	var labels []string
	end := 12 // after the header
	for query[end] != 0 {
		size := int(query[end])
		labels = append(labels, string(query[end+1:end+1+size]))
		end += 1 + size
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	known, exists := z[strings.ToLower(strings.Join(labels, "."))]
	out := append([]byte(nil), query[:end+5]...)
	flags := uint16(0x8580)
	if !exists {
		flags |= 3 // no such name
	}
	var answers uint16
	for _, r := range known {
		if r.kind != kind {
			continue
		}
		answers++
		out = append(out, 0xc0, 12) // the name of the question
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 0) // class, time to live
		out = binary.BigEndian.AppendUint16(out, uint16(len(r.data)))
		out = append(out, r.data...)
	}
	binary.BigEndian.PutUint16(out[2:], flags)
	binary.BigEndian.PutUint16(out[6:], answers)
	binary.BigEndian.PutUint32(out[8:], 0)
	return out
}

// The servers of a domain are found by its SRV records, tried in their order,
// and each of a host's addresses for itself.
func TestServiceRecords(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	far := slapdtest.StartProxy(t, server.Address)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	config := networks[0].config()
	config.InsecurePlaintext = true
	config.Resolver = zone{
		"_ldap._tcp.univ.example": {
			srvRecord(t, "second.univ.example", far.Address, 20),
			srvRecord(t, "first.univ.example", nobody.Addr().String(), 10),
		},
		"first.univ.example":  {hostRecord("127.0.0.1"), hostRecord("127.0.0.2")}, // nobody on either
		"second.univ.example": {hostRecord("127.0.0.1")},
	}.resolver(t)
	config.URLs = []string{"ldap+srv://univ.example"}
	d := open(t, config)
	for range 10 {
		if err := login(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if n := far.Accepted.Load(); n == 0 {
		t.Error("the second host was not asked")
	}

	config.URLs = []string{"ldap+srv://elsewhere.example"}
	unavailable(t, "a domain without records", login(t.Context(), open(t, config)))
}

// Connections that lead to another address of a name come back to the first one
// when it does.
func TestFailBackByAddress(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{})
	second := slapdtest.StartProxy(t, server.Address)
	_, port, err := net.SplitHostPort(second.Address)
	if err != nil {
		t.Fatal(err)
	}
	config := networks[0].config()
	config.InsecurePlaintext = true
	config.URLs = []string{"ldap://both.example:" + port}
	config.Resolver = zone{"both.example": {hostRecord("127.0.0.2"), hostRecord("127.0.0.1")}}.resolver(t)
	now := clock()
	config.Now = func() time.Time { return now }
	d := open(t, config)
	for range 4 { // nobody is at the first
		if err := login(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	first := slapdtest.StartProxyAt(t, "127.0.0.2:"+port, server.Address)
	now = now.Add(time.Second)
	before := second.Accepted.Load()
	for range 4 {
		if err := login(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if here, there := first.Accepted.Load(), second.Accepted.Load()-before; here != 3 || there != 0 { // two for searches, one for binds
		t.Errorf("%d connections came back, %d did not", here, there)
	}
}

// DNS alone does not say whose certificate is right.
func TestServiceRecordsTLS_RAUTH22(t *testing.T) {
	server := networks[0].slapd(t, slapdtest.Options{TLS: true})
	for name, c := range map[string]struct {
		host, serverName string
		good             bool
	}{
		"the certificate is of another host of the domain": {"ldap.example", "", false},
		"a host outside, whose certificate is good":        {"localhost", "", false},
		"the name is configured":                           {"localhost", "localhost", true},
	} {
		t.Run(name, func(t *testing.T) {
			config := networks[0].config()
			config.URLs, config.CA, config.ServerName = []string{"ldaps+srv://example"}, server.CA, c.serverName
			config.Resolver = zone{
				"_ldaps._tcp.example": {srvRecord(t, c.host, strings.TrimPrefix(server.SecureURL, "ldaps://"), 0)},
				c.host:                {hostRecord("127.0.0.1")},
			}.resolver(t)
			var ops counter
			config.Observe = ops.observe
			err := login(t.Context(), open(t, config))
			if sent := ops.take(); c.good != (err == nil) || !c.good && len(sent) != 0 {
				t.Errorf("%v, after %v", err, sent)
			}
		})
	}
}
