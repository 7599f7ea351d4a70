package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The status says whether the server conforms, and the report goes where it
// was asked to.
func TestConformance(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	// A server of which G4.1 can be said, and nothing else.
	failing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(failing.Close)
	junit := filepath.Join(t.TempDir(), "report.xml")
	args := []string{"conformance", "cas", "--target", failing.URL, "--username", "elefevre", "--password", "a secret password",
		"--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--junit", junit}
	for _, c := range []struct {
		only   string
		status int
		want   string
	}{
		{"L1.1", 1, "Does not conform."},
		{"G4.1", 0, "field     0 hold, 1 failed"}, // no MUST
	} {
		status, out, errs := run(t, append(args, "--only", c.only)...)
		if status != c.status || errs != "" || !strings.Contains(out, c.want) || strings.Contains(out, "a secret password") {
			t.Errorf("%s: status %d\n%s%s", c.only, status, out, errs)
		}
		report, err := os.ReadFile(junit)
		if err != nil || !strings.Contains(string(report), `classname="`+c.only+`"`) {
			t.Errorf("%s: JUnit %v\n%s", c.only, err, report)
		}
	}
	failing.Close()
	if status, out, errs := run(t, args...); status != 1 || out != "" || !strings.Contains(errs, "the target does not answer") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}
