package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/signing"
	"github.com/loge-idp/loge/pkg/store"
)

// Keys are all the keys of a server. Replicas share them.
type Keys struct {
	Ring    *secret.Keyring
	Signers *signing.Ring
}

// masterFile holds the master key in base64; every other key of the directory
// is a *.pem.
const masterFile = "master"

// MakeKeys makes keys that last as long as the process: for a demonstration.
func MakeKeys() (*Keys, error) {
	var signers []signing.Key
	for _, algorithm := range signing.Algorithms {
		key, err := signing.Generate(algorithm, time.Time{})
		if err != nil {
			return nil, err
		}
		signers = append(signers, key)
	}
	return &Keys{Ring: secret.RandomKeyring(), Signers: signing.Fixed(signers...)}, nil
}

// NewKeys makes a directory of keys that only its owner can read. It never
// replaces a key that is there.
func NewKeys(dir string) error {
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return fmt.Errorf("%s: is not empty; keys are never replaced, choose another directory", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	master := make([]byte, secret.MinMaster)
	rand.Read(master)
	if err := signing.WriteFile(filepath.Join(dir, masterFile), []byte(base64.StdEncoding.EncodeToString(master)+"\n")); err != nil {
		return err
	}
	return signing.Add(dir)
}

// LoadKeys reads a directory of keys. Its errors say what to do.
func LoadKeys(dir string) (*Keys, error) {
	ring, err := loadMaster(dir)
	if err != nil {
		return nil, err
	}
	signers, err := signing.Open(context.Background(), signing.Files(dir), time.Now)
	if err != nil {
		return nil, err
	}
	return &Keys{Ring: ring, Signers: signers}, nil
}

// vaultKeys reads the master key of a directory; the signing keys are made when
// the store is open.
func vaultKeys(dir string) (*Keys, error) {
	ring, err := loadMaster(dir)
	return &Keys{Ring: ring}, err
}

// openVault fills in the keys that are kept in the store.
func (k *Keys) openVault(ctx context.Context, s store.Store, every time.Duration) (err error) {
	vault := &signing.Vault{Store: s, Box: k.Ring.Box("signing keys"), Every: every, Now: time.Now}
	k.Signers, err = signing.Open(ctx, vault.Source, time.Now)
	return err
}

func loadMaster(dir string) (*secret.Keyring, error) {
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
	return ring, nil
}
