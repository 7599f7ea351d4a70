package portal_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/providers/recovery/activationcode"
	"github.com/loge-idp/loge/providers/recovery/birthdate"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
	"github.com/loge-idp/loge/providers/recovery/smscode"
)

// whole is a house with every method that asks or is handed over.
func whole(t *testing.T) *house {
	t.Helper()
	h := open(t)
	for _, config := range []interface {
		Open(context.Context, recovery.Env) (recovery.Method, error)
	}{&helpdesk.Config{}, &activationcode.Config{}, &birthdate.Config{FamilyName: true}} {
		m, err := config.Open(t.Context(), recovery.Env{})
		if err != nil {
			t.Fatal(err)
		}
		h.portal.Recovery.Methods = append(h.portal.Recovery.Methods, m)
	}
	if err := h.portal.Check(); err != nil {
		t.Fatal(err)
	}
	h.people.change("newby", func(a *account.Account) {
		a.Birth, a.FamilyName = account.Date{Year: 2007, Month: time.May, Day: 20}, "N'Diaye"
	})
	return h
}

func (d *people) change(login string, f func(*account.Account)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[login]
	f(&a)
	d.accounts[login] = a
}

func (h *house) letter(method, login string) string {
	h.t.Helper()
	issued, err := h.portal.Recovery.Issue(h.t.Context(), recovery.Issue{Method: method, Account: account.ID(login), By: "operator"})
	if err != nil {
		h.t.Fatal(err)
	}
	return issued.Code.Reveal()
}

// The letter on the page of the first sign-in: one page, and the password.
func TestLetter(t *testing.T) {
	h := whole(t)
	b := h.browser()
	code := h.letter("activationcode", "newby")
	b.get("/activate").is(t, http.StatusOK).has(t, `name="code"`)
	b.post("/activate", "username", "newby", "code", "K7QM-2XDB-9RTH").is(t, http.StatusBadRequest).has(t, `value="newby"`, `value="K7QM-2XDB-9RTH"`)
	b.leads(b.post("/activate", "username", "newby", "code", strings.ToLower(code), "return", "/app"), "/recover/password").is(t, http.StatusOK).has(t, `value="newby"`)
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done?return=%2Fapp").has(t, "Moodle")
	if a := h.people.accounts["newby"]; a.Status != account.Active || h.people.changes() != 1 {
		t.Errorf("the account is %s, %d changes", a.Status, h.people.changes())
	}
	// Without a code the same page sends a message.
	b.leads(b.post("/activate", "username", "newby"), "/recover/sent")
}

// R62: the same code in the box of the password, and no failure is counted.
func TestCodeInTheBoxOfThePassword(t *testing.T) {
	h := whole(t)
	b := h.browser()
	code := h.letter("activationcode", "newby")
	form := b.get("/login")
	for range 3 {
		b.post("/login", "username", "newby", "password", "wrong", "state", form.state(t)).is(t, http.StatusUnauthorized)
	}
	b.leads(b.post("/login", "username", "newby", "password", " "+code+" ", "state", form.state(t)), "/recover/password").is(t, http.StatusOK)
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
	if b.cookies["__Host-session"] != "" {
		t.Error("R-REC-19: there is a session")
	}
	<-h.mails // the notice
	h.settled()
	late := h.browser()
	late.post("/login", "username", "newby", "password", code, "state", late.get("/login").state(t)).is(t, http.StatusGone).has(t, "Ce code a déjà servi", `action="/code"`, `value="newby"`)
	// A code that was sent is recognised too; a wrong one is a wrong password.
	b.begin("alice")
	_, sent := h.next()
	h.settled()
	for _, wrong := range []string{"K7QM-2XDB-9RTH", "a", "b", "c", "d", "e", "f"} { // and none of them is a try of the code
		b.post("/login", "username", "alice", "password", wrong, "state", form.state(t)).is(t, http.StatusUnauthorized)
	}
	b.leads(b.post("/login", "username", "alice", "password", sent, "state", form.state(t)), "/recover/password").is(t, http.StatusOK)
	// And a password is a password.
	h.store.Advance(time.Hour)
	if a := b.post("/login", "username", "alice", "password", old, "state", b.get("/login").state(t)); a.StatusCode >= 400 {
		t.Errorf("the right password: %d", a.StatusCode)
	}
}

// R34: who has proved who they are is not kept waiting for what was tried
// before, on whatever page.
func TestSignInAfterManyFailures(t *testing.T) {
	h := whole(t)
	b := h.browser()
	form := b.get("/login")
	for range 8 {
		b.post("/login", "username", "alice", "password", "wrong", "state", form.state(t)).is(t, http.StatusUnauthorized)
	}
	b.post("/login", "username", "alice", "password", old, "state", form.state(t)).is(t, http.StatusUnauthorized)
	b.proven("alice")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
	if a := b.post("/login", "username", "alice", "password", chosen, "state", b.get("/login").state(t)); a.StatusCode >= 400 {
		t.Errorf("the password that was just chosen: %d %s", a.StatusCode, a.body)
	}
}

// A first proof leads to the second one; only then is there a password page.
func TestOneMoreProof(t *testing.T) {
	h := whole(t)
	h.portal.Recovery.Ways = []recovery.Way{{AnyOf: [][]string{{"activationcode", "birthdate"}, {"activationcode", "emaillink"}}}}
	b := h.browser()
	b.leads(b.post("/code", "username", "newby", "code", h.letter("activationcode", "newby")), "/recover/password")
	more := b.leads(b.get("/recover/password"), "/recover/more").is(t, http.StatusOK).has(t, `name="method" value="birthdate"`, "n••••@h••••")
	if strings.Contains(more.body, "newby@home.example") {
		t.Error("the whole address is shown")
	}
	b.leads(b.post("/recover/password", "password", chosen), "/recover/more")
	b.leads(b.get("/recover/unlock"), "/recover/more")
	b.post("/recover/more", "method", "birthdate", "code", "").is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`)
	b.post("/recover/more", "method", "birthdate", "code", "21/05/2007").is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`)
	b.post("/recover/more", "method", "helpdesk", "code", "1").is(t, http.StatusBadRequest)
	if h.people.changes() != 0 {
		t.Fatal("a password was set by half a proof")
	}
	b.leads(b.post("/recover/more", "method", "emaillink"), "/recover/sent").is(t, http.StatusOK).has(t, `href="/recover/more"`)
	_, code := h.next()
	h.settled()
	b.leads(b.post("/recover/sent", "code", code), "/recover/password").is(t, http.StatusOK)
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
	h.browser().post("/recover/more", "method", "emaillink").is(t, http.StatusGone)
}

// Somebody without a way to prove the rest is sent to people, not in circles.
func TestNoWayToProveMore(t *testing.T) {
	h := whole(t)
	h.portal.Recovery.Ways = []recovery.Way{{AnyOf: [][]string{{"helpdesk", "birthdate"}}}}
	b := h.browser()
	b.headers.Set("Accept-Language", "fr")
	b.post("/code", "username", "alice", "code", h.letter("helpdesk", "alice")) // of whom no birth date is known
	b.leads(b.get("/recover/password"), "/recover/more").is(t, http.StatusOK).has(t, "Il manque une preuve")
}

// Number, date and name: a message to the address on file, and the same page
// for everybody.
func TestNumber(t *testing.T) {
	h := whole(t)
	b := h.browser()
	b.get("/recover").has(t, `href="/recover/number"`)
	b.get("/recover/number").is(t, http.StatusOK).has(t, `name="birth"`, `name="name"`)
	b.post("/recover/number", "username", "newby", "birth", "20/05/2007").is(t, http.StatusBadRequest).has(t, `value="20/05/2007"`)
	var pages []string
	for _, birth := range []string{"21/05/2007", "nonsense", "20/05/2007"} {
		b := h.browser()
		b.leads(b.post("/recover/number", "username", "newby", "birth", birth, "name", "ndiaye"), "/recover/sent")
		h.settled()
		pages = append(pages, b.get("/recover/sent").print())
	}
	if pages[0] != pages[1] || pages[0] != pages[2] {
		t.Error("the page tells who exists")
	}
	if m := <-h.mails; len(h.mails) != 0 || !strings.Contains(m.Text, "newby") || m.To != "newby@home.example" {
		t.Errorf("to %s: %s", m.To, m.Text)
	}
}

// While somebody types a new password the page can ask what would be wrong with
// it: with the proof, which stays good, and only then.
func TestCheckWhileTyping(t *testing.T) {
	h := open(t)
	b := h.browser()
	if page := b.proven("alice").has(t, `data-check="/recover/password/check"`); !strings.Contains(page.Header.Get("Content-Security-Policy"), "connect-src 'self'") {
		t.Error("the page may not ask")
	}
	if a := b.post("/recover/password/check", "password", "alice").is(t, http.StatusOK); !strings.Contains(a.body, "trop court") {
		t.Errorf("told %q", a.body)
	}
	if a := b.post("/recover/password/check", "password", chosen).is(t, http.StatusOK); a.body != "" {
		t.Errorf("told %q", a.body)
	}
	if a := h.browser().post("/recover/password/check", "password", "alice"); a.StatusCode != http.StatusNoContent || a.body != "" {
		t.Errorf("told a stranger: %d %q", a.StatusCode, a.body)
	}
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
}

// R14, R34: whoever is locked out by guesses may keep the password.
func TestUnlock(t *testing.T) {
	h := whole(t)
	h.people.change("alice", func(a *account.Account) { a.Status, a.Reason = account.Locked, account.ReasonTooManyTries })
	b := h.browser()
	b.proven("alice", "return", "/app").has(t, `action="/recover/unlock"`, "trop de mots de passe faux")
	b.leads(b.post("/recover/unlock"), "/recover/done?return=%2Fapp").is(t, http.StatusSeeOther)
	b.get("/login").has(t, "Votre compte est débloqué", `value="alice"`)
	if h.people.changes() != 0 || h.people.unlocked != 1 {
		t.Errorf("%d passwords set, unlocked %d times", h.people.changes(), h.people.unlocked)
	}
	b.post("/recover/unlock").is(t, http.StatusGone)
	if m := <-h.mails; strings.Contains(m.Text, "t=") {
		t.Errorf("the notice says %s", m.Text)
	}
}

// After a proof the state that stands in the way is said, with a reference.
func TestWhyNot(t *testing.T) {
	h := whole(t)
	b := h.browser()
	b.headers.Set("Accept-Language", "fr")
	b.proven("alice")
	h.people.change("alice", func(a *account.Account) { a.Status, a.Reason = account.Locked, account.ReasonSecurity })
	b.post("/recover/password", "password", chosen).is(t, http.StatusForbidden).has(t, "Vous avez prouvé", "bloqué par sécurité")
	if h.people.changes() != 0 {
		t.Error("a locked account got a password")
	}
}

// R12: the mailbox of a locked account hears why, and gets nothing to answer.
func TestMailSaysWhy(t *testing.T) {
	h := whole(t)
	h.browser().post("/recover", "username", "susan")
	m := <-h.mails
	if !strings.Contains(m.Text, "susan") || regexp.MustCompile(`t=|\b\d{6}\b`).MatchString(m.Text) {
		t.Errorf("the mail says %s", m.Text)
	}
}

func TestCharter(t *testing.T) {
	h := whole(t)
	h.portal.Recovery.Charter = "https://univ.example/charte"
	b := h.browser()
	b.leads(b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby")), "/recover/password").has(t, `name="charter"`, "https://univ.example/charte")
	b.post("/recover/password", "password", chosen).is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`)
	b.post("/recover/password", "password", "alice", "charter", "yes").is(t, http.StatusUnprocessableEntity)
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done") // it was accepted before
	<-h.mails                                                                 // the notice
	b.proven("alice")
	if page := b.get("/recover/password"); strings.Contains(page.body, "charter") {
		t.Error("a reset asks for the charter")
	}
}

// A method of somebody else's, on the page that a kiosk opens.
func TestMethodOfOnesOwn(t *testing.T) {
	h := whole(t)
	weak, err := (&birthdate.Config{Weak: true}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h.portal.Recovery.Methods[len(h.portal.Recovery.Methods)-1] = weak
	b := h.browser()
	b.get("/code?by=birthdate").is(t, http.StatusOK)
	b.get("/code?by=nothing").is(t, http.StatusOK).has(t, "12")
	b.post("/code?by=birthdate", "username", "newby", "code", "21/05/2007").is(t, http.StatusBadRequest).has(t, `value="21/05/2007"`)
	b.post("/code?by=birthdate", "username", "alice", "code", "20/05/2007").is(t, http.StatusBadRequest)
	b.leads(b.post("/code?by=birthdate", "username", "newby", "code", "20/05/2007"), "/recover/password").is(t, http.StatusOK)
}

// editable is the directory of a house whose contacts can be written.
type editable struct{ *people }

func (d editable) Replace(_ context.Context, id account.ID, from, to account.Contact) error {
	if strings.HasSuffix(to.Value, "@other.univ.example") {
		return errors.New("an address of the institution itself is no rescue address")
	}
	d.change(string(id), func(a *account.Account) { a.Contacts = append(a.Contacts, to) })
	return nil
}

func (editable) Edit(context.Context, account.ID, string, []string, []string) error { return nil }

// R21: who has no rescue address gives one while activating, proved by its code,
// and may do it later.
func TestRescueAddressAtActivation(t *testing.T) {
	h := whole(t)
	h.portal.Recovery.Directory = editable{h.people}
	h.people.change("newby", func(a *account.Account) {
		a.Contacts, a.Mail, a.Logins = nil, "newby@univ.example", []string{"newby", "newby@staff.univ.example"}
	})
	b := h.browser()
	b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby"))
	b.leads(b.get("/recover/password"), "/recover/address").is(t, http.StatusOK).has(t, `name="address"`)
	for _, wrong := range []string{"", "newby", "newby@univ.example", "somebody@Staff.univ.example", "06 39 98 00 01", "a@b.example, c@d.example", "a@b.example\r\nBcc: x@y.example"} {
		b.post("/recover/address", "address", wrong).is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`)
	}
	b.leads(b.post("/recover/address", "address", " me@home.example "), "/recover/address").is(t, http.StatusOK).has(t, `name="code"`)
	m := <-h.mails
	h.settled()
	code := sixDigits.FindString(m.Text)
	if m.To != "me@home.example" {
		t.Errorf("sent to %s", m.To)
	}
	b.post("/recover/address", "code", "000000").is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`)
	b.leads(b.post("/recover/address", "code", code), "/recover/password").is(t, http.StatusOK)
	if got := h.people.accounts["newby"].Contacts; len(got) != 1 || got[0].Value != "me@home.example" {
		t.Errorf("on file: %v", got)
	}
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")

	h.people.change("newby", func(a *account.Account) {
		a.Contacts, a.Status, a.Reason = nil, account.Pending, account.ReasonNotActivated
	})
	b = h.browser()
	b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby"))
	b.leads(b.get("/recover/password"), "/recover/address")
	b.leads(b.post("/recover/address", "later", "yes"), "/recover/password").is(t, http.StatusOK)
	h.browser().get("/recover/address").is(t, http.StatusGone)
}

// An address that the directory does not take is no fault of the service: the
// person gives another one.
func TestRescueAddressThatCannotBeWritten(t *testing.T) {
	h := whole(t)
	h.portal.Recovery.Directory = editable{h.people}
	h.people.change("newby", func(a *account.Account) { a.Contacts = nil })
	b := h.browser()
	b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby"))
	b.post("/recover/address", "address", "newby@other.univ.example")
	code := sixDigits.FindString((<-h.mails).Text)
	h.settled()
	b.post("/recover/address", "code", code).is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`)
	b.get("/recover/address").is(t, http.StatusOK).has(t, `name="address"`)
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// texts is a gateway that keeps what it is given.
type texts chan sms.Message

func (t texts) Send(_ context.Context, m sms.Message) error { t <- m; return m.Check() }

// R21: a site that asks for a mobile too gets one, proved by its code, however
// it was written; each is put off by itself.
func TestMobileAtActivation(t *testing.T) {
	h := whole(t)
	sent := make(texts, 10)
	m, err := (&smscode.Config{}).Open(t.Context(), recovery.Env{SMS: sent, Pages: h.portal.Pages})
	if err != nil {
		t.Fatal(err)
	}
	h.portal.Recovery.Methods = append(h.portal.Recovery.Methods, m)
	h.portal.Recovery.Directory = editable{h.people}
	h.portal.Recovery.Contacts = []account.ContactKind{account.Phone, account.Email}
	if err := h.portal.Recovery.CheckContacts(); err != nil {
		t.Fatal(err)
	}
	h.people.change("newby", func(a *account.Account) { a.Contacts = nil })
	b := h.browser()
	b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby"))
	b.leads(b.get("/recover/password"), "/recover/address").is(t, http.StatusOK).has(t, `type="tel"`)
	for _, wrong := range []string{"", "04 73 00 00 00", "0899 00 00 00", "me@home.example", "+33 6 39 98 00 01, +33 6 39 98 00 02"} {
		b.post("/recover/address", "address", wrong).is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`, `type="tel"`)
	}
	b.leads(b.post("/recover/address", "address", "06.39.98.00.01"), "/recover/address").is(t, http.StatusOK).has(t, `name="code"`)
	text := <-sent
	h.settled()
	if text.To != "+33639980001" || len(h.mails) != 0 {
		t.Errorf("sent to %s, %d mails", text.To, len(h.mails))
	}
	b.post("/recover/address", "code", sixDigits.FindString(text.Text))
	if got := h.people.accounts["newby"].Contacts; len(got) != 1 || got[0].Value != "+33639980001" || got[0].Kind != account.Phone {
		t.Errorf("on file: %v", got)
	}
	b.get("/recover/address").is(t, http.StatusOK).has(t, `type="email"`)
	b.leads(b.post("/recover/address", "later", "yes"), "/recover/password").is(t, http.StatusOK)
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")

	h.portal.Recovery.Methods = h.portal.Recovery.Methods[:1]
	for _, bad := range []account.ContactKind{"pigeon", account.Phone} {
		h.portal.Recovery.Contacts = []account.ContactKind{account.Email, bad}
		if err := h.portal.Recovery.CheckContacts(); err == nil || !strings.HasPrefix(err.Error(), "[1]: ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func (a answer) hasNot(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("%q is in %s", text, a.body)
		}
	}
}

// Whoever asked for a text message is not sent to a mailbox, the message to a new
// address does not speak of a link that it has not, and the last page recalls the
// identifier.
func TestWording(t *testing.T) {
	h := whole(t)
	h.portal.Recovery.Limits.Submitted.Limit = 100
	mailbox := "Regardez votre messagerie"
	b := h.browser()
	b.leads(b.post("/recover", "username", "alice"), "/recover/sent").is(t, http.StatusOK).has(t, mailbox).hasNot(t, `name="method"`)
	m, err := (&smscode.Config{}).Open(t.Context(), recovery.Env{SMS: make(texts, 10), Pages: h.portal.Pages})
	if err != nil {
		t.Fatal(err)
	}
	h.settled()
	h.portal.Recovery.Methods = append(h.portal.Recovery.Methods, m)
	b = h.browser()
	b.get("/recover").has(t, "mobile")
	b.leads(b.post("/recover", "username", "alice"), "/recover/sent").has(t, `value="smscode"`, `value="emaillink"`).hasNot(t, mailbox)
	b.leads(b.post("/recover/sent", "method", "smscode"), "/recover/sent").has(t, "Regardez votre téléphone", `value="emaillink"`).hasNot(t, `value="smscode"`, "indésirables")
	b.leads(b.post("/recover/sent", "method", "nonsense"), "/recover/sent").is(t, http.StatusOK)

	h.settled()
	h.portal.Recovery.Directory = editable{h.people}
	h.people.change("newby", func(a *account.Account) { a.Contacts = nil })
	b = h.browser()
	b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby"))
	for len(h.mails) > 0 {
		<-h.mails
	}
	b.post("/recover/address", "address", "me@home.example")
	if m := <-h.mails; strings.Contains(m.Text, "Ou tapez") || !strings.Contains(m.Text, "Tapez ce code") {
		t.Error(m.Text)
	}
	h.settled()
	b.post("/recover/address", "later", "yes")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done").has(t, "newby")
	b.get("/login").has(t, `value="newby"`).hasNot(t, `id="alert"`)
}

// R-AUTH-14: a wrong answer comes after the same time, whosever it is about.
func TestFloorOfAnswers_R35(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.portal.Login.Floor = time.Minute
		for _, who := range []string{"alice", "nobody"} {
			for _, code := range []string{"123456", "C88N-4Z8C-NMZT"} {
				began := time.Now()
				h.browser().post("/code", "username", who, "code", code).is(t, http.StatusBadRequest)
				if took := time.Since(began); took != time.Minute {
					t.Errorf("%s, %s: answered after %v", who, code, took)
				}
			}
		}
	})
}
