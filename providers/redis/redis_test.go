package redis_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/metrics/metricstest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/store/storetest"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// open gives a busy machine more time than a server would, but for tests that
// are about time.
func open(t testing.TB, c *redis.Config) store.Store {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = plugin.Duration(10 * time.Second)
	}
	s, err := c.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.(io.Closer).Close() })
	return s
}

func single(server *redistest.Server) *redis.Config {
	return &redis.Config{Topology: "single", Addresses: []string{server.Addr}}
}

// conform runs the kit over one store, whose time is real.
func conform(t *testing.T, s store.Store) {
	storetest.Run(t, func(*testing.T) (store.Store, func(time.Duration)) { return s, nil })
}

func TestSingle(t *testing.T) {
	conform(t, open(t, single(redistest.Start(t))))
}

func TestCluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	conform(t, open(t, &redis.Config{Topology: "cluster", Addresses: cluster.Addresses()}))
}

func TestSentinel(t *testing.T) {
	sentinel := redistest.StartSentinel(t)
	conform(t, open(t, &redis.Config{Topology: "sentinel", Addresses: []string{sentinel.Addr}, Master: sentinel.Name}))
}

// A ready client may have any settings, and has loaded no script.
func TestNew(t *testing.T) {
	server := redistest.Start(t)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	s := redis.New(client, "app:")
	conform(t, s)
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("keys: %v, %v", keys, err)
	}
	for _, key := range keys {
		if key[:5] != "app:{" {
			t.Fatalf("key %q does not begin with the prefix", key)
		}
	}
}

// Every record has an end: nothing that the kit made stays for ever, but
// entries of queues, which somebody has to pull or drop.
func TestNothingStaysForEver(t *testing.T) {
	server := redistest.Start(t)
	conform(t, open(t, single(server)))
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer client.Close()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if ttl := client.TTL(t.Context(), key).Val(); ttl == -1 && client.Type(t.Context(), key).Val() == "hash" && client.HExists(t.Context(), key, ".b").Val() {
			t.Errorf("record %.100q has no end", key)
		}
	}
}

func TestOneRoundTrip(t *testing.T) {
	var trips, operations atomic.Int64
	config := single(redistest.Start(t))
	config.Observe = func(ops int) { trips.Add(1); operations.Add(int64(ops)) }
	s := open(t, config)
	key := store.Key{Tag: "t", Name: "n"}
	for range 3 {
		err := s.Do(t.Context(),
			&store.Create{Key: key, TTL: time.Hour}, &store.Read{Key: key}, &store.Take{Key: key, By: "me"},
			&store.Hit{Key: store.Key{Tag: "other"}, Window: time.Hour}, &store.Push{Queue: "q", ID: "a"})
		if err != nil {
			t.Fatal(err)
		}
	}
	if trips.Load() != 3 || operations.Load() != 15 {
		t.Errorf("%d round trips with %d operations, want 3 with 15", trips.Load(), operations.Load())
	}
	page := metrics.NewPage()
	s.(metrics.Source).Measure(t.Context(), page)
	got, err := metricstest.Read(page)
	if err != nil || got[`loge_redis_trips_total{result="ok"}`] != 3 || got[`loge_redis_connections{state="idle"}`] != 1 || got[`loge_redis_connections{state="busy"}`] != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if err := s.Do(t.Context()); err != nil || trips.Load() != 3 {
		t.Errorf("an empty Do: %v, %d round trips", err, trips.Load()-3)
	}
}

// After SCRIPT FLUSH, or on a server that never saw the script, operations
// are sent again, once each and in their order.
func TestScriptForgotten(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, single(server))
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer client.Close()
	key := store.Key{Tag: "t", Name: "n"}
	hit := store.Hit{Key: key, Limit: 100, Window: time.Hour}
	for i := range 5 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		again := hit
		if err := s.Do(t.Context(), &hit, &again); err != nil {
			t.Fatal(err)
		}
		if hit.Count != 2*i+1 || again.Count != 2*i+2 {
			t.Fatalf("counted %d, then %d, want %d and %d", hit.Count, again.Count, 2*i+1, 2*i+2)
		}
	}
}

// between does something after the first command of a pipeline.
type between struct{ do func() }

func (between) DialHook(next goredis.DialHook) goredis.DialHook          { return next }
func (between) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook { return next }

func (h between) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if err := next(ctx, cmds[:1]); err != nil && !goredis.HasErrorPrefix(err, "NOSCRIPT") {
			return err
		}
		h.do()
		return next(ctx, cmds[1:])
	}
}

// When another program loads the script again in the middle of a pipeline,
// the second operation is done and the first is not: nothing may be said.
func TestScriptForgottenMeanwhile(t *testing.T) {
	server := redistest.Start(t)
	other := open(t, single(server))
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer client.Close()
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	client.AddHook(between{do: func() {
		if err := other.Do(t.Context(), &store.Read{Key: store.Key{Tag: "other"}}); err != nil {
			t.Error(err)
		}
	}})
	key := store.Key{Tag: "t", Name: "a"}
	err := redis.New(client, "").Do(t.Context(), &store.Create{Key: key, TTL: time.Hour}, &store.Read{Key: key})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a Read overtook the Create before it: %v, want ErrUnavailable", err)
	}
}

func benchmark(b *testing.B, ops ...store.Op) {
	s := open(b, single(redistest.Start(b)))
	key := ops[0].(*store.Read).Key
	if err := s.Do(b.Context(), &store.Create{Key: key, Fields: store.Fields{"account": "elefevre", "state": "x"}, TTL: time.Hour}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Do(b.Context(), ops...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDo1(b *testing.B) {
	benchmark(b, &store.Read{Key: store.Key{Tag: "t", Name: "a"}})
}

func BenchmarkDo5(b *testing.B) {
	benchmark(b,
		&store.Read{Key: store.Key{Tag: "t", Name: "a"}, Extend: time.Hour},
		&store.Create{Key: store.Key{Tag: "t", Name: "b"}, Under: "a", TTL: time.Minute, Replace: true, Fields: store.Fields{"client": "demo", "nonce": "n"}},
		&store.Write{Key: store.Key{Tag: "t", Name: "a"}, Fields: store.Fields{"visit": "demo"}},
		&store.Hit{Key: store.Key{Tag: "throttle", Name: "c"}, Limit: 1 << 30, Window: time.Hour},
		&store.Take{Key: store.Key{Tag: "t", Name: "b"}, By: "me"})
}
