package cas

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/secret"
)

// samlValidate answers POST /cas/samlValidate (CAS 3.0.3 section 4.2): the
// ticket comes as the artifact of a SAML 1.1 request in SOAP, and the answer is
// the like.
func (p *protocol) samlValidate(w http.ResponseWriter, r *http.Request) {
	in := &asSAML{now: p.env.Now().UTC(), issuer: p.env.Issuer}
	query, twice := single(r.URL.Query(), samlTarget)
	request, err := readSAML(r.Body)
	in.request, in.target = request.id, query[samlTarget]
	var failed *failure
	switch {
	case twice != nil || in.target == "":
		failed = &failure{codeRequest, "TARGET is required, once."}
	case err != nil:
		failed = &failure{codeRequest, "The body is " + err.Error() + "."}
	}
	p.answer(w, r, in, onlyIssued, map[string]string{"service": in.target, "ticket": request.artifact}, failed)
}

const (
	samlProtocol  = "urn:oasis:names:tc:SAML:1.0:protocol"
	samlAssertion = "urn:oasis:names:tc:SAML:1.0:assertion"
)

type samlRequest struct{ id, artifact string }

// samlDepth is how deep a request may be nested; an honest one has four levels.
const samlDepth = 16

var errSAML = errors.New("not a SAML 1.1 request with one artifact")

// readSAML reads the little of a request that matters. A document type is
// refused before it could declare anything, and nesting before it could cost
// anything (R-CAS-21); package web bounds the size.
func readSAML(body io.Reader) (samlRequest, error) {
	var request samlRequest
	var artifact strings.Builder
	depth, inside := 0, false
	tokens := xml.NewDecoder(body)
	for {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return request, errSAML
		}
		switch t := token.(type) {
		case xml.Directive:
			return request, errSAML
		case xml.StartElement:
			if depth++; depth > samlDepth {
				return request, errSAML
			}
			inside = false
			switch t.Name {
			case xml.Name{Space: samlProtocol, Local: "Request"}:
				request.id = attributeOf(t, "RequestID")
			case xml.Name{Space: samlProtocol, Local: "AssertionArtifact"}:
				if artifact.Len() > 0 {
					return request, errSAML
				}
				inside = true
			}
		case xml.CharData:
			if inside {
				artifact.Write(t)
			}
		case xml.EndElement:
			depth--
			inside = false
		}
	}
	request.artifact = strings.TrimSpace(artifact.String())
	if request.artifact == "" {
		return request, errSAML
	}
	return request, nil
}

func attributeOf(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// asSAML writes a SAML 1.1 response. It has no prefixes but SOAP's, which is
// what clients expect that look for elements by name.
type asSAML struct {
	now     time.Time
	issuer  string
	request string // the ID of what is answered
	target  string
}

func (*asSAML) contentType() string { return "text/xml; charset=UTF-8" }

// samlSkew is how far the clock of a service may be from ours.
const samlSkew = time.Minute

func (f *asSAML) success(out *bytes.Buffer, a assertion, _ string) {
	f.begin(out, "samlp:Success", "")
	out.WriteString(`<Assertion xmlns="` + samlAssertion + `" AssertionID="_` + secret.Random(32) + `" IssueInstant="` + instant(f.now) +
		`" MajorVersion="1" MinorVersion="1"`)
	samlAttribute(out, "Issuer", f.issuer)
	out.WriteString(`><Conditions NotBefore="` + instant(f.now.Add(-samlSkew)) + `" NotOnOrAfter="` + instant(f.now.Add(samlSkew)) + `">` +
		"<AudienceRestrictionCondition><Audience>")
	escape(out, f.target)
	out.WriteString("</Audience></AudienceRestrictionCondition></Conditions>")
	// Attributes never go where they can be read on the way (section 4.2.1).
	if strings.HasPrefix(f.target, "https://") {
		out.WriteString("<AttributeStatement>")
		samlSubject(out, a.User)
		for _, attribute := range a.all() {
			out.WriteString("<Attribute")
			samlAttribute(out, "AttributeName", attribute.Name)
			out.WriteString(` AttributeNamespace="http://www.ja-sig.org/products/cas/">`)
			for _, value := range attribute.Values {
				out.WriteString("<AttributeValue>")
				escape(out, value)
				out.WriteString("</AttributeValue>")
			}
			out.WriteString("</Attribute>")
		}
		out.WriteString("</AttributeStatement>")
	}
	out.WriteString(`<AuthenticationStatement AuthenticationInstant="` + instant(a.AuthTime) + `" AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password">`)
	samlSubject(out, a.User)
	out.WriteString("</AuthenticationStatement></Assertion>")
	f.end(out)
}

func (f *asSAML) failure(out *bytes.Buffer, why failure) {
	status := "samlp:Requester"
	if why.code == codeInternal {
		status = "samlp:Responder"
	}
	f.begin(out, status, why.code+": "+why.description)
	f.end(out)
}

func (f *asSAML) begin(out *bytes.Buffer, status, message string) {
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header/><SOAP-ENV:Body>` +
		`<Response xmlns="` + samlProtocol + `" xmlns:samlp="` + samlProtocol + `" MajorVersion="1" MinorVersion="1" ResponseID="_` + secret.Random(32) +
		`" IssueInstant="` + instant(f.now) + `"`)
	if f.request != "" {
		samlAttribute(out, "InResponseTo", f.request)
	}
	samlAttribute(out, "Recipient", f.target)
	out.WriteString(`><Status><StatusCode Value="` + status + `"/>`)
	if message != "" {
		out.WriteString("<StatusMessage>")
		escape(out, message)
		out.WriteString("</StatusMessage>")
	}
	out.WriteString("</Status>")
}

func (*asSAML) end(out *bytes.Buffer) {
	out.WriteString("</Response></SOAP-ENV:Body></SOAP-ENV:Envelope>")
}

func samlSubject(out *bytes.Buffer, user string) {
	out.WriteString("<Subject><NameIdentifier>")
	escape(out, user)
	out.WriteString("</NameIdentifier><SubjectConfirmation><ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:artifact</ConfirmationMethod></SubjectConfirmation></Subject>")
}

func samlAttribute(out *bytes.Buffer, name, value string) {
	out.WriteString(" " + name + `="`)
	escape(out, value)
	out.WriteString(`"`)
}

// instant is an xs:dateTime in UTC (SAML 1.1 core section 1.2.2).
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
