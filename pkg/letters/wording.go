package letters

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
)

// line is one of a letter's wording.
type line struct {
	kind kind
	text string
}

// kind is what a line begins with (render.Sheet).
type kind string

const (
	plain   kind = ""
	heading kind = "# "
	exact   kind = "= "
	drawing kind = "! " // the text says what is drawn
)

// wording cuts the text of a letter into its lines; empty ones are gaps.
func wording(text string) (out []line) {
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		found := line{plain, l}
		for _, k := range []kind{heading, exact, drawing} {
			if rest, ok := strings.CutPrefix(l, string(k)); ok {
				found = line{k, rest}
			}
		}
		out = append(out, found)
	}
	return out
}

// wording is that of a letter, and its language. A drawing without anything to
// open is none.
func (p *Press) wording(l letter, card bool) (out []line, lang string, err error) {
	s := render.Sheet{Name: oneLine(l.Name), Group: oneLine(l.Group), Login: oneLine(l.login), Code: l.issued.Code.Reveal(), Until: l.issued.Until, URL: p.Lost, Card: card,
		Reset: l.issued.Purpose == recovery.Reset}
	switch {
	case s.Reset:
		s.URL = p.Typed
	case s.Code != "":
		s.URL = p.Home
	}
	text, lang, err := p.Pages.Sheet(l.Language, s)
	return wording(text), lang, err
}

// oneLine keeps what a directory says from becoming lines of the wording. Accents
// are joined to their letters and ligatures taken apart: a font has no others.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(norm.NFKC.String(text), unicode.IsControl), " ")
}
