package systemtest_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/recovery/question"
)

var house = flag.String("house", "", "play the journeys of this preset only")

const fresh = "une guitare bleue sous la neige"

// journeys are the ways back in of every preset, each by somebody of the
// fixtures.
var journeys = []struct {
	preset, name string
	way          func(w *walk)
}{
	{"la-rochelle", "no rescue address: a code from the desk, and an address at last", func(w *walk) {
		w.recover("imichel")
		// On the page that waits for a message which never comes.
		w.fill("#code", w.v.vouched(w.t, w.at, "u.assist", password("u.assist"), "Michel", "imichel"))
		w.press(send)
		w.chooses("imichel", fresh)
		w.fill("#address", "ines.michel@example.org")
		w.proves("ines.michel@example.org", 0)
	}},
	{"la-rochelle", "forgotten: a link to the rescue address, which is proved by that", func(w *walk) {
		w.recover("elefevre")
		w.byLink("elodie.l@example.org")
		w.chooses("elefevre", fresh)
	}},
	{"montpellier", "first sign-in by a link; it had ended, and the person renews it", func(w *walk) {
		w.activate("thi-huong.nguyen@etu.univ-valmont.example")
		w.press(`button[name="resend"]`) // which ends the first
		w.mailed("huong@example.com", 1, mailedLink)
		w.open(w.mailed("huong@example.com", 0, mailedLink)[0])
		w.press(`main form button.wide`)
		w.open(w.mailed("huong@example.com", 2, mailedLink)[0])
		w.press(`main form button.wide`)
		w.tick("#charter")
		w.chooses("hnguyen", fresh)
	}},
	{"montpellier", "forgotten: institutional address, link to the rescue address", func(w *walk) {
		w.recover("camille.petit-leroy@univ-valmont.example")
		w.byLink("camille@example.org")
		w.chooses("cpetitleroy", fresh)
	}},
	{"montpellier", "the rescue address is dead: a request for help, then a code from the desk", func(w *walk) {
		w.press(`nav a[href*="/help"]`)
		w.press(`main a[href*="/help/request"]`)
		w.fill("#name", "Rémi Girard")
		w.fill("#number", "22401018")
		w.fill("#reach", "06 39 98 00 18")
		w.press(send)
		desk := newBrowser(w.t, w.at)
		desk.signIn(desk.get("/desk/requests"), "u.assist", password("u.assist")).shows(http.StatusOK, "Rémi Girard")
		code := w.v.vouched(w.t, w.at, "u.assist", password("u.assist"), "Girard", "rgirard")
		w.open(w.at.url + "/login")
		w.fill("#username", "rgirard")
		w.fill("#password", code)
		w.press(send)
		w.chooses("rgirard", fresh)
	}},
	{"clermont", "first sign-in by file number and date of birth, then telephone and mail", func(w *walk) {
		w.press(`nav a[href*="/activate"]`)
		w.fill("#username", "22601013")
		w.fill("#birth", "20/05/2007")
		w.press(send)
		w.says("Encore 2 preuves")
		w.press(`main form button.wide`) // the first way on asks nobody else
		w.fill("#code", w.v.phones.code(w.t, "+33639980013"))
		w.press(send)
		w.press(`button[value="emaillink"]`)
		w.fill("#code", w.mailed("zoe.mp@example.org", 0, mailedCode)[0])
		w.press(send)
		w.chooses("zmartinez", fresh)
	}},
	{"clermont", "nothing on file: a code from the desk, then telephone and mail are given and proved", func(w *walk) {
		w.press(`nav a[href*="/activate"]`)
		w.press(`main a[href*="/code"]`)
		w.fill("#username", "akone")
		w.fill("#code", w.v.vouched(w.t, w.at, "u.assist", password("u.assist"), "Koné", "akone"))
		w.press(send)
		w.fill("#address", "06 39 98 00 14")
		w.press(send)
		w.fill("#code", w.v.phones.code(w.t, "+33639980014"))
		w.press(send)
		w.fill("#address", "awa@example.org")
		w.proves("awa@example.org", 0)
		w.chooses("akone", fresh)
	}},
	{"clermont", "forgotten: a code by text message", func(w *walk) {
		w.recover("fatou.ndiaye@etu.univ-valmont.example")
		w.fill("#code", w.v.phones.code(w.t, "+33639980002"))
		w.press(send)
		w.chooses("fndiaye", fresh)
	}},
	{"iledefrance", "letter with identifier and provisional code", func(w *walk) {
		w.provisional("ines.benyoussef", "parents.benyoussef@example.org")
	}},
	{"iledefrance", "letter with the identifier only", func(w *walk) {
		w.signsIn("lea.dalmeida", schoolPassword("lea.dalmeida"))
	}},
	{"iledefrance", "no letter: a code from the head teacher", func(w *walk) {
		code := w.v.vouched(w.t, w.at, "sophie.dubois-garin", schoolPassword("sophie.dubois-garin"), "martin", "eloise.martin")
		w.fill("#username", "eloise.martin")
		w.fill("#password", code)
		w.press(send)
		w.chooses("eloise.martin", fresh)
	}},
	{"pronote", "identifier and password forgotten: a mail", func(w *walk) {
		w.recover("claire@example.org")
		w.byLink("claire@example.org")
		w.chooses("claire.dalmeida", fresh)
	}},
	{"pronote", "an address of three of the family: one mail, a link each", func(w *walk) {
		w.recover("legoff@example.org")
		links := w.mailed("legoff@example.org", 0, mailedLink)
		if len(links) != 3 {
			w.t.Fatalf("%d links", len(links))
		}
		w.open(links[0])
		w.press(`main form button.wide`)
		w.chooses(evaluate[string](w.window, `document.querySelector("#username").value`), fresh)
	}},
	{"gepi", "first sign-in with the provisional password of the sheet", func(w *walk) {
		w.provisional("said.benyoussef", "said@example.org")
	}},
	{"gepi", "forgotten: a mail", func(w *walk) {
		w.recover("yann.legoff")
		w.byLink("yann@example.net")
		w.chooses("yann.legoff", fresh)
	}},
	{"scolinfo", "forgotten: a code from the school", func(w *walk) {
		w.press(`nav a[href*="/recover"]`)
		w.fill("#username", "eloise.martin2")
		w.fill("#code", w.v.vouched(w.t, w.at, "helene.roy", schoolPassword("helene.roy"), "martin", "eloise.martin2"))
		w.press(send)
		w.chooses("eloise.martin2", fresh)
	}},
	{"ecoledirecte", "forgotten: a text message, then the secret question", func(w *walk) {
		w.recover("karim.haddad")
		w.press(`button[value="smscode"]`)
		w.fill("#code", w.v.phones.code(w.t, "+33639980108"))
		w.press(send)
		w.says("Quel était le nom de votre première institutrice")
		w.fill("#question", "mme lefevre")
		w.press(`form:has(#question) button.wide`)
		w.chooses("karim.haddad", fresh)
	}},
}

func (w *walk) recover(who string) {
	w.t.Helper()
	w.press(`nav a[href*="/recover"]`)
	w.fill("#username", who)
	w.press(send)
}

func (w *walk) activate(who string) {
	w.t.Helper()
	w.press(`nav a[href*="/activate"]`)
	w.fill("#username", who)
	w.press(send)
}

func (w *walk) byLink(to string) {
	w.t.Helper()
	w.open(w.mailed(to, 0, mailedLink)[0])
	w.press(`main form button.wide`)
}

// proves sends a code to the address on the page and types it: the nth that it
// gets.
func (w *walk) proves(address string, n int) {
	w.t.Helper()
	w.press(send)
	w.fill("#code", w.mailed(address, n, mailedCode)[0])
	w.press(send)
}

// provisional is a first sign-in with the code of a letter, typed as the
// password, by somebody of whom no address is known.
func (w *walk) provisional(login, address string) {
	w.t.Helper()
	w.fill("#username", login)
	w.fill("#password", w.v.letter(w.t, login))
	w.press(send)
	w.fill("#address", address)
	w.proves(address, 0)
	w.chooses(login, fresh)
}

// Every preset is played from lost to signed in, in a browser of 320 pixels, in
// French and without scripts; what that takes is what the documentation says.
func TestJourneys(t *testing.T) {
	v := newValley(t)
	v.asked(t, "karim.haddad", question.Hash("teacher", "Mme Lefèvre"))
	for _, p := range presets {
		if *house != "" && *house != p.name {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			at := v.serves(t, p.name)
			for _, j := range journeys {
				if j.preset != p.name {
					continue
				}
				w := v.lost(t, at)
				j.way(w)
				w.says("Vous êtes connecté")
				v.table = append(v.table, fmt.Sprintf("| [%s](../examples/%[1]s) | %s | %d | %d |", j.preset, j.name, w.pages, w.fields))
			}
		})
	}
	if *house != "" || t.Failed() {
		t.Log("\n" + strings.Join(v.table, "\n"))
		return
	}
	text, err := os.ReadFile("../../../docs/journeys.md")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| [") {
			written = append(written, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(v.table, written); diff != "" {
		t.Errorf("docs/journeys.md is not what was played:\n%s\nwrite:\n%s", diff, strings.Join(v.table, "\n"))
	}
}

// asked gives a pupil a secret question.
func (v *valley) asked(t *testing.T, login, hash string) {
	t.Helper()
	conn, err := goldap.DialURL(v.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind("cn=root,"+fixtures.SchoolSuffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	found, err := conn.Search(goldap.NewSearchRequest("ou=people,"+fixtures.SchoolSuffix, goldap.ScopeSingleLevel, 0, 1, 0, false,
		"(ENTPersonLogin="+login+")", []string{"1.1"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	change := goldap.NewModifyRequest(found.Entries[0].DN, nil)
	change.Replace("description", []string{hash})
	if err := conn.Modify(change); err != nil {
		t.Fatal(err)
	}
}
