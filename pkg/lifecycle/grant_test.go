package lifecycle_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// R13, R7: the end is put off in the directory, by months of the calendar, in
// one network as in several; the state and the values of other labels stay, and
// the request is settled.
func TestGrant(t *testing.T) {
	for name, networks := range map[string][]string{"one": {"university"}, "several": nil} {
		t.Run(name, func(t *testing.T) {
			opened, err := memory.DirectoryConfig{Fixtures: networks, Now: func() time.Time { return fixtures.Clock }}.Open(t.Context(), struct{}{})
			if err != nil {
				t.Fatal(err)
			}
			dir := opened.(lifecycle.Extendable)
			h := newHouse(t, fixtures.Clock, opened)
			x := &lifecycle.Extensions{Store: h.clock, Keys: h.keys, Audit: audit.Log{Logger: slog.New(slog.DiscardHandler)}}
			kahina, err := dir.Find(t.Context(), "kaitouaret")
			if err != nil {
				t.Fatal(err)
			}
			if err := x.Ask(t.Context(), lifecycle.Extension{Account: kahina.ID, At: fixtures.Clock, Months: 2}); err != nil {
				t.Fatal(err)
			}
			until, err := x.Grant(t.Context(), dir, kahina.ID, 2, "desk")
			if err != nil || until.String() != "2027-02-28" {
				t.Fatal(until, err)
			}
			now, err := dir.Get(t.Context(), kahina.ID)
			if err != nil || now.Status != account.Grace || now.Values(account.ValueEnd)[0] != "2027-02-28" {
				t.Errorf("%+v %v", now, err)
			}
			if _, pending, err := x.Of(t.Context(), kahina.ID); pending || err != nil {
				t.Error("still waits", err)
			}

			// The end is another by now.
			if err := dir.Extend(t.Context(), kahina.ID, account.Date{Year: 2026, Month: 12, Day: 31}, until); !errors.Is(err, directory.ErrConflict) {
				t.Errorf("over another end: %v", err)
			}
			for _, login := range []string{"ngarcon", "asoares"} { // over already; arriving
				a, err := dir.Find(t.Context(), login)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := x.Grant(t.Context(), dir, a.ID, 2, "desk"); !errors.Is(err, lifecycle.ErrNoEnd) {
					t.Errorf("%s: %v", login, err)
				}
			}
		})
	}
}
