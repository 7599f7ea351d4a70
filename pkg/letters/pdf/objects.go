package pdf

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"unicode/utf16"
)

// ref is the number of an object, which may not be written yet.
type ref int

func (r ref) String() string { return fmt.Sprintf("%d 0 R", int(r)) }

// objects is a file as a row of numbered objects (ISO 32000-1 section 7.5). Of
// what is written only the place stays.
type objects struct {
	out    *bufio.Writer
	at     int64
	places []int64 // of each object, by its number less one
	err    error   // the first of out; nothing is written after it

	packed bytes.Buffer
	packer *zlib.Writer
}

func newObjects(w io.Writer) *objects {
	o := &objects{out: bufio.NewWriterSize(w, 1<<16)}
	o.packer = zlib.NewWriter(&o.packed)
	// Four bytes above 127 tell those who move files that this is no text.
	o.printf("%%PDF-1.7\n%%\xe2\xe3\xcf\xd3\n")
	return o
}

func (o *objects) printf(format string, args ...any) {
	if o.err != nil {
		return
	}
	var n int
	n, o.err = fmt.Fprintf(o.out, format, args...)
	o.at += int64(n)
}

// reserve gives a number to an object that others name before it is written.
func (o *objects) reserve() ref {
	o.places = append(o.places, 0)
	return ref(len(o.places))
}

func (o *objects) begin(n ref) {
	o.places[n-1] = o.at
	o.printf("%d 0 obj\n", int(n))
}

func (o *objects) end() { o.printf("\nendobj\n") }

func (o *objects) object(n ref, format string, args ...any) {
	o.begin(n)
	o.printf(format, args...)
	o.end()
}

// stream writes an object of bytes, compressed. The entries are of its
// dictionary.
func (o *objects) stream(n ref, content []byte, entries string) {
	o.packed.Reset()
	o.packer.Reset(&o.packed)
	if _, err := o.packer.Write(content); err == nil {
		_ = o.packer.Close() // into memory
	}
	o.object(n, "<</Filter/FlateDecode/Length %d%s>>stream\n%s\nendstream", o.packed.Len(), entries, o.packed.Bytes())
}

// finish writes the table of places and says where it is.
func (o *objects) finish(root, info ref) error {
	table := o.at
	o.printf("xref\n0 %d\n0000000000 65535 f \n", len(o.places)+1)
	for _, place := range o.places {
		o.printf("%010d 00000 n \n", place)
	}
	o.printf("trailer\n<</Size %d/Root %s/Info %s>>\nstartxref\n%d\n%%%%EOF\n", len(o.places)+1, root, info, table)
	if o.err == nil {
		o.err = o.out.Flush()
	}
	return o.err
}

// text is a string that people read, in any alphabet.
func text(s string) string {
	out := []byte("<FEFF")
	for _, unit := range utf16.Encode([]rune(s)) {
		out = fmt.Appendf(out, "%04X", unit)
	}
	return string(append(out, '>'))
}
