// Package metricstest reads what package metrics writes, as strictly as
// Prometheus does and a little more: for tests of programs that have numbers to
// tell.
package metricstest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/loge-idp/loge/pkg/metrics"
)

// Samples are the values by name and labels, as they are written.
type Samples map[string]float64

// Sum is the sum of all samples of a name that have these labels, each
// `name="value"`.
func (s Samples) Sum(name string, labels ...string) float64 {
	var sum float64
	for key, value := range s {
		own, rest, _ := strings.Cut(key, "{")
		has := own == name
		for _, label := range labels {
			has = has && strings.Contains(","+strings.TrimSuffix(rest, "}")+",", ","+label+",")
		}
		if has {
			sum += value
		}
	}
	return sum
}

// Read is what a page says.
func Read(p *metrics.Page) (Samples, error) {
	var text strings.Builder
	if err := p.Write(&text); err != nil {
		return nil, err
	}
	return Parse(text.String())
}

var (
	sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.+\})? (\S+)$`)
	label  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)`)
)

// Parse reads a page of the text format 0.0.4. Each family is HELP, TYPE and at
// least one sample, in one piece; a name is of a counter exactly if it ends in
// _total; nothing is there twice.
func Parse(page string) (Samples, error) {
	if !strings.HasSuffix(page, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	all, seen := Samples{}, map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	for at := 0; at < len(lines); {
		name, ok := strings.CutPrefix(lines[at], "# HELP ")
		name, _, _ = strings.Cut(name, " ")
		if !ok || at+2 >= len(lines) || seen[name] {
			return nil, fmt.Errorf("line %d begins no new family: %q", at+1, lines[at])
		}
		seen[name] = true
		kind := strings.TrimPrefix(lines[at+1], "# TYPE "+name+" ")
		if kind != "counter" && kind != "gauge" || (kind == "counter") != strings.HasSuffix(name, "_total") {
			return nil, fmt.Errorf("line %d: %q", at+2, lines[at+1])
		}
		first := at + 2
		for at = first; at < len(lines) && !strings.HasPrefix(lines[at], "#"); at++ {
			key, value, err := parseSample(lines[at], name)
			if err == nil && kind == "counter" && value < 0 {
				err = fmt.Errorf("a counter below nothing")
			}
			if _, twice := all[key]; err == nil && twice {
				err = fmt.Errorf("is there twice")
			}
			if err != nil {
				return nil, fmt.Errorf("line %d: %q: %w", at+1, lines[at], err)
			}
			all[key] = value
		}
		if at == first {
			return nil, fmt.Errorf("%s has no sample", name)
		}
	}
	return all, nil
}

func parseSample(line, name string) (key string, value float64, err error) {
	parts := sample.FindStringSubmatch(line)
	if parts == nil || parts[1] != name {
		return "", 0, fmt.Errorf("no sample of %s", name)
	}
	rest, names := "", map[string]bool{}
	if parts[2] != "" {
		rest = parts[2][1 : len(parts[2])-1]
	}
	for rest != "" {
		l := label.FindStringSubmatch(rest)
		if l == nil || names[l[1]] {
			return "", 0, fmt.Errorf("labels from %q", rest)
		}
		names[l[1]], rest = true, rest[len(l[0]):]
	}
	value, err = strconv.ParseFloat(parts[3], 64)
	return name + parts[2], value, err
}
