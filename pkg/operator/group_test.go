package operator_test

import (
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"
)

// Where other entries list the groups, a search does not bring them: whom the
// rules put above an operator is nevertheless not listed, and gets no letter.
func TestGroupsOfOtherEntries(t *testing.T) {
	server := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema), []string{fixtures.ReaderDN(fixtures.UniversitySuffix)}, nil)
	if err := server.Load(fixtures.University(theDay, fixtures.Services{Reader: "r", Writer: "w"})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	d, err := ldap.Config{Dial: server.Dial, Base: "ou=people," + fixtures.UniversitySuffix, Preset: "supann",
		BindDN: fixtures.ReaderDN(fixtures.UniversitySuffix), BindPassword: secret.New("r"),
		Groups: ldap.Groups{Base: "ou=groups," + fixtures.UniversitySuffix}, Now: func() time.Time { return theDay }}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.(io.Closer).Close() })
	in := func(group string) account.Condition {
		return account.Condition{Attribute: "groups", In: []string{group}}
	}
	desk := &operator.Desk{Directory: d, Audit: audit.Log{Logger: slog.New(slog.DiscardHandler)}, Now: func() time.Time { return theDay },
		Rules: operator.Rules{{Name: "helpdesk", Who: in("helpdesk-n1"), Verbs: []operator.Verb{operator.Letters}},
			{Name: "admin", Who: in("admins-idp"), Rank: 2, Verbs: []operator.Verb{operator.Letters}}}}
	find := func(login string) account.Account {
		t.Helper()
		a, err := d.Find(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for op, want := range map[string]int{"u.assist": 0, "u.admin": 1} {
		c := operator.Case{Operator: find(op).ID}
		other := map[string]string{"u.assist": "u.admin", "u.admin": "u.assist"}[op]
		found, err := desk.Search(t.Context(), c, other)
		if err != nil || len(found.Accounts) != want {
			t.Errorf("%s finds %d of %s, %v", op, len(found.Accounts), other, err)
		}
		selected, err := desk.Select(t.Context(), c, operator.Letters, operator.Selection{Of: desk.Populations(find(op), operator.Letters)[0].Key()}, 100)
		if err != nil || slices.ContainsFunc(selected.Accounts, func(a account.Account) bool { return a.Login == other }) != (want == 1) || len(selected.Accounts) < 5 {
			t.Errorf("%s may print for %s: %d accounts, %v", op, other, len(selected.Accounts), err)
		}
	}
}
