package portal_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/portal"
)

// written is a directory whose entries can be changed, as LDAP would.
type written struct {
	*people
	conflicts *atomic.Int32 // how many of the next changes come too late
}

func (d written) late() bool { return d.conflicts.Add(-1) >= 0 }

func (d written) Replace(_ context.Context, id account.ID, from, to account.Contact) (err error) {
	if d.late() {
		return directory.ErrConflict
	}
	d.change(string(id), func(a *account.Account) {
		at := slices.Index(a.Contacts, from)
		kept := slices.DeleteFunc(slices.Clone(a.Contacts), func(c account.Contact) bool { return c == from })
		if from != (account.Contact{}) && at < 0 {
			err = directory.ErrConflict
			return
		}
		if to != (account.Contact{}) {
			kept = append(kept, to)
		}
		a.Contacts = kept
	})
	return err
}

func (d written) Edit(_ context.Context, id account.ID, attribute string, from, to []string) (err error) {
	if d.late() {
		return directory.ErrConflict
	}
	d.change(string(id), func(a *account.Account) {
		if !slices.Equal(a.Attributes[attribute], from) {
			err = directory.ErrConflict
			return
		}
		a.Attributes = map[string][]string{attribute: to}
	})
	return err
}

func (d written) of(login string) account.Account {
	a, _ := d.Find(context.Background(), login)
	return a
}

// editing makes the directory of a house one that can be changed.
func (h *house) editing() written {
	d := written{h.people, &atomic.Int32{}}
	h.portal.Recovery.Directory, h.portal.Login.Directory = d, d
	return d
}

// The charter is accepted once for each version; what else stands beside the
// note stays, and a change of somebody else's meanwhile is not undone.
func TestCharterAtLogin(t *testing.T) {
	h := open(t)
	d := h.editing()
	d.change("alice", func(a *account.Account) { a.Attributes = map[string][]string{"info": {"hers", "loge:charter=2025-09"}} })
	terms := portal.Steps{Notes: "info", Charter: &portal.Terms{Version: "2026-09", URL: "https://univ.example/charter"}}
	h.steps(terms)
	var trail strings.Builder
	h.portal.Login.Audit = audit.Log{Logger: slog.New(slog.NewTextHandler(&trail, nil))}
	b := h.browser()
	page := b.leads(b.signIn("alice"), "/login").is(t, http.StatusOK).has(t, `href="https://univ.example/charter"`, `href="/logout"`)
	b.get("/account").has(t, `name="charter"`)
	b.post("/login/continue", "step", "charter", "state", page.state(t)).is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`)
	d.conflicts.Store(2)
	b.post("/login/continue", "step", "charter", "charter", "yes", "state", page.state(t)).is(t, http.StatusOK).has(t, "Alice")
	if got := d.of("alice").Attributes["info"]; !slices.Equal(got, []string{"hers", "loge:charter=2026-09"}) {
		t.Errorf("noted %q", got)
	}
	h.browser().signIn("alice").is(t, http.StatusOK).has(t, "Alice")

	terms.Charter.Version = "2027-09"
	h.steps(terms)
	b.get("/account").has(t, `name="charter"`) // of a session that is open, too
	d.conflicts.Store(3)
	b.post("/login/continue", "step", "charter", "charter", "yes", "state", page.state(t)).is(t, http.StatusServiceUnavailable)
	if got := trail.String(); strings.Count(got, "account.charter") != 1 || !strings.Contains(got, "version=2026-09") {
		t.Errorf("the audit: %s", got)
	}
}

var inCode = regexp.MustCompile(`\b\d{6}\b`)

// R21: an address counts once its code was typed; it may be put off so often and
// no more; a year later it is asked for again.
func TestRescueAddressAtLogin(t *testing.T) {
	h := open(t)
	d := h.editing()
	d.change("alice", func(a *account.Account) { a.Contacts, a.Mail = nil, "alice@univ.example" })
	h.steps(portal.Steps{Notes: "info", Address: &portal.Rescue{Later: 1}})
	b := h.browser()
	put := func(page answer, fields ...string) answer {
		return b.post("/login/continue", append(fields, "step", "address", "state", page.state(t))...)
	}
	page := b.leads(b.signIn("alice"), "/login").has(t, `name="address"`, `name="later"`, `href="/logout"`)
	put(page, "later", "yes").is(t, http.StatusOK).has(t, "Alice")
	b.get("/account").has(t, "/account/sessions") // not again in this session

	b = h.browser()
	page = b.leads(b.signIn("alice"), "/login").has(t, `name="address"`)
	if strings.Contains(page.body, `name="later"`) {
		t.Error("put off once more")
	}
	put(page, "later", "yes").has(t, `name="address"`)
	for _, wrong := range []string{"", "alice@univ.example", "a@b.example, c@d.example", "not an address"} {
		put(page, "address", wrong).is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`)
	}
	put(page, "address", "me@home.example").is(t, http.StatusOK).has(t, `name="code"`)
	m := <-h.mails
	if m.To != "me@home.example" {
		t.Fatalf("sent to %s", m.To)
	}
	h.settled()
	put(page, "code", "000000").is(t, http.StatusUnprocessableEntity)
	put(page, "code", inCode.FindString(m.Text)).is(t, http.StatusOK).has(t, "Alice")
	alice := d.of("alice")
	if len(alice.Contacts) != 1 || alice.Contacts[0].Value != "me@home.example" || !slices.Equal(alice.Attributes["info"], []string{"loge:address=2026-09-15"}) {
		t.Fatalf("%v, %v", alice.Contacts, alice.Attributes)
	}
	h.browser().signIn("alice").has(t, "Alice")

	h.store.Advance(366 * 24 * time.Hour)
	h.settled()
	for len(h.mails) > 0 {
		<-h.mails
	}
	b = h.browser()
	page = b.leads(b.signIn("alice"), "/login").has(t, `value="me@home.example"`)
	put(page, "address", "me@home.example").has(t, `name="code"`)
	<-h.mails
	h.settled()
	put(page, "again", "yes").has(t, `name="address"`, `value="me@home.example"`)
	put(page, "address", "mistypd@home.example").has(t, `name="code"`)
	<-h.mails
	h.settled()
	put(page, "again", "yes").has(t, `value="mistypd@home.example"`) // to be corrected
	put(page, "address", "me@home.example").has(t, `name="code"`)
	m = <-h.mails
	h.settled()
	put(page, "code", inCode.FindString(m.Text)).has(t, "Alice")
	if got := d.of("alice"); len(got.Contacts) != 1 || !slices.Equal(got.Attributes["info"], []string{"loge:address=2027-09-16"}) {
		t.Errorf("confirmed: %v, %v", got.Contacts, got.Attributes)
	}
}

// Where nothing can be kept, nothing can be asked for: said at start.
func TestStepsThatCannotBe(t *testing.T) {
	charter := &portal.Terms{Version: "1", URL: "https://univ.example/"}
	for key, c := range map[string]struct {
		steps    portal.Steps
		readOnly bool
	}{
		"notes ":        {portal.Steps{Notes: "info", Charter: charter}, true},
		"notes  ":       {portal.Steps{Address: &portal.Rescue{}}, false},
		"charter":       {portal.Steps{Notes: "info", Charter: &portal.Terms{URL: "https://univ.example/"}}, false},
		"charter ":      {portal.Steps{Notes: "info", Charter: &portal.Terms{Version: "1", URL: "/relative"}}, false},
		"address.later": {portal.Steps{Notes: "info", Address: &portal.Rescue{Later: -1}}, false},
	} {
		h := open(t)
		if !c.readOnly {
			h.editing()
		}
		var wrong *plugin.Error
		if _, err := h.portal.Steps(c.steps); !errors.As(err, &wrong) || wrong.Path != strings.TrimSpace(key) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// R25, R-REC-29: a rescue address is changed by who gave their password just
// now; the new one proves itself, the old ones are told.
func TestContacts(t *testing.T) {
	h := open(t)
	d := h.editing()
	h.portal.Recovery.Undo = issuer + "/recover/undo?t="
	b := h.browser()
	b.signIn("alice")
	page := b.get("/account/contacts").is(t, http.StatusOK).has(t, "rescue@home.example", `name="instead"`)
	if strings.Contains(page.body, `name="remove"`) {
		t.Error("the last one can be removed")
	}
	b.post("/account/contacts", "address", "nobody").is(t, http.StatusUnprocessableEntity)
	b.post("/account/contacts", "remove", "0", "value", "rescue@home.example").is(t, http.StatusUnprocessableEntity)
	b.post("/account/contacts", "address", "second@home.example", "instead", "").is(t, http.StatusSeeOther)
	m := <-h.mails
	h.settled()
	b.get("/account/contacts").has(t, `name="code"`)
	b.post("/account/contacts", "code", "000000").is(t, http.StatusUnprocessableEntity)
	b.leads(b.post("/account/contacts", "code", inCode.FindString(m.Text)), "/account/contacts?done=contact_saved").has(t, "second@home.example", `name="remove"`)
	h.settled()
	if told := <-h.mails; told.To != "rescue@home.example" {
		t.Errorf("told %s", told.To)
	}
	b.post("/account/contacts", "remove", "0", "value", "second@home.example").is(t, http.StatusUnprocessableEntity) // the list was another
	b.leads(b.post("/account/contacts", "remove", "0", "value", "rescue@home.example"), "/account/contacts?done=contact_saved")
	if got := d.of("alice").Contacts; len(got) != 1 || got[0].Value != "second@home.example" {
		t.Errorf("on file: %v", got)
	}
	h.store.Advance(11 * time.Minute)
	b.post("/account/contacts", "address", "third@home.example").has(t, `action="/login"`)
}

// Where the directory takes no change, none is offered.
func TestContactsThatCannotChange(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.signIn("alice")
	if page := b.get("/account"); strings.Contains(page.body, "/account/contacts") {
		t.Error("offered")
	}
	b.leads(b.get("/account/contacts"), "/account")
	b.leads(b.post("/account/contacts", "address", "me@home.example"), "/account")
}

// What was done while activating is not asked again at the first login.
func TestStepsTakenWhileActivating(t *testing.T) {
	h := whole(t)
	d := h.editing()
	h.portal.Recovery.Charter = "https://univ.example/charter"
	h.steps(portal.Steps{Notes: "info", Charter: &portal.Terms{Version: "2026-09", URL: "https://univ.example/charter"}, Address: &portal.Rescue{}})
	d.change("newby", func(a *account.Account) { a.Contacts, a.Mail = nil, "newby@univ.example" })
	b := h.browser()
	b.post("/activate", "username", "newby", "code", h.letter("activationcode", "newby"))
	b.leads(b.get("/recover/password"), "/recover/address")
	b.post("/recover/address", "address", "me@home.example")
	m := <-h.mails
	h.settled()
	b.leads(b.post("/recover/address", "code", inCode.FindString(m.Text)), "/recover/password").is(t, http.StatusOK)
	b.leads(b.post("/recover/password", "password", chosen, "charter", "yes"), "/recover/done").has(t, "newby", "m••••@h••••", "acceptée")
	if got := d.of("newby").Attributes["info"]; !slices.Equal(got, []string{"loge:address=2026-09-15", "loge:charter=2026-09"}) {
		t.Errorf("noted %q", got)
	}
	b = h.browser()
	b.post("/login", "username", "newby", "password", chosen, "state", b.get("/login").state(t))
	b.get("/account").is(t, http.StatusOK).has(t, "/account/sessions")
}

// R21: whoever answered at their rescue address on the way back in has proved
// it, and is not asked for it at the sign-in that follows.
func TestAddressThatAnswered(t *testing.T) {
	h := open(t)
	d := h.editing()
	h.steps(portal.Steps{Notes: "info", Address: &portal.Rescue{}})
	b := h.browser()
	b.leads(b.signIn("alice"), "/login").has(t, `name="address"`)
	b = h.browser()
	b.proven("alice")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
	if got := d.of("alice").Attributes["info"]; !slices.Equal(got, []string{"loge:address=2026-09-15"}) {
		t.Errorf("noted %q", got)
	}
	b.post("/login", "username", "alice", "password", chosen, "state", b.get("/login").state(t))
	b.get("/account").is(t, http.StatusOK).has(t, "/account/sessions")
}

// R7: of two changes of one address the later finds a conflict, and of many
// answers with one code one is taken.
func TestContactsRace(t *testing.T) {
	h := open(t)
	d := h.editing()
	h.portal.Recovery.Undo = issuer + "/recover/undo?t="
	codes := map[string]string{}
	var browsers []*browser
	for _, to := range []string{"first@home.example", "second@home.example"} {
		b := h.browser()
		b.signIn("alice")
		b.post("/account/contacts", "address", to, "instead", "0").is(t, http.StatusSeeOther)
		m := <-h.mails
		h.settled()
		codes[m.To] = inCode.FindString(m.Text)
		browsers = append(browsers, b)
	}
	if len(codes) != 2 {
		t.Fatalf("codes for %d addresses", len(codes))
	}
	results := make(chan int, 8)
	for range cap(results) {
		each := &browser{h, maps.Clone(browsers[1].cookies), http.Header{}}
		go func() { results <- each.post("/account/contacts", "code", codes["second@home.example"]).StatusCode }()
	}
	saved := 0
	for range cap(results) {
		if <-results == http.StatusSeeOther {
			saved++
		}
	}
	// The newer message has ended the older one.
	browsers[0].post("/account/contacts", "code", codes["first@home.example"]).is(t, http.StatusUnprocessableEntity)
	if got := d.of("alice").Contacts; saved != 1 || len(got) != 1 || got[0].Value != "second@home.example" {
		t.Errorf("%d saved; on file: %v", saved, got)
	}
}
