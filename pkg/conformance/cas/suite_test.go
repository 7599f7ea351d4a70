package cas_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/conformance"
	"github.com/loge-idp/loge/pkg/conformance/cas"
)

// try runs the suite against a reference server.
func try(t *testing.T, s *reference, authority *cas.Authority, only ...string) *conformance.Report {
	t.Helper()
	report, err := cas.Run(t.Context(), cas.Options{
		Target: s.URL + "/cas", Username: username, Password: password, Authority: authority, Only: only,
		Listen: "127.0.0.1:0", ListenTLS: "127.0.0.1:0",
		Patience: 50 * time.Millisecond, // the reference tells before it answers
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func newAuthority(t *testing.T) *cas.Authority {
	t.Helper()
	authority, err := cas.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// broken are the cases that do not hold.
func broken(report *conformance.Report) []string {
	var ids []string
	for _, r := range report.Results {
		if r.Outcome != conformance.Held {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func written(t *testing.T, report *conformance.Report) string {
	var out strings.Builder
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A faithful server passes, whatever it does where the specification is
// silent.
func TestAFaithfulServerPasses(t *testing.T) {
	authority := newAuthority(t)
	for name, flavour := range map[string]struct {
		byScript bool
		without  []string
		excused  []string
	}{
		"with everything":           {},
		"by a page with a script":   {byScript: true},
		"without login tickets":     {without: []string{"lt"}, excused: []string{"A6.1", "T-LT.1", "T-LT.2"}},
		"without /samlValidate":     {without: []string{"samlValidate"}, excused: []string{"M1.1", "M1.2", "M1.3", "M1.4", "M2.1", "M2.2", "M3.1", "M4.1"}},
		"without a long session":    {without: []string{"rememberMe"}, excused: []string{"R1.1", "R1.2", "R3.1", "R4.1", "R5.1"}},
		"without any single logout": {without: []string{"slo"}, excused: []string{"S1.1", "S1.2", "S1.3", "S2.1", "S3.1", "S3.2", "S3.3", "S3.4", "S4.1", "S4.2", "S5.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newReference(t, "", authority)
			s.byScript = flavour.byScript
			for _, each := range flavour.without {
				s.without[each] = true
			}
			report := try(t, s, authority)
			if diff := cmp.Diff(flavour.excused, broken(report)); diff != "" || !report.OK() {
				t.Errorf("%s\n%s", diff, written(t, report))
			}
		})
	}
}

// Each case was seen to fail: for each there is a way to break the server that
// the case notices, and it is known what else does.
func TestEachCaseFailsWhenTheServerIsBroken(t *testing.T) {
	authority := newAuthority(t)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			want, only := strings.Fields(m.fails), strings.Fields(m.only)
			if raced {
				only = want // the detector makes the others too slow, and they were tried without
			}
			report := try(t, newReference(t, m.name, authority), authority, only...)
			got := broken(report)
			if m.and != "" {
				got = slices.DeleteFunc(got, func(id string) bool { return !slices.Contains(want, id) })
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%s", diff, written(t, report))
			}
		})
	}
}

func TestEachCaseHasAMutation(t *testing.T) {
	noticed := map[string]bool{}
	for _, m := range mutations {
		for _, id := range strings.Fields(m.fails) {
			noticed[id] = true
		}
	}
	for _, c := range cas.Cases() {
		if !noticed[c.ID] {
			t.Errorf("no mutation makes %s fail", c.ID)
		}
		delete(noticed, c.ID)
	}
	for id := range noticed {
		t.Errorf("there is no case %s", id)
	}
}
