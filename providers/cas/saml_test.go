package cas_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// soap is the request of the clients in PHP and Apache.
func soap(artifact string) string {
	return `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header/><SOAP-ENV:Body>` +
		`<samlp:Request xmlns:samlp="urn:oasis:names:tc:SAML:1.0:protocol"  MajorVersion="1" MinorVersion="1" RequestID="_192.168.16.51.1024506224022" IssueInstant="2002-06-19T17:03:44.022Z">` +
		`<samlp:AssertionArtifact>` + artifact + `</samlp:AssertionArtifact></samlp:Request></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

type samlSubject struct {
	User         string `xml:"NameIdentifier"`
	Confirmation string `xml:"SubjectConfirmation>ConfirmationMethod"`
}

type samlResponse struct {
	XMLName  xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Response struct {
		InResponseTo, Recipient, ResponseID, IssueInstant, MajorVersion, MinorVersion string
		Attributes                                                                    []xml.Attr `xml:",any,attr"`
		Status                                                                        struct {
			Code struct {
				Value string `xml:"Value,attr"`
			} `xml:"StatusCode"`
			Message string `xml:"StatusMessage"`
		}
		Assertion *struct {
			Issuer     string `xml:"Issuer,attr"`
			Conditions struct {
				NotBefore    string `xml:"NotBefore,attr"`
				NotOnOrAfter string `xml:"NotOnOrAfter,attr"`
				Audience     string `xml:"AudienceRestrictionCondition>Audience"`
			}
			Attributes *struct {
				Subject samlSubject
				All     []struct {
					Name   string   `xml:"AttributeName,attr"`
					Values []string `xml:"AttributeValue"`
				} `xml:"Attribute"`
			} `xml:"AttributeStatement"`
			Authentication struct {
				Instant string `xml:"AuthenticationInstant,attr"`
				Subject samlSubject
			} `xml:"AuthenticationStatement"`
		} `xml:"urn:oasis:names:tc:SAML:1.0:assertion Assertion"`
	} `xml:"Body>Response"`
}

func (h *house) saml(target, body string) (samlResponse, string) {
	h.t.Helper()
	resp, err := http.Post(h.url+"/cas/samlValidate?"+target, "text/xml", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	var read samlResponse
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml") {
		h.t.Fatalf("%d %s %s", resp.StatusCode, resp.Header.Get("Content-Type"), text)
	}
	if err := xml.Unmarshal(text, &read); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
	return read, string(text)
}

// Section 4.2: what a service over https is told.
func TestSAML(t *testing.T) {
	const secure = "https://app.example/saml?a=1&b"
	h := open(t, cas.Service{RelyingParty: sso.RelyingParty{Name: "App", Attributes: []sso.Attribute{{Name: "memberOf"}}}, Prefix: "https://app.example/saml"})
	b := h.browser()
	ticket := b.ticketFor("alice", secure)
	got, text := h.saml("TARGET="+url.QueryEscape(secure), soap(ticket))
	a := got.Response.Assertion
	if got.Response.Status.Code.Value != "samlp:Success" || a == nil || a.Attributes == nil {
		t.Fatal(text)
	}
	said := map[string]string{}
	for _, attribute := range got.Response.Attributes {
		said[attribute.Name.Local] = attribute.Value
	}
	if said["InResponseTo"] != "_192.168.16.51.1024506224022" || said["Recipient"] != secure || said["MajorVersion"] != "1" || said["MinorVersion"] != "1" ||
		len(said["ResponseID"]) < 22 || said["IssueInstant"] != "2026-09-15T08:00:00Z" {
		t.Errorf("%v", said)
	}
	if a.Issuer != h.url || a.Conditions.Audience != secure || a.Conditions.NotBefore != "2026-09-15T07:59:00Z" || a.Conditions.NotOnOrAfter != "2026-09-15T08:01:00Z" {
		t.Errorf("%+v", a)
	}
	subject := samlSubject{"alice", "urn:oasis:names:tc:SAML:1.0:cm:artifact"}
	if a.Attributes.Subject != subject || a.Authentication.Subject != subject || a.Authentication.Instant != "2026-09-15T08:00:00Z" {
		t.Errorf("%+v", a)
	}
	told := map[string][]string{}
	for _, attribute := range a.Attributes.All {
		told[attribute.Name] = attribute.Values
	}
	want := map[string][]string{"authenticationDate": {"2026-09-15T08:00:00Z"}, "isFromNewLogin": {"true"},
		"longTermAuthenticationRequestTokenUsed": {"false"}, "memberOf": {"staff", "it"}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
	if again, _ := h.saml("TARGET="+url.QueryEscape(secure), soap(ticket)); !strings.HasPrefix(again.Response.Status.Message, "INVALID_TICKET") || again.Response.Assertion != nil {
		t.Errorf("a second time: %+v", again.Response)
	}
}

// Section 4.2.1: nothing is told where it can be read on the way.
func TestSAMLWithoutTLS(t *testing.T) {
	h := open(t)
	got, text := h.saml("TARGET="+url.QueryEscape(app), soap(h.browser().ticketFor("alice", app)))
	if got.Response.Assertion == nil || got.Response.Assertion.Attributes != nil || got.Response.Assertion.Authentication.Subject.User != "alice" || strings.Contains(text, "univ.example") {
		t.Error(text)
	}
}

// R-CAS-21: what is no honest request costs nothing, reaches nobody and leaves
// the ticket alone.
func TestRCAS21(t *testing.T) {
	h := open(t)
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the canary was called") }))
	defer canary.Close()
	target := "TARGET=" + url.QueryEscape(app)
	ticket := h.browser().ticketFor("alice", app)
	honest := soap(ticket)
	for name, c := range map[string]struct{ target, body string }{
		"document type":            {target, `<!DOCTYPE x>` + honest},
		"external entity":          {target, `<!DOCTYPE x [<!ENTITY e SYSTEM "` + canary.URL + `">]>` + soap("&e;")},
		"external document type":   {target, `<!DOCTYPE x SYSTEM "` + canary.URL + `">` + honest},
		"entity bomb":              {target, `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>` + soap("&c;")},
		"unknown entity":           {target, soap("&nbsp;")},
		"deep":                     {target, strings.Repeat("<a>", 20_000)},
		"deep around it":           {target, strings.Repeat("<a>", 20) + honest + strings.Repeat("</a>", 20)},
		"two artifacts":            {target, strings.Replace(honest, "</samlp:Request>", "<samlp:AssertionArtifact>x</samlp:AssertionArtifact></samlp:Request>", 1)},
		"no artifact":              {target, strings.ReplaceAll(honest, "AssertionArtifact", "AssertionIDReference")},
		"an artifact of SAML 2":    {target, strings.ReplaceAll(honest, "SAML:1.0", "SAML:2.0")},
		"cut off":                  {target, honest[:len(honest)-20]},
		"something after it":       {target, honest + "<x"},
		"another encoding":         {target, `<?xml version="1.0" encoding="UTF-16"?>` + honest},
		"empty":                    {target, ""},
		"no XML":                   {target, "logoutRequest=x"},
		"no target":                {"", honest},
		"target twice":             {target + "&" + target, honest},
		"target by the wrong name": {"service=" + url.QueryEscape(app), honest},
	} {
		got, text := h.saml(c.target, c.body)
		if got.Response.Status.Code.Value != "samlp:Requester" || !strings.HasPrefix(got.Response.Status.Message, "INVALID_REQUEST") || got.Response.Assertion != nil {
			t.Errorf("%s: %s", name, text)
		}
	}
	resp, err := http.Post(h.url+"/cas/samlValidate?"+target, "text/xml", strings.NewReader(strings.Repeat("<a>", 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("nested 100,000 times: %d", resp.StatusCode)
	}
	if got, text := h.saml(target, `<?xml version="1.0" encoding="UTF-8"?>`+strings.Replace(honest, ticket, "\n  "+ticket+"\n", 1)); got.Response.Assertion == nil {
		t.Errorf("the honest request: %s", text)
	}
	if got, _ := h.saml(target, soap("PT-00000000000000000000000000000")); !strings.HasPrefix(got.Response.Status.Message, "INVALID_TICKET_SPEC") {
		t.Errorf("a proxy ticket: %+v", got.Response.Status)
	}
}

// X4: the same values as in the other formats.
func TestSAMLEscapes(t *testing.T) {
	const secure = "https://app.example/saml"
	h := open(t, cas.Service{RelyingParty: sso.RelyingParty{Name: "App", Attributes: []sso.Attribute{{Name: "memberOf"}}}, Prefix: secure})
	got, _ := h.saml("TARGET="+url.QueryEscape(secure), soap(h.browser().ticketFor("hostile", secure)))
	const r = "\uFFFD"
	want := strings.NewReplacer("\x00", r, "\x0b", r, "\x1b", r, "\xff", r).Replace(hostile)
	all := got.Response.Assertion.Attributes.All
	if diff := cmp.Diff([]string{want}, all[len(all)-1].Values); diff != "" || got.Response.Assertion.Attributes.Subject.User != "<host&ile>" {
		t.Errorf("read back: %.300s", diff)
	}
}

// The SAML 1.1 filter of Java clients says TARGET at /login and waits for
// SAMLart, whatever page is in between.
func TestSAMLAtLogin(t *testing.T) {
	const secure = "https://app.example/saml?a=1#b"
	h := open(t, cas.Service{RelyingParty: sso.RelyingParty{Name: "App"}, Prefix: "https://app.example/saml", Normalise: registry.Normalise{IgnoreTicket: true}})
	b := h.browser()
	form := b.get("/cas/login", "TARGET", secure)
	if !strings.Contains(form.body, "party=App") || !strings.Contains(form.body, `name="TARGET" value="`+secure) || strings.Contains(form.body, `name="service"`) {
		t.Error(form.body)
	}
	artifact := func(a answer) string {
		t.Helper()
		before, rest, _ := strings.Cut(a.Header.Get("Location"), "SAMLart=")
		ticket, fragment, _ := strings.Cut(rest, "#")
		if before != "https://app.example/saml?a=1&" || !strings.HasPrefix(ticket, "ST-") || fragment != "b" || a.ticket() != "" {
			t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Location"))
		}
		return ticket
	}
	ticket := artifact(b.signIn("alice", "TARGET", secure))
	if got, text := h.saml("TARGET="+url.QueryEscape(secure), soap(ticket)); got.Response.Assertion == nil {
		t.Error(text)
	}
	artifact(b.get("/cas/login", "TARGET", "https://app.example/saml?a=1&SAMLart=ST-old#b"))
	page := b.get("/cas/login", "TARGET", secure, "warn", "true").warned(t, "warn")
	artifact(b.post("/cas/login/continue", "state", page.state()))
	if a := b.get("/cas/login", "TARGET", secure, "method", "POST"); !strings.Contains(a.body, `name="SAMLart"`) {
		t.Error(a.body)
	}
	if a := b.get("/cas/login", "TARGET", "https://evil.example/"); a.StatusCode != http.StatusForbidden {
		t.Errorf("not registered: %d", a.StatusCode)
	}
	if a := b.get("/cas/login", "service", secure, "TARGET", "https://evil.example/"); a.ticket() == "" {
		t.Errorf("service counts, of two: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
}
