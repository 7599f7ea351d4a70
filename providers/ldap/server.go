package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// server is one of those that are configured: a name behind which one or
// several addresses are.
type server struct {
	name     string // as it is configured, for people
	startTLS bool
	tls      *tls.Config // nil: plaintext
	// locate asks where the server is now: host names and ports.
	locate func(ctx context.Context) ([]place, error)

	mu    sync.Mutex
	known []*endpoint // as they were last located
}

// place is a host and a port.
type place struct{ host, port string }

// endpoint is one address of a server and how it has been doing. The pointer
// stays the same for as long as the address is the server's.
type endpoint struct {
	server  *server
	host    string // the name that its certificate must have
	address string // an IP address and a port
	dial    func(ctx context.Context) (net.Conn, error)

	mu     sync.Mutex
	failed time.Time // when it last failed
	inRow  int       // failures since it last answered
	tried  time.Time // when somebody last tried it in spite of them
}

// Of addresses that fail.
const (
	// retryAfter is how often one caller tries an address that fails, and so
	// how long after it came back it is used again.
	retryAfter = time.Second
	// breakAfter is from how many failures in a row nobody else does.
	breakAfter = 3
)

func (e *endpoint) fail(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.inRow == 0 {
		e.tried = now
	}
	e.failed, e.inRow = now, e.inRow+1
}

func (e *endpoint) answered() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inRow = 0
}

func (e *endpoint) failedSince(then time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed.After(then)
}

func (e *endpoint) failures() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.inRow
}

// turn is when an address is tried: in its place, after all others, or not.
type turn int

const (
	inPlace turn = iota
	last
	never
)

func (e *endpoint) turn(now time.Time) turn {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.inRow == 0:
		return inPlace
	case now.Sub(e.tried) >= retryAfter:
		e.tried = now // by this caller and no other
		return inPlace
	case e.inRow < breakAfter:
		return last
	}
	return never
}

// endpoints are the addresses of a server. When its name cannot be resolved,
// they are what they were.
func (s *server) endpoints(ctx context.Context, resolver *net.Resolver) ([]*endpoint, error) {
	if s.locate == nil {
		return s.known, nil
	}
	found, err := s.resolve(ctx, resolver)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if len(s.known) > 0 && !callerLeft(ctx) {
			return s.known, nil
		}
		return nil, err
	}
	for i, e := range found {
		if at := slices.IndexFunc(s.known, func(k *endpoint) bool { return k.host == e.host && k.address == e.address }); at >= 0 {
			found[i] = s.known[at]
		}
	}
	s.known = found
	return found, nil
}

func (s *server) resolve(ctx context.Context, resolver *net.Resolver) ([]*endpoint, error) {
	places, err := s.locate(ctx)
	if err != nil {
		return nil, err
	}
	var out []*endpoint
	var failures []error
	for _, p := range places {
		hosts, err := resolver.LookupHost(ctx, p.host)
		if err != nil {
			failures = append(failures, err)
		}
		for _, ip := range hosts {
			e := &endpoint{server: s, host: p.host, address: net.JoinHostPort(ip, p.port)}
			e.dial = func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", e.address)
			}
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, errors.Join(failures...)
	}
	return out, nil
}

// inTheClear reports whether passwords would cross a network readable.
func (s *server) inTheClear() bool { return s.tls == nil && s.name != embedded }

// embedded names the server that is dialled inside the process.
const embedded = "embedded"

// servers are the URLs made ready to dial: those that take changes, and copies.
func (c Config) servers(resolver *net.Resolver) (providers, replicas []*server, err error) {
	if c.Dial != nil {
		s := &server{name: embedded}
		s.known = []*endpoint{{server: s, dial: c.Dial}}
		return []*server{s}, nil, nil
	}
	if len(c.URLs) == 0 {
		return nil, nil, errors.New("urls: is missing; write for instance [\"ldaps://ldap.univ.fr\"]")
	}
	var roots *x509.CertPool
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, nil, fmt.Errorf("ca: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("ca: %s holds no PEM certificate", c.CA)
		}
	}
	for key, list := range map[string][]string{"urls": c.URLs, "replicas": c.Replicas} {
		for i, text := range list {
			s, err := c.server(text, roots, resolver)
			if err != nil {
				return nil, nil, fmt.Errorf("%s[%d]: %w", key, i, err)
			}
			if key == "urls" {
				providers = append(providers, s)
			} else {
				replicas = append(replicas, s)
			}
		}
	}
	return providers, replicas, nil
}

// server reads one URL.
func (c Config) server(text string, roots *x509.CertPool, resolver *net.Resolver) (*server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("must be ldap://host[:port] or ldaps://host[:port]")
	}
	scheme, srv := strings.CutSuffix(u.Scheme, "+srv")
	s := &server{name: u.Host}
	switch {
	case scheme == "ldaps" && c.StartTLS:
		return nil, errors.New("ldaps:// is TLS already; leave startTLS out or write ldap://")
	case scheme == "ldaps", scheme == "ldap" && c.StartTLS:
		s.startTLS = c.StartTLS
		s.tls = &tls.Config{ServerName: c.ServerName, RootCAs: roots, MinVersion: tls.VersionTLS12}
	case scheme == "ldap":
		if !c.InsecurePlaintext && !loopback(u.Hostname()) {
			return nil, errors.New("would send passwords in the clear; use ldaps://, or ldap:// with startTLS")
		}
	default:
		return nil, errors.New("must begin with ldap://, ldaps://, ldap+srv:// or ldaps+srv://")
	}
	if srv {
		if u.Port() != "" {
			return nil, errors.New("the ports are those of the SRV records; write the domain alone")
		}
		s.locate = func(ctx context.Context) ([]place, error) { return s.records(ctx, resolver, scheme, u.Hostname()) }
		return s, nil
	}
	at := place{u.Hostname(), cmp.Or(u.Port(), map[string]string{"ldap": "389", "ldaps": "636"}[scheme])}
	s.locate = func(context.Context) ([]place, error) { return []place{at}, nil }
	return s, nil
}

// records are the hosts of the SRV records of a domain, in the order of RFC
// 2782. DNS is not to be trusted with the name that a certificate must have:
// hosts outside the domain count only where serverName says that name.
func (s *server) records(ctx context.Context, resolver *net.Resolver, scheme, domain string) ([]place, error) {
	_, found, err := resolver.LookupSRV(ctx, scheme, "tcp", domain)
	if err != nil {
		return nil, err
	}
	// Of "dc._msdcs.ad.univ.fr" the domain is what follows the last label with
	// an underscore.
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		if strings.HasPrefix(label, "_") {
			domain = strings.Join(labels[i+1:], ".")
		}
	}
	var out []place
	for _, r := range found {
		host := strings.TrimSuffix(r.Target, ".")
		if s.tls == nil || s.tls.ServerName != "" || within("@"+host, []string{domain}) {
			out = append(out, place{host, fmt.Sprint(r.Port)})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the SRV records of %s name no host within it: set serverName to the name in the certificates", domain)
	}
	return out, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
