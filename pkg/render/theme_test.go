package render_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/render"
)

// A theme changes the name and the colours of the pages of some applications,
// and of no others.
func TestThemes(t *testing.T) {
	site := render.Site{Name: render.Text{"": "Université"}, Key: "#102030", Themes: map[string]render.Theme{
		"music": {Name: render.Text{"": "Conservatoire"}, Brass: "#aa2200"},
		"plain": {},
	}}
	pages, err := render.Open(render.Config{Site: site, Issuer: "https://auth.example.fr"})
	if err != nil {
		t.Fatal(err)
	}
	look := func(theme string) (page, css string) {
		t.Helper()
		page = get(pages, "fr", 200, render.Login{Frame: render.Frame{Theme: theme}}).Body.String()
		link := regexp.MustCompile(`href="(/static/loge[^"]*\.css)"`).FindStringSubmatch(page)
		if link == nil {
			t.Fatalf("%q: no style sheet in %s", theme, page)
		}
		w := httptest.NewRecorder()
		pages.Static().ServeHTTP(w, httptest.NewRequest("GET", link[1], nil))
		if w.Code != 200 {
			t.Fatalf("%s: %d", link[1], w.Code)
		}
		return page, w.Body.String()
	}
	own, ownCSS := look("")
	music, musicCSS := look("music")
	plain, _ := look("plain")
	if !strings.Contains(own, "Université") || strings.Contains(own, "Conservatoire") || strings.Contains(ownCSS, "aa2200") {
		t.Error("the site's own pages have another face")
	}
	if !strings.Contains(music, "Conservatoire") || strings.Contains(music, "Université") || !strings.Contains(musicCSS, "--brass:#aa2200") {
		t.Error("the theme is not shown")
	}
	if !strings.Contains(musicCSS, "--key:#102030") {
		t.Error("what a theme leaves out is not the site's")
	}
	if !strings.Contains(plain, "Université") {
		t.Error("a theme without a name has none")
	}
	if !pages.Themed("music") || !pages.Themed("") || pages.Themed("sport") {
		t.Error("Themed is wrong")
	}
	for what, themes := range map[string]map[string]render.Theme{
		"a name that leaves the folder": {"../x": {}}, "no name": {"": {}}, "a colour that is none": {"x": {Key: "red"}},
	} {
		if _, err := render.Open(render.Config{Site: render.Site{Themes: themes}, Issuer: "https://auth.example.fr"}); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
