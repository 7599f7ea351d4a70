package systemtest_test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// onSlapd opens the university, with more configuration, over a real server
// that an administrator can change.
func onSlapd(t *testing.T, more string) (*valmont, *goldap.Conn) {
	t.Helper()
	return peopleNetworks[0].onSlapd(t, more)
}

func (p peopleNetwork) onSlapd(t *testing.T, more string) (*valmont, *goldap.Conn) {
	t.Helper()
	p.configuration += more
	real := slapdtest.Start(t, slapdtest.Options{Schema: fixtures.Schema, Index: fixtures.Index,
		Trees: []slapdtest.Tree{{Suffix: p.suffix, LDIF: p.ldif}}, Policy: "pwdLockout: TRUE\npwdMaxFailure: 5\n"})
	admin, err := goldap.DialURL(real.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	if err := admin.Bind("cn=root,"+p.suffix, slapdtest.RootPassword); err != nil {
		t.Fatal(err)
	}
	return p.open(t, ldap.Config{URLs: []string{real.URL}}), admin
}

func changeEntry(t *testing.T, admin *goldap.Conn, uid string, attribute string, values ...string) {
	t.Helper()
	change := goldap.NewModifyRequest("uid="+uid+",ou=people,"+fixtures.UniversitySuffix, nil)
	change.Replace(attribute, values)
	if err := admin.Modify(change); err != nil {
		t.Fatal(err)
	}
}

// R15: whoever is locked or closed in the directory has nothing open a round
// of the watch later, half a minute, although nobody comes back: the session,
// a ticket that was not validated, tokens for a while and for good; and the
// applications of both protocols are told.
func TestClosedInTheDirectory(t *testing.T) {
	for how, close := range map[string]func(t *testing.T, admin *goldap.Conn){
		"suspended": func(t *testing.T, admin *goldap.Conn) {
			changeEntry(t, admin, "elefevre", "supannRessourceEtat", "{COMPTE}S:SupannVerrouAdministratif")
		},
		"its end is past": func(t *testing.T, admin *goldap.Conn) {
			changeEntry(t, admin, "elefevre", "supannRessourceEtatDate", "{COMPTE}A:SupannActif::20260914")
		},
		"locked by the policy": func(t *testing.T, admin *goldap.Conn) {
			changeEntry(t, admin, "elefevre", "pwdAccountLockedTime", "000001010000Z")
		},
		"deleted": func(t *testing.T, admin *goldap.Conn) {
			if err := admin.Del(goldap.NewDelRequest("uid=elefevre,ou=people,"+fixtures.UniversitySuffix, nil)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(how, func(t *testing.T) {
			app := listen(t)
			h, admin := onSlapd(t, `  - name: Veille
    attributes: [mail]
    protocols:
      oidc: {id: watcher, secret: "${env:LOGE_PORTAL_SECRET}", redirectURIs: ["`+callback+`"], scopes: [openid, offline_access], backchannelLogoutURI: "`+app.URL+`/oidc"}
      cas: {prefix: "`+app.URL+`/cas"}
`)
			b := newBrowser(t, h.node)
			service := app.URL + "/cas"
			ticket := b.signIn(b.get(casLogin(service)), "elefevre", password("elefevre")).arrived(service, "ticket")
			ask := newRequest("watcher")
			granted := ask.redeem(t, h.node, b.get(ask.url("scope", "openid")).arrived(callback, "code"))
			ask = newRequest("watcher")
			lasting := ask.redeem(t, h.node, b.get(ask.url("scope", "openid offline_access")).arrived(callback, "code"))
			if h.userinfo(t, granted.Access) == nil || lasting.Refresh == "" {
				t.Fatalf("%+v %+v", granted, lasting)
			}

			h.store.Advance(lifecycle.Every + time.Second)
			seen := func() (names []string) {
				for _, form := range app.received() {
					for name := range form {
						names = append(names, name)
					}
				}
				slices.Sort(names)
				return slices.Compact(names)
			}
			close(t, admin)
			h.store.Advance(lifecycle.Every)
			eventually(t, "the applications are not told", func() bool { return slices.Equal(seen(), []string{"logoutRequest", "logout_token"}) })
			b.get("/login").shows(http.StatusOK, "Password")
			if h.userinfo(t, granted.Access) != nil || h.userinfo(t, lasting.Access) != nil {
				t.Error("an access token lives on")
			}
			for _, tokens := range []tokens{granted, lasting} {
				if tokens.Refresh == "" {
					continue
				}
				if again := h.token(t, "watcher", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}}); again.Error != "invalid_grant" {
					t.Errorf("a refresh token lives on: %+v", again)
				}
			}
			if late := h.validate(t, service, ticket); late.Response.Failure.Code != "INVALID_TICKET" {
				t.Errorf("a ticket lives on: %+v", late)
			}
		})
	}
}

// R3: who is renamed is the same person to applications that ask for sub, has
// the new name for the others, and stays signed in.
func TestRenamed(t *testing.T) {
	h, admin := onSlapd(t, "")
	b := newBrowser(t, h.node)
	b.signIn(b.get("/login"), "cpetit", password("cpetitleroy")).shows(http.StatusOK, "You are signed in")
	told := func(b *browser) (sub any, name string) {
		ask := newRequest("app0")
		claims := claimsOf(t, ask.redeem(t, h.node, b.get(ask.url()).arrived(callback, "code")).ID)
		service := casApplication(0)
		answer, err := h.client.Get(issuer + "/cas/p3/serviceValidate?" + url.Values{"service": {service}, "ticket": {b.get(casLogin(service)).arrived(service, "ticket")}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		var cas attributesOf
		if err := xml.Unmarshal([]byte(read(t, answer).body), &cas); err != nil {
			t.Fatal(err)
		}
		return claims["sub"], cas.User
	}
	before, name := told(b)
	if before == nil || name != "cpetitleroy" {
		t.Fatalf("%v, %q", before, name)
	}
	rename := goldap.NewModifyDNRequest("uid=cpetitleroy,ou=people,"+fixtures.UniversitySuffix, "uid=cpetit-durand", true, "")
	if err := admin.ModifyDN(rename); err != nil {
		t.Fatal(err)
	}
	if sub, _ := told(b); sub != before {
		t.Errorf("in the session: sub %v, want %v", sub, before)
	}
	again := newBrowser(t, h.node)
	again.signIn(again.get("/login"), "cpetit-durand", password("cpetitleroy")).shows(http.StatusOK, "You are signed in")
	if sub, name := told(again); sub != before || name != "cpetit-durand" {
		t.Errorf("sub %v, name %q; want %v, cpetit-durand", sub, name, before)
	}
	gone := newBrowser(t, h.node)
	gone.signIn(gone.get("/login"), "cpetitleroy", password("cpetitleroy")).shows(http.StatusUnauthorized, "could not sign you in")
}

// R13: an end that is past opens the grace of the profile, in which applications
// that take it hear until when, and the others refuse.
func TestGraceOfTheProfile(t *testing.T) {
	h, admin := onSlapd(t, "lifecycle: {grace: [{who: {attribute: eduPersonAffiliation, in: [student]}, months: 12}, {months: 3}]}\n")
	changeEntry(t, admin, "elefevre", "supannRessourceEtatDate", "{COMPTE}A:SupannActif::20260831")
	changeEntry(t, admin, "fbadge", "supannRessourceEtatDate", "{COMPTE}A:SupannActif::20260831")
	for _, c := range []struct{ uid, until, released string }{
		{"elefevre", "31 August 2027", "elefevre | accountEnd=2027-08-31 | accountState=grace | born=14/03/2005 | number=22401001"},
		{"fbadge", "30 November 2026", "fbadge | accountEnd=2026-11-30 | accountState=grace | born=05/05/1995"},
	} {
		b := newBrowser(t, h.node)
		if got := h.enter(b, b.get("/login"), c.uid, password(c.uid)); got != "yes, after: Your account will close on "+c.until {
			t.Errorf("%s: %s", c.uid, got)
		}
		a, err := h.directory.Find(t.Context(), c.uid)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"no: 403 This application is no longer open to you", c.released, "no: 403 This application is no longer open to you"} {
			if got := h.told(t, b, i, a); got != want {
				t.Errorf("%s, %s: %s; want %s", c.uid, h.applications[i], got, want)
			}
		}
	}
}

// R13: two machines that write to people at once, and a third later, send each
// reminder once.
func TestRemindersOfTwoMachines(t *testing.T) {
	w := newServers(t, university, strings.Replace(configuration, "recovery:", "lifecycle: {reminders: [365, 30]}\nrecovery:", 1))
	machine := func() {
		command := exec.Command(program(t), "lifecycle", "run", "--apply", "--config", w.file())
		command.Env = append(os.Environ(), w.environment()...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	var both sync.WaitGroup
	both.Go(machine)
	both.Go(machine)
	both.Wait()
	w.a, w.b = w.serve(t), w.serve(t)
	w.letter(t, "felix@example.org", 0)
	w.letter(t, "kahina@example.org", 0)
	machine()
	redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	defer redis.Close()
	eventually(t, "the outbox does not come to rest", func() bool { return redis.ZCard(t.Context(), due).Val() == 0 })
	times := map[string]int{}
	for _, m := range w.post.Messages() {
		times[m.To]++
	}
	for to, n := range times {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if len(times) != 6 { // of three people
		t.Errorf("written to: %v", times)
	}
}

// R13, R7: more time is asked for from the notice, granted at the desk by the
// months of the profile, and written into the directory, where the rest stays.
func TestMoreTimeByTheProfile(t *testing.T) {
	h, admin := onSlapd(t, `lifecycle:
  grace:
    - {who: {attribute: eduPersonAffiliation, in: [student]}, months: 12, renewable: true}
    - {who: {attribute: eduPersonAffiliation, in: [staff, faculty]}, months: 6, renewable: true}
    - {months: 3, renewable: true}
desk: {rules: [{name: assistance, who: {attribute: login, in: [u.assist]}, verbs: [see, extend]}]}
`)
	desk := newBrowser(t, h.node)
	desk.signIn(desk.get("/login"), "u.assist", password("u.assist")).shows(http.StatusOK, "You are signed in")
	for _, c := range []struct {
		uid, before   string
		state, date   string
		until, months string
	}{
		{"elefevre", "{COMPTE}A:SupannActif:20240901:20260831", "{COMPTE}A:SupannSursis", "{COMPTE}A:SupannSursis:20260901:20280831", "31 August 2028", "12"},
		{"mdelatour", "{COMPTE}A:SupannActif::20260630", "{COMPTE}A:SupannSursis", "{COMPTE}A:SupannSursis:20260701:20270630", "30 June 2027", "6"},
		{"kaitouaret", "{COMPTE}A:SupannSursis:20260701:20261231", "{COMPTE}A:SupannSursis", "{COMPTE}A:SupannSursis:20260701:20270331", "31 March 2027", "3"},
	} {
		const other = "{MAIL}A:SupannActif:20240901:20270831"
		changeEntry(t, admin, c.uid, "supannRessourceEtatDate", c.before, other)
		b := newBrowser(t, h.node)
		notice := b.signIn(b.get("/login"), c.uid, password(c.uid)).form()
		notice.values.Set("more", "yes")
		b.submit(b.submit(notice).shows(http.StatusOK, c.months+" more months").form()).shows(http.StatusOK, "will take its place")
		grant := desk.get("/desk/extensions").shows(http.StatusOK, c.uid).form()
		grant.values.Set("do", "grant")
		desk.submit(grant)

		entry := goldap.NewSearchRequest("uid="+c.uid+",ou=people,"+fixtures.UniversitySuffix, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", nil, nil)
		found, err := admin.Search(entry)
		if err != nil {
			t.Fatal(err)
		}
		state, dates := found.Entries[0].GetAttributeValue("supannRessourceEtat"), found.Entries[0].GetAttributeValues("supannRessourceEtatDate")
		slices.Sort(dates)
		if state != c.state || !slices.Equal(dates, []string{c.date, other}) {
			t.Errorf("%s: %s %v; want %s %s", c.uid, state, dates, c.state, c.date)
		}
		again := newBrowser(t, h.node)
		if got := h.enter(again, again.get("/login"), c.uid, password(c.uid)); got != "yes, after: Your account will close on "+c.until {
			t.Errorf("%s: %s", c.uid, got)
		}
	}
}

// R56, R61: who belongs to two schools changes from one to the other and stays
// signed in; it is in the directory, and both protocols tell it at once.
func TestTwoSchools(t *testing.T) {
	h, _ := peopleNetworks[1].onSlapd(t, `establishments:
  attribute: ESCOUAI
  current: ESCOUAICourant
  known: {0990010Y: {name: Rosa-Parks}, 0990011Z: {name: Simone-Veil}, 0990012A: {name: Les Métiers}}
`)
	for _, c := range []struct{ login, name, from, to, all string }{
		{"lea.dalmeida", "Léa d'Almeida", "0990010Y", "0990011Z", "0990010Y, 0990011Z"},
		{"claire.dalmeida", "Claire d'Almeida", "0990010Y", "0990011Z", "0990010Y, 0990011Z"},
		{"ahmed.elidrissi", "Ahmed El Idrissi", "0990011Z", "0990010Y", "0990011Z, 0990010Y"},
		{"bruno.direx", "Bruno Direz", "0990011Z", "0990012A", "0990011Z, 0990012A"},
	} {
		b := newBrowser(t, h.node)
		b.signIn(b.get("/login"), c.login, schoolPassword(c.login)).shows(http.StatusOK, "You are signed in")
		for _, current := range []string{c.from, c.to, c.from} {
			a, err := h.directory.Find(t.Context(), c.login)
			if err != nil {
				t.Fatal(err)
			}
			want := c.login + " | accountState=active | displayName=" + c.name + " | establishment=" + current + " | establishments=" + c.all
			if got := h.told(t, b, 0, a); got != want || !slices.Equal(a.Attributes["ESCOUAICourant"], []string{current}) {
				t.Errorf("%s; want %s; the directory has %v", got, want, a.Attributes["ESCOUAICourant"])
			}
			other := map[string]string{c.from: c.to, c.to: c.from}[current]
			change := b.get("/account/establishment").form()
			change.values.Set("to", other)
			b.submit(change).shows(http.StatusOK, map[string]string{"0990010Y": "Rosa-Parks", "0990011Z": "Simone-Veil", "0990012A": "Les Métiers"}[other])
		}
		elsewhere := b.get("/account/establishment").form()
		elsewhere.values.Set("to", "0990099X")
		b.submit(elsewhere).shows(http.StatusConflict, "")
	}
	b := newBrowser(t, h.node)
	b.signIn(b.get("/login"), "helene.roy", schoolPassword("helene.roy")).shows(http.StatusOK, "You are signed in")
	if p := b.get("/account"); strings.Contains(p.body, "/account/establishment") {
		t.Error("a choice of one")
	}
}
