package systemtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// kinds are those whom nobody must be able to tell apart, the first an account
// that is as it should be.
var kinds = []struct{ kind, login string }{
	{"active", "elefevre"}, {"unknown", "nobody-at-all"}, {"ambiguous", "two.people"}, {"closed", "pleroux"},
	{"locked", "tmoreau"}, {"without_address", "imichel"}, {"never_activated", "akone"},
}

// twoOfOneName gives two accounts the same alias.
func (w *world) twoOfOneName(t testing.TB) {
	t.Helper()
	conn, err := goldap.DialURL(w.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind("cn=root,"+fixtures.UniversitySuffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	for _, uid := range []string{"jdupont", "jdupont2"} {
		change := goldap.NewModifyRequest("uid="+uid+",ou=people,"+fixtures.UniversitySuffix, nil)
		change.Replace("supannAliasLogin", []string{"two.people"})
		if err := conn.Modify(change); err != nil {
			t.Fatal(err)
		}
	}
}

// alike is an answer without what was typed and without what differs by chance:
// the time, the values of cookies, and the sealed state but for its length.
type alike struct {
	Status int
	Header []string
	Body   string
	Cost   string // where it is compared
}

var (
	timeOfDay = regexp.MustCompile(`\d\d?:\d\d( [ap]m)?`)
	sealed    = regexp.MustCompile(`name="state" value="[^"]*"`)
	cookie    = regexp.MustCompile(`^([^=]+)=[^;]*`)
)

func (p *page) alike(login string) alike {
	a := alike{Status: p.status, Body: timeOfDay.ReplaceAllString(strings.ReplaceAll(p.body, login, "LOGIN"), "TIME")}
	a.Body = sealed.ReplaceAllStringFunc(a.Body, func(found string) string { return fmt.Sprint("state of ", len(found)) })
	for name, values := range p.header {
		for _, value := range values {
			if name == "Set-Cookie" {
				value = cookie.ReplaceAllString(value, "$1")
			}
			a.Header = append(a.Header, name+": "+value)
		}
	}
	slices.Sort(a.Header)
	return a
}

// stranger is a name that nobody has, as long as that of somebody.
func stranger(login string) string { return strings.Repeat("x", len(login)) }

// R35, R-REC-01: what is answered to somebody who asks for a way back in is the
// same for everybody, byte by byte, and so is what it asks of the store and of
// the directory meanwhile.
func TestNobodyIsTold(t *testing.T) {
	w := newServers(t, university, allWays)
	w.twoOfOneName(t)
	at := w.open(t)
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	told := func(login string) (all []alike) {
		forget(t, redis)
		b := newBrowser(t, at.node)
		var p *page
		for _, step := range []func() *page{
			func() *page { return b.submit(b.get("/recover").form().with(t, "username", login)) },
			func() *page {
				again := p.form()
				again.values.Set("resend", "yes")
				return b.submit(again)
			},
			func() *page { return b.submit(b.get("/activate").form().with(t, "username", login)) },
		} {
			cost := at.during(func() { p = step() })
			answer := p.alike(login)
			answer.Cost = fmt.Sprintf("%+v", cost)
			all = append(all, answer)
		}
		return all
	}
	told("warm up") // scripts, connections
	for _, who := range kinds {
		if diff := cmp.Diff(told(stranger(who.login)), told(who.login)); diff != "" {
			t.Errorf("%s: %s", who.kind, diff)
		}
	}
}

// R35, R-AUTH-14: a wrong password, a wrong code and a wrong fact are answered
// with the same bytes whoever it is about, and none before the time is over in
// which the cause can be found.
func TestWrongAnswersAreAlike(t *testing.T) {
	const floor = 300 * time.Millisecond // that of login.Flow
	w := newServers(t, university, allWays)
	w.twoOfOneName(t)
	at := w.open(t)
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	told := func(login string) map[string]alike {
		forget(t, redis)
		pages, failed := make([]*page, len(inquiries)), make([]error, len(inquiries))
		var all sync.WaitGroup
		for i, q := range inquiries {
			r := q.about(newBrowser(t, at.node), login)
			all.Go(func() {
				began := time.Now()
				answer, err := at.client.Do(r)
				if took := time.Since(began); err == nil && q.wrong && took < floor {
					err = fmt.Errorf("answered after %v already", took)
				}
				if failed[i] = err; err == nil {
					pages[i] = read(t, answer)
				}
			})
		}
		all.Wait()
		answers := map[string]alike{}
		for i, q := range inquiries {
			if failed[i] != nil {
				t.Fatalf("%s, %s: %v", q.name, login, failed[i])
			}
			answers[q.name] = pages[i].alike(login)
		}
		return answers
	}
	for _, who := range kinds {
		if diff := cmp.Diff(told(stranger(who.login)), told(who.login)); diff != "" {
			t.Errorf("%s: %s", who.kind, diff)
		}
	}
}

var (
	cases = regexp.MustCompile(`(?m)^\| (R-REC-\d+|R\d+|F\d+)[^|]*\|(.*)\|$`)
	// ours are the cases of recovery among all.
	ours   = regexp.MustCompile(`^(R-REC-\d+|R[1-7]|R2\d|R3\d|R4\d)$`)
	folder = regexp.MustCompile("`((?:pkg|providers)/[^`]+)`")
	named  = regexp.MustCompile("`((?:Test|Benchmark)[A-Za-z0-9_]+)`")
)

// Every case of the battery and every requirement of recovery has a test, and
// the tables name those there are.
func TestRecoveryConformance(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("../../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	listed := map[string]bool{}
	for _, line := range cases.FindAllStringSubmatch(read("recovery-conformance.md"), -1) {
		for part := range strings.SplitSeq(line[2], ";") {
			where := folder.FindStringSubmatch(part)
			tests := named.FindAllStringSubmatch(part, -1)
			if where == nil || len(tests) == 0 {
				t.Errorf("%s: %q names no test", line[1], part)
				continue
			}
			there := sources(t, where[1])
			for _, test := range tests {
				if !strings.Contains(there, "\nfunc "+test[1]+"(") {
					t.Errorf("%s: there is no %s in %s", line[1], test[1], where[1])
				}
			}
		}
		listed[line[1]] = true
	}
	for _, line := range cases.FindAllStringSubmatch(read("requirements.md"), -1) {
		if ours.MatchString(line[1]) && !listed[line[1]] {
			t.Errorf("%s has no test in docs/recovery-conformance.md", line[1])
		}
	}
}

// sources are the tests of a package.
func sources(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
