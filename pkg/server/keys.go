package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

	folder string // of the master keys; empty when they never change
}

// masterFile holds the master key in base64. Those that seal after it are beside
// it, with their date in the name; every other key of the directory is a *.pem.
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
	if err := newMaster(dir, time.Time{}); err != nil {
		return err
	}
	return signing.Add(dir)
}

func newMaster(dir string, from time.Time) error {
	master := make([]byte, secret.MinMaster)
	rand.Read(master)
	return signing.WriteFile(filepath.Join(dir, signing.Stamp(masterFile, from)), []byte(base64.StdEncoding.EncodeToString(master)+"\n"))
}

// RotateKeys adds the next keys of a directory, to be used from the time given,
// and removes those of which nothing is of use any more. Of a kind of which
// one waits already it adds none.
func RotateKeys(ctx context.Context, dir string, from, now time.Time) error {
	if err := signing.Rotate(ctx, dir, from, now); err != nil {
		return err
	}
	masters, err := masterFiles(dir)
	if err != nil {
		return err
	}
	for i, file := range masters[:len(masters)-1] {
		if i > 0 && !now.Before(signing.Stamped(filepath.Base(masters[i+1])).Add(signing.Keep)) {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	if signing.Stamped(filepath.Base(masters[len(masters)-1])).After(now) {
		return nil
	}
	return newMaster(dir, from)
}

// masterFiles are the files of the master keys, in the order of their dates: the
// undated one, which is never removed, first.
func masterFiles(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, masterFile+"-*"))
	slices.Sort(files)
	return append([]string{filepath.Join(dir, masterFile)}, files...), err
}

// LoadKeys reads a directory of keys. Its errors say what to do.
func LoadKeys(dir string) (*Keys, error) {
	keys, err := vaultKeys(dir)
	if err != nil {
		return nil, err
	}
	keys.Signers, err = signing.Open(context.Background(), signing.Files(dir), time.Now)
	return keys, err
}

// vaultKeys reads the master keys of a directory; the signing keys are made when
// the store is open.
func vaultKeys(dir string) (*Keys, error) {
	masters, err := readMasters(dir)
	if err != nil {
		return nil, err
	}
	ring := secret.RandomKeyring()
	return &Keys{Ring: ring, folder: dir}, ring.Rotate(masters[0], masters[1:]...)
}

// openVault fills in the keys that are kept in the store.
func (k *Keys) openVault(ctx context.Context, s store.Store, every time.Duration) (err error) {
	vault := &signing.Vault{Store: s, Box: k.Ring.Box("signing keys"), Every: every, Now: time.Now}
	k.Signers, err = signing.Open(ctx, vault.Source, time.Now)
	return err
}

// Refresh reads all keys again. Those that are known go on after an error.
func (k *Keys) Refresh(ctx context.Context) error {
	if k.folder != "" {
		masters, err := readMasters(k.folder)
		if err != nil {
			return err
		}
		if err := k.Ring.Rotate(masters[0], masters[1:]...); err != nil {
			return err
		}
	}
	return k.Signers.Refresh(ctx)
}

// run looks for new keys until ctx ends.
func (k *Keys) run(ctx context.Context, logger *slog.Logger) {
	tick := time.NewTicker(signing.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.Refresh(ctx); err != nil && ctx.Err() == nil {
				logger.ErrorContext(ctx, "keys not read again; those known go on", "err", err)
			}
		}
	}
}

// readMasters reads the master keys. Each opens what it sealed until the next
// one has sealed for as long as anything is kept.
func readMasters(dir string) ([]secret.Master, error) {
	files, err := masterFiles(dir)
	if err != nil {
		return nil, err
	}
	masters := make([]secret.Master, len(files))
	for i, file := range files {
		if masters[i].Key, err = readMaster(dir, file); err != nil {
			return nil, err
		}
		masters[i].From = signing.Stamped(filepath.Base(file))
		if i > 0 {
			masters[i-1].Until = masters[i].From.Add(signing.Keep)
		}
	}
	return masters, nil
}

func readMaster(dir, file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: no keys there; run: loge keys new %s", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w", file, reason(err))
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: is not base64; run: loge keys new, in another directory", file)
	}
	if len(key) < secret.MinMaster {
		return nil, fmt.Errorf("%s: needs at least %d bytes, has %d; run: loge keys new, in another directory", file, secret.MinMaster, len(key))
	}
	return key, nil
}
