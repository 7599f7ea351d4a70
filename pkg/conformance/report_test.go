package conformance_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/conformance"
)

func result(id string, force conformance.Force, outcome conformance.Outcome) conformance.Result {
	r := conformance.Result{Case: conformance.Case{ID: id, Group: "Group " + id[:1], Force: force, Expected: "rule <" + id + ">"}, Outcome: outcome}
	if outcome != conformance.Held {
		r.Seen, r.Request = "seen & "+id, "GET /"+id
	}
	return r
}

func TestOnlyMustAndShouldCount(t *testing.T) {
	for _, force := range conformance.Forces {
		for _, outcome := range []conformance.Outcome{conformance.Held, conformance.Failed, conformance.NotOffered} {
			r := conformance.Report{Results: []conformance.Result{result("A1", conformance.Must, conformance.Held), result("A2", force, outcome)}}
			want := outcome != conformance.Failed || force == conformance.May || force == conformance.Field
			if r.OK() != want {
				t.Errorf("%s %s: OK %t", force, outcome, r.OK())
			}
		}
	}
}

var report = conformance.Report{Title: "Suite", Target: "https://cas.example", Results: []conformance.Result{
	result("A1", conformance.Must, conformance.Held),
	result("A2", conformance.Must, conformance.Failed),
	result("B1", conformance.May, conformance.NotOffered),
	result("B2", conformance.Field, conformance.Failed),
}}

func TestWrite(t *testing.T) {
	var out strings.Builder
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := `Suite: https://cas.example

Group A
  ok      A1         MUST    rule <A1>
  FAILED  A2         MUST    rule <A2>
          seen: seen & A2
          by:   GET /A2

Group B
  -       B1         MAY     rule <B1>
          seen: seen & B1
  FAILED  B2         field   rule <B2>
          seen: seen & B2
          by:   GET /B2

MUST      1 hold, 1 failed, 0 not offered
SHOULD    0 hold, 0 failed, 0 not offered
MAY       0 hold, 0 failed, 1 not offered
field     0 hold, 1 failed, 0 not offered
Does not conform.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWriteJUnit(t *testing.T) {
	var out strings.Builder
	if err := report.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	type test struct {
		Class   string    `xml:"classname,attr"`
		Failure *struct { // of a binding rule
			Message string `xml:"message,attr"`
		} `xml:"failure"`
		Skipped *struct{} `xml:"skipped"`
	}
	var got struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []test `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Suites) != 2 {
		t.Fatalf("%d groups", len(got.Suites))
	}
	a, b := got.Suites[0], got.Suites[1]
	if a.Name != "Group A" || a.Tests != 2 || a.Failures != 1 || a.Skipped != 0 || a.Cases[1].Failure == nil || a.Cases[1].Failure.Message != "seen & A2" {
		t.Errorf("%+v", a)
	}
	if b.Tests != 2 || b.Failures != 0 || b.Skipped != 2 || b.Cases[0].Skipped == nil || b.Cases[1].Skipped == nil {
		t.Errorf("%+v", b)
	}
}
