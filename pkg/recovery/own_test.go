package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// present is the password that everybody of known has.
const present = "girafe-tambour-olive-77"

// known is a directory in which people know their password.
type known struct {
	*people
	mustChange bool
}

func (d known) Authenticate(_ context.Context, _ account.Account, p secret.String) error {
	switch {
	case p.Reveal() != present:
		return directory.ErrBadPassword
	case d.mustChange:
		return directory.ErrMustChange
	}
	return nil
}

// R-REC-20, R36, R-SESS-05: the password one has is the proof of one change;
// under the same policy, told everywhere, and the other sessions end.
func TestOwnPassword(t *testing.T) {
	for _, must := range []bool{false, true} {
		w := start(t)
		w.flow.Directory = known{w.people, must}
		alice, _ := w.people.Find(t.Context(), "alice")
		var cookies []string
		for range 2 {
			s, err := w.sessions.Start(httptest.NewRequest("GET", "/", nil), alice, false, "pwd")
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			if err := w.sessions.Commit(t.Context(), rec, s); err != nil {
				t.Fatal(err)
			}
			cookies = append(cookies, rec.Header().Get("Set-Cookie"))
		}
		alive := func(cookie string) bool {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", cookie)
			s, err := w.sessions.Current(r)
			return err == nil && s != nil
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookies[0])
		mine, _ := w.sessions.Current(r)
		stays := w.sessions.Under(mine)

		if _, err := w.flow.Own(t.Context(), alice.ID, secret.New("not it")); !errors.Is(err, recovery.ErrWrong) {
			t.Fatalf("a wrong password: %v", err)
		}
		owner, err := w.flow.Own(t.Context(), alice.ID, secret.New(present))
		if err != nil {
			t.Fatal(err)
		}
		refuse := func(chosen, reason string) {
			t.Helper()
			var refused *recovery.Refused
			if err := w.flow.ChangeOwn(t.Context(), owner, secret.New(chosen), stays, ""); !errors.As(err, &refused) || !slices.Contains(refused.Reasons, reason) {
				t.Errorf("%s: %v", chosen, err)
			}
		}
		refuse(present, "in_history")
		refuse("azerty", "too_short")
		w.people.refuse = &directory.Rejection{Why: "too_young"}
		refuse(good, "too_young")
		if len(w.people.set) != 0 {
			t.Fatalf("set: %v", w.people.set)
		}
		owner, err = w.flow.Own(t.Context(), alice.ID, secret.New(present))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.flow.ChangeOwn(t.Context(), owner, secret.New(good), stays, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.flow.ChangeOwn(t.Context(), owner, secret.New(good+"!"), stays, ""); !errors.Is(err, recovery.ErrNoProof) {
			t.Errorf("a second change by one proof: %v", err)
		}
		if !slices.Equal(w.people.set, []string{"alice"}) || !alive(cookies[0]) || alive(cookies[1]) {
			t.Errorf("set %v; mine alive %v, the other %v", w.people.set, alive(cookies[0]), alive(cookies[1]))
		}
		w.settled(t)
		if len(w.mails) != 3 {
			t.Errorf("%d notices", len(w.mails))
		}
	}
}

// Who may not log in changes nothing by a password.
func TestOwnNeedsAnAccountThatIsOpen(t *testing.T) {
	w := start(t)
	w.flow.Directory = known{people: w.people}
	for _, login := range []string{"newcomer", "locked", "closed", "guessed", "nobody"} {
		if _, err := w.flow.Own(t.Context(), account.ID("id-"+login), secret.New(present)); !errors.Is(err, recovery.ErrState) {
			t.Errorf("%s: %v", login, err)
		}
	}
}

// bySelf is a directory in which people change their password themselves.
type bySelf struct {
	known
	outcome error
	asked   int // how often an account was read
	changed []string
}

func (d *bySelf) Get(ctx context.Context, id account.ID) (account.Account, error) {
	d.asked++
	return d.known.Get(ctx, id)
}

func (d *bySelf) ChangePassword(_ context.Context, a account.Account, old, chosen secret.String) error {
	d.changed = append(d.changed, a.Login+" "+old.Reveal()+" "+chosen.Reveal())
	return d.outcome
}

// Who gives the current password changes it under the rules of the directory for
// that; an administrator does where people may not, or are not let in any more.
func TestOwnPasswordIsChangedByItsOwner(t *testing.T) {
	for name, c := range map[string]struct {
		must    bool
		outcome error
		want    error
		owner   bool // asks the directory
		set     bool // an administrator does
	}{
		"by the owner":        {owner: true},
		"by an administrator": {outcome: fmt.Errorf("a rule: %w", errors.ErrUnsupported), owner: true, set: true},
		"too old to sign in":  {must: true, set: true},
		"changed in between":  {outcome: directory.ErrBadPassword, want: recovery.ErrWrong, owner: true},
		"away":                {outcome: directory.ErrUnavailable, want: directory.ErrUnavailable, owner: true},
		"refused":             {outcome: &directory.Rejection{Why: "in_history"}, want: &recovery.Refused{}, owner: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			d := &bySelf{known: known{w.people, c.must}, outcome: c.outcome}
			w.flow.Directory = d
			owner, err := w.flow.Own(t.Context(), "id-alice", secret.New(present))
			if err != nil {
				t.Fatal(err)
			}
			err = w.flow.ChangeOwn(t.Context(), owner, secret.New(good), store.Key{}, "")
			var refused *recovery.Refused
			if errors.As(c.want, &refused) {
				if !errors.As(err, &refused) || !slices.Equal(refused.Reasons, []string{"in_history"}) {
					t.Errorf("%v", err)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if asked := slices.Equal(d.changed, []string{"alice " + present + " " + good}); asked != c.owner {
				t.Errorf("asked for %q", d.changed)
			}
			if set := len(w.people.set) == 1; set != c.set {
				t.Errorf("set by an administrator: %v", w.people.set)
			}
			w.settled(t)
		})
	}
}

// R-AUTH-01: an empty password is wrong before the directory is asked anything.
func TestOwnAsksNothingForAnEmptyPassword(t *testing.T) {
	w := start(t)
	d := &bySelf{known: known{people: w.people}}
	w.flow.Directory = d
	if _, err := w.flow.Own(t.Context(), "id-alice", secret.String{}); !errors.Is(err, recovery.ErrWrong) || d.asked != 0 {
		t.Errorf("%v after %d questions", err, d.asked)
	}
}
