package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// R13: without --apply it is said who would be written to and nothing is done;
// what went wrong is the exit status.
func TestLifecycleRun(t *testing.T) {
	environment(t)
	config := func(more string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "loge.yaml")
		text := "issuer: http://127.0.0.1:9\nkeys: ${env:LOGE_TEST_KEYS}\ndirectory: {type: memory, fixtures: [university]}\nstore: {type: memory}\n" + more
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	post := "mail: {type: smtp, host: 127.0.0.1, from: a@b.example}\n"

	status, out, errs := run(t, "lifecycle", "run", "--config", config(post))
	if status != 0 || !strings.HasPrefix(out, "fbadge\tends 2") || !strings.Contains(out, "reminder J-30\t2 mails\n") ||
		!strings.Contains(out, "1 end soon; 0 were told before, 0 have no address; 1 would be written to; nothing was done, --apply does it (2 mails).") || errs != "" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	status, out, errs = run(t, "lifecycle", "run", "--apply", "--config", config(post+"lifecycle: {reminders: [200]}\n"))
	if status != 0 || strings.Contains(out, "fbadge") || !strings.Contains(out, " are written to (") || !strings.Contains(out, " 3 end soon") || errs != "" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	for name, c := range map[string]struct{ more, want string }{
		"no mail":          {"", "reminders want a section mail"},
		"a wrong day":      {post + "lifecycle: {reminders: [0]}\n", "lifecycle.reminders[0]: must be a number of days"},
		"a wrong month":    {post + "lifecycle: {grace: [{months: 0}]}\n", "lifecycle.grace[0].months: must be from 1 to 120"},
		"a negative speed": {post + "lifecycle: {perSecond: -1}\n", "lifecycle.perSecond"},
	} {
		if status, _, errs := run(t, "lifecycle", "run", "--config", config(c.more)); status != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d, %s", name, status, errs)
		}
	}
}
