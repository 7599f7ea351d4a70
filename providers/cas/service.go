package cas

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
)

// Service is one application. Exactly one of URL, Prefix and Loopback says
// which service URLs are its own.
type Service struct {
	sso.RelyingParty
	// URL is the one service URL, query included.
	URL string `json:"url,omitempty"`
	// Prefix covers every URL of the same scheme, host and port whose path is
	// this one or lies below it: "https://app.example/moodle" covers /moodle
	// and /moodle/login.php but not /moodle2.
	Prefix string `json:"prefix,omitempty"`
	// Loopback covers every URL on this very machine, any port and path: for
	// trying out.
	Loopback bool `json:"loopback,omitempty"`
	// InsecureHTTP allows a URL or Prefix of scheme http that is not on a
	// loopback address: whoever listens on the network between then enters in
	// the person's place (CAS 3.0.3 section 2.2.1 recommends https only).
	InsecureHTTP bool `json:"insecure_http,omitempty"`
}

// registry finds the service of an address, in a time that does not depend on
// how many hosts are registered.
type registry struct {
	exact    map[string]*Service // by address.id
	prefixes map[string][]prefix // by address.origin, the longest path first
	loopback *Service
}

type prefix struct {
	path    string
	service *Service
}

func register(services []Service) (*registry, error) {
	r := &registry{exact: map[string]*Service{}, prefixes: map[string][]prefix{}}
	for i := range services {
		s := &services[i]
		if err := r.add(s); err != nil {
			place := fmt.Sprintf("services[%d]", i)
			if s.Name != "" {
				place += " (" + s.Name + ")"
			}
			return nil, plugin.At(place, err)
		}
	}
	for _, list := range r.prefixes {
		slices.SortFunc(list, func(a, b prefix) int { return cmp.Compare(len(b.path), len(a.path)) })
	}
	return r, nil
}

func (r *registry) add(s *Service) error {
	if s.Name == "" {
		return plugin.At("name", errors.New("is missing: it is what people read"))
	}
	if err := checkNames(s.Attributes); err != nil {
		return plugin.At("attributes", err)
	}
	kinds := 0
	for _, given := range []bool{s.URL != "", s.Prefix != "", s.Loopback} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("give exactly one of url, prefix and loopback")
	}
	switch {
	case s.Loopback:
		if r.loopback != nil {
			return plugin.At("loopback", fmt.Errorf("%q covers loopback already", r.loopback.Name))
		}
		r.loopback = s
	case s.URL != "":
		a, err := s.pattern(s.URL)
		if err != nil {
			return plugin.At("url", err)
		}
		if other := r.exact[a.id()]; other != nil {
			return plugin.At("url", fmt.Errorf("%q has the same", other.Name))
		}
		r.exact[a.id()] = s
	default:
		a, err := s.pattern(s.Prefix)
		if err != nil {
			return plugin.At("prefix", err)
		}
		if a.query != "" {
			return plugin.At("prefix", errors.New("must end with the path, without a query"))
		}
		list := r.prefixes[a.origin]
		if i := slices.IndexFunc(list, func(p prefix) bool { return p.path == a.path }); i >= 0 {
			return plugin.At("prefix", fmt.Errorf("%q has the same", list[i].service.Name))
		}
		r.prefixes[a.origin] = append(list, prefix{a.path, s})
	}
	return nil
}

func (s *Service) pattern(raw string) (address, error) {
	a, err := parseAddress(raw)
	switch {
	case err != nil:
		return a, errors.New("must be a whole URL in its plainest form, like https://moodle.example.fr/")
	case strings.Contains(raw, "#"):
		return a, errors.New("must not have a fragment")
	case !a.https() && !a.loopback() && !s.InsecureHTTP:
		return a, errors.New("must be https; set insecure_http to accept that tickets can be read on the way")
	}
	return a, nil
}

// find returns the service to which an address belongs, the closest match
// first, or nil.
func (r *registry) find(a address) *Service {
	if s := r.exact[a.id()]; s != nil {
		return s
	}
	for _, p := range r.prefixes[a.origin] {
		if below(a.path, p.path) {
			return p.service
		}
	}
	if a.loopback() {
		return r.loopback
	}
	return nil
}

// below cuts only where a segment ends.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || strings.HasSuffix(prefix, "/") || rest[0] == '/')
}
