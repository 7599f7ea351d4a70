package server

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/loge-idp/loge/pkg/metrics"
)

// Metrics is where the numbers of this replica are read.
type Metrics struct {
	// Listen is the address, host:port, of a listener for GET /metrics and
	// /readyz, in clear text and without a password: on a loopback address or
	// a network of machines only. None when empty. When there is one, /readyz
	// is no longer on the public listener (R-WEB-21).
	Listen string `json:"listen"`
}

// numbers are those of the server itself.
type numbers struct{ acts, requests metrics.Counts }

func (n *numbers) request(route string, status int) {
	n.requests.Add(cmp.Or(route, "none"), strconv.Itoa(status))
}

// Measure implements metrics.Source.
func (n *numbers) Measure(_ context.Context, p *metrics.Page) {
	n.acts.Tell(p, "loge_acts_total", "Events of the audit log: logins, recoveries, tickets, tokens.", "action", "result")
	n.requests.Tell(p, "loge_http_requests_total", "Requests on the public listener.", "route", "status")
}

// aside is what the listener of Metrics serves.
func aside(h *health, sources []metrics.Source) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(sources...))
	mux.HandleFunc("GET /readyz", h.ready)
	return mux
}

// Metrics serves the numbers, for a listener that is not public.
func (s *Server) Metrics() http.Handler { return s.aside }

// serveAside listens where the numbers are read, until the function that it
// returns is called.
func (s *Server) serveAside() (stop func(), err error) {
	if s.metrics.Listen == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", s.metrics.Listen)
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	web := s.web(s.aside)
	go func() { _ = web.Serve(listener) }()
	return func() { _ = web.Close() }, nil
}

// sources are those of the parts that have numbers to tell.
func sources(parts ...any) []metrics.Source {
	var all []metrics.Source
	for _, part := range parts {
		if s, ok := part.(metrics.Source); ok {
			all = append(all, s)
		}
	}
	return all
}
