package ldap_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// A frozen contact stays on file and reaches nobody; what else stands in the
// attribute is left alone, and the address itself is not told there.
func TestFreeze(t *testing.T) {
	config := one(t, "supann", `
supannMailPrive: {SECOURS}Jo@Home.example
supannMailPrive: {PERSO}jo@work.example
description: somebody else's`)
	config.Attributes.Frozen = "description"
	d := open(t, config)
	f := d.(directory.Freezer)
	contacts := func() (all, reached int, id account.ID, first account.Contact) {
		a, err := d.Find(t.Context(), "jo")
		if err != nil || len(a.Contacts) == 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		return len(a.Contacts), len(a.Reach(account.Email)), a.ID, a.Contacts[0]
	}
	all, reached, id, first := contacts()
	if all != 2 || reached != 2 || !f.Freezes() {
		t.Fatalf("%d, %d", all, reached)
	}
	for range 2 { // twice is once
		if err := f.Freeze(t.Context(), id, first, true); err != nil {
			t.Fatal(err)
		}
	}
	if all, reached, _, now := contacts(); all != 2 || reached != 1 || !now.Frozen || now.Value != first.Value {
		t.Errorf("%d, %d, %+v", all, reached, now)
	}
	marks := values(t, config, "description")
	if len(marks) != 2 || !strings.HasPrefix(marks[0], "loge:frozen=") || strings.Contains(strings.ToLower(marks[0]), "home") || marks[1] != "somebody else's" {
		t.Errorf("%q", marks)
	}
	for range 2 {
		if err := f.Freeze(t.Context(), id, first, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, reached, _, now := contacts(); reached != 2 || now.Frozen {
		t.Errorf("%d, %+v", reached, now)
	}
	if diff := cmp.Diff([]string{"somebody else's"}, values(t, config, "description")); diff != "" {
		t.Error(diff)
	}
	if err := f.Freeze(t.Context(), "nobody@one.example", first, true); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// Where nothing is named to keep it in, nothing is written.
func TestFreezeNowhere(t *testing.T) {
	f := open(t, one(t, "supann", "")).(directory.Freezer)
	if err := f.Freeze(t.Context(), "0b2f8e01@one.example", account.Contact{Kind: account.Email, Value: "a@b.example"}, true); err == nil || f.Freezes() {
		t.Error("no error")
	}
	config := one(t, "supann", "")
	config.Attributes.Frozen = "eduPersonUniqueId"
	if _, err := config.Open(t.Context(), directory.Env{}); err == nil {
		t.Error("the identifier is taken")
	}
}
