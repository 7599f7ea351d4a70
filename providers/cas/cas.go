// Package cas speaks CAS 3.0.3 to applications: it hands out service tickets
// on the shared session, answers their validation, lets services act for
// people at others and tells every service of the end.
//
// The way of a ticket: GET /cas/login asks package login for a session and
// hangs a ticket from it; the browser carries the ticket to the service; the
// service redeems it, once whatever comes of it, at one of
//
//	/cas/validate                               CAS 1: two lines of text
//	/cas/serviceValidate, /cas/p3/serviceValidate   XML, or JSON by format=JSON
//	/cas/proxyValidate, /cas/p3/proxyValidate   the same, and proxy tickets
//	/cas/samlValidate                           SAML 1.1
//
// A service that gives a callback when it validates gets a proxy-granting
// ticket there, and for that, at /cas/proxy, tickets for other services.
// /cas/v1/tickets is for programs without a browser. When the session ends each
// service gets a LogoutRequest per ticket.
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

// Logout is how a Service learns that a session has ended.
type Logout = registry.Logout

// Proxy is what a Service may do in somebody's name.
type Proxy = registry.Proxy

// Config is the CAS section of a configuration.
type Config struct {
	// Services are the applications that may ask. All others are refused (CAS
	// 3.0.3 section 2.2.1).
	Services []Service `json:"services"`
	// LogoutURL makes /cas/logout take the parameter url like service, as CAS 2
	// did: only for URLs of Services (requirement R56). CAS 3.0.3 section 2.3.1
	// has it ignored.
	LogoutURL bool `json:"logoutURL"`
	// PrivateCallbacks lets the callbacks that services list be at private
	// addresses, instead of public ones only.
	PrivateCallbacks bool `json:"privateCallbacks"`
	// REST opens /cas/v1/tickets, where programs give people's passwords to get
	// tickets for them.
	REST bool `json:"rest"`
}

// Open checks the services. An error names the one at fault.
func (c *Config) Open(_ context.Context, env sso.Env) (sso.Protocol, error) {
	services, err := registry.New(c.Services)
	if err != nil {
		return nil, err
	}
	book := func(kind, prefix string, ttl time.Duration) ticket.Book {
		return ticket.Book{Store: env.Store, Kind: kind, Prefix: prefix, TTL: ttl}
	}
	p := &protocol{
		env:      env,
		config:   *c,
		services: services,
		issued:   book("st", "ST-", ticketTTL),
		proxies:  book("pt", "PT-", ticketTTL),
		granting: book("pgt", "PGT-", grantingTTL),
		sessions: book("tgt", "TGT-", grantingTTL),
	}
	for _, s := range c.Services {
		p.parties = append(p.parties, s.RelyingParty)
	}
	env.Farewells(name, p.farewell)
	env.Farewells(proxied, p.farewell)
	env.Login.Farewells = append(env.Login.Farewells, p.frontChannel)
	return p, nil
}

// The names of the protocol in visits and farewells. What a proxy enters, often
// hundreds of times in a session, is kept apart: it must not push out what the
// person entered.
const (
	name    = "cas"
	proxied = "cas proxied"
)

const (
	// ticketTTL is how long a service has to come and validate. CAS 3.0.3
	// section 3.1.1 allows five minutes; requirement R15 leaves an account
	// that was closed one.
	ticketTTL = time.Minute
	// grantingTTL is how long other tickets can be had for one that hangs from
	// the session: a working day. It never outlives the session.
	grantingTTL = 8 * time.Hour
)

type protocol struct {
	env      sso.Env
	config   Config
	services *registry.Registry
	issued   ticket.Book // to services, by way of the browser
	proxies  ticket.Book // to services, by way of another one
	granting ticket.Book // to proxies
	sessions ticket.Book // to programs that signed somebody in
	parties  []sso.RelyingParty
}

// Parties implements sso.Lister.
func (p *protocol) Parties() []sso.RelyingParty { return p.parties }

// Routes implements sso.Protocol.
func (p *protocol) Routes(m *web.Mux) {
	m.Page("GET /cas/login", http.HandlerFunc(p.request))
	m.Page("POST /cas/login", http.HandlerFunc(p.accept))
	m.Page("POST "+proceedPath, http.HandlerFunc(p.proceed))
	m.Page("GET /cas/logout", http.HandlerFunc(p.logout))
	m.Machine("POST /cas/logout", http.HandlerFunc(p.postedLogout))

	both := func(path string, h http.HandlerFunc) {
		m.Machine("GET "+path, h)
		m.Machine("POST "+path, h)
	}
	both("/cas/validate", p.validate)
	both("/cas/serviceValidate", p.serviceValidate(onlyIssued))
	both("/cas/p3/serviceValidate", p.serviceValidate(onlyIssued))
	both("/cas/proxyValidate", p.serviceValidate(alsoProxied))
	both("/cas/p3/proxyValidate", p.serviceValidate(alsoProxied))
	both("/cas/proxy", p.proxy)
	m.Machine("POST /cas/samlValidate", http.HandlerFunc(p.samlValidate))
	if p.config.REST {
		m.Machine("POST /cas/v1/tickets", http.HandlerFunc(p.restLogin))
		m.Machine("POST /cas/v1/tickets/{ticket}", http.HandlerFunc(p.restTicket))
		m.Machine("DELETE /cas/v1/tickets/{ticket}", http.HandlerFunc(p.restLogout))
	}
}
