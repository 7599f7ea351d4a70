package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/memory"
)

// fakeStore is a store that says when it is closed, and answers pings as told.
type fakeStore struct {
	store.Store
	closed *atomic.Int32
	down   atomic.Bool
	pings  atomic.Int32
}

func (s *fakeStore) Open(context.Context, struct{}) (store.Store, error) { return s, nil }
func (s *fakeStore) Close() error                                        { s.closed.Add(1); return nil }
func (s *fakeStore) Ping(context.Context) error {
	s.pings.Add(1)
	if s.down.Load() {
		return store.ErrUnavailable
	}
	return nil
}

// fakeProtocol keeps what the server lends.
type fakeProtocol struct {
	Fail bool `json:"fail"`
	env  *sso.Env
}

func (p *fakeProtocol) Open(_ context.Context, env sso.Env) (sso.Protocol, error) {
	if p.Fail {
		return nil, plugin.At("fail", errors.New("as told"))
	}
	*p.env = env
	return p, nil
}
func (*fakeProtocol) Routes(*web.Mux) {}

type world struct {
	store   *fakeStore
	closed  atomic.Int32
	env     sso.Env
	plugins server.Plugins
	config  server.Config
}

// makeKeys is slow, and one set will do.
var makeKeys = sync.OnceValues(server.MakeKeys)

func newWorld(t *testing.T) *world {
	t.Helper()
	keys, err := makeKeys()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	w.store = &fakeStore{closed: &w.closed}
	w.plugins = server.Plugins{
		Directories: plugin.Set[directory.Directory, directory.Env]{
			"memory": func() plugin.Config[directory.Directory, directory.Env] { return &memory.DirectoryConfig{} }},
		Stores: plugin.Set[store.Store, struct{}]{
			"fake": func() plugin.Config[store.Store, struct{}] { return w.store }},
		Protocols: plugin.Set[sso.Protocol, sso.Env]{
			"fake": func() plugin.Config[sso.Protocol, sso.Env] { return &fakeProtocol{env: &w.env} }},
	}
	w.config = server.Config{
		Issuer: "http://127.0.0.1:9", KeyMaterial: keys,
		Directory: plugin.Section(`{"type": "memory"}`),
		Store:     plugin.Section(`{"type": "fake"}`),
		Protocols: map[string]plugin.Section{"fake": plugin.Section(`{}`)},
	}
	return w
}

func (w *world) open(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func status(h http.Handler, path string) int {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code
}

// What was opened before a failure is closed again, once.
func TestNothingHalfStarted(t *testing.T) {
	w := newWorld(t)
	w.config.Protocols["fake"] = plugin.Section(`{"fail": true}`)
	_, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler))
	if want := "protocols.fake.fail: as told"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if n := w.closed.Load(); n != 1 {
		t.Errorf("the store was closed %d times", n)
	}
}

func TestCloseClosesWhatWasOpened(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	if n := w.closed.Load(); n != 0 {
		t.Fatalf("closed %d times while in use", n)
	}
	if err := s.Close(); err != nil || w.closed.Load() != 1 {
		t.Errorf("%v, closed %d times", err, w.closed.Load())
	}
}

func TestProtocolsGetEverything(t *testing.T) {
	w := newWorld(t)
	w.open(t)
	e := w.env
	if e.Issuer != w.config.Issuer || e.Store == nil || e.Directory == nil || e.Login == nil || e.Sessions == nil || e.Outbox == nil ||
		e.Keys == nil || len(e.Signers.Published()) != 3 || e.Pages == nil || e.Audit.Logger == nil || e.Logger == nil || e.Now == nil || e.Client == nil {
		t.Errorf("something is missing in %+v", e)
	}
}

func TestReadiness(t *testing.T) {
	w := newWorld(t)
	h := w.open(t).Handler()
	for range 50 {
		if code := status(h, "/readyz"); code != http.StatusOK {
			t.Fatalf("ready: %d", code)
		}
	}
	if n := w.store.pings.Load(); n > 5 {
		t.Errorf("50 questions made %d pings", n)
	}
}

func TestNotReadyWhileTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	w.store.down.Store(true)
	h := w.open(t).Handler()
	if code := status(h, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", code)
	}
	if code := status(h, "/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d: a restart would not bring the store back", code)
	}
}

// A request that runs when the server is told to stop is finished, and
// /readyz says no meanwhile.
func TestDrain(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		io.WriteString(out, "finished")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	w.store.Store = idle{}
	go func() { ended <- s.Run(ctx, listener, handler) }()
	answers := make(chan string, 1)
	go func() {
		answer, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answers <- err.Error()
			return
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		answers <- string(text)
	}()
	<-entered
	stop()
	for status(s.Handler(), "/readyz") == http.StatusOK {
		// Until Run has noticed: nothing else is to be waited for.
	}
	close(leave)
	if got := <-answers; got != "finished" {
		t.Errorf("the request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// idle is a store with nothing in it.
type idle struct{ store.Store }

func (idle) Do(context.Context, ...store.Op) error { return nil }

// R-WEB-15
func TestCallsToRelyingParties(t *testing.T) {
	w := newWorld(t)
	w.open(t)
	var cookies atomic.Int32
	far := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("kept"); err == nil {
			cookies.Add(1)
		}
		http.SetCookie(out, &http.Cookie{Name: "kept", Value: "yes"})
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(out, r, "/elsewhere", http.StatusFound)
		case "/long":
			out.Write(make([]byte, 1<<20))
		}
	}))
	defer far.Close()
	get := func(path string) (int, int) {
		answer, err := w.env.Client.Get(far.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, len(body)
	}
	if code, _ := get("/redirect"); code != http.StatusFound {
		t.Errorf("a redirect was followed: %d", code)
	}
	if _, n := get("/long"); n != 64<<10 {
		t.Errorf("%d bytes were read", n)
	}
	if cookies.Load() != 0 {
		t.Error("a cookie was kept")
	}
	if _, err := w.env.Client.Get("http://169.254.169.254/latest/meta-data"); err == nil || !strings.Contains(err.Error(), "no application can be at this address") {
		t.Errorf("link-local: %v", err)
	}
	if w.env.Client.Timeout == 0 || w.env.Client.Timeout.Seconds() > 5 {
		t.Errorf("timeout %v", w.env.Client.Timeout)
	}
}

func TestRoutesAndTemplatesOfPlugins(t *testing.T) {
	w := newWorld(t)
	w.config.Issuer = "https://auth.example.org/sso"
	h := w.open(t).Handler()
	for path, want := range map[string]int{"/sso/login": 200, "/sso/healthz": 200, "/sso/recover": 404, "/login": 404} {
		if code := status(h, path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	for issuer, want := range map[string]string{"http://127.0.0.1:9": "session", "https://auth.example.org": "__Host-session"} {
		w := newWorld(t)
		w.config.Issuer = issuer
		w.open(t)
		if got := w.env.Sessions.Cookie; got != want {
			t.Errorf("%s: %q, want %q", issuer, got, want)
		}
		o := w.env.Sessions.Cookies.Options
		if !o.HttpOnly || o.SameSite != http.SameSiteLaxMode || o.Secure != strings.HasPrefix(issuer, "https:") {
			t.Errorf("%s: %+v", issuer, o)
		}
	}
}

func TestKeysHaveNamesOfTheirOwn(t *testing.T) {
	dir := t.TempDir() + "/keys"
	if err := server.NewKeys(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := server.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	var algorithms, ids []string
	for _, s := range keys.Signers.Published() {
		algorithms, ids = append(algorithms, s.Algorithm), append(ids, s.ID)
	}
	if diff := cmp.Diff([]string{"EdDSA", "ES256", "RS256"}, algorithms); diff != "" {
		t.Error(diff)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 3 {
		t.Errorf("key IDs %v", ids)
	}
	sealed := keys.Ring.Box("test").Seal([]byte("text"), "")
	again, err := server.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Ring.Box("test").Open(sealed, ""); err != nil || string(plain) != "text" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestConfigOfAProgram(t *testing.T) {
	w := newWorld(t)
	w.config.Store = nil
	_, err := server.Open(t.Context(), w.config, w.plugins, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "store: is missing") {
		t.Errorf("%v", err)
	}
	// A Config is what a file holds, as JSON too.
	var config server.Config
	if err := json.Unmarshal([]byte(`{"issuer": "http://127.0.0.1:9", "session": {"idle": "1h"}}`), &config); err != nil {
		t.Error(err)
	}
}
