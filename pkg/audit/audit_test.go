package audit_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/metrics/metricstest"
)

func record(t *testing.T, e audit.Event) map[string]any {
	t.Helper()
	var out bytes.Buffer
	audit.Log{Logger: slog.New(slog.NewJSONHandler(&out, nil))}.Record(t.Context(), e)
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Fatalf("%d lines: %s", n, out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	return got
}

func TestRecord(t *testing.T) {
	got := record(t, audit.Event{Action: "login", Result: "ok", Account: "id", Actor: "other", Party: "Moodle", Address: "192.0.2.1", Detail: []slog.Attr{slog.Int("n", 3)}})
	want := map[string]any{"level": "INFO", "msg": "audit", "action": "login", "result": "ok", "account": "id", "actor": "other", "party": "Moodle", "address": "192.0.2.1", "n": 3.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = record(t, audit.Event{Action: "login", Result: "unknown"})
	if diff := cmp.Diff(map[string]any{"level": "INFO", "msg": "audit", "action": "login", "result": "unknown"}, got); diff != "" {
		t.Errorf("what is empty is told: %s", diff)
	}
}

// R-WEB-16: whatever a value holds, it is one value of one record.
func TestNobodyForgesARecord(t *testing.T) {
	for name, hostile := range map[string]string{
		"line break":  "x\nlevel=INFO msg=audit action=login result=ok account=admin",
		"return":      "x\r\n{\"msg\":\"audit\",\"account\":\"admin\"}",
		"escape":      "x\x1b[2K\x1b[1Amsg=audit",
		"separator":   "x\u2028msg=audit\u2029\u0085",
		"quote":       `x" account="admin`,
		"equals sign": "x account=admin",
		"long":        strings.Repeat("é\n", 5<<10),
		"not UTF-8":   "x\xff\xfe\n",
	} {
		t.Run(name, func(t *testing.T) {
			e := audit.Event{Action: "login", Result: "unknown", Account: account.ID(hostile), Party: hostile, Address: hostile, Detail: []slog.Attr{slog.String("detail", hostile)}}
			got := record(t, e)
			for _, key := range []string{"account", "party", "address", "detail"} {
				if got[key] != strings.ToValidUTF8(hostile, "\ufffd") && name != "not UTF-8" {
					t.Errorf("%s is %q", key, got[key])
				}
			}
			if got["result"] != "unknown" || len(got) != 8 {
				t.Errorf("the record has other fields: %v", got)
			}

			var out bytes.Buffer
			audit.Log{Logger: slog.New(slog.NewTextHandler(&out, nil))}.Record(t.Context(), e)
			line, rest, _ := strings.Cut(out.String(), "\n")
			if rest != "" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("not one printable line: %q", out.String())
			}
			if strings.Contains(line, " account=admin") && !strings.Contains(line, `account="x`) {
				t.Errorf("a forged field: %s", line)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	var counts metrics.Counts
	log := audit.Log{Logger: slog.New(slog.DiscardHandler), Counts: &counts}
	for _, e := range []audit.Event{{Action: "login", Result: "ok", Account: "a"}, {Action: "login", Result: "ok", Account: "b"}, {Action: "logout", Result: "ok"}} {
		log.Record(t.Context(), e)
	}
	page := metrics.NewPage()
	counts.Tell(page, "acts_total", "Acts.", "action", "result")
	got, err := metricstest.Read(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metricstest.Samples{`acts_total{action="login",result="ok"}`: 2, `acts_total{action="logout",result="ok"}`: 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestZeroLogWritesToTheDefault(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	audit.Log{}.Record(t.Context(), audit.Event{Action: "logout", Result: "ok"})
	if !strings.Contains(out.String(), "msg=audit action=logout result=ok") {
		t.Errorf("%s", out.String())
	}
}
