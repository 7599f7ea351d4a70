// Package guard owns what stands between whoever wants to send a text message
// and the gateway that bills it: allowed numbers, budgets, once only, and a
// breaker.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Limits are who may be sent to, and how much (R-REC-14). The zero value has
// the defaults.
type Limits struct {
	sms.Plan
	PerNumber  int `json:"perNumber"`  // messages to one number in a day; default 5
	PerAccount int `json:"perAccount"` // about one account in an hour; default 3
	PerHour    int `json:"perHour"`    // altogether in an hour; default 500
	PerDay     int `json:"perDay"`     // altogether in a day; default 2000
}

// Check refuses what makes no sense. The error is of type *plugin.Error.
func (l Limits) Check() error {
	for _, each := range []struct {
		key   string
		value int
	}{{"perNumber", l.PerNumber}, {"perAccount", l.PerAccount}, {"perHour", l.PerHour}, {"perDay", l.PerDay}} {
		if each.value < 0 {
			return plugin.At(each.key, errors.New("must be a positive number"))
		}
	}
	return l.Plan.Check()
}

const (
	// failures in a row open the breaker for pause (F-SMS-01).
	failures = 5
	pause    = 5 * time.Minute

	// remembered is how long a message is known by its ID, longer than any
	// outbox tries.
	remembered = 24 * time.Hour
	// cleanup bounds what is written after the end of the caller's ctx.
	cleanup = 5 * time.Second
)

var (
	// ErrPaused says that no message leaves at present: too many failures in a
	// row, or a budget of the whole site that is spent. Nothing was sent.
	ErrPaused = errors.New("sms: paused")
	// ErrSpent says that a budget refuses this message. It comes with
	// sms.ErrRefused.
	ErrSpent = errors.New("sms: the budget is spent")
)

// Guard is an sms.Gateway around another one. Its fields are set before use.
//
// Budgets and the memory of what was sent are in the store, for all replicas.
// The breaker is each process's own: it is looked at where nothing may block,
// and a replica that has lost its way out must not stop the others.
type Guard struct {
	Gateway sms.Gateway
	Store   store.Store
	Limits  Limits
	Audit   audit.Log
	Now     func() time.Time // time.Now when nil

	mu     sync.Mutex
	failed int       // in a row
	until  time.Time // no message before
}

// Usable implements sms.Selective.
func (g *Guard) Usable(written string) (string, bool) {
	number, err := g.Limits.Mobile(written)
	return number, err == nil && !g.paused()
}

// Send implements sms.Gateway. A message is given to the gateway once; again
// only when the gateway said that it was not sent. If the store cannot be
// asked nothing is sent, and the error wraps store.ErrUnavailable.
func (g *Guard) Send(ctx context.Context, m sms.Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	if number, err := g.Limits.Mobile(m.To); err != nil || number != m.To {
		return fmt.Errorf("%w: %w", sms.ErrRefused, sms.ErrNumber)
	}
	if g.paused() {
		return ErrPaused
	}
	turn := store.Key{Tag: "sms-" + secret.Hash(m.ID)[:22], Name: "turn"}
	mine := &store.Create{Key: turn, TTL: remembered}
	first := &store.Create{Key: store.Key{Tag: turn.Tag, Name: "counted"}, TTL: remembered}
	if err := g.Store.Do(ctx, mine, first); err != nil {
		return err
	}
	if !mine.Created {
		return fmt.Errorf("%w: it was given to the gateway before", sms.ErrUncertain)
	}
	if first.Created { // a repetition is paid for
		if err := g.spend(ctx, m); errors.Is(err, sms.ErrRefused) {
			return err
		} else if err != nil {
			return g.forget(ctx, err, turn, first.Key)
		}
	}
	err := g.Gateway.Send(ctx, m)
	g.learn(ctx, err)
	if err == nil || errors.Is(err, sms.ErrRefused) || errors.Is(err, sms.ErrUncertain) {
		return err
	}
	return g.forget(ctx, err, turn)
}

// forget lets a message be tried again that was not sent, even if ctx has
// ended meanwhile.
func (g *Guard) forget(ctx context.Context, err error, keys ...store.Key) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	drop := &store.Delete{Tag: keys[0].Tag}
	for _, key := range keys {
		drop.Names = append(drop.Names, key.Name)
	}
	return errors.Join(err, g.Store.Do(ctx, drop))
}

// spend counts the message. Those of one number or account come first, so that
// somebody who floods one does not use up what all have.
func (g *Guard) spend(ctx context.Context, m sms.Message) error {
	l := g.Limits
	number := limiter("sms number", l.PerNumber, 5, 24*time.Hour).Hit(m.To)
	person := limiter("sms account", l.PerAccount, 3, time.Hour).Hit(string(m.Account))
	if err := g.Store.Do(ctx, number, person); err != nil {
		return err
	}
	if _, refused := throttle.Refused(number, person); refused {
		g.record(ctx, "refused", m, slog.Bool("number", !number.Allowed))
		return fmt.Errorf("%w: %w for this person", sms.ErrRefused, ErrSpent)
	}
	hour := limiter("sms hour", l.PerHour, 500, time.Hour).Hit("")
	day := limiter("sms day", l.PerDay, 2000, 24*time.Hour).Hit("")
	if err := g.Store.Do(ctx, hour, day); err != nil {
		return err
	}
	g.alert(ctx, "hour", hour)
	g.alert(ctx, "day", day)
	if wait, refused := throttle.Refused(hour, day); refused {
		g.stop(wait)
		return fmt.Errorf("%w: %w for the site", sms.ErrRefused, ErrSpent)
	}
	return nil
}

func limiter(name string, set, unset int, window time.Duration) throttle.Limiter {
	if set == 0 {
		set = unset
	}
	return throttle.Limiter{Name: name, Limit: set, Window: window}
}

// alert tells when four fifths of a budget are spent, and when all is. The
// store gives every message its own count, so that of all replicas one tells.
func (g *Guard) alert(ctx context.Context, window string, h *store.Hit) {
	if !h.Allowed {
		return
	}
	attrs := []slog.Attr{slog.String("window", window), slog.Int("limit", h.Limit)}
	if h.Count == (h.Limit*4+4)/5 {
		g.record(ctx, "four_fifths_spent", sms.Message{}, attrs...)
	}
	if h.Count == h.Limit {
		g.record(ctx, "spent", sms.Message{}, attrs...)
	}
}

func (g *Guard) record(ctx context.Context, result string, m sms.Message, detail ...slog.Attr) {
	g.Audit.Record(ctx, audit.Event{Action: "sms.budget", Result: result, Account: m.Account, Detail: detail})
}

// learn counts failures in a row. What the gateway refuses for good it refuses
// because of the message: that is no failure.
func (g *Guard) learn(ctx context.Context, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil || errors.Is(err, sms.ErrRefused) {
		g.failed = 0
		return
	}
	// When the pause is over one more failure begins the next.
	if g.failed++; g.failed >= failures {
		g.until = g.now().Add(pause)
		g.Audit.Record(ctx, audit.Event{Action: "sms.breaker", Result: "open", Detail: []slog.Attr{slog.Int("failures", g.failed), slog.Duration("pause", pause)}})
	}
}

func (g *Guard) stop(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = g.now().Add(wait)
}

func (g *Guard) paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now().Before(g.until)
}

func (g *Guard) now() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}
