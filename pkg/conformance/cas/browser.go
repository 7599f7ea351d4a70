package cas

import (
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// browser is somebody's: it keeps cookies and fills in forms, but goes nowhere
// by itself.
type browser struct {
	t       *trial
	cookies []cookie
}

// cookie is one with the host that set it.
type cookie struct {
	*http.Cookie
	host string
}

func (t *trial) browser() *browser { return &browser{t: t} }

// twin is another browser with the same cookies but one.
func (b *browser) twin(without string) *browser {
	kept := slices.DeleteFunc(slices.Clone(b.cookies), func(c cookie) bool { return c.Name == without })
	return &browser{b.t, kept}
}

// send makes one request with the cookies that belong to it, and keeps those
// that come back.
func (b *browser) send(method, address string, fields url.Values) page {
	var req *http.Request
	if method == http.MethodPost {
		req = b.t.newRequest(method, address, strings.NewReader(fields.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req = b.t.newRequest(method, address, nil)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	req.Header.Set("Accept-Language", "en")
	req.Header.Set("User-Agent", "Mozilla/5.0 (CAS conformance suite)")
	for _, c := range b.cookies {
		if c.belongs(req.URL) {
			req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted})
		}
	}
	p := b.t.send(req)
	if p.status >= http.StatusInternalServerError {
		b.t.failf("the server is at fault: %s", p.says())
	}
	for _, c := range (&http.Response{Header: p.header}).Cookies() {
		b.keep(cookie{c, p.url.Hostname()})
	}
	return p
}

// belongs is RFC 6265 section 5.4. A secure cookie also goes to this very
// machine without TLS, as in browsers.
func (c cookie) belongs(u *url.URL) bool {
	host := u.Hostname()
	domain := strings.TrimPrefix(c.Domain, ".")
	if host != c.host && (domain == "" || host != domain && !strings.HasSuffix(host, "."+domain)) {
		return false
	}
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback()
	path := c.where()
	return (!c.Secure || u.Scheme == "https" || local) &&
		(u.Path == path || strings.HasPrefix(u.Path, strings.TrimSuffix(path, "/")+"/"))
}

// where is the path of a cookie.
func (c cookie) where() string {
	if strings.HasPrefix(c.Path, "/") {
		return c.Path
	}
	return "/"
}

func (b *browser) keep(c cookie) {
	b.cookies = slices.DeleteFunc(b.cookies, func(old cookie) bool {
		return old.Name == c.Name && old.host == c.host && old.where() == c.where()
	})
	if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
		return
	}
	b.cookies = append(b.cookies, c)
	b.t.secret(c.Value)
}

// get opens a page of the server and follows it as far as the server itself.
func (b *browser) get(endpoint string, pairs ...string) page {
	return b.follow(b.send(http.MethodGet, b.t.at(endpoint, pairs...), nil))
}

// follow goes on from redirect to redirect, but never to the suite's own
// application nor to another host.
func (b *browser) follow(p page) page {
	for range 10 {
		to := p.redirect()
		if to == nil || to.Host != b.t.target.Host || b.t.ours(to) {
			return p
		}
		p = b.send(http.MethodGet, to.String(), nil)
	}
	b.t.failf("more than ten redirects")
	return p
}

// ours tells whether a URL is the suite's.
func (t *trial) ours(u *url.URL) bool {
	address := u.String()
	return strings.HasPrefix(address, t.app.plain+"/") || strings.HasPrefix(address, t.app.secure+"/") || strings.HasPrefix(address, t.o.Unregistered)
}

// redirect is where a status of redirection leads, or nil.
func (p page) redirect() *url.URL {
	if p.status < 300 || p.status > 399 || p.header.Get("Location") == "" {
		return nil
	}
	to, err := p.url.Parse(p.header.Get("Location"))
	if err != nil {
		return nil
	}
	return to
}

// destination is where a page leads with nobody doing anything, by whatever
// means, or nil.
func (p page) destination() *url.URL {
	if to := p.redirect(); to != nil {
		return to
	}
	if to := leads(p.body); to != "" {
		if u, err := p.url.Parse(to); err == nil {
			return u
		}
	}
	return nil
}

// login is the form that asks for credentials.
func (p page) login() (form, bool) {
	for _, f := range forms(p.body) {
		if _, ok := f.password(); ok && p.redirect() == nil {
			return f, true
		}
	}
	return form{}, false
}

// asksForPassword tells whether credentials are asked.
func (p page) asksForPassword() bool {
	_, ok := p.login()
	return ok
}

// submit sends a form with what it holds and what was typed.
func (b *browser) submit(p page, f form, typed url.Values) page {
	to, err := p.url.Parse(f.action)
	if err != nil {
		b.t.failf("the form leads to %q, which is no URL", f.action)
	}
	fields := f.values()
	maps.Copy(fields, typed)
	if f.method != http.MethodPost {
		query := *to
		query.RawQuery = fields.Encode()
		return b.follow(b.send(http.MethodGet, query.String(), nil))
	}
	return b.follow(b.send(http.MethodPost, to.String(), fields))
}

// credentials fills in the login form of a page. The pairs are what else is
// sent.
func (b *browser) credentials(p page, username, password string, pairs ...string) page {
	f, ok := p.login()
	if !ok {
		b.t.failf("no form asks for a password: %s", p.says())
	}
	name, ok := f.username()
	if !ok {
		b.t.failf("the login form has no field for a name")
	}
	secret, _ := f.password()
	typed := url.Values{name.attrs["name"]: {username}, secret.attrs["name"]: {password}}
	for i := 0; i+1 < len(pairs); i += 2 {
		typed.Set(pairs[i], pairs[i+1])
	}
	return b.submit(p, f, typed)
}

// signIn signs in at the page of a login form.
func (b *browser) signIn(p page, pairs ...string) page {
	return b.credentials(p, b.t.o.Username, b.t.o.Password, pairs...)
}

// enter goes to a service by /login, signs in when asked, and returns the page
// that leads to the service, with the ticket.
func (b *browser) enter(service string, pairs ...string) (page, string) {
	p := b.get("login", append([]string{"service", service}, pairs...)...)
	if p.asksForPassword() {
		p = b.signIn(p)
	}
	return p, b.t.ticketIn(p, service)
}

// ticket is enter for the ticket alone.
func (b *browser) ticket(service string, pairs ...string) string {
	_, ticket := b.enter(service, pairs...)
	return ticket
}

// ticketIn reads the ticket from where a page leads.
func (t *trial) ticketIn(p page, service string) string {
	to := p.destination()
	if to == nil || !same(to, service) || to.Query().Get("ticket") == "" {
		t.failf("no ticket for %s: %s", service, p.says())
	}
	ticket := to.Query().Get("ticket")
	t.secret(ticket)
	return ticket
}

// says is a page in a few words.
func (p page) says() string {
	out := strconv.Itoa(p.status)
	if to := p.destination(); to != nil {
		return out + ", leads to " + to.String()
	}
	if p.asksForPassword() {
		return out + ", a login form"
	}
	if strings.Contains(p.header.Get("Content-Type"), "html") {
		return out + ", a page: " + excerpt(visible(p.body), 80)
	}
	return out + ": " + excerpt(p.body, 200)
}
