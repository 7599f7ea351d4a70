package cas

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

var saml = []rule{
	{"M1.1", may, "/samlValidate is there", func(t *trial) {
		if p := t.samlPost(t.secure(), samlRequest("ST-unknown")); p.status == http.StatusNotFound || p.status == http.StatusMethodNotAllowed {
			t.lacksf("%s", p.says())
		}
	}},
	{"M1.2", must, "a good ticket: a SAML 1.1 Response with Success and the user", func(t *trial) {
		s := t.secure()
		b := t.browser()
		user := t.accepted(t.ask("serviceValidate", "service", s, "ticket", b.ticket(s))).user
		root := t.saml(s, samlRequest(b.ticket(s)))
		response := root.find(samlp1, "Response")
		if len(response) != 1 || response[0].attr("MajorVersion") != "1" || response[0].attr("MinorVersion") != "1" {
			t.failf("no Response of SAML 1.1")
		}
		t.succeeded(root)
		names := root.find(saml1, "NameIdentifier")
		if len(names) == 0 {
			t.failf("no NameIdentifier")
		}
		for _, name := range names {
			if name.text() != user {
				t.failf("NameIdentifier %q, not %q", name.text(), user)
			}
		}
	}},
	{"M1.3", must, "the answer comes in a SOAP envelope", func(t *trial) {
		root := t.saml(t.secure(), samlRequest("ST-unknown"))
		if root.XMLName.Space != soap || root.XMLName.Local != "Envelope" {
			t.failf("{%s}%s", root.XMLName.Space, root.XMLName.Local)
		}
	}},
	{"M1.4", field, "InResponseTo is the RequestID of the request", func(t *trial) {
		s := t.secure()
		root := t.saml(s, samlRequest(t.browser().ticket(s)))
		for _, response := range root.find(samlp1, "Response") {
			if got := response.attr("InResponseTo"); got != requestID {
				t.failf("%q", got)
			}
		}
	}},
	{"M2.1", must, "a ticket that is unknown or another service's: no Success, no assertion", func(t *trial) {
		s := t.secure()
		b := t.browser()
		for _, ticket := range []string{"ST-unknown", b.ticket(t.secure())} {
			t.unsuccessful(t.saml(s, samlRequest(ticket)))
		}
	}},
	{"M2.2", must, "a ticket is for one use, here and at the other endpoints", func(t *trial) {
		s := t.secure()
		b := t.browser()
		ticket := b.ticket(s)
		t.succeeded(t.saml(s, samlRequest(ticket)))
		t.unsuccessful(t.saml(s, samlRequest(ticket)))
		t.refused(t.ask("serviceValidate", "service", s, "ticket", ticket), "INVALID_TICKET")
		ticket = b.ticket(s)
		t.accepted(t.ask("serviceValidate", "service", s, "ticket", ticket))
		t.unsuccessful(t.saml(s, samlRequest(ticket)))
	}},
	{"M3.1", must, "no attributes go to a service without TLS", func(t *trial) {
		s := t.service().url
		if !strings.HasPrefix(s, "http:") {
			t.excusef("the suite has no service without TLS")
		}
		root := t.saml(s, samlRequest(t.browser().ticket(s)))
		if len(root.find(saml1, "AttributeStatement")) > 0 {
			t.failf("attributes for %s", s)
		}
	}},
	{"M4.1", field, "a document type is refused: no entity is expanded", func(t *trial) {
		s := t.secure()
		ticket := t.browser().ticket(s)
		body := `<!DOCTYPE x [<!ENTITY e "` + ticket + `">]>` + samlRequest("&e;")
		p := t.samlPost(s, body)
		t.offered(p)
		if root, err := parse(p.body); err == nil && len(root.find(saml1, "Assertion")) > 0 {
			t.failf("the entity was expanded to a ticket")
		}
	}},
}

const (
	soap   = "http://schemas.xmlsoap.org/soap/envelope/"
	samlp1 = "urn:oasis:names:tc:SAML:1.0:protocol"
	saml1  = "urn:oasis:names:tc:SAML:1.0:assertion"

	requestID = "_cas-conformance-192.0.2.1.1024506224022"
)

// secure is a new service over TLS, as section 4.2.1 wants it.
func (t *trial) secure() string { return t.app.place(t.app.secure, t.id).url }

// samlRequest is that of section 4.2.3.
func samlRequest(ticket string) string {
	return fmt.Sprintf(`<SOAP-ENV:Envelope xmlns:SOAP-ENV="%s"><SOAP-ENV:Header/><SOAP-ENV:Body>`+
		`<samlp:Request xmlns:samlp="%s" MajorVersion="1" MinorVersion="1" RequestID="%s" IssueInstant="%s">`+
		`<samlp:AssertionArtifact>%s</samlp:AssertionArtifact></samlp:Request></SOAP-ENV:Body></SOAP-ENV:Envelope>`,
		soap, samlp1, requestID, time.Now().UTC().Format("2006-01-02T15:04:05Z"), ticket)
}

func (t *trial) samlPost(target, body string) page {
	req := t.newRequest(http.MethodPost, t.at("samlValidate", "TARGET", target), strings.NewReader(body))
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("SOAPAction", "http://www.oasis-open.org/committees/security")
	return t.send(req)
}

// offered excuses a server that has no /samlValidate.
func (t *trial) offered(p page) {
	if p.status == http.StatusNotFound || p.status == http.StatusMethodNotAllowed {
		t.excusef("there is no /samlValidate")
	}
}

// saml validates at /samlValidate.
func (t *trial) saml(target, body string) element {
	p := t.samlPost(target, body)
	t.offered(p)
	root, err := parse(p.body)
	if err != nil {
		t.failf("not well-formed: %v; %s", err, p.says())
	}
	return root
}

// status is the outermost StatusCode, without its prefix.
func status(root element) string {
	codes := root.find(samlp1, "StatusCode")
	if len(codes) == 0 {
		return ""
	}
	value := codes[0].attr("Value")
	return value[strings.LastIndexByte(value, ':')+1:]
}

func (t *trial) succeeded(root element) {
	if status(root) != "Success" || len(root.find(saml1, "Assertion")) == 0 {
		t.failf("status %q", status(root))
	}
}

func (t *trial) unsuccessful(root element) {
	if status(root) == "Success" || len(root.find(saml1, "Assertion")) > 0 {
		t.failf("status %q", status(root))
	}
}
