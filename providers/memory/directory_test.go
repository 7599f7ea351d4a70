package memory_test

import (
	"slices"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/directory/directorytest"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"

	"github.com/google/go-cmp/cmp"
)

func openDirectory(t *testing.T, c memory.DirectoryConfig) directory.Directory {
	t.Helper()
	d, err := c.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.(interface{ Close() error }).Close() })
	return d
}

func TestDirectory(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Harness {
		return directorytest.Harness{
			Directory: openDirectory(t, memory.DirectoryConfig{Now: func() time.Time { return fixtures.Clock }}),
			People:    slices.Concat(directorytest.University(), directorytest.School()),
			Ambiguous: []string{"legoff@example.org"},
		}
	})
}

// The cases are what their rows say whatever the day.
func TestDirectoryAnyDay(t *testing.T) {
	for _, day := range []string{"2019-02-28T23:59:59Z", "2026-09-15T07:59:59Z", "2026-09-16T00:30:00+02:00", "2028-02-29T12:00:00Z", "2040-12-31T23:30:00Z"} {
		now, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		d := openDirectory(t, memory.DirectoryConfig{Now: func() time.Time { return now }})
		for _, p := range slices.Concat(directorytest.University(), directorytest.School()) {
			a, err := d.Find(t.Context(), p.Login)
			if err != nil || a.Status != p.Status || a.Reason != p.Reason {
				t.Errorf("%s: %s is %s (%s), %v; want %s (%s)", day, p.Login, a.Status, a.Reason, err, p.Status, p.Reason)
			}
		}
	}
}

// Identifiers outlive the process.
func TestDirectoryIdentifiersStay(t *testing.T) {
	var before []string
	for range 2 {
		var ids []string
		d := openDirectory(t, memory.DirectoryConfig{})
		for _, login := range []string{"elefevre", "lea.dalmeida"} {
			a, err := d.Find(t.Context(), login)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, string(a.ID))
		}
		if before != nil {
			if diff := cmp.Diff(before, ids); diff != "" {
				t.Error(diff)
			}
		}
		before = ids
	}
}

// With one network nothing stands between the caller and package ldap.
func TestOneNetwork(t *testing.T) {
	var ops []string
	d := openDirectory(t, memory.DirectoryConfig{Fixtures: []string{"university"}, Observe: func(op string) { ops = append(ops, op) }})
	a, err := d.Find(t.Context(), "elefevre")
	if err != nil || a.ID != "aa3dff589ee0aaffd4e2476190b6fb4a@univ-valmont.example" {
		t.Errorf("%q, %v", a.ID, err)
	}
	if diff := cmp.Diff([]string{"bind", "search"}, ops); diff != "" {
		t.Error(diff)
	}
	if err := d.(directory.Pinger).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for _, f := range d.(directory.Examiner).Examine(t.Context()) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
}
