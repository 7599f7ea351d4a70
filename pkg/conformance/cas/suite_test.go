package cas_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
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
		Target: s.URL + "/cas", Username: username, Password: password, Authority: authority, Only: only, Open: s.without["registry"],
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

// missed are the cases that do not hold.
func missed(report *conformance.Report) []string {
	var ids []string
	for _, r := range report.Results {
		if r.Outcome != conformance.Held {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// noticed are the cases that tell of a fault: of a MAY, that it is not there.
func noticed(report *conformance.Report) []string {
	var ids []string
	for _, r := range report.Results {
		if r.Outcome == conformance.Failed || r.Outcome == conformance.NotOffered && r.Force == conformance.May {
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
		"open to every service":     {without: []string{"registry"}, excused: []string{"L2.1", "L2.2", "L2.3", "O3.2", "Q3.3"}},
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
			if diff := cmp.Diff(flavour.excused, missed(report)); diff != "" || !report.OK() {
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
			want, only := m.fails, m.only
			if raced {
				only = want // the detector makes the others too slow, and they were tried without
			}
			report := try(t, newReference(t, m.name, authority), authority, only...)
			got := noticed(report)
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
	known := map[string]bool{}
	for _, m := range mutations {
		for _, id := range m.fails {
			known[id] = true
		}
	}
	for _, c := range cas.Cases() {
		if !known[c.ID] {
			t.Errorf("no mutation makes %s fail", c.ID)
		}
		delete(known, c.ID)
	}
	for id := range known {
		t.Errorf("there is no case %s", id)
	}
}

var update = flag.Bool("update", false, "write the list of cases in docs/cas-conformance.md")

// The list that people read is the one that is tried.
func TestTheDocumentListsTheCases(t *testing.T) {
	const file, mark = "../../../docs/cas-conformance.md", "<!-- cases -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(text), mark)
	if !ok {
		t.Fatalf("%s has no line %s", file, mark)
	}
	var want strings.Builder
	want.WriteString(before + mark)
	group := ""
	for _, c := range cas.Cases() {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(&want, "\n### %s\n\n| Case | Force | Rule | Fails when |\n|---|---|---|---|\n", group)
		}
		var when []string
		for _, m := range mutations {
			if slices.Contains(m.fails, c.ID) {
				when = append(when, m.name)
			}
		}
		cells := strings.NewReplacer("|", `\|`, "<", "&lt;")
		fmt.Fprintf(&want, "| %s | %s | %s | %s |\n", c.ID, c.Force, cells.Replace(c.Expected), cells.Replace(strings.Join(when, "; ")))
	}
	if *update {
		if err := os.WriteFile(file, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), string(text)); diff != "" {
		t.Errorf("run go test ./pkg/conformance/cas -run Document -update: %s", diff)
	}
}

// A report can be shown to anybody.
func TestAReportHoldsNoSecrets(t *testing.T) {
	authority := newAuthority(t)
	report := try(t, newReference(t, "a ticket is good for ever", authority), authority)
	var junit strings.Builder
	if err := report.WriteJUnit(&junit); err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`(?:ST|PT|PGT|PGTIOU|TGC)-[A-Z0-9]{12,}`)
	for name, text := range map[string]string{"report": written(t, report), "JUnit": junit.String()} {
		if strings.Contains(text, password) || strings.Contains(text, url.QueryEscape(password)) || whole.MatchString(text) {
			t.Errorf("%s: %s", name, text)
		}
		if !strings.Contains(text, "ticket=ST-") {
			t.Errorf("%s shows no request with a ticket", name)
		}
	}
}

func TestOnly(t *testing.T) {
	authority := newAuthority(t)
	s := newReference(t, "", authority)
	var ids []string
	for _, r := range try(t, s, authority, "L3", "V8.3").Results {
		ids = append(ids, r.ID)
	}
	if diff := cmp.Diff([]string{"L3.1", "L3.2", "V8.3"}, ids); diff != "" {
		t.Error(diff)
	}
}

// What cannot be tried is an error, not a server that does everything wrong.
func TestWhatCannotBeTried(t *testing.T) {
	authority := newAuthority(t)
	s := newReference(t, "", authority)
	gone := httptest.NewServer(nil)
	gone.Close()
	good := cas.Options{Target: s.URL + "/cas", Username: username, Password: password, Authority: authority, Listen: "127.0.0.1:0", ListenTLS: "127.0.0.1:0"}
	for name, change := range map[string]func(*cas.Options){
		"no URL":            func(o *cas.Options) { o.Target = "cas.example" },
		"no password":       func(o *cas.Options) { o.Password = "" },
		"no case":           func(o *cas.Options) { o.Only = []string{"L33"} },
		"does not answer":   func(o *cas.Options) { o.Target = gone.URL },
		"cannot listen":     func(o *cas.Options) { o.Listen = s.Listener.Addr().String() },
		"cannot listen TLS": func(o *cas.Options) { o.ListenTLS = s.Listener.Addr().String() },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			change(&o)
			if report, err := cas.Run(t.Context(), o); err == nil {
				t.Errorf("%s", written(t, report))
			}
		})
	}
}

// An authority is made once, so that a server can be told to trust it.
func TestLoadAuthority(t *testing.T) {
	file := filepath.Join(t.TempDir(), "folder", "ca.pem")
	made, err := cas.LoadAuthority(file)
	if err != nil {
		t.Fatal(err)
	}
	read, err := cas.LoadAuthority(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != string(made.PEM()) || string(text) != string(read.PEM()) {
		t.Errorf("%v: not the same", err)
	}
	if info, err := os.Stat(file + ".key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cas.LoadAuthority(file); err == nil {
		t.Error("a file that holds nothing is written over")
	}
}
