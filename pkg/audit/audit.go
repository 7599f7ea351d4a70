// Package audit records who did what to which account, one event per act, on
// slog, and counts the acts.
package audit

import (
	"context"
	"log/slog"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/metrics"
)

// Event is one act.
type Event struct {
	// Action is a dotted name: "login", "logout", "ticket.issue",
	// "ticket.redeem", "recovery.begin", "recovery.complete"…
	Action string
	// Result is "ok", or why not in one word.
	Result string
	// Account is whom it concerns, empty when nobody was identified.
	Account account.ID
	// Actor is who acted when it was not the account's owner.
	Actor account.ID
	// Party is the relying party concerned.
	Party string
	// Address is the client's network address.
	Address string
	// Detail are further facts, never a secret, a full address or what
	// somebody typed.
	Detail []slog.Attr
}

// Log writes events. The zero value writes to slog.Default.
type Log struct {
	Logger *slog.Logger
	// Counts, when set, counts events by action and result.
	Counts *metrics.Counts
}

// Record writes one event. slog's handlers quote control characters, so no
// value can forge a line.
func (l Log) Record(ctx context.Context, e Event) {
	l.Counts.Add(e.Action, e.Result)
	logger := l.Logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs := []slog.Attr{slog.String("action", e.Action), slog.String("result", e.Result)}
	for _, a := range []struct{ key, value string }{
		{"account", string(e.Account)}, {"actor", string(e.Actor)}, {"party", e.Party}, {"address", e.Address},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "audit", append(attrs, e.Detail...)...)
}
