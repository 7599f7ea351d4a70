package birthdate_test

import (
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/recovery/recoverytest"
	"github.com/loge-idp/loge/providers/recovery/birthdate"
)

var born = account.Date{Year: 2005, Month: time.March, Day: 14}

func student(number string) account.Account {
	return account.Account{ID: account.ID(number), FamilyName: "Dupont", Status: account.Pending, Birth: born,
		Attributes: map[string][]string{"supannEtuId": {number}, "eduPersonAffiliation": {"student"}}}
}

func open(t *testing.T, c birthdate.Config) recovery.Asked {
	t.Helper()
	m, err := c.Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return m.(recovery.Asked)
}

var populations = []birthdate.Population{
	{For: account.Condition{Attribute: "eduPersonAffiliation", In: []string{"student"}}, Numbers: []string{"supannEtuId", "supannCodeINE"}},
	{Numbers: []string{"supannEmpId"}},
}

func TestConformance(t *testing.T) {
	recoverytest.Run(t, func(t *testing.T) recoverytest.Harness {
		return recoverytest.Harness{
			Method:    open(t, birthdate.Config{Populations: populations}),
			Reachable: student("22401003"), Unreachable: account.Account{ID: "U23", Status: account.Active}, // R4: no date
			Right: []recovery.Answer{{Code: "14/03/2005"}, {Code: "14-3-2005"}, {Code: "14032005"}, {Code: "2005-03-14", Login: "22401003 "}},
		}
	})
}

// R6: homonyms of one date are told apart by their numbers, each population by
// its own.
func TestNumbers(t *testing.T) {
	m := open(t, birthdate.Config{Populations: populations})
	staff := account.Account{ID: "s", Birth: born, Attributes: map[string][]string{"supannEmpId": {"45001"}, "supannEtuId": {"999"}}}
	for _, c := range []struct {
		who    account.Account
		number string
		want   bool
	}{
		{student("22401003"), "22401003", true},
		{student("22401003"), "22401004", false},
		{student("22401003"), "jdupont", false},
		{staff, "45001", true},
		{staff, "999", false},
	} {
		if got := m.Verify(recovery.Challenge{Account: c.who}, recovery.Answer{Login: c.number, Code: "14/03/2005"}); got != c.want {
			t.Errorf("%s with %s: %v", c.who.ID, c.number, got)
		}
	}
}

// R5: the name, where it is asked.
func TestName(t *testing.T) {
	m := open(t, birthdate.Config{FamilyName: true})
	who := student("1")
	who.FamilyName, who.BirthName = "Petit-Leroy", "Petit"
	for name, want := range map[string]bool{"PETIT LEROY": true, "petit": true, "Leroy": false, "": false} {
		if got := m.Verify(recovery.Challenge{Account: who}, recovery.Answer{Login: "1", Code: "14/03/2005", Name: name}); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// It is all that is asked only where the site says so, of an account that was
// never activated.
func TestAlone(t *testing.T) {
	for _, c := range []struct {
		weak   bool
		p      recovery.Purpose
		status account.Status
		want   bool
	}{
		{false, recovery.Activate, account.Pending, false},
		{true, recovery.Activate, account.Pending, true},
		{true, recovery.Reset, account.Active, false},
		{true, recovery.Activate, account.Active, false},
		{true, recovery.Reset, account.Pending, false},
	} {
		if got := open(t, birthdate.Config{Weak: c.weak}).Alone(account.Account{ID: "1", Status: c.status}, c.p); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, p := range []birthdate.Population{{}, {Numbers: []string{"a"}, For: account.Condition{In: []string{"a"}}}} {
		if _, err := (&birthdate.Config{Populations: []birthdate.Population{p}}).Open(t.Context(), recovery.Env{}); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
}
