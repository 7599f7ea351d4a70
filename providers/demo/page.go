package demo

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"golang.org/x/text/language"
)

//go:embed page.html
var pageText string

// page is what both applications show.
type page struct {
	Apps    Apps
	Portal  bool     // or else the CAS application
	Visitor *visitor // nil: nobody is signed in
	Problem error

	English bool
}

// T chooses the text of the request's language.
func (p page) T(french, english string) string {
	if p.English {
		return english
	}
	return french
}

var (
	pageTemplate = template.Must(template.New("page").Parse(pageText))
	languages    = language.NewMatcher([]language.Tag{language.French, language.English})
)

func (p page) write(w http.ResponseWriter, r *http.Request, status int) {
	tag, _ := language.MatchStrings(languages, r.Header.Get("Accept-Language"))
	base, _ := tag.Base()
	p.English = base.String() == "en"
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", base.String())
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	// Signing out redirects to the server, which may be at another origin.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' http: https:; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}
