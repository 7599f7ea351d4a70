package pdf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/letters/pdf"
)

func fontFile(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile("../fonts/DejaVuSans.ttf")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sans(t *testing.T) *pdf.Font {
	t.Helper()
	f, err := pdf.ParseFont("DejaVuSans", fontFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func chequered(x, y int) bool { return (x+y)%2 == 0 }

// R64: what is printed is read out whole, in its order and its language.
func TestHeard(t *testing.T) {
	f := sans(t)
	var out bytes.Buffer
	d := pdf.New(&out, "Titre & <sous-titre>", "fr")
	d.Page()
	d.Section("fr")
	d.Text(pdf.Heading, f, 18, pdf.Line{X: 20, Y: 20, Text: "Élève Œuvrard"})
	lines, whole := f.Wrap("Deux lignes, au moins, et l’espace insécable\u00a0: il tient.", 12, 60)
	if !whole || len(lines) < 2 {
		t.Fatalf("%q", lines)
	}
	var placed []pdf.Line
	for i, l := range lines {
		placed = append(placed, pdf.Line{X: 20, Y: 30 + 6*float64(i), Text: l})
	}
	d.Text(pdf.Paragraph, f, 12, placed...)
	d.Draw(pdf.Squares{X: 100, Y: 20, Side: 40, Size: 9, Black: chequered, Says: "Code QR"})
	d.Rule(0, 148, 210, 148)
	d.Section("en")
	d.Text(pdf.Paragraph, f, 12, pdf.Line{X: 20, Y: 160, Text: "Nguyễn Thị"})
	d.Page() // a section may go on
	d.Text(pdf.Paragraph, f, 12, pdf.Line{X: 20, Y: 20, Text: "李小龍 \u202eA"})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	doc := read(t, out.Bytes())
	want := []part{
		{"lang", "fr"}, {"H1", "Élève Œuvrard"}, {"P", "Deux lignes, au moins, et l’espace insécable\u00a0: il tient."}, {"Figure", "Code QR"},
		{"lang", "en"}, {"P", "Nguyễn Thị"}, {"P", "李小龍 \u202eA"},
	}
	if diff := cmp.Diff(want, doc.hear(), cmp.AllowUnexported(part{})); diff != "" {
		t.Error(diff)
	}
	if got := doc.marks(doc.pages()[1]); got[0].text != "??? A" {
		t.Errorf("what no font has is seen as %q", got[0].text)
	}

	// ISO 14289-1 sections 5, 7.1, 7.2: it says its title, its language, and
	// what it was made by.
	catalog := doc.catalog()
	if words(doc.entry(catalog, "Lang")) != "fr" || !strings.Contains(catalog, "/MarkInfo<</Marked true>>") || !strings.Contains(catalog, "/DisplayDocTitle true") {
		t.Error(catalog)
	}
	if words(doc.entry(doc.get(doc.trailer, "Info"), "Title")) != "Titre & <sous-titre>" {
		t.Error("no title")
	}
	about := string(doc.stream(doc.get(catalog, "Metadata")))
	if !strings.Contains(about, "Titre &amp; &lt;sous-titre&gt;") || !strings.Contains(about, `pdfuaid:part="1"`) {
		t.Error(about)
	}
}

// ISO 14289-1 section 7.21: a font is in the document, and its letters have
// the widths that the document says.
func TestFontIsInside(t *testing.T) {
	f := sans(t)
	var out bytes.Buffer
	d := pdf.New(&out, "x", "fr")
	d.Page()
	d.Section("fr")
	const text = "Wi\u00a0ﬀ"
	d.Text(pdf.Paragraph, f, 10, pdf.Line{Text: text})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	doc := read(t, out.Bytes())
	set := doc.get(doc.get(doc.objects[doc.pages()[0]], "Resources"), "F0")
	inside := doc.objects[refs(doc.entry(set, "DescendantFonts"))[0]]
	if got := doc.stream(doc.get(doc.get(inside, "FontDescriptor"), "FontFile2")); !bytes.Equal(got, fontFile(t)) {
		t.Errorf("%d bytes of another font", len(got))
	}
	total := 0.0
	for _, found := range regexp.MustCompile(`\d+\[(\d+)\]`).FindAllStringSubmatch(inside, -1) {
		width, _ := strconv.ParseFloat(found[1], 64)
		total += width
	}
	// Each letter once: the sum is the width of the text.
	if want := f.Width(text, 10); total == 0 || max(want, total/100*25.4/72)-min(want, total/100*25.4/72) > .01 {
		t.Errorf("%v, want %v", total, want)
	}
}

func TestWrap(t *testing.T) {
	f := sans(t)
	for name, c := range map[string]struct {
		text  string
		lines int
		whole bool
	}{
		"nothing":          {"", 1, true},
		"a word":           {"mot", 1, true},
		"two lines":        {"aaaaaaaaaa bbbbbbbbbb", 2, true},
		"no break at nbsp": {"aaaaaaaa\u00a0bbbbbbbbb", 2, false},
		"a long word":      {strings.Repeat("a", 30), 3, false},
		"and more":         {"a " + strings.Repeat("b", 30), 4, false},
	} {
		lines, whole := f.Wrap(c.text, 10, 25)
		if len(lines) != c.lines || whole != c.whole || strings.Join(lines, "") != c.text {
			t.Errorf("%s: %q, %v", name, lines, whole)
		}
		for _, l := range lines {
			if width := f.Width(strings.TrimSuffix(l, " "), 10); width > 25 {
				t.Errorf("%s: %q takes %v", name, l, width)
			}
		}
	}
}

// A reader jumps to each bookmark, in their order.
func TestBookmarks(t *testing.T) {
	f := sans(t)
	for _, titles := range [][]string{nil, {"3E1"}, {"3E1", "3E2", "Œuvre"}} {
		var out bytes.Buffer
		d := pdf.New(&out, "x", "fr")
		for _, title := range append(titles, "") {
			d.Page()
			d.Section("fr")
			d.Text(pdf.Paragraph, f, 12, pdf.Line{Text: "de " + title})
			if title != "" {
				d.Bookmark(title)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		doc := read(t, out.Bytes())
		if doc.entry(doc.catalog(), "Outlines") == "" {
			if len(titles) > 0 {
				t.Errorf("no bookmarks for %q", titles)
			}
			continue
		}
		all := doc.get(doc.catalog(), "Outlines")
		var got []string
		last, before := "", ""
		for at := doc.entry(all, "First"); at != ""; at = doc.entry(doc.objects[at], "Next") {
			b := doc.objects[at]
			if doc.entry(b, "Prev") != before || doc.entry(b, "Parent") != doc.entry(doc.catalog(), "Outlines") {
				t.Errorf("%s after %q", b, before)
			}
			title := words(doc.entry(b, "Title"))
			if shown := doc.marks(refs(doc.entry(b, "Dest"))[0])[0].text; shown != "de "+title {
				t.Errorf("%s leads to %q", title, shown)
			}
			got, last, before = append(got, title), at, at
		}
		if diff := cmp.Diff(titles, got); diff != "" || last != doc.entry(all, "Last") || doc.entry(all, "Count") != strconv.Itoa(len(titles)) {
			t.Errorf("%s %s", all, diff)
		}
	}
}

// The letters of a font are found as each of the two ways of its table says
// (OpenType, "cmap", format 4): by a difference, and by a list.
func TestTablesOfLetters(t *testing.T) {
	words := func(all ...int) (out []byte) {
		for _, w := range all {
			out = binary.BigEndian.AppendUint16(out, uint16(w))
		}
		return out
	}
	head := words(0, 1, 3, 1, 0, 12)                          // one table, for Windows
	three := words(4, 0, 0, 6, 0, 0, 0, '?', 'B', 0xffff, 0)  // segments end there,
	three = append(three, words('?', 'A', 0xffff, 10-'?')...) // and begin there
	byDifference := append(append(head[:len(head):len(head)], three...), words(40-'A', 0, 0, 0, 0)...)
	byList := append(append(head[:len(head):len(head)], three...), words(0, 0, 0, 4, 0, 60, 50)...)
	file := fontFile(t)
	with := func(cmap []byte) *pdf.Font {
		t.Helper()
		entry := bytes.Index(file, []byte("cmap"))
		changed := append(bytes.Clone(file), cmap...)
		binary.BigEndian.PutUint32(changed[entry+8:], uint32(len(file)))
		binary.BigEndian.PutUint32(changed[entry+12:], uint32(len(cmap)))
		f, err := pdf.ParseFont("x", changed)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	// The widths of glyphs, which begin the table: 4 bytes for each.
	hmtx := binary.BigEndian.Uint32(file[bytes.Index(file, []byte("hmtx"))+8:])
	wide := func(glyph int) float64 {
		return float64(binary.BigEndian.Uint16(file[int(hmtx)+4*glyph:])) * 25.4 / 72
	}
	for name, c := range map[string]struct {
		cmap []byte
		a, b int
	}{"by a difference": {byDifference, 40, 41}, "by a list": {byList, 60, 50}} {
		f := with(c.cmap)
		for text, glyph := range map[string]int{"?": 10, "A": c.a, "B": c.b, "C": 10} {
			if got, want := f.Width(text, 2048), wide(glyph); max(got, want)-min(got, want) > .01 {
				t.Errorf("%s: %s is %v wide, want %v", name, text, got, want)
			}
		}
	}
	if got, want := sans(t).Width("iM", 2048), (569+1767)*25.4/72; max(got, want)-min(got, want) > .01 {
		t.Errorf("iM of DejaVu Sans is %v wide, want %v", got, want)
	}
}

// A font that is cut short, or none, is an error and no panic.
func TestBrokenFonts(t *testing.T) {
	whole := fontFile(t)
	for n := 0; n < len(whole); n += 397 {
		if _, err := pdf.ParseFont("x", whole[:n]); err == nil {
			t.Fatalf("the first %d bytes are a font", n)
		}
	}
	for at := range 400 { // of the head, and of the tables after it
		broken := bytes.Clone(whole)
		broken[at*7] ^= 0xff
		if f, err := pdf.ParseFont("x", broken); err == nil {
			f.Wrap("Texte", 10, 10)
		}
	}
}

// A fault of the stream is told early, and by Close.
func TestFault(t *testing.T) {
	f := sans(t)
	fault := errors.New("disk full")
	d := pdf.New(failing{fault}, "x", "fr")
	for i := 0; d.Err() == nil; i++ {
		if i == 10_000 {
			t.Fatal("nobody is told")
		}
		d.Page()
		d.Section("fr")
		d.Text(pdf.Paragraph, f, 12, pdf.Line{Text: fmt.Sprint("page ", i)})
	}
	if err := d.Close(); !errors.Is(err, fault) {
		t.Error(err)
	}
	if err := pdf.New(io.Discard, "x", "fr").Close(); err == nil {
		t.Error("a document without a page")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// R64: what is written is forgotten. Of a page with a letter of twelve
// elements some 170 bytes stay; 200 are the bound.
func TestFlat(t *testing.T) {
	f := sans(t)
	d := pdf.New(io.Discard, "x", "fr")
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var early uint64
	const few, many = 100, 1000
	for i := range many {
		d.Page()
		d.Section("fr")
		for range 11 {
			d.Text(pdf.Paragraph, f, 12, pdf.Line{X: 20, Y: 20, Text: fmt.Sprint("Lettre ", i)})
		}
		d.Draw(pdf.Squares{X: 100, Y: 20, Side: 40, Size: 5, Black: chequered, Says: "Code QR"})
		if i == few {
			early = inUse()
		}
	}
	late := inUse()
	runtime.KeepAlive(d)
	if grown := (int64(late) - int64(early)) / (many - few); grown > 200 {
		t.Errorf("%d bytes stay of a letter: %d after %d, %d after %d", grown, early, few, late, many)
	} else {
		t.Logf("%d bytes stay of a letter", grown)
	}
}
