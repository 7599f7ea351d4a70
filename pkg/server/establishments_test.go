package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/oidc"
)

const appSecret = "a-secret-of-the-test-application"

// opened is the configuration of something that is open already.
type opened[T, E any] struct {
	Value T `json:"-"`
}

func (o *opened[T, E]) Open(context.Context, E) (T, error) { return o.Value, nil }

// network is a server of a network of schools with one application of each
// protocol, which keep what they are told of the end of sessions.
type network struct {
	t      *testing.T
	issuer string
	app    string
	told   chan string // the protocol and what it calls the session
	client *http.Client
	clock  *memory.FakeTimeStore
	people directory.Directory
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, told: make(chan string, 10)}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if r.PostFormValue("logout_token") != "" {
				n.told <- "oidc " + fmt.Sprint(claims(t, r.PostFormValue("logout_token"))["sid"])
			} else {
				n.told <- "cas " + between(r.PostFormValue("logoutRequest"), "<samlp:SessionIndex>", "<")
			}
		}
	}))
	t.Cleanup(app.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.issuer, n.app = "http://"+listener.Addr().String(), app.URL
	keys, err := makeKeys()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "loge.yaml")
	text := strings.NewReplacer("ISSUER", n.issuer, "APP", n.app).Replace(`
issuer: ISSUER
keys: none
directory: {type: memory}
store: {type: memory}
establishments:
  attribute: ESCOUAI
  current: ESCOUAICourant
  known:
    0990010Y: {name: CLG Rosa Parks, portal: "https://college.example/"}
    0990011Z: {name: LPO Simone Veil, portal: "https://lycee.example/"}
applications:
  - name: Notes
    attributes: [{name: ESCOUAICourant, as: establishment}]
    protocols:
      cas: {prefix: "APP/", insecureHTTP: true}
      oidc: {id: notes, secret: "${env:LOGE_TEST_SECRET}", redirectURIs: ["APP/cb"], backchannelLogoutURI: "APP/bye", requirePKCE: false}
`)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOGE_TEST_SECRET", appSecret)
	config, err := server.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	config.KeyMaterial = keys
	if n.clock, err = memory.NewFakeTimeStore(time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if n.people, err = (memory.DirectoryConfig{Fixtures: []string{"school"}}).Open(t.Context(), directory.Env{}); err != nil {
		t.Fatal(err)
	}
	s, err := server.Open(t.Context(), config, server.Plugins{
		Directories: plugin.Set[directory.Directory, directory.Env]{"memory": func() plugin.Config[directory.Directory, directory.Env] {
			return &opened[directory.Directory, directory.Env]{Value: n.people}
		}},
		Stores: plugin.Set[store.Store, struct{}]{"memory": func() plugin.Config[store.Store, struct{}] { return &opened[store.Store, struct{}]{Value: n.clock} }},
		Protocols: plugin.Set[sso.Protocol, sso.Env]{
			"oidc": func() plugin.Config[sso.Protocol, sso.Env] { return &oidc.Config{} },
			"cas":  func() plugin.Config[sso.Protocol, sso.Env] { return &cas.Config{} },
		},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx, listener, s.Handler()) }()
	t.Cleanup(func() { stop(); <-ended; _ = s.Close() })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	n.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), n.app) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return n
}

// ask sends a request of the browser and returns the answer, and where it
// leads.
func (n *network) ask(path string, form url.Values) (status int, body string, to *url.URL) {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.issuer+path, nil)
	if form != nil {
		request, err = http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.issuer+path, strings.NewReader(form.Encode()))
	}
	if err != nil {
		n.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", n.issuer)
	}
	answer, err := n.client.Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	to, _ = answer.Location()
	return answer.StatusCode, string(text), to
}

// signIn types the password.
func (n *network) signIn(login string) {
	n.t.Helper()
	_, page, _ := n.ask("/login", nil)
	status, page, _ := n.ask("/login", url.Values{"state": {between(page, `name="state" value="`, `"`)}, "username": {login}, "password": {"Ent-" + login + "-2026"}})
	if status != http.StatusOK || !strings.Contains(page, login) {
		n.t.Fatalf("status %d: %s", status, page)
	}
}

// enter enters the application by both protocols, and returns the session that
// each knows, what it is told of the establishment, and the refresh token.
func (n *network) enter() (ticket, sid, byCAS, byOIDC, refresh string) {
	n.t.Helper()
	_, page, to := n.ask("/cas/login?service="+url.QueryEscape(n.app+"/x"), nil)
	if to == nil {
		n.t.Fatal("no ticket: " + page)
	}
	ticket = to.Query().Get("ticket")
	_, answer, _ := n.ask("/cas/p3/serviceValidate?service="+url.QueryEscape(n.app+"/x")+"&ticket="+ticket, nil)
	byCAS = between(answer, "<cas:establishment>", "<")

	_, page, to = n.ask("/oidc/authorize?response_type=code&client_id=notes&scope=openid&state=s&redirect_uri="+url.QueryEscape(n.app+"/cb"), nil)
	if to == nil {
		n.t.Fatal("no code: " + page)
	}
	tokens := n.token(url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {n.app + "/cb"}})
	id := claims(n.t, fmt.Sprint(tokens["id_token"]))
	return ticket, fmt.Sprint(id["sid"]), byCAS, n.userinfo(fmt.Sprint(tokens["access_token"])), fmt.Sprint(tokens["refresh_token"])
}

func (n *network) token(form url.Values) (tokens map[string]any) {
	n.t.Helper()
	form.Set("client_id", "notes")
	form.Set("client_secret", appSecret)
	_, body, _ := n.ask("/oidc/token", form)
	if err := json.Unmarshal([]byte(body), &tokens); err != nil {
		n.t.Fatal(err, body)
	}
	return tokens
}

func (n *network) userinfo(token string) string {
	n.t.Helper()
	_, body, _ := n.ask("/oidc/userinfo", url.Values{"access_token": {token}})
	var info map[string]any
	if err := json.Unmarshal([]byte(body), &info); err != nil {
		n.t.Fatal(err, body)
	}
	return strings.Trim(fmt.Sprint(info["establishment"]), "[]")
}

// farewells are what applications were told; so many are waited for.
func (n *network) farewells(count int) map[string]bool {
	n.t.Helper()
	told := map[string]bool{}
	for range count {
		select {
		case each := <-n.told:
			told[each] = true
		case <-time.After(20 * time.Second):
			n.t.Fatalf("only %v", told)
		}
	}
	return told
}

// R56: who belongs to two schools changes from one to the other: both protocols
// tell the new one, those that were entered are told that they are left by the
// session that they knew, and nobody has to sign in again.
func TestChangeOfEstablishment(t *testing.T) {
	n := newNetwork(t)
	n.signIn("lea.dalmeida")
	ticket, sid, byCAS, byOIDC, refresh := n.enter()
	if byCAS != "0990010Y" || byOIDC != "0990010Y" || refresh == "<nil>" {
		t.Fatalf("before: %q, %q, %q", byCAS, byOIDC, refresh)
	}
	if _, page, _ := n.ask("/account", nil); !strings.Contains(page, "/account/establishment") {
		t.Error("the page of the account does not lead there")
	}
	_, page, _ := n.ask("/account/establishment", nil)
	if !strings.Contains(page, "CLG Rosa Parks") || !strings.Contains(page, `value="0990011Z"`) || strings.Contains(page, `value="0990010Y"`) {
		t.Errorf("the choice: %s", page)
	}

	for _, foreign := range []string{"0990012A", ""} {
		if status, _, _ := n.ask("/account/establishment", url.Values{"to": {foreign}}); status != http.StatusConflict {
			t.Errorf("%q: status %d", foreign, status)
		}
	}
	if _, _, byCAS, _, _ := n.enter(); byCAS != "0990010Y" {
		t.Errorf("after a refusal: %q", byCAS)
	}
	if len(n.told) > 0 {
		t.Errorf("a refusal was told: %s", <-n.told)
	}

	status, page, _ := n.ask("/account/establishment", url.Values{"to": {"0990011Z"}})
	if status != http.StatusOK || !strings.Contains(page, "LPO Simone Veil") || !strings.Contains(page, `href="https://lycee.example/"`) {
		t.Fatalf("status %d: %s", status, page)
	}
	told := n.farewells(3) // two tickets and a session
	if !told["cas "+ticket] || !told["oidc "+sid] {
		t.Errorf("told: %v", told)
	}
	if tokens := n.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); tokens["error"] != "invalid_grant" {
		t.Errorf("the old refresh token: %v", tokens)
	}
	_, newSID, byCAS, byOIDC, _ := n.enter() // without signing in
	if byCAS != "0990011Z" || byOIDC != "0990011Z" || newSID == sid {
		t.Errorf("after: %q, %q, %q", byCAS, byOIDC, newSID)
	}
}

// R15: an account that is blocked in the directory loses its session, and its
// applications hear of it, although nobody comes back.
func TestBlockedWhileNobodyLooks(t *testing.T) {
	n := newNetwork(t)
	n.signIn("lea.dalmeida")
	ticket, sid, _, _, refresh := n.enter()
	a, err := n.people.Find(t.Context(), "lea.dalmeida")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.people.(directory.Editor).Edit(t.Context(), a.ID, "ESCOPersonEtatCompte", []string{"VALIDE"}, []string{"BLOQUE"}); err != nil {
		t.Fatal(err)
	}
	n.clock.Advance(31 * time.Second)
	told := n.farewells(2)
	if !told["cas "+ticket] || !told["oidc "+sid] {
		t.Errorf("told: %v", told)
	}
	if tokens := n.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); tokens["error"] != "invalid_grant" {
		t.Errorf("the refresh token: %v", tokens)
	}
}

// Whoever has one establishment is offered no choice.
func TestOneEstablishment(t *testing.T) {
	n := newNetwork(t)
	n.signIn("marc.haddad")
	if _, page, _ := n.ask("/account", nil); strings.Contains(page, "/account/establishment") {
		t.Error(page)
	}
}

// between is the text after one mark and before the next.
func between(text, after, before string) string {
	_, rest, _ := strings.Cut(text, after)
	found, _, _ := strings.Cut(rest, before)
	return found
}

// claims are what a token says; its signature is not looked at here.
func claims(t *testing.T, token string) (out map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("no token: %q", token)
		return nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(plain, &out) != nil {
		t.Errorf("no token: %q", token)
	}
	return out
}
