package letters

import (
	_ "embed" // the fonts
	"sync"

	"rsc.io/qr"

	"github.com/loge-idp/loge/pkg/letters/pdf"
)

// The letters of all European languages that are written in Latin ones, and of
// Vietnamese: see fonts/LICENSE.
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

// format is how many letters stand on a page, and how. Lengths are in
// millimetres, sizes of type in points.
type format struct {
	columns, rows     int
	margin, qr        float64
	head, text, exact float64
}

var formats = map[int]format{
	1: {1, 1, 25, 50, 18, 12, 18},
	2: {1, 2, 18, 42, 15, 10.5, 15},
	8: {2, 4, 7, 30, 11, 8, 12},
}

func (f format) perPage() int { return f.columns * f.rows }

// card reports whether letters are short.
func (f format) card() bool { return f.perPage() > 2 }

// document prints letters as PDF.
type document struct {
	press   *Press
	format  format
	pdf     *pdf.Document
	letters int
}

func (d *document) add(l letter) error {
	lines, lang, err := d.press.wording(l, d.format.card())
	if err != nil {
		return err
	}
	at := d.letters % d.format.perPage()
	if at == 0 {
		d.page()
	}
	d.letters++
	d.pdf.Section(lang)
	f := d.format
	width, height := pdf.Width/float64(f.columns), pdf.Height/float64(f.rows)
	a := area{x: float64(at%f.columns)*width + f.margin, y: float64(at/f.columns)*height + f.margin, width: width - 2*f.margin, height: height - 2*f.margin}
	if l.issued.URL.Empty() {
		d.write(lines, a, nil)
		return d.pdf.Err()
	}
	code, err := qr.Encode(l.issued.URL.Reveal(), qr.M)
	if err != nil {
		return err
	}
	a.width -= f.qr + f.margin/2
	d.write(lines, a, &pdf.Squares{X: a.x + a.width + f.margin/2, Y: a.y, Side: f.qr, Size: code.Size, Black: code.Black})
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

// area is where a letter stands.
type area struct{ x, y, width, height float64 }

// set is a line of the wording with its place.
type set struct {
	line
	font  *pdf.Font
	size  float64
	lines []pdf.Line
}

// write sets a letter as large as fits.
func (d *document) write(lines []line, a area, code *pdf.Squares) {
	scale := 1.0
	found, fits := d.lay(lines, a, scale)
	for !fits && scale > 0.5 {
		scale -= 0.05
		found, fits = d.lay(lines, a, scale)
	}
	for _, s := range found {
		switch {
		case s.kind == drawing && code != nil:
			code.Says = s.text
			d.pdf.Draw(*code)
		case s.kind == heading:
			d.pdf.Text(pdf.Heading, s.font, s.size, s.lines...)
		case s.kind != drawing:
			d.pdf.Text(pdf.Paragraph, s.font, s.size, s.lines...)
		}
	}
}

// lay finds the places of lines. What would break a word does not fit: an
// address is copied from paper.
func (d *document) lay(lines []line, a area, scale float64) (out []set, fits bool) {
	const leading, mm = 1.35, 25.4 / 72
	y, fits := a.y, true
	for _, l := range lines {
		s := set{line: l, font: sans(), size: d.format.text * scale}
		switch {
		case l.kind == heading:
			s.font, s.size = bold(), d.format.head*scale
		case l.kind == exact:
			s.font, s.size = mono(), d.format.exact*scale
		case l.kind == drawing:
			out = append(out, s)
			continue
		}
		height := s.size * leading * mm
		if l.text == "" {
			y += height / 2
			continue
		}
		wrapped, whole := s.font.Wrap(l.text, s.size, a.width)
		fits = fits && whole
		for _, text := range wrapped {
			y += height
			// Letters stand a quarter of the way up their line.
			s.lines = append(s.lines, pdf.Line{X: a.x, Y: y - height/4, Text: text})
		}
		out = append(out, s)
	}
	return out, fits && y <= a.y+a.height
}
