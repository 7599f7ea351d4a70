package redis_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// moving is a slot on its way from one node of a cluster to another.
type moving struct {
	t        *testing.T
	nodes    []*goredis.Client
	slot     int64
	from, to int
}

// moving begins to move the slot of a tag, as redis-cli does.
func (c *shards) moving(tag string) moving {
	c.t.Helper()
	slot, err := c.nodes[0].ClusterKeySlot(c.t.Context(), "{"+tag+"}").Result()
	if err != nil {
		c.t.Fatal(err)
	}
	from, known := c.at[slot]
	if !known {
		from = int(slot) * len(c.nodes) / 16384
	}
	m := moving{c.t, c.nodes, slot, from, (from + 1) % len(c.nodes)}
	c.at[slot] = m.to
	m.set(m.to, "importing", m.from)
	m.set(m.from, "migrating", m.to)
	return m
}

// set tells a node what becomes of the slot, and of which other node.
func (m moving) set(at int, state string, node int) {
	m.t.Helper()
	id := m.nodes[node].ClusterMyID(m.t.Context()).Val()
	if err := m.nodes[at].Do(m.t.Context(), "cluster", "setslot", m.slot, state, id).Err(); err != nil {
		m.t.Fatal(err)
	}
}

func (m moving) carry(key string) {
	m.t.Helper()
	host, port, _ := strings.Cut(m.nodes[m.to].Options().Addr, ":")
	if err := m.nodes[m.from].Do(m.t.Context(), "migrate", host, port, key, 0, 5000).Err(); err != nil {
		m.t.Fatal(err)
	}
}

// finish carries what is left.
func (m moving) finish() {
	m.t.Helper()
	for {
		keys, err := m.nodes[m.from].ClusterGetKeysInSlot(m.t.Context(), int(m.slot), 1).Result()
		if err != nil {
			m.t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		m.carry(keys[0])
		time.Sleep(2 * time.Millisecond) // long enough to be met half-way
	}
	for i := range m.nodes {
		m.set((m.to+i)%len(m.nodes), "node", m.to) // where it is now first
	}
}

// shards are the nodes of a cluster, and where each slot is that has moved.
type shards struct {
	t     *testing.T
	nodes []*goredis.Client
	at    map[int64]int
}

func startShards(t *testing.T) (*shards, *redis.Config) {
	t.Helper()
	cluster := redistest.StartCluster(t)
	c := &shards{t: t, at: map[int64]int{}}
	for _, node := range cluster.Nodes {
		client := goredis.NewClient(&goredis.Options{Addr: node.Addr})
		t.Cleanup(func() { client.Close() })
		c.nodes = append(c.nodes, client)
	}
	return c, &redis.Config{Topology: "cluster", Addresses: cluster.Addresses()}
}

// A record and that from which it hangs are on two servers for a moment: it is
// not taken for gone.
func TestHalfASlotHasMoved(t *testing.T) {
	for _, first := range []string{"session", "ticket"} {
		t.Run(first, func(t *testing.T) {
			cluster, config := startShards(t)
			var trips atomic.Int64
			config.Observe = func(int) { trips.Add(1) }
			s := open(t, config)
			take := &store.Take{Key: store.Key{Tag: "t", Name: "ticket"}, By: rand.Text()}
			if err := s.Do(t.Context(), &store.Create{Key: store.Key{Tag: "t", Name: "session"}, TTL: time.Hour},
				&store.Create{Key: take.Key, Under: "session", TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
			m := cluster.moving("t")
			m.carry(redis.DefaultPrefix + "{t}:" + first)
			before := trips.Load()
			done := make(chan error)
			go func() { done <- s.Do(context.Background(), take) }()
			for trips.Load() < before+3 { // it has been refused
				select {
				case err := <-done:
					t.Fatalf("answered already: %v, %v", take.Outcome, err)
				case <-time.After(time.Millisecond):
				}
			}
			m.finish()
			if err := <-done; err != nil || take.Outcome != store.Taken {
				t.Errorf("%v, %v, want Taken", take.Outcome, err)
			}
		})
	}
}

// Of each of people, so many sessions move, so many times.
const people, sessions, moves = 8, 20, 4

// F-RED-06: while slots move from node to node nothing fails, nothing is lost
// and nothing is had twice.
func TestSlotsMove(t *testing.T) {
	cluster, config := startShards(t)
	s := open(t, config)
	var all sync.WaitGroup
	var mu sync.Mutex
	faults := map[string]int{}
	done := make(chan struct{})
	ways := 0
	for i := range people {
		tag := fmt.Sprint("person", i)
		for n := range sessions {
			if err := s.Do(t.Context(), &store.Create{Key: store.Key{Tag: tag, Name: session(n)}, TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				fault := way(s, tag)
				mu.Lock()
				ways++
				if fault != "" {
					faults[fault]++
				}
				mu.Unlock()
			}
		})
	}
	for n := range moves * people {
		cluster.moving(fmt.Sprint("person", n%people)).finish()
	}
	close(done)
	all.Wait()
	t.Logf("%d ways in, during %d moves", ways, moves*people)
	for fault, n := range faults {
		t.Errorf("%d times: %s", n, fault)
	}
}

// session is the name of a session that lasts as long as the test.
func session(n int) string { return fmt.Sprint("session", n) }

// way is what a login, an application entered and a sign-out ask of the store.
// It returns what was wrong.
func way(s store.Store, tag string) string {
	kept := session(mathrand.IntN(sessions))
	mine, ticket, another := store.Key{Tag: tag, Name: rand.Text()}, store.Key{Tag: tag, Name: rand.Text()}, store.Key{Tag: tag, Name: rand.Text()}
	hit := &store.Hit{Key: store.Key{Tag: tag, Name: "tries"}, Limit: 1 << 30, Window: time.Hour}
	create, under := &store.Create{Key: mine, TTL: time.Minute}, &store.Create{Key: ticket, Under: mine.Name, TTL: time.Minute}
	visit := &store.Write{Key: store.Key{Tag: tag, Name: kept}, Fields: store.Fields{"visit": another.Name}}
	enter := &store.Create{Key: another, Under: kept, TTL: time.Minute}
	take, again := &store.Take{Key: ticket, By: rand.Text()}, &store.Take{Key: ticket, By: rand.Text()}
	read := &store.Read{Key: another}
	end := &store.Delete{Tag: tag, Names: []string{mine.Name, ticket.Name, another.Name}}
	for _, step := range []struct {
		name string
		ok   func() bool
		ops  []store.Op
	}{
		{"signing in", func() bool { return hit.Allowed && create.Created && under.Created },
			[]store.Op{hit, create, under, &store.Push{Queue: tag, ID: ticket.Name}}},
		{"entering with a session", func() bool { return visit.Written && enter.Created }, []store.Op{visit, enter}},
		{"taking", func() bool { return take.Outcome == store.Taken }, []store.Op{take}},
		{"taking again", func() bool { return again.Outcome == store.Spent }, []store.Op{again}},
		{"looking", func() bool { return read.Fields != nil }, []store.Op{read}},
		{"signing out", func() bool { return end.Deleted == 2 },
			[]store.Op{end, &store.Drop{Queue: tag, IDs: []string{ticket.Name}}}},
	} {
		if err := s.Do(context.Background(), step.ops...); err != nil {
			return step.name + ": " + err.Error()
		}
		if !step.ok() {
			return step.name
		}
	}
	return ""
}
