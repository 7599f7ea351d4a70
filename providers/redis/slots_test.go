package redis_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// A record and that from which it hangs are on two servers for a moment: it is
// not taken for gone.
func TestHalfASlotHasMoved(t *testing.T) {
	for _, first := range []string{"session", "ticket"} {
		t.Run(first, func(t *testing.T) {
			cluster := redistest.StartCluster(t)
			config := &redis.Config{Topology: "cluster", Addresses: cluster.Addresses()}
			var trips atomic.Int64
			config.Observe = func(int) { trips.Add(1) }
			s := open(t, config)
			take := &store.Take{Key: store.Key{Tag: "t", Name: "ticket"}, By: rand.Text()}
			if err := s.Do(t.Context(), &store.Create{Key: store.Key{Tag: "t", Name: "session"}, TTL: time.Hour},
				&store.Create{Key: take.Key, Under: "session", TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
			m := cluster.Move(t, "{t}")
			m.Carry(redis.DefaultPrefix + "{t}:" + first)
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
			m.Finish()
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
	cluster := redistest.StartCluster(t)
	s := open(t, &redis.Config{Topology: "cluster", Addresses: cluster.Addresses()})
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
		cluster.Move(t, fmt.Sprint("{person", n%people, "}")).Finish()
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
