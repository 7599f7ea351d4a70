package render_test

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/render"
)

// twins are the same pages twice, at a time that can be moved: the second from
// the templates as they are written.
func twins(t *testing.T, site render.Site, layers ...fs.FS) (folded, plain *render.Pages, at *time.Time) {
	t.Helper()
	at = new(tuesday)
	open := func() *render.Pages {
		pages, err := render.Open(render.Config{Site: site, Issuer: "https://auth.univ-valmont.example/loge", Recovery: true, Requests: true, Layers: layers,
			Now: func() time.Time { return *at }})
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	folded, plain = open(), open()
	if err := plain.Unfold(); err != nil {
		t.Fatal(err)
	}
	return folded, plain, at
}

// What is rendered once is, for everybody and at any time, what would have
// been rendered for them.
func TestFoldedPagesAreTheSame(t *testing.T) {
	themed := valmont
	themed.Themes = map[string]render.Theme{"iut": {Name: render.Text{"": "IUT <de> Valmont"}, Key: "#123456"}}
	byMail := valmont
	byMail.Help.Phone = ""
	for name, site := range map[string]render.Site{"with themes": themed, "no telephone": byMail} {
		folded, plain, at := twins(t, site)
		views := samples()
		for theme := range site.Themes {
			views = append(views, sample{"login in " + theme, render.Login{Frame: render.Frame{Theme: theme, Destination: "Moodle"}}})
		}
		for _, now := range []time.Time{tuesday, tuesday.Add(9 * time.Hour), tuesday.AddDate(0, 3, 10)} {
			*at = now
			for _, s := range views {
				for _, lang := range []string{"fr", "en"} {
					if diff := cmp.Diff(get(plain, lang, 200, s.view).Body.String(), get(folded, lang, 200, s.view).Body.String()); diff != "" {
						t.Fatalf("%s, %s in %s, %v: %s", name, s.name, lang, now, diff)
					}
				}
			}
			for _, view := range mails() {
				want, err := plain.Mail("fr", view)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := folded.Mail("fr", view); err != nil || got != want {
					t.Errorf("%s, %T: %v %s", name, view, err, cmp.Diff(want, got))
				}
			}
		}
	}
}

// A site's own templates may say everything that templates can.
func TestFoldedTemplatesOfASite(t *testing.T) {
	const page = `{{define "title"}}{{t "login.title"}}{{end}}{{define "content"}}
{{$title := t "login.title"}}{{$title}}{{with $name := site.Name}}{{in $name}} {{in .}} {{$.Username}}{{end}}
{{range others}}{{if eq .Tag "fr"}}{{break}}{{end}}{{.Name}} {{$.Username}}{{end}}
{{range others}}{{.Name}}{{if eq .Tag "en"}}{{continue}}{{end}}{{lang}}{{else}}nothing{{end}}
{{range .Hidden}}{{t "login.title"}} {{.Name}}{{end}}
<script>let a = {{t "login.title"}}, b = {{site.Help.Phone}}, c = {{.Username}}</script>
<a title={{t "login.title"}} href="/?q={{t "login.title"}}&amp;n={{.Username}}">{{printf "%s %q" name lang}}</a>
{{if site.Help.Phone}}{{.Username}}{{template "contact"}}{{else}}{{.Username}}{{end}}
{{with site.Help.Mail}}{{.}}{{else}}{{.Username}}{{end}}{{with site.Help.URL}}{{.}}{{else}}{{.Username}}{{t "login.submit"}}{{end}}
{{if requests}}{{len site.Help.Hours}}{{else if .Username}}{{opening}}{{end}}{{end}}`
	folded, plain, _ := twins(t, valmont, fstest.MapFS{"pages/login.html": {Data: []byte(page)}})
	for _, name := range []string{"", "élodie", "<b>'\""} {
		view := render.Login{Username: name, Frame: render.Frame{Hidden: []render.Field{{Name: name, Value: "1"}, {Name: "b"}}}}
		for _, lang := range []string{"fr", "en"} {
			want := get(plain, lang, 200, view)
			if want.Code != 200 {
				t.Fatalf("%d %s", want.Code, want.Body)
			}
			if diff := cmp.Diff(want.Body.String(), get(folded, lang, 200, view).Body.String()); diff != "" {
				t.Errorf("%q in %s: %s", name, lang, diff)
			}
		}
	}
}

func TestFoldedPagesCostLess(t *testing.T) {
	folded, plain, _ := twins(t, valmont)
	count := func(pages *render.Pages) (all, login float64) {
		for i, s := range samples() {
			n := testing.AllocsPerRun(3, func() { get(pages, "fr", 200, s.view) })
			all += n
			if i == 0 {
				login = n
			}
		}
		return all, login
	}
	all, login := count(folded)
	allPlain, loginPlain := count(plain)
	t.Logf("%.0f allocations for the login page, %.0f as written; all pages: %.0f and %.0f", login, loginPlain, all, allPlain)
	if all > allPlain/2 || login > loginPlain*0.4 {
		t.Error("that is more than 40 % for the login page, or than half for all")
	}
}
