package recovery_test

import (
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// R63: a minor without an address gets back in by a relative's, who then hears
// of it; from the day on which there is one of their own, by that.
func TestMinor_R63(t *testing.T) {
	w := start(t)
	parent := account.Contact{Kind: account.Email, Value: "parent@home.example", Label: "mail"}
	w.people.change("nobox", func(a *account.Account) { a.Relatives = []account.Contact{parent} })
	begun := w.begin(t, "nobox")
	_, code := w.next(t)
	proven, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
	if m := <-w.mails; m.To != parent.Value {
		t.Errorf("%q is told", m.To)
	}
	own := account.Contact{Kind: account.Email, Value: "own@home.example"}
	w.people.change("nobox", func(a *account.Account) { a.Contacts = []account.Contact{own} })
	w.begin(t, "nobox")
	if m := <-w.mails; m.To != own.Value {
		t.Errorf("the next message went to %q", m.To)
	}
}
