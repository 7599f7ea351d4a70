package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/oidc"
)

const callbackC = "https://c.example/cb"

// withConsent is the cast and C, an application of others.
func withConsent() oidc.Config {
	config := cast()
	config.Clients = append(config.Clients, oidc.Client{
		RelyingParty: sso.RelyingParty{Name: "Carnet", Attributes: []sso.Attribute{{Name: "eduPersonAffiliation"}}}, ID: "c",
		Secret: secret.New("the secret of client c"), RedirectURIs: []string{callbackC}, Consent: true})
	return config
}

func asC(changes ...string) url.Values {
	return params(append([]string{"client_id", "c", "redirect_uri", callbackC}, changes...)...)
}

// asked goes as far as the page of the consent.
func (b *browser) asked(v url.Values, user string) page {
	b.t.Helper()
	p := b.authorize(v)
	if p.Header.Get("X-Form") != "" {
		p = b.submit(p, user)
	}
	if p.StatusCode != http.StatusOK || !strings.Contains(p.body, `action="/oidc/consent"`) {
		b.t.Fatalf("no question: %d %q %.300s", p.StatusCode, p.Header.Get("Location"), p.body)
	}
	return p
}

func (b *browser) consent(p page, decision string) page {
	b.t.Helper()
	return b.do("POST", "/oidc/consent", url.Values{"asked": {p.fields().Get("asked")}, "decision": {decision}})
}

func TestConsent(t *testing.T) {
	r := newWorld(t).serve(withConsent(), "")
	b := r.browser()
	p := b.asked(asC(), "alice")
	for _, text := range []string{"Carnet", "votre nom et votre identifiant", "votre adresse mail", "eduPersonAffiliation"} {
		if !strings.Contains(p.body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if got := b.authorize(asC("prompt", "none")).answer(t); got.Get("error") != "consent_required" {
		t.Errorf("silently, before anybody agreed: %v", got)
	}
	if got := b.consent(p, "deny").answer(t); got.Get("error") != "access_denied" || got.Get("state") != "st&te=1" || got.Has("code") {
		t.Errorf("refused: %v", got)
	}
	got := b.consent(b.asked(asC(), "alice"), "allow").answer(t)
	if got.Get("code") == "" || got.Get("state") != "st&te=1" || got.Get("iss") != r.issuer {
		t.Fatalf("agreed: %v", got)
	}
	want(t, "the code", r.call("/oidc/token", "c", codeForm(got.Get("code"), "redirect_uri", callbackC)), 200, "")

	if got := b.authorize(asC()).answer(t); got.Get("code") == "" {
		t.Errorf("agreed before: %v", got)
	}
	if got := b.authorize(asC("scope", "openid", "prompt", "none")).answer(t); got.Get("code") == "" {
		t.Errorf("less than was agreed to: %v", got)
	}
	r.clock.Advance(100 * 24 * time.Hour) // in another session, in another browser
	if got := r.browser().signIn(asC(), "alice").answer(t); got.Get("code") == "" {
		t.Errorf("a hundred days later: %v", got)
	}
	r.browser().asked(asC(), "bob") // who agreed to nothing
	b.asked(asC("prompt", "consent"), "alice")
}

func (b *browser) signIn(v url.Values, user string) page {
	b.t.Helper()
	return b.submit(b.authorize(v), user)
}

// What was not agreed to is asked again; what another client was told counts
// for that one only.
func TestConsentIsForWhatWasAsked(t *testing.T) {
	config := withConsent()
	config.Clients[len(config.Clients)-1].Scopes = []string{"openid", "profile", "email", "phone"}
	r := newWorld(t).serve(config, "")
	b := r.browser()
	b.consent(b.asked(asC("scope", "openid profile"), "alice"), "allow")
	b.asked(asC("scope", "openid profile phone"), "alice")
	b.asked(asC("scope", "openid profile", "claims", `{"userinfo":{"email":null}}`), "alice")
	b.asked(params("prompt", "consent"), "alice")
}

// prompt=login and max_age were met when the page was shown: agreeing does not
// ask for the password once more.
func TestConsentAfterAFreshLogin(t *testing.T) {
	r := newWorld(t).serve(withConsent(), "")
	for name, v := range map[string]url.Values{
		"prompt=login": asC("prompt", "login consent"), "max_age": asC("max_age", "1", "prompt", "consent"),
		"form_post": asC("prompt", "consent", "response_mode", "form_post"),
	} {
		b := r.browser()
		p := b.asked(v, "alice")
		r.clock.Advance(2 * time.Minute)
		after := b.consent(p, "allow")
		if after.Header.Get("Location") == "" && after.fields().Get("code") == "" ||
			after.Header.Get("Location") != "" && after.answer(t).Get("code") == "" {
			t.Errorf("%s: %d %q", name, after.StatusCode, after.Header.Get("Location"))
		}
	}
	b := r.browser()
	p := b.asked(asC("prompt", "login consent"), "alice")
	r.clock.Advance(11 * time.Minute)
	if after := b.consent(p, "allow"); !strings.HasPrefix(after.Header.Get("Location"), r.issuer+"/oidc/authorize?") {
		t.Errorf("a page as old as that: %d %q", after.StatusCode, after.Header.Get("Location"))
	}
}

// R-WEB-06, R-OAUTH-41: only who was asked can answer.
func TestConsentIsForgedByNobody(t *testing.T) {
	r := newWorld(t).serve(withConsent(), "")
	alice, bob := r.browser(), r.browser()
	p := alice.asked(asC(), "alice")
	bob.asked(asC(), "bob")
	form := url.Values{"asked": {p.fields().Get("asked")}, "decision": {"allow"}}
	if got := alice.do("POST", "/oidc/consent", form, "Sec-Fetch-Site", "cross-site"); got.StatusCode != http.StatusForbidden {
		t.Errorf("cross-site: %d", got.StatusCode)
	}
	for name, b := range map[string]*browser{"another session": bob, "no session": r.browser()} {
		if got := b.do("POST", "/oidc/consent", form); !strings.HasPrefix(got.Header.Get("Location"), r.issuer+"/oidc/authorize?") {
			t.Errorf("%s: %d %q", name, got.StatusCode, got.Header.Get("Location"))
		}
	}
	for _, forged := range []string{"", "x", form.Get("asked")[1:]} {
		if got := alice.do("POST", "/oidc/consent", url.Values{"asked": {forged}, "decision": {"allow"}}); got.StatusCode != http.StatusBadRequest {
			t.Errorf("forged %.10q: %d", forged, got.StatusCode)
		}
	}
	bob.asked(asC(), "bob")
	alice.asked(asC(), "alice")
}

// What was agreed to can be looked at and taken back.
func TestConsentsCanBeTakenBack(t *testing.T) {
	r := newWorld(t).serve(withConsent(), "")
	consents := r.protocol.(interface {
		Consents(ctx context.Context, id account.ID) ([]sso.Consent, error)
		RevokeConsent(ctx context.Context, id account.ID, client string) error
	})
	b := r.browser()
	code := b.consent(b.asked(asC("scope", "openid profile offline_access"), "alice"), "allow").answer(t).Get("code")
	tokens := r.call("/oidc/token", "c", codeForm(code, "redirect_uri", callbackC))
	want(t, "userinfo while agreed", r.userinfo(tokens.text("access_token")), 200, "")
	b.consent(b.asked(params("prompt", "consent", "scope", "openid"), "alice"), "allow")
	given, err := consents.Consents(t.Context(), "id-alice")
	if err != nil || len(given) != 2 || given[0].Client != "c" || given[0].Name != "Carnet" || !slices.Contains(given[0].Told, "profile") ||
		!given[0].At.Equal(r.clock.Now()) || given[1].Client != "w" {
		t.Fatalf("%+v, %v", given, err)
	}
	if err := consents.RevokeConsent(t.Context(), "id-alice", "c"); err != nil {
		t.Fatal(err)
	}
	want(t, "userinfo afterwards", r.userinfo(tokens.text("access_token")), 401, "invalid_token")
	want(t, "refresh afterwards", r.refresh("c", tokens.text("refresh_token")), 400, "invalid_grant")
	b.asked(asC(), "alice")
	if given, err := consents.Consents(t.Context(), "id-alice"); err != nil || len(given) != 1 {
		t.Errorf("%+v, %v", given, err)
	}
	if err := consents.RevokeConsent(t.Context(), "id-alice", "nobody"); err != nil {
		t.Error(err)
	}
}
