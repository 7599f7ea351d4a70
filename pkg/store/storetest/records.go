package storetest

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/store"
)

// odd are texts that an implementation might trip over.
var odd = []string{
	"", " ", "a b", "{", "}", "{}", "}{", "{a}b", "a}:b", "%", "%7B", "%25", ":", "#", "*", "?",
	"\x00", "nul\x00nul", "\xff\xfe", "\r\n$5\r\nhello\r\n", "é", "’«\u00a0»", "日本語", "-1", "0", "nil",
	strings.Repeat("x", 64<<10),
}

func keyAnyText(k *kit) {
	for _, text := range odd {
		for _, key := range []store.Key{{Tag: k.tag + text, Name: "upper"}, {Tag: text, Name: k.tag}, {Tag: text + k.tag, Name: text}} {
			upper := store.Create{Key: key, Fields: store.Fields{"f": "1"}, TTL: long}
			lower := store.Create{Key: store.Key{Tag: key.Tag, Name: key.Name + "+"}, Fields: store.Fields{"f": "2"}, TTL: long, Under: key.Name}
			if key.Name == "" {
				lower.Under = "" // means: under none
			}
			read := store.Read{Key: lower.Key}
			k.do(&upper, &lower, &read)
			if !upper.Created || !lower.Created || read.Fields["f"] != "2" {
				k.Errorf("tag %.20q, name %.20q: created %v and %v, read %v", key.Tag, key.Name, upper.Created, lower.Created, read.Fields)
			}
			gone := store.Delete{Tag: key.Tag, Names: []string{key.Name, lower.Key.Name}}
			k.do(&gone)
			if gone.Deleted != 2 {
				k.Errorf("tag %.20q, name %.20q: deleted %d, want 2", key.Tag, key.Name, gone.Deleted)
			}
		}
	}
}

func keyDistinct(k *kit) {
	keys := []store.Key{}
	for _, tag := range []string{"", "a", "a}", "a}:b", "{a", "{a}", "a%7D", "a%257D", "%", "%25", "a:b"} {
		for _, name := range []string{"", "a", "b}:c", ":c", "c", "#due", "#jobs", "due", "jobs"} {
			keys = append(keys, store.Key{Tag: k.tag + tag, Name: name})
		}
	}
	for i, key := range keys {
		k.do(&store.Push{Queue: key.Tag, ID: "x", Value: "y"})
		k.create(store.Create{Key: key, Fields: store.Fields{"f": fmt.Sprint(i)}})
	}
	for i, key := range keys {
		read := store.Read{Key: key}
		k.do(&read)
		if read.Fields["f"] != fmt.Sprint(i) {
			k.Errorf("%q is not its own record: %v", key, read.Fields)
		}
	}
}

func createOnce(k *kit) {
	first := store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1", "g": ""}, TTL: long}
	second := store.Create{Key: k.key("a"), Fields: store.Fields{"f": "2", "h": "3"}, TTL: 2 * long}
	k.do(&first, &second)
	if !first.Created || second.Created {
		k.Errorf("created %v, then %v, want only the first", first.Created, second.Created)
	}
	if diff := cmp.Diff(store.Fields{"f": "1", "g": ""}, k.read("a")); diff != "" {
		k.Errorf("fields (-want +got):\n%s", diff)
	}
	if got := k.ttl("a"); got > long {
		k.Errorf("the second Create prolonged the record to %v", got)
	}
}

func createReplace(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1", "g": "1"}, TTL: 2 * long, Life: long})
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "2"}, TTL: long, Replace: true})
	if diff := cmp.Diff(store.Fields{"f": "2"}, k.read("a")); diff != "" {
		k.Errorf("fields (-want +got):\n%s", diff)
	}
	if got := k.ttl("a"); got > long {
		k.Errorf("TTL %v, want that of the second Create", got)
	}
	read := store.Read{Key: k.key("a"), Extend: 3 * long}
	k.do(&read)
	if read.TTL <= 2*long {
		k.Errorf("TTL %v: the Life of the first Create is still there", read.TTL)
	}
	// Where there is nothing, Replace makes a record like any other.
	k.create(store.Create{Key: k.key("b"), Fields: store.Fields{"f": "1"}, Replace: true})
	if k.read("b")["f"] != "1" {
		k.Error("Replace of nothing made nothing")
	}
}

func createNoFields(k *kit) {
	k.create(store.Create{Key: k.key("a")})
	if got := k.read("a"); got == nil || len(got) != 0 {
		k.Errorf("fields %#v, want none of a record that is there", got)
	}
}

func createParallel(k *kit) {
	var created atomic.Int32
	together(50, func(int) {
		op := store.Create{Key: k.key("a"), TTL: long}
		if err := k.store.Do(k.Context(), &op); err != nil {
			k.Error(err)
		}
		if op.Created {
			created.Add(1)
		}
	})
	if created.Load() != 1 {
		k.Errorf("%d of 50 created the record, want 1", created.Load())
	}
}

func createTTL(k *kit) {
	k.create(store.Create{Key: k.key("a"), TTL: k.moment})
	k.create(store.Create{Key: k.key("b"), TTL: long})
	k.within("TTL", k.ttl("b"), long)
	if k.still(k.moment / 2) {
		k.within("TTL", k.ttl("a"), k.moment/2)
	}
	k.after(k.moment, "the record expires", func() bool { return k.read("a") == nil })
	if k.read("b") == nil {
		k.Error("the other record is gone too")
	}
	k.create(store.Create{Key: k.key("a")})
}

func readMissing(k *kit) {
	read := store.Read{Key: k.key("none"), Extend: long}
	k.do(&read)
	if read.Fields != nil || read.TTL != 0 {
		k.Errorf("read %+v of nothing", read)
	}
	if k.read("none") != nil {
		k.Error("reading made a record")
	}
}

func readAnyBytes(k *kit) {
	fields := store.Fields{}
	for i, text := range odd {
		fields[fmt.Sprint("f", i)] = text
		fields["f"+text] = "x"
	}
	k.create(store.Create{Key: k.key("a"), Fields: fields})
	if diff := cmp.Diff(fields, k.read("a")); diff != "" {
		k.Errorf("Create (-want +got):\n%.2000s", diff)
	}
	k.create(store.Create{Key: k.key("b")})
	delete(fields, "f0") // an empty value would remove
	k.do(&store.Write{Key: k.key("b"), Fields: fields})
	if diff := cmp.Diff(fields, k.read("b")); diff != "" {
		k.Errorf("Write (-want +got):\n%.2000s", diff)
	}
}

func readExtend(k *kit) {
	k.create(store.Create{Key: k.key("a"), TTL: long})
	shorter := store.Read{Key: k.key("a"), Extend: long / 2}
	k.do(&shorter)
	k.within("TTL after a shorter Extend", shorter.TTL, long)
	longer := store.Read{Key: k.key("a"), Extend: 2 * long}
	k.do(&longer)
	k.within("TTL told by Extend", longer.TTL, 2*long)
	k.within("TTL after Extend", k.ttl("a"), 2*long)

	k.create(store.Create{Key: k.key("b"), TTL: k.moment})
	k.do(&store.Read{Key: k.key("b"), Extend: 3 * k.moment})
	if k.still(2 * k.moment) {
		k.within("TTL", k.ttl("b"), k.moment)
	}
	k.after(3*k.moment, "the extended record expires", func() bool { return k.read("b") == nil })
}

func readLife(k *kit) {
	k.create(store.Create{Key: k.key("a"), TTL: long, Life: 2 * long})
	read := store.Read{Key: k.key("a"), Extend: 3 * long}
	k.do(&read)
	k.within("TTL bounded by Life", read.TTL, 2*long)
	k.do(&read)
	k.within("TTL bounded by Life, again", read.TTL, 2*long)

	// Life bounds what Extend does, not the TTL that the record has anyway.
	k.create(store.Create{Key: k.key("b"), TTL: 2 * long, Life: long})
	read = store.Read{Key: k.key("b"), Extend: 3 * long}
	k.do(&read)
	k.within("TTL longer than Life", read.TTL, 2*long)

	k.create(store.Create{Key: k.key("c"), TTL: k.moment, Life: 3 * k.moment})
	k.after(3*k.moment, "Life is over whatever Extend says", func() bool {
		read := store.Read{Key: k.key("c"), Extend: long}
		k.do(&read)
		return read.Fields == nil
	})
	if k.advance == nil {
		return
	}
	k.create(store.Create{Key: k.key("d"), TTL: 2 * k.moment, Life: 3 * k.moment})
	k.advance(k.moment)
	read = store.Read{Key: k.key("d"), Extend: long}
	k.do(&read)
	k.within("TTL within what is left of Life", read.TTL, 2*k.moment)
	k.advance(2*k.moment - 1e9)
	if k.read("d") == nil {
		k.Error("gone before the end of its Life")
	}
	k.advance(1e9)
	if k.read("d") != nil {
		k.Error("there after the end of its Life")
	}
}

func writeFields(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"keep": "1", "change": "1", "remove": "1"}})
	write := store.Write{Key: k.key("a"), Fields: store.Fields{"change": "2", "remove": "", "add": "3", "never": ""}}
	k.do(&write)
	if !write.Written {
		k.Error("not written")
	}
	if diff := cmp.Diff(store.Fields{"keep": "1", "change": "2", "add": "3"}, k.read("a")); diff != "" {
		k.Errorf("fields (-want +got):\n%s", diff)
	}
	k.do(&store.Write{Key: k.key("a"), Fields: store.Fields{"keep": "", "change": "", "add": ""}})
	if got := k.read("a"); got == nil || len(got) != 0 {
		k.Errorf("without its last field the record is %#v, want it there and empty", got)
	}
	none := store.Write{Key: k.key("a")}
	k.do(&none)
	if !none.Written {
		k.Error("a Write of no fields says that there is no record")
	}
}

func writeMissing(k *kit) {
	write := store.Write{Key: k.key("none"), Fields: store.Fields{"f": "1"}}
	k.do(&write)
	if write.Written || k.read("none") != nil {
		k.Error("a Write made a record")
	}
}

func writeKeepsTTL(k *kit) {
	k.create(store.Create{Key: k.key("a"), TTL: k.moment})
	k.create(store.Create{Key: k.key("b"), TTL: long})
	k.do(&store.Write{Key: k.key("a"), Fields: store.Fields{"f": "1"}}, &store.Write{Key: k.key("b"), Fields: store.Fields{"f": "1"}})
	k.within("TTL", k.ttl("b"), long)
	k.after(k.moment, "the written record expires", func() bool { return k.read("a") == nil })
}

func writeParallel(k *kit) {
	k.create(store.Create{Key: k.key("a")})
	want := store.Fields{}
	for i := range 50 {
		for j := range 10 {
			want[fmt.Sprintf("f%d-%d", i, j)] = fmt.Sprint(i * j)
		}
	}
	together(50, func(i int) {
		for j := range 10 {
			name := fmt.Sprintf("f%d-%d", i, j)
			if err := k.store.Do(k.Context(), &store.Write{Key: k.key("a"), Fields: store.Fields{name: want[name]}}); err != nil {
				k.Error(err)
			}
		}
	})
	if diff := cmp.Diff(want, k.read("a")); diff != "" {
		k.Errorf("writers lost each other's fields (-want +got):\n%s", diff)
	}
}

func deleteCounts(k *kit) {
	k.create(store.Create{Key: k.key("a")})
	k.create(store.Create{Key: k.key("b"), Under: "a"})
	k.create(store.Create{Key: k.key("c")})
	k.create(store.Create{Key: k.key("taken")})
	k.do(&store.Take{Key: k.key("taken"), By: "somebody"})
	for _, step := range []struct {
		names []string
		want  int
	}{
		{nil, 0},
		{[]string{"none"}, 0},
		{[]string{"taken"}, 0},
		{[]string{"b", "b", "none", "a"}, 2},
		{[]string{"a", "b"}, 0},
		{[]string{"c"}, 1},
	} {
		gone := store.Delete{Tag: k.tag, Names: step.names, Deleted: 99}
		k.do(&gone)
		if gone.Deleted != step.want {
			k.Errorf("Delete %q: %d, want %d", step.names, gone.Deleted, step.want)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if k.read(name) != nil {
			k.Errorf("%s is still there", name)
		}
	}
}
