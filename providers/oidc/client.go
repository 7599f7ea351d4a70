package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// client is a checked Client.
type client struct {
	Client
	secret      [sha256.Size]byte // the hash; of the empty text, which opens nothing, where there is none
	keys        clientKeys
	mark        string // of its records: what is issued to it is found by no other
	sector      string
	refreshIdle time.Duration
	refreshLife time.Duration
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
	if err := c.RelyingParty.Validate(); err != nil {
		return nil, err
	}
	for _, read := range []func() error{
		out.readCredentials, out.readPlaces, out.readScopes, out.readSubject, out.readTokens,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if err := keys.hasAlgorithm(out.SigningAlgorithm); err != nil {
		return nil, plugin.At("signingAlgorithm", err)
	}
	return out, nil
}

// minSecret characters of base 62 are 131 bits; shorter ones were made up by
// somebody (R-AUTH-24).
const minSecret = 22

// readCredentials reads how the client proves who it is.
func (c *client) readCredentials() error {
	var err error
	if c.keys, err = readClientKeys(c.JWKS, c.JWKSFile); err != nil {
		return err
	}
	secrets := !c.Secret.Empty() || c.SecretHash != ""
	switch {
	case c.Public && (secrets || c.keys != nil):
		return plugin.At("public", errors.New("a public client has no secret and no keys: remove one of the two"))
	case c.Public && c.ClientCredentials:
		return plugin.At("clientCredentials", errors.New("a public client has no credentials (RFC 6749 section 4.4)"))
	case c.Public && c.TokenExchange:
		return plugin.At("tokenExchange", errors.New("a public client proves nothing, so it can exchange no token"))
	case c.Public && c.RequirePushedAuthorizationRequests:
		return plugin.At("requirePushedAuthorizationRequests", errors.New("a public client cannot push requests: it proves nothing"))
	case c.Public && !c.requiresPKCE():
		return plugin.At("requirePKCE", errors.New("cannot be false for a public client (RFC 9700 section 2.1.1)"))
	case !c.Public && !secrets && c.keys == nil:
		return plugin.At("secret", errors.New("is missing: give secretHash, secret, jwks or jwksFile, or public: true; run: loge client new"))
	case !c.Secret.Empty() && c.SecretHash != "":
		return plugin.At("secret", errors.New("give either secret or secretHash"))
	case !c.Secret.Empty() && len(c.Secret.Reveal()) < minSecret:
		return plugin.At("secret", fmt.Errorf("is shorter than %d characters, so it can be guessed; run: loge client new", minSecret))
	}
	if c.SecretHash == "" {
		c.secret = sha256.Sum256([]byte(c.Secret.Reveal()))
		return nil
	}
	text := strings.TrimPrefix(c.SecretHash, "sha256:")
	raw, err := hex.DecodeString(text)
	if err != nil {
		raw, err = base64.RawURLEncoding.DecodeString(text)
	}
	if err != nil || len(raw) != sha256.Size {
		return plugin.At("secretHash", errors.New("must be a SHA-256 in hexadecimal or base64url"))
	}
	copy(c.secret[:], raw)
	return nil
}

// readPlaces reads the URLs of the client.
func (c *client) readPlaces() error {
	if len(c.RedirectURIs) == 0 && !c.ClientCredentials && !c.Device && !c.TokenExchange {
		return plugin.At("redirectURIs", errors.New("is missing: give each one whole"))
	}
	for i, uri := range c.RedirectURIs {
		if err := checkRedirect(uri, c.Public); err != nil {
			return plugin.At(fmt.Sprintf("redirectURIs[%d]", i), err)
		}
	}
	for i, uri := range c.PostLogoutRedirectURIs {
		if err := checkRedirect(uri, c.Public); err != nil {
			return plugin.At(fmt.Sprintf("postLogoutRedirectURIs[%d]", i), err)
		}
	}
	if c.FrontchannelLogoutURI != "" {
		if err := checkRedirect(c.FrontchannelLogoutURI, false); err != nil {
			return plugin.At("frontchannelLogoutURI", err)
		}
	}
	if c.BackchannelLogoutURI != "" {
		if err := checkRedirect(c.BackchannelLogoutURI, false); err != nil {
			return plugin.At("backchannelLogoutURI", err)
		}
	}
	return nil
}

func (c *client) readScopes() error {
	if len(c.Scopes) == 0 {
		c.Scopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	}
	for i, scope := range c.Scopes {
		if !slices.Contains(knownScopes, scope) {
			return plugin.At(fmt.Sprintf("scopes[%d]", i), fmt.Errorf("no such scope; known: %v", knownScopes))
		}
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		return plugin.At("scopes", errors.New("must hold openid"))
	}
	for i, each := range c.Attributes {
		if slices.Contains(reservedClaims, each.Told()) {
			return plugin.At(fmt.Sprintf("attributes[%d]", i), errors.New("is the name of a claim of the protocol"))
		}
	}
	return nil
}

// readSubject finds the sector of pairwise subjects: a host that the redirect
// URIs share (OpenID Connect Core 1.0 section 8.1).
func (c *client) readSubject() error {
	switch c.Subject {
	case "":
		c.Subject = subjectPublic
	case subjectPublic, subjectUser, subjectPairwise:
	default:
		return plugin.At("subject", fmt.Errorf("must be %s, %s or %s", subjectPublic, subjectPairwise, subjectUser))
	}
	if c.Subject != subjectPairwise {
		if c.SectorIdentifier != "" {
			return plugin.At("sectorIdentifier", errors.New("belongs to subject: pairwise"))
		}
		return nil
	}
	if c.sector = c.SectorIdentifier; c.sector != "" {
		return nil
	}
	hosts := map[string]bool{}
	for _, uri := range c.RedirectURIs {
		u, err := url.Parse(uri)
		if err == nil {
			c.sector = u.Hostname()
		}
		hosts[c.sector] = true
	}
	if len(hosts) != 1 || c.sector == "" {
		return plugin.At("sectorIdentifier", errors.New("is missing: the redirect URIs are not all on one host"))
	}
	return nil
}

// The forms of an access token.
const (
	accessOpaque = "opaque"
	accessJWT    = "jwt"
)

func (c *client) readTokens() error {
	if c.SigningAlgorithm == "" {
		c.SigningAlgorithm = "RS256"
	}
	if c.AccessTokenFormat == "" {
		c.AccessTokenFormat = accessOpaque
	}
	if c.AccessTokenFormat != accessOpaque && c.AccessTokenFormat != accessJWT {
		return plugin.At("accessTokenFormat", fmt.Errorf("must be %s or %s", accessOpaque, accessJWT))
	}
	return nil
}
