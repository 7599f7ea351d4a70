package oidc

import (
	"encoding/json"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
)

// Config is the OpenID Provider. Only Clients is required.
type Config struct {
	Clients []Client `json:"clients"`
	// AccessLife is how long an access token lives; default 10 minutes.
	AccessLife plugin.Duration `json:"accessLife,omitempty"`
	// RefreshIdle is how long a refresh token lives without being used;
	// default 14 days. Without the scope offline_access it dies with the
	// session anyway.
	RefreshIdle plugin.Duration `json:"refreshIdle,omitempty"`
	// RefreshLife bounds a family of refresh tokens from the login on,
	// whatever its use; default 90 days.
	RefreshLife plugin.Duration `json:"refreshLife,omitempty"`
}

// Client is an application that signs people in by OpenID Connect.
type Client struct {
	sso.RelyingParty
	// ID is the client_id.
	ID string `json:"id"`
	// Secret is the client_secret. It must be random: 22 characters or more.
	Secret secret.String `json:"secret,omitzero"`
	// SecretHash is its SHA-256 instead, in hexadecimal or base64url, with or
	// without "sha256:" before it: see `loge client new`.
	SecretHash string `json:"secretHash,omitempty"`
	// JWKS are its public keys, as a JSON Web Key Set: to authenticate by them
	// (private_key_jwt, OpenID Connect Core 1.0 section 9) and to sign its
	// requests (RFC 9101).
	JWKS json.RawMessage `json:"jwks,omitempty"`
	// JWKSFile is a file that holds them instead.
	JWKSFile string `json:"jwksFile,omitempty"`
	// Public says that the application can keep no secret: it runs in a
	// browser or on people's machines. It must use PKCE.
	Public bool `json:"public,omitempty"`
	// RedirectURIs are the places to which a code may be sent, compared byte
	// for byte. For a public client one on 127.0.0.1 or [::1] stands for every
	// port (RFC 8252 section 7.3); a scheme of its own must hold a dot
	// (section 7.1).
	RedirectURIs []string `json:"redirectURIs"`
	// PostLogoutRedirectURIs are the places to come back to after a logout
	// that the application asked for, compared in the same way.
	PostLogoutRedirectURIs []string `json:"postLogoutRedirectURIs,omitempty"`
	// BackchannelLogoutURI is told of the end of each session in which the
	// application was signed in to.
	BackchannelLogoutURI string `json:"backchannelLogoutURI,omitempty"`
	// FrontchannelLogoutURI is loaded by the browser, on the page that ends the
	// session, with iss and sid.
	FrontchannelLogoutURI string `json:"frontchannelLogoutURI,omitempty"`
	// Scopes are those that it may ask for; default openid, profile, email.
	// Others that it asks for are left out of what it gets. With
	// offline_access its tokens outlive the session.
	Scopes []string `json:"scopes,omitempty"`
	// Subject is what the claim sub says: "public", the default, one opaque
	// name of the account for everybody; "pairwise", another one in each
	// sector, so that applications cannot compare (OpenID Connect Core 1.0
	// section 8); or "user", the name that User chooses.
	Subject string `json:"subject,omitempty"`
	// SectorIdentifier is the host name that the clients of one sector share;
	// default the host of the redirect URIs, if they have the same.
	SectorIdentifier string `json:"sectorIdentifier,omitempty"`
	// SigningAlgorithm of ID and logout tokens: RS256, the default, which every
	// client must know; ES256, which costs a twentieth; or EdDSA.
	SigningAlgorithm string `json:"signingAlgorithm,omitempty"`
	// AccessTokenFormat is that of its access tokens: "opaque", the default, or
	// "jwt" for APIs that read them themselves (RFC 9068).
	AccessTokenFormat string `json:"accessTokenFormat,omitempty"`
	// Audience are the APIs that its access tokens are for, besides itself. One
	// that is a client here may introspect them.
	Audience []string `json:"audience,omitempty"`
	// RefreshIdle and RefreshLife replace those of Config for this client.
	RefreshIdle plugin.Duration `json:"refreshIdle,omitempty"`
	RefreshLife plugin.Duration `json:"refreshLife,omitempty"`
	// ClientCredentials allows it tokens of its own, for no person (RFC 6749
	// section 4.4).
	ClientCredentials bool `json:"clientCredentials,omitempty"`
	// TokenExchange lets it exchange access tokens that were made for it for its
	// own, to call further on (RFC 8693).
	TokenExchange bool `json:"tokenExchange,omitempty"`
	// Device lets it sign people in on devices without a keyboard (RFC 8628).
	Device bool `json:"device,omitempty"`
	// Consent asks each person before the application is told anything: for
	// applications of others. What was agreed to is remembered.
	Consent bool `json:"consent,omitempty"`
	// RequirePKCE may be set to false for a confidential application that
	// cannot do it. What it does send is still checked.
	RequirePKCE *bool `json:"requirePKCE,omitempty"`
	// RequirePushedAuthorizationRequests lets it ask by RFC 9126 only.
	RequirePushedAuthorizationRequests bool `json:"requirePushedAuthorizationRequests,omitempty"`
}

// The defaults, and what nobody needs to set.
const (
	defaultAccessLife  = 10 * time.Minute
	defaultRefreshIdle = 14 * 24 * time.Hour
	defaultRefreshLife = 90 * 24 * time.Hour

	// codeLife is how long a code may wait for its exchange (OWASP ASVS
	// 10.4.3).
	codeLife = time.Minute
	// refreshGrace is how long a used refresh token may be sent again, by a
	// client that lost the answer or asked twice at once. It gets the same
	// successor.
	refreshGrace = 10 * time.Second
	idTokenLife  = time.Hour
	// recheck is how old the state of an account may be when tokens are made
	// (requirement R15).
	recheck = time.Minute
)
