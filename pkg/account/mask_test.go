package account_test

import (
	"testing"

	"github.com/loge-idp/loge/pkg/account"
)

func TestR24Masks(t *testing.T) {
	for of, want := range map[account.Contact]string{
		{Kind: account.Email, Value: "jeanne@example.org"}:                       "j••••@e••••",
		{Kind: account.Email, Value: "é@b.fr"}:                                   "é••••@b••••",
		{Kind: account.Email, Value: "a-very-long-one@a-very-long-host.example"}: "a••••@a••••",
		{Kind: account.Email}:                                                    "••••@••••",
		{Kind: account.Email, Value: "nonsense"}:                                 "n••••@••••",
		{Kind: account.Phone, Value: "+33612345642"}:                             "••••\u00a042",
		{Kind: account.Phone, Value: "06 12 34 56 4 2"}:                          "••••\u00a042",
		{Kind: account.Phone}:                                                    "••••",
		{Kind: account.Phone, Value: "1"}:                                        "••••",
		{}:                                                                       "",
	} {
		if got := of.Masked(); got != want {
			t.Errorf("%v: %q, want %q", of, got, want)
		}
	}
	for _, of := range []struct {
		account.Account
		want string
	}{{account.Account{GivenName: "Loïc", FamilyName: "Martin"}, "Loïc M."}, {account.Account{GivenName: "Loïc"}, "Loïc"}, {account.Account{FamilyName: "Édouard"}, "É."}} {
		if got := of.MaskedName(); got != of.want {
			t.Errorf("%q, want %q", got, of.want)
		}
	}
}
