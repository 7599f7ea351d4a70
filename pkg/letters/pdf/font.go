package pdf

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
)

// mm is the length of a point, in which type is measured.
const mm = 25.4 / 72

// missing stands for what a font has no letter for: PDF/UA forbids the empty
// box that fonts have for it.
const missing = '?'

// Font is a font in a TrueType file. It may be used by several documents at
// once.
type Font struct {
	name                      string
	file                      []byte
	glyphs                    map[rune]uint16
	widths                    []float64 // by glyph, in thousandths of the size
	ascent, descent, capitals float64
	box                       [4]float64
	fixed                     bool
}

// table is a table of a font file. What is beyond its end is 0.
type table []byte

func (t table) u16(at int) int {
	if at < 0 || at+2 > len(t) {
		return 0
	}
	return int(binary.BigEndian.Uint16(t[at:]))
}

func (t table) i16(at int) float64 { return float64(int16(t.u16(at))) } // #nosec G115 -- that is how it is written

// ParseFont reads a font that stands in a file of its own, with outlines in
// "glyf" and its letters in a table of format 4: those of one plane of Unicode.
// The name is the one that a document calls it by, without spaces. The error
// says what is missing.
func ParseFont(name string, file []byte) (*Font, error) {
	tables := map[string]table{}
	for i := range table(file).u16(4) {
		entry := 12 + 16*i
		if entry+16 > len(file) {
			break
		}
		from, size := uint64(binary.BigEndian.Uint32(file[entry+8:])), uint64(binary.BigEndian.Uint32(file[entry+12:]))
		if from+size > uint64(len(file)) {
			return nil, fmt.Errorf("pdf: font %s: it is cut short", name)
		}
		tables[string(file[entry:entry+4])] = table(file[from : from+size])
	}
	for _, needed := range []string{"cmap", "glyf", "head", "hhea", "hmtx", "loca", "maxp"} {
		if len(tables[needed]) == 0 {
			return nil, fmt.Errorf("pdf: font %s: it has no table %q", name, needed)
		}
	}
	head, hhea, hmtx := tables["head"], tables["hhea"], tables["hmtx"]
	unit := 1000 / float64(max(head.u16(18), 1))
	f := &Font{name: name, file: file, ascent: hhea.i16(4) * unit, descent: hhea.i16(6) * unit,
		box:    [4]float64{head.i16(36) * unit, head.i16(38) * unit, head.i16(40) * unit, head.i16(42) * unit},
		glyphs: letters(tables["cmap"])}
	if f.glyphs[missing] == 0 {
		return nil, fmt.Errorf("pdf: font %s: it has no %q", name, missing)
	}
	for i := range tables["maxp"].u16(4) {
		// The last width is that of all glyphs after it.
		f.widths = append(f.widths, float64(hmtx.u16(4*min(i, hhea.u16(34)-1)))*unit)
	}
	for _, glyph := range f.glyphs {
		if int(glyph) >= len(f.widths) {
			return nil, fmt.Errorf("pdf: font %s: it names glyphs that it has not", name)
		}
	}
	f.capitals = f.ascent
	if os2 := tables["OS/2"]; os2.u16(0) >= 2 {
		f.capitals = os2.i16(88) * unit
	}
	f.fixed = f.widths[f.glyphs['i']] == f.widths[f.glyphs['M']]
	return f, nil
}

// letters reads a cmap: the glyph of each rune.
func letters(cmap table) map[rune]uint16 {
	glyphs := map[rune]uint16{}
	for i := range cmap.u16(2) {
		at := cmap.u16(4+8*i+4)<<16 | cmap.u16(4+8*i+6)
		if at >= len(cmap) || cmap.u16(at) != 4 {
			continue
		}
		sub := cmap[at:]
		segments := sub.u16(6) / 2
		ends, starts := 14, 16+2*segments
		deltas, ranges := starts+2*segments, starts+4*segments
		for s := range segments {
			first, last, offset := sub.u16(starts+2*s), sub.u16(ends+2*s), sub.u16(ranges+2*s)
			for r := first; r <= last && r < 0xffff; r++ {
				glyph := r
				if offset != 0 {
					if glyph = sub.u16(ranges + 2*s + offset + 2*(r-first)); glyph == 0 {
						continue
					}
				}
				if glyph = (glyph + sub.u16(deltas+2*s)) & 0xffff; glyph != 0 {
					glyphs[rune(r)] = uint16(glyph) // #nosec G115 -- masked
				}
			}
		}
	}
	return glyphs
}

// glyph is what stands for a rune, and whether it is its own.
func (f *Font) glyph(r rune) (glyph uint16, own bool) {
	if glyph = f.glyphs[r]; glyph != 0 {
		return glyph, true
	}
	return f.glyphs[missing], false
}

// Has reports whether the font has all the letters of a text.
func (f *Font) Has(text string) bool {
	for _, r := range text {
		if _, own := f.glyph(r); !own {
			return false
		}
	}
	return true
}

// Width is how much room a text takes, in millimetres, at a size in points.
func (f *Font) Width(text string, size float64) (width float64) {
	for _, r := range text {
		glyph, _ := f.glyph(r)
		width += f.widths[glyph]
	}
	return width / 1000 * size * mm
}

// Wrap cuts a text into lines of a width in millimetres, at spaces that allow
// it. All but the last end in their space, so that whoever reads the document
// by ear hears two words. It reports whether that was enough: a longer word is
// cut where the line ends.
func (f *Font) Wrap(text string, size, width float64) (lines []string, whole bool) {
	line, used, whole := "", 0.0, true
	turn := func() { lines, line, used = append(lines, line), "", 0 }
	for word := range strings.SplitAfterSeq(text, " ") {
		room := f.Width(strings.TrimSuffix(word, " "), size)
		if line != "" && used+room > width {
			turn()
		}
		if room <= width {
			line, used = line+word, used+f.Width(word, size)
			continue
		}
		whole = false
		for _, r := range word {
			room := f.Width(string(r), size)
			if line != "" && r != ' ' && used+room > width {
				turn()
			}
			line, used = line+string(r), used+room
		}
	}
	return append(lines, line), whole
}

// use is a font in a document.
type use struct {
	font  *Font
	at    ref
	runes map[uint16]rune // by the glyphs that the document shows
}

// write writes the font, after all that is set in it.
func (u *use) write(o *objects) {
	f := u.font
	descendant, descriptor, file, meaning := o.reserve(), o.reserve(), o.reserve(), o.reserve()
	o.object(u.at, "<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%s]/ToUnicode %s>>", f.name, descendant, meaning)
	o.begin(descendant)
	o.printf("<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/CIDToGIDMap/Identity/FontDescriptor %s/W[", f.name, descriptor)
	glyphs := slices.Sorted(maps.Keys(u.runes))
	for _, glyph := range glyphs {
		o.printf("%d[%.0f]", glyph, f.widths[glyph])
	}
	o.printf("]>>")
	o.end()
	flags := 1 << 5 // no signs of its own
	if f.fixed {
		flags |= 1
	}
	o.object(descriptor, "<</Type/FontDescriptor/FontName/%s/Flags %d/FontBBox[%.0f %.0f %.0f %.0f]/ItalicAngle 0/Ascent %.0f/Descent %.0f/CapHeight %.0f/StemV 80/FontFile2 %s>>",
		f.name, flags, f.box[0], f.box[1], f.box[2], f.box[3], f.ascent, f.descent, f.capitals, file)
	o.stream(file, f.file, fmt.Sprintf("/Length1 %d", len(f.file)))
	o.stream(meaning, []byte(u.meaning(glyphs)), "")
}

// meaning is a CMap that tells the text of glyphs, for who copies or listens
// (ISO 32000-1 section 9.10.3).
func (u *use) meaning(glyphs []uint16) string {
	var out strings.Builder
	out.WriteString("/CIDInit/ProcSet findresource begin 12 dict begin begincmap\n" +
		"/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def/CMapName/Adobe-Identity-UCS def/CMapType 2 def\n" +
		"1 begincodespacerange<0000><FFFF>endcodespacerange\n")
	for some := range slices.Chunk(glyphs, 100) { // more are not allowed in one go
		fmt.Fprintf(&out, "%d beginbfchar\n", len(some))
		for _, glyph := range some {
			fmt.Fprintf(&out, "<%04X><", glyph)
			for _, unit := range utf16.Encode([]rune{u.runes[glyph]}) {
				fmt.Fprintf(&out, "%04X", unit)
			}
			out.WriteString(">\n")
		}
		out.WriteString("endbfchar\n")
	}
	out.WriteString("endcmap CMapName currentdict/CMap defineresource pop end end\n")
	return out.String()
}

// printable drops what is no sign and takes no room, of which no font has a
// letter: controls, and marks of the direction.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return r
	}, text)
}
