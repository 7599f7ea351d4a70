package letters

import (
	"bufio"
	"fmt"
	"html/template"
	"strings"

	"github.com/loge-idp/loge/pkg/render"
)

// web prints letters as one HTML document without a script. On a screen they
// follow each other; on paper so many stand on a page.
type web struct {
	press       *Press
	format      format
	w           *bufio.Writer
	title, lang string
	letters     int
}

// The head closes nothing, so that letters can follow one by one.
var (
	headHTML = template.Must(template.New("head").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}}</title>
<style>
body { margin: 1rem auto; padding: 0 1rem; max-width: 40rem; font-family: "DejaVu Sans", Verdana, sans-serif; line-height: {{.Leading}}; color: #000; background: #fff }
article { display: flow-root; overflow-wrap: anywhere; padding: 1rem 0; border-bottom: 1px solid #767676 }
h2, p { margin: 0 }
.gap { margin-top: .65em }
.exact { font: bold 1.4em "DejaVu Sans Mono", monospace }
.url { display: inline-block }
figure { float: right; width: 9rem; margin: 0 0 1rem 1rem }
figure svg { display: block; width: 100% }
@page { size: A4; margin: 0 }
@media print {
  body { margin: 0; padding: 0; max-width: none }
  h1 { display: none }
  .page { display: grid; grid-template-columns: repeat({{.Columns}}, 1fr); break-after: page }
  .page:last-child { break-after: auto }
  article { box-sizing: border-box; min-height: {{.Height}}mm; padding: {{.Margin}}mm; border: 0; outline: .1mm solid #999; break-inside: avoid; font-size: calc(var(--scale) * {{.Text}}pt) }
  h2 { font-size: calc(var(--scale) * {{.Heading}}pt) }
  .exact { font-size: calc(var(--scale) * {{.Exact}}pt); line-height: {{.Leading}} }
  figure { width: {{.QR}}mm; margin: 0 0 0 {{.Gap}}mm }
}
</style>
</head>
<body>
<h1>{{.Title}}</h1>
<main>
`))
	articleHTML = template.Must(template.New("article").Parse(`<article lang="{{.Lang}}" style="--scale: {{.Scale}}">
{{- with .Figure}}
<figure role="img" aria-label="{{.Says}}">{{.Drawing}}</figure>
{{- end}}
{{- range .Lines}}
{{if eq .Kind "# "}}<h2>{{.HTML}}</h2>{{else if eq .Kind "= "}}<p class="exact">{{.HTML}}</p>{{else}}<p{{if .Gap}} class="gap"{{end}}>{{.HTML}}</p>{{end}}
{{- end}}
</article>
`))
)

// article is a letter as its template sees it.
type article struct {
	Lang   string
	Scale  float64 // on paper
	Lines  []articleLine
	Figure *figure
}

type articleLine struct {
	Kind kind
	Text string
	Gap  bool // before it
}

// HTML is the text, with each address in one piece: it is copied from paper, and
// a browser would break it at a hyphen.
func (l articleLine) HTML() template.HTML {
	words := strings.Split(template.HTMLEscapeString(l.Text), " ")
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i] = `<span class="url">` + word + `</span>`
		}
	}
	return template.HTML(strings.Join(words, " "))
}

type figure struct {
	Says    string
	Drawing template.HTML
}

func (h *web) add(l letter) error {
	lines, lang, err := h.press.wording(l, h.format.card())
	if err != nil {
		return err
	}
	a := article{Lang: lang}
	// DejaVu is as wide as any font that a browser would take.
	_, a.Scale = h.format.fit(lines, h.format.area(0, !l.issued.URL.Empty()))
	gap := false
	for _, l := range lines {
		switch {
		case l.kind == drawing:
			a.Figure = &figure{Says: l.text}
		case l.text != "":
			a.Lines = append(a.Lines, articleLine{l.kind, l.text, gap})
		}
		gap = l.text == ""
	}
	if l.issued.URL.Empty() {
		a.Figure = nil
	} else if a.Figure != nil {
		if a.Figure.Drawing, err = render.QR(l.issued.URL.Reveal()); err != nil {
			return err
		}
	}
	if err := h.begin(); err != nil {
		return err
	}
	h.letters++
	return articleHTML.Execute(h.w, a)
}

// begin writes what stands before a letter: the head, or the end of a page.
func (h *web) begin() error {
	var err error
	switch {
	case h.letters == 0:
		f := h.format
		if err = headHTML.Execute(h.w, struct {
			Lang, Title                                            string
			Columns                                                int
			Leading, Height, Margin, Gap, QR, Text, Heading, Exact float64
		}{h.lang, h.title, f.columns, leading, f.height(), f.margin, f.margin / 2, f.qr, f.text, f.head, f.exact}); err != nil {
			return err
		}
		_, err = fmt.Fprintln(h.w, `<div class="page">`)
	case h.letters%h.format.perPage() == 0:
		_, err = fmt.Fprintln(h.w, "</div>\n"+`<div class="page">`)
	}
	return err
}

func (h *web) close() error {
	fmt.Fprintln(h.w, "</div>\n</main>\n</body>\n</html>")
	return h.w.Flush()
}
