package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
)

// Way says which proofs suffice for some accounts and purposes. Of a list the
// first that is for an account and a purpose decides; without one each
// configured method suffices by itself.
type Way struct {
	// For is whom it is for: everybody, when empty.
	For account.Condition `json:"for"`
	// Purposes are what it is for: all, when empty.
	Purposes []Purpose `json:"purposes"`
	// AnyOf are combinations of methods by name: all of one must be proved.
	AnyOf [][]string `json:"anyOf"`
}

var purposes = []Purpose{Reset, Activate, Unlock, Identifier, Contact}

// CheckWays reports what cannot be meant, as a *plugin.Error that names the
// place, for methods that are configured.
func CheckWays(ways []Way, methods []Method) error {
	for i, way := range ways {
		at := func(key string, err error) error { return plugin.At(fmt.Sprintf("[%d]", i), plugin.At(key, err)) }
		if err := way.For.Validate(); err != nil {
			return at("for", err)
		}
		for _, p := range way.Purposes {
			if !slices.Contains(purposes, p) {
				return at("purposes", fmt.Errorf("no purpose is called %q; known: %v", p, purposes))
			}
		}
		if len(way.AnyOf) == 0 {
			return at("anyOf", errors.New("is missing; name what suffices, like [[emaillink], [smscode]]"))
		}
		for j, combination := range way.AnyOf {
			if err := checkCombination(combination, methods); err != nil {
				return at(fmt.Sprintf("anyOf[%d]", j), err)
			}
		}
	}
	return nil
}

func checkCombination(names []string, methods []Method) error {
	if len(names) == 0 {
		return errors.New("is empty; name at least one method")
	}
	var known []string
	for _, m := range methods {
		known = append(known, m.Name())
	}
	for i, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("no configured method is called %q; known: %v", name, known)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("names %q twice", name)
		}
	}
	return nil
}

// combinations are what suffices for an account and a purpose.
func (f *Flow) combinations(a account.Account, p Purpose) [][]Method {
	var out [][]Method
	for _, way := range f.Ways {
		if len(way.Purposes) > 0 && !slices.Contains(way.Purposes, p) || !way.For.Holds(a, f.now()) {
			continue
		}
		for _, names := range way.AnyOf {
			var combination []Method
			for _, name := range names {
				if m, ok := f.method(name); ok {
					combination = append(combination, m)
				}
			}
			if len(combination) == len(names) && stands(combination, a, p) {
				out = append(out, combination)
			}
		}
		return out
	}
	for _, m := range f.Methods {
		if one := []Method{m}; stands(one, a, p) {
			out = append(out, one)
		}
	}
	return out
}

// stands reports whether a combination holds something that may be all that is
// asked: facts that others may know add to a proof and are none (requirement
// R43).
func stands(combination []Method, a account.Account, p Purpose) bool {
	return slices.ContainsFunc(combination, func(m Method) bool {
		asked, ok := m.(Asked)
		return !ok || asked.Alone(a, p)
	})
}

// suffices reports whether a whole combination is proved.
func (f *Flow) suffices(a account.Account, p Purpose, proved map[string]string) bool {
	return slices.ContainsFunc(f.combinations(a, p), func(c []Method) bool { return len(missing(c, proved)) == 0 })
}

// missing are the names of what a combination needs beside what is proved.
func missing(combination []Method, proved map[string]string) (names []string) {
	for _, m := range combination {
		if proved[m.Name()] == "" {
			names = append(names, m.Name())
		}
	}
	return names
}

// ways are the combinations by which an account can go on from what is proved:
// those first that need nobody else, and of these the nearest to the end.
func (f *Flow) ways(a account.Account, p Purpose, proved map[string]string) [][]Method {
	possible := slices.DeleteFunc(f.combinations(a, p), func(c []Method) bool {
		return slices.ContainsFunc(c, func(m Method) bool { return proved[m.Name()] == "" && !m.Offers(a, p) })
	})
	// What another one needs too, with more beside it, is only longer.
	possible = slices.DeleteFunc(slices.Clone(possible), func(c []Method) bool {
		all := missing(c, proved)
		return slices.ContainsFunc(possible, func(other []Method) bool {
			some := missing(other, proved)
			return len(some) < len(all) && !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
		})
	})
	others := func(c []Method) int {
		if slices.ContainsFunc(c, func(m Method) bool { return isHanded(m) && proved[m.Name()] == "" }) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(possible, func(x, y []Method) int {
		return cmp.Or(others(x)-others(y), len(missing(x, proved))-len(missing(y, proved)))
	})
	return possible
}

// next returns the methods that lead on from what is proved.
func (f *Flow) next(a account.Account, p Purpose, proved map[string]string) []Method {
	var out []Method
	for _, combination := range f.ways(a, p, proved) {
		for _, m := range combination {
			if proved[m.Name()] == "" && !slices.ContainsFunc(out, func(o Method) bool { return o.Name() == m.Name() }) {
				out = append(out, m)
			}
		}
	}
	return out
}

// Channels are the names of the methods that send something: what may be
// offered before anything is known of anybody, the same to everybody.
func (f *Flow) Channels() (names []string) {
	for _, m := range f.Methods {
		if sends(m) {
			names = append(names, m.Name())
		}
	}
	return names
}

// Letters reports whether codes are handed over here.
func (f *Flow) Letters() bool { return slices.ContainsFunc(f.Methods, isHanded) }

// Asks reports whether a method of this name asks for something.
func (f *Flow) Asks(name string) bool {
	m, ok := f.method(name)
	return ok && isAsked(m)
}

// Identifies returns the method that can tell who somebody is without a login;
// nil when there is none.
func (f *Flow) Identifies() Identifying {
	for _, m := range f.Methods {
		if i, ok := m.(Identifying); ok {
			return i
		}
	}
	return nil
}

// Numbered reports whether whoever wants something begins by such a method: no
// message opens a way to it by itself.
func (f *Flow) Numbered(p Purpose) bool {
	identifying := func(name string) bool { m, _ := f.method(name); _, ok := m.(Identifying); return ok }
	handed := func(name string) bool { m, ok := f.method(name); return ok && isHanded(m) }
	for _, way := range f.Ways {
		if len(way.Purposes) > 0 && !slices.Contains(way.Purposes, p) {
			continue
		}
		for _, names := range way.AnyOf {
			if !slices.ContainsFunc(names, identifying) && !slices.ContainsFunc(names, handed) {
				return false
			}
		}
		if len(way.For.Attributes()) == 0 { // it is for everybody
			return f.Identifies() != nil
		}
	}
	return false
}

// Messages are the keys of the messages that the methods need: a server checks
// at start that they exist.
func (f *Flow) Messages() (keys []string) {
	for _, m := range f.Methods {
		if sends(m) {
			for _, key := range []string{"send", "title", "hint", "nothing"} {
				keys = append(keys, "method."+m.Name()+"."+key)
			}
		} else {
			keys = append(keys, "method."+m.Name()+".label", "method."+m.Name()+".hint")
		}
	}
	return keys
}
