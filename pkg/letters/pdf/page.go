package pdf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// page is the page that is being written.
type page struct {
	at      ref
	content bytes.Buffer
	owners  []ref // by mark
}

// Page begins a page, and writes the last one out.
func (d *Document) Page() {
	d.endPage()
	if d.page == nil {
		d.page = &page{}
	}
	d.page.at = d.reserve()
	d.pages = append(d.pages, d.page.at)
}

func (d *Document) endPage() {
	p := d.page
	if p == nil {
		return
	}
	content, owners := d.reserve(), d.reserve()
	d.stream(content, p.content.Bytes(), "")
	d.object(owners, "%v", p.owners)
	d.object(p.at, "<</Type/Page/Parent %s/Resources %s/Contents %s/StructParents %d>>", d.root, d.resources, content, len(d.owners))
	d.owners = append(d.owners, owners)
	p.content.Reset()
	p.owners = p.owners[:0]
}

// Line is a line of text, and where it stands: X is its left end, Y that which
// the letters stand on.
type Line struct {
	X, Y float64
	Text string
}

// Text sets the lines of one element in a font, at a size. What the font has no
// letter for is seen as a question mark, and heard as it is.
func (d *Document) Text(tag Tag, f *Font, size float64, lines ...Line) {
	entries := ""
	for _, l := range lines {
		if !f.Has(printable(l.Text)) {
			entries = "/ActualText" + text(joined(lines))
			break
		}
	}
	mark, u := d.element(tag, entries), d.use(f)
	d.draw("/%s<</MCID %d>>BDC BT /F%d %.2f Tf\n", tag, mark, slices.Index(d.fonts, u), size)
	for _, l := range lines {
		var glyphs []byte
		for _, r := range printable(l.Text) {
			glyph, own := f.glyph(r)
			if !own {
				r = missing
			}
			if _, known := u.runes[glyph]; !known {
				u.runes[glyph] = r
			}
			glyphs = binary.BigEndian.AppendUint16(glyphs, glyph)
		}
		d.draw("1 0 0 1 %.2f %.2f Tm<%X>Tj\n", l.X/mm, (Height-l.Y)/mm, glyphs)
	}
	d.draw("ET EMC\n")
}

func joined(lines []Line) (all string) {
	for _, l := range lines {
		all += l.Text
	}
	return all
}

func (d *Document) use(f *Font) *use {
	i := slices.IndexFunc(d.fonts, func(u *use) bool { return u.font == f })
	if i < 0 {
		i = len(d.fonts)
		d.fonts = append(d.fonts, &use{f, d.reserve(), map[uint16]rune{}})
	}
	return d.fonts[i]
}

// Squares is a drawing of black squares, so many in a row and as many rows, for
// instance a QR code.
type Squares struct {
	X, Y, Side float64 // of the whole
	Size       int     // squares in a row
	Black      func(x, y int) bool
	// Says is what it shows, for whom does not see it.
	Says string
}

// Draw draws squares. It is one path, so that no light comes between them at
// any resolution.
func (d *Document) Draw(s Squares) {
	left, bottom, side := s.X/mm, (Height-s.Y-s.Side)/mm, s.Side/mm
	mark := d.element("Figure", fmt.Sprintf("/Alt%s/A<</O/Layout/Placement/Block/BBox[%.2f %.2f %.2f %.2f]>>", text(s.Says), left, bottom, left+side, bottom+side))
	d.draw("/Figure<</MCID %d>>BDC q %.5f 0 0 %.5f %.2f %.2f cm\n", mark, side/float64(s.Size), side/float64(s.Size), left, bottom)
	for y := range s.Size {
		for x := 0; x < s.Size; x++ {
			from := x
			for x < s.Size && s.Black(x, y) {
				x++
			}
			if x > from {
				d.draw("%d %d %d 1 re\n", from, s.Size-1-y, x-from)
			}
		}
	}
	d.draw("f Q EMC\n")
}

// Rule draws a thin grey line, which nobody hears of.
func (d *Document) Rule(x1, y1, x2, y2 float64) {
	d.draw("/Artifact BMC .6 G .3 w %.2f %.2f m %.2f %.2f l S EMC\n", x1/mm, (Height-y1)/mm, x2/mm, (Height-y2)/mm)
}

func (d *Document) draw(format string, args ...any) { fmt.Fprintf(&d.page.content, format, args...) }
