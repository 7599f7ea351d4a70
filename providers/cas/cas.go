// Package cas speaks CAS 3.0.3 to applications: it hands out service tickets
// on the shared session, answers their validation and tells every service of
// the end.
//
// The way of a ticket: GET /cas/login asks package login for a session and
// hangs a ticket from it; the browser carries the ticket to the service; the
// service redeems it, once whatever comes of it, at one of
//
//	/cas/validate             CAS 1: two lines of text
//	/cas/serviceValidate      CAS 2 and 3: XML, or JSON by format=JSON
//	/cas/p3/serviceValidate   the same
//	/cas/proxyValidate, /cas/p3/proxyValidate   the same
//
// When the session ends each service gets a LogoutRequest per ticket.
package cas

import (
	"context"
	"net/http"
	"time"

	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/ticket"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// Service is one application that speaks CAS.
type Service = registry.Service

// Config is the CAS section of a configuration.
type Config struct {
	// Services are the applications that may ask. All others are refused (CAS
	// 3.0.3 section 2.2.1).
	Services []Service `json:"services"`
}

// Open checks the services. An error names the one at fault.
func (c *Config) Open(_ context.Context, env sso.Env) (sso.Protocol, error) {
	services, err := registry.New(c.Services)
	if err != nil {
		return nil, err
	}
	p := &protocol{
		env:      env,
		services: services,
		tickets:  ticket.Book{Store: env.Store, Kind: "st", Prefix: "ST-", TTL: ticketTTL},
	}
	for _, s := range c.Services {
		p.parties = append(p.parties, s.RelyingParty)
	}
	env.Farewells(name, p.farewell)
	return p, nil
}

// name is that of the protocol, in visits and farewells.
const name = "cas"

// ticketTTL is how long a service has to come and validate. CAS 3.0.3 section
// 3.1.1 allows five minutes; requirement R15 leaves an account that was closed
// one.
const ticketTTL = time.Minute

type protocol struct {
	env      sso.Env
	services *registry.Registry
	tickets  ticket.Book
	parties  []sso.RelyingParty
}

// Parties implements sso.Lister.
func (p *protocol) Parties() []sso.RelyingParty { return p.parties }

// Routes implements sso.Protocol.
func (p *protocol) Routes(m *web.Mux) {
	m.Page("GET /cas/login", http.HandlerFunc(p.request))
	m.Page("POST /cas/login", http.HandlerFunc(p.accept))
	m.Page("GET /cas/logout", http.HandlerFunc(p.logout))
	m.Machine("GET /cas/validate", http.HandlerFunc(p.validate))
	for _, path := range []string{"serviceValidate", "p3/serviceValidate", "proxyValidate", "p3/proxyValidate"} {
		m.Machine("GET /cas/"+path, http.HandlerFunc(p.serviceValidate))
	}
}
