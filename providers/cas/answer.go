package cas

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"github.com/loge-idp/loge/providers/cas/registry"
)

// format is one way to write what became of a validation. Of a failure the
// assertion is empty.
type format interface {
	contentType() string
	write(out *bytes.Buffer, a assertion, failed *failure)
}

func write(w http.ResponseWriter, status int, in format, a assertion, failed *failure) {
	var out bytes.Buffer
	in.write(&out, a, failed)
	w.Header().Set("Content-Type", in.contentType())
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the service has gone: nobody is left to tell
}

// plainText is CAS 1. The specification has one line only for a failure, but
// clients of Apache read a second one always.
type plainText struct{}

func (plainText) contentType() string { return "text/plain; charset=UTF-8" }

func (plainText) write(out *bytes.Buffer, a assertion, failed *failure) {
	if failed != nil {
		out.WriteString("no\n\n")
		return
	}
	out.WriteString("yes\n" + a.User + "\n")
}

// asXML is the schema of appendix A. It is written by hand for its order and
// for the prefix, which old clients look for as text.
type asXML struct{}

func (asXML) contentType() string { return "application/xml; charset=UTF-8" }

func (asXML) write(out *bytes.Buffer, a assertion, failed *failure) {
	out.WriteString(`<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">` + "\n")
	if failed != nil {
		out.WriteString(`<cas:authenticationFailure code="` + failed.code + `">`)
		escape(out, failed.description)
		out.WriteString("</cas:authenticationFailure>\n</cas:serviceResponse>\n")
		return
	}
	out.WriteString("<cas:authenticationSuccess>\n")
	element(out, "user", a.User)
	out.WriteString("<cas:attributes>\n")
	element(out, registry.AttributeDate, a.date())
	element(out, registry.AttributeLongTerm, strconv.FormatBool(a.LongTerm))
	element(out, registry.AttributeNewLogin, strconv.FormatBool(a.NewLogin))
	for _, attribute := range a.Attributes {
		for _, value := range attribute.Values {
			element(out, attribute.Name, value)
		}
	}
	out.WriteString("</cas:attributes>\n</cas:authenticationSuccess>\n</cas:serviceResponse>\n")
}

func element(out *bytes.Buffer, name, value string) {
	out.WriteString("<cas:" + name + ">")
	escape(out, value)
	out.WriteString("</cas:" + name + ">\n")
}

func escape(out *bytes.Buffer, value string) {
	_ = xml.EscapeText(out, []byte(value)) // a Buffer takes all
}

// date is an xs:dateTime.
func (a assertion) date() string { return a.AuthTime.UTC().Format(time.RFC3339) }

// asJSON is section 2.5.1, format=JSON.
type asJSON struct{}

func (asJSON) contentType() string { return "application/json" }

func (asJSON) write(out *bytes.Buffer, a assertion, failed *failure) {
	var response map[string]any
	if failed != nil {
		response = map[string]any{"authenticationFailure": map[string]string{"code": failed.code, "description": failed.description}}
	} else {
		attributes := map[string]any{registry.AttributeDate: a.date(), registry.AttributeLongTerm: a.LongTerm, registry.AttributeNewLogin: a.NewLogin}
		for _, attribute := range a.Attributes {
			if len(attribute.Values) == 1 {
				attributes[attribute.Name] = attribute.Values[0]
			} else {
				attributes[attribute.Name] = attribute.Values
			}
		}
		response = map[string]any{"authenticationSuccess": map[string]any{"user": a.User, "attributes": attributes}}
	}
	_ = json.NewEncoder(out).Encode(map[string]any{"serviceResponse": response}) // texts and flags, into a Buffer
}
