package registry

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/plugin"
)

// Registry finds the service of a URL, in a time that does not depend on how
// many are registered: it is a tree of the segments of paths below each
// origin. It is made once and never changes.
type Registry struct {
	origins  map[string]*node // by Address.origin
	loopback *Service
}

// node is a place in the tree, with what is registered just there.
type node struct {
	below   map[string]*node // by the next segment
	entries []entry          // the closest first
}

// entry is one way to match.
type entry struct {
	service *Service
	kind    kind
	text    string // a path with its query, a path, or an expression
	pattern *regexp.Regexp
}

// kind orders what is registered at one place: the first is the closest.
type kind int

const (
	exact kind = iota
	pattern
	prefix
)

// New checks the services. An error names the one at fault.
func New(services []Service) (*Registry, error) {
	r := &Registry{origins: map[string]*node{}}
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
	return r, nil
}

func (r *Registry) add(s *Service) error {
	if err := s.check(); err != nil {
		return err
	}
	switch {
	case s.Loopback:
		if r.loopback != nil {
			return plugin.At("loopback", fmt.Errorf("%q covers loopback already", r.loopback.Name))
		}
		r.loopback = s
		return nil
	case s.Pattern != "":
		return plugin.At("pattern", r.addPattern(s))
	case s.URL != "":
		a, err := s.address(s.URL)
		if err != nil {
			return plugin.At("url", err)
		}
		return plugin.At("url", r.insert(a, entry{service: s, kind: exact, text: a.path + a.query}))
	}
	a, err := s.address(s.Prefix)
	switch {
	case err != nil:
		return plugin.At("prefix", err)
	case a.query != "":
		return plugin.At("prefix", errors.New("must end with the path, without a query"))
	}
	return plugin.At("prefix", r.insert(a, entry{service: s, kind: prefix, text: a.path}))
}

func (r *Registry) addPattern(s *Service) error {
	matches, starts, err := compile(s.Pattern)
	if err != nil {
		return err
	}
	at := map[*node]bool{}
	for _, a := range starts {
		if err := s.secure(a); err != nil {
			return err
		}
		// Of two starts that are one place, one is enough.
		if n := r.place(a); !at[n] {
			at[n] = true
			if err := r.insert(a, entry{service: s, kind: pattern, text: s.Pattern, pattern: matches}); err != nil {
				return err
			}
		}
	}
	return nil
}

// insert registers an entry at an address, and at the others that mean it.
func (r *Registry) insert(a Address, e entry) error {
	for _, each := range e.service.Normalise.addresses(a) {
		n := r.place(each)
		if i := slices.IndexFunc(n.entries, func(other entry) bool { return other.kind == e.kind && other.text == e.text }); i >= 0 {
			return fmt.Errorf("%q has the same", n.entries[i].service.Name)
		}
		n.entries = append(n.entries, e)
		slices.SortStableFunc(n.entries, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(len(b.text), len(a.text)))
		})
	}
	return nil
}

// place is the node of an address, made if need be.
func (r *Registry) place(a Address) *node {
	n := r.origins[a.origin()]
	if n == nil {
		n = &node{}
		r.origins[a.origin()] = n
	}
	for _, segment := range segments(a.path) {
		if n.below == nil {
			n.below = map[string]*node{}
		}
		if n.below[segment] == nil {
			n.below[segment] = &node{}
		}
		n = n.below[segment]
	}
	return n
}

// segments are those of a path by which it is looked up: without what some
// service may want ignored.
func segments(path string) []string {
	path = strings.Trim(jsessionid.ReplaceAllString(path, ""), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// Find reads a service URL and returns the service that it belongs to; nil for
// a URL that is not plain or not registered. Of several it is the one that is
// registered with the most of the path; then a URL before a pattern, and a
// pattern before a prefix.
func (r *Registry) Find(url string) (Address, *Service) {
	a, err := parse(url)
	if err != nil {
		return Address{}, nil
	}
	return r.find(a)
}

// Explain is Find for an operator: the error says why a URL is nobody's.
func (r *Registry) Explain(url string) (*Service, error) {
	a, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("the URL %w", err)
	}
	if _, s := r.find(a); s != nil {
		return s, nil
	}
	return nil, errors.New("no service is registered for this URL")
}

func (r *Registry) find(a Address) (Address, *Service) {
	for _, e := range r.candidates(a) {
		if form := e.service.normalised(a); e.matches(form) {
			return form, e.service
		}
	}
	if r.loopback != nil && a.loopback() {
		return r.loopback.normalised(a), r.loopback
	}
	return Address{}, nil
}

// candidates are the entries on the way to an address, the closest first.
func (r *Registry) candidates(a Address) []entry {
	n := r.origins[a.origin()]
	if n == nil {
		return nil
	}
	way := []*node{n}
	for _, segment := range segments(a.path) {
		if n = n.below[segment]; n == nil {
			break
		}
		way = append(way, n)
	}
	var out []entry
	for _, n := range slices.Backward(way) {
		out = append(out, n.entries...)
	}
	return out
}

// matches tells whether the entry is for an address in its normal form, of
// whose origin it is.
func (e entry) matches(form Address) bool {
	switch e.kind {
	case exact:
		return form.path+form.query == e.text
	case pattern:
		return e.pattern.MatchString(form.form())
	}
	return below(form.path, e.text)
}

// below cuts only where a segment ends.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || strings.HasSuffix(prefix, "/") || rest[0] == '/')
}

// Same tells whether the URL of a validation means the one that a ticket was
// issued for, in the normal form of its service (requirement R52).
func (r *Registry) Same(issued, validated string) bool {
	one, other, ok := r.forms(issued, validated)
	return ok && one == other
}

// forms are the normal forms of two URLs for the service of the first; false
// when there is none.
func (r *Registry) forms(issued, validated string) (one, other string, ok bool) {
	a, s := r.Find(issued)
	b, err := parse(validated)
	if s == nil || err != nil {
		return "", "", false
	}
	return a.form(), s.normalised(b).form(), true
}
