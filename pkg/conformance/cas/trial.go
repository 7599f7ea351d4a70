package cas

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/conformance"
)

// trial is one case while it runs. Like a test, it ends where it fails.
type trial struct {
	*suite
	id string

	mu      sync.Mutex
	outcome conformance.Outcome
	seen    string
	request string
	secrets []string
}

func (s *suite) try(g group, r rule) conformance.Result {
	t := &trial{suite: s, id: r.id, outcome: conformance.Held}
	started := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.app.shown.Store(s.app.good)
		r.run(t)
	}()
	<-done
	if t.outcome == conformance.NotOffered && r.force.Binding() {
		t.outcome = conformance.Failed
	}
	if t.outcome == excused {
		t.outcome = conformance.NotOffered
	}
	return conformance.Result{Case: r.in(g), Outcome: t.outcome, Seen: t.mask(t.seen), Request: t.mask(t.request), Took: time.Since(started)}
}

// excused is the outcome of a rule that binds only servers with something that
// this one may leave out.
const excused conformance.Outcome = "excused"

func (t *trial) end(outcome conformance.Outcome, format string, args []any) {
	t.mu.Lock()
	t.outcome, t.seen = outcome, fmt.Sprintf(format, args...)
	t.mu.Unlock()
	runtime.Goexit()
}

// failf ends the trial: the rule does not hold.
func (t *trial) failf(format string, args ...any) { t.end(conformance.Failed, format, args) }

// lacksf ends the trial: the server lacks what the rule is about. That is a
// failure when the rule binds.
func (t *trial) lacksf(format string, args ...any) { t.end(conformance.NotOffered, format, args) }

// excusef ends the trial: the rule is about something that the server may leave
// out, and it does.
func (t *trial) excusef(format string, args ...any) { t.end(excused, format, args) }

// token is what looks like a ticket, wherever it is shown.
var token = regexp.MustCompile(`\b((?:ST|PT|PGT|PGTIOU|TGC|TGT|LT)-[A-Za-z0-9]{0,4})[A-Za-z0-9._-]{4,}`)

// secret is never shown in full.
func (t *trial) secret(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets = append(t.secrets, value)
}

func (t *trial) mask(text string) string {
	text = token.ReplaceAllString(text, "$1…")
	for _, each := range append([]string{t.o.Password, url.QueryEscape(t.o.Password)}, t.secrets...) {
		if len(each) > 3 {
			text = strings.ReplaceAll(text, each, excerpt(each, min(8, len(each)/4)))
		}
	}
	return text
}

// excerpt is the beginning of a text.
func excerpt(text string, n int) string {
	text = strings.ToValidUTF8(spaces.ReplaceAllString(text, " "), "?")
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return text
}

// page is an answer, and what asked for it.
type page struct {
	asked  string // method and URL
	url    *url.URL
	status int
	header http.Header
	body   string
}

// send makes one request and follows nothing.
func (t *trial) send(req *http.Request) page {
	asked := req.Method + " " + req.URL.String()
	p, err := t.exchange(req)
	t.mu.Lock()
	t.request = asked
	t.mu.Unlock()
	if err != nil {
		t.failf("no answer: %v", err)
	}
	return p
}

// exchange is send where the trial must not end: beside its goroutine.
func (t *trial) exchange(req *http.Request) (page, error) {
	answer, err := t.client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	return page{asked: req.Method + " " + req.URL.String(), url: req.URL, status: answer.StatusCode, header: answer.Header, body: string(body)}, err
}

// newRequest builds a request; the arguments are names and values of the query.
func (t *trial) newRequest(method, address string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(t.ctx, method, address, body)
	if err != nil {
		t.failf("%s leads to no URL: %v", address, err)
	}
	return req
}

// at is a URL of the server; the pairs are names and values of its query.
func (t *trial) at(endpoint string, pairs ...string) string {
	address := t.target.String() + "/" + endpoint
	if query := encode(pairs); query != "" {
		address += "?" + query
	}
	return address
}

// encode keeps the order of the pairs, and doubles.
func encode(pairs []string) string {
	var all []string
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(all, "&")
}

// call asks an endpoint as an application does: without cookies.
func (t *trial) call(endpoint string, pairs ...string) page {
	return t.send(t.newRequest(http.MethodGet, t.at(endpoint, pairs...), nil))
}

// service is a new service URL of the suite.
func (t *trial) service() *spot { return t.app.place(t.app.plain, t.id) }

// callback is a new URL for proxy-granting tickets.
func (t *trial) callback() *spot { return t.app.place(t.app.secure, t.id+"-pgt") }

// patience bounds the wait for messages of the server.
func (t *trial) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.ctx, t.o.Patience)
}

// same tells whether two URLs are one, but for a ticket in the first.
func same(got *url.URL, service string) bool {
	want, err := url.Parse(service)
	if err != nil || got == nil || got.Scheme != want.Scheme || got.Host != want.Host || got.Path != want.Path {
		return false
	}
	query := got.Query()
	query.Del("ticket")
	return query.Encode() == want.Query().Encode()
}
