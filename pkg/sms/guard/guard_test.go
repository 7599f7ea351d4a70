package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/guard"
	"github.com/loge-idp/loge/pkg/sms/smstest"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
	smshttp "github.com/loge-idp/loge/providers/sms/http"
)

// far is a gateway that does as it is told and counts what left.
type far struct {
	mu     sync.Mutex
	answer error // of the next messages; those that wrap ErrUncertain left
	sent   []sms.Message
}

func (f *far) Send(_ context.Context, m sms.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answer == nil || errors.Is(f.answer, sms.ErrUncertain) {
		f.sent = append(f.sent, m)
	}
	return f.answer
}

// tripped is a store that fails when told.
type tripped struct {
	store.Store
	fails func(ops []store.Op) bool
}

func (s *tripped) Do(ctx context.Context, ops ...store.Op) error {
	if s.fails != nil && s.fails(ops) {
		return store.ErrUnavailable
	}
	return s.Store.Do(ctx, ops...)
}

// quick is a store for thousands of messages, which knows no expiry.
type quick struct {
	mu      sync.Mutex
	records map[store.Key]int
}

func (s *quick) Do(_ context.Context, ops ...store.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		switch op := op.(type) {
		case *store.Create:
			op.Created = s.records[op.Key] == 0
			s.records[op.Key] = 1
		case *store.Hit:
			s.records[op.Key]++
			op.Count = s.records[op.Key]
			op.Allowed = op.Count <= op.Limit
		case *store.Delete:
			for _, name := range op.Names {
				delete(s.records, store.Key{Tag: op.Tag, Name: name})
			}
		default:
			return errors.New("not an operation of a message that left")
		}
	}
	return nil
}

type bench struct {
	*guard.Guard
	far   *far
	store *tripped
	log   *bytes.Buffer
	now   time.Time
	next  int
}

func newBench(t *testing.T, limits guard.Limits) *bench {
	t.Helper()
	shared, err := (&memory.StoreConfig{}).Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c, ok := shared.(interface{ Close() error }); ok {
			_ = c.Close()
		}
	})
	b := &bench{far: &far{}, store: &tripped{Store: shared}, log: &bytes.Buffer{}, now: time.Unix(1_800_000_000, 0)}
	b.Guard = b.replica(limits)
	return b
}

// replica is another process on the same store.
func (b *bench) replica(limits guard.Limits) *guard.Guard {
	return &guard.Guard{Gateway: b.far, Store: b.store, Limits: limits,
		Audit: audit.Log{Logger: slog.New(slog.NewTextHandler(b.log, nil))}, Now: func() time.Time { return b.now }}
}

// message is one that nobody sent before, to somebody of this number.
func (b *bench) message(person int) sms.Message {
	b.next++
	return sms.Message{ID: fmt.Sprintf("m%d", b.next), To: fmt.Sprintf("+3363998%04d", person), Text: "code", Account: account.ID(fmt.Sprint(person))}
}

func (b *bench) send(t *testing.T, g sms.Gateway, m sms.Message, want error) {
	t.Helper()
	if err := g.Send(t.Context(), m); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

func TestGuardIsAGateway(t *testing.T) {
	smstest.Run(t, func(t *testing.T) smstest.Harness {
		b := newBench(t, guard.Limits{PerNumber: 100, PerAccount: 100})
		server := smstest.NewServer(t)
		server.Read = func(r *http.Request) smstest.Received {
			return smstest.Received{To: r.PostFormValue("n"), Text: r.PostFormValue("t")}
		}
		gateway, err := (&smshttp.Config{URL: server.URL, Form: map[string]secret.String{"n": secret.New("{to}"), "t": secret.New("{text}")}}).Open(t.Context(), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		b.Gateway = gateway
		var hours atomic.Int64 // no pause lasts
		b.Now = func() time.Time { return time.Unix(hours.Add(1)*3600, 0) }
		return smstest.Harness{Gateway: b.Guard, Received: server.Received, Fail: server.Fail}
	})
}

// F-SMS-01: a thousand codes, each given again until it is final, by one
// replica after the other; the gateway takes each and never answers.
func TestTimeoutsSendNothingTwice(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		codes  int
	}{
		"a timeout":                   {fmt.Errorf("timeout: %w", sms.ErrUncertain), 1000},
		"a success that nobody noted": {nil, 100}, // the replica died
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guard.Limits{PerDay: 5000, PerHour: 5000})
			b.store.Store = &quick{records: map[store.Key]int{}}
			b.far.answer = c.answer
			for i := range c.codes {
				m := b.message(i)
				for range 2 {
					g := b.replica(b.Limits)
					_ = g.Send(t.Context(), m)
				}
			}
			seen := map[string]int{}
			for _, m := range b.far.sent {
				if seen[m.ID]++; seen[m.ID] > 1 {
					t.Fatalf("%s left twice", m.ID)
				}
			}
			if len(seen) != c.codes {
				t.Errorf("%d messages left, want %d", len(seen), c.codes)
			}
		})
	}
}

func TestParallelReplicasSendOnce(t *testing.T) {
	b := newBench(t, guard.Limits{})
	m := b.message(1)
	var group sync.WaitGroup
	for range 20 {
		g := b.replica(guard.Limits{})
		group.Go(func() { _ = g.Send(t.Context(), m) })
	}
	group.Wait()
	if len(b.far.sent) != 1 {
		t.Errorf("%d messages left, want 1", len(b.far.sent))
	}
}

// What was not sent is sent later, and counted once.
func TestRetry(t *testing.T) {
	b := newBench(t, guard.Limits{PerNumber: 1})
	m := b.message(1)
	b.far.answer = errors.New("later")
	for range 3 {
		if err := b.Send(t.Context(), m); err == nil || errors.Is(err, sms.ErrUncertain) || errors.Is(err, sms.ErrRefused) {
			t.Fatalf("%v, want an error that may be retried", err)
		}
	}
	b.far.answer = nil
	b.send(t, b, m, nil)
	b.send(t, b, b.message(1), sms.ErrRefused) // the budget was one
	if len(b.far.sent) != 1 {
		t.Errorf("%d messages left, want 1", len(b.far.sent))
	}
}

// A message is not lost because the caller's time was over.
func TestRetryAfterTheEndOfTheContext(t *testing.T) {
	b := newBench(t, guard.Limits{})
	m := b.message(1)
	ctx, cancel := context.WithCancel(t.Context())
	b.Gateway = gateway(func(context.Context, sms.Message) error { cancel(); return context.Canceled })
	if err := b.Send(ctx, m); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	b.Gateway = b.far
	b.send(t, b, m, nil)
}

type gateway func(context.Context, sms.Message) error

func (g gateway) Send(ctx context.Context, m sms.Message) error { return g(ctx, m) }

// R-REC-14: what is sent to one number, about one account, and altogether, for
// all replicas.
func TestBudgets(t *testing.T) {
	t.Run("5 a day to a number", func(t *testing.T) {
		b := newBench(t, guard.Limits{PerAccount: 100})
		for range 5 {
			b.send(t, b.replica(b.Limits), b.message(1), nil)
		}
		b.send(t, b, b.message(1), guard.ErrSpent)
		b.send(t, b, b.message(2), nil)
	})
	t.Run("3 an hour about an account", func(t *testing.T) {
		b := newBench(t, guard.Limits{})
		about := func(person int) sms.Message { m := b.message(person); m.Account = "1"; return m }
		for i := range 3 {
			b.send(t, b.replica(b.Limits), about(i), nil)
		}
		b.send(t, b, about(4), guard.ErrSpent)
		b.send(t, b, b.message(5), nil)
	})
	for window, limits := range map[string]guard.Limits{"hour": {PerHour: 10}, "day": {PerDay: 10}} {
		t.Run("altogether, "+window, func(t *testing.T) {
			b := newBench(t, limits)
			for i := range 10 {
				if _, ok := b.Usable("0639980000"); !ok {
					t.Fatal("not usable within the budget")
				}
				b.send(t, b.replica(limits), b.message(i), nil)
			}
			b.send(t, b, b.message(11), guard.ErrSpent)
			// From then on another way is offered, without asking the store.
			if _, ok := b.Usable("0639980000"); ok {
				t.Error("usable after the budget")
			}
			b.send(t, b, b.message(12), guard.ErrPaused)
			if len(b.far.sent) != 10 {
				t.Errorf("%d messages left, want 10", len(b.far.sent))
			}
			for result, want := range map[string]int{"four_fifths_spent": 1, "spent": 1} {
				if got := strings.Count(b.log.String(), "result="+result+" window="+window+" limit=10\n"); got != want {
					t.Errorf("%s was told %d times, want %d: %s", result, got, want, b.log)
				}
			}
			b.now = b.now.Add(25 * time.Hour)
			if _, ok := b.Usable("0639980000"); !ok {
				t.Error("not usable on the next day")
			}
		})
	}
	t.Run("one flooded number does not use up what all have", func(t *testing.T) {
		b := newBench(t, guard.Limits{PerDay: 6, PerAccount: 100})
		for range 50 {
			_ = b.Send(t.Context(), b.message(1))
		}
		b.send(t, b, b.message(2), nil)
	})
}

// R-REC-14: allowed countries, no premium number, whoever asks.
func TestNumbers(t *testing.T) {
	b := newBench(t, guard.Limits{})
	for _, to := range []string{"+33899123456", "+33123456789", "+447400123456", "+18765550123", "+881612345678", "+330612345678"} {
		m := b.message(1)
		m.To = to
		b.send(t, b, m, sms.ErrRefused)
		if _, ok := b.Usable(to); ok && to != "+330612345678" {
			t.Errorf("%s is usable", to)
		}
	}
	if len(b.far.sent) != 0 {
		t.Errorf("%d messages left", len(b.far.sent))
	}
	if number, ok := b.Usable("06 92 12 34 56"); !ok || number != "+262692123456" {
		t.Errorf("%s, %v", number, ok)
	}
}

// F-SMS-01: after five failures in a row mail is offered, and after a while one
// message tries again.
func TestBreaker(t *testing.T) {
	for name, failure := range map[string]error{"broken": errors.New("broken"), "silent": sms.ErrUncertain} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guard.Limits{})
			usable := func() bool { _, ok := b.Usable("0639980000"); return ok }
			b.far.answer = failure
			for i := range 4 {
				b.send(t, b, b.message(i), failure)
			}
			b.far.answer = nil
			b.send(t, b, b.message(5), nil) // in a row
			b.far.answer = failure
			for i := range 5 {
				if !usable() {
					t.Fatalf("not usable after %d failures", i)
				}
				b.send(t, b, b.message(10+i), failure)
			}
			if usable() {
				t.Fatal("usable after 5 failures")
			}
			before := len(b.far.sent)
			b.send(t, b, b.message(20), guard.ErrPaused)
			if len(b.far.sent) != before || strings.Count(b.log.String(), "action=sms.breaker result=open") != 1 {
				t.Errorf("sent while open, or not told: %s", b.log)
			}
			if _, ok := b.replica(b.Limits).Usable("0639980000"); !ok {
				t.Error("another process is paused too")
			}
			b.now = b.now.Add(6 * time.Minute)
			if !usable() {
				t.Fatal("not usable after the pause")
			}
			b.send(t, b, b.message(21), failure)
			if usable() {
				t.Error("usable after the trial failed")
			}
			b.now = b.now.Add(6 * time.Minute)
			b.far.answer = nil
			b.send(t, b, b.message(22), nil)
			b.far.answer = failure
			b.send(t, b, b.message(23), failure)
			if !usable() {
				t.Error("one failure after a success opened it")
			}
		})
	}
	t.Run("refused numbers are no failure", func(t *testing.T) {
		b := newBench(t, guard.Limits{})
		b.far.answer = sms.ErrRefused
		for i := range 10 {
			b.send(t, b, b.message(i), sms.ErrRefused)
		}
		if _, ok := b.Usable("0639980000"); !ok {
			t.Error("paused")
		}
	})
}

// Without the store nothing is sent that could be sent twice or uncounted.
func TestStoreDown(t *testing.T) {
	b := newBench(t, guard.Limits{})
	m := b.message(1)
	b.store.fails = func([]store.Op) bool { return true }
	b.send(t, b, m, store.ErrUnavailable)
	b.store.fails = func(ops []store.Op) bool { _, hit := ops[0].(*store.Hit); return hit }
	b.send(t, b, m, store.ErrUnavailable)
	if len(b.far.sent) != 0 {
		t.Fatal("sent without counting")
	}
	b.store.fails = nil
	b.send(t, b, m, nil)
}

func TestLimitsCheck(t *testing.T) {
	if err := (guard.Limits{}).Check(); err != nil {
		t.Error(err)
	}
	for place, limits := range map[string]guard.Limits{
		"perNumber": {PerNumber: -1}, "perAccount": {PerAccount: -1}, "perHour": {PerHour: -1}, "perDay": {PerDay: -1},
		"home[0]": {Plan: sms.Plan{Home: []string{"France"}}},
	} {
		var where *plugin.Error
		if err := limits.Check(); !errors.As(err, &where) || where.Path != place {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// R75: who was refused is known to the audit by account, never by number.
func TestAuditHasNoNumber(t *testing.T) {
	b := newBench(t, guard.Limits{PerNumber: 1, PerDay: 2})
	for range 3 {
		_ = b.Send(t.Context(), b.message(1))
		_ = b.Send(t.Context(), b.message(2))
	}
	if strings.Contains(b.log.String(), "3363998") || !strings.Contains(b.log.String(), "result=refused account=1") {
		t.Error(b.log)
	}
}
