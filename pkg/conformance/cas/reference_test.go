package cas_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/conformance/cas"
)

// The one account of the reference server.
const (
	username = "elefevre"
	password = "a password of the reference"
)

// reference is a small faithful CAS server, which can be broken in one place
// on purpose.
type reference struct {
	*httptest.Server
	// mutation is what is broken, in the words of the table of mutations.
	mutation string
	// without are features that a server may leave out.
	without map[string]bool
	// byScript sends the browser on by a page, as appendix B recommends for
	// old ones.
	byScript bool
	roots    *x509.CertPool

	mu       sync.Mutex
	serial   int
	sessions map[string]*refSession
	tickets  map[string]*refTicket // ST and PT
	pgts     map[string]*refPGT
	forms    map[string]string // login tickets, and the services of their forms
}

type refSession struct {
	since      time.Time
	long, warn bool
	ended      bool
	visits     []refVisit
}

type refVisit struct{ service, ticket string }

type refTicket struct {
	service string
	session *refSession
	fresh   bool // from credentials
	used    bool
	proxies []string
	proxy   bool
}

type refPGT struct {
	session *refSession
	proxies []string
	fresh   bool
}

func newReference(t *testing.T, mutation string, authority *cas.Authority) *reference {
	s := &reference{
		mutation: mutation, without: map[string]bool{}, roots: x509.NewCertPool(),
		sessions: map[string]*refSession{}, tickets: map[string]*refTicket{}, pgts: map[string]*refPGT{}, forms: map[string]string{},
	}
	s.roots.AppendCertsFromPEM(authority.PEM())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cas/login", s.requestor)
	mux.HandleFunc("POST /cas/login", s.acceptor)
	mux.HandleFunc("GET /cas/logout", s.logout)
	mux.HandleFunc("GET /cas/validate", s.validate)
	for _, path := range []string{"serviceValidate", "proxyValidate", "p3/serviceValidate", "p3/proxyValidate"} {
		mux.HandleFunc("GET /cas/"+path, s.serviceValidate)
	}
	mux.HandleFunc("GET /cas/proxy", s.proxy)
	mux.HandleFunc("POST /cas/samlValidate", func(w http.ResponseWriter, r *http.Request) {
		if s.without["samlValidate"] || s.is("/samlValidate is not there") {
			http.NotFound(w, r)
			return
		}
		s.samlValidate(w, r)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *reference) is(mutation string) bool { return s.mutation == mutation }

func (s *reference) random(prefix string) string {
	if s.is("tickets are numbered") {
		s.serial++
		return fmt.Sprintf("%s%029d", prefix, s.serial)
	}
	return prefix + rand.Text() + rand.Text()[:3]
}

// registered accepts loopback addresses only: the suite's.
func (s *reference) registered(service string) bool {
	if s.is("services are matched by the beginning of their text") {
		return strings.HasPrefix(service, "http://127.0.0.1") || strings.HasPrefix(service, "https://127.0.0.1")
	}
	if s.without["registry"] || s.is("every service is registered") {
		return service != ""
	}
	u, err := url.Parse(service)
	return err == nil && u.Hostname() == "127.0.0.1" && u.User == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// parameter reads one, by its case.
func (s *reference) parameter(q url.Values, name string) string {
	if s.is("parameter names are read without regard to case") {
		for each := range q {
			if strings.EqualFold(each, name) {
				return q.Get(each)
			}
		}
	}
	return q.Get(name)
}

const cookieName = "CASTGC"

func (s *reference) session(r *http.Request) *refSession {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	found := s.sessions[c.Value]
	if found == nil || found.ended {
		return nil
	}
	return found
}

func (s *reference) page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	io.WriteString(w, "<!DOCTYPE html><html><head><title>Reference</title></head><body>"+body+"</body></html>")
}

func (s *reference) requestor(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if s.is("the form is sent by GET") && q.Has("password") {
		s.acceptor(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is("a session fixed before the login is kept") && r.Header.Get("Cookie") == "" {
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: s.random("TGC-"), Path: "/cas", HttpOnly: true})
	}
	service, session := s.parameter(q, "service"), s.session(r)
	renew, gateway := q.Get("renew") == "true", q.Get("gateway") == "true"
	switch {
	case s.is("renew is ignored at /login"):
		renew = false
	case s.is("gateway wins over renew") && gateway:
		renew = false
	case s.is("gateway is ignored"):
		gateway = false
	}
	if service != "" && !s.registered(service) {
		if s.is("gateway redirects to any service") && gateway {
			http.Redirect(w, r, service, http.StatusFound)
			return
		}
		s.page(w, "This application is not registered.")
		return
	}
	if renew {
		session, gateway = nil, false
	}
	if service == "" {
		switch {
		case s.is("gateway without a service shows an error") && gateway:
			s.page(w, "No service.")
		case session != nil && s.is("/login in a session asks again"):
			s.form(w, r, "")
		case session != nil || s.is("/login without a service shows no form"):
			s.page(w, "You are signed in.")
		default:
			s.form(w, r, "")
		}
		return
	}
	switch {
	case session == nil && gateway:
		to := service
		if s.is("gateway without a session adds an empty ticket") {
			to += "?ticket="
		}
		http.Redirect(w, r, to, http.StatusFound)
	case session != nil && gateway && s.is("gateway in a session asks again"):
		s.form(w, r, "")
	case session != nil && gateway && s.is("gateway in a session gives no ticket"):
		http.Redirect(w, r, service, http.StatusFound)
	case session == nil, s.is("no single sign-on"):
		s.form(w, r, "")
	case session.warn && q.Get("warned") == "" && !s.is("warn is ignored"):
		if s.is("the prompt of warn leads nowhere") {
			s.page(w, "You are about to sign in.")
			return
		}
		q.Set("warned", "yes")
		s.page(w, `Sign in to `+html.EscapeString(service)+`? <form method="get" action="login"><input type="hidden" name="service" value="`+
			html.EscapeString(service)+`"><input type="hidden" name="warned" value="yes"><button>Go on</button></form>`)
	default:
		s.enter(w, r, session, service, false)
	}
}

func (s *reference) form(w http.ResponseWriter, r *http.Request, problem string) {
	q := r.URL.Query()
	if r.Method == http.MethodPost {
		q = r.PostForm
	}
	service := s.parameter(q, "service")
	asked := service
	if s.is("the form carries service decoded") {
		service, _ = url.QueryUnescape(service)
	}
	var out strings.Builder
	method, user := "post", "username"
	switch {
	case s.is("the form is sent by GET"):
		method = "get"
	case s.is("the field is called login"):
		user = "login"
	}
	fmt.Fprintf(&out, `<p>%s</p><form method="%s" action="login">`, problem, method)
	if service != "" && !s.is("the form does not carry service") {
		fmt.Fprintf(&out, `<input type=hidden name=service value="%s">`, html.EscapeString(service))
	}
	if !s.without["lt"] {
		lt := s.random("LT-")
		switch {
		case s.is("every form has the same login ticket"):
			lt = "LT-1"
		case s.is("login tickets have no prefix"):
			lt = strings.TrimPrefix(lt, "LT-")
		}
		s.forms[lt] = asked
		fmt.Fprintf(&out, `<input type='hidden' name='lt' value='%s'/>`, lt)
	}
	if q.Get("renew") != "" {
		out.WriteString(`<input type="hidden" name="renew" value="true">`)
	}
	ticked := ""
	if s.is("the checkbox of a long session is ticked") {
		ticked = " checked"
	}
	fmt.Fprintf(&out, `<input name=%s><input type=password name=password>`, user)
	if !s.without["rememberMe"] && !s.is("no long session is offered") {
		fmt.Fprintf(&out, `<input type="checkbox" name="rememberMe" value="true"%s>`, ticked)
	}
	out.WriteString(`<button>Sign in</button></form>`)
	s.page(w, out.String())
}

func (s *reference) acceptor(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = r.ParseForm()
	f := r.Form
	service := s.parameter(f, "service")
	if service != "" && !s.registered(service) {
		s.page(w, "This application is not registered.")
		return
	}
	if !s.without["lt"] {
		asked, known := s.forms[f.Get("lt")]
		if s.is("the form does not carry service") {
			service = asked
		}
		if !known {
			s.form(w, r, "The form has been used.")
			return
		}
		if !s.is("a login ticket is good for ever") && !s.is("every form has the same login ticket") {
			delete(s.forms, f.Get("lt"))
		}
	}
	user := f.Get("username")
	if user == "" {
		user = f.Get("login")
	}
	if user != username || f.Get("password") != password {
		switch {
		case s.is("any password is good") && f.Get("password") != "":
		case s.is("wrong credentials end on a page without a form"):
			s.page(w, "Wrong.")
			return
		case s.is("wrong credentials are not told"):
			s.form(w, r, "")
			return
		default:
			s.form(w, r, "Wrong name or password.")
			return
		}
	}
	session := &refSession{since: time.Now(), long: f.Get("rememberMe") != "", warn: f.Get("warn") != ""}
	id := s.random("TGC-")
	switch {
	case s.is("the cookie has an underscore"):
		id += "_"
	case s.is("the cookie has no prefix"):
		id = strings.TrimPrefix(id, "TGC-")
	case s.is("a session fixed before the login is kept"):
		if c, err := r.Cookie(cookieName); err == nil {
			id = c.Value
		}
	}
	s.sessions[id] = session
	c := &http.Cookie{Name: cookieName, Value: id, Path: "/cas", HttpOnly: true}
	switch {
	case s.is("the path of the cookie is /"):
		c.Path = "/"
	case s.is("the cookie is for scripts"):
		c.HttpOnly = false
	}
	if session.long && !s.is("the cookie of a long session ends with the browser") || s.is("every cookie outlives the browser") {
		c.MaxAge = 14 * 24 * 3600
		if s.is("a long session lasts a year") {
			c.MaxAge = 365 * 24 * 3600
		}
	}
	http.SetCookie(w, c)
	if service == "" {
		if s.is("a login without a service goes somewhere") {
			http.Redirect(w, r, "http://portal.invalid/", http.StatusSeeOther)
			return
		}
		s.page(w, "You are signed in.")
		return
	}
	s.enter(w, r, session, service, true)
}

// enter sends the browser to the service with a new ticket.
func (s *reference) enter(w http.ResponseWriter, r *http.Request, session *refSession, service string, fresh bool) {
	ticket := s.random("ST-")
	switch {
	case s.is("service tickets have no prefix"):
		ticket = "T" + ticket
	case s.is("service tickets have a dot"):
		ticket += "."
	case s.is("service tickets hold the service"):
		ticket = "ST-" + service[strings.LastIndexByte(service, '/')+1:] + "-" + rand.Text()
	case s.is("service tickets have 300 characters"):
		ticket += strings.Repeat("x", 268)
	case s.is("service tickets have 40 characters"):
		ticket += "12345678"
	}
	s.tickets[ticket] = &refTicket{service: service, session: session, fresh: fresh}
	u, err := url.Parse(service)
	if err != nil {
		http.Redirect(w, r, service+"?ticket="+ticket, http.StatusSeeOther)
		return
	}
	if s.is("tickets are for the service without its query") {
		s.tickets[ticket].service = strings.TrimSuffix(service, "?"+u.RawQuery)
	}
	q := u.Query()
	if s.is("the query of the service is lost") {
		q = url.Values{}
	}
	q.Set("ticket", ticket)
	switch method := r.FormValue("method"); {
	case method == "POST" && !s.is("method=POST is a redirect"):
		s.page(w, `<form method="post" action="`+html.EscapeString(service)+`"><input type="hidden" name="ticket" value="`+ticket+`"><button>Go on</button></form>`)
		return
	case method == "HEADER" && !s.is("method=HEADER is a redirect"):
		if s.is("the header service is empty") {
			service = ""
		}
		w.Header().Set("service", service)
		w.Header().Set("ticket", ticket)
		return
	case method == "GET" && s.is("method=GET is an error"), method == "CARRIER-PIGEON" && s.is("an unknown method is an error"):
		s.page(w, "What method?")
		return
	}
	if s.is("the ticket follows the fragment") && u.Fragment != "" {
		u.Fragment += "?ticket=" + ticket
	} else {
		u.RawQuery = q.Encode()
	}
	if !s.is("the redirect can be cached") {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		w.Header().Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
	}
	switch {
	case s.is("the password goes along"):
		u.Fragment = "password=" + password
	case s.is("the ticket given is of nothing"):
		delete(s.tickets, ticket)
	}
	if s.byScript {
		text, _ := json.Marshal(u.String())
		s.page(w, `<script>window.location.href = `+string(text)+`;</script><noscript><a href="`+html.EscapeString(u.String())+`">Go on</a></noscript>`)
		return
	}
	status := http.StatusSeeOther
	if s.is("the redirect repeats the POST") {
		status = http.StatusTemporaryRedirect
	}
	http.Redirect(w, r, u.String(), status)
}

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

// grant calls a service back with a new proxy-granting ticket.
func (s *reference) grant(callback string, t *refTicket) (iou string, ok bool) {
	u, err := url.Parse(callback)
	if err != nil || u.Scheme != "https" && !s.is("a callback may be http") {
		return "", false
	}
	pgt := s.random("PGT-")
	iou = s.random("PGTIOU-")
	switch {
	case s.is("proxy-granting tickets have an underscore"):
		pgt += "_"
	case s.is("proxy-granting tickets have no prefix"):
		pgt = "P" + pgt
	case s.is("proxy-granting tickets have 300 characters"):
		pgt += strings.Repeat("x", 264)
	case s.is("IOUs have no prefix"):
		iou = "I" + iou
	case s.is("the IOU holds the proxy-granting ticket"):
		iou = "PGTIOU-" + strings.TrimPrefix(pgt, "PGT-")
	}
	q := u.Query()
	if s.is("the query of the callback is lost") {
		q = url.Values{}
	}
	q.Set("pgtId", pgt)
	q.Set("pgtIou", iou)
	u.RawQuery = q.Encode()
	first := callback
	client := &http.Client{Transport: s.transport(), CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		switch {
		case s.is("callbacks are followed anywhere"):
			return nil
		case s.is("the proxy is where the callback led to") && r.URL.Host == u.Host:
			first = strings.SplitN(r.URL.String(), "?", 2)[0]
			return nil
		}
		return http.ErrUseLastResponse
	}}
	s.mu.Unlock()
	answer, err := client.Get(u.String())
	s.mu.Lock()
	if err != nil {
		return "", false
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK && !s.is("the status of the callback does not matter") {
		return "answered", false
	}
	s.pgts[pgt] = &refPGT{session: t.session, fresh: t.fresh, proxies: append([]string{first}, t.proxies...)}
	if s.is("proxies come oldest first") {
		s.pgts[pgt].proxies = append(slices.Clone(t.proxies), first)
	}
	if s.is("the IOU is good at /proxy") {
		s.pgts[iou] = s.pgts[pgt]
	}
	return iou, true
}

// transport verifies as RFC 5280 has it, but for what is broken.
func (s *reference) transport() http.RoundTripper {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: s.roots, DNSName: strings.Trim(c.ServerName, "[]")}
		if c.ServerName == "" {
			options.DNSName = "127.0.0.1" // an address has no name in the handshake
		}
		leaf := c.PeerCertificates[0]
		switch {
		case s.is("the name of the callback's certificate does not matter"):
			options.DNSName = ""
		case s.is("the dates of the callback's certificate do not matter"):
			options.CurrentTime = leaf.NotBefore.Add(time.Minute)
			if options.CurrentTime.Before(time.Now().Add(-24 * time.Hour)) {
				// the authority is younger than what it backdated
				options.Roots = s.roots
				if err := leaf.VerifyHostname(options.DNSName); err == nil {
					return nil
				}
			}
		case s.is("the issuer of the callback's certificate does not matter"):
			if time.Now().After(leaf.NotAfter) {
				break
			}
			return leaf.VerifyHostname(options.DNSName)
		}
		_, err := leaf.Verify(options)
		return err
	}}}
}

func (s *reference) proxy(w http.ResponseWriter, r *http.Request) {
	if s.is("/proxy is not there") {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	a := said{kind: "proxyFailure"}
	pgt := s.pgts[q.Get("pgt")]
	if t := s.tickets[q.Get("pgt")]; t != nil && s.is("a service ticket is good at /proxy") {
		pgt = &refPGT{session: t.session}
	}
	target := q.Get("targetService")
	switch {
	case q.Get("pgt") == "" || target == "":
		a.code, a.text = "INVALID_REQUEST", "pgt and targetService are required."
		if s.is("/proxy calls a missing parameter INVALID_TICKET") {
			a.code = "INVALID_TICKET"
		}
	case pgt == nil, pgt.session.ended && !s.is("proxy-granting tickets outlive the session") && !(len(pgt.proxies) > 1 && s.is("a chain outlives the session")):
		a.code, a.text = "INVALID_TICKET", "Unknown or expired."
		if s.is("/proxy fails as a validation does") {
			a.kind = "authenticationFailure"
		}
	case !s.registered(target) && !s.is("/proxy gives tickets for any service"):
		a.code, a.text = "UNAUTHORIZED_SERVICE", "Not registered."
	default:
		a.kind, a.proxyTicket = "proxySuccess", s.random("PT-")
		switch {
		case s.is("proxy tickets have an underscore"):
			a.proxyTicket += "_"
		case s.is("proxy tickets have no prefix"):
			a.proxyTicket = "X" + a.proxyTicket
		case s.is("proxy tickets have 300 characters"):
			a.proxyTicket += strings.Repeat("x", 268)
		}
		t := &refTicket{service: target, session: pgt.session, proxies: pgt.proxies, proxy: true}
		if s.is("proxies are not listed") {
			t.proxies = nil
		}
		s.tickets[a.proxyTicket] = t
		if s.is("a proxy-granting ticket is for one use") {
			delete(s.pgts, q.Get("pgt"))
		}
	}
	format := q.Get("format")
	if s.is("/proxy knows no JSON") {
		format = ""
	}
	s.write(w, "proxy", format, a)
}

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
