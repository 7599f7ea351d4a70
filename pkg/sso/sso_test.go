package sso_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/sso"
)

// R10, R13: who may enter which application.
func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		status account.Status
		reason account.Reason
		grace  sso.Grace
		why    account.Reason
	}{
		{account.Active, "", "", ""},
		{account.Active, "", sso.GraceDeny, ""},
		{account.Grace, account.ReasonDeparture, sso.GraceAllow, ""},
		{account.Grace, account.ReasonDeparture, sso.GraceDeny, account.ReasonDeparture},
		{account.Grace, account.ReasonDeparture, "", account.ReasonDeparture},
		{account.Pending, account.ReasonNotActivated, sso.GraceAllow, account.ReasonNotActivated},
		{account.Locked, account.ReasonSecurity, sso.GraceAllow, account.ReasonSecurity},
		{account.Locked, account.ReasonTooManyTries, sso.GraceAllow, account.ReasonTooManyTries},
		{account.Disabled, account.ReasonExpired, sso.GraceAllow, account.ReasonExpired},
	} {
		if why := (sso.RelyingParty{Grace: c.grace}).Admit(account.Account{Login: "somebody", Status: c.status, Reason: c.reason}, time.Now()); why != c.why {
			t.Errorf("%s (%s) at grace %q: %q, want %q", c.status, c.reason, c.grace, why, c.why)
		}
	}
}

var alice = account.Account{ID: "1", Login: "alice", Name: "Alice Â", GivenName: "Alice", FamilyName: "Â", Mail: "alice@univ.example", Language: "fr",
	Status: account.Grace, Ends: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC),
	Attributes: map[string][]string{"memberOf": {"b", "a"}, "mail": {"the directory's own"}, "empty": {}}}

// R53: nothing but what the configuration names, in its order.
func TestRelease(t *testing.T) {
	for name, c := range map[string]struct {
		names []string
		want  []sso.Told
	}{
		"nothing by default": {nil, nil},
		"own values": {[]string{"login", "mail", "accountEnd"}, []sso.Told{
			{Name: "login", Values: []string{"alice"}, Single: true},
			{Name: "mail", Values: []string{"alice@univ.example"}, Single: true},
			{Name: "accountEnd", Values: []string{"2027-01-31"}, Single: true}}},
		"the directory's, in its order": {[]string{"memberOf"}, []sso.Told{{Name: "memberOf", Values: []string{"b", "a"}}}},
		"without a value":               {[]string{"empty", "absent"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var party sso.RelyingParty
			for _, each := range c.names {
				party.Attributes = append(party.Attributes, sso.Attribute{Name: each})
			}
			if diff := cmp.Diff(c.want, party.Release(alice)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGraceIsReadStrictly(t *testing.T) {
	for text, want := range map[string]sso.Grace{`"allow"`: sso.GraceAllow, `"deny"`: sso.GraceDeny} {
		var g sso.Grace
		if err := json.Unmarshal([]byte(text), &g); err != nil || g != want {
			t.Errorf("%s is %q, %v", text, g, err)
		}
	}
	for _, text := range []string{`""`, `"Allow"`, `"yes"`, `true`, `1`, `null`, `[]`} {
		g := sso.GraceDeny
		if err := json.Unmarshal([]byte(text), &g); err == nil || g != sso.GraceDeny {
			t.Errorf("%s was taken for %q", text, g)
		}
	}
}
