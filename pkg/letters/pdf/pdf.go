// Package pdf writes tagged documents, page by page, to a stream: thousands of
// pages in little memory, which a screen reader reads as well as a printer
// does. It is what pkg/letters needs of ISO 32000-1 (PDF 1.7) and ISO 14289-1
// (PDF/UA-1), and no more: pages of A4, TrueType fonts, headings, paragraphs,
// drawings of squares. No library with a free licence both streams and tags.
//
// What stays of a letter that was written are the places of its objects in the
// file, eight bytes for each, some 150 bytes for a letter of a dozen
// paragraphs.
package pdf

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A page of A4, in millimetres. All lengths are, from the upper left corner; sizes
// of type are in points.
const (
	Width  = 210.0
	Height = 297.0
)

// Tag is what an element is to who reads by ear.
type Tag string

// The tags.
const (
	Heading   Tag = "H1"
	Paragraph Tag = "P"
)

// Document is a document that is being written. Faults of the stream are kept
// and returned by Err and Close.
type Document struct {
	title, lang string
	*objects
	root, resources, tree, whole ref
	fonts                        []*use
	pages                        []ref // all of them
	owners                       []ref // by page, the list of whom its marks belong to
	sections                     []ref
	bookmarks                    []bookmark
	page                         *page // nil before the first
	section                      *section
}

// section is a part of the document: its elements so far.
type section struct {
	at       ref
	lang     string
	elements []ref
}

// bookmark is a place that readers are offered to jump to.
type bookmark struct {
	title string
	page  ref
}

// New begins a document. The title is shown by the window that it is read in;
// the language, a BCP 47 tag, is that of the title, and of what names none.
func New(w io.Writer, title, lang string) *Document {
	d := &Document{title: title, lang: lang, objects: newObjects(w)}
	d.root, d.resources, d.tree, d.whole = d.reserve(), d.reserve(), d.reserve(), d.reserve()
	return d
}

// Err is the first fault of the stream.
func (d *Document) Err() error { return d.err }

// Section begins a part of the document, a letter for instance, in a language.
// All text and all drawings are in one.
func (d *Document) Section(lang string) {
	d.endSection()
	d.section = &section{at: d.reserve(), lang: lang}
}

func (d *Document) endSection() {
	s := d.section
	if s == nil {
		return
	}
	d.sections = append(d.sections, s.at)
	d.object(s.at, "<</Type/StructElem/S/Sect/P %s/Lang%s/K%v>>", d.whole, text(s.lang), s.elements)
	d.section = nil
}

// Bookmark offers readers to jump to the page that is being written.
func (d *Document) Bookmark(title string) {
	d.bookmarks = append(d.bookmarks, bookmark{title, d.page.at})
}

// outline writes the bookmarks (ISO 32000-1 section 12.3.3) and returns their
// entry in the catalog; empty without any.
func (d *Document) outline() string {
	if len(d.bookmarks) == 0 {
		return ""
	}
	all := d.reserve()
	first := all + 1 // their numbers follow each other
	last := all + ref(len(d.bookmarks))
	d.object(all, "<</Type/Outlines/First %s/Last %s/Count %d>>", first, last, len(d.bookmarks))
	for _, b := range d.bookmarks {
		at := d.reserve()
		beside := ""
		if at > first {
			beside += fmt.Sprintf("/Prev %s", at-1)
		}
		if at < last {
			beside += fmt.Sprintf("/Next %s", at+1)
		}
		d.object(at, "<</Title%s/Parent %s/Dest[%s/Fit]%s>>", text(b.title), all, b.page, beside)
	}
	return fmt.Sprintf("/Outlines %s/PageMode/UseOutlines", all)
}

// element writes an element of the section, and returns its mark on the page.
func (d *Document) element(tag Tag, entries string) (mark int) {
	if d.page == nil || d.section == nil {
		panic("pdf: outside of a page or a section")
	}
	at, mark := d.reserve(), len(d.page.owners)
	d.object(at, "<</Type/StructElem/S/%s/P %s/Pg %s/K %d%s>>", tag, d.section.at, d.page.at, mark, entries)
	d.page.owners, d.section.elements = append(d.page.owners, at), append(d.section.elements, at)
	return mark
}

// Close writes what belongs to the whole, and flushes. It does not close the
// stream. A document has a page at least.
func (d *Document) Close() error {
	d.endPage()
	d.endSection()
	if len(d.pages) == 0 {
		return errors.New("pdf: a document without a page")
	}
	d.begin(d.resources)
	d.printf("<</Font<<")
	for i, u := range d.fonts {
		d.printf("/F%d %s", i, u.at)
	}
	d.printf(">>>>")
	d.end()
	for _, u := range d.fonts {
		u.write(d.objects)
	}
	d.begin(d.root)
	d.printf("<</Type/Pages/MediaBox[0 0 %.2f %.2f]/Count %d/Kids[", Width/mm, Height/mm, len(d.pages))
	d.list(d.pages)
	d.end()
	d.begin(d.whole)
	d.printf("<</Type/StructElem/S/Document/P %s/K[", d.tree)
	d.list(d.sections)
	d.end()
	d.begin(d.tree)
	d.printf("<</Type/StructTreeRoot/K[%s]/ParentTreeNextKey %d/ParentTree<</Nums[", d.whole, len(d.owners))
	for i, owners := range d.owners {
		d.printf("%d %s ", i, owners)
	}
	d.printf("]>>>>")
	d.end()
	outline := d.outline()
	metadata, info, catalog := d.reserve(), d.reserve(), d.reserve()
	about := d.about()
	d.object(metadata, "<</Type/Metadata/Subtype/XML/Length %d>>stream\n%s\nendstream", len(about), about)
	d.object(info, "<</Title%s/Producer(Loge)>>", text(d.title))
	d.object(catalog, "<</Type/Catalog/Pages %s/Lang%s/MarkInfo<</Marked true>>/StructTreeRoot %s/ViewerPreferences<</DisplayDocTitle true>>/Metadata %s%s>>",
		d.root, text(d.lang), d.tree, metadata, outline)
	return d.finish(catalog, info)
}

// list ends a dictionary whose last entry is a list.
func (d *Document) list(of []ref) {
	for _, r := range of {
		d.printf("%s ", r)
	}
	d.printf("]>>")
}

// about says the title once more, and which standard the document was made by
// (ISO 14289-1 section 5).
func (d *Document) about() string {
	var title strings.Builder
	_ = xml.EscapeText(&title, []byte(d.title)) // into memory
	return fmt.Sprintf(`<?xpacket begin="`+"\ufeff"+`" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>`, title.String())
}
