package oidc

import (
	"context"
	"encoding/json"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/sso"
)

// The types of the tokens that are signed here, as their headers say them, so
// that none passes for another.
const (
	typeID     = "JWT"
	typeAccess = "at+jwt"     // RFC 9068 section 2.1
	typeLogout = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0 section 2.4
)

// signer signs with one key. It is made once: the headers never change.
type signer struct {
	algorithm string
	public    jose.JSONWebKey
	byType    map[string]jose.Signer
}

func newSigner(s sso.Signer) (*signer, error) {
	out := &signer{
		algorithm: s.Algorithm,
		public:    jose.JSONWebKey{Key: s.Key.Public(), KeyID: s.KeyID, Algorithm: s.Algorithm, Use: oidc.KeyUseSignature},
		byType:    map[string]jose.Signer{},
	}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.Algorithm), Key: jose.JSONWebKey{Key: s.Key, KeyID: s.KeyID}}
	for _, typ := range []string{typeID, typeAccess, typeLogout} {
		made, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", s.KeyID, err)
		}
		out.byType[typ] = made
	}
	return out, nil
}

// sign makes a token of one of the types, by the key of a client.
func (p *provider) sign(c *client, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := c.signer.byType[typ].Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// keySet verifies what this server signed.
type keySet []*signer

// VerifySignature implements oidc.KeySet.
func (k keySet) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	id, algorithm := oidc.GetKeyIDAndAlg(jws)
	keys := make([]jose.JSONWebKey, len(k))
	for i, s := range k {
		keys[i] = s.public
	}
	key, err := oidc.FindMatchingKey(id, oidc.KeyUseSignature, algorithm, keys...)
	if err != nil {
		return nil, err
	}
	return jws.Verify(&key)
}

// hint reads an id_token_hint: an ID token of ours, of whatever age (OpenID
// Connect RP-Initiated Logout 1.0 section 4).
func (p *provider) hint(ctx context.Context, token string) (*oidc.IDTokenClaims, error) {
	claims := &oidc.IDTokenClaims{}
	payload, err := oidc.ParseToken(token, claims)
	if err != nil {
		return nil, err
	}
	if err := oidc.CheckIssuerWithISSVerifier(claims, p.env.Issuer, nil); err != nil {
		return nil, err
	}
	if err := oidc.CheckSignature(ctx, token, payload, claims, p.algorithms, p.keys); err != nil {
		return nil, err
	}
	return claims, nil
}
