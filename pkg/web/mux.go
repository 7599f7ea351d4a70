// Package web owns the rules that hold on every route: who may post a form,
// how large a request may be, what a browser is told about framing, caching
// and referrers, and which address a request came from.
//
// Nothing is left to the handlers: a body has been read and measured before
// one runs, forms are parsed, a panic becomes a page with a reference number,
// and every answer is no-store unless the handler says otherwise.
package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// MaxBody is the most bytes that a request may carry: a larger one is answered
// 413 (R-WEB-11).
const MaxBody = 64 << 10

// Config is what a Mux needs to know. Only Issuer is required.
type Config struct {
	// Issuer is the one public URL: https, or http on a loopback address. Its
	// path, if any, is put in front of every pattern and taken off again
	// before a handler sees the request.
	Issuer string
	// Proxies are the networks of the reverse proxies whose X-Forwarded-For
	// is believed. From anybody else the header is ignored (R-AUTH-18).
	Proxies []netip.Prefix
	// Problem writes the page that says what went wrong, for a status of 400
	// and above. Without it a line of text is sent. Reference(r) is the number
	// to show.
	Problem func(w http.ResponseWriter, r *http.Request, status int)
	// Observe, when set, is told of every request: its route as it was added,
	// empty when there is none, and the status it was answered with.
	Observe func(route string, status int)
	// Logger gets one line per request and the panics; slog.Default when nil.
	Logger *slog.Logger
	// Now is the clock of the access log; time.Now when nil.
	Now func() time.Time
}

// Mux is an http.ServeMux under the rules of this package.
type Mux struct {
	routes  http.ServeMux
	config  Config
	base    string // path of the issuer, without a slash at its end
	headers map[string]string
	origin  *http.CrossOriginProtection
}

// New checks the configuration and returns a Mux without routes.
func New(config Config) (*Mux, error) {
	issuer, err := ParseIssuer(config.Issuer)
	if err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Observe == nil {
		config.Observe = func(string, int) {}
	}
	if config.Problem == nil {
		config.Problem = plainProblem
	}
	m := &Mux{
		config:  config,
		base:    strings.TrimSuffix(issuer.Path, "/"),
		headers: headers(issuer.Scheme == "https"),
		origin:  http.NewCrossOriginProtection(),
	}
	if err := m.origin.AddTrustedOrigin(issuer.Scheme + "://" + issuer.Host); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return m, nil
}

// ParseIssuer reads the one public URL: https, or http on a loopback address,
// without user, query or fragment.
func ParseIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New(`issuer: give the one public URL of this server, like "https://auth.example.fr"`)
	case u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("issuer: must be an https URL; plain http is for loopback addresses only")
}

// Loopback reports whether a host, without its port, is this machine itself:
// what is said to it in clear text is overheard by nobody.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// headers are the same on every answer; a handler may replace Cache-Control
// and Content-Security-Policy. There is no Cross-Origin-Opener-Policy: it
// would cut the login window off from the application that opened it.
func headers(https bool) map[string]string {
	h := map[string]string{
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=()",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	}
	if https {
		h["Strict-Transport-Security"] = "max-age=31536000"
	}
	return h
}

// Page adds a route that people meet in a browser. The pattern is that of
// http.ServeMux and must name its method. A form may be posted to it only from
// a page of ours.
func (m *Mux) Page(pattern string, h http.Handler) { m.handle(pattern, h, true) }

// Machine adds a route that programs call, or that other sites may post to by
// their protocol: it has every rule but that of the form's origin.
func (m *Mux) Machine(pattern string, h http.Handler) { m.handle(pattern, h, false) }

func (m *Mux) handle(pattern string, h http.Handler, page bool) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || !allowed(method) && method != http.MethodDelete {
		panic("web: pattern " + pattern + " must begin with GET, POST, DELETE or OPTIONS")
	}
	h = http.StripPrefix(m.base, h)
	m.routes.Handle(method+" "+m.base+path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r)
		info.page, info.route = page, pattern
		if r.Method == http.MethodHead {
			// Whoever only looks, a prefetch or a monitor, is nobody: a GET of
			// somebody signed in may issue or end something (R-WEB-10).
			r.Header.Del("Cookie")
		}
		if page {
			if m.origin.Check(r) != nil {
				m.problem(w, r, http.StatusForbidden)
				return
			}
			if r.ParseForm() != nil {
				m.problem(w, r, http.StatusBadRequest)
				return
			}
		}
		h.ServeHTTP(w, r)
	}))
}

func allowed(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodPost || method == http.MethodOptions
}

// ServeHTTP applies the rules and runs the handler of the route.
func (m *Mux) ServeHTTP(raw http.ResponseWriter, r *http.Request) {
	start := m.config.Now()
	info := &info{reference: newReference(), client: clientOf(r, m.config.Proxies), page: true}
	r = r.WithContext(context.WithValue(r.Context(), infoKey{}, info))
	w := &response{ResponseWriter: raw}
	for name, value := range m.headers {
		w.Header().Set(name, value)
	}
	defer func() {
		if crash := recover(); crash != nil {
			m.recovered(w, r, crash)
		}
		m.config.Observe(info.route, w.status)
		m.config.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("ref", info.reference), slog.String("method", printable(r.Method)), slog.String("route", info.route),
			slog.Int("status", w.status), slog.Int64("bytes", w.bytes),
			slog.Duration("took", m.config.Now().Sub(start)), slog.String("client", info.client.String()))
	}()
	if status := m.readBody(raw, r); status != 0 {
		m.problem(w, r, status)
		return
	}
	handler, pattern := m.routes.Handler(r)
	if pattern == "" {
		m.unrouted(w, r, handler)
		return
	}
	m.routes.ServeHTTP(w, r)
}

// readBody takes the whole body in before a handler runs, so that no handler
// waits for a slow sender or forgets the limit. It returns the status of the
// refusal, or 0.
func (m *Mux) readBody(w http.ResponseWriter, r *http.Request) int {
	if r.Header.Get("Content-Encoding") != "" {
		return http.StatusUnsupportedMediaType
	}
	if r.ContentLength > MaxBody {
		return http.StatusRequestEntityTooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return 0
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case err != nil:
		return http.StatusBadRequest
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return 0
}

// unrouted answers what no route matched: the ServeMux knows whether that is
// 404 or 405, and which methods to allow; the page is ours.
func (m *Mux) unrouted(w *response, r *http.Request, handler http.Handler) {
	probe := &discard{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	switch probe.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", probe.header.Get("Allow"))
		m.problem(w, r, http.StatusMethodNotAllowed)
	case http.StatusNotFound:
		if !allowed(r.Method) {
			w.Header().Set("Allow", "GET, HEAD, POST")
			m.problem(w, r, http.StatusMethodNotAllowed)
			return
		}
		m.problem(w, r, http.StatusNotFound)
	default: // the redirect to the clean path
		handler.ServeHTTP(w, r)
	}
}

// recovered turns a panic into a page, once: a panic of the page itself is
// answered in plain text.
func (m *Mux) recovered(w *response, r *http.Request, crash any) {
	if err, ok := crash.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(crash)
	}
	m.config.Logger.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("ref", Reference(r)),
		slog.Any("error", crash), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		return // part of an answer has left; nothing can be said any more
	}
	defer func() {
		if recover() != nil && w.status == 0 {
			plainProblem(w, r, http.StatusInternalServerError)
		}
	}()
	m.problem(w, r, http.StatusInternalServerError)
}

func (m *Mux) problem(w http.ResponseWriter, r *http.Request, status int) {
	if infoOf(r).page {
		m.config.Problem(w, r, status)
		return
	}
	plainProblem(w, r, status)
}

func plainProblem(w http.ResponseWriter, r *http.Request, status int) {
	http.Error(w, http.StatusText(status)+" "+Reference(r), status)
}

// response remembers what was sent, for the access log and to know whether a
// page can still be written.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// discard learns what a handler would answer.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// newReference makes 40 random bits in base 32, which has no 0 and no 1 to be
// mistaken for O and I when it is read out: "K7QM-2XDB".
func newReference() string {
	text := rand.Text()
	return text[:4] + "-" + text[4:8]
}
