// Package outbox makes messages and notices leave outside the request that
// causes them: a job is recorded in the store together with its cause, survives
// a crash, and is tried until it succeeds, is refused for good or grows too
// old.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Job is one thing to do. It should name things rather than carry them: what
// a handler can look up or derive again need not lie in the store. What it
// does carry is sealed there.
type Job struct {
	// ID identifies the job: one recorded again under the same ID replaces
	// the first. Default random.
	ID string `json:"-"`
	// Kind names the handler.
	Kind string `json:"k"`
	// Data is the handler's own.
	Data json.RawMessage `json:"d,omitempty"`
	// Expires is when the job is given up, in Unix seconds. Add sets it.
	Expires int64 `json:"e"`
	// Try counts the tries, from 1 when the job is first handled.
	Try int `json:"t,omitempty"`
}

// Handler does a job of one kind. It may be called again for a job that it had
// done, when a replica died before it could say so: it must be idempotent, or
// give what it sends an identity that makes the receiver so. It must honour
// ctx. An error that wraps ErrGiveUp ends the job; any other has it tried
// again later.
type Handler func(ctx context.Context, job Job) error

// ErrGiveUp is wrapped by a handler's error when no retry can help.
var ErrGiveUp = errors.New("outbox: given up")

// Outbox records jobs and runs them. The fields must be set before use and
// left alone afterwards.
type Outbox struct {
	Store  store.Store
	Box    *secret.Box // seals what jobs carry
	Logger *slog.Logger
	Now    func() time.Time // default time.Now
	// Parallel is how many jobs run at once in this process; default 8.
	Parallel int
	// Poll is how often the store is asked for jobs that another replica
	// recorded or that are to be tried again; default one second.
	Poll time.Duration
	// Timeout bounds one try; default 10 seconds.
	Timeout time.Duration
	// Life is how long a job is tried; default one hour.
	Life time.Duration

	tries    metrics.Counts
	mu       sync.Mutex
	handlers map[string]Handler
	wake     chan struct{}
}

// queue is the only one: it is short, and one key is one look per poll.
const queue = "outbox"

// Handle names the handler of a kind of job. All must be named before Run.
func (o *Outbox) Handle(kind string, h Handler) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handlers == nil {
		o.handlers = map[string]Handler{}
	}
	if o.handlers[kind] != nil {
		panic("outbox: two handlers for " + kind)
	}
	o.handlers[kind] = h
}

// Op returns the operation that records a job, to be sent to the store
// together with what causes it. Nudge afterwards makes this process look at
// once.
func (o *Outbox) Op(job Job) *store.Push {
	if job.ID == "" {
		job.ID = secret.Random(16)
	}
	job.Expires = o.now().Add(or(o.Life, time.Hour)).Unix()
	return &store.Push{Queue: queue, ID: job.ID, Value: o.seal(job)}
}

func (o *Outbox) seal(job Job) string {
	plain, err := json.Marshal(job)
	if err != nil {
		panic(err) // Data that is not JSON: a fault of the program
	}
	return o.Box.Seal(plain, job.ID)
}

// Measure implements metrics.Source.
func (o *Outbox) Measure(ctx context.Context, p *metrics.Page) {
	o.tries.Tell(p, "loge_outbox_tries_total", "Tries of jobs: done, to be tried again, or given up.", "kind", "result")
	all := &store.List{Queue: queue}
	if o.Store.Do(ctx, all) == nil {
		p.Gauge("loge_outbox_jobs", "Jobs of all replicas that are not done yet.", float64(len(all.Entries)))
	}
}

// Add records jobs by themselves.
func (o *Outbox) Add(ctx context.Context, jobs ...Job) error {
	ops := make([]store.Op, len(jobs))
	for i, j := range jobs {
		ops[i] = o.Op(j)
	}
	err := o.Store.Do(ctx, ops...)
	o.Nudge()
	return err
}

// Nudge makes Run look for jobs now instead of at the next poll.
func (o *Outbox) Nudge() {
	select {
	case o.wakeup() <- struct{}{}:
	default:
	}
}

func (o *Outbox) wakeup() chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake == nil {
		o.wake = make(chan struct{}, 1)
	}
	return o.wake
}

// Run does jobs until ctx ends, then waits for those it began. Any number of
// replicas may run at once: a job is leased to one at a time.
func (o *Outbox) Run(ctx context.Context) {
	free := make(chan struct{}, o.parallel())
	for range cap(free) {
		free <- struct{}{}
	}
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(or(o.Poll, time.Second))
	defer tick.Stop()
	wake := o.wakeup()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
		// A slow receiver holds its own slot only: the others go on.
		for _, e := range o.pull(ctx, len(free)) {
			<-free
			running.Go(func() {
				o.do(ctx, e)
				free <- struct{}{}
				o.Nudge()
			})
		}
	}
}

func (o *Outbox) pull(ctx context.Context, n int) []store.Entry {
	if n == 0 {
		return nil
	}
	// The lease outlasts the try, so that a job is never done twice at once.
	pull := &store.Pull{Queue: queue, Max: n, Lease: 2 * o.timeout()}
	if err := o.Store.Do(ctx, pull); err != nil {
		if ctx.Err() == nil {
			o.logger().Warn("outbox: cannot look for jobs", "err", err)
		}
		return nil
	}
	return pull.Entries
}

// do tries one job and records what becomes of it.
func (o *Outbox) do(ctx context.Context, e store.Entry) {
	// A job that was begun is finished even when the process is told to stop.
	ctx = context.WithoutCancel(ctx)
	var fate store.Op = &store.Drop{Queue: queue, IDs: []string{e.ID}}
	job, err := o.open(e)
	if err == nil {
		job.Try++
		err = o.try(ctx, job)
	}
	if err == nil {
		o.tries.Add(job.Kind, "ok")
	} else {
		again := backoff(job.Try)
		log := o.logger().With("job", e.ID, "kind", job.Kind, "try", job.Try, "err", err)
		if errors.Is(err, ErrGiveUp) {
			o.tries.Add(job.Kind, "given_up")
			log.Error("outbox: job given up")
		} else {
			o.tries.Add(job.Kind, "again")
			log.Warn("outbox: job will be tried again", "after", again)
			fate = &store.Push{Queue: queue, ID: e.ID, Value: o.seal(job), After: again}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	if err := o.Store.Do(ctx, fate); err != nil {
		o.logger().Warn("outbox: job will be done again: its end could not be recorded", "job", e.ID, "err", err)
	}
}

func (o *Outbox) open(e store.Entry) (Job, error) {
	job := Job{ID: e.ID}
	plain, err := o.Box.Open(e.Value, e.ID)
	if err == nil {
		err = json.Unmarshal(plain, &job)
	}
	if err != nil {
		return job, errors.Join(ErrGiveUp, err)
	}
	return job, nil
}

func (o *Outbox) try(ctx context.Context, job Job) (err error) {
	defer func() {
		if crash := recover(); crash != nil { // one bad job must not stop the others
			err = fmt.Errorf("panic: %v\n%s", crash, debug.Stack())
		}
	}()
	if o.now().Unix() > job.Expires {
		return errors.Join(ErrGiveUp, errors.New("too old"))
	}
	o.mu.Lock()
	handle := o.handlers[job.Kind]
	o.mu.Unlock()
	if handle == nil {
		return errors.New("no handler: another version of the program may have one")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	return handle(ctx, job)
}

// backoff is 1 s, 4 s, 16 s… up to 5 minutes.
func backoff(tries int) time.Duration {
	return min(time.Second<<(2*min(max(tries, 1)-1, 5)), 5*time.Minute)
}

func (o *Outbox) parallel() int          { return max(1, or(o.Parallel, 8)) }
func (o *Outbox) timeout() time.Duration { return or(o.Timeout, 10*time.Second) }

func (o *Outbox) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

func (o *Outbox) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.Default()
	}
	return o.Logger
}

func or[T time.Duration | int](set, unset T) T {
	if set == 0 {
		return unset
	}
	return set
}
