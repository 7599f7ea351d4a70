package directorytest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"

	"github.com/google/go-cmp/cmp"
)

func (h Harness) editor(t *testing.T) directory.Editor {
	t.Helper()
	e, ok := h.Directory.(directory.Editor)
	if !ok {
		t.Skip("this directory cannot be edited")
	}
	return e
}

func (h Harness) get(t *testing.T, id account.ID) account.Account {
	t.Helper()
	a, err := h.Directory.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func replace(t *testing.T, h Harness) {
	editor := h.editor(t)
	p := h.who(t, "active with an address and a phone", func(p Person) bool { return active(p) && len(p.Emails) > 0 && len(p.Phones) > 0 })
	before := h.find(t, p.Login)
	for i, old := range before.Contacts {
		to := old
		if to.Value = "nouvelle@example.net"; old.Kind == account.Phone {
			to.Value = "+33639980999"
		}
		if err := editor.Replace(t.Context(), before.ID, old, to); err != nil {
			t.Fatalf("%s: %v", old.Label, err)
		}
		want := slices.Clone(before.Contacts)
		want[i] = to
		if diff := cmp.Diff(want, h.get(t, before.ID).Contacts); diff != "" {
			t.Errorf("after the change of %s: %s", old.Label, diff)
		}
		// Whoever still believes the old one to be there is told so.
		for _, stale := range []account.Contact{{}, {Kind: old.Kind, Label: old.Label, Value: to.Value + "1"}} {
			if err := editor.Replace(t.Context(), before.ID, old, stale); !errors.Is(err, directory.ErrConflict) {
				t.Errorf("from a stale %s: %v; want ErrConflict", old.Label, err)
			}
		}
		if err := editor.Replace(t.Context(), before.ID, account.Contact{}, to); !errors.Is(err, directory.ErrConflict) {
			t.Errorf("adding %s twice: %v; want ErrConflict", old.Label, err)
		}
		if err := editor.Replace(t.Context(), before.ID, to, account.Contact{}); err != nil {
			t.Errorf("removing %s: %v", old.Label, err)
		}
		if diff := cmp.Diff(slices.Delete(slices.Clone(before.Contacts), i, i+1), h.get(t, before.ID).Contacts); diff != "" {
			t.Errorf("after the removal of %s: %s", old.Label, diff)
		}
		if err := editor.Replace(t.Context(), before.ID, account.Contact{}, old); err != nil {
			t.Errorf("adding %s: %v", old.Label, err)
		}
	}
	if diff := cmp.Diff(before, h.get(t, before.ID)); diff != "" {
		t.Errorf("with everything as it was: %s", diff)
	}

	known := before.Contacts[0]
	for what, to := range map[string]account.Contact{
		"no address":         {Kind: known.Kind, Label: known.Label, Value: "not an address"},
		"two addresses":      {Kind: known.Kind, Label: known.Label, Value: "a@example.org, b@example.org"},
		"a place unknown":    {Kind: known.Kind, Label: "NOWHERE", Value: "a@example.org"},
		"a kind unknown":     {Kind: "pigeon", Label: known.Label, Value: "a@example.org"},
		"a label in a value": {Kind: known.Kind, Label: known.Label, Value: "{PRO}a@example.org"},
	} {
		err := editor.Replace(t.Context(), before.ID, known, to)
		if err == nil || errors.Is(err, directory.ErrConflict) || errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v; want an error that says what is wrong", what, err)
		}
	}
	if err := editor.Replace(t.Context(), before.ID, account.Contact{}, account.Contact{}); err == nil {
		t.Error("nothing replaced by nothing")
	}
	if err := editor.Replace(t.Context(), "nobody@nowhere.example", known, account.Contact{}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for nobody: %v; want ErrNotFound", err)
	}
	if diff := cmp.Diff(before, h.get(t, before.ID)); diff != "" {
		t.Errorf("what was refused left a trace: %s", diff)
	}
}

func edit(t *testing.T, h Harness) {
	editor := h.editor(t)
	p := h.who(t, "active", active)
	a := h.find(t, p.Login)
	for _, forbidden := range []string{"userPassword", "unicodePwd", "objectClass", "", "x)(y", h.Editable + ";x"} {
		err := editor.Edit(t.Context(), a.ID, forbidden, nil, []string{"x"})
		if err == nil || errors.Is(err, directory.ErrConflict) || errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("Edit of %q: %v; want a refusal", forbidden, err)
		}
	}
	if h.Editable == "" {
		return
	}
	var now []string
	step := func(to ...string) {
		t.Helper()
		if err := editor.Edit(t.Context(), a.ID, h.Editable, now, to); err != nil {
			t.Fatalf("Edit from %q to %q: %v", now, to, err)
		}
		now = to
		stales := [][]string{{"another"}, append(slices.Clone(now), "another")}
		if len(now) > 0 { // what was added since it was read
			stales = append(stales, now[1:])
		}
		for _, stale := range stales {
			if err := editor.Edit(t.Context(), a.ID, h.Editable, stale, []string{"x"}); !errors.Is(err, directory.ErrConflict) {
				t.Errorf("Edit from %q, which is %q: %v; want ErrConflict", stale, now, err)
			}
		}
	}
	step("one")
	step("one", "two")
	step("two", "trois, et plus")
	step()
	step("one")
	if err := editor.Edit(t.Context(), a.ID, h.Editable, now, now); err != nil {
		t.Errorf("Edit to what it is: %v", err)
	}
	if err := editor.Edit(t.Context(), "nobody@nowhere.example", h.Editable, nil, []string{"x"}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for nobody: %v; want ErrNotFound", err)
	}
}

func changePassword(t *testing.T, h Harness) {
	changer, ok := h.Directory.(directory.Changer)
	if !ok {
		t.Skip("in this directory nobody changes a password alone")
	}
	p := h.who(t, "active", active)
	a := h.find(t, p.Login)
	const chosen = "Choisi par moi-même 2026"
	for _, wrong := range []string{"", "wrong", p.Password + "\x00", strings.Repeat("x", 5000)} {
		if err := changer.ChangePassword(t.Context(), a, secret.New(wrong), secret.New(chosen)); !errors.Is(err, directory.ErrBadPassword) {
			t.Errorf("from %.10q: %v; want ErrBadPassword", wrong, err)
		}
	}
	for _, bad := range []string{"", "a\x00b-long-enough-otherwise", strings.Repeat("x", 5000)} {
		if err := changer.ChangePassword(t.Context(), a, secret.New(p.Password), secret.New(bad)); !errors.Is(err, directory.ErrRejected) {
			t.Errorf("to %.10q: %v; want ErrRejected", bad, err)
		}
	}
	if err := changer.ChangePassword(t.Context(), a, secret.New(p.Password), secret.New(chosen)); err != nil {
		t.Fatal(err)
	}
	if err := h.Directory.Authenticate(t.Context(), a, secret.New(chosen)); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	h.refused(t, a, p.Password)
}
