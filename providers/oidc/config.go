package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

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
	// SecretHash is its SHA-256 instead, in hexadecimal or base64url.
	SecretHash string `json:"secretHash,omitempty"`
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
	// Scopes are those that it may ask for; default openid, profile, email.
	// Others that it asks for are left out of what it gets.
	Scopes []string `json:"scopes,omitempty"`
	// SigningAlgorithm of ID and logout tokens: RS256, the default, which every
	// client must know; ES256, which costs a twentieth; or EdDSA.
	SigningAlgorithm string `json:"signingAlgorithm,omitempty"`
	// RequirePKCE may be set to false for a confidential application that
	// cannot do it. What it does send is still checked.
	RequirePKCE *bool `json:"requirePKCE,omitempty"`
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

var knownScopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopeOfflineAccess}

// client is a checked Client.
type client struct {
	Client
	secret [sha256.Size]byte
	mark   string // of its records: what is issued to it is found by no other
}

func (c *client) requiresPKCE() bool { return c.RequirePKCE == nil || *c.RequirePKCE }

// accepts reports whether a presented secret is the client's. The comparison
// is of hashes, in constant time; a generated secret needs no slow hash.
func (c *client) accepts(presented string) bool {
	if c.Public {
		return presented == ""
	}
	sum := sha256.Sum256([]byte(presented))
	return presented != "" && equal(sum[:], c.secret[:])
}

// check reads one client of the configuration. An error names the key.
func (c Client) check(keys *keySet) (*client, error) {
	out := &client{Client: c, mark: secret.Hash(c.ID)[:markLen]}
	if c.ID == "" {
		return nil, plugin.At("id", errors.New("is missing"))
	}
	if c.Name == "" {
		return nil, plugin.At("name", errors.New("is missing: it is shown to people"))
	}
	if err := out.readSecret(); err != nil {
		return nil, err
	}
	if c.Public && c.RequirePKCE != nil && !*c.RequirePKCE {
		return nil, plugin.At("requirePKCE", errors.New("cannot be false for a public client (RFC 9700 section 2.1.1)"))
	}
	if len(c.RedirectURIs) == 0 {
		return nil, plugin.At("redirectURIs", errors.New("is missing: give each one whole"))
	}
	for i, uri := range c.RedirectURIs {
		if err := checkRedirect(uri, c.Public); err != nil {
			return nil, plugin.At(fmt.Sprintf("redirectURIs[%d]", i), err)
		}
	}
	for i, uri := range c.PostLogoutRedirectURIs {
		if err := checkRedirect(uri, c.Public); err != nil {
			return nil, plugin.At(fmt.Sprintf("postLogoutRedirectURIs[%d]", i), err)
		}
	}
	if c.BackchannelLogoutURI != "" {
		if err := checkRedirect(c.BackchannelLogoutURI, false); err != nil {
			return nil, plugin.At("backchannelLogoutURI", err)
		}
	}
	if len(c.Scopes) == 0 {
		out.Scopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	}
	for i, scope := range out.Scopes {
		if !slices.Contains(knownScopes, scope) {
			return nil, plugin.At(fmt.Sprintf("scopes[%d]", i), fmt.Errorf("no such scope; known: %v", knownScopes))
		}
	}
	if !slices.Contains(out.Scopes, oidc.ScopeOpenID) {
		return nil, plugin.At("scopes", errors.New("must hold openid"))
	}
	for i, each := range c.Attributes {
		if slices.Contains(reservedClaims, each.Told()) {
			return nil, plugin.At(fmt.Sprintf("attributes[%d]", i), errors.New("is the name of a claim of the protocol"))
		}
	}
	if c.SigningAlgorithm == "" {
		out.SigningAlgorithm = "RS256"
	}
	if err := keys.hasAlgorithm(out.SigningAlgorithm); err != nil {
		return nil, plugin.At("signingAlgorithm", err)
	}
	return out, nil
}

func (c *client) readSecret() error {
	switch {
	case c.Public && (!c.Secret.Empty() || c.SecretHash != ""):
		return plugin.At("public", errors.New("a public client has no secret: remove one of the two"))
	case c.Public:
		return nil
	case c.Secret.Empty() == (c.SecretHash == ""):
		return plugin.At("secret", errors.New("give either secret or secretHash, or public: true"))
	case c.SecretHash == "":
		c.secret = sha256.Sum256([]byte(c.Secret.Reveal()))
		return nil
	}
	raw, err := hex.DecodeString(c.SecretHash)
	if err != nil {
		raw, err = base64.RawURLEncoding.DecodeString(c.SecretHash)
	}
	if err != nil || len(raw) != sha256.Size {
		return plugin.At("secretHash", errors.New("must be a SHA-256 in hexadecimal or base64url"))
	}
	copy(c.secret[:], raw)
	return nil
}
