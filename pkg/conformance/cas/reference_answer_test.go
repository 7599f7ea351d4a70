package cas_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func (s *reference) attributes(a said) [][2]string {
	long, fresh := fmt.Sprint(a.ticket.session.long), fmt.Sprint(a.ticket.fresh)
	date := a.ticket.session.since.Format(time.RFC3339)
	switch {
	case s.is("every session is told to be long"):
		long = "true"
	case s.is("no session is told to be long"):
		long = "false"
	case s.is("only the first validation tells of the long session"):
		long = fmt.Sprint(a.ticket.session.long && a.ticket.fresh)
	case s.is("every login is told to be new"):
		fresh = "true"
	case s.is("booleans are yes and no"):
		long, fresh = "no", "yes"
	case s.is("the date has Java's name of a zone"):
		date += "[Europe/Paris]"
	}
	all := [][2]string{{"authenticationDate", date}, {"longTermAuthenticationRequestTokenUsed", long}, {"isFromNewLogin", fresh}, {"memberOf", "one"}, {"memberOf", "two & three"}}
	switch {
	case s.is("isFromNewLogin comes last"):
		return append(all[:2:2], all[3], all[4], all[2])
	case s.is("there are no standard attributes"):
		return all[3:]
	case s.is("isFromNewLogin comes twice"):
		return append(all, all[2])
	}
	return all
}

func (s *reference) write(w http.ResponseWriter, path, format string, a said) {
	if s.is("failures are 400") && a.code != "" {
		w.WriteHeader(http.StatusBadRequest)
	}
	if s.is("failures have no description") {
		a.text = ""
	}
	if s.is("failures have no code") {
		a.code = ""
	}
	tells := a.kind == "authenticationSuccess" && !s.is("there are no attributes") &&
		!(path == "serviceValidate" && s.is("/serviceValidate has no attributes")) && !(path == "p3/proxyValidate" && s.is("/p3/proxyValidate has no attributes"))
	if format == "JSON" && !s.is("format=JSON is XML") {
		s.writeJSON(w, a, tells)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	var out strings.Builder
	escape := func(text string) string {
		var escaped strings.Builder
		_ = xml.EscapeText(&escaped, []byte(text))
		return escaped.String()
	}
	element := func(name, text string) string { return "<cas:" + name + ">" + escape(text) + "</cas:" + name + ">" }
	out.WriteString(`<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">`)
	switch a.kind {
	case "authenticationSuccess":
		out.WriteString("<cas:authenticationSuccess>")
		user, attributes, proxies := element("user", a.user), "", ""
		if tells {
			attributes = "<cas:attributes>"
			for _, each := range s.attributes(a) {
				if s.is("attributes are pairs") && each[0] == "memberOf" {
					attributes += `<cas:attribute name="memberOf">` + escape(each[1]) + `</cas:attribute>`
					continue
				}
				if s.is("attributes are pairs") {
					attributes += `<c:` + each[0] + ` xmlns:c="http://www.yale.edu/tp/cas">` + each[1] + `</c:` + each[0] + `>`
					continue
				}
				attributes += element(each[0], each[1])
			}
			attributes += "</cas:attributes>"
		}
		if a.iou != "" {
			attributes += element("proxyGrantingTicket", a.iou)
		}
		if len(a.ticket.proxies) > 0 {
			for _, each := range a.ticket.proxies {
				if s.is("proxies are written without escaping") {
					proxies += "<cas:proxy>" + each + "</cas:proxy>"
					continue
				}
				proxies += element("proxy", each)
			}
			proxies = "<cas:proxies>" + proxies + "</cas:proxies>"
		}
		if s.is("attributes come before the user") {
			user, attributes = attributes, user
		}
		out.WriteString(user + attributes + proxies + "</cas:authenticationSuccess>")
	case "proxySuccess":
		out.WriteString("<cas:proxySuccess>" + element("proxyTicket", a.proxyTicket))
		if s.is("proxySuccess tells the user") {
			out.WriteString(element("user", username))
		}
		out.WriteString("</cas:proxySuccess>")
	default:
		text := escape(a.text)
		if s.is("the ticket is written without escaping") {
			text = a.text
		}
		out.WriteString("<cas:" + a.kind + ` code="` + a.code + `">` + text + "</cas:" + a.kind + ">")
	}
	out.WriteString("</cas:serviceResponse>")
	text := out.String()
	if s.is("the prefix is c") {
		text = strings.NewReplacer("<cas:", "<c:", "</cas:", "</c:", "xmlns:cas", "xmlns:c").Replace(text)
	}
	io.WriteString(w, text)
}

func (s *reference) writeJSON(w http.ResponseWriter, a said, tells bool) {
	w.Header().Set("Content-Type", "application/json")
	body := map[string]any{}
	switch a.kind {
	case "authenticationSuccess":
		body["user"] = a.user
		if s.is("JSON has no user") {
			delete(body, "user")
		}
		if tells && !s.is("JSON has no attributes") {
			attributes := map[string]any{}
			for _, each := range s.attributes(a) {
				attributes[each[0]] = each[1]
			}
			attributes["memberOf"] = []string{"one", "two & three"}
			body["attributes"] = attributes
		}
		if a.iou != "" && !s.is("JSON has no IOU") {
			body["proxyGrantingTicket"] = a.iou
		}
	case "proxySuccess":
		body["proxyTicket"] = a.proxyTicket
	default:
		body["code"], body["description"] = a.code, a.text
		if s.is("failures in JSON have no description") {
			delete(body, "description")
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"serviceResponse": map[string]any{a.kind: body}})
}

func (s *reference) samlValidate(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	text := string(body)
	if s.is("entities of a SAML request are expanded") {
		if _, rest, ok := strings.Cut(text, `<!ENTITY e "`); ok {
			ticket, _, _ := strings.Cut(rest, `"`)
			text = strings.ReplaceAll(text[strings.Index(text, "]>")+2:], "&e;", ticket)
		}
	}
	var request struct {
		Body struct {
			Request struct {
				ID       string `xml:"RequestID,attr"`
				Artifact string `xml:"AssertionArtifact"`
			}
		}
	}
	_ = xml.Unmarshal([]byte(text), &request)
	target := r.URL.Query().Get("TARGET")
	id := strings.TrimSpace(request.Body.Request.Artifact)
	if s.is("/samlValidate does not spend tickets") && s.tickets[id] != nil {
		copied := *s.tickets[id]
		defer func() { s.tickets[id] = &copied }()
	}
	a := s.redeem("samlValidate", url.Values{"service": {target}, "ticket": {id}})
	status, assertion, minor, user := "samlp:Success", "", "1", a.user
	switch {
	case s.is("SAML is 1.0"):
		minor = "0"
	case s.is("SAML tells another user"):
		user = "somebody"
	case s.is("SAML knows every ticket"):
		a.kind, a.ticket = "authenticationSuccess", &refTicket{session: &refSession{}}
	}
	answered := request.Body.Request.ID
	if s.is("InResponseTo is another") {
		answered = "_1"
	}
	if a.kind == "authenticationSuccess" {
		attributes := ""
		if strings.HasPrefix(target, "https:") || s.is("attributes go to services without TLS") {
			attributes = `<saml:AttributeStatement><saml:Attribute AttributeName="memberOf"><saml:AttributeValue>one</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`
		}
		assertion = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion">` + attributes +
			`<saml:AuthenticationStatement><saml:Subject><saml:NameIdentifier>` + user + `</saml:NameIdentifier></saml:Subject></saml:AuthenticationStatement></saml:Assertion>`
	} else {
		status = "samlp:RequestDenied"
	}
	w.Header().Set("Content-Type", "text/xml")
	response := fmt.Sprintf(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:1.0:protocol" MajorVersion="1" MinorVersion="%s" InResponseTo="%s">`+
		`<samlp:Status><samlp:StatusCode Value="%s"/></samlp:Status>%s</samlp:Response>`, minor, answered, status, assertion)
	if !s.is("SAML comes without SOAP") {
		response = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` + response + `</s:Body></s:Envelope>`
	}
	io.WriteString(w, response)
}
