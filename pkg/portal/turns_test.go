package portal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// R33, R34: who asks too often stays on the page where they are, and the message
// that has arrived is good.
func TestAskedTooOften(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	_, code := h.next()
	h.settled()
	for range 10 {
		a := b.post("/recover/sent", "resend", "yes")
		if a.StatusCode == http.StatusTooManyRequests {
			a.has(t, "Trop de demandes de suite", `name="code"`, `name="resend"`)
			for len(h.mails) > 0 {
				_, code = h.next()
			}
			b.leads(b.post("/recover/sent", "code", code), "/recover/password").is(t, http.StatusOK)
			return
		}
		h.settled()
	}
	t.Error("nothing was too often")
}

// Whoever lost the cookies on the way types the code all the same.
func TestTheBrowserForgot(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	_, code := h.next()
	h.settled()
	other := h.browser()
	page := other.post("/recover/sent", "code", code).is(t, http.StatusBadRequest)
	page.has(t, `action="/code"`, `value="`+code+`"`, `id="username" name="username" value="" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" aria-invalid="true"`)
	other.leads(other.post("/code", "username", "alice", "code", code), "/recover/password").is(t, http.StatusOK)
}

// What is no code is said to be none, before it is called wrong.
func TestMistypedCode(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	for typed, said := range map[string]string{"12345": "pas un code entier", "VE46-4GE2-D6Y2": "pas un code entier", "000 000": "pas le bon"} {
		b.post("/recover/sent", "code", typed).is(t, http.StatusBadRequest).has(t, said)
	}
}

// The first device is told that the second one is done, and goes on from there;
// so is whoever goes back in the browser.
func TestDoneElsewhere(t *testing.T) {
	h := open(t)
	desk, phone := h.browser(), h.browser()
	desk.begin("alice", "return", "/app")
	link, code := h.next()
	h.settled()
	phone.leads(phone.get(link), "/recover/link")
	phone.leads(phone.post("/recover/link"), "/recover/password")
	phone.leads(phone.post("/recover/password", "password", chosen), "/recover/done?return=%2Fapp")
	desk.post("/recover/sent", "code", code).is(t, http.StatusGone).has(t, "a déjà servi", `href="/login?return=%2Fapp"`)
	phone.get("/recover/password").is(t, http.StatusGone).has(t, "Vous avez déjà choisi un mot de passe", `<a href="/login">`)
	if a := h.browser().get("/recover/done"); strings.Contains(a.body, "activé") || a.Header.Get("Location") != "/login" {
		t.Errorf("whoever has finished nothing is told %d %s", a.StatusCode, a.body)
	}
}

// A number is read from paper, in groups; who asks by it too often stays there
// too.
func TestNumberInGroups(t *testing.T) {
	h := whole(t)
	for range 10 {
		b := h.browser()
		a := b.post("/recover/number", "username", "new by", "birth", "20/05/2007", "name", "ndiaye")
		if a.StatusCode == http.StatusTooManyRequests {
			a.has(t, `name="birth" value="20/05/2007"`, `name="username" value="new by"`)
			if m := <-h.mails; m.To != "newby@home.example" || !strings.Contains(m.Text, "newby") {
				t.Errorf("to %s: %s", m.To, m.Text)
			}
			return
		}
		b.leads(a, "/recover/sent")
		h.settled()
	}
	t.Error("nothing was too often")
}

// The page of a link that has ended says so, when another one must wait.
func TestRenewedTooOften(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	link, _ := h.next()
	h.settled()
	h.store.Advance(2 * time.Hour)
	for range 10 {
		b.leads(b.get(link), "/recover/link").is(t, http.StatusGone)
		a := b.post("/recover/link", "again", "yes")
		if a.StatusCode == http.StatusTooManyRequests {
			a.has(t, "Trop de demandes de suite", "Un message plus récent est parti", `name="again"`)
			return
		}
		h.settled()
	}
	t.Error("nothing was too often")
}

// R62: a code is known in the box of the password as it is read out.
func TestGroupedCodeAsPassword(t *testing.T) {
	h := open(t)
	h.browser().begin("alice")
	_, code := h.next()
	h.settled()
	b := h.browser()
	state := b.get("/login").state(t)
	b.leads(b.post("/login", "username", "alice", "password", " "+code[:3]+" "+code[3:], "state", state), "/recover/password").is(t, http.StatusOK)
}

// A link without a code to type elsewhere does not ask for a device.
func TestLinkWithoutCode(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	link, code := h.next()
	h.settled()
	b.leads(b.get(link), "/recover/link").has(t, "Continuer sur quel appareil", code)
	h.store.Advance(11 * time.Minute)
	if a := b.get("/recover/link").is(t, http.StatusOK).has(t, "<h1>Choisir un nouveau mot de passe</h1>"); strings.Contains(a.body, "appareil") {
		t.Errorf("a device is asked for: %s", a.body)
	}
}
