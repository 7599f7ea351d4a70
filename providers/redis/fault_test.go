package redis_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// fickle connections lose the next answer about a record after the server has
// given it. What a client asks by itself, of a cluster for instance, is not meant.
type fickle struct {
	net.Conn
	record string
	lose   *atomic.Bool
	asked  atomic.Bool
}

func (c *fickle) Write(b []byte) (int, error) {
	c.asked.Store(bytes.Contains(b, []byte(c.record)))
	return c.Conn.Write(b)
}

func (c *fickle) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.asked.Load() && c.lose.CompareAndSwap(true, false) {
		c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// What was done once is not done again because its answer was lost, and a Take
// can be repeated by the caller (security fact 9).
func TestLostAnswer(t *testing.T) {
	for name, config := range map[string]func(t *testing.T) *redis.Config{
		"single": func(t *testing.T) *redis.Config { return single(redistest.Start(t)) },
		"cluster": func(t *testing.T) *redis.Config {
			return &redis.Config{Topology: "cluster", Addresses: redistest.StartCluster(t).Addresses()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := store.Key{Tag: rand.Text(), Name: "a"}
			var lose atomic.Bool
			c := config(t)
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				return &fickle{Conn: conn, record: key.Tag, lose: &lose}, err
			}
			s := open(t, c)
			losing := func(op store.Op) {
				t.Helper()
				lose.Store(true)
				if err := s.Do(t.Context(), op); !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("%T with its answer lost: %v", op, err)
				}
				if lose.Load() {
					t.Fatal("no answer was lost")
				}
			}
			sure := func(op store.Op) {
				t.Helper()
				if err := s.Do(t.Context(), op); err != nil {
					t.Fatal(err)
				}
			}

			sure(&store.Create{Key: key, Fields: store.Fields{"f": "1"}, TTL: time.Hour})
			take := store.Take{Key: key, By: rand.Text()}
			losing(&take)
			sure(&take)
			if take.Outcome != store.Taken || take.Fields["f"] != "1" || take.TTL <= 0 {
				t.Errorf("the repeated Take: %+v, want Taken", take)
			}

			hit := store.Hit{Key: store.Key{Tag: key.Tag, Name: "n"}, Limit: 10, Window: time.Hour}
			losing(&hit)
			sure(&hit)
			if hit.Count != 2 {
				t.Errorf("counted %d, want 2: the one with the lost answer, and this one", hit.Count)
			}
		})
	}
}

// eventually waits until a store works again.
func eventually(t *testing.T, s store.Store) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = s.Do(t.Context(), &store.Create{Key: store.Key{Tag: rand.Text()}, TTL: time.Minute}); err == nil {
			return
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("%v does not wrap ErrUnavailable", err)
		}
	}
	t.Fatalf("does not recover: %v", err)
}

// busy gives the pool many connections.
func busy(t *testing.T, s store.Store, n int) {
	t.Helper()
	errs := make(chan error, n)
	for range n {
		go func() { errs <- s.Do(context.Background(), &store.Read{Key: store.Key{Tag: rand.Text()}}) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// F-RED-01: without Redis every Do fails as unavailable, and when it is back
// nobody has to restart anything.
func TestStopped(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, single(server))
	server.Stop()
	for range 5 {
		if err := s.Do(t.Context(), &store.Read{Key: store.Key{Tag: "t"}}); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("without Redis: %v, want ErrUnavailable", err)
		}
		if err := s.(store.Pinger).Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Ping without Redis: %v, want ErrUnavailable", err)
		}
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, s)
}

// A restart nobody noticed: kept connections are dead, yet no request fails
// for it.
func TestRestartedMeanwhile(t *testing.T) {
	authority := redistest.NewAuthority(t)
	for name, config := range map[string]func() (*redistest.Server, *redis.Config){
		"plain": func() (*redistest.Server, *redis.Config) {
			server := redistest.Start(t)
			return server, single(server)
		},
		"TLS": func() (*redistest.Server, *redis.Config) {
			server := redistest.Start(t, authority.Options()...)
			c := single(server)
			c.TLS, c.CA = true, authority.File
			return server, c
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := config()
			s := open(t, c)
			busy(t, s, 15)
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
			busy(t, s, 15)
		})
	}
}

// A Redis that accepts and never answers does not hold a request for longer
// than the timeout, whatever the caller's context.
func TestSilent(t *testing.T) {
	server := redistest.Start(t)
	c := single(server)
	c.Timeout = plugin.Duration(200 * time.Millisecond)
	s := open(t, c)
	server.Pause()
	done := make(chan error)
	go func() { done <- s.Do(context.Background(), &store.Read{Key: store.Key{Tag: "t"}}) }()
	select {
	case err := <-done:
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a silent Redis: %v, want ErrUnavailable", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a silent Redis holds a request")
	}
	server.Resume()
	eventually(t, s)
}

// F-RED-07: a full Redis keeps what it has, and says no to more.
func TestFull(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, single(server))
	key := store.Key{Tag: "t", Name: "a"}
	if err := s.Do(t.Context(), &store.Create{Key: key, Fields: store.Fields{"f": "1"}, TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	admin := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer admin.Close()
	if err := admin.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	for _, op := range []store.Op{
		&store.Create{Key: store.Key{Tag: "t", Name: "b"}, TTL: time.Hour},
		&store.Create{Key: store.Key{Tag: "t", Name: "c"}, TTL: time.Hour, Replace: true},
		&store.Hit{Key: store.Key{Tag: "t", Name: "d"}, Limit: 1, Window: time.Hour},
		&store.Push{Queue: "t", ID: "e"},
		&store.Take{Key: key, By: "somebody"},
	} {
		if err := s.Do(t.Context(), op); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%T in a full Redis: %v, want ErrUnavailable", op, err)
		}
	}
	read := store.Read{Key: key}
	if err := s.Do(t.Context(), &read); err != nil || read.Fields["f"] != "1" {
		t.Errorf("Read in a full Redis: %v, %v", read.Fields, err)
	}
	admin.ConfigSet(t.Context(), "maxmemory", "0")
	eventually(t, s)
}

// A server that only replicates takes no writes.
func TestReadOnly(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, single(server))
	admin := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer admin.Close()
	admin.Do(t.Context(), "replicaof", "127.0.0.1", "1")
	err := s.Do(t.Context(), &store.Hit{Key: store.Key{Tag: "t"}, Limit: 1, Window: time.Hour})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Hit at a replica: %v, want ErrUnavailable", err)
	}
	admin.Do(t.Context(), "replicaof", "no", "one")
	eventually(t, s)
}

// F-RED-03: when the master is gone, the replica takes over, and what was
// acknowledged and replicated is still there.
func TestSentinelFailover(t *testing.T) {
	sentinel := redistest.StartSentinel(t)
	s := open(t, &redis.Config{Topology: "sentinel", Addresses: []string{sentinel.Addr}, Master: sentinel.Name})
	key := store.Key{Tag: "t", Name: "a"}
	take := store.Take{Key: key, By: rand.Text(), Keep: time.Hour}
	if err := s.Do(t.Context(), &store.Create{Key: key, TTL: time.Hour}, &take); err != nil {
		t.Fatal(err)
	}
	admin := goredis.NewClient(&goredis.Options{Addr: sentinel.Master.Addr})
	defer admin.Close()
	if err := admin.Do(t.Context(), "wait", 1, 10_000).Err(); err != nil {
		t.Fatal(err)
	}
	sentinel.Master.Kill()
	eventually(t, s)
	again := store.Take{Key: key, By: rand.Text()}
	if err := s.Do(t.Context(), &again); err != nil || again.Outcome != store.Spent {
		t.Errorf("after the failover: %v, %v, want Spent", again.Outcome, err)
	}
}
