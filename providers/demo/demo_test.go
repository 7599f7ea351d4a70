package demo_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/providers/demo"
	"github.com/loge-idp/loge/providers/demo/demotest"
	"github.com/loge-idp/loge/providers/standard"
)

// start runs the demonstration on a free port and returns its URL. The
// requests that reach Loge itself, from browsers and applications, are noted.
func start(t *testing.T) (url string, atLoge func() []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url = "http://" + listener.Addr().String()
	d, err := demo.Open(t.Context(), standard.Plugins(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	noting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/demo/") && !strings.HasPrefix(r.URL.Path, "/static/") {
			mu.Lock()
			seen = append(seen, r.Method+" "+r.URL.Path)
			mu.Unlock()
		}
		d.Handler.ServeHTTP(w, r)
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Server.Run(ctx, listener, noting) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if err := d.Server.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return url, func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := slices.Clone(seen)
		seen = nil
		return out
	}
}

const signIn = "Sign in"

func TestOneSessionForBothApplications(t *testing.T) {
	url, _ := start(t)
	b := demotest.New(t)
	b.Open(url + "/demo/portal/")
	b.At("/demo/portal/", signIn)
	b.Open(url + "/demo/portal/login")
	b.At("/oidc/authorize", "Portail de Valmont")
	b.Submit("username", "elefevre", "password", "Valmont-elefevre-2026")
	b.At("/demo/portal/", "Élodie Lefèvre")
	b.At("/demo/portal/", "<dt>preferred_username</dt><dd>elefevre</dd>")

	// On to the other one, without typing.
	b.Open(url + "/demo/app/login")
	b.At("/demo/app/", "Élodie Lefèvre")
	b.At("/demo/app/", "<dt>user</dt><dd>elefevre</dd>")

	// Signing out of one ends both, by what the server tells them.
	b.Open(url + "/demo/portal/")
	b.Submit()
	b.At("/demo/portal/", signIn)
	demotest.Within(t, "the end of the visit to the CAS application", func() bool {
		b.Open(url + "/demo/app/")
		return !strings.Contains(b.Page, "Élodie")
	})
	b.Open(url + "/demo/app/login")
	b.At("/cas/login", "Bibliothèque de Valmont")
}

func TestInARealBrowser(t *testing.T) {
	url, _ := start(t)
	demotest.WalkThrough(t, url, "elefevre", "Valmont-elefevre-2026", "Élodie Lefèvre")
}

func TestSignOutAtTheCASApplicationEndsThePortal(t *testing.T) {
	url, _ := start(t)
	b := demotest.New(t)
	b.Open(url + "/demo/app/login")
	b.Submit("username", "lea.dalmeida", "password", "Ent-lea.dalmeida-2026")
	b.At("/demo/app/", "Léa")
	b.Open(url + "/demo/portal/login")
	b.At("/demo/portal/", "Léa")
	b.Open(url + "/demo/app/")
	b.Submit()
	demotest.Within(t, "the end of the visit to the portal", func() bool {
		b.Open(url + "/demo/portal/")
		return strings.Contains(b.Page, signIn)
	})
}

func TestGraceIsShownThenEntered(t *testing.T) {
	url, _ := start(t)
	b := demotest.New(t)
	b.Open(url + "/demo/portal/login")
	b.Submit("username", "kaitouaret", "password", "Valmont-kaitouaret-2026")
	if !strings.Contains(b.Page, "/login/continue") {
		t.Fatalf("no notice of the grace (R13): %s", b.Page)
	}
	b.Submit()
	b.At("/demo/portal/", "Kahina")
}

func TestThreeRequestsToTokensTwoWithASession(t *testing.T) {
	url, atLoge := start(t)
	// The first sign-in of all reads the metadata and the keys.
	first := demotest.New(t)
	first.Open(url + "/demo/portal/login")
	first.Submit("username", "elefevre", "password", "Valmont-elefevre-2026")
	first.At("/demo/portal/", "Élodie")
	atLoge()

	b := demotest.New(t)
	b.Open(url + "/demo/portal/login")
	b.Submit("username", "fndiaye", "password", "Valmont-fndiaye-2026")
	b.At("/demo/portal/", "Fatou")
	want := []string{"GET /oidc/authorize", "POST /login", "POST /oidc/token"}
	if diff := cmp.Diff(append(want, "GET /oidc/userinfo"), atLoge()); diff != "" {
		t.Errorf("from the click to the tokens (-want +got):\n%s", diff)
	}
	b.Open(url + "/demo/portal/login")
	b.At("/demo/portal/", "Fatou")
	want = []string{"GET /oidc/authorize", "POST /oidc/token"}
	if diff := cmp.Diff(append(want, "GET /oidc/userinfo"), atLoge()); diff != "" {
		t.Errorf("with a live session (-want +got):\n%s", diff)
	}
}

func TestForgottenPasswordByLink(t *testing.T) {
	url, _ := start(t)
	b := demotest.New(t)
	b.Open(url + "/recover")
	b.Submit("username", "elefevre")
	b.At("/recover/sent", "code")
	letter := demotest.Mail(t, url, "elodie.l@example.org")
	b.Open(demotest.Link(letter))
	b.Submit()
	b.At("/recover/password", "elefevre")
	b.Submit("password", "Trois-loutres-lisent-Proust-a-Vannes")
	b.At("/login", "elefevre")
	// Not signed in by that (R41)…
	b.Open(url + "/demo/portal/login")
	b.At("/oidc/authorize", "password")
	b.Submit("username", "elefevre", "password", "Valmont-elefevre-2026")
	if b.Status != http.StatusUnauthorized {
		t.Errorf("the old password: %d at %s", b.Status, b.URL)
	}
	// …but by the new password.
	b.Submit("username", "elefevre", "password", "Trois-loutres-lisent-Proust-a-Vannes")
	b.At("/demo/portal/", "Élodie")
}

func TestActivationByCode(t *testing.T) {
	url, _ := start(t)
	b := demotest.New(t)
	b.Open(url + "/activate")
	b.Submit("username", "hnguyen")
	letter := demotest.Mail(t, url, "huong@example.com")
	b.Submit("code", demotest.Code(letter))
	b.At("/recover/password", "hnguyen")
	b.Submit("password", "Huit-barques-sur-le-Mekong-au-matin", "charter", "yes")
	b.At("/recover/done", "accepted")
	b.Open(url + "/demo/portal/login")
	b.Submit("username", "hnguyen", "password", "Huit-barques-sur-le-Mekong-au-matin")
	b.At("/demo/portal/", "Nguyễn")
}

func TestOnlyOnLoopback(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "192.0.2.1:8080", "example.org:80", "8080"} {
		err := demo.Run(t.Context(), standard.Plugins(), listen, io.Discard, slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestGreetingNamesWhereItListens(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // for the authority of the conformance suite
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := demo.Run(ctx, standard.Plugins(), "127.0.0.1:0", write, slog.New(slog.DiscardHandler))
		write.Close()
		done <- err
	}()
	greeting := make([]byte, 4096)
	n, err := read.Read(greeting)
	if err != nil {
		t.Fatal(err, <-done)
	}
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/demo/portal/`).Find(greeting[:n])
	answer, err := http.Get(string(url))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %d", url, answer.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The help desk finds who has no address on file, and is told what to do.
func TestDesk(t *testing.T) {
	url, _ := start(t)
	b := demotest.New(t)
	b.Open(url + "/desk")
	b.Submit("username", "u.assist", "password", "Valmont-u.assist-2026")
	b.At("/desk", "Search")
	b.Submit("q", "imichel")
	place := regexp.MustCompile(`/desk/person/[^"]+`).FindString(b.Page)
	b.Open(url + place)
	b.At(place, "no address can be used. Verify the identity, then give a code.")
}
