package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
)

// Keys are all the keys of a server. Replicas share them.
type Keys struct {
	Ring *secret.Keyring
	// Signers are in the order of their files' names: the first of an
	// algorithm signs, the others are published so that what they signed is
	// still believed.
	Signers []sso.Signer
}

// masterFile holds the master key in base64; every other key of the directory
// is a *.pem.
const masterFile = "master"

// The signing keys that NewKeys makes.
var newSigners = map[string]func() (crypto.Signer, error){
	"rs256.pem": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
	"es256.pem": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
}

// MakeKeys makes keys that last as long as the process: for a demonstration.
func MakeKeys() (*Keys, error) {
	made, err := makeSigners()
	if err != nil {
		return nil, err
	}
	keys := &Keys{Ring: secret.RandomKeyring()}
	for _, name := range []string{"es256.pem", "rs256.pem"} {
		signer, err := newSigner(made[name])
		if err != nil {
			return nil, err
		}
		keys.Signers = append(keys.Signers, signer)
	}
	return keys, nil
}

// makeSigners makes all side by side: an RSA key takes a while.
func makeSigners() (map[string]crypto.Signer, error) {
	var mu sync.Mutex
	var making sync.WaitGroup
	made := map[string]crypto.Signer{}
	var failures []error
	for name, make := range newSigners {
		making.Go(func() {
			key, err := make()
			mu.Lock()
			defer mu.Unlock()
			made[name] = key
			failures = append(failures, err)
		})
	}
	making.Wait()
	return made, errors.Join(failures...)
}

// NewKeys makes a directory of keys that only its owner can read. It never
// replaces a key that is there.
func NewKeys(dir string) error {
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return fmt.Errorf("%s: is not empty; keys are never replaced, choose another directory", dir)
	}
	made, err := makeSigners()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	master := make([]byte, secret.MinMaster)
	rand.Read(master)
	files := map[string][]byte{masterFile: []byte(base64.StdEncoding.EncodeToString(master) + "\n")}
	for name, key := range made {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		files[name] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for name, content := range files {
		if err := create(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

func create(name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// LoadKeys reads a directory of keys. Its errors say what to do.
func LoadKeys(dir string) (*Keys, error) {
	text, err := os.ReadFile(filepath.Join(dir, masterFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: no keys there; run: loge keys new %s", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%s: cannot be read: %w", dir, masterFile, reason(err))
	}
	master, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s/%s: is not base64; run: loge keys new, in another directory", dir, masterFile)
	}
	ring, err := secret.NewKeyring(master)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", dir, masterFile, err)
	}
	keys := &Keys{Ring: ring}
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	for _, file := range files {
		signer, err := loadSigner(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		keys.Signers = append(keys.Signers, signer)
	}
	if len(keys.Signers) == 0 {
		return nil, fmt.Errorf("%s: no *.pem there; run: loge keys new, in another directory", dir)
	}
	return keys, nil
}

func loadSigner(file string) (sso.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return sso.Signer{}, reason(err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return sso.Signer{}, errors.New("is not a PKCS #8 private key in PEM (BEGIN PRIVATE KEY)")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return sso.Signer{}, errors.New("is not a PKCS #8 private key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return sso.Signer{}, errors.New("is not a key that signs")
	}
	return newSigner(signer)
}

// newSigner names a key by its thumbprint (RFC 7638): the same on every
// replica, another for every key.
func newSigner(key crypto.Signer) (sso.Signer, error) {
	var algorithm string
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < 2048 {
			return sso.Signer{}, errors.New("an RSA key needs at least 2048 bits (RFC 7518 section 3.3)")
		}
		algorithm = string(jose.RS256)
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return sso.Signer{}, errors.New("an EC key must be on P-256 (RFC 7518 section 3.4)")
		}
		algorithm = string(jose.ES256)
	default:
		return sso.Signer{}, errors.New("must be an RSA or a P-256 key")
	}
	thumbprint, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return sso.Signer{}, err
	}
	return sso.Signer{KeyID: base64.RawURLEncoding.EncodeToString(thumbprint), Algorithm: algorithm, Key: key}, nil
}
