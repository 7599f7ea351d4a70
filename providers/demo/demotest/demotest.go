// Package demotest is a person with a browser, for tests that walk through the
// pages of the demonstration.
package demotest

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Browser keeps cookies, follows redirects and fills in the form of the page
// that it shows.
type Browser struct {
	t      testing.TB
	client *http.Client

	// URL, Status and Page are what it shows.
	URL    *url.URL
	Status int
	Page   string
}

// New returns a browser without any cookie. It fails the test when a server
// does not answer.
func New(t testing.TB) *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{t: t, client: &http.Client{Jar: jar, Transport: english{}}}
}

// english is the language that the browser asks for.
type english struct{}

func (english) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Accept-Language", "en")
	return http.DefaultTransport.RoundTrip(r)
}

func (b *Browser) show(answer *http.Response, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.URL, b.Status, b.Page = answer.Request.URL, answer.StatusCode, string(text)
}

// Open goes to a URL.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.show(b.client.Get(url))
}

var (
	formTag  = regexp.MustCompile(`(?s)<form method="post"[^>]*>.*?</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
)

func attribute(tag, name string) string {
	found := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// Submit posts the page's form with what is typed: name, value, name, value…
func (b *Browser) Submit(typed ...string) {
	b.t.Helper()
	form := formTag.FindString(b.Page)
	if form == "" {
		b.t.Fatalf("%s has no form (%d): %s", b.URL, b.Status, b.Page)
	}
	values, boxes := url.Values{}, map[string]bool{}
	for _, input := range inputTag.FindAllString(form, -1) {
		if attribute(input, "type") == "checkbox" {
			boxes[attribute(input, "name")] = true
			continue
		}
		values.Set(attribute(input, "name"), attribute(input, "value"))
	}
	for i := 0; i < len(typed); i += 2 {
		if !values.Has(typed[i]) && !boxes[typed[i]] {
			b.t.Fatalf("%s has no field %q", b.URL, typed[i])
		}
		values.Set(typed[i], typed[i+1])
	}
	begin, _, _ := strings.Cut(form, ">")
	target, err := b.URL.Parse(attribute(begin, "action"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.show(b.client.PostForm(target.String(), values))
}

// At fails unless the browser shows the page at this path, with this in it.
func (b *Browser) At(path, text string) {
	b.t.Helper()
	if b.URL.Path != path || !strings.Contains(b.Page, text) {
		b.t.Fatalf("at %s (%d), want %s with %q; the page:\n%s", b.URL, b.Status, path, text, b.Page)
	}
}

// Within waits for what happens outside the requests, such as a mail or a
// logout notice, and fails the test when it does not.
func Within(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("waited in vain for: %s", what)
}

var boxLink = regexp.MustCompile(`href="(/demo/box/\d+)"`)

// Mail waits for the newest message in a box that holds a text, and returns
// its page. The URL is that of the server with the box.
func Mail(t testing.TB, url, text string) string {
	t.Helper()
	b := New(t)
	found := ""
	Within(t, "a mail with "+text, func() bool {
		b.Open(url + "/demo/box")
		for _, link := range boxLink.FindAllStringSubmatch(b.Page, -1) {
			b.Open(url + link[1])
			if strings.Contains(b.Page, text) {
				found = b.Page
				return true
			}
		}
		return false
	})
	return found
}

var (
	mailLink = regexp.MustCompile(`http://127\.0\.0\.1:\d+/recover/link\?t=[0-9A-Za-z]+`)
	mailCode = regexp.MustCompile(`\b\d{3}[ \x{a0}\x{202f}]?\d{3}\b`)
)

// Link is the link in a recovery mail, Code its code.
func Link(mail string) string { return mailLink.FindString(mail) }

// Code is the short code in a recovery mail.
func Code(mail string) string { return mailCode.FindString(mail) }
