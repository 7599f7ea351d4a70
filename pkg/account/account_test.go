package account_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
)

// R10: the one table.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		status                 account.Status
		reason                 account.Reason
		login, reset, activate bool
	}{
		{account.Active, account.ReasonNone, true, true, false},
		{account.Grace, account.ReasonDeparture, true, true, false},
		{account.Pending, account.ReasonNotActivated, false, false, true},
		{account.Locked, account.ReasonAdministrative, false, false, false},
		{account.Locked, account.ReasonSecurity, false, false, false},
		{account.Locked, account.ReasonNone, false, false, false},
		{account.Locked, account.ReasonUnknownState, false, false, false},
		{account.Locked, account.ReasonTooManyTries, false, true, false},
		{account.Disabled, account.ReasonExpired, false, false, false},
		{account.Disabled, account.ReasonClosed, false, false, false},
		// The reason of a lock opens nothing else.
		{account.Disabled, account.ReasonTooManyTries, false, false, false},
		{account.Pending, account.ReasonTooManyTries, false, false, true},
		// What nobody set, or nobody knows, is nothing.
		{"", account.ReasonNone, false, false, false},
		{"ACTIVE", account.ReasonNone, false, false, false},
	} {
		a := account.Account{Status: c.status, Reason: c.reason}
		if a.Status.MayLogin() != c.login || a.MayReset() != c.reset || a.MayActivate() != c.activate {
			t.Errorf("%s, %s: login %v, reset %v, activate %v", c.status, c.reason, a.Status.MayLogin(), a.MayReset(), a.MayActivate())
		}
	}
}

// R20: rescue addresses keep their order.
func TestReach(t *testing.T) {
	a := account.Account{Mail: "institution@univ.example", Contacts: []account.Contact{
		{Kind: account.Email, Value: "2@home.example"}, {Kind: account.Phone, Value: "+33600000000"}, {Kind: account.Email, Value: "1@home.example"}}}
	if diff := cmp.Diff([]account.Contact{a.Contacts[0], a.Contacts[2]}, a.Reach(account.Email)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(a.Contacts[1:2], a.Reach(account.Phone)); diff != "" {
		t.Error(diff)
	}
	if got := (account.Account{Mail: "a@univ.example"}).Reach(account.Email); got != nil {
		t.Errorf("the institution's address is a rescue address: %v", got)
	}
}
