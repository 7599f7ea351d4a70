package systemtest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// accounts is the configuration of a site that asks for its charter and a
// rescue address, and lets people change two attributes.
var accounts = strings.Replace(configuration, "  preset: supann\n", `  preset: supann
  attributes:
    release: [description, labeledURI, supannListeRouge, eduPersonAffiliation]
    editable: [description, labeledURI, supannListeRouge]
`, 1) + `
steps:
  notes: description
  charter: {version: "2026-09", url: "https://univ-valmont.example/charte"}
  address: {later: 1}
account:
  fields:
    - {attribute: labeledURI, label: {fr: Page personnelle, en: Home page}, type: url}
    - attribute: supannListeRouge
      label: {fr: Annuaire, en: Directory}
      type: choice
      choices: [{value: "TRUE", label: {fr: caché, en: hidden}}, {value: "FALSE", label: {fr: visible, en: shown}}]
`

var endOf = regexp.MustCompile(`name="end" value="([A-Za-z0-9]{22})"`)

// The steps at login and the account page, over two processes in front of a
// real directory: R13, R21, R25, R40, R-SESS-05.
func TestAccountOverTwoProcesses(t *testing.T) {
	w := newServers(t, university, accounts)
	w.a, w.b = w.serve(t), w.serve(t)
	b := newBrowser(t, w.a)
	const own, chosen = "elodie@home.example", "une guitare bleue sous la neige"

	// Every page may reach the other process.
	p := b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "The terms of use")
	b.on(w.b).get("/cas/login?service="+url.QueryEscape(casService)).shows(http.StatusOK, "The terms of use")
	accept := p.form()
	accept.values.Set("charter", "yes")
	p = b.on(w.b).submit(accept)
	if !strings.Contains(p.body, `id="address"`) {
		t.Fatalf("no step of the address: %s", p.text())
	}
	p = b.on(w.a).submit(p.form().with(t, "address", own)).shows(http.StatusOK, "Type the code you got")
	letter := w.letter(t, own, 0)
	b.on(w.b).submit(p.form().with(t, "code", regexp.MustCompile(`\b\d{6}\b`).FindString(letter.Text))).shows(http.StatusOK, "You are signed in")

	// Another device meets no step any more; the first one ends it, by the
	// other process.
	phone := newBrowser(t, w.a)
	phone.signIn(phone.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	phone.on(w.b).get("/account").shows(http.StatusOK, "My account")
	list := b.on(w.b).get("/account/sessions").shows(http.StatusOK, "this one")
	theirs := 0
	for _, line := range strings.Split(list.body, "<li>") {
		if end := endOf.FindStringSubmatch(line); end != nil && !strings.Contains(line, "this one") {
			theirs++
			b.follow(b.do(http.MethodPost, "/account/sessions", url.Values{"end": {end[1]}})).shows(http.StatusOK, "Signed out")
		}
	}
	if theirs != 1 {
		t.Fatalf("%d other sessions: %s", theirs, list.text())
	}
	for _, at := range []*node{w.a, w.b} {
		phone.on(at).get("/account").shows(http.StatusOK, "Username")
		b.on(at).get("/account").shows(http.StatusOK, "My account")
	}

	b.on(w.a).get("/account/data").shows(http.StatusOK, "Home page")
	data := url.Values{"value-labeledURI": {"https://home.example/~elodie"}, "was-labeledURI": {""}, "value-supannListeRouge": {"TRUE"}, "was-supannListeRouge": {""}}
	b.follow(b.do(http.MethodPost, "/account/data", data)).shows(http.StatusOK, "Saved")
	b.on(w.b).follow(b.do(http.MethodPost, "/account/data", data)).shows(http.StatusUnprocessableEntity, "This changed in the meantime")

	other := newBrowser(t, w.b)
	other.signIn(other.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")
	change := b.on(w.a).get("/account/password").shows(http.StatusOK, "Present password").form()
	b.submit(change.with(t, "current", password("elefevre")).with(t, "password", "azerty")).shows(http.StatusUnprocessableEntity, "It is too short")
	b.on(w.b).submit(change.with(t, "password", chosen)).shows(http.StatusOK, "Your password is changed")
	other.on(w.a).get("/account").shows(http.StatusOK, "Username")
	b.on(w.a).get("/account/events").shows(http.StatusOK, "password changed")
	other.signIn(other.get("/login"), "elefevre", chosen).shows(http.StatusOK, "You are signed in")
	b.get("/account/download").shows(http.StatusOK, own)
}

// The pages of the account, at a desk and on a phone by keyboard and without
// scripts.
func TestTheAccountInABrowser(t *testing.T) {
	for _, c := range []struct {
		name, language    string
		width             int64
		keyboard, scripts bool
	}{
		{"account-desktop", "en", 1280, false, true},
		{"account-phone", "fr", 320, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := newDemo(t)
			w := newWindow(t, c.name, c.width, c.keyboard, c.scripts)
			w.open(at.url + "/login?lang=" + c.language)
			w.signIn("elefevre", password("elefevre"))
			w.press(`main a[href$="/account"]`)
			for _, part := range []string{"sessions", "apps", "events", "contacts"} {
				w.press(`main a[href$="/account/` + part + `"]`)
				w.press(`main a[href$="/account"]`)
			}
			w.press(`main a[href$="/account/password"]`)
			w.fill("#current", password("elefevre"))
			w.fill("#password", "azerty")
			if c.scripts {
				eventually(t, "nothing is said while typing", func() bool {
					return evaluate[bool](w, `[...document.querySelectorAll('[role=status]')].some(p => p.textContent.includes("too short"))`)
				})
				w.look()
			}
			w.press(send)
			w.fill("#current", password("elefevre"))
			w.fill("#password", "une guitare bleue sous la neige")
			w.press(send)
			if !evaluate[bool](w, `location.pathname.endsWith("/account") && document.querySelector(".alert.good") != null`) {
				t.Errorf("not changed: %s", evaluate[string](w, `document.body.innerText`))
			}
			w.press(`main a[href$="/account/contacts"]`)
			w.fill("#address", "nouvelle@home.example")
			w.press(send)
			eventually(t, "no field for the code", func() bool { return evaluate[bool](w, `document.querySelector("#code") != null`) })
		})
	}
}
