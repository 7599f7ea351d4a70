package cas_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func (s *reference) logout(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	session := s.session(r)
	if session != nil && !s.is("logout ends nothing at the server") && !s.is("logout does nothing") {
		session.ended = true
	}
	s.mu.Unlock()
	if !s.is("logout leaves the cookie") && !s.is("logout does nothing") {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/cas", MaxAge: -1})
		http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	}
	if session != nil && !s.without["slo"] && !s.is("services do not hear of the end") {
		s.farewells(session.visits)
	}
	q := r.URL.Query()
	service := q.Get("service")
	switch {
	case s.is("logout follows url") && q.Get("url") != "":
		http.Redirect(w, r, q.Get("url"), http.StatusFound)
	case s.is("logout shows the login form") && service == "":
		s.form(w, r, "")
	case s.is("logout redirects to any service") && service != "":
		http.Redirect(w, r, service, http.StatusFound)
	case service != "" && s.registered(service) && !s.is("logout never redirects"):
		http.Redirect(w, r, service, http.StatusFound)
	default:
		s.page(w, "You are signed out.")
	}
}

func (s *reference) farewells(visits []refVisit) {
	if len(visits) > 0 {
		switch {
		case s.is("only the last service hears of the end"):
			visits = visits[len(visits)-1:]
		case s.is("ten services hear of the end"):
			visits = visits[:min(10, len(visits))]
		case s.is("one ticket of a service is kept"):
			last := map[string]refVisit{}
			for _, v := range visits {
				last[v.service] = v
			}
			visits = nil
			for _, v := range last {
				visits = append(visits, v)
			}
		}
	}
	for _, v := range visits {
		ns, id, index, name, version, at := "urn:oasis:names:tc:SAML:2.0:protocol", s.random("LR-"), v.ticket, "@NOT_USED@", "2.0", time.Now()
		prefix, contentType, before := "samlp", "application/x-www-form-urlencoded", "logoutRequest="
		switch {
		case s.is("SessionIndex is another"):
			index = s.random("ST-")
			before = "logoutRequest=" + "<!--" + v.ticket + "-->"
		case s.is("the version of the message is 1.1"):
			version = "1.1"
		case s.is("the message was issued in 1970"):
			at = time.Unix(0, 0)
		case s.is("NameID is the user"):
			name = username
		case s.is("every message has the same ID"):
			id = "LR-1"
		case s.is("the message comes as XML"):
			contentType, before = "text/xml", ""
		case s.is("the prefix of the message is sp"):
			prefix = "sp"
		}
		text := fmt.Sprintf(`<%[1]s:LogoutRequest xmlns:%[1]s="%[2]s" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="%[3]s" Version="%[4]s" IssueInstant="%[5]s">`+
			`<saml:NameID>%[6]s</saml:NameID><%[1]s:SessionIndex>%[7]s</%[1]s:SessionIndex></%[1]s:LogoutRequest>`,
			prefix, ns, id, version, at.UTC().Format(time.RFC3339), name, index)
		if before != "" {
			before, text = "logoutRequest=", url.QueryEscape(strings.TrimPrefix(before, "logoutRequest=")+text)
		}
		answer, err := http.Post(v.service, contentType, strings.NewReader(before+text))
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode >= 500 && s.is("the first service that fails ends the farewells") {
			return
		}
	}
}
