package cas

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"

	"github.com/loge-idp/loge/providers/cas/registry"
)

// format is one way to write what became of a validation.
type format interface {
	contentType() string
	// success tells who it is, and of a proxy-granting ticket by what name it
	// was sent; empty when there is none.
	success(out *bytes.Buffer, a assertion, iou string)
	failure(out *bytes.Buffer, why failure)
}

// write sends an answer. A refusal is a 200 as well: clients in Java see no
// body of a 400.
func write(w http.ResponseWriter, status int, in format, fill func(out *bytes.Buffer)) {
	var out bytes.Buffer
	fill(&out)
	w.Header().Set("Content-Type", in.contentType())
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the service has gone: nobody is left to tell
}

// plainText is CAS 1. The specification has one line only for a failure, but
// clients of Apache read a second one always.
type plainText struct{}

func (plainText) contentType() string { return "text/plain; charset=UTF-8" }

func (plainText) success(out *bytes.Buffer, a assertion, _ string) {
	out.WriteString("yes\n" + a.User + "\n")
}

func (plainText) failure(out *bytes.Buffer, _ failure) { out.WriteString("no\n\n") }

// kind is whose failure an answer tells, by the name of its element.
type kind string

const (
	ofValidation kind = "authenticationFailure"
	ofProxy      kind = "proxyFailure"
)

// typed is a format that can also carry a proxy ticket.
type typed interface {
	format
	proxyTicket(out *bytes.Buffer, ticket string)
}

// formatOf is the format that a request names (CAS 3.0.3 section 2.5.1).
func formatOf(given string, of kind) (typed, *failure) {
	switch given {
	case "", "XML":
		return asXML{of}, nil
	case "JSON":
		return asJSON{of}, nil
	}
	return asXML{of}, &failure{codeRequest, "The format is none of XML and JSON."}
}

// asXML is the schema of appendix A. It is written by hand for its order and
// for the prefix, which old clients look for as text.
type asXML struct{ of kind }

func (asXML) contentType() string { return "application/xml; charset=UTF-8" }

const (
	xmlBegin = `<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">` + "\n"
	xmlEnd   = "</cas:serviceResponse>\n"
)

func (asXML) success(out *bytes.Buffer, a assertion, iou string) {
	out.WriteString(xmlBegin + "<cas:authenticationSuccess>\n")
	element(out, "user", a.User)
	if a.Placement != registry.Flat {
		out.WriteString("<cas:attributes>\n")
		a.elements(out)
		out.WriteString("</cas:attributes>\n")
	}
	if a.Placement == registry.Flat || a.Placement == registry.Both {
		a.elements(out)
	}
	if iou != "" {
		element(out, "proxyGrantingTicket", iou)
	}
	if len(a.Proxies) > 0 {
		out.WriteString("<cas:proxies>\n")
		for _, proxy := range a.Proxies {
			element(out, "proxy", proxy)
		}
		out.WriteString("</cas:proxies>\n")
	}
	out.WriteString("</cas:authenticationSuccess>\n" + xmlEnd)
}

func (a assertion) elements(out *bytes.Buffer) {
	for _, attribute := range a.all() {
		for _, value := range attribute.Values {
			element(out, attribute.Name, value)
		}
	}
}

func (f asXML) failure(out *bytes.Buffer, why failure) {
	out.WriteString(xmlBegin + "<cas:" + string(f.of) + ` code="` + why.code + `">`)
	escape(out, why.description)
	out.WriteString("</cas:" + string(f.of) + ">\n" + xmlEnd)
}

func (asXML) proxyTicket(out *bytes.Buffer, ticket string) {
	out.WriteString(xmlBegin + "<cas:proxySuccess>\n")
	element(out, "proxyTicket", ticket)
	out.WriteString("</cas:proxySuccess>\n" + xmlEnd)
}

func element(out *bytes.Buffer, name, value string) {
	out.WriteString("<cas:" + name + ">")
	escape(out, value)
	out.WriteString("</cas:" + name + ">\n")
}

func escape(out *bytes.Buffer, value string) {
	_ = xml.EscapeText(out, []byte(value)) // a Buffer takes all
}

// asJSON is section 2.5.1, format=JSON.
type asJSON struct{ of kind }

func (asJSON) contentType() string { return "application/json" }

func (f asJSON) success(out *bytes.Buffer, a assertion, iou string) {
	attributes := map[string]any{}
	for _, attribute := range a.all() {
		if len(attribute.Values) == 1 {
			attributes[attribute.Name] = attribute.Values[0]
		} else {
			attributes[attribute.Name] = attribute.Values
		}
	}
	attributes[registry.AttributeLongTerm], attributes[registry.AttributeNewLogin] = a.LongTerm, a.NewLogin
	body := map[string]any{"user": a.User, "attributes": attributes}
	if iou != "" {
		body["proxyGrantingTicket"] = iou
	}
	if len(a.Proxies) > 0 {
		body["proxies"] = a.Proxies
	}
	f.response(out, "authenticationSuccess", body)
}

func (f asJSON) failure(out *bytes.Buffer, why failure) {
	f.response(out, string(f.of), map[string]string{"code": why.code, "description": why.description})
}

func (f asJSON) proxyTicket(out *bytes.Buffer, ticket string) {
	f.response(out, "proxySuccess", map[string]string{"proxyTicket": ticket})
}

func (asJSON) response(out *bytes.Buffer, name string, body any) {
	_ = json.NewEncoder(out).Encode(map[string]any{"serviceResponse": map[string]any{name: body}}) // texts and flags, into a Buffer
}
