package login

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/session"
)

// Network is how a directory says to which establishments of a network of
// schools an account belongs, and in which of them it is now. The zero Network
// has none.
type Network struct {
	// Attribute holds all of an account's: ESCOUAI.
	Attribute string `json:"attribute"`
	// Current holds the one in which it is now: ESCOUAICourant. It is what
	// applications are told, and must be editable.
	Current string `json:"current"`
	// Known are establishments by their value in Attribute.
	Known map[string]Establishment `json:"known"`
}

// Establishment is one of them.
type Establishment struct {
	Name string `json:"name"`
	// Portal is where people go on to who change to it; the site's own portal
	// by default.
	Portal string `json:"portal"`
}

// Validate reports what cannot be meant. An error names the key.
func (n Network) Validate() error {
	if n.Attribute == "" && n.Current == "" && n.Known == nil {
		return nil
	}
	if n.Attribute == "" {
		return plugin.At("attribute", errors.New("is missing: name the one that holds all of an account's establishments, like ESCOUAI"))
	}
	if n.Current == "" {
		return plugin.At("current", errors.New("is missing: name the one that holds the current establishment, like ESCOUAICourant"))
	}
	for value, each := range n.Known {
		if u, err := url.Parse(each.Portal); each.Portal != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			return plugin.At("known."+value+".portal", errors.New("must be a whole URL, like https://college.example.fr/"))
		}
	}
	return nil
}

// Of returns the establishments of an account and the current one, empty when
// none is.
func (n Network) Of(a account.Account) (all []string, current string) {
	if values := a.Values(n.Current); len(values) > 0 {
		current = values[0]
	}
	return a.Values(n.Attribute), current
}

// Establishments lets people who belong to several change between them.
type Establishments struct {
	Network
	Flow   *Flow
	Editor directory.Editor
}

// ErrEstablishment says that an account does not belong to an establishment.
var ErrEstablishment = errors.New("login: not an establishment of this account")

// Change makes another establishment the current one, for good and everywhere:
// it is written into the directory. The applications visited are told that they
// are left, and the person stays signed in (partial logout, requirement R56):
// whatever they enter next reads the new value. The URLs are those of Logout.
// Errors: ErrEstablishment, directory.ErrConflict when it was changed elsewhere
// in the meantime, or a fault; then the session is as it was.
func (e *Establishments) Change(w http.ResponseWriter, r *http.Request, s *session.Session, to string) (farewells []string, err error) {
	a, err := e.Flow.Directory.Get(r.Context(), s.Account.ID)
	if err != nil {
		return nil, err
	}
	if all, _ := e.Of(a); !slices.Contains(all, to) {
		return nil, ErrEstablishment
	}
	if err := e.Editor.Edit(r.Context(), a.ID, e.Current, a.Values(e.Current), []string{to}); err != nil {
		return nil, fmt.Errorf("login: establishment: %w", err)
	}
	// It was read just before; now a replica of the directory may not have it yet.
	a.Attributes = maps.Clone(a.Attributes)
	a.Attributes[e.Current] = []string{to}
	for _, of := range e.Flow.Farewells {
		farewells = append(farewells, of(s)...)
	}
	s.Account, s.Checked = a, e.Flow.now()
	e.Flow.Sessions.Part(s)
	if err := e.Flow.Sessions.Commit(r.Context(), w, s); err != nil {
		return nil, err
	}
	e.Flow.record(r, audit.Event{Action: "establishment.change", Result: "ok", Account: a.ID})
	return farewells, nil
}
