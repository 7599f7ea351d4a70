package registry_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas/registry"
)

func named(name string) sso.RelyingParty { return sso.RelyingParty{Name: name} }

func open(t testing.TB, services ...registry.Service) *registry.Registry {
	t.Helper()
	r, err := registry.New(services)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// finder is Find by names.
func finder(r *registry.Registry) func(url string) string {
	return func(url string) string {
		_, s := r.Find(url)
		if s == nil {
			return ""
		}
		return s.Name
	}
}

var registered = []registry.Service{
	{RelyingParty: named("Exact"), URL: "https://app.univ.example/"},
	{RelyingParty: named("Moodle"), Prefix: "https://moodle.example/cas"},
	{RelyingParty: named("Pattern"), Pattern: `https://(www\.)?ent\.example/[a-z]+/cas(\?.*)?`},
	{RelyingParty: named("Port"), Prefix: "https://port.example:8443/"},
	{RelyingParty: named("Six"), Prefix: "https://[2001:db8::1]/"},
	{RelyingParty: named("Four"), Prefix: "https://192.0.2.7/"},
	{RelyingParty: named("Try"), Loopback: true},
}

// whose are service URLs; the name says whose they are, empty nobody's.
var whose = []struct{ url, name string }{
	// url: one address, in any of its spellings
	{"https://app.univ.example/", "Exact"},
	{"https://app.univ.example", "Exact"},
	{"HTTPS://APP.Univ.example:443/", "Exact"},
	{"https://app.univ.example/#top", "Exact"},
	{"https://app.univ.example/x", ""},
	{"https://app.univ.example/?x", ""},
	{"https://app.univ.example//", ""},
	// prefix: ends where a segment ends
	{"https://moodle.example/cas", "Moodle"},
	{"https://moodle.example/cas/", "Moodle"},
	{"https://moodle.example/cas/login.php?a=/../b", "Moodle"},
	{"https://moodle.example/cas?a", "Moodle"},
	{"https://moodle.example/cas//x", "Moodle"},
	{"https://moodle.example/cas/élève", "Moodle"},
	{"https://moodle.example/cas2", ""},
	{"https://moodle.example/CAS", ""},
	{"https://moodle.example//cas", ""},
	{"https://moodle.example/", ""},
	{"https://moodle.example/cas%2fx", ""},
	{"https://moodle.example/cas;jsessionid=1/x", ""},
	{"https://port.example:8443/x", "Port"},
	{"https://port.example:08443/x", "Port"},
	{"https://port.example/x", ""},
	{"https://[2001:DB8:0::1]/", ""},
	{"https://[2001:db8::1]/x", "Six"},
	{"https://192.0.2.7/x", "Four"},
	{"https://192.0.2.07/x", ""},
	{"https://192.0.519/x", ""},
	// pattern: the whole of the URL
	{"https://ent.example/portal/cas", "Pattern"},
	{"https://www.ent.example/portal/cas?x=https://evil.example/", "Pattern"},
	{"https://ENT.example:443/portal/cas#x", "Pattern"},
	{"https://ent.example/portal/cas/more", ""},
	{"https://ent.example/Portal/cas", ""},
	{"https://entXexample/portal/cas", ""},
	{"https://wwwxent.example/portal/cas", ""},
	{"http://ent.example/portal/cas", ""},
	{"https://ent.example:8443/portal/cas", ""},
	{"https://evil.example/https://ent.example/portal/cas", ""},
	{"https://evil.example/?https://ent.example/portal/cas", ""},
	{"https://ent.example/?https://ent.example/portal/cas", ""},
	{"https://ent.example/portal/cas\n", ""},
	// loopback: any port, any path, either scheme
	{"http://127.0.0.1:9/app", "Try"},
	{"https://127.5.6.7/", "Try"},
	{"http://[::1]:9", "Try"},
	{"http://localhost:3000/x", "Try"},
	{"http://localhost.evil.example/", ""},
	{"http://127.0.0.1.evil.example/", ""},
	{"http://127.1/", ""},
	{"http://2130706433/", ""},
	{"http://0x7f.0.0.1/", ""},
	{"http://0.0.0.0/", ""},
	{"http://[::ffff:8.8.8.8]/", ""},
	{"http://[::1%25lo]/", ""},
	// R-CAS-07: another host, scheme, port or path that looks like it
	{"https://app.univ.example.evil.example/", ""},
	{"http://app.univ.example/", ""},
	{"https://app.univ.example:8443/", ""},
	{"https://app.univ.example:/", ""},
	{"https://app.univ.example:0/", ""},
	{"https://app.univ.example:99999/", ""},
	{"https://app.univ.example:４４３/", ""},
	{"https://app.univ.example@evil.example/", ""},
	{"https://user@app.univ.example/", ""},
	{"https://user:pw@app.univ.example/", ""},
	{"https://@app.univ.example/", ""},
	{"https://app.univ.example./", ""},
	{"https://evil.example/https://app.univ.example/", ""},
	{"https://evil.example\\@app.univ.example/", ""},
	{"https://evil.example\\.app.univ.example/", ""},
	{"https:\\\\app.univ.example/", ""},
	{"https://app.univ.example\\", ""},
	{"https:/app.univ.example/", ""},
	{"https:app.univ.example/", ""},
	{"https:///app.univ.example/", ""},
	{"//app.univ.example/", ""},
	{"/app", ""},
	{"", ""},
	{"https://", ""},
	{"https://?x", ""},
	{"https://:443/", ""},
	{"javascript://app.univ.example/%0aalert(1)", ""},
	{"data:text/html,x", ""},
	{"ftp://app.univ.example/", ""},
	{" https://app.univ.example/", ""},
	{"https://app.univ.example/ ", ""},
	{"https://app.univ.example/\r\nSet-Cookie: a=b", ""},
	{"https://app\t.univ.example/", ""},
	{"ht\ntps://app.univ.example/", ""},
	{"https://app.univ.example/\x00", ""},
	{"https://app.univ.example/\x7f", ""},
	{"https://app%2euniv.example/", ""},
	{"https://%61pp.univ.example/", ""},
	{"https://app.univ.example%00.evil.example/", ""},
	{"https://app.univ.example%5c.evil.example/", ""},
	{"https://ａpp.univ.example/", ""},
	{"https://app。univ.example/", ""},
	{"https://app.univ.example／evil", ""},
	{"https://app.univ.example\u2028/", ""},
	{"https://app.univ\u00ad.example/", ""},
	{"https://moodle.example/cas/../admin", ""},
	{"https://moodle.example/cas/%2e%2e/admin", ""},
	{"https://moodle.example/cas/.%2E/admin", ""},
	{"https://moodle.example/cas/..%2fadmin", ""},
	{"https://moodle.example/cas/..;/admin", ""},
	{"https://moodle.example/cas/..;x=y/admin", ""},
	{"https://moodle.example/cas/..%5cadmin", ""},
	{"https://moodle.example/cas?\\@evil.example/", ""},
	{"https://moodle.example/cas/%00", ""},
	{"https://moodle.example/cas/%0d%0aLocation:x", ""},
	{"https://moodle.example/cas/.", ""},
	{"https://moodle.example/cas/%zz", ""},
	{"https://moodle.example/cas/\xff", ""},
	{"https://moodle.example/cas/" + strings.Repeat("a", 5000), ""},
}

// R-CAS-07
func TestWhose(t *testing.T) {
	find := finder(open(t, registered...))
	for _, c := range whose {
		if got := find(c.url); got != c.name {
			t.Errorf("%q: %q, want %q", c.url, got, c.name)
		}
	}
}

// R52: the service that is registered with the most of the path, whatever the
// order of the configuration.
func TestClosest(t *testing.T) {
	services := []registry.Service{
		{RelyingParty: named("all"), Prefix: "https://a.example/"},
		{RelyingParty: named("one"), URL: "https://a.example/x/y"},
		{RelyingParty: named("some"), Prefix: "https://a.example/x/"},
		{RelyingParty: named("more"), Prefix: "https://a.example/x/y"},
		{RelyingParty: named("matching"), Pattern: `https://a\.example/x/.*\.php`},
		{RelyingParty: named("old"), Prefix: "http://b.example/", InsecureHTTP: true},
		{RelyingParty: named("bare"), Prefix: "https://c.example/x"},
		{RelyingParty: named("slash"), Prefix: "https://c.example/x/"},
	}
	for range services {
		services = append(services[1:], services[0])
		find := finder(open(t, services...))
		for url, name := range map[string]string{
			"https://a.example/": "all", "https://a.example/x": "all", "https://a.example/x/": "some", "https://a.example/x/z": "some",
			"https://a.example/x/z.php": "matching", "https://a.example/x/y": "one", "https://a.example/x/y/z": "more",
			"https://a.example/x/y?z": "more", "https://a.example/x/y/z.php": "more", "http://b.example/q": "old",
			"https://c.example/x": "bare", "https://c.example/x?y": "bare", "https://c.example/x/": "slash", "https://c.example/x/y": "slash",
		} {
			if got := find(url); got != name {
				t.Errorf("%s: %s, want %s", url, got, name)
			}
		}
	}
}

// many makes n services of every kind, of which half share a host.
func many(n int) []registry.Service {
	services := make([]registry.Service, n)
	for i := range services {
		s := &services[i]
		s.Name = fmt.Sprint("s", i)
		switch i % 5 {
		case 0:
			s.URL = fmt.Sprintf("https://h%d.example/login?cas=1", i)
		case 1:
			s.Prefix = fmt.Sprintf("https://h%d.example/app", i)
		case 2:
			s.Pattern = fmt.Sprintf(`https://shared\.example/a%d/[a-z]+/cas`, i)
		case 3:
			s.Prefix = fmt.Sprintf("https://shared.example/a%d", i)
		case 4:
			s.URL = fmt.Sprintf("https://shared.example/a%d/login", i)
		}
	}
	return services
}

// asked are the URLs of the first five services of many, and nobody's.
var asked = []string{
	"https://h0.example/login?cas=1", "https://h1.example/app/x/y", "https://shared.example/a2/portal/cas",
	"https://shared.example/a3/index.php?id=4", "https://shared.example/a4/login", "https://shared.example/none", "https://nobody.example/",
}

// Of 10,000 services no more are compared than of ten.
func TestTenThousand(t *testing.T) {
	few, lots := open(t, many(10)...), open(t, many(10_000)...)
	for i, url := range asked {
		if a, b := few.Candidates(url), lots.Candidates(url); a != b || b > 1 {
			t.Errorf("%s: %d compared of 10 services, %d of 10,000", url, a, b)
		}
		want := ""
		if i < 5 {
			want = fmt.Sprint("s", i)
		}
		if got := finder(lots)(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	// The least of several: the collector takes what is kept for reuse.
	least := func(r *registry.Registry) float64 {
		n := math.Inf(1)
		for range 100 {
			n = min(n, testing.AllocsPerRun(1, func() { r.Find(asked[2]) }))
		}
		return n
	}
	if a, b := least(few), least(lots); b != a {
		t.Errorf("%v allocations of 10 services, %v of 10,000", a, b)
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		r := open(b, many(n)...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Find(asked[i%len(asked)])
			}
		})
	}
}
