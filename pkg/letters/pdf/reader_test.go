package pdf_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// file is a document as a reader sees it: by its table of places.
type file struct {
	t       *testing.T
	objects map[string]string // by "12 0 R"
	trailer string
}

var (
	object  = regexp.MustCompile(`(?s)^(\d+) 0 obj\n(.*?)\nendobj\n`)
	another = regexp.MustCompile(`\d+ 0 R`)
)

// read reads a document, and holds it to the table.
func read(t *testing.T, raw []byte) *file {
	t.Helper()
	text := string(raw)
	f := &file{t: t, objects: map[string]string{}}
	_, end, ok := strings.Cut(text, "startxref\n")
	at, err := strconv.Atoi(strings.TrimSuffix(end, "\n%%EOF\n"))
	if !ok || err != nil || !strings.HasPrefix(text, "%PDF-1.7\n%") || !strings.HasPrefix(text[at:], "xref\n0 ") {
		t.Fatalf("no document, or no table at %d: %v", at, err)
	}
	table, trailer, _ := strings.Cut(text[at:], "trailer\n")
	f.trailer = trailer
	rows := strings.Split(strings.TrimSuffix(table, "\n"), "\n")[2:]
	for n, row := range rows[1:] {
		place, err := strconv.Atoi(row[:10])
		if err != nil || len(row) != 19 || place == 0 {
			t.Fatalf("row %q: %v", row, err)
		}
		found := object.FindStringSubmatch(text[place:])
		if found == nil || found[1] != strconv.Itoa(n+1) {
			t.Fatalf("at %d there is no object %d", place, n+1)
		}
		f.objects[fmt.Sprintf("%d 0 R", n+1)] = found[2]
	}
	if f.entry(trailer, "Size") != strconv.Itoa(len(rows)) {
		t.Errorf("%d objects, and %s", len(rows), trailer)
	}
	for n, content := range f.objects {
		head, _, _ := strings.Cut(content, "stream\n")
		for _, other := range another.FindAllString(head, -1) {
			if f.objects[other] == "" {
				t.Fatalf("%s names %s, which is not there", n, other)
			}
		}
	}
	return f
}

// entry is a value of a dictionary.
func (f *file) entry(dictionary, key string) string {
	f.t.Helper()
	head, _, _ := strings.Cut(dictionary, "stream\n")
	found := regexp.MustCompile(`/` + key + `( ?\d+ 0 R| ?-?[\d.]+| ?\[[^\]]*\]| ?<[0-9A-F]+>|/\w+)`).FindStringSubmatch(head)
	if found == nil {
		return ""
	}
	return strings.TrimSpace(found[1])
}

// get is the object that an entry names.
func (f *file) get(dictionary, key string) string {
	f.t.Helper()
	content, ok := f.objects[f.entry(dictionary, key)]
	if !ok {
		f.t.Fatalf("no /%s in %.200s", key, dictionary)
	}
	return content
}

func refs(list string) []string { return another.FindAllString(list, -1) }

// stream is the content of an object.
func (f *file) stream(content string) []byte {
	f.t.Helper()
	head, rest, _ := strings.Cut(content, "stream\n")
	size, err := strconv.Atoi(f.entry(head, "Length"))
	if err != nil || !strings.HasPrefix(rest[size:], "\nendstream") {
		f.t.Fatalf("a stream of another length: %s", head)
	}
	if !strings.Contains(head, "/FlateDecode") {
		return []byte(rest[:size])
	}
	r, err := zlib.NewReader(strings.NewReader(rest[:size]))
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *file) catalog() string { return f.get(f.trailer, "Root") }

func (f *file) pages() (out []string) { return refs(f.entry(f.get(f.catalog(), "Pages"), "Kids")) }

// words is a string of people's language.
func words(hex string) string {
	var units []uint16
	for hex = strings.Trim(hex, "<>"); len(hex) >= 4; hex = hex[4:] {
		unit, _ := strconv.ParseUint(hex[:4], 16, 16)
		units = append(units, uint16(unit))
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")
}

var (
	block = regexp.MustCompile(`(?s)/(\w+)<</MCID (\d+)>>BDC (.*?) EMC\n|/Artifact BMC (.*?) EMC\n`)
	font  = regexp.MustCompile(`/(F\d+) [\d.]+ Tf`)
	shown = regexp.MustCompile(`Tm<([0-9A-F]*)>Tj`)
	means = regexp.MustCompile(`<([0-9A-F]{4})><([0-9A-F]+)>`)
)

// part is what a reader hears of an element.
type part struct{ tag, text string }

// marks are the parts of a page, by their marks, as the page shows them. What
// stands outside of a mark is a fault.
func (f *file) marks(page string) (out []part) {
	f.t.Helper()
	content := f.stream(f.get(f.objects[page], "Contents"))
	if rest := block.ReplaceAll(content, nil); len(bytes.TrimSpace(rest)) > 0 {
		f.t.Errorf("%s: outside of marks: %q", page, rest)
	}
	fonts := f.get(f.objects[page], "Resources")
	for _, found := range block.FindAllStringSubmatch(string(content), -1) {
		if found[1] == "" {
			continue
		}
		if found[2] != strconv.Itoa(len(out)) {
			f.t.Errorf("%s: mark %s is the %dth", page, found[2], len(out))
		}
		text := ""
		if name := font.FindStringSubmatch(found[3]); name != nil {
			letters := map[string]string{}
			for _, pair := range means.FindAllStringSubmatch(string(f.stream(f.get(f.get(fonts, name[1]), "ToUnicode"))), -1) {
				letters[pair[1]] = words(pair[2])
			}
			for _, line := range shown.FindAllStringSubmatch(found[3], -1) {
				for hex := line[1]; hex != ""; hex = hex[4:] {
					letter := letters[hex[:4]]
					if hex[:4] == "0000" || letter == "" {
						f.t.Errorf("%s: glyph %s says nothing", page, hex[:4])
					}
					text += letter
				}
			}
		}
		out = append(out, part{found[1], text})
	}
	return out
}

// hear is the document as it is read out: every section's language and parts, in
// their order. On the way all that ISO 14289-1 asks of the tree is held to.
func (f *file) hear() (out []part) {
	f.t.Helper()
	tree := f.get(f.catalog(), "StructTreeRoot")
	owners := map[string][]string{} // by the number of the page
	pairs := regexp.MustCompile(`(\d+) (\d+ 0 R) `).FindAllStringSubmatch(f.entry(tree, "Nums"), -1)
	for _, pair := range pairs {
		owners[pair[1]] = refs(f.objects[pair[2]])
	}
	marks := map[string][]part{}
	told := map[string]bool{}
	for _, page := range f.pages() {
		marks[page] = f.marks(page)
		mine := owners[f.entry(f.objects[page], "StructParents")]
		if len(mine) != len(marks[page]) {
			f.t.Errorf("%s: %d marks, and owners of %d", page, len(marks[page]), len(mine))
		}
		for mark, owner := range mine {
			if e := f.objects[owner]; f.entry(e, "Pg") != page || f.entry(e, "K") != strconv.Itoa(mark) || f.entry(e, "S") != "/"+marks[page][mark].tag {
				f.t.Errorf("%s: mark %d is not of %s: %s", page, mark, owner, e)
			}
			told[owner] = true
		}
	}
	whole := refs(f.entry(tree, "K"))[0]
	if f.entry(f.objects[whole], "S") != "/Document" {
		f.t.Errorf("the tree begins with %s", f.objects[whole])
	}
	for _, at := range refs(f.entry(f.objects[whole], "K")) {
		section := f.objects[at]
		if f.entry(section, "P") != whole || f.entry(section, "S") != "/Sect" {
			f.t.Errorf("a section %s", section)
		}
		out = append(out, part{"lang", words(f.entry(section, "Lang"))})
		for _, at := range refs(f.entry(section, "K")) {
			e := f.objects[at]
			if !told[at] {
				f.t.Errorf("no page shows %s", e)
			}
			delete(told, at)
			mark, _ := strconv.Atoi(f.entry(e, "K"))
			p := marks[f.entry(e, "Pg")][mark]
			for _, instead := range []string{"ActualText", "Alt"} {
				if text := f.entry(e, instead); text != "" {
					p.text = words(text)
				}
			}
			out = append(out, p)
		}
	}
	if len(told) > 0 {
		f.t.Errorf("%v are heard nowhere", told)
	}
	return out
}
