package signing

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A key in a file is PKCS #8 in PEM. The name of the file says from when it
// signs, in UTC, as "rs256-20261123T031500Z.pem"; a name without a time is that
// of a first key, which signs until a dated one does.
const (
	extension = ".pem"
	dated     = "20060102T150405Z"
)

// Stamp dates the name of a file: "rs256" becomes "rs256-20261123T031500Z". A
// zero time leaves it undated.
func Stamp(name string, from time.Time) string {
	if from.IsZero() {
		return name
	}
	return name + "-" + from.UTC().Format(dated)
}

// Stamped reads the date of a name, zero when it has none.
func Stamped(name string) time.Time {
	_, stamp, _ := strings.Cut(name, "-")
	from, err := time.Parse(dated, stamp)
	if err != nil {
		return time.Time{}
	}
	return from
}

// Files gives the keys of a folder. Its errors name the file and say what to
// do.
func Files(folder string) Source {
	return func(context.Context) ([]Key, error) {
		names, err := filepath.Glob(filepath.Join(folder, "*"+extension))
		if err != nil {
			return nil, err
		}
		slices.Sort(names)
		keys := make([]Key, len(names))
		for i, name := range names {
			if keys[i], err = load(name); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		if len(keys) == 0 {
			return nil, fmt.Errorf("%s: no *.pem there; run: loge keys new, in another directory", folder)
		}
		return keys, nil
	}
}

func load(name string) (Key, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		var at *fs.PathError // whose path the caller gives
		if errors.As(err, &at) {
			err = at.Err
		}
		return Key{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return Key{}, errors.New("is not a PKCS #8 private key in PEM (BEGIN PRIVATE KEY)")
	}
	return parse(block.Bytes, Stamped(strings.TrimSuffix(filepath.Base(name), extension)))
}

func parse(pkcs8 []byte, from time.Time) (Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return Key{}, errors.New("is not a PKCS #8 private key")
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return Key{}, errors.New("is not a key that signs")
	}
	return NewKey(signer, from)
}

// Add makes a first key of every algorithm in a folder.
func Add(folder string) error {
	for _, algorithm := range Algorithms {
		if err := add(folder, algorithm, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func add(folder, algorithm string, from time.Time) error {
	key, err := Generate(algorithm, from)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(folder, Stamp(strings.ToLower(algorithm), from)+extension),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// WriteFile makes a file that only its owner can read. Nobody ever sees half of
// it, and one that is there is never replaced.
func WriteFile(name string, content []byte) error {
	half, err := os.CreateTemp(filepath.Dir(name), ".half-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(half.Name()) }() // the whole one has a name of its own
	_, err = half.Write(content)
	if err := errors.Join(err, half.Close()); err != nil {
		return err
	}
	return os.Link(half.Name(), name)
}

// Rotate adds to a folder the next key of every algorithm, to sign from the
// time given, and removes the keys that are no longer published. Where a next
// one waits already none is added.
func Rotate(ctx context.Context, folder string, from, now time.Time) error {
	if from.Before(now.Add(MinLead)) {
		return fmt.Errorf("a key must be published %v before it signs", MinLead)
	}
	keys, err := Files(folder)(ctx)
	if err != nil {
		return err
	}
	for _, algorithm := range Algorithms {
		if last, ok := newest(keys, algorithm); ok && last.From.After(now) {
			continue
		}
		if err := add(folder, algorithm, from); err != nil {
			return err
		}
	}
	return sweep(ctx, folder, now)
}

// sweep removes the files of keys that are no longer published.
func sweep(ctx context.Context, folder string, now time.Time) error {
	ring, err := Open(ctx, Files(folder), func() time.Time { return now })
	if err != nil {
		return err
	}
	published := ring.Published()
	names, err := filepath.Glob(filepath.Join(folder, "*"+extension))
	if err != nil {
		return err
	}
	for _, name := range names {
		key, err := load(name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(published, func(k Key) bool { return k.ID == key.ID }) {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}
