package operator_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// R13: an operator who may extend answers a request, once; one who may not
// changes nothing.
func TestExtend(t *testing.T) {
	now := func() time.Time { return fixtures.Clock }
	dir, err := memory.DirectoryConfig{Fixtures: []string{"university"}, Now: now}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	clock, err := memory.NewFakeTimeStore(fixtures.Clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clock.Close() })
	id := func(login string) account.ID {
		a, err := dir.Find(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	trail := audit.Log{Logger: slog.New(slog.DiscardHandler)}
	may := func(login string, verbs ...operator.Verb) operator.Rule {
		return operator.Rule{Name: login, Who: account.Condition{Attribute: account.ValueLogin, In: []string{login}}, Rank: 5, Verbs: verbs}
	}
	requests := &lifecycle.Extensions{Store: clock, Keys: secret.RandomKeyring(), Audit: trail}
	desk := &operator.Desk{Rules: operator.Rules{may("elefevre", operator.Extend), may("fndiaye", operator.Unlock)}, Directory: dir, Store: clock, Audit: trail, Now: now,
		Asking: requests, Outbox: &outbox.Outbox{Store: clock, Box: secret.RandomKeyring().Box("outbox")}}
	kahina := id("kaitouaret")
	answer := func(by string, grant bool) (string, error) {
		until, err := desk.Extend(t.Context(), operator.Case{Operator: id(by), Account: kahina}, grant)
		return until.String(), err
	}
	ask := func() {
		if err := requests.Ask(t.Context(), lifecycle.Extension{Account: kahina, At: fixtures.Clock, Months: 6}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := answer("elefevre", true); !errors.Is(err, operator.ErrNotAsked) {
		t.Errorf("nobody asked: %v", err)
	}
	ask()
	for _, by := range []string{"fndiaye", "jdupont"} {
		if _, err := answer(by, true); !errors.As(err, new(operator.Denied)) {
			t.Errorf("%s: %v", by, err)
		}
	}
	if until, err := answer("elefevre", true); err != nil || until != "2027-06-30" {
		t.Errorf("%s, %v", until, err)
	}
	if _, err := answer("elefevre", true); !errors.Is(err, operator.ErrNotAsked) {
		t.Errorf("answered already: %v", err)
	}
	ask()
	if until, err := answer("elefevre", false); err != nil || until != "" {
		t.Errorf("refused: %s, %v", until, err)
	}
	if a, err := dir.Get(t.Context(), kahina); err != nil || a.Values(account.ValueEnd)[0] != "2027-06-30" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, pending, err := requests.Of(t.Context(), kahina); pending || err != nil {
		t.Errorf("still waits, %v", err)
	}
}
