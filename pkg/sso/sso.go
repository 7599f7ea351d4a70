// Package sso is the port to the protocols by which applications learn who
// somebody is, and the one place that decides for all of them who may enter
// and what is told.
package sso

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
)

// Protocol speaks one protocol to relying parties. It keeps no login state of
// its own: it asks login.Flow for a session and hangs what it issues from it.
type Protocol interface {
	// Routes adds the protocol's routes. It is called once.
	Routes(m *web.Mux)
}

// Namer is implemented by protocols that can say which application a local URL
// of theirs is asked by, so that a detour can name its end: "Continue to
// Moodle". It is empty for a URL that is not theirs.
type Namer interface {
	PartyAt(u *url.URL) string
}

// Lister is implemented by protocols that can list their applications, in the
// order of the configuration: for the doctor.
type Lister interface {
	Parties() []RelyingParty
}

// Env is what the host lends a protocol. All fields are set.
type Env struct {
	Issuer    string // the one public URL, without a slash at its end
	Store     store.Store
	Directory directory.Reader
	Login     *login.Flow
	Sessions  *session.Manager
	// Outbox delivers the farewells: the protocol names its handler, of kind
	// session.Farewell(its name), when it is opened.
	Outbox *outbox.Outbox
	Keys   *secret.Keyring
	// Signers are the private keys of the server, the preferred one first.
	Signers []Signer
	Pages   *render.Pages
	Audit   audit.Log
	Logger  *slog.Logger
	Now     func() time.Time
	// Client carries every call to a relying party (CAS single logout, OIDC
	// back-channel logout): it is bounded in time and follows no redirect.
	Client *http.Client
}

// RelyingParty is what every protocol's kind of application has in common. It
// is embedded in oidc.Client and cas.Service, so that a rule reads and holds
// the same on every path.
type RelyingParty struct {
	// Name is shown to people: "Moodle".
	Name string `json:"name"`
	// Grace says whether accounts whose holder has left may still enter, until
	// the end of their grace: "allow" or "deny", the default (requirement
	// R13).
	Grace Grace `json:"grace,omitempty"`
	// Release are the attributes told to the application: names of the
	// directory's attributes or of the account's own values (see Release).
	// Nothing but the name of the account is told by default (R53).
	Attributes []string `json:"attributes,omitempty"`
}

// Access decides whether an account may enter. The reason is empty when it
// may.
func (p RelyingParty) Access(a account.Account) (why account.Reason) {
	switch {
	case !a.Status.MayLogin():
		return a.Reason
	case a.Status == account.Grace && p.Grace != GraceAllow:
		return account.ReasonDeparture
	}
	return account.ReasonNone
}

// Own values of an account, by the name that a configuration calls them. The
// others are the directory's attributes, by their own names.
const (
	ValueLogin       = "login"
	ValueName        = "displayName"
	ValueGivenName   = "givenName"
	ValueFamilyName  = "sn"
	ValueMail        = "mail"
	ValueLanguage    = "preferredLanguage"
	ValueState       = "accountState" // "active" or "grace" (R13)
	ValueEnd         = "accountEnd"   // AAAA-MM-JJ, when there is one
	layoutAccountEnd = "2006-01-02"
)

// Values returns what may be told of an account under one name, in the order
// of the directory; nil when there is nothing.
func Values(a account.Account, name string) []string {
	one := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	switch name {
	case ValueLogin:
		return one(a.Login)
	case ValueName:
		return one(a.Name)
	case ValueGivenName:
		return one(a.GivenName)
	case ValueFamilyName:
		return one(a.FamilyName)
	case ValueMail:
		return one(a.Mail)
	case ValueLanguage:
		return one(a.Language)
	case ValueState:
		return one(string(a.Status))
	case ValueEnd:
		if a.Ends.IsZero() {
			return nil
		}
		return one(a.Ends.Format(layoutAccountEnd))
	}
	return a.Attributes[name]
}

// Release returns what the application is told of an account beyond its name,
// by the names of Attributes. Names without a value are left out.
func (p RelyingParty) Release(a account.Account) map[string][]string {
	out := map[string][]string{}
	for _, name := range p.Attributes {
		if values := Values(a, name); len(values) > 0 {
			out[name] = values
		}
	}
	return out
}

// Logout ends the session of a request for whatever protocol asked, and says
// whether that could be done: when not, the 503 is already written.
func (e Env) Logout(w http.ResponseWriter, r *http.Request) bool {
	if err := e.Login.Logout(w, r); err != nil {
		e.Login.Pages.Unavailable(w, r, err)
		return false
	}
	return true
}

// Farewells names the handler that tells the parties of a protocol about the
// end of a session.
func (e Env) Farewells(protocol string, tell func(ctx context.Context, v session.Visit) error) {
	e.Outbox.Handle(session.Farewell(protocol), func(ctx context.Context, job outbox.Job) error {
		v, err := session.VisitOf(job)
		if err != nil {
			return err
		}
		return tell(ctx, v)
	})
}
