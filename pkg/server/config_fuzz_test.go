package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/server"
)

// Whatever stands in a file, reading it ends in a Config or in one line that
// names the file.
func FuzzLoad(f *testing.F) {
	samples, err := filepath.Glob("../cli/testdata/*.yaml")
	if err != nil || len(samples) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("issuer: ${env:HOME}\n? {b: c}\n: d"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "loge.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := server.Load(file)
		if err != nil && (!strings.HasPrefix(err.Error(), file+":") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("not one line with its place: %q", err)
		}
	})
}
