// Package metrics owns the numbers that a running server tells about itself,
// and the text in which Prometheus and its like read them.
//
// Nothing is pushed and nothing registers: whatever has numbers is a Source,
// as what can be pinged is a Pinger, and is asked when somebody looks.
package metrics

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Source is implemented by whatever has numbers to tell: a directory, a store.
// No label holds anything of a person, nor anything of which a visitor can make
// ever new values.
type Source interface {
	Measure(ctx context.Context, p *Page)
}

// Page is one look at the numbers of all sources.
type Page struct {
	families map[string]*family
	labels   []string // in front of those of every sample
}

// family is the samples of one name.
type family struct {
	kind, help string
	samples    map[string]float64 // by their labels as they are written
}

// NewPage returns an empty one.
func NewPage() *Page { return &Page{families: map[string]*family{}} }

// With returns the same page for a part of a source: its samples carry these
// labels too. Labels are pairs of a name and a value.
func (p *Page) With(labels ...string) *Page {
	return &Page{families: p.families, labels: slices.Concat(p.labels, labels)}
}

// Counter tells how often something happened since the start. By convention
// its name ends in _total.
func (p *Page) Counter(name, help string, value float64, labels ...string) {
	p.sample("counter", name, help, value, labels)
}

// Gauge tells how much of something there is now.
func (p *Page) Gauge(name, help string, value float64, labels ...string) {
	p.sample("gauge", name, help, value, labels)
}

// sample adds to what was told under the same labels, since a page may have
// each once only.
func (p *Page) sample(kind, name, help string, value float64, labels []string) {
	f := p.families[name]
	if f == nil {
		f = &family{kind, help, map[string]float64{}}
		p.families[name] = f
	}
	var key strings.Builder
	for pair := range slices.Chunk(slices.Concat(p.labels, labels), 2) {
		if key.Len() > 0 {
			key.WriteByte(',')
		}
		key.WriteString(pair[0] + `="` + escape.Replace(pair[1]) + `"`)
	}
	f.samples[key.String()] += value
}

var (
	escape     = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	escapeHelp = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// contentType is that of the text format (Prometheus exposition formats, 0.0.4).
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes the page in the text format, in an order that stays.
func (p *Page) Write(to io.Writer) error {
	w := bufio.NewWriter(to)
	for _, name := range slices.Sorted(maps.Keys(p.families)) {
		f := p.families[name]
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp.Replace(f.help), name, f.kind)
		for _, labels := range slices.Sorted(maps.Keys(f.samples)) {
			value := strconv.FormatFloat(f.samples[labels], 'g', -1, 64)
			if labels != "" {
				labels = "{" + labels + "}"
			}
			fmt.Fprintf(w, "%s%s %s\n", name, labels, value)
		}
	}
	return w.Flush()
}

// patience is how long the sources may take together. One that does not answer
// leaves its numbers out.
const patience = 5 * time.Second

// Handler answers with the numbers of all sources.
func Handler(sources ...Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		p := NewPage()
		for _, s := range sources {
			s.Measure(ctx, p)
		}
		w.Header().Set("Content-Type", contentType)
		_ = p.Write(w)
	})
}

// Counts is one counter for each combination of a few words. The zero value
// is ready, and nil counts nothing.
type Counts struct {
	mu sync.Mutex
	n  map[words]uint64
}

// words are the values of up to three labels.
type words [3]string

// maxCounts bounds what a fault could make of Counts: combinations beyond it
// are counted together as "other".
const maxCounts = 2000

// Add counts one, under the values of the labels that Tell will name.
func (c *Counts) Add(values ...string) {
	if c == nil {
		return
	}
	var key words
	copy(key[:], values)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[words]uint64{}
	}
	if _, known := c.n[key]; !known && len(c.n) >= maxCounts {
		key = words{"other", "other", "other"}
	}
	c.n[key]++
}

// Tell puts the counters on a page.
func (c *Counts) Tell(p *Page, name, help string, labels ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, n := range c.n {
		var pairs []string
		for i, label := range labels {
			pairs = append(pairs, label, key[i])
		}
		p.Counter(name, help, float64(n), pairs...)
	}
}
