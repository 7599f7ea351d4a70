package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/signing"
)

// The types of the tokens that are signed here, as their headers say them, so
// that none passes for another.
const (
	typeID     = "JWT"
	typeAccess = "at+jwt"     // RFC 9068 section 2.1
	typeLogout = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0 section 2.4
)

// signer signs with one key. It is made once: the headers never change.
type signer map[string]jose.Signer // by type

func newSigner(k signing.Key) (signer, error) {
	out := signer{}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: jose.JSONWebKey{Key: k.Private, KeyID: k.ID}}
	for _, typ := range []string{typeID, typeAccess, typeLogout} {
		made, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		out[typ] = made
	}
	return out, nil
}

// keySet signs with the keys of the ring, and verifies what they signed.
type keySet struct {
	ring      *signing.Ring
	signers   sync.Map // ID of a key → signer
	published atomic.Pointer[published]
}

// published is what the endpoint of the keys says, until a key comes or goes.
type published struct {
	ids  []string
	body []byte
}

func (k *keySet) sign(algorithm, typ string, claims any) (string, error) {
	key, ok := k.ring.Signing(algorithm)
	if !ok {
		return "", fmt.Errorf("there is no %s key any more", algorithm)
	}
	known, ok := k.signers.Load(key.ID)
	if !ok {
		made, err := newSigner(key)
		if err != nil {
			return "", err
		}
		known, _ = k.signers.LoadOrStore(key.ID, made)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := known.(signer)[typ].Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// sign makes a token of one of the types, by a key of the client's algorithm.
func (p *provider) sign(c *client, typ string, claims any) (string, error) {
	return p.keys.sign(c.SigningAlgorithm, typ, claims)
}

// public returns the public halves of the published keys.
func (k *keySet) public() []jose.JSONWebKey {
	var out []jose.JSONWebKey
	for _, key := range k.ring.Published() {
		out = append(out, jose.JSONWebKey{Key: key.Private.Public(), KeyID: key.ID, Algorithm: key.Algorithm, Use: oidc.KeyUseSignature})
	}
	return out
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	id, algorithm := oidc.GetKeyIDAndAlg(jws)
	key, err := oidc.FindMatchingKey(id, oidc.KeyUseSignature, algorithm, k.public()...)
	if err != nil {
		return nil, err
	}
	return jws.Verify(&key)
}

// document is the JWK set (RFC 7517 section 5). Its bytes are made once for
// each change of the keys.
func (k *keySet) document() ([]byte, error) {
	keys := k.public()
	made := k.published.Load()
	if made != nil && slices.EqualFunc(made.ids, keys, func(id string, key jose.JSONWebKey) bool { return id == key.KeyID }) {
		return made.body, nil
	}
	made = &published{}
	for _, key := range keys {
		made.ids = append(made.ids, key.KeyID)
	}
	var err error
	if made.body, err = json.Marshal(jose.JSONWebKeySet{Keys: keys}); err != nil {
		return nil, err
	}
	k.published.Store(made)
	return made.body, nil
}

// jwks is the endpoint of the keys.
func (p *provider) jwks(w http.ResponseWriter, r *http.Request) {
	body, err := p.keys.document()
	if err != nil {
		p.env.Logger.ErrorContext(r.Context(), "oidc: the keys cannot be published", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	p.document(body).ServeHTTP(w, r)
}

// hasAlgorithm says what is wrong with the algorithm that a client asks for.
func (k *keySet) hasAlgorithm(name string) error {
	known := k.ring.Algorithms()
	if !slices.Contains(known, name) {
		return fmt.Errorf("the server has no %s key; it has: %s", name, strings.Join(known, ", "))
	}
	return nil
}
