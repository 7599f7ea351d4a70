package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/metrics/metricstest"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
)

// world is a store on which a test sees what is written and can make that
// fail.
type world struct {
	t      *testing.T
	clock  *memory.FakeTimeStore
	keys   *secret.Keyring
	pushed chan *store.Push
	drops  chan *store.Drop
	lost   atomic.Bool // drops fail
}

func open(t *testing.T) *world {
	clock, err := memory.NewFakeTimeStore(time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clock.Close() })
	return &world{t: t, clock: clock, keys: secret.RandomKeyring(), pushed: make(chan *store.Push, 1000), drops: make(chan *store.Drop, 1000)}
}

func (w *world) Do(ctx context.Context, ops ...store.Op) error {
	var err error
	if _, isDrop := ops[0].(*store.Drop); !isDrop || !w.lost.Load() {
		err = w.clock.Do(ctx, ops...)
	} else {
		err = store.ErrUnavailable
	}
	for _, op := range ops {
		switch op := op.(type) {
		case *store.Push:
			w.pushed <- op
		case *store.Drop:
			w.drops <- op
		}
	}
	return err
}

func (w *world) outbox() *outbox.Outbox {
	return &outbox.Outbox{Store: w, Box: w.keys.Box("outbox"), Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now, Poll: time.Millisecond}
}

func (w *world) run(o *outbox.Outbox) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { o.Run(ctx) })
	w.t.Cleanup(func() { stop(); running.Wait() })
}

func (w *world) add(o *outbox.Outbox, jobs ...outbox.Job) {
	w.t.Helper()
	if err := o.Add(w.t.Context(), jobs...); err != nil {
		w.t.Fatal(err)
	}
	for range jobs {
		<-w.pushed
	}
}

func (w *world) empty() bool {
	w.t.Helper()
	list := &store.List{Queue: "outbox"}
	if err := w.clock.Do(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	return len(list.Entries) == 0
}

// measured is what the outbox tells of itself.
func (w *world) measured(o *outbox.Outbox) metricstest.Samples {
	w.t.Helper()
	page := metrics.NewPage()
	o.Measure(w.t.Context(), page)
	got, err := metricstest.Read(page)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// A failure is tried again, later each time, and never before.
func TestRetry(t *testing.T) {
	w := open(t)
	o := w.outbox()
	tries := make(chan outbox.Job, 10)
	o.Handle("mail", func(_ context.Context, job outbox.Job) error {
		tries <- job
		if job.Try < 4 {
			return errors.New("busy")
		}
		return nil
	})
	w.run(o)
	w.add(o, outbox.Job{ID: "one", Kind: "mail", Data: json.RawMessage(`{"to":"x"}`)})
	for i, pause := range []time.Duration{time.Second, 4 * time.Second, 16 * time.Second, 0} {
		job := <-tries
		if job.ID != "one" || job.Try != i+1 || string(job.Data) != `{"to":"x"}` {
			t.Fatalf("try %d: %+v", i+1, job)
		}
		if pause == 0 {
			break
		}
		again := <-w.pushed
		if again.After != pause {
			t.Errorf("try %d: again after %s, want %s", i+1, again.After, pause)
		}
		w.clock.Advance(pause)
	}
	<-w.drops
	if !w.empty() {
		t.Error("the job is still there after it was done")
	}
	got := w.measured(o)
	if got[`loge_outbox_tries_total{kind="mail",result="again"}`] != 3 || got[`loge_outbox_tries_total{kind="mail",result="ok"}`] != 1 {
		t.Errorf("three failures and a success are told as %v", got)
	}
}

// A replica that dies with a job in hand loses nothing: its lease runs out.
func TestLease(t *testing.T) {
	w := open(t)
	first, second := w.outbox(), w.outbox()
	done := make(chan string, 10)
	first.Handle("mail", func(context.Context, outbox.Job) error { done <- "first"; return nil })
	second.Handle("mail", func(context.Context, outbox.Job) error { done <- "second"; return nil })
	ctx, die := context.WithCancel(t.Context())
	w.lost.Store(true) // it dies before it can say so
	w.add(first, outbox.Job{Kind: "mail"})
	var running sync.WaitGroup
	running.Go(func() { first.Run(ctx) })
	<-w.drops
	die()
	running.Wait()
	w.lost.Store(false)

	w.run(second)
	w.clock.Advance(21 * time.Second)
	if who := []string{<-done, <-done}; who[0] != "first" || who[1] != "second" {
		t.Errorf("done by %v", who)
	}
	<-w.drops
	if !w.empty() {
		t.Error("the job is still there")
	}
}

// What one has in hand nobody else takes, for as long as a try may last.
func TestInHand(t *testing.T) {
	w := open(t)
	first, second := w.outbox(), w.outbox()
	begun, release, other := make(chan bool, 10), make(chan bool), make(chan bool, 10)
	for _, o := range []*outbox.Outbox{first, second} {
		o.Handle("slow", func(context.Context, outbox.Job) error { begun <- true; <-release; return nil })
		o.Handle("other", func(context.Context, outbox.Job) error { other <- true; return nil })
	}
	w.add(first, outbox.Job{Kind: "slow"})
	w.run(first)
	<-begun
	w.clock.Advance(10 * time.Second)
	w.run(second)
	w.add(second, outbox.Job{Kind: "other"}) // whoever takes it has looked
	<-other
	<-w.drops
	close(release)
	<-w.drops
	if len(begun) != 0 || !w.empty() {
		t.Errorf("taken %d times more", len(begun))
	}
}

// What cannot succeed is tried once; what is too old, not at all; and what
// nobody can read stops nobody.
func TestGiveUp(t *testing.T) {
	w := open(t)
	o := w.outbox()
	var tries atomic.Int64
	o.Handle("mail", func(context.Context, outbox.Job) error {
		tries.Add(1)
		return fmt.Errorf("no such address: %w", outbox.ErrGiveUp)
	})
	w.add(o, outbox.Job{Kind: "mail"})
	w.clock.Advance(2 * time.Hour)
	w.add(o, outbox.Job{Kind: "mail"})
	foreign := &outbox.Outbox{Store: w, Box: secret.RandomKeyring().Box("outbox"), Now: w.clock.Now}
	w.add(foreign, outbox.Job{Kind: "mail"})
	if got := w.measured(o); got["loge_outbox_jobs"] != 3 {
		t.Errorf("three jobs are told as %v", got)
	}
	w.run(o)
	for range 3 {
		<-w.drops
	}
	if tries.Load() != 1 || !w.empty() {
		t.Errorf("%d tries, empty: %v", tries.Load(), w.empty())
	}
	if diff := cmp.Diff(metricstest.Samples{
		"loge_outbox_jobs": 0,
		`loge_outbox_tries_total{kind="mail",result="given_up"}`: 2,
		`loge_outbox_tries_total{kind="",result="given_up"}`:     1, // the one nobody can read
	}, w.measured(o)); diff != "" {
		t.Error(diff)
	}
}

// A job of a later version of the program waits for one that knows it.
func TestUnknownKind(t *testing.T) {
	w := open(t)
	old, next := w.outbox(), w.outbox()
	done := make(chan outbox.Job, 1)
	next.Handle("new", func(_ context.Context, job outbox.Job) error { done <- job; return nil })
	w.add(next, outbox.Job{Kind: "new"})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { old.Run(ctx) })
	<-w.pushed
	stop()
	running.Wait()
	w.run(next)
	w.clock.Advance(time.Second)
	if job := <-done; job.Try != 2 {
		t.Errorf("try %d", job.Try)
	}
}

// Handlers that hang take their own place only.
func TestHanging(t *testing.T) {
	w := open(t)
	o := w.outbox()
	o.Parallel = 3
	hung, release := make(chan bool), make(chan bool)
	o.Handle("slow", func(context.Context, outbox.Job) error { hung <- true; <-release; return nil })
	o.Handle("quick", func(context.Context, outbox.Job) error { return nil })
	w.run(o)
	t.Cleanup(func() { close(release) })
	for range 2 {
		w.add(o, outbox.Job{Kind: "slow"})
		<-hung
	}
	for range 50 {
		w.add(o, outbox.Job{Kind: "quick"})
	}
	for range 50 {
		<-w.drops
	}
}

// A handler is told when its time is up.
func TestTimeout(t *testing.T) {
	w := open(t)
	o := w.outbox()
	o.Timeout = time.Millisecond
	o.Handle("mail", func(ctx context.Context, _ outbox.Job) error { <-ctx.Done(); return ctx.Err() })
	w.run(o)
	w.add(o, outbox.Job{Kind: "mail"})
	if again := <-w.pushed; again.After != time.Second {
		t.Errorf("again after %s", again.After)
	}
}

// Several replicas do each job once.
func TestReplicas(t *testing.T) {
	w := open(t)
	var done atomic.Int64
	var first *outbox.Outbox
	for range 3 {
		o := w.outbox()
		o.Handle("mail", func(context.Context, outbox.Job) error { done.Add(1); return nil })
		w.run(o)
		first = o
	}
	for range 200 {
		w.add(first, outbox.Job{Kind: "mail"})
	}
	for range 200 {
		<-w.drops
	}
	if done.Load() != 200 || !w.empty() {
		t.Errorf("%d jobs done of 200", done.Load())
	}
}

// What a job carries cannot be read in the store, nor moved to another job;
// a second job of the same ID takes the place of the first.
func TestSealed(t *testing.T) {
	w := open(t)
	o := w.outbox()
	first := o.Op(outbox.Job{ID: "one", Kind: "mail", Data: json.RawMessage(`"first"`)})
	if strings.Contains(first.Value, "first") || strings.Contains(first.Value, "mail") {
		t.Errorf("readable: %s", first.Value)
	}
	second := o.Op(outbox.Job{ID: "one", Kind: "mail", Data: json.RawMessage(`"second"`)})
	moved := &store.Push{Queue: first.Queue, ID: "two", Value: first.Value}
	for _, op := range []store.Op{first, second, moved} {
		if err := w.Do(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	var got sync.Map
	o.Handle("mail", func(_ context.Context, job outbox.Job) error {
		got.Store(job.ID, string(job.Data))
		return nil
	})
	w.run(o)
	for range 2 {
		<-w.drops
	}
	if v, _ := got.Load("one"); v != `"second"` {
		t.Errorf("one: %v", v)
	}
	if v, moved := got.Load("two"); moved {
		t.Errorf("a payload was moved to another job: %v", v)
	}
}

// A handler that panics fails its job, and no other.
func TestPanic(t *testing.T) {
	w := open(t)
	o := w.outbox()
	done := make(chan string, 1)
	o.Handle("mail", func(_ context.Context, job outbox.Job) error {
		if job.ID == "bad" {
			panic("bad")
		}
		done <- job.ID
		return nil
	})
	w.run(o)
	w.add(o, outbox.Job{ID: "bad", Kind: "mail"})
	if again := <-w.pushed; again.ID != "bad" || again.After <= 0 {
		t.Errorf("%+v", again)
	}
	w.add(o, outbox.Job{ID: "good", Kind: "mail"})
	if id := <-done; id != "good" {
		t.Error(id)
	}
}
