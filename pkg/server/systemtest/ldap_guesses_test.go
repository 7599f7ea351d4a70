package systemtest_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

// counting is a world whose directory is reached through a proxy that counts.
type counting struct {
	*world
	proxy *slapdtest.Proxy
}

// newCounting has somebody sign in to each process, so that the connections of
// the service account are there.
func newCounting(t *testing.T) counting {
	t.Helper()
	w := newServers(t, university, configuration)
	c := counting{w, slapdtest.StartProxy(t, w.slapd.Address)}
	through := strings.Replace(configuration, "${env:LOGE_LDAP_PLAIN_URL}", c.proxy.URL, 1)
	if err := os.WriteFile(w.file(), []byte(through), 0o600); err != nil {
		t.Fatal(err)
	}
	w.a, w.b = w.serve(t), w.serve(t)
	for _, at := range []*node{w.a, w.b} {
		for i := range 4 {
			w.try(t, at, 1000+i, "u.assist", password("u.assist")).arrived(callback, "code")
		}
	}
	return c
}

// sent is how many requests of a kind reached the directory meanwhile.
func (c counting) sent(tag ber.Tag, meanwhile func()) int {
	before := c.proxy.Requests(tag)
	meanwhile()
	return c.proxy.Requests(tag) - before
}

// R-AUTH-15, R-AUTH-10: 200 wrong passwords at once, at two processes and by
// every name of the account, are five tries; others beside it sign in.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	c := newCounting(t)
	names := []string{
		"elefevre", "ELEFEVRE", " elefevre", "elefevre ", "ＥＬＥＦＥＶＲＥ", "elodie.lefevre", "Elodie.Lefevre",
		"elodie.lefevre@etu.univ-valmont.example", "elefevre@univ-valmont.example", "Elefevre@Univ-Valmont.Example",
	}
	type door struct {
		b    *browser
		form form
	}
	var doors []door
	for i := range 200 {
		b := newBrowser(t, []*node{c.a, c.b}[i%2])
		b.from = fmt.Sprintf("192.0.2.%d", 1+i) // of one range
		doors = append(doors, door{b, b.get(newRequest("portal").url()).form().
			with(t, "username", names[i%len(names)]).with(t, "password", fmt.Sprint("guess ", i))})
	}
	binds := c.sent(goldap.ApplicationBindRequest, func() {
		var all sync.WaitGroup
		for _, d := range doors {
			all.Go(func() {
				if p := d.b.submit(d.form); p.status != http.StatusUnauthorized {
					t.Errorf("a guess: %d %q", p.status, p.title())
				}
			})
		}
		all.Wait()
	})
	if binds != 5 {
		t.Errorf("%d of 200 guesses reached the directory, want 5", binds)
	}
	for _, name := range names { // the right password of the guesser comes too late, by any of them
		b := newBrowser(t, c.a)
		b.from = "192.0.2.77"
		b.signIn(b.get("/login"), name, password("elefevre")).shows(http.StatusUnauthorized, "do not go together")
	}
	b := newBrowser(t, c.b)
	b.from = "192.0.2.77"
	b.signIn(b.get(newRequest("portal").url()), "fndiaye", password("fndiaye")).arrived(callback, "code")
}

// R-AUTH-01, R-AUTH-02: an empty password reaches no directory by any form, nor
// does one that some servers would cut short.
func TestNoPasswordReachesTheDirectory(t *testing.T) {
	t.Parallel()
	c := newCounting(t)
	signedIn := newBrowser(t, c.a)
	signedIn.signIn(signedIn.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	for what, login := range map[string]string{"OIDC": newRequest("portal").url(), "CAS": casLogin(casService), "our own": "/login"} {
		for _, empty := range []string{"", "\x00", password("fndiaye") + "\x00", "\x00" + password("fndiaye")} {
			binds := c.sent(goldap.ApplicationBindRequest, func() {
				b := newBrowser(t, c.b)
				b.signIn(b.get(login), "fndiaye", empty).shows(http.StatusUnauthorized, "do not go together")
			})
			if binds != 0 {
				t.Errorf("%s: %q reached the directory", what, empty)
			}
		}
	}
	searches := c.sent(goldap.ApplicationSearchRequest, func() {
		b := newBrowser(t, c.b)
		b.signIn(b.get("/login"), "fndiaye", "")
	})
	if searches != 0 {
		t.Errorf("%d searches for an empty password", searches)
	}
	change := signedIn.get("/account/password").form().with(t, "current", "").with(t, "password", "sept bateaux dans la brume")
	for _, request := range []ber.Tag{goldap.ApplicationBindRequest, goldap.ApplicationExtendedRequest, goldap.ApplicationModifyRequest} {
		sent := c.sent(request, func() {
			if p := signedIn.submit(change); p.status == http.StatusOK {
				t.Error("the password was changed without the one of before")
			}
		})
		if sent != 0 {
			t.Errorf("%d requests %d for a change without the password of before", sent, request)
		}
	}
}

// R-AUTH-04, R-AUTH-12: what is meant for the filter, and what only looks like
// a name, is an unknown name like another.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	field := regexp.MustCompile(`name="username" value="[^"]*"`) // what was typed comes back
	page := func(name string) (int, string) {
		b := newBrowser(t, w.a)
		p := b.signIn(b.get("/login"), name, password("elefevre"))
		state := p.form().values.Get("state")
		return p.status, field.ReplaceAllString(strings.ReplaceAll(p.body, state, "STATE"), "NAME")
	}
	status, want := page("nobody-at-all")
	for _, name := range []string{
		"*", "e*", "elefevr*", "admin)(|(uid=*", `\2a`, `\65lefevre`, "(", "elefevre)(objectClass=*", "&", "elefevre\x00",
		"ele\u200bfevre", "elefevre\u00ad", "\ufeffelefevre", "\u202eelefevre", "\u0435lefevre", "elefevr\u0435", "İmichel", "ımichel",
	} {
		got, body := page(name)
		if got != status {
			t.Errorf("%q: %d", name, got)
		}
		if diff := cmp.Diff(want, body); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}
