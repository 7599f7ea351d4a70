package several_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/directory/directorytest"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/metrics/metricstest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/several"

	"context"
	"time"
)

func clock() time.Time { return fixtures.Clock }

func network(t *testing.T, name string) directory.Directory {
	t.Helper()
	d, err := memory.DirectoryConfig{Fixtures: []string{name}, Now: clock}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.(interface{ Close() error }).Close() })
	return d
}

func join(t *testing.T, members ...several.Named) directory.Directory {
	t.Helper()
	d, err := several.Join(members...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Two networks joined are a directory like any other.
func TestJoined(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Harness {
		return directorytest.Harness{
			Directory: join(t,
				several.Named{Name: "university", Directory: network(t, "university")},
				several.Named{Name: "school", Directory: network(t, "school")}),
			People:    slices.Concat(directorytest.University(), directorytest.School()),
			Ambiguous: []string{"legoff@example.org"},
		}
	})
}

// R20: each directory answers for the domains of its own house.
func TestDomains_R20(t *testing.T) {
	d := join(t, several.Named{Name: "university", Directory: network(t, "university")}, several.Named{Name: "school", Directory: network(t, "school")})
	for who, want := range map[string]bool{"elefevre": true, "lea.dalmeida": false} {
		a, err := d.Find(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.(directory.Domains).Own(a.ID, "somebody@Univ-Valmont.example"); got != want {
			t.Errorf("%s: %v", who, got)
		}
	}
	if d.(directory.Domains).Own("nobody", "somebody@univ-valmont.example") {
		t.Error("of nobody's directory")
	}
}

// Whoever two directories know is found in neither (R2).
func TestTwice_R2(t *testing.T) {
	one, two := network(t, "university"), network(t, "university")
	d := join(t, several.Named{Name: "one", Directory: one}, several.Named{Name: "two", Directory: two})
	if a, err := d.Find(t.Context(), "elefevre"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("found %q, %v", a.ID, err)
	} else if !errors.Is(err, directory.ErrAmbiguous) {
		t.Errorf("%v; want it to say why, for the audit", err)
	}
	page := metrics.NewPage()
	d.(metrics.Source).Measure(t.Context(), page)
	got, err := metricstest.Read(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if n := got.Sum("loge_ldap_operations_total", `operation="search"`, `directory="`+name+`"`); n != 1 {
			t.Errorf("%g searches in %s are told", n, name)
		}
	}
	a, err := two.Find(t.Context(), "elefevre")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetPassword(t.Context(), "two/"+a.ID, secret.New("only there")); err != nil {
		t.Fatal(err)
	}
	if err := two.Authenticate(t.Context(), a, secret.New("only there")); err != nil {
		t.Errorf("in the directory of the identifier: %v", err)
	}
	if err := one.Authenticate(t.Context(), a, secret.New("only there")); !errors.Is(err, directory.ErrBadPassword) {
		t.Errorf("in the other one: %v", err)
	}
	for _, id := range []account.ID{a.ID, "three/" + a.ID, "two/", "/", ""} {
		if _, err := d.Get(t.Context(), id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("Get(%q): %v", id, err)
		}
	}
}

// away does not answer.
type away struct{ directory.Directory }

func (away) Find(context.Context, string) (account.Account, error) {
	return account.Account{}, directory.ErrUnavailable
}

func (away) Ping(context.Context) error { return errors.New("away") }

func (away) Examine(context.Context) []directory.Finding {
	return []directory.Finding{{What: "server", Mend: "start it"}}
}

func TestOneAway(t *testing.T) {
	d := join(t, several.Named{Name: "here", Directory: network(t, "university")}, several.Named{Name: "there", Directory: away{}})
	if _, err := d.Find(t.Context(), "elefevre"); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("%v; want ErrUnavailable: the other may know the same login", err)
	}
	if err := d.(directory.Pinger).Ping(t.Context()); err == nil || err.Error() != "there: away" {
		t.Errorf("Ping: %v", err)
	}
	report := d.(directory.Examiner).Examine(t.Context())
	if last := report[len(report)-1]; last.What != "there: server" || last.OK || !strings.HasPrefix(report[0].What, "here: ") {
		t.Errorf("%+v", report)
	}
}

// A login that says where it belongs is looked up there alone.
func TestRealms(t *testing.T) {
	university, school := network(t, "university"), network(t, "school")
	members := func(university, school directory.Directory) []several.Named {
		return []several.Named{
			{Name: "university", Realms: []string{"etu.univ-valmont.example", "univ-valmont.example"}, Directory: university},
			{Name: "lycee", Realms: []string{"0990011Z"}, StripRealm: true, Directory: school},
			{Name: "college", Realms: []string{"0990010Y"}, StripRealm: true, Directory: school},
		}
	}
	whole := join(t, members(university, school)...)
	for login, want := range map[string]string{
		"elodie.lefevre@etu.univ-valmont.example": "university/",
		"ELODIE.LEFEVRE@ETU.UNIV-VALMONT.EXAMPLE": "university/",
		"elefevre@univ-valmont.example":           "university/",
		"elefevre":                                "university/",
		"lea.dalmeida@0990011Z":                   "lycee/",
		"lea.dalmeida@0990010y":                   "college/",
		"lea.dalmeida":                            "", // two directories know her: R2
		"elefevre@0990011Z":                       "",
		"lea.dalmeida@univ-valmont.example":       "",
		"lea.dalmeida@":                           "",
		"@0990011Z":                               "",
		"lea.dalmeida@0990011Z@0990010Y":          "",
	} {
		a, err := whole.Find(t.Context(), login)
		if want == "" && !errors.Is(err, directory.ErrNotFound) || want != "" && (err != nil || !strings.HasPrefix(string(a.ID), want)) {
			t.Errorf("%s: %q, %v; want %q", login, a.ID, err, want)
		}
	}

	// Without the school, whoever belongs to the university logs in.
	part := join(t, members(university, away{})...)
	if _, err := part.Find(t.Context(), "elefevre@univ-valmont.example"); err != nil {
		t.Errorf("by the realm: %v", err)
	}
	for _, login := range []string{"elefevre", "lea.dalmeida@0990011Z"} {
		if _, err := part.Find(t.Context(), login); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v; want ErrUnavailable", login, err)
		}
	}
}

func TestConfig(t *testing.T) {
	plugins := several.Plugins{
		"memory": func() plugin.Config[directory.Directory, directory.Env] { return &memory.DirectoryConfig{Now: clock} },
	}
	plugins["several"] = func() plugin.Config[directory.Directory, directory.Env] { return &several.Config{Plugins: plugins} }
	section := `{"type": "several", "directories": [
		{"name": "univ", "directory": {"type": "memory", "fixtures": ["university"]}},
		{"name": "ent", "directory": {"type": "memory", "fixtures": ["school"]}}
	]}`
	d, err := plugins.Open(t.Context(), []byte(section), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.(interface{ Close() error }).Close()
	if a, err := d.Find(t.Context(), "lea.dalmeida"); err != nil || !strings.HasPrefix(string(a.ID), "ent/") {
		t.Errorf("%q, %v", a.ID, err)
	}
	for want, wrong := range map[string]string{
		"directories: at least one":                   `{"type": "several"}`,
		"directories[0].directory.type: no plugin":    `{"type": "several", "directories": [{"name": "a", "directory": {"type": "ldpa"}}]}`,
		"directories[1].directory.fixture: unknown":   strings.Replace(section, `"fixtures": ["school"]`, `"fixture": ["school"]`, 1),
		"directories[1].dir: unknown key":             strings.Replace(section, `"ent", "directory"`, `"ent", "dir"`, 1),
		`directories: the name "Univ" must be`:        strings.Replace(section, `"univ"`, `"Univ"`, 1),
		`directories: the name "univ" must be`:        strings.Replace(section, `"ent"`, `"univ"`, 1),
		`directories: the realm "a@b" of ent`:         strings.Replace(section, `"ent",`, `"ent", "realms": ["a@b"],`, 1),
		"directories: stripRealm of ent":              strings.Replace(section, `"ent",`, `"ent", "stripRealm": true,`, 1),
		"directories[1].directory: fixtures: none is": strings.Replace(section, `["school"]`, `["hospital"]`, 1),
	} {
		_, err := plugins.Open(t.Context(), []byte(wrong), directory.Env{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
