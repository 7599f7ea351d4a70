package systemtest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

var timeOfDay = regexp.MustCompile(`\d\d?:\d\d( [ap]m)?`)

// R35, R-REC-01: what is answered to somebody who asks for a way back in, or
// types a wrong code or password, is the same for everybody, and so is what it
// asks of the store and of the directory meanwhile.
func TestNobodyIsTold(t *testing.T) {
	w := newServers(t, university, configuration)
	w.twoOfOneName(t)
	at := w.open(t)
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	type seen struct {
		Status int
		Body   string
		Cost   string
	}
	want := map[string]seen{}
	for warm := range 2 {
		for _, who := range kinds {
			forget(t, redis)
			b := newBrowser(t, at.node)
			var p *page
			for _, step := range []struct {
				name string
				do   func() *page
			}{
				{"asking for a way back in", func() *page {
					return b.submit(b.get("/recover").form().with(t, "username", who.login))
				}},
				{"a wrong code", func() *page { return b.submit(p.form().with(t, "code", "000000")) }},
				{"asking again", func() *page {
					again := p.form()
					again.values.Set("resend", "yes")
					return b.submit(again)
				}},
				{"a code typed elsewhere", func() *page {
					return b.submit(b.get("/code").form().with(t, "username", who.login).with(t, "code", "000000"))
				}},
				{"a first sign-in", func() *page {
					return b.submit(b.get("/activate").form().with(t, "username", who.login))
				}},
				{"a wrong password", func() *page { return b.signIn(b.get("/login"), who.login, "not the password") }},
			} {
				cost := at.during(func() { p = step.do() })
				got := seen{p.status, timeOfDay.ReplaceAllString(strings.ReplaceAll(p.body, who.login, "LOGIN"), "TIME"), fmt.Sprintf("%+v", cost)}
				if step.name == "a wrong password" {
					got.Body = strings.ReplaceAll(got.Body, p.form().values.Get("state"), "STATE")
					got.Cost = fmt.Sprint(cost.redis, cost.hops) // the bind has its own bound: login.Flow.Floor
				}
				if warm == 0 {
					continue // connections
				}
				if who.kind == "active" {
					want[step.name] = got
				}
				if diff := cmp.Diff(want[step.name], got); diff != "" {
					t.Errorf("%s, %s: %s", step.name, who.kind, diff)
				}
			}
		}
	}
	for name, s := range want {
		t.Logf("%s: %d, %s", name, s.Status, s.Cost)
	}
}

// BenchmarkWhoever reports, for each kind of account, the median and the 95th
// percentile of the durations of one request for a way back in, and of one
// wrong password, the kinds taken in turn: run it with -benchtime 200x on a
// machine that does nothing else, and compare (requirement R35).
func BenchmarkWhoever(b *testing.B) {
	w := newServers(b, university, configuration)
	w.twoOfOneName(b)
	at := w.open(b)
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	for page, fields := range map[string][]string{"/recover": nil, "/login": {"password", "not the password"}} {
		b.Run(page[1:], func(b *testing.B) {
			took := map[string][]time.Duration{}
			for b.Loop() {
				if err := redis.FlushAll(b.Context()).Err(); err != nil {
					b.Fatal(err)
				}
				for _, who := range kinds {
					browser := newBrowser(b, at.node)
					form := browser.get(page).form().with(b, "username", who.login)
					for i := 0; i < len(fields); i += 2 {
						form.with(b, fields[i], fields[i+1])
					}
					began := time.Now()
					browser.do(http.MethodPost, form.action, form.values)
					took[who.kind] = append(took[who.kind], time.Since(began))
				}
			}
			for kind, all := range took {
				slices.Sort(all)
				for name, at := range map[string]int{"median": len(all) / 2, "p95": len(all) * 95 / 100} {
					b.ReportMetric(float64(all[at].Microseconds())/1000, kind+"_"+name+"_ms")
				}
			}
		})
	}
}

var (
	cases  = regexp.MustCompile(`(?m)^\| (R-REC-\d+) \|(.*)\|$`)
	folder = regexp.MustCompile("`((?:pkg|providers)/[^`]+)`")
	named  = regexp.MustCompile("`((?:Test|Benchmark)[A-Za-z]+)`")
)

// Every case of the battery has a test, and the table names those there are.
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
		if !listed[line[1]] {
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
