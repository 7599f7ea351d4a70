package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
)

// Choosable returns the method whose question people choose; nil when there is
// none, or the directory does not let its attribute be changed.
func (f *Flow) Choosable() Choosable {
	if _, ok := f.Directory.(directory.Editor); !ok {
		return nil
	}
	reads, selects := f.Directory.(directory.Selecting)
	for _, m := range f.Methods {
		if c, ok := m.(Choosable); ok && (!selects || reads.Writes(c.Attribute())) {
			return c
		}
	}
	return nil
}

// Choose keeps the question that somebody chose and the answer to it, in place
// of the last. The caller has made sure that it is the owner, by a password of
// the last ten minutes. Errors: ErrWrong for what is no question or no answer,
// directory.ErrConflict, one that wraps directory.ErrNotFound or
// directory.ErrUnavailable, or the directory's own for what it will not write.
func (f *Flow) Choose(ctx context.Context, who account.ID, word, answer, address string) error {
	m := f.Choosable()
	if m == nil {
		return errors.New("recovery: no question can be chosen here")
	}
	a, err := f.Directory.Get(ctx, who)
	if err != nil {
		return fmt.Errorf("recovery: choose a question: %w", err)
	}
	from, to, err := m.Keep(a, word, answer)
	if err != nil {
		return err
	}
	event := audit.Event{Action: "recovery.choose", Result: "ok", Account: who, Address: address, Detail: []slog.Attr{slog.String("method", m.Name())}}
	if err := f.Directory.(directory.Editor).Edit(ctx, who, m.Attribute(), from, to); err != nil {
		event.Result = "failed"
		f.Audit.Record(ctx, event)
		return fmt.Errorf("recovery: choose a question: %w", err)
	}
	f.Audit.Record(ctx, event)
	return nil
}
