package render_test

import (
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/render"
)

func TestEveryPageRendersInEveryLanguage(t *testing.T) {
	pages := open(t, "https://auth.univ-valmont.example")
	for _, s := range samples() {
		for _, lang := range []string{"fr", "en"} {
			w := get(pages, lang, 418, s.view)
			if w.Code != 418 {
				t.Errorf("%s in %s: %d %s", s.name, lang, w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "ZgotmplZ") {
				t.Errorf("%s in %s: a link was refused by html/template", s.name, lang)
			}
		}
	}
}

func TestRWEB01HeadersOfAPage(t *testing.T) {
	w := get(open(t, "https://auth.example.fr"), "en", 200, render.Login{Frame: render.Frame{
		FormTargets: []string{"https://moodle.example.fr/callback", "https://other.example/", "com.example.app:/callback", "not a target; script-src *"}}})
	for name, want := range map[string]string{
		"Content-Type":     "text/html; charset=utf-8",
		"Content-Language": "en",
		"Cache-Control":    "no-store",
		"Referrer-Policy":  "no-referrer",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; " +
			"form-action 'self' com.example.app: https:; frame-ancestors 'none'; base-uri 'none'",
	} {
		if diff := cmp.Diff(want, w.Header().Get(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if inline := regexp.MustCompile(`<script>|<style|style=| on[a-z]+=|//[a-z.]*(cdn|google)`).FindString(w.Body.String()); inline != "" {
		t.Errorf("the policy would refuse %q", inline)
	}
}

// Values are text wherever they land, and what looks like a template or a
// placeholder is text too (R-WEB-03, R-WEB-18).
func TestHostileValuesAreText(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	for _, value := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.Frame}}`, `{app}`, `${env.X}`, `%s%n`, `javascript:alert(1)`, "' autofocus onfocus='alert(1)"} {
		view := render.Login{Username: value, Frame: render.Frame{Destination: value, Action: value, Return: value,
			Hidden: []render.Field{{Name: value, Value: value}}}}
		w := get(pages, "fr", 200, view)
		body := w.Body.String()
		if w.Code != 200 || strings.Contains(body, "<script>") || strings.Contains(body, "<img") || strings.Contains(body, "' autofocus") {
			t.Errorf("%s: %s", value, body)
		}
		if !strings.Contains(html.UnescapeString(body), "Se connecter à "+value) {
			t.Errorf("%s is not shown as it is", value)
		}
	}
	body := get(pages, "fr", 200, render.LoggedOut{ContinueURL: "javascript:alert(1)"}).Body.String()
	if strings.Contains(body, "javascript:") {
		t.Error("a link runs a script")
	}
}

func TestLanguageOfARequest(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	many := strings.Repeat("en-x-a ", 1000)
	for _, c := range []struct{ name, query, cookie, accept, want string }{
		{"nothing", "", "", "", "fr"},
		{"browser", "", "", "en-GB,fr;q=0.5", "en"},
		{"browser of another language", "", "", "de", "fr"},
		{"application", "?ui_locales=en", "", "fr", "en"},
		{"application with a list", "?ui_locales=de+en+fr", "", "", "en"},
		{"CAS", "?locale=en", "", "", "en"},
		{"the person's choice stays", "?ui_locales=fr", "en", "fr", "en"},
		{"the person chooses now", "?lang=en&ui_locales=fr", "fr", "fr", "en"},
		{"R-WEB-19 a path", "?ui_locales=../../etc/passwd", "../../etc", "", "fr"},
		{"R-WEB-19 a thousand tags", "?ui_locales=" + strings.ReplaceAll(many, " ", "+"), many, many, "fr"},
		{"R-WEB-19 not a tag", "?lang=%00%ff", "a.b", ";;q=,", "fr"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/login"+c.query, nil)
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "loge-lang", Value: c.cookie})
		}
		if got := pages.Language(r); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestR72LanguageSwitch(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	post := func(form string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/login?ask=1", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	if render.SwitchesLanguage(post("username=a&password=b")) {
		t.Error("a login is taken for a switch")
	}
	r := post("username=a&password=b&lang=en")
	if !render.SwitchesLanguage(r) {
		t.Error("a switch is taken for a login")
	}
	w := httptest.NewRecorder()
	pages.Render(w, r, 200, render.Login{Username: "a"})
	if want := "loge-lang=en; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax"; w.Header().Get("Set-Cookie") != want {
		t.Errorf("cookie %q", w.Header().Get("Set-Cookie"))
	}
	// The page asked for may be shown by another URL of ours, served within.
	within := httptest.NewRequest(http.MethodGet, "/oidc/authorize?ui_locales=fr", nil).WithContext(pages.WithLanguage(post("lang=en")).Context())
	w = httptest.NewRecorder()
	pages.Render(w, within, 200, render.Login{})
	if w.Header().Get("Content-Language") != "en" || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "loge-lang=en;") {
		t.Errorf("the choice is lost on the way: %v", w.Header())
	}
	for _, target := range []string{"/login", "/login?ui_locales=en", "/login?lang=xx", "/login?lang=../../etc"} {
		w := httptest.NewRecorder()
		pages.Render(w, httptest.NewRequest(http.MethodGet, target, nil), 200, render.Login{})
		if got := w.Header().Get("Set-Cookie"); got != "" {
			t.Errorf("%s sets %q", target, got)
		}
	}
	w = httptest.NewRecorder()
	pages.Render(w, httptest.NewRequest(http.MethodGet, "/logout?service=https://a.example/?x=1", nil), 200, render.LogoutConfirm{})
	if want := `href="?lang=en&amp;service=https%3A%2F%2Fa.example%2F%3Fx%3D1"`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("the link loses the query: %s", w.Body)
	}
}

func TestLinksStayBelowTheIssuer(t *testing.T) {
	body := get(open(t, "https://ent.example.fr/loge"), "fr", 200, render.Login{Frame: render.Frame{Action: "/login", Return: "/login?ask=1"}}).Body.String()
	for _, want := range []string{`action="/loge/login"`, `href="/loge/recover?return=%2flogin%3fask%3d1"`, `href="/loge/static/loge.`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

type broken struct{ render.Frame }

func (broken) Page() string { return "nothere" }

func TestAPageThatCannotBeRenderedIsNeverHalfAPage(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	for _, view := range []render.View{broken{}, render.Problem{Kind: "nothere"}} {
		w := get(pages, "fr", 200, view)
		if w.Code != 500 || strings.Contains(w.Body.String(), "<") || strings.Contains(w.Body.String(), "nothere") {
			t.Errorf("%T: %d %s", view, w.Code, w.Body)
		}
	}
}

func TestStaticFilesNeverChangeUnderTheirName(t *testing.T) {
	site := valmont
	site.Key, site.Brass = "#ffe000", "#e2001a"
	plain, coloured := open(t, "https://auth.example.fr"), mustOpen(t, site)
	path := func(pages *render.Pages) string {
		return regexp.MustCompile(`/static/loge\.[0-9a-f]{12}\.css`).FindString(get(pages, "fr", 200, render.Login{}).Body.String())
	}
	if path(plain) == path(coloured) || path(plain) == "" {
		t.Fatalf("%q and %q", path(plain), path(coloured))
	}
	fetch := func(pages *render.Pages, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		pages.Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	w := fetch(coloured, path(coloured))
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if !strings.Contains(w.Body.String(), ":root{--key:#") || strings.Contains(w.Body.String(), "}\n:root{--key:#ffe000") {
		t.Error("the site's yellow is not made readable on white")
	}
	if !strings.Contains(w.Body.String(), "(prefers-color-scheme:dark){:root{--key:#ffe000") {
		t.Error("the site's yellow is changed on black, where it is readable")
	}
	for _, other := range []string{path(plain), "/static/loge.css", "/static/tokens.css", "/static/../locales/fr.json"} {
		if w := fetch(coloured, other); w.Code != 404 {
			t.Errorf("%s: %d", other, w.Code)
		}
	}
}

func mustOpen(t *testing.T, site render.Site) *render.Pages {
	t.Helper()
	pages, err := render.Open(render.Config{Site: site})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// mails are messages to people, with the time until which they hold.
func mails() []render.MailView {
	until := time.Date(2026, 9, 15, 9, 42, 0, 0, time.UTC)
	return []render.MailView{
		render.MailLink{Purpose: render.PurposeReset, Login: "elefevre", URL: "https://auth.example.fr/recover/open?t=abc", Code: "482913", ValidUntil: until},
		render.MailLink{Purpose: render.PurposeActivate, Login: "elefevre", URL: "https://auth.example.fr/recover/open?t=abc", Code: "482913", ValidUntil: until},
		render.MailLink{Purpose: render.PurposeUnlock, Login: "elefevre", URL: "https://auth.example.fr/recover/open?t=abc", Code: "482913", ValidUntil: until},
		render.MailLink{Purpose: render.PurposeIdentifier, Login: "elefevre", URL: "https://auth.example.fr/recover/open?t=abc", Code: "482913", ValidUntil: until},
		render.MailFamily{CodeUntil: until, Others: true, Members: []render.FamilyMember{{Name: "Élodie L.", Login: "elefevre", URL: "https://auth.example.fr/recover/open?t=abc", Code: "482913", ValidUntil: until}}},
		render.MailChanged{Login: "elefevre", At: until, URL: "https://auth.example.fr/recover"},
		render.MailUnlocked{Login: "elefevre", At: until, URL: "https://auth.example.fr/recover"},
		render.MailContactChanged{Login: "elefevre", At: until, To: "n••••@h••••", URL: "https://auth.example.fr/recover/undo?t=abc", Until: until},
		render.MailContactChanged{Login: "elefevre", At: until, URL: "https://auth.example.fr/recover/undo?t=abc", Until: until},
	}
}

func TestMails(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	for _, view := range mails() {
		for lang, date := range map[string]string{"fr": "15\u00a0septembre 2026 à 11\u00a0h\u00a042", "en": "15\u00a0September 2026, 11:42"} {
			letter, err := pages.Mail(lang+"-XX", view)
			if err != nil {
				t.Fatal(err)
			}
			if letter.Language != lang || letter.Subject == "" || strings.ContainsAny(letter.Subject, "\r\n") {
				t.Errorf("%s %s: %+v", view.Mail(), lang, letter)
			}
			for part, body := range map[string]string{"text": letter.Text, "HTML": letter.HTML} {
				for _, want := range []string{"elefevre", date, "https://auth.example.fr/recover"} {
					if !strings.Contains(body, want) {
						t.Errorf("%s %s %s: no %q in\n%s", view.Mail(), lang, part, want, body)
					}
				}
			}
			// R74: nothing is loaded, and every link leads to us.
			for _, found := range regexp.MustCompile(`(?:href|src)="([^"]*)"|<img|url\(`).FindAllStringSubmatch(letter.HTML, -1) {
				if !strings.HasPrefix(found[1], "https://auth.example.fr/") {
					t.Errorf("%s: %q", view.Mail(), found[0])
				}
			}
		}
	}
}

// R-REC-16, R-REC-17: whatever a directory holds, it is one line of text.
func TestMailValuesCannotBecomeAnythingElse(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	for _, value := range []string{"a\r\nBcc: b@evil.example", "<a href=//evil.example>x</a>", "{{.URL}}", "${x}", "a\u2028b\u202ec\x1b[31m"} {
		letter, err := pages.Mail("fr", render.MailLink{Purpose: render.PurposeReset, Login: value, URL: "https://auth.example.fr/", Code: value})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(letter.HTML, "<a href=//") || strings.ContainsAny(letter.Subject+letter.Text, "\r\x1b\u2028\u202e") || strings.Contains(letter.Text, "\nBcc") {
			t.Errorf("%q: %+v", value, letter)
		}
	}
	if _, err := pages.Mail("fr", unknownMail{}); err == nil {
		t.Error("a mail without templates was rendered")
	} else if errors.Unwrap(err) != nil || !strings.Contains(err.Error(), "mail/nothere.subject: is missing") {
		t.Error(err)
	}
}

type unknownMail struct{}

func (unknownMail) Mail() string { return "nothere" }

func TestProblemFor(t *testing.T) {
	for status, want := range map[int]render.ProblemKind{400: render.ProblemBadRequest, 403: render.ProblemForbidden, 404: render.ProblemNotFound,
		405: render.ProblemBadRequest, 413: render.ProblemTooLong, 429: render.ProblemTooMany, 500: render.ProblemInternal, 503: render.ProblemUnavailable} {
		if got := render.ProblemFor(status); got != want {
			t.Errorf("%d: %s", status, got)
		}
	}
}

func BenchmarkLoginPage(b *testing.B) {
	pages := open(b, "https://auth.example.fr")
	view := samples()[0].view
	b.ReportAllocs()
	for b.Loop() {
		get(pages, "fr", 200, view)
	}
}
