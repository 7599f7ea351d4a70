package cas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// application is the service of all cases: it takes tickets, proxy-granting
// tickets and logout messages, over HTTP and HTTPS.
type application struct {
	plain, secure string // base URLs by which the server on trial knows it
	servers       []*http.Server

	// shown is the certificate of the next connection over TLS.
	shown                             atomic.Pointer[tls.Certificate]
	good, foreign, outdated, misnamed *tls.Certificate

	mu    sync.Mutex
	spots map[string]*spot // by path
}

// spot is one URL of the application.
type spot struct {
	url string
	app *application

	// guarded by app.mu
	arrivals []arrival
	changed  chan struct{} // closed at the next arrival
	answer   http.HandlerFunc
}

// arrival is a request to a spot.
type arrival struct {
	method, contentType, body string
	query                     url.Values
}

func listen(o *Options) (*application, error) {
	a := &application{spots: map[string]*spot{}}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // failed handshakes are cases
	start := func(address, scheme, known string, config *tls.Config) (string, error) {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return "", err
		}
		base := known
		if base == "" {
			base = scheme + "://" + listener.Addr().String()
		}
		if config != nil {
			listener = tls.NewListener(listener, config)
		}
		server := &http.Server{Handler: a, ErrorLog: quiet, ReadHeaderTimeout: 10 * time.Second}
		if config != nil {
			server.SetKeepAlivesEnabled(false) // else a case would see the certificate of the one before
		}
		a.servers = append(a.servers, server)
		go func() { _ = server.Serve(listener) }() // until it is closed
		return strings.TrimSuffix(base, "/"), nil
	}
	var err error
	if a.plain, err = start(o.Listen, "http", o.ServiceURL, nil); err != nil {
		return nil, errors.Join(err, a.close())
	}
	if a.secure, err = start(o.ListenTLS, "https", o.CallbackURL, &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.shown.Load(), nil },
	}); err != nil {
		return nil, errors.Join(err, a.close())
	}
	if err := a.certificates(o.Authority); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *application) certificates(authority *Authority) error {
	u, err := url.Parse(a.secure)
	if err != nil {
		return err
	}
	stranger, err := NewAuthority()
	if err != nil {
		return err
	}
	const day = 24 * time.Hour
	for _, each := range []struct {
		cert     **tls.Certificate
		by       *Authority
		host     string
		from, to time.Duration
	}{
		{&a.good, authority, u.Hostname(), -time.Hour, day},
		{&a.foreign, stranger, u.Hostname(), -time.Hour, day},
		{&a.outdated, authority, u.Hostname(), -2 * day, -day},
		{&a.misnamed, authority, "other.invalid", -time.Hour, day},
	} {
		if *each.cert, err = each.by.issue(each.host, each.from, each.to); err != nil {
			return err
		}
	}
	a.shown.Store(a.good)
	return nil
}

func (a *application) close() error {
	var err error
	for _, s := range a.servers {
		err = errors.Join(err, s.Close())
	}
	return err
}

// place makes a spot below one of the base URLs.
func (a *application) place(base, name string) *spot {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Nothing that a ticket could not hold, for T-ST.4.
	path := "/" + strings.ToLower(strings.ReplaceAll(name, ".", "-")) + "-" + strconv.Itoa(len(a.spots)+1)
	s := &spot{url: base + path, app: a, changed: make(chan struct{})}
	a.spots[path] = s
	return s
}

// ServeHTTP notes what arrives; a spot may have an answer of its own. The base
// URL may have a path: only the end of a path counts.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	a.mu.Lock()
	s := a.spots[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/'):]]
	if s == nil {
		a.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	s.arrivals = append(s.arrivals, arrival{r.Method, r.Header.Get("Content-Type"), string(body), r.URL.Query()})
	close(s.changed)
	s.changed = make(chan struct{})
	answer := s.answer
	a.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	fmt.Fprintln(w, "ok")
}

// answers sets what a spot answers instead of 200.
func (s *spot) answers(h http.HandlerFunc) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	s.answer = h
}

// seen are the arrivals so far that match.
func (s *spot) seen(match func(arrival) bool) (found []arrival, next <-chan struct{}) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	for _, each := range s.arrivals {
		if match(each) {
			found = append(found, each)
		}
	}
	return found, s.changed
}

// await waits until so many arrivals match, or ctx ends.
func (s *spot) await(ctx context.Context, n int, match func(arrival) bool) []arrival {
	for {
		found, next := s.seen(match)
		if len(found) >= n {
			return found
		}
		select {
		case <-next:
		case <-ctx.Done():
			return found
		}
	}
}

func isLogout(a arrival) bool   { return a.method == http.MethodPost }
func isCallback(a arrival) bool { return a.query.Has("pgtId") || a.query.Has("pgtIou") }
