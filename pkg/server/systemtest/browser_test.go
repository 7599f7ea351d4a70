package systemtest_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser is somebody at a browser of their own. Each of its requests goes to
// the process that was named last.
type browser struct {
	t    testing.TB
	jar  *cookiejar.Jar
	at   *node
	hops int    // requests that reached us
	from string // the address that a proxy in front would tell; empty: ours
}

func newBrowser(t testing.TB, at *node) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, jar: jar, at: at}
}

// on makes the next requests reach this process.
func (b *browser) on(n *node) *browser {
	b.at = n
	return b
}

// page is an answer.
type page struct {
	t      testing.TB
	url    *url.URL
	status int
	header http.Header
	body   string
}

// get follows redirects as long as they lead to us, and stops at the one that
// leads to an application.
func (b *browser) get(address string) *page {
	b.t.Helper()
	return b.follow(b.do(http.MethodGet, address, nil))
}

// submit posts a form.
func (b *browser) submit(f form) *page {
	b.t.Helper()
	return b.follow(b.do(f.method, f.action, f.values))
}

func (b *browser) follow(p *page) *page {
	b.t.Helper()
	for range 5 {
		to := p.location()
		if to == nil || "http://"+to.Host != b.at.url {
			return p
		}
		p = b.do(http.MethodGet, to.String(), nil)
	}
	b.t.Fatalf("redirected for ever, at last to %s", p.url)
	return nil
}

func (b *browser) do(method, address string, values url.Values) *page {
	b.t.Helper()
	r := b.request(method, address, values)
	b.hops++
	answer, err := b.at.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.jar.SetCookies(r.URL, answer.Cookies())
	return read(b.t, answer)
}

// request is what the browser sends, with its cookies.
func (b *browser) request(method, address string, values url.Values) *http.Request {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.at.url + address
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(values.Encode())
	}
	r, err := http.NewRequest(method, address, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "en")
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if b.from != "" {
		r.Header.Set("X-Forwarded-For", b.from)
	}
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

func read(t testing.TB, answer *http.Response) *page {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &page{t: t, url: answer.Request.URL, status: answer.StatusCode, header: answer.Header, body: string(body)}
}

// location is where the answer redirects to, or nil.
func (p *page) location() *url.URL {
	if p.status < 300 || p.status > 399 {
		return nil
	}
	to, err := p.url.Parse(p.header.Get("Location"))
	if err != nil {
		p.t.Fatal(err)
	}
	return to
}

// arrived demands that the answer sends the browser to the application, and
// returns a parameter of it.
func (p *page) arrived(application, parameter string) string {
	p.t.Helper()
	to := p.location()
	if to == nil || !strings.HasPrefix(to.String(), application) || to.Query().Get(parameter) == "" {
		p.t.Fatalf("%s: %d %q to %v, want a redirect to %s with %s", p.url.Path, p.status, p.title(), to, application, parameter)
	}
	return to.Query().Get(parameter)
}

// shows demands a page with this status and text in it.
func (p *page) shows(status int, text string) *page {
	p.t.Helper()
	if p.status != status || !strings.Contains(p.text(), text) {
		p.t.Fatalf("%s: %d, want %d and %q in:\n%s", p.url.Path, p.status, status, text, p.text())
	}
	return p
}

var (
	tags      = regexp.MustCompile(`(?s)<script.*?</script>|<[^>]*>`)
	titles    = regexp.MustCompile(`(?s)<title>(.*?)</title>`)
	forms     = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	inputs    = regexp.MustCompile(`<input([^>]*)>`)
	attribute = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
	anchors   = regexp.MustCompile(`<a ([^>]*)>`)
	onwards   = regexp.MustCompile(`<a (class="button wide"[^>]*)>`)
	spaces    = regexp.MustCompile(`[\s\x{a0}\x{202f}]+`)
)

// text is what a person reads.
func (p *page) text() string {
	return spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(p.body, " ")), " ")
}

func (p *page) title() string {
	if found := titles.FindStringSubmatch(p.body); found != nil {
		return html.UnescapeString(found[1])
	}
	return ""
}

// form is what submitting a form sends.
type form struct {
	method, action string
	values         url.Values
}

// with fills a field in. The form must have it.
func (f form) with(t testing.TB, name, value string) form {
	t.Helper()
	if _, ok := f.values[name]; !ok {
		t.Fatalf("the form to %s has no field %q: %v", f.action, name, f.values)
	}
	f.values.Set(name, value)
	return f
}

// form is the page's only form.
func (p *page) form() form {
	p.t.Helper()
	found := forms.FindAllStringSubmatch(p.body, -1)
	if len(found) != 1 {
		p.t.Fatalf("%s: %d %q has %d forms, want one:\n%s", p.url.Path, p.status, p.title(), len(found), p.text())
	}
	head := attributes(found[0][1])
	action, err := p.url.Parse(head["action"])
	if err != nil {
		p.t.Fatal(err)
	}
	f := form{method: strings.ToUpper(head["method"]), action: action.String(), values: url.Values{}}
	for _, input := range inputs.FindAllStringSubmatch(found[0][2], -1) {
		a := attributes(input[1])
		if _, ticked := a["checked"]; a["type"] != "checkbox" || ticked {
			f.values.Add(a["name"], a["value"])
		}
	}
	return f
}

func attributes(text string) map[string]string {
	out := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(text, -1) {
		if _, ok := out[a[1]]; !ok {
			out[a[1]] = html.UnescapeString(a[2])
		}
	}
	return out
}

// signIn fills in the login form of a page.
func (b *browser) signIn(p *page, login, password string) *page {
	b.t.Helper()
	return b.submit(p.form().with(b.t, "username", login).with(b.t, "password", password))
}

// password is that of a person of the university.
func password(uid string) string { return "Valmont-" + uid + "-2026" }
