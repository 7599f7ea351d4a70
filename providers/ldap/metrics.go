package ldap

import (
	"context"
	"sync"

	"github.com/loge-idp/loge/pkg/metrics"
)

// census is what a directory counts of its operations and connections.
type census struct {
	operations metrics.Counts

	mu   sync.Mutex
	open map[tie]int
}

// tie is what tells connections apart.
type tie struct {
	server string
	pool   string
}

// names of the purposes, for people.
var purposes = map[use]string{forAccounts: "searches", forBinds: "binds", forFresh: "binds", forScans: "scans", forChanges: "changes"}

// opened counts connections that are opened, and closed by -1.
func (c *census) opened(t tie, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[tie]int{}
	}
	c.open[t] += n
}

// ask sends one operation on a connection that others may share, waits for the
// answer no longer than ctx, and counts it.
func ask[T any](ctx context.Context, d *dialer, operation string, send func() (T, error)) (T, error) {
	d.observe(operation)
	value, err := await(ctx, patience{}, send)
	d.census.answered(operation, err)
	return value, err
}

func (c *census) answered(operation string, err error) {
	switch {
	case err == nil:
		c.operations.Add(operation, "ok")
	case isAnswer(err):
		c.operations.Add(operation, "refused")
	default:
		c.operations.Add(operation, "failed")
	}
}

// Measure implements metrics.Source.
func (d *dir) Measure(_ context.Context, p *metrics.Page) {
	c := &d.dialer.census
	c.operations.Tell(p, "loge_ldap_operations_total", "LDAP operations: answered, refused by the server, or without an answer.", "operation", "result")
	c.mu.Lock()
	for t, n := range c.open {
		p.Gauge("loge_ldap_connections", "Connections to the directory that are open.", float64(n), "server", t.server, "pool", t.pool)
	}
	c.mu.Unlock()
	d.searches.gate.measure(p, purposes[forAccounts])
	d.binds.gate.measure(p, purposes[forBinds])
	d.scans.measure(p, purposes[forScans])
	for _, s := range d.dialer.servers(forAccounts) {
		s.mu.Lock()
		for _, e := range s.known {
			p.Gauge("loge_ldap_failures_in_row", "Failures of an address since it last answered; from 3 on it is left alone but for one try a second.",
				float64(e.failures()), "server", s.name, "address", e.address)
		}
		s.mu.Unlock()
	}
}

// measure tells how a pool is used.
func (g *gate) measure(p *metrics.Page, pool string) {
	const name, help = "loge_ldap_callers", "Operations that have a place in a pool, and those that wait for one."
	p.Gauge(name, help, float64(len(g.slots)), "pool", pool, "state", "served")
	p.Gauge(name, help, float64(g.waiting.Load()), "pool", pool, "state", "waiting")
	p.Gauge("loge_ldap_places", "Places in a pool.", float64(cap(g.slots)), "pool", pool)
	p.Counter("loge_ldap_shed_total", "Operations that were turned away since too many waited.", float64(g.shed.Load()), "pool", pool)
}
