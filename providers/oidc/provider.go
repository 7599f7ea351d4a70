// Package oidc is the OpenID Provider: it signs people in to applications by
// OpenID Connect 1.0, code flow with PKCE, on the shared session.
//
// The words of the protocol — requests, claims, errors, discovery, checks of
// signatures — are those of github.com/zitadel/oidc; the endpoints are our
// own, because an authorization request must write nothing to the store until
// somebody has logged in. What is stored is described at type grant.
//
// The routes, below the issuer: /.well-known/openid-configuration, and
// authorize, par, token, userinfo, introspect, revoke, logout and keys under /oidc.
package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/signing"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/web"
)

// name is that of the protocol in sessions and jobs.
const name = "oidc"

// The paths below the issuer.
const (
	pathDiscovery  = "/.well-known/openid-configuration"
	pathKeys       = "/oidc/keys"
	pathAuthorize  = "/oidc/authorize"
	pathPush       = "/oidc/par"
	pathToken      = "/oidc/token"
	pathUserinfo   = "/oidc/userinfo"
	pathIntrospect = "/oidc/introspect"
	pathRevoke     = "/oidc/revoke"
	pathLogout     = "/oidc/logout"
	pathDevice     = "/oidc/device"
	pathDevices    = "/oidc/device_authorization"
	pathConsent    = "/oidc/consent"
	pathConfirm    = "/oidc/logout/confirm"
)

type provider struct {
	env     sso.Env
	clients map[string]*client
	origins map[string]bool // of the clients' redirect URIs, for CORS
	keys    *keySet

	accessBox, holderBox *secret.Box
	next                 *secret.Deriver

	accessLife time.Duration

	parties []sso.RelyingParty

	discovery []byte
}

// Open checks the clients and prepares what is the same for every request. An
// error names the client and the key.
func (c *Config) Open(_ context.Context, env sso.Env) (sso.Protocol, error) {
	p := &provider{
		env: env, clients: map[string]*client{}, origins: map[string]bool{}, keys: &keySet{ring: env.Signers},
		accessBox:  env.Keys.Box("oidc access token"),
		holderBox:  env.Keys.Box("oidc refresh token holder"),
		next:       env.Keys.Deriver("oidc refresh token"),
		accessLife: c.AccessLife.Or(defaultAccessLife),
	}
	if len(c.Clients) == 0 {
		return nil, plugin.At("clients", errors.New("is missing"))
	}
	for i, configured := range c.Clients {
		checked, err := configured.check(p.keys)
		if err == nil && p.clients[configured.ID] != nil {
			err = plugin.At("id", errors.New("is that of another client too"))
		}
		if err != nil {
			return nil, plugin.At(fmt.Sprintf("clients[%d] (%s)", i, configured.ID), err)
		}
		checked.refreshIdle = configured.RefreshIdle.Or(c.RefreshIdle.Or(defaultRefreshIdle))
		checked.refreshLife = configured.RefreshLife.Or(c.RefreshLife.Or(defaultRefreshLife))
		p.clients[configured.ID] = checked
		p.parties = append(p.parties, configured.RelyingParty)
		for _, uri := range configured.RedirectURIs {
			if o := origin(uri); o != "" {
				p.origins[o] = true
			}
		}
	}
	if err := p.publish(); err != nil {
		return nil, err
	}
	env.Farewells(name, p.farewell)
	env.Login.Farewells = append(env.Login.Farewells, p.frontChannel)
	return p, nil
}

// Parties implements sso.Lister.
func (p *provider) Parties() []sso.RelyingParty { return p.parties }

// Routes implements sso.Protocol. A page that people meet may be posted to
// from our own pages only; authorize and logout may be posted to by any
// application, so they answer a POST by sending the browser to the GET: only
// then does it send its SameSite cookie.
func (p *provider) Routes(m *web.Mux) {
	m.Machine("GET "+pathDiscovery, p.public(p.document(p.discovery)))
	m.Machine("GET "+pathKeys, p.public(http.HandlerFunc(p.jwks)))

	m.Page("GET "+pathAuthorize, http.HandlerFunc(p.authorize))
	m.Machine("POST "+pathAuthorize, p.asGet(pathAuthorize))

	m.Machine("POST "+pathPush, http.HandlerFunc(p.push))

	m.Machine("POST "+pathToken, p.public(http.HandlerFunc(p.token)))
	m.Machine("GET "+pathUserinfo, p.public(http.HandlerFunc(p.userinfo)))
	m.Machine("POST "+pathUserinfo, p.public(http.HandlerFunc(p.userinfo)))
	m.Machine("POST "+pathRevoke, p.public(http.HandlerFunc(p.revoke)))
	for _, path := range []string{pathToken, pathUserinfo, pathRevoke} {
		m.Machine("OPTIONS "+path, p.public(http.HandlerFunc(preflight)))
	}
	m.Machine("POST "+pathIntrospect, http.HandlerFunc(p.introspect))

	m.Page("POST "+pathConsent, http.HandlerFunc(p.decided))
	m.Machine("POST "+pathDevices, http.HandlerFunc(p.deviceAuthorization))
	m.Page("GET "+pathDevice, http.HandlerFunc(p.device))
	m.Page("POST "+pathDevice, http.HandlerFunc(p.deviceDecided))

	m.Page("GET "+pathLogout, http.HandlerFunc(p.logout))
	m.Machine("POST "+pathLogout, p.asGet(pathLogout))
	m.Page("POST "+pathConfirm, http.HandlerFunc(p.confirmed))
}

// asGet sends a browser that posts to the same request by GET.
func (p *provider) asGet(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			p.problem(w, r, err)
			return
		}
		redirect(w, withQuery(p.env.Issuer+path, r.Form))
	})
}

// public lets the registered browser applications read the answer, by their
// exact origins and never with cookies (RFC 9700 section 2.6).
func (p *provider) public(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if from := r.Header.Get("Origin"); p.origins[from] {
			w.Header().Set("Access-Control-Allow-Origin", from)
		}
		next.ServeHTTP(w, r)
	})
}

func preflight(w http.ResponseWriter, _ *http.Request) {
	if w.Header().Get("Access-Control-Allow-Origin") != "" {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// discoveryDocument adds what the library does not know.
type discoveryDocument struct {
	oidc.DiscoveryConfiguration
	// OpenID Connect Front-Channel Logout 1.0 section 3.
	FrontChannelLogout        bool `json:"frontchannel_logout_supported"`
	FrontChannelLogoutSession bool `json:"frontchannel_logout_session_supported"`
	// RFC 9207 section 3.
	IssInResponse bool `json:"authorization_response_iss_parameter_supported"`
	// Said even when false: their defaults are not what one expects.
	RequestParameter bool `json:"request_parameter_supported"`
	ClaimsParameter  bool `json:"claims_parameter_supported"`
	// RFC 9126 section 5.
	PushEndpoint string `json:"pushed_authorization_request_endpoint"`
	RequirePush  bool   `json:"require_pushed_authorization_requests"`
}

func (p *provider) publish() error {
	at := func(path string) string { return p.env.Issuer + path }
	authMethods := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT, oidc.AuthMethodNone}
	var byClients []string
	for _, each := range clientAlgorithms {
		byClients = append(byClients, string(each))
	}
	var err error
	p.discovery, err = json.Marshal(discoveryDocument{
		IssInResponse: true, FrontChannelLogout: true, FrontChannelLogoutSession: true, RequestParameter: true, ClaimsParameter: true, PushEndpoint: at(pathPush),
		DiscoveryConfiguration: oidc.DiscoveryConfiguration{
			Issuer:                                             p.env.Issuer,
			AuthorizationEndpoint:                              at(pathAuthorize),
			TokenEndpoint:                                      at(pathToken),
			DeviceAuthorizationEndpoint:                        at(pathDevices),
			UserinfoEndpoint:                                   at(pathUserinfo),
			IntrospectionEndpoint:                              at(pathIntrospect),
			RevocationEndpoint:                                 at(pathRevoke),
			EndSessionEndpoint:                                 at(pathLogout),
			JwksURI:                                            at(pathKeys),
			ScopesSupported:                                    knownScopes,
			ResponseTypesSupported:                             []string{string(oidc.ResponseTypeCode)},
			ResponseModesSupported:                             []string{string(oidc.ResponseModeQuery), string(oidc.ResponseModeFormPost)},
			GrantTypesSupported:                                []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials, oidc.GrantTypeDeviceCode, oidc.GrantTypeTokenExchange},
			SubjectTypesSupported:                              []string{subjectPublic, subjectPairwise},
			IDTokenSigningAlgValuesSupported:                   p.keys.ring.Algorithms(),
			TokenEndpointAuthMethodsSupported:                  authMethods,
			RevocationEndpointAuthMethodsSupported:             authMethods,
			IntrospectionEndpointAuthMethodsSupported:          authMethods[:3],
			ACRValuesSupported:                                 supportedACR,
			RequestObjectSigningAlgValuesSupported:             byClients,
			TokenEndpointAuthSigningAlgValuesSupported:         byClients,
			RevocationEndpointAuthSigningAlgValuesSupported:    byClients,
			IntrospectionEndpointAuthSigningAlgValuesSupported: byClients,
			CodeChallengeMethodsSupported:                      []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
			ClaimTypesSupported:                                []string{"normal"},
			ClaimsSupported:                                    supportedClaims,
			BackChannelLogoutSupported:                         true,
			BackChannelLogoutSessionSupported:                  true,
		},
	})
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	return nil
}

// document serves bytes that were made before. How long they may be kept bounds
// how long before its use a new key must be published.
func (p *provider) document(body []byte) http.Handler {
	etag := `"` + secret.Hash(string(body))[:22] + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%.0f", signing.CacheTime.Seconds()))
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

func (p *provider) record(r *http.Request, action, result string, c *client, id account.ID, detail ...slog.Attr) {
	e := audit.Event{Action: action, Result: result, Account: id, Address: web.ClientAddr(r).String(), Detail: detail}
	if c != nil {
		e.Party = c.ID
	}
	p.env.Audit.Record(r.Context(), e)
}

// once reports whether a form holds no parameter twice (RFC 6749 sections 3.1
// and 3.2).
func once(form url.Values) bool {
	for _, values := range form {
		if len(values) > 1 {
			return false
		}
	}
	return true
}

func contains(scope, one string) bool { return slices.Contains(strings.Fields(scope), one) }
