package letters_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// Letters leave while others are still to be made: nobody's memory has all.
func TestStreams(t *testing.T) {
	d := &crowd{n: 80}
	to, err := letters.Search(t.Context(), d, directory.Query{}, account.Condition{}, "class")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []letters.Format{letters.PDF, letters.HTML, letters.CSV} {
		w := openOn(t, d, forgetful{})
		var out counter
		half, printed := counter(0), 0
		_, err := w.press.Print(t.Context(), &out, letters.Order{To: to, Format: format, Progress: func() {
			if printed++; printed == len(to)/2 {
				half = out
			}
		}})
		if err != nil || half < out/5 {
			t.Errorf("%s: %d of %d bytes left half-way, %v", format, half, out, err)
		}
	}
}

// R64: memory is flat: while six times as many letters are printed as before, 400
// bytes at the most stay of each, in the file's table and nowhere else.
func TestFlat(t *testing.T) {
	const few, many = 50, 300
	for _, format := range []letters.Format{letters.PDF, letters.HTML, letters.CSV} {
		d := &crowd{n: many}
		w := openOn(t, d, forgetful{})
		w.press.Recovery.Audit = audit.Log{Logger: slog.New(slog.DiscardHandler)}
		to, err := letters.Search(t.Context(), d, directory.Query{}, account.Condition{}, "class")
		if err != nil {
			t.Fatal(err)
		}
		inUse := func() int {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		printed, early, late := 0, 0, 0
		done, err := w.press.Print(t.Context(), io.Discard, letters.Order{To: to, Format: format, Progress: func() {
			switch printed++; printed {
			case few:
				early = inUse()
			case many:
				late = inUse()
			}
		}})
		if err != nil || done.Codes != many {
			t.Fatalf("%+v, %v", done, err)
		}
		if stays := (late - early) / (many - few); stays > 400 {
			t.Errorf("%s: %d bytes stay of a letter: %d after %d, %d after %d", format, stays, early, few, late, many)
		}
	}
}

// forgetful is a store that keeps nothing, so that what grows is not its own.
type forgetful struct{}

func (forgetful) Do(_ context.Context, ops ...store.Op) error {
	for _, op := range ops {
		switch op := op.(type) {
		case *store.Create:
			op.Created = true
		case *store.Read:
			op.Fields = store.Fields{"there": "yes"}
		}
	}
	return nil
}

// BenchmarkPDF says how much memory letters take while they are printed, with
// a Redis of its own: the heap that is in use at its highest, which is what must
// not grow without bounds.
func BenchmarkPDF(b *testing.B) {
	server := redistest.Start(b)
	kept, err := (&redis.Config{Topology: "single", Addresses: []string{server.Addr}}).Open(b.Context(), struct{}{})
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{500, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				w := openOn(b, &crowd{n: n}, kept)
				to, err := letters.Search(b.Context(), w.press.Recovery.Directory, directory.Query{}, account.Condition{}, "class")
				if err != nil {
					b.Fatal(err)
				}
				var before, now runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var out counter
				printed := 0
				peak := uint64(0)
				_, err = w.press.Print(b.Context(), &out, letters.Order{To: to, Format: letters.PDF, PerPage: 2, Progress: func() {
					if printed++; printed%(n/10) == 0 {
						runtime.GC()
						runtime.ReadMemStats(&now)
						peak = max(peak, now.HeapInuse)
					}
				}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(peak-min(peak, before.HeapInuse))/float64(n), "heap-B/letter")
				b.ReportMetric(float64(out)/float64(n), "pdf-B/letter")
			}
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
