package letters

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/store"
)

// Batch is a printing, and how far it is. Whose letters they were is in the audit
// only.
type Batch struct {
	Name  string     `json:"-"` // to revoke the codes by
	By    account.ID `json:"by"`
	At    time.Time  `json:"at"`
	Seen  time.Time  `json:"seen"` // when it was last told how far it is
	State State      `json:"state"`
	Total int        `json:"total"`
	// Codes, Reminders and Left are how many got a letter with a code, one with
	// the identifier only, and none since their state forbids both.
	Codes     int `json:"codes"`
	Reminders int `json:"reminders"`
	Left      int `json:"left"`
}

// Done is how many people it is done with.
func (b Batch) Done() int { return b.Codes + b.Reminders + b.Left }

// State is what became of a batch.
type State string

// The states.
const (
	Printing State = "printing"
	Printed  State = "printed"
	Revoked  State = "revoked" // by an operator, or since it failed
	// Interrupted is one of which nothing is heard any more: the process ended
	// in the middle of it. Its codes work, and may be in nobody's hands.
	Interrupted State = "interrupted"
)

const (
	// queue has the batches of all operators.
	queue = "letters"
	// kept is how long they are remembered: longer than any code lives (R30).
	kept = 91 * 24 * time.Hour
	// noted is after how many letters it is told how far a batch is, and silent
	// after how long of nothing it is taken for interrupted.
	noted  = 100
	silent = 10 * time.Minute
)

// Batches are the printings of the last three months, the newest first. The error
// wraps store.ErrUnavailable.
func (p *Press) Batches(ctx context.Context) (out []Batch, err error) {
	list := &store.List{Queue: queue}
	if err := p.Recovery.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	for _, entry := range list.Entries {
		b := Batch{Name: entry.ID}
		if json.Unmarshal([]byte(entry.Value), &b) != nil || entry.Due <= 0 {
			continue
		}
		if b.State == Printing && p.now().Sub(b.Seen) > silent {
			b.State = Interrupted
		}
		out = append(out, b)
	}
	slices.SortStableFunc(out, func(a, b Batch) int { return b.At.Compare(a.At) })
	return out, nil
}

// Revoke ends every code of a batch that was not used yet (requirement R64), and
// the printing where it goes on. Errors: recovery.ErrBatch for one that is unknown
// or was revoked, or one that wraps store.ErrUnavailable.
func (p *Press) Revoke(ctx context.Context, name string, by account.ID) error {
	all, err := p.Batches(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(b Batch) bool { return b.Name == name })
	if i < 0 {
		return recovery.ErrBatch
	}
	return p.revoke(ctx, all[i], by)
}

func (p *Press) revoke(ctx context.Context, b Batch, by account.ID) error {
	b.State = Revoked
	return errors.Join(p.Recovery.RevokeBatch(ctx, b.Name, by), p.note(ctx, &b))
}

func (p *Press) begin(ctx context.Context, o Order, total int) (b Batch, err error) {
	b = Batch{By: o.By, At: p.now(), State: Printing, Total: total}
	if b.Name, err = p.Recovery.NewBatch(ctx, o.By); err != nil {
		return b, err
	}
	err = p.note(ctx, &b)
	return b, err
}

// note keeps how far a batch is, and forgets those that are too old.
func (p *Press) note(ctx context.Context, b *Batch) error {
	b.Seen = p.now()
	value, err := json.Marshal(b)
	if err != nil {
		panic(err) // plain data
	}
	return p.Recovery.Store.Do(ctx, &store.Drop{Queue: queue, Due: true}, &store.Push{Queue: queue, ID: b.Name, Value: string(value), After: kept})
}

func (p *Press) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}
