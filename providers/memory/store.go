package memory

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
)

// StoreConfig is a Redis inside the process, spoken to by package redis like
// any other. It is meant for tens of thousands of records, not more.
type StoreConfig struct {
	// Observe is as of redis.Config.
	Observe func(ops int) `json:"-"`
}

// Open starts it. The result is also a store.Pinger and an io.Closer.
func (c *StoreConfig) Open(ctx context.Context, _ struct{}) (store.Store, error) {
	server := miniredis.NewMiniRedis()
	inner, err := connect(ctx, server, c.Observe)
	if err != nil {
		return nil, err
	}
	s := &embedded{redisStore: inner, server: server, done: make(chan struct{})}
	s.ticking.Go(s.age)
	return s, nil
}

// redisStore is what redis.Config opens.
type redisStore interface {
	store.Store
	store.Pinger
	store.Examiner
	metrics.Source
	io.Closer
}

func connect(ctx context.Context, server *miniredis.Miniredis, observe func(int)) (redisStore, error) {
	config := redis.Config{
		Topology:  "single",
		Addresses: []string{"memory:0"},
		Timeout:   plugin.Duration(10 * time.Second), // it is slow, but never away
		Observe:   observe,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			conn, err := server.Dial()
			if err != nil {
				return nil, err
			}
			return buffer(conn), nil
		},
	}
	s, err := config.Open(ctx, struct{}{})
	if err != nil {
		server.Close()
		return nil, err
	}
	return s.(redisStore), nil
}

type embedded struct {
	redisStore
	server  *miniredis.Miniredis
	done    chan struct{}
	ticking sync.WaitGroup
	closing sync.Once
}

// age makes records expire: by itself miniredis tells the time but does not
// let lifetimes pass. (It can, but then looks through all its keys on every
// command.)
func (s *embedded) age() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
			now := time.Now()
			s.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Close ends the server; what it held is gone.
func (s *embedded) Close() error {
	err := s.redisStore.Close()
	s.closing.Do(func() {
		close(s.done)
		s.ticking.Wait()
		s.server.Close()
	})
	return err
}

// Examine implements store.Examiner. What there is to know of a Redis server
// does not apply.
func (s *embedded) Examine(context.Context) []store.Finding {
	return []store.Finding{{
		What: "the store is inside this process: a restart signs everybody out",
		Mend: "use a Redis for anything but a trial",
	}}
}

// FakeTimeStore is an embedded store of which the time stands still until a
// test moves it.
type FakeTimeStore struct {
	store.Store
	server *miniredis.Miniredis
	mu     sync.Mutex
	now    time.Time
}

// NewFakeTimeStore starts one at the given time. Observe is as of
// redis.Config and may be nil. Close it in the end.
func NewFakeTimeStore(now time.Time, observe func(ops int)) (*FakeTimeStore, error) {
	server := miniredis.NewMiniRedis()
	server.SetTime(now)
	inner, err := connect(context.Background(), server, observe)
	if err != nil {
		return nil, err
	}
	return &FakeTimeStore{Store: inner, server: server, now: now}, nil
}

// Advance moves the time of the store forward: records expire, entries of
// queues become due.
func (s *FakeTimeStore) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	s.server.SetTime(s.now)
	s.server.FastForward(d)
}

// Now returns the time of the store.
func (s *FakeTimeStore) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Close ends the server.
func (s *FakeTimeStore) Close() error {
	err := s.Store.(io.Closer).Close()
	s.server.Close()
	return err
}

// buffer lets Write return before the other side has read. A net.Pipe does
// not, so that a long pipeline of commands would wait for a server that waits
// for its first answers to be read.
func buffer(pipe net.Conn) net.Conn {
	c := &buffered{Conn: pipe, out: make(chan []byte, 1024), done: make(chan struct{})}
	go c.flush()
	return c
}

type buffered struct {
	net.Conn
	out     chan []byte
	done    chan struct{}
	closing sync.Once
}

func (c *buffered) flush() {
	for {
		select {
		case <-c.done:
			return
		case b := <-c.out:
			if _, err := c.Conn.Write(b); err != nil {
				_ = c.Close()
				return
			}
		}
	}
}

func (c *buffered) Write(b []byte) (int, error) {
	select {
	case c.out <- bytes.Clone(b):
		return len(b), nil
	case <-c.done:
		return 0, net.ErrClosed
	}
}

func (c *buffered) Close() error {
	c.closing.Do(func() { close(c.done) })
	return c.Conn.Close()
}

// A deadline concerns the reading side: writing does not wait.

func (c *buffered) SetDeadline(t time.Time) error    { return c.Conn.SetReadDeadline(t) }
func (c *buffered) SetWriteDeadline(time.Time) error { return nil }
