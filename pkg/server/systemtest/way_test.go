package systemtest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/mail/mailtest"
)

// Every step of every journey reaches another process than the one before.
func TestTheWholeWayOverTwoProcesses(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w.a)

	// OIDC: asked at one, answered at the other, redeemed and used at both.
	ask := newRequest("portal")
	form := b.on(w.a).get(ask.url("nonce", "n-1")).shows(http.StatusOK, "Portail")
	code := b.on(w.b).signIn(form, "elefevre", password("elefevre")).arrived(callback, "code")
	granted := ask.redeem(t, w.a, code)
	if granted.Status != http.StatusOK {
		t.Fatalf("the code was not taken: %+v", granted)
	}
	if again := ask.redeem(t, w.b, code); again.Error != "invalid_grant" {
		t.Errorf("the code was taken twice: %+v", again)
	}
	ask = newRequest("portal")
	granted = ask.redeem(t, w.b, b.on(w.a).get(ask.url("nonce", "n-2")).arrived(callback, "code"))
	claims := claimsOf(t, granted.ID)
	if claims["nonce"] != "n-2" || claims["iss"] != issuer || claims["aud"] == nil {
		t.Errorf("ID token: %v", claims)
	}
	info := w.b.userinfo(t, granted.Access)
	if info["sub"] != claims["sub"] || info["preferred_username"] != "elefevre" || info["mail"] != "elodie.lefevre@etu.univ-valmont.example" {
		t.Errorf("userinfo: %v", info)
	}
	refreshed := w.a.token(t, "portal", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {granted.Refresh}})
	if refreshed.Status != http.StatusOK || refreshed.Refresh == granted.Refresh {
		t.Errorf("refresh: %+v", refreshed)
	}

	// CAS on the same session, without typing.
	ticket := b.on(w.a).get(casLogin(casService)).arrived(casService, "ticket")
	seen := w.b.validate(t, casService, ticket)
	if seen.Response.Success.User != "elefevre" || seen.Response.Success.Attributes["isFromNewLogin"] != false {
		t.Errorf("CAS: %+v", seen)
	}
	if again := w.a.validate(t, casService, ticket); again.Response.Failure.Code != "INVALID_TICKET" {
		t.Errorf("the ticket was taken twice: %+v", again)
	}
	unspent := b.on(w.b).get(casLogin(casService)).arrived(casService, "ticket")

	// Sign-out at one ends all of it at the other.
	out := b.on(w.b).get("/oidc/logout?" + url.Values{"id_token_hint": {granted.ID}, "post_logout_redirect_uri": {"http://127.0.0.1:9/bye"}}.Encode())
	if to := out.location(); to == nil || to.String() != "http://127.0.0.1:9/bye" {
		t.Errorf("logout: %d %q to %v", out.status, out.title(), to)
	}
	b.on(w.a).get(newRequest("portal").url()).shows(http.StatusOK, "Password")
	if w.a.userinfo(t, refreshed.Access) != nil {
		t.Error("the access token outlived the session")
	}
	if r := w.a.token(t, "portal", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshed.Refresh}}); r.Error != "invalid_grant" {
		t.Errorf("the refresh token outlived the session: %+v", r)
	}
	if late := w.a.validate(t, casService, unspent); late.Response.Failure.Code != "INVALID_TICKET" {
		t.Errorf("the service ticket outlived the session: %+v", late)
	}
}

func TestRecoveryOverTwoProcesses(t *testing.T) {
	w := newWorld(t)
	elsewhere := newBrowser(t, w.a)
	elsewhere.signIn(elsewhere.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")

	asking := newBrowser(t, w.a)
	asking.submit(asking.get("/recover").form().with(t, "username", "Elodie.Lefevre")).shows(http.StatusOK, "Code")
	letter := w.letter(t, "elodie.l@example.org", 0)

	// A mail scanner opens the link, and even submits nothing: nothing is used.
	newBrowser(t, w.b).get(link(t, letter))

	// The link is opened in another browser than the one that asked.
	opened := newBrowser(t, w.b)
	answer := opened.submit(opened.get(link(t, letter)).shows(http.StatusOK, "You are about to choose a new password").form())
	fresh := "une guitare bleue sous la neige"
	form := answer.shows(http.StatusOK, "Choose").form()
	done := opened.on(w.a).submit(form.with(t, "password", fresh))
	done.shows(http.StatusOK, "Your password is changed")

	// Nobody is signed in by it, and whoever was is not any more.
	for name, b := range map[string]*browser{"the one that changed it": opened, "the one that asked": asking, "one that was signed in": elsewhere} {
		if p := b.on(w.b).get("/login"); !strings.Contains(p.text(), "Password") {
			t.Errorf("%s is signed in: %q", name, p.title())
		}
	}
	opened.signIn(opened.on(w.a).get("/login"), "elefevre", password("elefevre")).shows(http.StatusUnauthorized, "could not sign you in")
	opened.signIn(opened.on(w.b).get("/login"), "elefevre", fresh).shows(http.StatusOK, "You are signed in")

	// The owner is told, at every address.
	w.letter(t, "elodie.l@example.org", 1)
	w.letter(t, "elodie.lefevre@etu.univ-valmont.example", 0)
}

// letter waits for the nth message to an address.
func (w *world) letter(t *testing.T, to string, n int) mailtest.Wire {
	t.Helper()
	return w.wait(t, to, n, func(mailtest.Wire) bool { return true })
}

// reset waits for the nth message with a link to an address.
func (w *world) reset(t *testing.T, to string, n int) mailtest.Wire {
	t.Helper()
	return w.wait(t, to, n, func(m mailtest.Wire) bool { return strings.Contains(m.Text, "/recover/link?t=") })
}

func (w *world) wait(t *testing.T, to string, n int, wanted func(mailtest.Wire) bool) mailtest.Wire {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var theirs []mailtest.Wire
		for _, m := range w.post.Messages() {
			if m.To == to && wanted(m) {
				theirs = append(theirs, m)
			}
		}
		if len(theirs) > n {
			return theirs[n]
		}
	}
	t.Fatalf("no message %d to %s", n, to)
	return mailtest.Wire{}
}

var links = regexp.MustCompile(`http://\S+`)

func link(t *testing.T, m mailtest.Wire) string {
	t.Helper()
	found := links.FindString(m.Text)
	if !strings.HasPrefix(found, issuer+"/recover/link?t=") {
		t.Fatalf("no link in:\n%s", m.Text)
	}
	return found
}

// What another person's browser began cannot be finished to a code.
func TestARequestBelongsToItsBrowser(t *testing.T) {
	w := newWorld(t)
	attacker, victim := newBrowser(t, w.a), newBrowser(t, w.b)
	ask := newRequest("portal")
	theirs := attacker.get(ask.url())

	// The form in another browser: no code, and no session either.
	answer := victim.signIn(theirs, "elefevre", password("elefevre"))
	if answer.location() != nil || answer.status != http.StatusForbidden {
		t.Fatalf("%d %q to %v", answer.status, answer.title(), answer.location())
	}
	victim.get("/login").shows(http.StatusOK, "Password")
	// Given again on the victim's own page, the way goes on.
	victim.signIn(answer, "elefevre", password("elefevre")).arrived(callback, "code")
	// The victim's session is nothing to the one who began.
	attacker.on(w.b).get(ask.url()).shows(http.StatusOK, "Password")

	// A code that was issued to one application is nothing to another.
	code := victim.get(newRequest("portal").url()).arrived(callback, "code")
	if stolen := (request{client: "quick", verifier: ask.verifier}).redeem(t, w.a, code); stolen.Error != "invalid_grant" {
		t.Errorf("a stolen code was taken: %+v", stolen)
	}
}

func TestThreeRequestsFromTheClickToTheTokens(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w.a)
	for _, c := range []struct {
		name string
		want int
		way  func(request) *page
	}{
		{"without a session", 3, func(r request) *page {
			return b.signIn(b.get(r.url()), "elefevre", password("elefevre"))
		}},
		{"with a session", 2, func(r request) *page { return b.get(r.url()) }},
	} {
		b.hops = 0
		ask := newRequest("portal")
		code := c.way(ask).arrived(callback, "code")
		if got := ask.redeem(t, w.b, code); got.Status != http.StatusOK {
			t.Errorf("%s: %+v", c.name, got)
		}
		if n := b.hops + 1; n != c.want {
			t.Errorf("%s: %d requests, want %d", c.name, n, c.want)
		}
	}
}
