package oidc

import (
	"context"
	"encoding/json"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/sso"
)

// signer signs with one key. It is made once: the header never changes.
type signer struct {
	algorithm string
	public    jose.JSONWebKey
	id        jose.Signer // ID tokens
	logout    jose.Signer // logout tokens, typ logout+jwt
}

func newSigner(s sso.Signer) (*signer, error) {
	out := &signer{
		algorithm: s.Algorithm,
		public:    jose.JSONWebKey{Key: s.Key.Public(), KeyID: s.KeyID, Algorithm: s.Algorithm, Use: oidc.KeyUseSignature},
	}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.Algorithm), Key: jose.JSONWebKey{Key: s.Key, KeyID: s.KeyID}}
	var err error
	if out.id, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT")); err != nil {
		return nil, fmt.Errorf("signing key %s: %w", s.KeyID, err)
	}
	// OpenID Connect Back-Channel Logout 1.0 section 2.4.
	if out.logout, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType("logout+jwt")); err != nil {
		return nil, fmt.Errorf("signing key %s: %w", s.KeyID, err)
	}
	return out, nil
}

func sign(s jose.Signer, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := s.Sign(payload)
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
