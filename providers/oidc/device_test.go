package oidc_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/oidc"
)

// withDevices is the cast and T, a public application on televisions.
func withDevices(more ...oidc.Client) oidc.Config {
	config := cast()
	config.Clients = append(config.Clients, oidc.Client{RelyingParty: relyingParty("Television"), ID: "t", Public: true, Device: true,
		Scopes: []string{"openid", "profile", "offline_access"}})
	config.Clients = append(config.Clients, more...)
	return config
}

const grantDevice = "urn:ietf:params:oauth:grant-type:device_code"

func (r *replica) begin(client string) reply {
	r.t.Helper()
	return r.call("/oidc/device_authorization", client, url.Values{"scope": {"openid profile"}})
}

func (r *replica) poll(client, device string) reply {
	r.t.Helper()
	return r.call("/oidc/token", client, url.Values{"grant_type": {grantDevice}, "device_code": {device}})
}

// type enters a user code as somebody who is or will be signed in, and returns
// the page that asks for confirmation.
func (b *browser) enter(code, user string) page {
	b.t.Helper()
	p := b.get("/oidc/device?" + url.Values{"user_code": {code}}.Encode())
	if p.Header.Get("X-Form") != "" {
		p = b.submit(p, user)
	}
	return p
}

func (b *browser) decide(p page, decision string) page {
	b.t.Helper()
	form := p.fields()
	form.Set("decision", decision)
	return b.do("POST", "/oidc/device", form)
}

func TestDevice(t *testing.T) {
	w := newWorld(t)
	r := w.serve(withDevices(), "")
	begun := r.begin("t")
	code := begun.text("user_code")
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(code) ||
		begun.text("verification_uri") != r.issuer+"/oidc/device" ||
		begun.text("verification_uri_complete") != r.issuer+"/oidc/device?user_code="+code ||
		begun.json["interval"] != 5.0 || begun.json["expires_in"] != 600.0 || begun.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", begun.StatusCode, begun.json)
	}
	device := begun.text("device_code")
	want(t, "at first", r.poll("t", device), 400, "authorization_pending")
	want(t, "at once again", r.poll("t", device), 400, "slow_down")
	r.clock.Advance(5 * time.Second)

	b := r.browser()
	if p := b.get("/oidc/device"); p.StatusCode != 200 || !strings.Contains(p.body, `name="user_code"`) {
		t.Errorf("the page: %d %.300s", p.StatusCode, p.body)
	}
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " ")) // as people type
	asked := b.enter(typed, "alice")
	if asked.StatusCode != 200 || !strings.Contains(asked.body, "Television") || !strings.Contains(asked.body, code) {
		t.Fatalf("the question: %d %.500s", asked.StatusCode, asked.body)
	}
	want(t, "before the answer", r.poll("t", device), 400, "authorization_pending")
	r.clock.Advance(5 * time.Second)
	if p := b.decide(asked, "allow"); p.StatusCode != 200 {
		t.Fatalf("allowed: %d", p.StatusCode)
	}
	want(t, "as another client", r.poll("p", device), 400, "expired_token")
	got := r.poll("t", device)
	want(t, "allowed", got, 200, "")
	if info := r.userinfo(got.text("access_token")); info.text("name") != "N alice" || got.text("id_token") == "" || got.text("refresh_token") == "" {
		t.Errorf("%v, userinfo %v", got.json, info.json)
	}
	r.clock.Advance(5 * time.Second)
	want(t, "a second time", r.poll("t", device), 400, "expired_token")
	if p := b.decide(asked, "allow"); !strings.Contains(p.body, `id="alert"`) {
		t.Errorf("the code was taken twice: %.300s", p.body)
	}

	// It dies with the session of the person who allowed it.
	next := r.refresh("t", got.text("refresh_token"))
	want(t, "refresh", next, 200, "")
	p := b.get("/oidc/logout")
	b.do("POST", "/oidc/logout/confirm", p.fields())
	want(t, "after the logout", r.refresh("t", next.text("refresh_token")), 400, "invalid_grant")
}

func TestDeviceRefused(t *testing.T) {
	r := newWorld(t).serve(withDevices(), "")
	t.Run("denied", func(t *testing.T) {
		begun := r.begin("t")
		b := r.browser()
		b.decide(b.enter(begun.text("user_code"), "alice"), "deny")
		want(t, "denied", r.poll("t", begun.text("device_code")), 400, "access_denied")
	})
	t.Run("expired", func(t *testing.T) {
		begun := r.begin("t")
		r.clock.Advance(10*time.Minute + time.Second)
		want(t, "expired", r.poll("t", begun.text("device_code")), 400, "expired_token")
		if p := r.browser().enter(begun.text("user_code"), "alice"); !strings.Contains(p.body, `id="alert"`) {
			t.Errorf("an old code was taken: %.300s", p.body)
		}
	})
	t.Run("not by every client", func(t *testing.T) {
		want(t, "P", r.begin("p"), 400, "unauthorized_client")
	})
	t.Run("without openid", func(t *testing.T) {
		want(t, "scope", r.call("/oidc/device_authorization", "t", url.Values{"scope": {"profile"}}), 400, "invalid_scope")
	})
	t.Run("nonsense", func(t *testing.T) {
		want(t, "none", r.poll("t", ""), 400, "invalid_request")
		want(t, "nonsense", r.poll("t", "x"), 400, "invalid_grant")
	})
	t.Run("session ended before the device asked", func(t *testing.T) {
		begun := r.begin("t")
		b := r.browser()
		b.decide(b.enter(begun.text("user_code"), "alice"), "allow")
		b.do("POST", "/oidc/logout/confirm", b.get("/oidc/logout").fields())
		want(t, "ended", r.poll("t", begun.text("device_code")), 400, "invalid_grant")
	})
	t.Run("account that may not enter", func(t *testing.T) {
		begun := r.begin("t")
		b := r.browser()
		p := b.enter(begun.text("user_code"), "alice")
		r.people.set("id-alice", account.Disabled)
		defer r.people.set("id-alice", account.Active)
		r.clock.Advance(2 * time.Minute)
		b.decide(p, "allow")
		want(t, "closed", r.poll("t", begun.text("device_code")), 400, "authorization_pending")
	})
	t.Run("application that is not for everybody", func(t *testing.T) {
		some := account.Condition{Attribute: "eduPersonAffiliation", In: []string{"teacher"}}
		r := newWorld(t).serve(withDevices(oidc.Client{RelyingParty: sso.RelyingParty{Name: "Some", Access: some}, ID: "some", Public: true, Device: true}), "")
		begun := r.begin("some")
		b := r.browser()
		if p := b.decide(b.enter(begun.text("user_code"), "alice"), "allow"); p.StatusCode != http.StatusForbidden {
			t.Errorf("%d", p.StatusCode)
		}
		want(t, "refused", r.poll("some", begun.text("device_code")), 400, "access_denied")
	})
}

// R-WEB-06: the decision is that of the person who was asked.
func TestDeviceDecisionIsForgedByNobody(t *testing.T) {
	r := newWorld(t).serve(withDevices(), "")
	begun := r.begin("t")
	alice, bob := r.browser(), r.browser()
	asked := alice.enter(begun.text("user_code"), "alice")
	bob.enter(begun.text("user_code"), "bob")
	form := asked.fields()
	form.Set("decision", "allow")
	if p := alice.do("POST", "/oidc/device", form, "Sec-Fetch-Site", "cross-site"); p.StatusCode != http.StatusForbidden {
		t.Errorf("cross-site: %d", p.StatusCode)
	}
	if p := bob.do("POST", "/oidc/device", form); p.StatusCode != http.StatusSeeOther {
		t.Errorf("another session's page: %d", p.StatusCode)
	}
	form.Del("session")
	if p := alice.do("POST", "/oidc/device", form); p.StatusCode != http.StatusSeeOther {
		t.Errorf("no page at all: %d", p.StatusCode)
	}
	want(t, "nothing was decided", r.poll("t", begun.text("device_code")), 400, "authorization_pending")
}

// Guesses are counted before anything is looked up (RFC 8628 section 5.1).
func TestUserCodesAreNotGuessed(t *testing.T) {
	r := newWorld(t).serve(withDevices(), "")
	begun := r.begin("t")
	b := r.browser()
	b.enter("BBBB-BBBB", "alice")
	for range 30 {
		b.enter("BBBB-BBBC", "alice")
	}
	if p := b.enter(begun.text("user_code"), "alice"); !strings.Contains(p.body, `id="alert"`) {
		t.Errorf("the 32nd try was answered: %.300s", p.body)
	}
	r.clock.Advance(11 * time.Minute)
	again := r.begin("t")
	if p := b.enter(again.text("user_code"), "alice"); strings.Contains(p.body, `id="alert"`) {
		t.Error("the guesser is kept out for good")
	}
}

func TestDevicesAreBounded(t *testing.T) {
	r := newWorld(t).serve(withDevices(), "")
	var refused int
	for range 70 {
		if r.begin("t").StatusCode == http.StatusServiceUnavailable {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 70 refused, want 10", refused)
	}
}

// Of parallel polls on two replicas one gets tokens.
func TestOneDeviceOneAnswer(t *testing.T) {
	w := newWorld(t)
	a := w.serve(withDevices(), "http://127.0.0.1:1")
	other := w.serve(withDevices(), "http://127.0.0.1:1")
	begun := a.begin("t")
	b := a.browser()
	b.decide(b.enter(begun.text("user_code"), "alice"), "allow")
	var mu sync.Mutex
	var polling sync.WaitGroup
	results := map[int]int{}
	for i := range 20 {
		polling.Go(func() {
			got := []*replica{a, other}[i%2].poll("t", begun.text("device_code"))
			mu.Lock()
			defer mu.Unlock()
			results[got.StatusCode]++
		})
	}
	polling.Wait()
	if results[200] != 1 || results[200]+results[400] != 20 {
		t.Errorf("%v", results)
	}
}

// What a client wants of everybody counts for those who allow a device, too.
func TestDevicesOfClientsThatAsk(t *testing.T) {
	r := newWorld(t).serve(withDevices(oidc.Client{RelyingParty: sso.RelyingParty{Name: "Carnet", MaxAge: plugin.Duration(10 * time.Minute),
		Attributes: []sso.Attribute{{Name: "eduPersonAffiliation"}}}, ID: "td", Public: true, Device: true, Consent: true}), "")
	b := r.browser()
	b.code(params())
	r.clock.Advance(9 * time.Minute)
	begun := r.begin("td")
	asked := b.get("/oidc/device?user_code=" + begun.text("user_code"))
	if !strings.Contains(asked.body, "eduPersonAffiliation") {
		t.Errorf("the page does not say all that is told: %.500s", asked.body)
	}
	r.clock.Advance(2 * time.Minute)
	if p := b.decide(asked, "allow"); p.Header.Get("X-Form") == "" {
		t.Errorf("credentials of 11 minutes: %d", p.StatusCode)
	}
	if p := b.get("/oidc/device?user_code=" + begun.text("user_code")); p.Header.Get("X-Form") == "" {
		t.Errorf("the page, by credentials of 11 minutes: %d", p.StatusCode)
	}
	b.decide(b.enter(begun.text("user_code"), "alice"), "allow")
	tokens := r.poll("td", begun.text("device_code"))
	want(t, "by fresh ones", tokens, 200, "")
	want(t, "who agreed there has agreed", r.userinfo(tokens.text("access_token")), 200, "")
}
