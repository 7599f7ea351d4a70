package lifecycle_test

import (
	"errors"
	"log/slog"
	"strings"
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
			opened, err := memory.DirectoryConfig{Fixtures: networks, Now: func() time.Time { return fixtures.Clock }}.Open(t.Context(), directory.Env{})
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

// R13: a guest whose time ends is told so, lasts on for the three months of
// those like him, is told again, asks for three more, and gets them: each in the
// words of the directory.
func TestALifeInGrace(t *testing.T) {
	h := newHouse(t, fixtures.Clock, nil)
	h.Config.Grace = []lifecycle.Grace{
		{Who: account.Condition{Attribute: "eduPersonAffiliation", In: []string{"student"}}, Months: 12},
		{Who: account.Condition{Attribute: "eduPersonAffiliation", In: []string{"affiliate"}}, Months: 3, Renewable: true},
	}
	opened, err := memory.DirectoryConfig{Fixtures: []string{"university"}, Now: h.clock.Now}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h.dir = opened
	opened.(directory.Graceful).Grace(func(a account.Account) int { return h.Config.GraceOf(a, h.clock.Now()).Months })
	r := h.machine()
	felix := func() account.Account {
		a, err := opened.Find(t.Context(), "fbadge")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	told := func(want string) {
		t.Helper()
		h.run(r, true)
		for _, m := range h.deliver(r) {
			if m.To == "felix@example.org" && strings.Contains(m.Subject, want) {
				return
			}
		}
		t.Errorf("nothing says %q", want)
	}
	is := func(status account.Status, day string) {
		t.Helper()
		if a := felix(); a.Status != status || account.DateOf(a.Ends).String() != day {
			t.Errorf("%s until %s; want %s until %s", a.Status, account.DateOf(a.Ends), status, day)
		}
	}
	is(account.Active, "2026-09-30")
	told("moins de choses après le 30\u00a0septembre")
	x := &lifecycle.Extensions{Store: h.clock, Keys: h.keys, Audit: audit.Log{Logger: slog.New(slog.DiscardHandler)}}
	dir := opened.(lifecycle.Extendable)
	if _, err := x.Grant(t.Context(), dir, felix().ID, 3, "desk"); !errors.Is(err, lifecycle.ErrNoEnd) {
		t.Errorf("before a grace that follows by itself: %v", err)
	}
	h.days(16)
	is(account.Grace, "2026-12-31")
	h.days(75)
	told("fermera le 31\u00a0décembre")
	until, err := x.Grant(t.Context(), dir, felix().ID, 3, "desk")
	if err != nil || until.String() != "2027-03-31" {
		t.Errorf("%s, %v", until, err)
	}
	is(account.Grace, "2027-03-31")
	h.days(120)
	is(account.Disabled, "2027-03-31")
}
