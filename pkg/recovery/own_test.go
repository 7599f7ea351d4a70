package recovery_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
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
