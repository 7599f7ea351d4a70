package cas_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// said is what a validation has to say.
type said struct {
	kind, code, text string
	user             string
	ticket           *refTicket
	iou, proxyTicket string
}

func failed(code, text string) said {
	return said{kind: "authenticationFailure", code: code, text: text}
}

// redeem spends a ticket.
func (s *reference) redeem(path string, q url.Values) said {
	if !s.is("doubles are not noticed") {
		for _, name := range []string{"service", "ticket"} {
			if len(q[name]) > 1 {
				return failed("INVALID_REQUEST", "A parameter is given twice.")
			}
		}
	}
	if s.is("a ticket is decoded twice") {
		if inner, err := url.ParseQuery("ticket=" + q.Get("ticket")); err == nil && inner.Has("service") {
			q = inner
		}
	}
	service, id := s.parameter(q, "service"), s.parameter(q, "ticket")
	t := s.tickets[id]
	if service == "" || id == "" {
		if s.is("a missing service spends the ticket") && t != nil {
			t.used = true
		}
		if s.is("a missing parameter is INVALID_TICKET") {
			return failed("INVALID_TICKET", "Missing.")
		}
		return failed("INVALID_REQUEST", "service and ticket are required.")
	}
	const unknown = "The ticket is unknown."
	if t == nil || t.session.ended && !s.is("tickets outlive the session") && !(t.proxy && s.is("proxy tickets outlive the session")) && !(!t.proxy && s.is("service tickets outlive the session")) {
		code := "INVALID_TICKET"
		if s.is("an unknown ticket is INTERNAL_ERROR") {
			code = "INTERNAL_ERROR"
		}
		text := unknown
		if s.is("the ticket is written without escaping") {
			text = id + " is unknown"
		}
		return failed(code, text)
	}
	onceMore := s.is("a ticket is good for ever") || t.proxy && s.is("a proxy ticket is good for ever")
	if t.used && !onceMore {
		return failed("INVALID_TICKET", "The ticket was used before.")
	}
	if s.is("a ticket is looked up, and spent a moment later") {
		s.mu.Unlock()
		time.Sleep(200 * time.Millisecond)
		s.mu.Lock()
	}
	t.used = true
	if !strings.Contains(path, "proxy") && t.proxy && !s.is("/serviceValidate takes a proxy ticket") && !(path == "validate" && s.is("/validate takes a proxy ticket")) {
		text := "A proxy ticket is validated at /proxyValidate."
		code := "INVALID_TICKET_SPEC"
		if s.is("a proxy ticket is refused as an unknown ticket") {
			code, text = "INVALID_TICKET", unknown
		}
		return failed(code, text)
	}
	if path == "proxyValidate" && !t.proxy && s.is("/proxyValidate takes no service ticket") {
		return failed("INVALID_TICKET_SPEC", "Not a proxy ticket.")
	}
	if t.service != service && !s.is("a ticket is for every service") && !(t.proxy && s.is("a proxy ticket is for every service")) {
		t.used = !s.is("a ticket for another service stays alive") && !(t.proxy && s.is("a proxy ticket for another service stays alive"))
		if s.is("another service is INVALID_TICKET") {
			return failed("INVALID_TICKET", "Another service.")
		}
		return failed("INVALID_SERVICE", "The ticket is another service's.")
	}
	if q.Get("renew") == "true" && !t.fresh && !s.is("renew is ignored at validation") && !(path == "validate" && s.is("renew is ignored at /validate")) {
		t.used = !s.is("renew does not spend the ticket")
		text := "The ticket does not come from credentials."
		if s.is("renew is refused as an unknown ticket") {
			text = unknown
		}
		return failed("INVALID_TICKET", text)
	}
	if q.Get("renew") == "true" && s.is("renew is always refused") {
		return failed("INVALID_TICKET", "The ticket does not come from credentials.")
	}
	t.session.visits = append(t.session.visits, refVisit{service, id})
	user := username
	if t.proxy && s.is("a proxy ticket is somebody else's") {
		user = "somebody"
	}
	return said{kind: "authenticationSuccess", user: user, ticket: t}
}

func (s *reference) validate(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.redeem("validate", r.URL.Query())
	w.Header().Set("Content-Type", "text/plain")
	switch {
	case s.is("/validate says ok"):
		io.WriteString(w, "ok\n")
	case s.is("/validate says yes to everything"):
		io.WriteString(w, "yes\n"+username+"\n")
	case a.kind != "authenticationSuccess":
		if s.is("/validate refuses by 403") {
			w.WriteHeader(http.StatusForbidden)
		}
		io.WriteString(w, "no\n\n")
	case s.is("/validate has one line"):
		io.WriteString(w, "yes\n")
	case s.is("/validate tells of the long session"):
		fmt.Fprintf(w, "yes\n%s\n", a.user)
		if a.ticket.session.long {
			io.WriteString(w, "long\n")
		}
	default:
		fmt.Fprintf(w, "yes\n%s\n", a.user)
	}
}

func (s *reference) serviceValidate(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, q := strings.TrimPrefix(r.URL.Path, "/cas/"), r.URL.Query()
	format := q.Get("format")
	var a said
	switch {
	case format != "" && format != "XML" && format != "JSON" && !s.is("an unknown format is XML"):
		code := "INVALID_REQUEST"
		if s.is("an unknown format is INTERNAL_ERROR") {
			code = "INTERNAL_ERROR"
		}
		a = failed(code, "No such format.")
	case format == "XML" && s.is("format=XML is an error"):
		a = failed("INVALID_REQUEST", "No such format.")
	default:
		before := ""
		if s.is("the callback comes before the validation") && q.Get("pgtUrl") != "" && s.tickets[q.Get("ticket")] != nil {
			before, _ = s.grant(q.Get("pgtUrl"), s.tickets[q.Get("ticket")])
		}
		a = s.redeem(path, q)
		a.iou = before
		if a.kind == "authenticationSuccess" && q.Get("pgtUrl") != "" && before == "" && !s.is("pgtUrl is ignored") &&
			!(strings.Contains(path, "proxy") && s.is("/proxyValidate ignores pgtUrl")) {
			iou, ok := s.grant(q.Get("pgtUrl"), a.ticket)
			switch {
			case ok:
				a.iou = iou
			case !s.is("a bad callback is a success without a ticket") && !(iou == "answered" && s.is("a callback that answers 500 is a success without a ticket")):
				a = failed("INVALID_PROXY_CALLBACK", "The callback failed.")
			}
			if s.is("the IOU of the answer is another") {
				a.iou = s.random("PGTIOU-")
			}
		}
	}
	if a.kind != "authenticationSuccess" {
		a.iou = ""
	}
	s.write(w, path, format, a)
}
