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

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/signing"
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
	// Signers are the private keys of the server. They change while it runs.
	Signers *signing.Ring
	Pages   *render.Pages
	Audit   audit.Log
	Logger  *slog.Logger
	Now     func() time.Time
	// Client carries calls to a relying party (CAS single logout, OIDC
	// back-channel logout): it is bounded in time and size and follows no
	// redirect.
	Client *http.Client
	// Public is a Client that reaches public addresses only: for a URL that a
	// request brings (the callback of a CAS proxy).
	Public *http.Client
}

// Logout ends the session of a request for whatever protocol asked, and says
// whether that could be done: when not, the 503 is already written. The URLs are
// as of login.Flow.Logout.
func (e Env) Logout(w http.ResponseWriter, r *http.Request) (farewells []string, ok bool) {
	farewells, err := e.Login.Logout(w, r)
	if err != nil {
		e.Login.Pages.Unavailable(w, r, err)
		return nil, false
	}
	return farewells, true
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
