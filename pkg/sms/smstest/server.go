package smstest

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Server is the far end of a gateway that speaks HTTP. Its fields are set
// before the first request.
type Server struct {
	*httptest.Server
	// Read finds the message in a request, and the zero Received in one that
	// is not as it should be, which is answered 400.
	Read func(r *http.Request) Received
	// Once names the header of a server that sends a message once, however
	// often it is given; empty for others.
	Once string
	// Accept answers a request whose message was sent; 200 when nil.
	Accept http.HandlerFunc
	// Other answers a request that carries no message, and reports whether it
	// did; nil when there are none.
	Other func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	fault    Fault
	sent     func()
	seen     map[string]bool
	received []Received
}

// NewServer starts one that ends with the test.
func NewServer(t testing.TB) *Server {
	s := &Server{seen: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections() // those it is silent on
		s.Close()
	})
	return s
}

// Fail is as of Harness.
func (s *Server) Fail(f Fault, sent func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.sent = f, sent
}

// Received is as of Harness.
func (s *Server) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Other != nil && s.Other(w, r) {
		return
	}
	m := s.Read(r)
	s.mu.Lock()
	fault, sent := s.fault, s.sent
	if taken := m != (Received{}) && (fault == None || fault == Silent); taken {
		id := ""
		if s.Once != "" {
			id = r.Header.Get(s.Once)
		}
		if !s.seen[id] {
			s.received = append(s.received, m)
		}
		s.seen[id] = id != ""
	}
	s.mu.Unlock()
	switch {
	case fault == Later:
		w.WriteHeader(http.StatusServiceUnavailable)
	case fault == Never || m == Received{}:
		w.WriteHeader(http.StatusBadRequest)
	case fault == Silent:
		sent()
		<-r.Context().Done()
	case s.Accept != nil:
		s.Accept(w, r)
	}
}
