package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/loge-idp/loge/pkg/plugin"
)

// clientAlgorithms are those by which a client may sign: none, and those of
// shared secrets, are not among them (OWASP ASVS 9.1.2).
var clientAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// clientKeys are the public keys of a client by their names. One key may do
// without a name.
type clientKeys map[string]jose.JSONWebKey

// readClientKeys reads a set that stands in the configuration or in a file; nil
// when there is neither.
func readClientKeys(inline json.RawMessage, file string) (clientKeys, error) {
	key, text := "jwks", []byte(inline)
	switch {
	case inline != nil && file != "":
		return nil, plugin.At("jwks", errors.New("give either jwks or jwksFile"))
	case file != "":
		key = "jwksFile"
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, plugin.At(key, err)
		}
	case inline == nil:
		return nil, nil
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 {
		return nil, plugin.At(key, errors.New(`must be a JSON Web Key Set: {"keys": [{"kty": …}]}`))
	}
	keys := clientKeys{}
	for i, k := range set.Keys {
		err := checkClientKey(k)
		if _, twice := keys[k.KeyID]; twice {
			err = errors.New("has the kid of another one")
		}
		if err != nil {
			return nil, plugin.At(fmt.Sprintf("%s.keys[%d]", key, i), err)
		}
		keys[k.KeyID] = k
	}
	return keys, nil
}

func checkClientKey(k jose.JSONWebKey) error {
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < 2048 {
			return errors.New("is an RSA key of less than 2048 bits")
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return errors.New("must be a public RSA, EC or Ed25519 key")
	}
	if !k.Valid() {
		return errors.New("is not a valid key")
	}
	if k.Use == "enc" {
		return errors.New("is for encryption")
	}
	return nil
}

var errUnsigned = errors.New("not signed by a key of the client")

// verified reads a JWT that one of the keys signed into claims.
func (k clientKeys) verified(token string, claims any) error {
	jws, err := jose.ParseSignedCompact(token, clientAlgorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return errUnsigned
	}
	header := jws.Signatures[0].Protected
	key, ok := k[header.KeyID]
	if !ok && header.KeyID == "" && len(k) == 1 {
		for _, only := range k {
			key, ok = only, true
		}
	}
	// A key that names its algorithm is for that one alone (RFC 7517 section
	// 4.4).
	if !ok || key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return errUnsigned
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return errUnsigned
	}
	return json.Unmarshal(payload, claims)
}
