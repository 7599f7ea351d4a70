package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/metrics/metricstest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/providers/memory"
)

func (w *world) metrics(t *testing.T, h http.Handler) metricstest.Samples {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	got, err := metricstest.Parse(answer.Body.String())
	if err != nil {
		t.Fatalf("%v:\n%s", err, answer.Body)
	}
	for _, personal := range []string{"elefevre", "typed-by-somebody", "127.0.0.1", "192.0.2"} {
		if strings.Contains(answer.Body.String(), personal) {
			t.Errorf("%s is told:\n%s", personal, answer.Body)
		}
	}
	return got
}

// R-WEB-21: the numbers and the readiness are on a listener of their own, and
// nowhere else.
func TestRWEB21(t *testing.T) {
	w := newWorld(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	w.config.Metrics = server.Metrics{Listen: at}
	w.store.Store = idle{}
	s := w.open(t)
	for _, path := range []string{"/metrics", "/readyz"} {
		if code := status(s.Handler(), path); code != http.StatusNotFound {
			t.Errorf("public %s: %d", path, code)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, s.Handler()) }()
	for listening := false; !listening; { // until Run has come so far
		var c net.Conn
		if c, err = net.Dial("tcp", at); err == nil {
			listening = true
			c.Close()
		} else if len(ended) > 0 {
			t.Fatal(<-ended)
		}
	}
	for path, want := range map[string]int{"/metrics": 200, "/readyz": 200, "/login": 404, "/debug/pprof/": 404, "/": 404} {
		answer, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("aside %s: %d, want %d", path, answer.StatusCode, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", at); err == nil {
		c.Close()
		t.Error("still listening after Run")
	}
}

func TestMetricsListener(t *testing.T) {
	w := newWorld(t)
	if code := status(w.open(t).Handler(), "/metrics"); code != http.StatusNotFound {
		t.Errorf("off: %d", code)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w.config.Metrics.Listen = taken.Addr().String()
	if err := w.open(t).Run(t.Context(), taken, nil); err == nil || !strings.HasPrefix(err.Error(), "metrics.listen: ") {
		t.Errorf("an address in use: %v", err)
	}
	for _, wrong := range []string{"9090", "127.0.0.1:8080"} {
		w.config.Metrics.Listen = wrong
		if _, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "metrics.listen: must be") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

var stateField = regexp.MustCompile(`name="state" value="([^"]*)"`)

// What is counted is what was done.
func TestNumbers(t *testing.T) {
	w := newWorld(t)
	stored, err := (&memory.StoreConfig{}).Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	w.store.Store = stored
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Issuer = "http://" + listener.Addr().String()
	w.config.Directory = plugin.Section(`{"type": "memory", "fixtures": ["university"]}`)
	s := w.open(t)
	web := httptest.NewUnstartedServer(s.Handler())
	web.Listener.Close()
	web.Listener = listener
	web.Start()
	defer web.Close()
	before := w.metrics(t, s.Metrics())
	for _, try := range []struct{ who, password string }{{"elefevre", "Valmont-elefevre-2026"}, {"elefevre", "wrong"}, {"typed-by-somebody", "x"}} {
		jar, _ := cookiejar.New(nil)
		browser := &http.Client{Jar: jar}
		answer, err := browser.Get(w.config.Issuer + "/login")
		if err != nil {
			t.Fatal(err)
		}
		form, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		state := stateField.FindSubmatch(form)
		if state == nil {
			t.Fatalf("no state in %s", form)
		}
		post, err := browser.PostForm(w.config.Issuer+"/login", url.Values{"username": {try.who}, "password": {try.password}, "state": {string(state[1])}})
		if err != nil {
			t.Fatal(err)
		}
		post.Body.Close()
	}
	if answer, err := http.Get(w.config.Issuer + "/typed-by-somebody"); err != nil {
		t.Fatal(err)
	} else {
		answer.Body.Close()
	}
	after := w.metrics(t, s.Metrics())
	for sample, want := range map[string]float64{
		`loge_acts_total{action="login",result="ok"}`:                   1,
		`loge_acts_total{action="login",result="rejected"}`:             1,
		`loge_acts_total{action="login",result="unknown"}`:              1,
		`loge_http_requests_total{route="GET /login",status="200"}`:     4, // the right one lands there
		`loge_http_requests_total{route="none",status="404"}`:           1,
		`loge_ldap_operations_total{operation="search",result="ok"}`:    3,
		`loge_ldap_operations_total{operation="bind",result="refused"}`: 1,
		`loge_outbox_jobs`: 0,
	} {
		if got := after[sample] - before[sample]; got != want {
			t.Errorf("%s: %g, want %g", sample, got, want)
		}
	}
}
