package registry_test

import (
	"testing"

	"github.com/loge-idp/loge/providers/cas/registry"
)

// R52: what is ignored is ignored at login and at validation alike, for the
// services that ask for it and no others.
func TestNormalise(t *testing.T) {
	const app = "https://app.example/app"
	for name, c := range map[string]struct {
		registry.Normalise
		same, other []string // than app
	}{
		"plain": {other: []string{app + "/", app + ";jsessionid=1", app + "?ticket=ST-1", "http://app.example/app", "https://www.app.example/app", app + "?x", app + "x"}},
		"stripJsessionid": {registry.Normalise{StripJSessionID: true},
			[]string{app + ";jsessionid=0A1B.node1", app + ";JSESSIONID=1", "https://app.example/app;jsessionid=1#x"},
			[]string{app + ";x=1", app + "?;jsessionid=1", app + ";jsessionid=1/x"}},
		"ignoreTrailingSlash": {registry.Normalise{IgnoreTrailingSlash: true},
			[]string{app + "/", app + "//"}, []string{app + "/x", "https://app.example//app"}},
		"ignoreTicket": {registry.Normalise{IgnoreTicket: true},
			[]string{app + "?ticket=ST-1", app + "?ticket=", app + "?ticket", app + "?%74icket=ST-1", app + "?ticket=ST-x%26service%3Dy", app + "?"},
			[]string{app + "?Ticket=1", app + "?tickets=1", app + "?a=ticket=1", app + "?ticket=1&x=2"}},
		"upgradeHTTP": {registry.Normalise{UpgradeHTTP: true},
			[]string{"http://app.example/app", "HTTP://app.example:80/app"}, []string{"http://app.example:8080/app", "http://app.example:443/app"}},
		"hosts": {registry.Normalise{Hosts: []string{"www.app.example", "app"}},
			[]string{"https://www.app.example/app", "https://APP/app"}, []string{"https://x.app.example/app", "http://app/app", "https://app:8443/app"}},
		"all": {registry.Normalise{StripJSessionID: true, IgnoreTrailingSlash: true, IgnoreTicket: true, UpgradeHTTP: true, Hosts: []string{"www.app.example"}},
			[]string{"http://www.app.example:80/app/;jsessionid=1?ticket=ST-1"}, []string{app + "/../app", "http://www.app.example/app/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, registry.Service{RelyingParty: named("App"), URL: app, Normalise: c.Normalise},
				registry.Service{RelyingParty: named("Other"), Loopback: true})
			find := finder(r)
			for _, url := range append(c.same, app) {
				if find(url) != "App" {
					t.Errorf("%s is not found", url)
				}
				if !r.Same(app, url) || !r.Same(url, app) {
					t.Errorf("%s is not the same", url)
				}
			}
			for _, url := range c.other {
				if got := find(url); got != "" {
					t.Errorf("%s is %s", url, got)
				}
				if r.Same(app, url) || r.Same(url, app) {
					t.Errorf("%s is the same", url)
				}
			}
		})
	}
	t.Run("pattern", func(t *testing.T) {
		find := finder(open(t, registry.Service{RelyingParty: named("App"), Pattern: `https://a\.example/[a-z]+`,
			Normalise: registry.Normalise{IgnoreTrailingSlash: true, UpgradeHTTP: true, StripJSessionID: true}}))
		if find("http://a.example/x;jsessionid=1/") != "App" || find("http://a.example/x/y") != "" {
			t.Error("a pattern is not matched on the normal form")
		}
	})
}

// Two URLs of one service are two all the same.
func TestSame(t *testing.T) {
	r := open(t, registered...)
	for _, c := range []struct {
		issued, validated string
		same              bool
	}{
		{"https://moodle.example/cas/x", "https://MOODLE.example:443/cas/x#y", true},
		{"https://moodle.example/cas/x", "https://moodle.example/cas/y", false},
		{"https://moodle.example/cas/x", "https://moodle.example/cas/x?", true},
		{"https://moodle.example/cas/x", "https://moodle.example/cas/x?y", false},
		{"https://moodle.example/cas/x", "http://moodle.example/cas/x", false},
		{"https://moodle.example/cas/x", "https://moodle.example/cas/../cas/x", false},
		{"https://nobody.example/", "https://nobody.example/", false},
		{"", "", false},
	} {
		if got := r.Same(c.issued, c.validated); got != c.same {
			t.Errorf("%s and %s: %v", c.issued, c.validated, got)
		}
	}
}

// Where the browser goes: as given, but never in the clear where the service
// is behind TLS, and not with two tickets.
func TestWayBack(t *testing.T) {
	for _, c := range []struct {
		registry.Normalise
		url, bare, with string
	}{
		{registry.Normalise{}, "https://a.example", "https://a.example", "https://a.example?ticket=T"},
		{registry.Normalise{}, "https://a.example/x?", "https://a.example/x?", "https://a.example/x?ticket=T"},
		{registry.Normalise{}, "HTTPS://A.example:443/x?y=1#z", "HTTPS://A.example:443/x?y=1#z", "HTTPS://A.example:443/x?y=1&ticket=T#z"},
		{registry.Normalise{}, "https://a.example/?ticket=1", "https://a.example/?ticket=1", "https://a.example/?ticket=1&ticket=T"},
		{registry.Normalise{IgnoreTicket: true}, "https://a.example/?ticket=1#?ticket=2", "https://a.example/#?ticket=2", "https://a.example/?ticket=T#?ticket=2"},
		{registry.Normalise{IgnoreTicket: true}, "https://a.example/?a=%20&ticket=1&b", "https://a.example/?a=%20&b", "https://a.example/?a=%20&b&ticket=T"},
		{registry.Normalise{UpgradeHTTP: true}, "http://a.example:80/x?u=http://b", "https://a.example/x?u=http://b", "https://a.example/x?u=http://b&ticket=T"},
		{registry.Normalise{UpgradeHTTP: true}, "http://a.example", "https://a.example", "https://a.example?ticket=T"},
		{registry.Normalise{StripJSessionID: true, IgnoreTrailingSlash: true}, "https://a.example/x;jsessionid=1/", "https://a.example/x;jsessionid=1/", "https://a.example/x;jsessionid=1/?ticket=T"},
	} {
		r := open(t, registry.Service{RelyingParty: named("A"), Prefix: "https://a.example/", Normalise: c.Normalise})
		a, s := r.Find(c.url)
		if s == nil {
			t.Errorf("%s is not found", c.url)
			continue
		}
		if a.String() != c.url || a.Bare() != c.bare || a.With("ticket", "T") != c.with {
			t.Errorf("%s: given %s\n bare %s, want %s\n with %s, want %s", c.url, a, a.Bare(), c.bare, a.With("ticket", "T"), c.with)
		}
	}
}

// R52: an operator sees what differs, and not what is ignored.
func TestDifference(t *testing.T) {
	r := open(t, registry.Service{RelyingParty: named("A"), Prefix: "https://a.example/", Normalise: registry.Normalise{StripJSessionID: true, UpgradeHTTP: true}})
	for _, c := range []struct {
		issued, validated, one, other string
		at                            int
	}{
		{"http://A.example/x;jsessionid=1?y", "https://a.example/x?z", "y", "z", 20},
		{"https://a.example/x", "https://a.example/x/", "", "/", 19},
		{"https://a.example/x?ticket=ST-1&a", "https://a.example/x?ticket=ST-2&b", "a", "b", 28},
		{"https://a.example/x", "https://b.example/x", "a.example/x", "b.example/x", 8},
		{"nonsense", "nonsense too", "", " too", 8},
	} {
		at, one, other := r.Difference(c.issued, c.validated)
		if at != c.at || one != c.one || other != c.other {
			t.Errorf("%s and %s: %d %q %q, want %d %q %q", c.issued, c.validated, at, one, other, c.at, c.one, c.other)
		}
	}
}
