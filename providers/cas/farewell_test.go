package cas_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listener is a service that takes logouts.
type listener struct {
	*httptest.Server
	got chan string // bodies
}

func listen(t *testing.T, status int) *listener {
	l := &listener{got: make(chan string, 100)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			l.got <- string(body)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(l.Close)
	return l
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
	body := <-l.got
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
		body, err := url.QueryUnescape(<-l.got)
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
	<-failing.got
}
