package letters

import (
	"bytes"
	"context"
	_ "embed" // the fonts
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"rsc.io/qr"
)

// The letters of all European languages: see fonts/LICENSE.
var (
	//go:embed fonts/DejaVuSans.ttf
	sans []byte
	//go:embed fonts/DejaVuSans-Bold.ttf
	bold []byte
	//go:embed fonts/DejaVuSansMono-Bold.ttf
	mono []byte
)

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

const pageWidth, pageHeight = 210.0, 297.0

// PDF prints letters, one, two or eight to a page. The document names its
// title and its language, and reads in the order of its letters; the library
// behind it cannot tag paragraphs. Errors are of the directory, the store, or
// w, to which nothing is written unless all went well.
func (p *Press) PDF(ctx context.Context, w io.Writer, perPage int, o Order) (Printed, error) {
	f, ok := formats[perPage]
	if !ok {
		return Printed{}, fmt.Errorf("letters: %d to a page is none of 1, 2, 8", perPage)
	}
	d := &document{press: p, w: w, format: f, perPage: perPage, pdf: fpdf.New("P", "mm", "A4", "")}
	d.pdf.SetAutoPageBreak(false, 0)
	d.pdf.SetMargins(0, 0, 0)
	d.pdf.SetCellMargin(0)
	d.pdf.AddUTF8FontFromBytes("sans", "", sans)
	d.pdf.AddUTF8FontFromBytes("sans", "B", bold)
	d.pdf.AddUTF8FontFromBytes("mono", "B", mono)
	d.pdf.SetProducer("Loge", true)
	return p.print(ctx, o, d)
}

type document struct {
	press   *Press
	w       io.Writer
	format  format
	perPage int
	pdf     *fpdf.Fpdf
	letters int
	png     pngBuffer
}

// pngBuffer is the one buffer of all drawings: png.EncoderBufferPool.
type pngBuffer struct{ b *png.EncoderBuffer }

func (p *pngBuffer) Get() *png.EncoderBuffer  { return p.b }
func (p *pngBuffer) Put(b *png.EncoderBuffer) { p.b = b }

func (d *document) add(l letter) error {
	text, lang, err := d.press.Pages.Sheet(l.Language, d.press.sheet(l, d.perPage > 2))
	if err != nil {
		return err
	}
	at := d.letters % d.perPage
	if at == 0 {
		d.page()
	}
	if d.letters == 0 {
		title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		d.pdf.SetTitle(title, true)
		d.pdf.SetLang(lang)
	}
	d.letters++
	width, height := pageWidth/float64(d.format.columns), pageHeight/float64(d.format.rows)
	x, y := float64(at%d.format.columns)*width+d.format.margin, float64(at/d.format.columns)*height+d.format.margin
	column := width - 2*d.format.margin
	if url := l.issued.URL.Reveal(); url != "" {
		column -= d.format.qr + d.format.margin/2
		if err := d.drawing(url, x+column+d.format.margin/2, y); err != nil {
			return err
		}
	}
	scale := 1.0
	for d.write(text, x, y, column, scale, false) > height-2*d.format.margin && scale > 0.5 {
		scale -= 0.05
	}
	d.write(text, x, y, column, scale, true)
	return d.pdf.Error()
}

// page begins one, with the lines to cut along.
func (d *document) page() {
	d.pdf.AddPage()
	d.pdf.SetDrawColor(160, 160, 160)
	d.pdf.SetLineWidth(0.1)
	for i := 1; i < d.format.rows; i++ {
		y := pageHeight / float64(d.format.rows) * float64(i)
		d.pdf.Line(0, y, pageWidth, y)
	}
	for i := 1; i < d.format.columns; i++ {
		x := pageWidth / float64(d.format.columns) * float64(i)
		d.pdf.Line(x, 0, x, pageHeight)
	}
}

// write sets a text, or with draw unset only measures it, and returns its
// height. What would break a word does not fit: an address is copied from paper.
func (d *document) write(text string, x, y, width, scale float64, draw bool) float64 {
	const leading, mm = 1.35, 25.4 / 72
	top := y
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		size := d.format.text * scale
		family, style := "sans", ""
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			line, size, style = rest, d.format.head*scale, "B"
		} else if rest, ok := strings.CutPrefix(line, "= "); ok {
			line, size, family, style = rest, d.format.exact*scale, "mono", "B"
		}
		height := size * leading * mm
		if line == "" {
			y += height / 2
			continue
		}
		d.pdf.SetFont(family, style, size)
		if draw {
			d.pdf.SetXY(x, y)
			d.pdf.MultiCell(width, height, line, "", "L", false)
			y = d.pdf.GetY()
			continue
		}
		for word := range strings.FieldsSeq(line) {
			if d.pdf.GetStringWidth(word) > width {
				return pageHeight
			}
		}
		y += height * float64(len(d.pdf.SplitText(line, width)))
	}
	return y - top
}

// drawing sets the QR code of a link. An image of a few hundred bytes keeps
// thousands of letters small.
func (d *document) drawing(url string, x, y float64) error {
	code, err := qr.Encode(url, qr.M)
	if err != nil {
		return err
	}
	const module, quiet = 4, 4
	side := (code.Size + 2*quiet) * module
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for py := range side {
		for px := range side {
			if code.Black(px/module-quiet, py/module-quiet) {
				picture.SetColorIndex(px, py, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{BufferPool: &d.png}).Encode(&out, picture); err != nil {
		return err
	}
	name, options := "qr"+strconv.Itoa(d.letters), fpdf.ImageOptions{ImageType: "PNG"}
	d.pdf.RegisterImageOptionsReader(name, options, &out)
	d.pdf.ImageOptions(name, x, y, d.format.qr, d.format.qr, false, options, 0, "")
	return d.pdf.Error()
}

func (d *document) close() error {
	if d.letters == 0 {
		return nil
	}
	return d.pdf.Output(d.w)
}
