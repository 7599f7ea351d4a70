// Package storetest is the conformance kit of the store port: every promise
// that package store makes, as tests that any implementation can run.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/store"
)

// Open returns a store for one test. What it holds already does no harm: the
// kit uses names of its own. Advance moves the time of the store forward; it
// is nil where time is real. The kit then uses short lifetimes and waits for
// things to happen, and leaves out what can only be seen when time stands
// still. The store is closed by a t.Cleanup of whoever opened it.
type Open func(t *testing.T) (s store.Store, advance func(time.Duration))

// Run runs the kit.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*kit)
	}{
		{"Do/empty", doEmpty},
		{"Do/several operations, results by position", doSeveral},
		{"Do/order among keys of one tag", doOrder},
		{"Do/an operation used again", doAgain},
		{"Do/many at once", doMany},
		{"Do/ended context", doCancelled},
		{"Do/mistakes of the program", doMistakes},
		{"Key/any tag and name", keyAnyText},
		{"Key/tags and names do not run together", keyDistinct},
		{"Create/once", createOnce},
		{"Create/replace", createReplace},
		{"Create/no fields", createNoFields},
		{"Create/in parallel", createParallel},
		{"Create/TTL", createTTL},
		{"Read/missing", readMissing},
		{"Read/any bytes", readAnyBytes},
		{"Read/extend", readExtend},
		{"Read/extend within Life", readLife},
		{"Write/fields", writeFields},
		{"Write/missing", writeMissing},
		{"Write/keeps the lifetime", writeKeepsTTL},
		{"Write/in parallel", writeParallel},
		{"Under/nothing", underNothing},
		{"Under/upper deleted", underDeleted},
		{"Under/upper expired", underExpired},
		{"Under/upper taken", underTaken},
		{"Under/upper ended by Rotate", underRotated},
		{"Under/upper of the same name comes again", underAgain},
		{"Under/upper replaced", underReplaced},
		{"Under/itself", underItself},
		{"Delete/counts", deleteCounts},
		{"Take/once", takeOnce},
		{"Take/the same attempt again", takeRepeated},
		{"Take/remembered", takeRemembered},
		{"Take/gone for everybody else", takeGone},
		{"Take/exactly one in parallel", takeParallel},
		{"Rotate/forward", rotateForward},
		{"Rotate/repeated within Grace", rotateGrace},
		{"Rotate/repeated after Grace", rotateLate},
		{"Rotate/reuse ends the record", rotateReuse},
		{"Rotate/missing", rotateMissing},
		{"Rotate/extend", rotateExtend},
		{"Rotate/exactly one in parallel", rotateParallel},
		{"Hit/limit and window", hitWindow},
		{"Hit/window begins with the first", hitWindowFirst},
		{"Hit/pause", hitPause},
		{"Hit/pause ends with the window", hitPauseWindow},
		{"Hit/forgotten by Delete", hitDelete},
		{"Hit/taken back", hitBack},
		{"Hit/in parallel", hitParallel},
		{"Queue/order and Max", queueOrder},
		{"Queue/After", queueAfter},
		{"Queue/Lease and Tries", queueLease},
		{"Queue/Push replaces", queueReplace},
		{"Queue/Drop", queueDrop},
		{"Queue/List", queueList},
		{"Queue/any bytes", queueAnyBytes},
		{"Queue/each entry to one puller", queueParallel},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, advance := open(t)
			k := &kit{T: t, store: s, advance: advance, tag: "kit-" + rand.Text(), moment: time.Minute}
			if advance == nil {
				k.moment = 100 * time.Millisecond
			}
			test.run(k)
		})
	}
}

// long is a lifetime that no test sees the end of.
const long = time.Hour

// kit is one test over one store.
type kit struct {
	*testing.T
	store   store.Store
	advance func(time.Duration)
	// tag is a tag of this test's own.
	tag string
	// moment is a lifetime of which the test wants to see the end.
	moment time.Duration
}

func (k *kit) key(name string) store.Key { return store.Key{Tag: k.tag, Name: name} }

// do carries out operations that must not fail.
func (k *kit) do(ops ...store.Op) {
	k.Helper()
	if err := k.store.Do(k.Context(), ops...); err != nil {
		k.Fatalf("Do: %v", err)
	}
}

// create makes a living record.
func (k *kit) create(op store.Create) {
	k.Helper()
	if op.TTL == 0 {
		op.TTL = long
	}
	k.do(&op)
	if !op.Created {
		k.Fatalf("Create %q: nothing was created", op.Key.Name)
	}
}

// read returns the fields of a record, nil when there is none.
func (k *kit) read(name string) store.Fields {
	k.Helper()
	op := store.Read{Key: k.key(name)}
	k.do(&op)
	return op.Fields
}

func (k *kit) ttl(name string) time.Duration {
	k.Helper()
	op := store.Read{Key: k.key(name)}
	k.do(&op)
	return op.TTL
}

// within checks a remaining lifetime. Where time is real it may be less, by
// whatever the machine took so far.
func (k *kit) within(what string, got, want time.Duration) {
	k.Helper()
	low := want - time.Second
	if k.advance == nil {
		low = 0
	}
	if got > want || got <= low {
		k.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// after lets time pass until something has happened that takes d.
func (k *kit) after(d time.Duration, what string, happened func() bool) {
	k.Helper()
	if k.advance != nil {
		k.advance(d)
		if !happened() {
			k.Fatalf("not after %v: %s", d, what)
		}
		return
	}
	for deadline := time.Now().Add(d + 30*time.Second); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			k.Fatalf("not long after %v: %s", d, what)
		}
	}
}

// still lets d pass, where that can be done exactly, and says whether it was.
func (k *kit) still(d time.Duration) bool {
	if k.advance == nil {
		return false
	}
	k.advance(d)
	return true
}

// together runs n functions at the same time.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			do(i)
		})
	}
	close(begin)
	all.Wait()
}

func doEmpty(k *kit) { k.do() }

func doCancelled(k *kit) {
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	err := k.store.Do(ctx, &store.Read{Key: k.key("a")})
	if !errors.Is(err, store.ErrUnavailable) {
		k.Fatalf("with a cancelled context: %v, want ErrUnavailable", err)
	}
	ctx, cancel = context.WithTimeout(k.Context(), -time.Second)
	defer cancel()
	err = k.store.Do(ctx, &store.Read{Key: k.key("a")})
	if !errors.Is(err, store.ErrUnavailable) {
		k.Fatalf("after its deadline: %v, want ErrUnavailable", err)
	}
}

func doMistakes(k *kit) {
	key := k.key("a")
	k.create(store.Create{Key: key, Fields: store.Fields{"f": "1"}})
	for name, op := range map[string]store.Op{
		"Create without a TTL":       &store.Create{Key: k.key("b")},
		"Create with a negative TTL": &store.Create{Key: k.key("b"), TTL: -1},
		"Create with a dotted field": &store.Create{Key: k.key("b"), TTL: long, Fields: store.Fields{".f": "x"}},
		"Write with a dotted field":  &store.Write{Key: key, Fields: store.Fields{".f": "x"}},
		"Rotate of a dotted field":   &store.Rotate{Key: key, Field: ".f", From: "1", To: "2"},
		"Take by nobody":             &store.Take{Key: key},
		"Hit without a window":       &store.Hit{Key: k.key("b"), Limit: 1},
		"no operation":               nil,
	} {
		if err := k.store.Do(k.Context(), op); err == nil {
			k.Errorf("%s: no error", name)
		}
	}
	if got := k.read("a"); got["f"] != "1" {
		k.Errorf("the record was changed: %v", got)
	}
	if k.read("b") != nil {
		k.Error("a record was made")
	}
}

func doSeveral(k *kit) {
	other := store.Key{Tag: k.tag + "-other", Name: "a"}
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "here"}})
	k.create(store.Create{Key: other, Fields: store.Fields{"f": "there"}})
	here, there := store.Read{Key: k.key("a")}, store.Read{Key: other}
	missing, count := store.Read{Key: k.key("none")}, store.Hit{Key: k.key("n"), Limit: 1, Window: long}
	gone := store.Delete{Tag: k.tag + "-other", Names: []string{"a"}}
	k.do(&here, &missing, &there, &count, &gone)
	if here.Fields["f"] != "here" || missing.Fields != nil || there.Fields["f"] != "there" {
		k.Errorf("read %v, %v, %v", here.Fields, missing.Fields, there.Fields)
	}
	if !count.Allowed || count.Count != 1 || gone.Deleted != 1 {
		k.Errorf("hit %+v, deleted %d", count, gone.Deleted)
	}
}

func doOrder(k *kit) {
	key := k.key("a")
	create := store.Create{Key: key, Fields: store.Fields{"f": "1"}, TTL: long}
	first, write, second := store.Read{Key: key}, store.Write{Key: key, Fields: store.Fields{"f": "2"}}, store.Read{Key: key}
	gone, third := store.Delete{Tag: k.tag, Names: []string{"a"}}, store.Read{Key: key}
	k.do(&create, &first, &write, &second, &gone, &third)
	if !create.Created || first.Fields["f"] != "1" || !write.Written || second.Fields["f"] != "2" || gone.Deleted != 1 || third.Fields != nil {
		k.Errorf("created %v, read %v, written %v, read %v, deleted %d, read %v",
			create.Created, first.Fields, write.Written, second.Fields, gone.Deleted, third.Fields)
	}
}

func doAgain(k *kit) {
	key := k.key("a")
	create := store.Create{Key: key, Fields: store.Fields{"f": "1"}, TTL: long}
	read := store.Read{Key: key}
	write := store.Write{Key: key, Fields: store.Fields{"f": "2"}}
	gone := store.Delete{Tag: k.tag, Names: []string{"a"}}
	rotate := store.Rotate{Key: key, Field: "f", From: "2", To: "3"}
	take := store.Take{Key: key, By: rand.Text()}
	k.do(&create, &write, &rotate, &read, &take)
	k.do(&read)
	if read.Fields != nil || read.TTL != 0 {
		k.Errorf("a Read kept its former result: %+v", read)
	}
	k.do(&create, &create, &gone, &gone, &write, &rotate)
	if create.Created || gone.Deleted != 0 || write.Written || rotate.Outcome != store.Missing || rotate.Fields != nil {
		k.Errorf("kept former results: %+v %+v %+v %+v", create, gone, write, rotate)
	}
	take.Key.Name = "none"
	k.do(&take)
	if take.Outcome != store.Missing || take.Fields != nil || take.TTL != 0 {
		k.Errorf("a Take kept its former result: %+v", take)
	}
}

func doMany(k *kit) {
	const n = 300
	value := rand.Text() + rand.Text() + rand.Text()
	var creates, reads []store.Op
	for range n {
		key := k.key(rand.Text())
		creates = append(creates, &store.Create{Key: key, Fields: store.Fields{"f": value}, TTL: long})
		reads = append(reads, &store.Read{Key: key})
	}
	k.do(creates...)
	k.do(reads...)
	for _, op := range reads {
		if got := op.(*store.Read).Fields["f"]; got != value {
			k.Fatalf("read %q, want %q", got, value)
		}
	}
}
