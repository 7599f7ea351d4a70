package letters

import (
	_ "embed" // the fonts
	"strings"
	"sync"
	"unicode"

	"rsc.io/qr"

	"github.com/loge-idp/loge/pkg/letters/pdf"
)

// The Latin letters of all European languages and of Vietnamese, the Greek and
// the Cyrillic ones: see fonts/LICENSE.
var (
	//go:embed fonts/DejaVuSans.ttf
	sansFile []byte
	//go:embed fonts/DejaVuSans-Bold.ttf
	boldFile []byte
	//go:embed fonts/DejaVuSansMono-Bold.ttf
	monoFile []byte

	sans = font("DejaVuSans", sansFile)
	bold = font("DejaVuSans-Bold", boldFile)
	mono = font("DejaVuSansMono-Bold", monoFile)
)

func font(name string, file []byte) func() *pdf.Font {
	return sync.OnceValue(func() *pdf.Font {
		f, err := pdf.ParseFont(name, file)
		if err != nil {
			panic(err) // it is ours
		}
		return f
	})
}

// document prints letters as PDF.
type document struct {
	press   *Press
	format  format
	pdf     *pdf.Document
	letters int
	group   string // that of the last letter
}

func (d *document) add(l letter) error {
	if strings.ContainsFunc(oneLine(l.Name), func(r rune) bool { return unicode.IsLetter(r) && !bold().Has(string(r)) }) {
		l.Name = l.login // a row of question marks is nobody's name
	}
	lines, lang, err := d.press.wording(l, d.format.card())
	if err != nil {
		return err
	}
	at := d.letters % d.format.perPage()
	if at == 0 {
		d.page()
	}
	d.letters++
	if l.Group != d.group {
		d.group = l.Group
		d.pdf.Bookmark(l.Group)
	}
	d.pdf.Section(lang)
	var code *qr.Code
	if url := l.issued.URL.Reveal(); url != "" {
		if code, err = qr.Encode(url, qr.M); err != nil {
			return err
		}
	}
	a := d.format.area(at, code != nil)
	found, _ := d.format.fit(lines, a)
	for _, s := range found {
		switch {
		case s.kind == drawing && code != nil:
			d.pdf.Draw(pdf.Squares{X: a.x + a.width + d.format.margin/2, Y: a.y, Side: d.format.qr, Size: code.Size, Black: code.Black, Says: s.text})
		case s.kind == heading:
			d.pdf.Text(pdf.Heading, s.font, s.size, s.lines...)
		case s.kind != drawing:
			d.pdf.Text(pdf.Paragraph, s.font, s.size, s.lines...)
		}
	}
	return d.pdf.Err()
}

func (d *document) close() error { return d.pdf.Close() }

// page begins one, with the lines to cut along.
func (d *document) page() {
	d.pdf.Page()
	for i := 1; i < d.format.rows; i++ {
		y := pdf.Height / float64(d.format.rows) * float64(i)
		d.pdf.Rule(0, y, pdf.Width, y)
	}
	for i := 1; i < d.format.columns; i++ {
		x := pdf.Width / float64(d.format.columns) * float64(i)
		d.pdf.Rule(x, 0, x, pdf.Height)
	}
}
