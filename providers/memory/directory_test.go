package memory_test

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/directory/directorytest"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func openDirectory(t *testing.T, c memory.DirectoryConfig) directory.Directory {
	t.Helper()
	d, err := c.Open(t.Context(), directory.Env{})
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

// Other programs can be pointed at it.
func TestListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	d, err := memory.DirectoryConfig{Listener: listener, Password: secret.New("known")}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{fixtures.UniversitySuffix, fixtures.SchoolSuffix} {
		conn, err := goldap.DialURL("ldap://" + address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Bind(fixtures.ReaderDN(suffix), "known"); err != nil {
			t.Error(err)
		}
		found, err := conn.SearchWithPaging(goldap.NewSearchRequest("ou=people,"+suffix, goldap.ScopeSingleLevel, 0, 0, 0, false, "(objectClass=*)", []string{"uid"}, nil), 10)
		if err != nil || len(found.Entries) < 22 {
			t.Errorf("%s: %v", suffix, err)
		}
	}
	if err := d.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("still listens")
	}
}
