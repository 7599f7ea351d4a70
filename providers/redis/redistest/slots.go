package redistest

import (
	"context"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Move is a slot on its way from one node of a cluster to the next.
type Move struct {
	t        TB
	nodes    []*goredis.Client
	slot     int64
	from, to int
}

// Move begins to move the slot of a key, as redis-cli does when it reshards.
func (c *Cluster) Move(t TB, key string) *Move {
	t.Helper()
	m := &Move{t: t}
	for _, node := range c.Nodes {
		client := goredis.NewClient(&goredis.Options{Addr: node.Addr})
		t.Cleanup(func() { client.Close() })
		m.nodes = append(m.nodes, client)
	}
	var err error
	m.slot, err = m.nodes[0].ClusterKeySlot(context.Background(), key).Result()
	must(t, err)
	if c.moved == nil {
		c.moved = map[int64]int{}
	}
	var known bool
	if m.from, known = c.moved[m.slot]; !known {
		m.from = c.first(m.slot)
	}
	m.to = (m.from + 1) % len(m.nodes)
	c.moved[m.slot] = m.to
	m.set(m.to, "importing", m.from)
	m.set(m.from, "migrating", m.to)
	return m
}

// set tells a node what becomes of the slot, and of which other node.
func (m *Move) set(at int, state string, node int) {
	m.t.Helper()
	ctx := context.Background()
	id, err := m.nodes[node].ClusterMyID(ctx).Result()
	must(m.t, err)
	must(m.t, m.nodes[at].Do(ctx, "cluster", "setslot", m.slot, state, id).Err())
}

// Carry moves one key of the slot.
func (m *Move) Carry(key string) {
	m.t.Helper()
	host, port, _ := strings.Cut(m.nodes[m.to].Options().Addr, ":")
	must(m.t, m.nodes[m.from].Do(context.Background(), "migrate", host, port, key, 0, 5000).Err())
}

// Finish carries what is left, slowly enough to be met half-way.
func (m *Move) Finish() {
	m.t.Helper()
	for {
		keys, err := m.nodes[m.from].ClusterGetKeysInSlot(context.Background(), int(m.slot), 1).Result()
		must(m.t, err)
		if len(keys) == 0 {
			break
		}
		m.Carry(keys[0])
		time.Sleep(2 * time.Millisecond)
	}
	for i := range m.nodes {
		m.set((m.to+i)%len(m.nodes), "node", m.to) // where it is now first
	}
}
