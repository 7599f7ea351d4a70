package cas_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/cas"
)

// listener is a service that takes logouts.
type listener struct {
	*httptest.Server
	got  chan string // bodies
	last atomic.Value
}

// path is where the last one arrived.
func (l *listener) path() string { return l.last.Load().(string) }

func listen(t *testing.T, status int) *listener {
	l := &listener{got: make(chan string, 100)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			l.last.Store(r.URL.Path)
			l.got <- string(body)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(l.Close)
	return l
}

// next is what arrives next; a test that waits in vain fails and does not hang.
func next(t testing.TB, from <-chan string) string {
	t.Helper()
	select {
	case text := <-from:
		return text
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrives")
		return ""
	}
}

// untilIdle waits until no job is left.
func (h *house) untilIdle() {
	h.t.Helper()
	for {
		left := &store.List{Queue: "outbox"}
		if err := h.store.Do(h.t.Context(), left); err != nil {
			h.t.Fatal(err)
		}
		if len(left.Entries) == 0 {
			return
		}
	}
}

type logoutRequest struct {
	XMLName      xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol LogoutRequest"`
	ID           string   `xml:"ID,attr"`
	Version      string   `xml:"Version,attr"`
	Instant      string   `xml:"IssueInstant,attr"`
	NameID       string   `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
	SessionIndex string   `xml:"urn:oasis:names:tc:SAML:2.0:protocol SessionIndex"`
}

// S3, S4: what phpCAS looks for as text, and what the others parse.
func TestS3(t *testing.T) {
	h, l := open(t), listen(t, http.StatusOK)
	h.runOutbox()
	b := h.browser()
	ticket := b.ticketFor("alice", l.URL+"/app?a=1#f")
	b.get("/cas/logout")
	body := next(t, l.got)
	encoded, ok := strings.CutPrefix(body, "logoutRequest=")
	if !ok || strings.ContainsAny(encoded, "&+ <") {
		t.Fatalf("S4: %s", body)
	}
	message, err := url.QueryUnescape(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(message, "<samlp:SessionIndex>"+ticket+"</samlp:SessionIndex>") || strings.ContainsAny(message, "\n\t") {
		t.Errorf("S4: %s", message)
	}
	var got logoutRequest
	if err := xml.Unmarshal([]byte(message), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID == "" || strings.Contains(got.ID, ticket) {
		t.Errorf("ID %q", got.ID)
	}
	want := logoutRequest{XMLName: got.XMLName, ID: got.ID, Version: "2.0", Instant: "2026-09-15T08:00:00Z", NameID: "@NOT_USED@", SessionIndex: ticket}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("S3: %s", diff)
	}
}

// S5, R-CAS-16: tickets taken side by side lose none of their logouts, and a
// service that fails (S2) keeps nobody else's back.
func TestRCAS16(t *testing.T) {
	h, l, failing := open(t), listen(t, http.StatusOK), listen(t, http.StatusInternalServerError)
	b := h.browser()
	want := []string{b.ticketFor("alice", l.URL+"/first")}
	b.get("/cas/login", "service", failing.URL)
	b.get("/cas/login", "service", "http://127.0.0.1:9/nobody-listens")
	var all sync.WaitGroup
	tickets := make([]string, 20)
	for i := range tickets {
		all.Go(func() { tickets[i] = b.get("/cas/login", "service", l.URL+"/app").ticket() })
	}
	all.Wait()
	want = append(want, tickets...)
	h.validate("serviceValidate", "service", l.URL+"/first", "ticket", want[0])

	b.get("/cas/logout")
	h.runOutbox()
	var got []string
	for range want {
		body, err := url.QueryUnescape(next(t, l.got))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(body, "<samlp:SessionIndex>")
		ticket, _, _ := strings.Cut(rest, "<")
		got = append(got, ticket)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	next(t, failing.got)
}

// Front channel: the browser is given the messages on the page of the logout,
// and nothing is posted.
func TestFrontChannel(t *testing.T) {
	l := listen(t, http.StatusOK)
	front := cas.Service{RelyingParty: sso.RelyingParty{Name: "Wiki"}, Prefix: "https://wiki.example/", Logout: cas.Logout{Type: "front", URL: "https://wiki.example/out?a=1"}}
	none := cas.Service{RelyingParty: sso.RelyingParty{Name: "Deaf"}, Prefix: l.URL + "/deaf", Logout: cas.Logout{Type: "none"}}
	back := cas.Service{RelyingParty: sso.RelyingParty{Name: "Mail"}, Prefix: l.URL + "/mail", Logout: cas.Logout{URL: l.URL + "/elsewhere"}}
	h := open(t, front, none, back)
	b := h.browser()
	tickets := []string{b.ticketFor("alice", "https://wiki.example/x"), b.get("/cas/login", "service", "https://wiki.example/y").ticket()}
	b.get("/cas/login", "service", l.URL+"/deaf")
	mail := b.get("/cas/login", "service", l.URL+"/mail").ticket()

	a := b.get("/cas/logout", "service", l.URL+"/mail")
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `href="`+l.URL+`/mail"`) || !strings.Contains(a.Header.Get("Content-Security-Policy"), "; frame-src https://") {
		t.Fatalf("%d %s %s", a.StatusCode, a.Header.Get("Content-Security-Policy"), a.body)
	}
	var told []string
	for _, found := range regexp.MustCompile(`<iframe src="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		to, err := url.Parse(html.UnescapeString(found[1]))
		if err != nil || to.Host != "wiki.example" || to.Path != "/out" || to.Query().Get("a") != "1" {
			t.Fatal(found[1], err)
		}
		deflated, err := base64.StdEncoding.DecodeString(to.Query().Get("SAMLRequest"))
		if err != nil {
			t.Fatal(err)
		}
		message, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
		if err != nil {
			t.Fatal(err)
		}
		var read logoutRequest
		if err := xml.Unmarshal(message, &read); err != nil {
			t.Fatal(err)
		}
		told = append(told, read.SessionIndex)
	}
	slices.Sort(tickets)
	slices.Sort(told)
	if diff := cmp.Diff(tickets, told); diff != "" {
		t.Error(diff)
	}
	h.runOutbox()
	if body := next(t, l.got); !strings.Contains(body, mail) || l.path() != "/elsewhere" {
		t.Errorf("the back channel: %s at %s", body, l.path())
	}
	h.untilIdle()
	if n := len(l.got); n != 0 {
		t.Errorf("%d more were posted", n)
	}
	// Without such services the browser goes on at once.
	b = h.browser()
	b.ticketFor("alice", l.URL+"/mail")
	if a := b.get("/cas/logout", "service", l.URL+"/mail"); a.Header.Get("Location") != l.URL+"/mail" {
		t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
}
