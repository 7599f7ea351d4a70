package portal_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/providers/recovery/smscode"
)

// texting lets the house send text messages too.
func (h *house) texting() texts {
	h.t.Helper()
	sent := make(texts, 10)
	m, err := (&smscode.Config{}).Open(h.t.Context(), recovery.Env{SMS: sent, Pages: h.portal.Pages})
	if err != nil {
		h.t.Fatal(err)
	}
	h.portal.Recovery.Methods = append(h.portal.Recovery.Methods, m)
	return sent
}

// What a page about rescue addresses says is about what was typed, and about
// what has happened: where the code went, that nothing but a proof was added,
// and at which addresses nothing arrives any more.
func TestContactsAreSpokenOf(t *testing.T) {
	h := open(t)
	d := h.editing()
	h.texting()
	d.change("alice", func(a *account.Account) {
		a.Contacts = append(a.Contacts, account.Contact{Kind: account.Email, Value: "lost@home.example", Frozen: true})
	})
	b := h.browser()
	b.signIn("alice")
	b.get("/account/contacts").has(t, "gelée")
	b.post("/account/contacts", "address", "04 73 00 00 00").is(t, http.StatusUnprocessableEntity).has(t, "Ce numéro ne convient pas", "celui d’un mobile")
	b.post("/account/contacts", "address", "+1 202 555 0123").is(t, http.StatusUnprocessableEntity).has(t, "Aucun SMS ne part vers ce pays")
	b.post("/account/contacts", "address", "alice").is(t, http.StatusUnprocessableEntity).has(t, "Cette adresse ne convient pas")

	b.leads(b.post("/account/contacts", "address", " Rescue@home.example "), "/account/contacts?done=").has(t, "rescue@home.example", `name="code"`)
	m := <-h.mails
	h.settled()
	b.get("/account/contacts").has(t, "Un code est parti à rescue@home.example")
	b.leads(b.post("/account/contacts", "code", inCode.FindString(m.Text)), "/account/contacts?done=contact_confirmed").has(t, "Rien d’autre n’a changé")
	if len(h.mails) > 0 {
		t.Error("somebody is told of a change")
	}
	if err := h.portal.Recovery.Bounced(t.Context(), m.Mark); err != nil {
		t.Fatal(err)
	}
	b.get("/account/contacts").has(t, "le dernier message n’est pas arrivé")
}

// R21: the step is about a mail address, and a telephone takes the place of none.
func TestRescueAddressIsNoNumber(t *testing.T) {
	h := open(t)
	d := h.editing()
	sent := h.texting()
	h.steps(portal.Steps{Notes: "info", Address: &portal.Rescue{}})
	b := h.browser()
	page := b.leads(b.signIn("alice"), "/login").has(t, `value="rescue@home.example"`)
	b.post("/login/continue", "step", "address", "state", page.state(t), "address", "06 39 98 00 01").is(t, http.StatusUnprocessableEntity).has(t, `name="address"`)
	h.settled()
	if got := d.of("alice").Contacts; len(sent) > 0 || len(got) != 1 {
		t.Errorf("%d text messages; on file: %v", len(sent), got)
	}
}

// R25: the step comes to open sessions too, and there an address is not changed
// by who only found the browser.
func TestRescueAddressOfAnOldSession(t *testing.T) {
	h := open(t)
	d := h.editing()
	b := h.browser()
	b.signIn("alice")
	h.steps(portal.Steps{Notes: "info", Address: &portal.Rescue{}})
	h.store.Advance(11 * time.Minute)
	page := b.get("/account").has(t, `name="address"`, `name="current"`)
	put := func(fields ...string) answer {
		return b.post("/login/continue", append(fields, "step", "address", "state", page.state(t))...)
	}
	for _, current := range []string{"", "wrong"} {
		put("address", "other@home.example", "current", current).is(t, http.StatusUnprocessableEntity).has(t, `id="current"`, `aria-invalid="true"`, `value="other@home.example"`)
	}
	put("address", "other@home.example", "lang", "en").has(t, "Present password", `value="other@home.example"`)
	h.settled()
	if len(h.mails) > 0 {
		t.Fatalf("a code for who does not know the password: %v", <-h.mails)
	}
	h.people.switchOff(true)
	put("address", "other@home.example", "current", old).is(t, http.StatusServiceUnavailable)
	h.people.switchOff(false)
	put("address", "other@home.example", "current", old).is(t, http.StatusOK).has(t, `name="code"`)
	m := <-h.mails
	h.settled()
	put("code", inCode.FindString(m.Text)).is(t, http.StatusSeeOther)
	if got := d.of("alice").Contacts; len(got) != 1 || got[0].Value != "other@home.example" {
		t.Errorf("on file: %v", got)
	}
}
