// Package conformance says what a suite of black-box cases saw of a server: a
// report for people, and a JUnit file for machines.
package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Force is how binding a rule is.
type Force string

// The forces of a specification (RFC 2119), and one that is not in it.
const (
	Must   Force = "MUST"
	Should Force = "SHOULD"
	May    Force = "MAY"
	// Field is a rule that no specification has, but that programs in use
	// rely on.
	Field Force = "field"
)

// Forces are all, the most binding first.
var Forces = []Force{Must, Should, May, Field}

// Binding tells whether a server that breaks the rule fails.
func (f Force) Binding() bool { return f == Must || f == Should }

// Outcome is what became of a case.
type Outcome string

// The outcomes.
const (
	Held   Outcome = "ok"
	Failed Outcome = "FAILED"
	// NotOffered is no fault: the rule is about something that a server may
	// leave out, and this one does.
	NotOffered Outcome = "-"
)

// Case is one rule that can be tried.
type Case struct {
	ID    string
	Group string
	Force Force
	// Expected is the rule in one line.
	Expected string
}

// Result is what was seen of a case.
type Result struct {
	Case
	Outcome Outcome
	// Seen is empty when the rule holds.
	Seen string
	// Request shows it: the last that was made.
	Request string
	Took    time.Duration
}

// Report is a run of a suite. Its results come group by group.
type Report struct {
	Title   string
	Target  string
	Results []Result
}

// OK tells whether every binding rule holds.
func (r *Report) OK() bool {
	for _, each := range r.Results {
		if each.Outcome == Failed && each.Force.Binding() {
			return false
		}
	}
	return true
}

// count returns how many results of a force have an outcome.
func (r *Report) count(force Force, outcome Outcome) int {
	n := 0
	for _, each := range r.Results {
		if each.Force == force && each.Outcome == outcome {
			n++
		}
	}
	return n
}

// Write is the report for people.
func (r *Report) Write(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n", r.Title, r.Target)
	group := ""
	for _, each := range r.Results {
		if each.Group != group {
			group = each.Group
			fmt.Fprintf(&out, "\n%s\n", group)
		}
		fmt.Fprintf(&out, "  %-6s  %-10s %-6s  %s\n", each.Outcome, each.ID, each.Force, each.Expected)
		if each.Seen != "" {
			fmt.Fprintf(&out, "          seen: %s\n", each.Seen)
		}
		if each.Outcome == Failed && each.Request != "" {
			fmt.Fprintf(&out, "          by:   %s\n", each.Request)
		}
	}
	out.WriteString("\n")
	for _, force := range Forces {
		fmt.Fprintf(&out, "%-6s  %3d hold, %d failed, %d not offered\n", force,
			r.count(force, Held), r.count(force, Failed), r.count(force, NotOffered))
	}
	verdict := "Conforms: every MUST and SHOULD that was tried holds."
	if !r.OK() {
		verdict = "Does not conform."
	}
	out.WriteString(verdict + "\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// WriteJUnit is the report for machines: one test suite per group. A rule of
// the field that fails is a skipped test, since it fails no server.
func (r *Report) WriteJUnit(w io.Writer) error {
	type message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type test struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Time    string   `xml:"time,attr"`
		Failure *message `xml:"failure"`
		Skipped *message `xml:"skipped"`
	}
	type suite struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Cases    []test `xml:"testcase"`
	}
	all := struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		Suites  []suite  `xml:"testsuite"`
	}{Name: r.Title + ": " + r.Target}
	for _, each := range r.Results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != each.Group {
			all.Suites = append(all.Suites, suite{Name: each.Group})
		}
		in := &all.Suites[len(all.Suites)-1]
		t := test{Name: each.ID + " " + string(each.Force) + " " + each.Expected, Class: each.ID, Time: fmt.Sprintf("%.3f", each.Took.Seconds())}
		seen := &message{each.Seen, each.Request}
		switch {
		case each.Outcome == Held:
		case each.Outcome == Failed && each.Force.Binding():
			t.Failure = seen
			in.Failures++
		default:
			t.Skipped = seen
			in.Skipped++
		}
		in.Tests++
		in.Cases = append(in.Cases, t)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
