package metrics_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/metrics/metricstest"
)

type source func(p *metrics.Page)

func (s source) Measure(_ context.Context, p *metrics.Page) { s(p) }

func TestPage(t *testing.T) {
	var counts metrics.Counts
	counts.Add("bind", "ok")
	counts.Add("bind", "ok")
	counts.Add("search", "failed")
	answer := httptest.NewRecorder()
	metrics.Handler(
		source(func(p *metrics.Page) {
			counts.Tell(p, "ops_total", "Operations.", "kind", "result")
			p.Gauge("open", "Back\\slash\nand line.", 1.5)
		}),
		source(func(p *metrics.Page) {
			p = p.With("directory", `a "b"\`+"\nc")
			p.Gauge("size", "Size.", 3, "unit", "x")
			p.Gauge("size", "Size.", 4, "unit", "x") // one line for one set of labels
		}),
	).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if got, want := answer.Header().Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	const want = `# HELP open Back\\slash\nand line.
# TYPE open gauge
open 1.5
# HELP ops_total Operations.
# TYPE ops_total counter
ops_total{kind="bind",result="ok"} 2
ops_total{kind="search",result="failed"} 1
# HELP size Size.
# TYPE size gauge
size{directory="a \"b\"\\\nc",unit="x"} 7
`
	if diff := cmp.Diff(want, answer.Body.String()); diff != "" {
		t.Error(diff)
	}
	got, err := metricstest.Parse(answer.Body.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metricstest.Samples{
		"open": 1.5, `ops_total{kind="bind",result="ok"}`: 2, `ops_total{kind="search",result="failed"}`: 1,
		`size{directory="a \"b\"\\\nc",unit="x"}`: 7,
	}, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever is counted by mistake, a page stays small.
func TestCountsAreBounded(t *testing.T) {
	var counts metrics.Counts
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 2500 {
				counts.Add("typed", fmt.Sprint(worker, "-", i))
			}
		})
	}
	all.Wait()
	p := metrics.NewPage()
	counts.Tell(p, "x_total", "X.", "a", "b")
	got, err := metricstest.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2001 || got.Sum("x_total") != 10000 || got[`x_total{a="other",b="other"}`] != 8000 {
		t.Errorf("%d lines, %g in all", len(got), got.Sum("x_total"))
	}
	var none *metrics.Counts
	none.Add("x")
}

// The parser that other tests rely on refuses what Prometheus would.
func TestStrict(t *testing.T) {
	const head = "# HELP a_total A.\n# TYPE a_total counter\n"
	for name, text := range map[string]string{
		"no type":           "a_total 1\n",
		"no help":           "# TYPE a_total counter\na_total 1\n",
		"other name":        head + "b_total 1\n",
		"twice":             head + "a_total 1\na_total 2\n",
		"family twice":      head + "a_total 1\n" + head + "a_total{x=\"1\"} 1\n",
		"no line end":       head + "a_total 1",
		"no value":          head + "a_total\n",
		"not a number":      head + "a_total many\n",
		"negative counter":  head + "a_total -1\n",
		"counter's name":    "# HELP a A.\n# TYPE a counter\na 1\n",
		"open label":        head + "a_total{x=\"1} 1\n",
		"unescaped":         head + "a_total{x=\"a\"b\"} 1\n",
		"label twice":       head + "a_total{x=\"1\",x=\"2\"} 1\n",
		"name of a label":   head + "a_total{1x=\"1\"} 1\n",
		"unknown escape":    head + "a_total{x=\"\\t\"} 1\n",
		"blank line":        head + "\na_total 1\n",
		"nothing of a kind": head,
	} {
		if got, err := metricstest.Parse(text); err == nil {
			t.Errorf("%s: taken for %v", name, got)
		}
	}
	if got, err := metricstest.Parse(strings.ReplaceAll(head, "a_total A.", "a_total A. B") + "a_total{x=\"\\\"\\\\\\n\"} 1e+06\n"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}
