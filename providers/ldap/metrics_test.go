package ldap_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/metrics/metricstest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	goldap "github.com/go-ldap/ldap/v3"
)

func measured(t *testing.T, d directory.Directory) metricstest.Samples {
	t.Helper()
	page := metrics.NewPage()
	d.(metrics.Source).Measure(t.Context(), page)
	got, err := metricstest.Read(page)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// What is counted is what was done, and the connections that are told are the
// ones that are open, until the last is closed.
func TestMeasure(t *testing.T) {
	provider := slapdtest.StartProxy(t, networks[0].slapd(t, slapdtest.Options{}).Address)
	config := networks[0].config()
	config.URLs, config.Timeout = []string{provider.URL}, plugin.Duration(time.Second)
	config.Pool = ldap.Pool{Searches: 1, Binds: 2}
	now := clock()
	config.Now = func() time.Time { return now }
	d, err := config.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := login(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_ = d.Authenticate(t.Context(), a, secret.New("wrong"))
	got := measured(t, d)
	for sample, want := range map[string]float64{
		`loge_ldap_operations_total{operation="search",result="ok"}`:    21,
		`loge_ldap_operations_total{operation="bind",result="ok"}`:      21, // one of the service account
		`loge_ldap_operations_total{operation="bind",result="refused"}`: 1,
		`loge_ldap_callers{pool="binds",state="served"}`:                0,
		`loge_ldap_callers{pool="binds",state="waiting"}`:               0,
		`loge_ldap_places{pool="binds"}`:                                2,
		`loge_ldap_shed_total{pool="binds"}`:                            0,
	} {
		if got[sample] != want {
			t.Errorf("%s: %g, want %g", sample, got[sample], want)
		}
	}
	if n := got.Sum("loge_ldap_connections", `pool="searches"`); n != 1 {
		t.Errorf("%g connections for searches", n)
	}
	if n, open := got.Sum("loge_ldap_connections"), float64(provider.Accepted.Load()); n != open || n > 3 {
		t.Errorf("%g connections are told, the server has %g", n, open)
	}

	provider.Becomes(slapdtest.Refuses)
	provider.Cut()
	for range 3 {
		unavailable(t, "Find", login(t.Context(), d))
		now = now.Add(time.Second)
	}
	got = measured(t, d)
	if n := got.Sum("loge_ldap_failures_in_row"); n < 3 {
		t.Errorf("%g failures in a row after three", n)
	}
	if n := got.Sum("loge_ldap_operations_total", `result="failed"`); n < 1 {
		t.Error("no operation failed")
	}
	provider.Becomes(slapdtest.Honest)
	if err := login(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if n := measured(t, d).Sum("loge_ldap_failures_in_row"); n != 0 {
		t.Errorf("%g failures in a row after an answer", n)
	}
	if err := d.(interface{ Close() error }).Close(); err != nil {
		t.Fatal(err)
	}
	for measured(t, d).Sum("loge_ldap_connections") != 0 { // they are closed beside
		runtime.Gosched()
	}
}

// A load that is shed is counted, and who waits is seen.
func TestMeasureShed(t *testing.T) {
	config := networks[0].config()
	enough := make(chan struct{})
	silent := startFake(t, answers{goldap.ApplicationBindRequest: func(int64) []byte { <-enough; return nil }})
	config.URLs, config.Timeout = []string{silent.url}, plugin.Duration(time.Minute)
	config.Pool = ldap.Pool{Binds: 1}
	d := open(t, config)
	ctx, leave := context.WithCancel(t.Context())
	try := func() error {
		return d.Authenticate(ctx, account.Account{Handle: "uid=x,dc=y"}, secret.New("x"))
	}
	var all sync.WaitGroup
	for range 1 + 16 {
		all.Go(func() { _ = try() })
	}
	for got := measured(t, d); got[`loge_ldap_callers{pool="binds",state="served"}`] != 1 || got[`loge_ldap_callers{pool="binds",state="waiting"}`] != 16; {
		got = measured(t, d)
	}
	for range 5 {
		unavailable(t, "one too many", try())
	}
	if n := measured(t, d)[`loge_ldap_shed_total{pool="binds"}`]; n != 5 {
		t.Errorf("%g were shed, want 5", n)
	}
	leave()
	close(enough)
	all.Wait()
}
