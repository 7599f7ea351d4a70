package systemtest_test

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/standard"
)

// cost is what an operation asks of others.
type cost struct{ redis, searches, binds, writes, hops int64 }

func (c cost) String() string {
	return fmt.Sprintf("%d\t%s\t%d", c.redis, operations(c), c.hops)
}

func operations(c cost) string {
	var all []string
	for _, each := range []struct {
		n    int64
		what string
	}{{c.searches, "search"}, {c.binds, "bind"}, {c.writes, "write"}} {
		if each.n > 0 {
			all = append(all, fmt.Sprint(each.n, " ", each.what))
		}
	}
	return cmp.Or(strings.Join(all, " + "), "0")
}

func (c cost) within(budget cost) bool {
	return c.redis <= budget.redis && c.searches <= budget.searches && c.binds <= budget.binds && c.writes <= budget.writes && c.hops <= budget.hops
}

// counted is a server in this process that counts its own round trips.
type counted struct {
	*node
	handler                              http.Handler
	redis, searches, binds, writes, hops atomic.Int64
	allocations                          atomic.Int64 // of the handler
}

// open opens the configuration of a world in this process. No worker runs, so
// that only requests are counted.
func (w *world) open(t testing.TB) *counted {
	t.Helper()
	for _, variable := range w.environment() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	c := &counted{}
	plugins := standard.Plugins()
	plugins.Stores["redis"] = func() plugin.Config[store.Store, struct{}] {
		return &redis.Config{Observe: func(int) { c.redis.Add(1) }}
	}
	plugins.Directories["ldap"] = func() plugin.Config[directory.Directory, directory.Env] {
		return &ldap.Config{Observe: c.observe}
	}
	config, err := server.Load(w.file())
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Open(t.Context(), config, plugins, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c.handler = s.Handler()
	c.node = &node{url: issuer, client: &http.Client{Transport: c,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	return c
}

// RoundTrip calls the handler and counts what happens meanwhile.
func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.hops.Add(1)
	asked := r.Clone(r.Context())
	asked.RequestURI, asked.RemoteAddr, asked.Host = r.URL.RequestURI(), "127.0.0.1:1", r.URL.Host
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.handler.ServeHTTP(answer, asked)
	runtime.ReadMemStats(&after)
	c.allocations.Add(int64(after.Mallocs - before.Mallocs))
	response := answer.Result()
	response.Request = r
	return response, nil
}

func (c *counted) observe(operation string) {
	switch operation {
	case "search":
		c.searches.Add(1)
	case "bind":
		c.binds.Add(1)
	default:
		c.writes.Add(1)
	}
}

// during returns what a step costs.
func (c *counted) during(step func()) cost {
	for _, n := range []*atomic.Int64{&c.redis, &c.searches, &c.binds, &c.writes, &c.hops} {
		n.Store(0)
	}
	step()
	return cost{c.redis.Load(), c.searches.Load(), c.binds.Load(), c.writes.Load(), c.hops.Load()}
}

// journey is one person's way through every kind of work, each step leaving
// behind what the next needs.
type journey struct {
	t      testing.TB
	at     *counted
	b      *browser
	ask    request
	form   *page
	code   string
	tokens tokens
	ticket string
}

// work is the table of the design: what each kind of work may cost.
func (j *journey) work() []struct {
	name   string
	budget cost
	step   func()
} {
	t := j.t
	none := func(path string) func() {
		return func() { newBrowser(t, j.at.node).get(path).shows(http.StatusOK, "") }
	}
	return []struct {
		name   string
		budget cost
		step   func()
	}{
		{"discovery", cost{hops: 1}, none("/.well-known/openid-configuration")},
		{"JWKS", cost{hops: 1}, none("/oidc/keys")},
		{"static", cost{hops: 1}, none(j.stylesheet())},
		{"authorize without a session", cost{hops: 1}, func() { j.form = j.b.get(j.ask.url("scope", "openid profile email offline_access")) }},
		{"password posted, up to the code", cost{redis: 2, searches: 1, binds: 1, hops: 1}, func() {
			j.code = j.b.signIn(j.form, "elefevre", password("elefevre")).arrived(callback, "code")
		}},
		{"code to tokens", cost{redis: 2, searches: 1, hops: 1}, func() { j.redeem() }},
		{"authorize with a session", cost{redis: 2, hops: 1}, func() { j.code = j.b.get(j.ask.url()).arrived(callback, "code") }},
		{"code to tokens, of a session", cost{redis: 2, searches: 1, hops: 1}, func() { j.redeem() }},
		{"refresh", cost{redis: 1, searches: 1, hops: 1}, func() {
			j.tokens = j.at.token(t, "portal", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {j.tokens.Refresh}})
		}},
		{"userinfo", cost{redis: 1, searches: 1, hops: 1}, func() {
			if j.at.userinfo(t, j.tokens.Access) == nil {
				t.Error("userinfo refuses")
			}
		}},
		{"introspection", cost{redis: 1, searches: 1, hops: 1}, func() { j.introspect() }},
		{"CAS login with a session", cost{redis: 2, hops: 1}, func() { j.ticket = j.b.get(casLogin(casService)).arrived(casService, "ticket") }},
		{"serviceValidate", cost{redis: 1, searches: 1, hops: 1}, func() { j.validate() }},
		{"CAS login without a session", cost{hops: 1}, func() {
			j.b = newBrowser(t, j.at.node)
			j.form = j.b.get(casLogin(casService))
		}},
		{"password posted, up to the ticket", cost{redis: 2, searches: 1, binds: 1, hops: 1}, func() {
			j.ticket = j.b.signIn(j.form, "elefevre", password("elefevre")).arrived(casService, "ticket")
		}},
		{"serviceValidate after it", cost{redis: 1, searches: 1, hops: 1}, func() { j.validate() }},
	}
}

func (j *journey) redeem() {
	j.tokens = j.ask.redeem(j.t, j.at.node, j.code)
	if j.tokens.Status != http.StatusOK {
		j.t.Errorf("the code was not taken: %+v", j.tokens)
	}
}

func (j *journey) validate() {
	if got := j.at.validate(j.t, casService, j.ticket); got.Response.Success.User != "elefevre" {
		j.t.Errorf("%+v", got)
	}
}

func (j *journey) introspect() {
	r, err := http.NewRequest(http.MethodPost, issuer+"/oidc/introspect", strings.NewReader("token="+url.QueryEscape(j.tokens.Access)))
	if err != nil {
		j.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("portal", clientSecret)
	answer, err := j.at.client.Do(r)
	if err != nil {
		j.t.Fatal(err)
	}
	if p := read(j.t, answer); !strings.Contains(p.body, `"active":true`) {
		j.t.Errorf("introspection: %d %s", p.status, p.body)
	}
}

// stylesheet is the address of a static file.
func (j *journey) stylesheet() string {
	body := newBrowser(j.t, j.at.node).get("/login").body
	_, rest, _ := strings.Cut(body, `<link rel="stylesheet" href="`)
	address, _, found := strings.Cut(rest, `"`)
	if !found {
		j.t.Fatal("the login page has no stylesheet")
	}
	return address
}

// The round trips of "Speed by design". The first journey warms up: scripts,
// connections.
func TestRoundTrips(t *testing.T) {
	w := newServers(t, university, configuration)
	at := w.open(t)
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "work\tRedis\tdirectory\thops\t|\tat most: Redis\tdirectory\thops")
	for warm := range 2 {
		j := &journey{t: t, at: at, b: newBrowser(t, at.node), ask: newRequest("portal")}
		for _, kind := range j.work() {
			got := at.during(kind.step)
			if warm == 0 {
				continue
			}
			fmt.Fprintf(columns, "%s\t%v\t|\t%v\n", kind.name, got, kind.budget)
			if !got.within(kind.budget) {
				t.Errorf("%s costs more than it may: %+v, at most %+v", kind.name, got, kind.budget)
			}
		}
	}
	columns.Flush()
	t.Log("\n" + table.String())
}

// Who has not logged in leaves nothing behind, however often they ask.
func TestAFloodOfStrangersFillsNothing(t *testing.T) {
	w := newServers(t, university, configuration)
	at := w.open(t)
	b := newBrowser(t, at.node)
	b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	client := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer client.Close()
	size := func() int64 {
		n, err := client.DBSize(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := size()
	if before == 0 {
		t.Fatal("somebody signed in, and there is nothing in Redis")
	}
	got := at.during(func() {
		for i := range 5000 {
			for _, address := range []string{newRequest("portal").url(), casLogin(fmt.Sprintf("%s?n=%d", casService, i))} {
				answer, err := at.client.Get(address)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Fatalf("%s: %d", address, answer.StatusCode)
				}
			}
		}
	})
	if after := size(); after != before {
		t.Errorf("%d keys before, %d after", before, after)
	}
	if got != (cost{hops: 10000}) {
		t.Errorf("strangers cost %+v", got)
	}
}
