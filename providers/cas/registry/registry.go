package registry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/plugin"
)

// Registry finds the service of an address, in a time that does not depend on
// how many hosts are registered.
type Registry struct {
	exact    map[string]*Service // by Address.id
	prefixes map[string][]prefix // by Address.origin, the longest path first
	loopback *Service
}

type prefix struct {
	path    string
	service *Service
}

// New checks the services. An error names the one at fault.
func New(services []Service) (*Registry, error) {
	r := &Registry{exact: map[string]*Service{}, prefixes: map[string][]prefix{}}
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

func (r *Registry) add(s *Service) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := s.checkNames(); err != nil {
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

// Find reads a service URL and returns the service that it belongs to, of
// several the closest; nil for a URL that is not plain or not registered.
func (r *Registry) Find(url string) (Address, *Service) {
	a, err := parse(url)
	if err != nil {
		return Address{}, nil
	}
	return a, r.find(a)
}

// Same tells whether the URL of a validation means the one that a ticket was
// issued for, so that the case of a host does not matter (requirement R52).
func (r *Registry) Same(issued, validated string) bool {
	one, err1 := parse(issued)
	other, err2 := parse(validated)
	return err1 == nil && err2 == nil && one.id() == other.id()
}

func (r *Registry) find(a Address) *Service {
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
