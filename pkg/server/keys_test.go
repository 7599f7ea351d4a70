package server_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/server"
	"github.com/loge-idp/loge/pkg/signing"
)

func TestBadKeys(t *testing.T) {
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"no directory": {os.RemoveAll, "run: loge keys new "},
		"no master":    {func(dir string) error { return os.Remove(filepath.Join(dir, "master")) }, "run: loge keys new "},
		"short master": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "master"), []byte("c2hvcnQ="), 0o600)
		}, "needs at least 32 bytes"},
		"not base64": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "master"), []byte("…"), 0o600)
		}, "is not base64"},
		"no signing key": {func(dir string) error {
			for _, name := range []string{"rs256.pem", "es256.pem", "eddsa.pem"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			return nil
		}, "no *.pem"},
		"not a key": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "rs256.pem"), []byte("nothing"), 0o600)
		}, "rs256.pem: is not a PKCS #8 private key"},
		"P-384": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "x.pem"), pkcs8(p384), 0o600)
		}, "x.pem: an EC key must be on P-256"},
		"X25519": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "x.pem"), pkcs8(agreement), 0o600)
		}, "x.pem: is not a key that signs"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			if err := server.NewKeys(dir); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := server.LoadKeys(dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// F-KEY-02: a rotation of all keys is found by a running server; what the old
// ones sealed is opened for the overlap; a leak ends everything.
func TestRotateKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := server.NewKeys(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := server.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	refresh := func(files int) {
		t.Helper()
		if err := keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != files {
			t.Fatalf("%d files, want %d: %v", len(names), files, err)
		}
	}
	box := keys.Ring.Box("test")
	sealed := box.Seal([]byte("text"), "")
	opens := func() bool { _, err := box.Open(sealed, ""); return err == nil }

	rotate := func(at time.Time) {
		t.Helper()
		if err := server.RotateKeys(t.Context(), dir, at.Add(time.Hour), at); err != nil {
			t.Fatal(err)
		}
	}
	rotate(now)
	rotate(now) // one waits: nothing is added
	refresh(8)
	if !opens() || len(keys.Signers.Published()) != 6 {
		t.Errorf("opens %v, %d keys", opens(), len(keys.Signers.Published()))
	}
	rotate(now.Add(2 * time.Hour))
	refresh(12)
	later := now.Add(2*time.Hour + time.Hour + signing.Keep)
	rotate(later) // the second master key and the first two signing keys have ended
	refresh(1 + 2 + 3*2)

	// The one after it began longer ago than anything sealed is kept.
	past := now.Add(-signing.Keep - 2*time.Hour)
	other := filepath.Join(t.TempDir(), "keys")
	if err := server.NewKeys(other); err != nil {
		t.Fatal(err)
	}
	long, err := server.LoadKeys(other)
	if err != nil {
		t.Fatal(err)
	}
	old := long.Ring.Box("test").Seal([]byte("text"), "")
	if err := server.RotateKeys(t.Context(), other, past.Add(time.Hour), past); err != nil {
		t.Fatal(err)
	}
	if err := long.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := long.Ring.Box("test").Open(old, ""); err == nil {
		t.Error("what was sealed before the overlap is still opened")
	}

	for range 2 { // as moving another directory into the place
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := keys.Refresh(t.Context()); err == nil || !opens() {
			t.Errorf("a directory that is away: %v", err)
		}
	}
	if err := server.NewKeys(dir); err != nil {
		t.Fatal(err)
	}
	refresh(4)
	if opens() || len(keys.Signers.Published()) != 3 {
		t.Errorf("after a leak: opens %v, %d keys", opens(), len(keys.Signers.Published()))
	}
}
