package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// Every is how often the state of an account that has something open is read,
// so that what was closed in the directory is closed here within a minute
// (requirement R15). It is session.Manager.Watched.
const Every = 30 * time.Second

// DefaultPerSecond is the default of Watch.PerSecond: in Every it goes round
// 3000 accounts.
const DefaultPerSecond = 100

// Watch ends the sessions and tokens of accounts that were closed while nobody
// used them: a used one is looked at by login.Flow. Its fields are set before
// use. Any number of replicas may run at once.
type Watch struct {
	Store     store.Store
	Sessions  *session.Manager // with Watched
	Directory directory.Reader
	// PerSecond bounds how many accounts are read in a second, by all replicas
	// together; DefaultPerSecond when unset.
	PerSecond int
	Audit     audit.Log
	Logger    *slog.Logger
}

// readers is how many accounts are read at a time.
const readers = 4

// turn is the record that one replica makes in each second.
var turn = store.Key{Tag: "lifecycle", Name: "turn"}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.Turn(ctx); err != nil && ctx.Err() == nil {
			w.Logger.Warn("lifecycle: accounts could not be looked at; they are again later", "err", err)
		}
	}
}

// Turn looks at the accounts that are due, unless some replica did within the
// last second. The error wraps store.ErrUnavailable or
// directory.ErrUnavailable.
func (w *Watch) Turn(ctx context.Context) error {
	mine := &store.Create{Key: turn, TTL: time.Second}
	if err := w.Store.Do(ctx, mine); err != nil || !mine.Created {
		return err
	}
	due, err := w.Sessions.Due(ctx, w.perSecond())
	if err != nil {
		return err
	}
	if len(due) == w.perSecond() { // perhaps there are more
		if err := w.warn(ctx); err != nil {
			return err
		}
	}
	var (
		reading  sync.WaitGroup
		mu       sync.Mutex
		failures []error
		next     = make(chan account.ID)
	)
	for range min(readers, len(due)) {
		reading.Go(func() {
			for id := range next {
				if err := w.look(ctx, id); err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, id := range due {
		mu.Lock()
		down := len(failures) > 0 // the others would only wait for the same
		mu.Unlock()
		if down {
			break
		}
		next <- id
	}
	close(next)
	reading.Wait()
	return errors.Join(failures...)
}

// behind is the record of the replica that warned within the last minute.
var behind = store.Key{Tag: "lifecycle", Name: "behind"}

// warn says so where more accounts have something open than are read within a
// minute.
func (w *Watch) warn(ctx context.Context) error {
	accounts, late, err := w.Sessions.Watching(ctx)
	round := int(Every / time.Second)
	if err != nil || late <= Every || accounts <= w.perSecond()*round {
		return err
	}
	mine := &store.Create{Key: behind, TTL: time.Minute}
	if err := w.Store.Do(ctx, mine); err != nil || !mine.Created {
		return err
	}
	w.Logger.Warn("lifecycle: more accounts are signed in than are looked at in time: what is closed in the directory stays open here for more than a minute; raise lifecycle.perSecond",
		"accounts", accounts, "late", late.Round(time.Second), "perSecond", w.perSecond(), "needed", (accounts+round-1)/round)
	return nil
}

// Measure implements metrics.Source.
func (w *Watch) Measure(ctx context.Context, p *metrics.Page) {
	if accounts, late, err := w.Sessions.Watching(ctx); err == nil {
		p.Gauge("loge_watched_accounts", "Accounts of all replicas with a session or a token.", float64(accounts))
		p.Gauge("loge_watch_late_seconds", "By how much the account is late that waits the longest for its state to be read again.", late.Seconds())
	}
}

func (w *Watch) perSecond() int { return cmp.Or(w.PerSecond, DefaultPerSecond) }

// look ends what an account has open when it may not sign in any more.
func (w *Watch) look(ctx context.Context, id account.ID) error {
	a, err := w.Directory.Get(ctx, id)
	switch {
	case err != nil && !errors.Is(err, directory.ErrNotFound):
		return err
	case err == nil && a.Status.MayLogin():
		return nil
	}
	if err := w.Sessions.EndAll(ctx, id); err != nil {
		return err
	}
	w.Audit.Record(ctx, audit.Event{Action: "session.end", Result: "account_" + string(a.Status), Account: id})
	return nil
}
