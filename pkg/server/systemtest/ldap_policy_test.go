package systemtest_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// ruled is a world whose directory has a password policy of its own, sharper
// than ours, and its administrator.
type ruled struct {
	*world
	admin *goldap.Conn
}

func newRuled(t *testing.T) ruled {
	t.Helper()
	// The password of one of them is of long ago, which makes it too old.
	const long = "dn: uid=elefevre,ou=people," + fixtures.UniversitySuffix + "\n"
	people := bytes.Replace(university.LDIF, []byte(long), []byte(long+"pwdChangedTime: 20200101000000Z\n"), 1)
	w := newServers(t, university, configuration)
	w.slapd = slapdtest.Start(t, slapdtest.Options{
		Schema: fixtures.Schema, Index: fixtures.Index, Trees: []slapdtest.Tree{{Suffix: fixtures.UniversitySuffix, LDIF: people}}, TLS: true,
		Policy: "pwdLockout: TRUE\npwdMaxFailure: 3\npwdInHistory: 3\npwdMinLength: 20\npwdCheckQuality: 2\npwdMustChange: TRUE\npwdMaxAge: 86400\npwdGraceAuthNLimit: 3\n",
	})
	w.a, w.b = w.serve(t), w.serve(t)
	admin, err := goldap.DialURL(w.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	if err := admin.Bind("cn=root,"+fixtures.UniversitySuffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	return ruled{w, admin}
}

// rule changes the policy.
func (w ruled) rule(t *testing.T, attribute, value string) {
	t.Helper()
	change := goldap.NewModifyRequest("cn=default,ou=policies,"+fixtures.UniversitySuffix, nil)
	change.Replace(attribute, []string{value})
	if err := w.admin.Modify(change); err != nil {
		t.Fatal(err)
	}
}

// formTo is the form of a page with several that is sent there.
func (p *page) formTo(path string) form {
	p.t.Helper()
	for _, one := range forms.FindAllString(p.body, -1) {
		alone := *p
		alone.body = one
		if f := alone.form(); strings.HasSuffix(f.action, path) {
			return f
		}
	}
	p.t.Fatalf("%s has no form to %s", p.url.Path, path)
	return form{}
}

// What the directory's own policy says reaches the person in plain words, on the
// page where the password must be changed and on that where it may be.
func TestTheDirectorysOwnRules(t *testing.T) {
	t.Parallel()
	w := newRuled(t)
	const first, second, third = "sept bateaux dans la brume", "neuf guitares sous la neige", "onze chevaux dans la plaine"

	t.Run("expired", func(t *testing.T) {
		b := newBrowser(t, w.a)
		ask := newRequest("portal")
		page := b.signIn(b.get(ask.url()), "elefevre", password("elefevre")).shows(http.StatusOK, "Choose a new password")
		page = b.submit(page.form().with(t, "password", "girafe mauve opale")).shows(http.StatusUnprocessableEntity, "finds it too short")
		code := b.submit(page.form().with(t, "password", first)).arrived(callback, "code")
		if got := ask.redeem(t, w.b, code); got.Status != http.StatusOK {
			t.Errorf("%+v", got)
		}
	})
	t.Run("set by somebody else", func(t *testing.T) {
		if _, err := w.admin.PasswordModify(goldap.NewPasswordModifyRequest("uid=fndiaye,ou=people,"+fixtures.UniversitySuffix, "", "given by the administrator")); err != nil {
			t.Fatal(err)
		}
		b := newBrowser(t, w.b)
		page := b.signIn(b.get(newRequest("portal").url()), "fndiaye", "given by the administrator").shows(http.StatusOK, "Choose a new password")
		b.submit(page.form().with(t, "password", first)).arrived(callback, "code")
		again := newBrowser(t, w.a)
		again.signIn(again.get(newRequest("portal").url()), "fndiaye", first).arrived(callback, "code")
	})
	t.Run("used before, and too soon", func(t *testing.T) {
		b := newBrowser(t, w.a)
		b.signIn(b.get("/login"), "elefevre", first).shows(http.StatusOK, "You are signed in")
		change := func(current, chosen string) *page {
			return b.submit(b.get("/account/password").form().with(t, "current", current).with(t, "password", chosen))
		}
		change(first, second).shows(http.StatusOK, "password")
		change(second, first).shows(http.StatusUnprocessableEntity, "used before")
		w.rule(t, "pwdMinAge", "3600")
		change(second, third).shows(http.StatusUnprocessableEntity, "too recent")
		w.rule(t, "pwdMinAge", "0")
		change(second, third).shows(http.StatusOK, "password")
	})
	t.Run("locked", func(t *testing.T) {
		guesser, err := goldap.DialURL(w.slapd.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer guesser.Close()
		for range 3 { // elsewhere: of these we hear nothing
			guesser.Bind("uid=jdupont,ou=people,"+fixtures.UniversitySuffix, "a guess")
		}
		b := newBrowser(t, w.a)
		b.signIn(b.get("/login"), "jdupont", password("jdupont")).shows(http.StatusUnauthorized, "do not go together")
		b.submit(b.get("/recover").form().with(t, "username", "jdupont")).shows(http.StatusOK, "Code")
		page := b.submit(b.get(link(t, w.reset(t, "jd1@example.org", 0))).form()).shows(http.StatusOK, "Unlock and keep my password")
		b.submit(page.formTo("/recover/password").with(t, "password", first)).shows(http.StatusOK, "password")
		b.signIn(b.get(newRequest("portal").url()), "jdupont", first).arrived(callback, "code")
	})
}
