package systemtest_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// R1, R2: whatever name somebody signs in by, applications hear of the same
// person.
func TestPeopleSignInByAnyOfTheirNames(t *testing.T) {
	w := newWorld(t)
	type heard struct{ Sub, Preferred, CAS any }
	var first heard
	for i, name := range []string{"elefevre", "ELeFevre", "Elodie.Lefevre", "elodie.lefevre", "Elodie.Lefevre@etu.univ-valmont.example", "elefevre@univ-valmont.example"} {
		b := newBrowser(t, w.a)
		ask := newRequest("portal")
		granted := ask.redeem(t, w.b, b.signIn(b.get(ask.url()), name, password("elefevre")).arrived(callback, "code"))
		info := w.a.userinfo(t, granted.Access)
		user := w.b.validate(t, casService, b.get(casLogin(casService)).arrived(casService, "ticket"))
		got := heard{info["sub"], info["preferred_username"], user.Response.Success.User}
		if got.Sub == nil || got.Preferred != "elefevre" || got.CAS != "elefevre" {
			t.Errorf("%s: %+v", name, got)
		}
		if i == 0 {
			first = got
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%s is somebody else: %s", name, diff)
		}
	}
}

// R10, R11: who has no password yet is led to activation and gets in by it.
func TestActivation(t *testing.T) {
	w := newWorld(t)
	for _, who := range []struct{ id, uid, mail string }{{"U07", "hnguyen", "huong@example.com"}, {"U13", "zmartinez", "zoe.mp@example.org"}} {
		t.Run(who.id, func(t *testing.T) {
			b := newBrowser(t, w.a)
			ask := newRequest("portal")
			failed := b.signIn(b.get(ask.url()), who.uid, "any password")
			door := activation(failed)
			if failed.status != http.StatusUnauthorized || door == "" {
				t.Fatalf("%d %q leads nowhere", failed.status, failed.title())
			}
			b.on(w.b).submit(b.get(door).form().with(t, "username", who.uid)).shows(http.StatusOK, "Code")
			letter := w.letter(t, who.mail, 0)
			chosen := "sept bateaux dans la brume"
			opened := b.on(w.a).get(link(t, letter)).shows(http.StatusOK, "activate your account")
			done := b.submit(b.on(w.b).submit(opened.form()).form().with(t, "password", chosen)).shows(http.StatusOK, "Your account is active")
			// Not signed in by it; and the way to the application is not lost.
			back := attributes(onwards.FindStringSubmatch(done.body)[1])["href"]
			form := b.on(w.a).get(back).shows(http.StatusOK, "Portail")
			code := b.signIn(form, who.uid, chosen).arrived(callback, "code")
			if got := ask.redeem(t, w.b, code); got.Status != http.StatusOK {
				t.Errorf("%+v", got)
			}
		})
	}
}

// activation is where the page's alert leads those who come first.
func activation(p *page) string {
	for _, a := range anchors.FindAllStringSubmatch(p.body, -1) {
		if to := attributes(a[1])["href"]; strings.HasPrefix(to, "/activate") || strings.HasPrefix(to, issuer+"/activate") {
			return to
		}
	}
	return ""
}

// R13: who is in grace is told until when, goes on, and applications know.
func TestGrace(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w.a)
	ask := newRequest("portal")
	days := int(time.Since(fixtures.Clock) / (24 * time.Hour))
	ends := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC).AddDate(0, 0, days)
	notice := b.signIn(b.get(ask.url()), "kaitouaret", password("kaitouaret")).shows(http.StatusOK, ends.Format("2 January 2006"))
	code := b.on(w.b).submit(notice.form()).arrived(callback, "code")
	info := w.a.userinfo(t, ask.redeem(t, w.a, code).Access)
	if info["accountState"] != "grace" || info["accountEnd"] != ends.Format("2006-01-02") {
		t.Errorf("userinfo: %v", info)
	}
	// Shown once in a session, whatever the protocol.
	user := w.a.validate(t, casService, b.get(casLogin(casService)).arrived(casService, "ticket"))
	if user.Response.Success.Attributes["accountState"] != "grace" {
		t.Errorf("CAS: %+v", user)
	}
	// An application that has not asked for people in grace does not get them.
	b.get(newRequest("quick").url()).shows(http.StatusForbidden, "This application is no longer open to you")
}

// R12, R35: those who may not enter learn why, and only those who know the
// password.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	for _, who := range []struct{ id, uid, why string }{
		{"U11", "ngarcon", "Your account has come to its end"},
		{"U12", "pleroux", "Your account is closed"},
		{"U15", "tmoreau", "Your account is suspended"},
		{"U16", "cbernard", "Your account is locked for safety"},
	} {
		t.Run(who.id, func(t *testing.T) {
			b := newBrowser(t, w.a)
			refused := b.signIn(b.get(newRequest("portal").url()), who.uid, password(who.uid))
			refused.shows(http.StatusForbidden, who.why).shows(http.StatusForbidden, "01 99 00 12 34")
			b.on(w.b).get("/login").shows(http.StatusOK, "Password")
			b.signIn(b.get("/login"), who.uid, "wrong").shows(http.StatusUnauthorized, "do not go together")
		})
	}
}

// R35: from the page of a failure nobody learns who exists and in what state.
func TestAFailureLooksTheSameForEverybody(t *testing.T) {
	w := newWorld(t)
	var want string
	for i, uid := range []string{"elefevre", "nobody-at-all", "ngarcon", "pleroux", "tmoreau", "cbernard", "hnguyen", "akone", "imichel"} {
		b := newBrowser(t, w.a)
		p := b.signIn(b.get("/login"), uid, "not the password")
		state := p.form().values.Get("state")
		got := strings.NewReplacer(state, "STATE", uid, "LOGIN").Replace(p.body)
		if p.status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", uid, p.status)
		}
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", uid, diff)
		}
	}
}

// The examples are run as they are in the project.
func TestTheExamples(t *testing.T) {
	for _, c := range []struct {
		name              string
		tree              slapdtest.Tree
		login, other      string // the right name, and one that is the account's own but no login here
		password, release string
	}{
		{"campus", university, "Elodie.Lefevre", "22401001", password("elefevre"), "elefevre"},
		{"school", school, "lea.dalmeida", "F26x0001", "Ent-lea.dalmeida-2026", "lea.dalmeida"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := os.ReadFile("../../../examples/" + c.name + "/loge.yaml")
			if err != nil {
				t.Fatal(err)
			}
			w := newServers(t, c.tree, string(text))
			w.a = w.serve(t)
			b := newBrowser(t, w.a)
			b.signIn(b.get("/login"), c.other, c.password).shows(http.StatusUnauthorized, "could not sign you in")
			ask := newRequest("demo-portal")
			granted := ask.redeem(t, w.a, b.signIn(b.get(ask.url()), c.login, c.password).arrived(callback, "code"))
			if info := w.a.userinfo(t, granted.Access); info["preferred_username"] != c.release {
				t.Errorf("userinfo: %v", info)
			}
			user := w.a.validate(t, casService, b.get(casLogin(casService)).arrived(casService, "ticket"))
			if user.Response.Success.User != c.release {
				t.Errorf("CAS: %+v", user)
			}
		})
	}
}
