package render_test

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/templates"
)

// messages reads a shipped locale, flat.
func messages(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := fs.ReadFile(templates.FS, "locales/"+file)
	if err != nil {
		t.Fatal(err)
	}
	var nested map[string]any
	if err := json.Unmarshal(content, &nested); err != nil {
		t.Fatal(err)
	}
	flat := map[string]string{}
	var walk func(prefix string, node map[string]any)
	walk = func(prefix string, node map[string]any) {
		for key, value := range node {
			if text, ok := value.(string); ok {
				flat[prefix+key] = text
			} else {
				walk(prefix+key+".", value.(map[string]any))
			}
		}
	}
	walk("", nested)
	return flat
}

func TestR72FrenchAndEnglishHaveEqualKeys(t *testing.T) {
	keys := func(file string) map[string]bool {
		set := map[string]bool{}
		for key := range messages(t, file) {
			set[key] = true
		}
		return set
	}
	if diff := cmp.Diff(keys("fr.json"), keys("en.json")); diff != "" {
		t.Error(diff)
	}
}

func TestFrenchTypography(t *testing.T) {
	wrong := regexp.MustCompile("[^\u00a0\u202f][:;?!»]|«[^\u00a0]|'")
	for key, text := range messages(t, "fr.json") {
		if found := wrong.FindString(text); found != "" {
			t.Errorf("%s: %q in %q: a non-breaking space stands before : ; ? ! », and the apostrophe is ’", key, found, text)
		}
	}
}

// Plain language: sentences of at most 25 words.
func TestSentencesAreShort(t *testing.T) {
	for _, file := range []string{"fr.json", "en.json"} {
		for key, text := range messages(t, file) {
			for sentence := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(".;:?!", r) }) {
				if n := len(strings.Fields(sentence)); n > 25 {
					t.Errorf("%s: %s: %d words: %s", file, key, n, sentence)
				}
			}
		}
	}
}

func TestOverlayReplacesOneKeyOnePageOneFile(t *testing.T) {
	site := fstest.MapFS{
		"locales/fr.json": {Data: []byte(`{"login": {"submit": "Entrer"}}`)},
		"pages/help.html": {Data: []byte(`{{define "title"}}Au secours{{end}}{{define "content"}}<p>{{t "help.text"}}</p>{{end}}`)},
	}
	plugin := fstest.MapFS{
		"locales/fr.json": {Data: []byte(`{"login": {"submit": "Ouvrir", "title": "Ouvrir la porte"}}`)},
		"pages/help.html": {Data: []byte(`not read: the site has its own`)},
	}
	pages, err := render.Open(render.Config{Site: valmont, Layers: []fs.FS{site, plugin}})
	if err != nil {
		t.Fatal(err)
	}
	login := get(pages, "fr", 200, render.Login{}).Body.String()
	for _, want := range []string{"Entrer</button>", "<h1>Ouvrir la porte</h1>", "Identifiant"} {
		if !strings.Contains(login, want) {
			t.Errorf("no %q in the login page", want)
		}
	}
	if help := get(pages, "fr", 200, render.HelpPage{}).Body.String(); !strings.Contains(help, "<h1>Au secours</h1>") {
		t.Error("the site's help page is not shown")
	}
	if english := get(pages, "en", 200, render.Login{}).Body.String(); !strings.Contains(english, "Sign in</button>") {
		t.Error("English was changed")
	}
}

func TestAThirdLanguageIsAFile(t *testing.T) {
	english, err := fs.ReadFile(templates.FS, "locales/en.json")
	if err != nil {
		t.Fatal(err)
	}
	spanish := strings.Replace(string(english), `"Sign in to {app}"`, `"Entrar en {app}"`, 1)
	pages, err := render.Open(render.Config{Layers: []fs.FS{fstest.MapFS{"locales/es.json": {Data: []byte(spanish)}}}})
	if err != nil {
		t.Fatal(err)
	}
	body := get(pages, "es-MX, en;q=0.5", 200, render.Login{Frame: render.Frame{Destination: "Moodle"}}).Body.String()
	if !strings.Contains(body, `<html lang="es">`) || !strings.Contains(body, "Entrar en Moodle") {
		t.Error(body)
	}
}

func TestOpenRefusesWhatWouldBreakAPage(t *testing.T) {
	for _, c := range []struct{ name, file, content, want string }{
		{"a message that is not there", "pages/help.html", "\n" + `{{define "title"}}x{{end}}{{define "content"}}{{t "help.nothere"}}{{end}}`,
			`pages/help.html:2:48: no message "help.nothere" in locales/fr.json`},
		{"an argument too few", "pages/help.html", `{{define "title"}}x{{end}}{{define "content"}}{{if .Destination}}{{t "help.phone"}}{{end}}{{end}}`,
			`message "help.phone" of locales/fr.json has the arguments [phone], not []`},
		{"a mail with such a message", "mail/reset.txt", `{{t "mail.nothere"}}`, `mail/reset.txt:1:2: no message "mail.nothere"`},
		{"a template that does not parse", "pages/help.html", `{{define "title"}}`, "pages/help.html"},
		{"a value where it cannot be escaped", "pages/help.html", `{{define "title"}}x{{end}}{{define "content"}}<p title={{if true}}"a{{end}}>{{end}}`, "help.html"},
		{"a page without a title", "pages/help.html", `{{define "content"}}x{{end}}`, "title"},
		{"a key in one language only", "locales/fr.json", `{"site": {"own": "à nous"}}`, `locales/en.json: no message "site.own", which locales/fr.json has`},
		{"an argument in one language only", "locales/en.json", `{"help": {"phone": "Call us"}}`, `message "help.phone" must have the arguments [phone]`},
		{"a broken argument", "locales/en.json", `{"help": {"phone": "Call {phone"}}`, "locales/en.json: help.phone: a { that"},
		{"a number", "locales/en.json", `{"help": {"phone": 3}}`, "locales/en.json: help.phone: must be a text"},
		{"a locale of no language", "locales/a_b_c_d_1234567890.json", `{}`, "must be a language tag"},
		{"a static file that is not there", "pages/help.html", `{{define "title"}}{{static "nothere.css"}}{{end}}{{define "content"}}{{end}}`, "static/nothere.css: is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := render.Open(render.Config{Layers: []fs.FS{fstest.MapFS{c.file: {Data: []byte(c.content)}}}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant …%s…", err, c.want)
			}
		})
	}
}

func TestRequire(t *testing.T) {
	pages := open(t, "https://auth.example.fr")
	if err := pages.Require("password.refused.too_short"); err != nil {
		t.Error(err)
	}
	if err := pages.Require("password.refused.nothere"); err == nil || !strings.Contains(err.Error(), "password.refused.nothere") {
		t.Error(err)
	}
}

func TestSiteIsChecked(t *testing.T) {
	for want, site := range map[string]render.Site{
		"site.key: a colour is written":           {Key: "green"},
		"site.brass: a colour is written":         {Brass: "#12345"},
		"site.timezone: no time zone":             {Timezone: "Europe/Valmont"},
		"site.help.hours.mon: \"9\" is not":       {Help: render.Help{Hours: render.Hours{"mon": "9"}}},
		"site.help.closed: \"Noël\"":              {Help: render.Help{Closed: []string{"Noël"}}},
		"site.links.accessible: one of":           {Links: render.Links{Accessible: "yes"}},
		"language \"it\": there is no locales/it": {Language: "it"},
	} {
		if _, err := render.Open(render.Config{Site: site}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant …%s…", err, want)
		}
	}
	var text render.Text
	for given, want := range map[string]string{`"Valmont"`: "Valmont", `{"fr": "à", "en": "at"}`: "at", `{"fr": "à"}`: "à", `{"de": "in"}`: "in", `{}`: ""} {
		if err := json.Unmarshal([]byte(given), &text); err != nil || text.In("en") != want {
			t.Errorf("%s: %q, %v", given, text.In("en"), err)
		}
	}
	if json.Unmarshal([]byte(`3`), &text) == nil {
		t.Error("a number was taken as a text")
	}
}
