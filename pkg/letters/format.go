package letters

import "github.com/loge-idp/loge/pkg/letters/pdf"

// format is how many letters stand on a page of A4, and how. Lengths are in
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

// leading is the distance of two lines, in sizes of their type.
const leading = 1.35

func (f format) perPage() int { return f.columns * f.rows }

// card reports whether letters are short.
func (f format) card() bool { return f.perPage() > 2 }

func (f format) width() float64  { return pdf.Width / float64(f.columns) }
func (f format) height() float64 { return pdf.Height / float64(f.rows) }

// area is where the text of a letter stands.
type area struct{ x, y, width, height float64 }

// area is that of the nth letter of a page; a code takes room on its right.
func (f format) area(n int, coded bool) area {
	a := area{x: float64(n%f.columns)*f.width() + f.margin, y: float64(n/f.columns)*f.height() + f.margin,
		width: f.width() - 2*f.margin, height: f.height() - 2*f.margin}
	if coded {
		a.width -= f.qr + f.margin/2
	}
	return a
}

// set is a line of the wording with its place.
type set struct {
	line
	font  *pdf.Font
	size  float64
	lines []pdf.Line
}

// fit sets a letter as large as there is room for, and says at which scale; half
// is the least that can be read.
func (f format) fit(lines []line, a area) (found []set, scale float64) {
	for twentieths, fits := 20, false; twentieths >= 10 && !fits; twentieths-- {
		scale = float64(twentieths) / 20
		found, fits = f.lay(lines, a, scale)
	}
	return found, scale
}

// lay finds the places of lines. What would break a word does not fit: an
// address is copied from paper.
func (f format) lay(lines []line, a area, scale float64) (out []set, fits bool) {
	const mm = 25.4 / 72
	y, fits := a.y, true
	for _, l := range lines {
		s := set{line: l, font: sans(), size: f.text * scale}
		switch l.kind {
		case heading:
			s.font, s.size = bold(), f.head*scale
		case exact:
			s.font, s.size = mono(), f.exact*scale
		case drawing:
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
