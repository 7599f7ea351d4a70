package cas_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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
