package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// health is whether this replica can do its work. It says yes or no and
// nothing else, since anybody can ask.
type health struct {
	pings   map[string]func(context.Context) error // by the name of the part
	logger  *slog.Logger
	leaving atomic.Bool

	mu sync.Mutex
	at time.Time
	ok bool
}

const (
	// healthAge is how old an answer may be: however often it is asked, the
	// parts are asked once in that time.
	healthAge = time.Second
	// healthTimeout is how long the parts may take together.
	healthTimeout = 3 * time.Second
)

// leave makes every answer a no from now on.
func (h *health) leave() { h.leaving.Store(true) }

// alive answers as long as the process can.
func (h *health) alive(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

// ready answers whether requests should be sent here.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if h.leaving.Load() || !h.look(r.Context()) {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// look asks the parts, one caller for all that come meanwhile.
func (h *health) look(ctx context.Context) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < healthAge {
		return h.ok
	}
	// A caller that goes away must not make the next one see a failure.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	was := h.ok
	h.ok = true
	for name, ping := range h.pings {
		if err := ping(ctx); err != nil {
			h.ok = false
			if was || h.at.IsZero() {
				h.logger.Error("not ready", "part", name, "err", err)
			}
		}
	}
	h.at = time.Now()
	return h.ok
}
