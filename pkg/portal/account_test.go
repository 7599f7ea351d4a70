package portal_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
)

// steps puts the steps of a configuration before everybody.
func (h *house) steps(c portal.Steps) {
	h.t.Helper()
	steps, err := h.portal.Steps(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.portal.Login.Steps = steps
}

// expired is a directory in which passwords must be changed until they are.
type expired struct{ *people }

func (d expired) Authenticate(ctx context.Context, a account.Account, p secret.String) error {
	if err := d.people.Authenticate(ctx, a, p); err != nil || d.changes() > 0 {
		return err
	}
	return directory.ErrMustChange
}

// aged is a directory in which every password is too old, and is taken so often.
type aged struct {
	*people
	left int
}

func (d aged) Authenticate(ctx context.Context, a account.Account, p secret.String) error {
	if err := d.people.Authenticate(ctx, a, p); err != nil || d.changes() > 0 {
		return err
	}
	return fmt.Errorf("bind: %w", &directory.MustChange{Expired: true, GraceLogins: d.left})
}

// Who must change the password is told whether it is too old, and how often it is
// still good.
func TestExpiredPassword(t *testing.T) {
	for left, want := range map[int][2]string{
		0: {"trop ancien", "encore accepté"},
		2: {"trop ancien. Choisissez-en un autre pour continuer. Sans cela, il sera encore accepté 2 fois", "ne sert plus"},
	} {
		h := open(t)
		h.portal.Recovery.Directory, h.portal.Login.Directory = aged{h.people, left}, aged{h.people, left}
		h.steps(portal.Steps{})
		b := h.browser()
		page := b.leads(b.signIn("alice"), "/login").has(t, want[0])
		page.hasNot(t, want[1])
		b.post("/login/continue", "step", "password", "password", chosen, "state", page.state(t)).is(t, http.StatusOK).has(t, "Alice")
		h.settled()
	}
}

// A password that must be changed opens a page for that, and nothing else
// before. Who has just typed it need not type it again; the new one is another.
func TestMustChange(t *testing.T) {
	h := open(t)
	h.portal.Recovery.Directory, h.portal.Login.Directory = expired{h.people}, expired{h.people}
	h.steps(portal.Steps{})
	b := h.browser()
	page := b.leads(b.signIn("alice"), "/login").is(t, http.StatusOK).has(t, `value="password"`, `href="/logout"`)
	if page.body = b.get("/account").body; strings.Contains(page.body, `name="current"`) {
		t.Error("asked for what was just typed")
	}
	b.post("/login/continue", "step", "password", "password", old, "state", page.state(t)).is(t, http.StatusUnprocessableEntity).has(t, "Il a déjà servi")
	b.post("/login/continue", "step", "password", "password", "azerty", "state", page.state(t)).is(t, http.StatusUnprocessableEntity).has(t, `id="alert"`)
	h.store.Advance(11 * time.Minute)
	b.get("/account").has(t, `name="current"`)
	put := func(current, password string) answer {
		return b.post("/login/continue", "step", "password", "current", current, "password", password, "state", page.state(t))
	}
	put("wrong", chosen).is(t, http.StatusUnprocessableEntity).has(t, `id="current"`, `aria-invalid="true"`)
	put(old, "azerty").is(t, http.StatusUnprocessableEntity).has(t, `id="alert"`)
	put(old, old).is(t, http.StatusUnprocessableEntity)
	b.post("/login/continue", "step", "password", "lang", "en", "state", page.state(t)).is(t, http.StatusOK).has(t, "Choose a new password")
	if h.people.changes() != 0 {
		t.Fatal("changed")
	}
	b.leads(put(old, chosen), "/account").has(t, "Alice") // where its own forms are posted to
	if h.people.changes() != 1 {
		t.Errorf("%d changes", h.people.changes())
	}
	h.settled()

	h = open(t)
	h.portal.Recovery.Directory, h.portal.Login.Directory = expired{h.people}, expired{h.people}
	h.steps(portal.Steps{})
	b = h.browser()
	page = b.leads(b.signIn("alice"), "/login")
	b.post("/login/continue", "step", "password", "password", chosen, "state", page.state(t)).is(t, http.StatusOK).has(t, "Alice")
	h.settled()
}

// R-SESS-05, R-AUTH-20, R25: who is signed in changes the password by giving
// the present one; the other browsers are signed out and this one is not.
func TestOwnPassword(t *testing.T) {
	h := open(t)
	b, other := h.browser(), h.browser()
	b.signIn("alice").is(t, http.StatusOK)
	other.signIn("alice").is(t, http.StatusOK)
	b.get("/account").is(t, http.StatusOK).has(t, "/account/password", "/account/sessions")
	h.portal.Recovery.Policy.Preset = "legacy-ad"
	b.get("/account/password").has(t, "12 caractères au moins", "3 genres de signes sur 4")
	h.portal.Recovery.Policy.Preset = ""
	b.get("/account/password").hasNot(t, "genres")
	page := b.get("/account/password").is(t, http.StatusOK).has(t, `autocomplete="new-password"`, "/account/password/check")
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self'") || strings.Contains(b.get("/account").Header.Get("Content-Security-Policy"), "connect-src") {
		t.Errorf("policy %q", csp)
	}
	b.post("/account/password", "current", "nope", "password", chosen).is(t, http.StatusUnprocessableEntity).has(t, `href="/recover"`)
	b.post("/account/password", "current", old, "password", "alice").is(t, http.StatusUnprocessableEntity)
	b.leads(b.post("/account/password", "current", old, "password", chosen), "/account?done=password_changed").is(t, http.StatusOK).has(t, `class="alert good"`)
	other.get("/account").has(t, `autocomplete="current-password"`)
	h.settled()
	b.get("/account/events").is(t, http.StatusOK).has(t, "mot de passe changé", "Connexions", "réseau 192.0.2.0/24")

	h.store.Advance(11 * time.Minute)
	b.get("/account").is(t, http.StatusOK).has(t, "/account/sessions")
	b.get("/account/contacts").has(t, `action="/login"`)
	b.get("/account/password").has(t, `name="current"`) // which is the proof: it need not be typed twice
	b.post("/account/password", "current", old, "password", old).is(t, http.StatusUnprocessableEntity)
	if h.people.changes() != 1 {
		t.Errorf("%d changes", h.people.changes())
	}
}

// R-AUTH-20: the page of the password is no other door for guesses.
func TestOwnPasswordGuesses(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.signIn("alice").is(t, http.StatusOK)
	for range 5 {
		b.post("/account/password", "current", "guess", "password", chosen).is(t, http.StatusUnprocessableEntity)
	}
	b.post("/account/password", "current", old, "password", chosen).is(t, http.StatusUnprocessableEntity)
	h.browser().signIn("alice").is(t, http.StatusUnauthorized)
	if h.people.changes() != 0 {
		t.Error("changed")
	}
}

// The answer while somebody types is of use to whoever is signed in only.
func TestPasswordIsCheckedWhileTyped(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.post("/account/password/check", "password", "azerty").is(t, http.StatusNoContent)
	b.signIn("alice")
	if got := b.post("/account/password/check", "password", chosen).is(t, http.StatusOK); got.body != "" {
		t.Errorf("a good one: %s", got.body)
	}
	b.post("/account/password/check", "password", "azerty").is(t, http.StatusOK).has(t, "trop court")
}

// A network that the site has a name for is called by it.
func TestNetworkIsNamed(t *testing.T) {
	h := open(t)
	h.portal.Recovery.Places = []recovery.Place{
		{Name: render.Text{"": "the printer"}, Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}}, // a part says nothing of the whole
		{Name: render.Text{"fr": "le campus"}, Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.0.0/16")}}}
	b := h.browser()
	b.signIn("alice").is(t, http.StatusOK)
	for _, page := range []string{"/account/events", "/account/sessions"} {
		b.get(page).is(t, http.StatusOK).has(t, ", le campus<")
	}
}

var endButton = regexp.MustCompile(`name="end" value="([^"]+)"`)

// The owner ends one session, or all others.
func TestSessions(t *testing.T) {
	h := open(t)
	b, phone, third := h.browser(), h.browser(), h.browser()
	phone.headers.Set("User-Agent", "Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile Safari/537.36")
	for _, each := range []*browser{b, phone, third} {
		each.signIn("alice").is(t, http.StatusOK)
	}
	page := b.get("/account/sessions").is(t, http.StatusOK).has(t, "Chrome, Android")
	_, behind, _ := strings.Cut(page.body, "Chrome, Android")
	b.leads(b.post("/account/sessions", "end", endButton.FindStringSubmatch(behind)[1]), "/account/sessions?done=session_ended").is(t, http.StatusOK)
	phone.get("/account").has(t, `action="/login"`)
	third.get("/account").has(t, "/account/sessions")
	b.leads(b.post("/account/sessions", "end", "others"), "/account/sessions?done=session_ended")
	third.get("/account").has(t, `action="/login"`)
	b.get("/account").has(t, "/account/sessions")
	mine := endButton.FindStringSubmatch(b.get("/account/sessions").body)[1]
	b.post("/account/sessions", "end", mine).is(t, http.StatusOK)
	b.get("/account").has(t, `action="/login"`)
}

// agreed is a protocol in which people agreed to one application.
type agreed struct{ revoked []string }

func (a *agreed) Consents(_ context.Context, id account.ID) ([]sso.Consent, error) {
	return []sso.Consent{{Client: "m", Name: "Moodle of " + string(id), At: time.Unix(1, 0)}}, nil
}

func (a *agreed) RevokeConsent(_ context.Context, id account.ID, client string) error {
	a.revoked = append(a.revoked, string(id)+" "+client)
	return nil
}

func TestConsents(t *testing.T) {
	h := open(t)
	given := &agreed{}
	h.portal.Consenters = []sso.Consenter{given}
	b := h.browser()
	b.post("/account/apps", "revoke", "m").has(t, `action="/login"`)
	b.signIn("alice")
	b.get("/account/apps").is(t, http.StatusOK).has(t, "Moodle of alice", `value="m"`)
	b.leads(b.post("/account/apps", "revoke", "m"), "/account/apps?done=revoked").is(t, http.StatusOK)
	if !slices.Equal(given.revoked, []string{"alice m"}) {
		t.Errorf("revoked %v", given.revoked)
	}
}

// Only news of ours are told by a URL.
func TestNews(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.signIn("alice")
	if page := b.get("/account?done=bad_credentials"); strings.Contains(page.body, `id="alert"`) {
		t.Errorf("an alert: %s", page.body)
	}
}
