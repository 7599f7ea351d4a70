package systemtest_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// tandem is a world whose directory is a provider and a replica that follows
// it, each reached through a proxy.
type tandem struct {
	*world
	provider, replica *slapdtest.Proxy
	stream            *slapdtest.Proxy // by which the replica follows
	copied            *slapdtest.Server
}

func newTandem(t *testing.T) *tandem {
	t.Helper()
	o := slapdtest.Options{Schema: fixtures.Schema, Index: fixtures.Index, Trees: []slapdtest.Tree{university}, Provides: true}
	provides := slapdtest.Start(t, o)
	stream := slapdtest.StartProxy(t, provides.Address)
	o.Provides, o.CopyOf = false, stream.URL
	copied := slapdtest.Start(t, o)
	d := &tandem{provider: slapdtest.StartProxy(t, provides.Address), replica: slapdtest.StartProxy(t, copied.Address), stream: stream, copied: copied}
	d.world = newServers(t, university, strings.Replace(configuration,
		`urls: ["${env:LOGE_LDAP_PLAIN_URL}"]`, `urls: ["`+d.provider.URL+`"]`+"\n  replicas: [\""+d.replica.URL+`"]`, 1))
	d.a, d.b = d.serve(t), d.serve(t)
	eventually(t, "the replica has nobody", func() bool { return d.copyTakes("elefevre", password("elefevre")) })
	return d
}

// copyTakes asks the replica itself whether a password is right.
func (d *tandem) copyTakes(uid, password string) bool {
	conn, err := goldap.DialURL(d.copied.URL)
	if err != nil {
		return false
	}
	defer conn.Close()
	return conn.Bind("uid="+uid+",ou=people,"+fixtures.UniversitySuffix, password) == nil
}

// proved goes the way of a forgotten password up to the form for a new one.
func (w *world) proved(t *testing.T, b *browser, uid, address string) form {
	t.Helper()
	b.submit(b.get("/recover").form().with(t, "username", uid)).shows(http.StatusOK, "Code")
	return b.submit(b.get(link(t, w.reset(t, address, 0))).form()).shows(http.StatusOK, "Choose").form()
}

// try signs in from an address that nobody else has: tries are counted by it.
// A machine that is too busy to answer asks them to come back, and they do.
func (w *world) try(t *testing.T, at *node, i int, uid, password string) (p *page) {
	for range 20 {
		b := newBrowser(t, at)
		b.from = fmt.Sprintf("10.%d.%d.1", i/250, i%250)
		if p = b.signIn(b.get(newRequest("portal").url()), uid, password); p.status != http.StatusServiceUnavailable {
			break
		}
	}
	return p
}

// F-LDAP-04: the replica hears of every change 30 s late. After a reset the new
// password is right and the old one wrong at once, in both processes: 1,000 of
// 1,000.
func TestReplicaLags(t *testing.T) {
	t.Parallel()
	d := newTandem(t)
	d.stream.Lag(30 * time.Second)
	const each = 100
	chosen := "sept bateaux dans la brume"
	var right, wrong atomic.Int64
	people := map[string]string{
		"elefevre": "elodie.l@example.org", "jdupont": "jd1@example.org", "jdupont2": "jd2@example.net", "mdelatour": "mala@example.org",
		"sobriain": "sean@example.com", "cpetitleroy": "camille@example.org", "suharto": "suharto@example.com",
		"moeuvrard": "maelle@example.org", "fbadge": "felix@example.org", "u.assist": "nora@example.org",
	}
	for uid, address := range people {
		b := newBrowser(t, d.a)
		b.submit(d.proved(t, b, uid, address).with(t, "password", chosen)).shows(http.StatusOK, "Your password ")
		var all sync.WaitGroup
		for i := range each {
			all.Go(func() {
				at := []*node{d.a, d.b}[i%2]
				if p := d.try(t, at, i, uid, chosen); p.location() != nil {
					right.Add(1)
				} else {
					t.Logf("%s with the new password: %d %q", uid, p.status, p.title())
				}
				if d.try(t, at, i, uid, password(uid)).status == http.StatusUnauthorized {
					wrong.Add(1)
				}
			})
			if i%20 == 19 { // as many at once
				all.Wait()
			}
		}
		if !d.copyTakes(uid, password(uid)) {
			t.Fatalf("the replica does not lag: it knows the new password of %s", uid)
		}
	}
	if n := int64(len(people) * each); right.Load() != n || wrong.Load() != n {
		t.Errorf("the new password was right %d times and the old one wrong %d times, of %d", right.Load(), wrong.Load(), n)
	}
	d.stream.Lag(0)
	eventually(t, "the replica never heard of the changes", func() bool { return d.copyTakes("elefevre", chosen) })
}

// F-LDAP-06: without the provider people sign in, by what the replica knows. A
// new password is for later, and then the same form sets it.
func TestProviderIsDown(t *testing.T) {
	for name, mood := range map[string]slapdtest.Mood{"refuses": slapdtest.Refuses, "silent": slapdtest.Silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTandem(t)
			person := newBrowser(t, d.a)
			choose := d.proved(t, person, "jdupont", "jd1@example.org").with(t, "password", "sept bateaux dans la brume")

			d.provider.Becomes(mood)
			for i, at := range []*node{d.a, d.b, d.a} {
				d.try(t, at, i, "elefevre", password("elefevre")).arrived(callback, "code")
			}
			later := person.on(d.b).submit(choose).shows(http.StatusServiceUnavailable, "The service is not answering")
			if later.header.Get("Retry-After") == "" {
				t.Error("it does not say when")
			}
			d.provider.Becomes(slapdtest.Honest)
			d.provider.Cut() // what was swallowed does not come back
			eventually(t, "no new password after the provider came back", func() bool { return person.submit(choose).status == http.StatusOK })
			d.try(t, d.b, 1, "jdupont", "sept bateaux dans la brume").arrived(callback, "code")
		})
	}
}

// F-LDAP-01: when all servers refuse it is said within 3 s, the same to
// everybody, and held against nobody; who is signed in goes on.
func TestAllServersRefuse(t *testing.T) {
	t.Parallel()
	const promise = 3 * time.Second
	d := newTandem(t)
	signedIn := newBrowser(t, d.b)
	signedIn.signIn(signedIn.get("/login"), "fndiaye", password("fndiaye")).shows(http.StatusOK, "You are signed in")

	d.provider.Becomes(slapdtest.Refuses)
	d.replica.Becomes(slapdtest.Refuses)
	b := newBrowser(t, d.a)
	pages := map[string]bool{}
	// That of the line in the log is each one's own.
	reference := regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}`)
	for i := range 4 * 5 { // four times what is free
		for _, uid := range []string{"elefevre", "nobody-at-all", "tmoreau"} {
			form := b.get(newRequest("portal").url())
			began := time.Now()
			p := b.signIn(form, uid, "wrong")
			if took := time.Since(began); took > promise {
				t.Errorf("attempt %d of %s took %v", i, uid, took)
			}
			pages[reference.ReplaceAllString(p.shows(http.StatusServiceUnavailable, "The service is not answering").text(), "")] = true
			if p.header.Get("Retry-After") == "" {
				t.Error("it does not say when")
			}
		}
	}
	if len(pages) != 1 {
		t.Errorf("different pages: %v", slices.Collect(maps.Keys(pages)))
	}
	signedIn.get(newRequest("portal").url()).arrived(callback, "code")

	d.provider.Becomes(slapdtest.Honest)
	d.replica.Becomes(slapdtest.Honest)
	eventually(t, "no login after the servers came back", func() bool {
		return b.signIn(b.get(newRequest("portal").url()), "fndiaye", password("fndiaye")).location() != nil
	})
	b = newBrowser(t, d.a)
	for range 4 { // all the errors that are free are left
		b.signIn(b.get("/login"), "elefevre", "wrong").shows(http.StatusUnauthorized, "do not go together")
	}
	b.signIn(b.get(newRequest("portal").url()), "elefevre", password("elefevre")).arrived(callback, "code")
}

// F-LDAP-03: the kept connections of both processes are forgotten on the way.
// Nobody of the next 100 hears of it.
func TestKeptConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	d := newTandem(t)
	together := func() int64 {
		var all sync.WaitGroup
		var in atomic.Int64
		for i := range 100 {
			all.Go(func() {
				if p := d.try(t, []*node{d.a, d.b}[i%2], i, "elefevre", password("elefevre")); p.location() != nil {
					in.Add(1)
				}
			})
		}
		all.Wait()
		return in.Load()
	}
	if n := together(); n != 100 {
		t.Fatalf("%d of 100 signed in on a good day", n)
	}
	d.provider.Forget()
	if n := together(); n != 100 {
		t.Errorf("%d of 100 signed in", n)
	}
	if d.provider.Swallowed.Load() == 0 {
		t.Error("there was no kept connection to be forgotten")
	}
}
