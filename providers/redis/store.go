// Package redis keeps short-lived state in Redis: one server, Sentinel or
// Cluster. It is the store port of package store.
//
// Every operation is one run of the script store.lua, and all those of a Do
// travel in one pipeline. The client never repeats anything by itself: an
// answer that was lost is an error, and only the caller can know what may be
// done twice.
package redis

import (
	"cmp"
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/store"
)

// All operations are one script, so that a server knows either all of them or
// none: after a restart no operation can overtake another that it did not
// know yet.
//
//go:embed store.lua
var script string

// Redis names scripts by their SHA-1.
var digest = func() string {
	sum := sha1.Sum([]byte(script))
	return hex.EncodeToString(sum[:])
}()

// DefaultPrefix begins every key.
const DefaultPrefix = "loge:"

// DefaultTimeout bounds every Do.
const DefaultTimeout = 2 * time.Second

type redisStore struct {
	client  goredis.UniversalClient
	prefix  string
	timeout time.Duration
	confirm int // replicas
	observe func(ops int)
	trips   metrics.Counts
}

// New returns a store over a client that is ready, for programs that already
// have one. Keys begin with the prefix (DefaultPrefix when empty), which must
// not hold braces. The client stays the caller's to close; its
// ContextTimeoutEnabled should be set, or DefaultTimeout is not kept to. Its
// MaxRetries do not matter: no operation is repeated.
func New(client goredis.UniversalClient, prefix string) store.Store {
	return newStore(client, prefix)
}

func newStore(client goredis.UniversalClient, prefix string) *redisStore {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return &redisStore{client: client, prefix: prefix, timeout: DefaultTimeout, observe: func(int) {}}
}

// once is a command that go-redis sends at most once. Without it the cluster
// client repeats a pipeline of which the answer was lost, whatever MaxRetries
// says; redirections, which were not carried out, it still follows.
type once struct{ *goredis.Cmd }

func (once) NoRetry() bool { return true }

// Do implements store.Store.
func (s *redisStore) Do(ctx context.Context, ops ...store.Op) error {
	calls, changes := make([]call, 0, len(ops)), false
	for _, op := range ops {
		c, err := s.prepare(op)
		if err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		if len(c.keys) > 0 { // a Delete of no names asks nothing
			calls, changes = append(calls, c), changes || !asks(op)
		}
	}
	if len(calls) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.run(ctx, calls, changes && s.confirm > 0); err != nil {
		return fmt.Errorf("redis: %w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// run sends calls by the digest of the script, and those that were refused
// again, until their time is over: they did not happen. A server that does not
// know the script gets its text; for a slot on its way to another server there
// is but to wait (F-RED-06).
func (s *redisStore) run(ctx context.Context, calls []call, confirm bool) error {
	by := []any{"evalsha", digest}
	for {
		refused, why, err := s.send(ctx, calls, by, confirm)
		if err != nil || len(refused) == 0 {
			return err
		}
		if noScript(why) && by[0] == "evalsha" {
			by = []any{"eval", script}
		} else {
			s.whoHasWhat(ctx)
			select {
			case <-ctx.Done():
				return why
			case <-time.After(5 * time.Millisecond):
			}
		}
		calls = refused
	}
}

// whoHasWhat asks a cluster again, soon, which server has which slot.
func (s *redisStore) whoHasWhat(ctx context.Context) {
	if cluster, ok := s.client.(*goredis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

// send makes one round trip to each server that is asked, and returns the calls
// that were refused.
func (s *redisStore) send(ctx context.Context, calls []call, by []any, confirm bool) (refused []call, why, err error) {
	s.observe(len(calls))
	parts, err := s.parts(ctx, calls)
	if err != nil {
		s.trips.Add("failed")
		return nil, nil, err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for server, calls := range parts {
		all.Go(func() {
			these, because, fault := s.ask(ctx, server, calls, by, confirm)
			mu.Lock()
			defer mu.Unlock()
			refused, why, err = append(refused, these...), cmp.Or(because, why), cmp.Or(fault, err)
		})
	}
	all.Wait()
	if err != nil {
		s.whoHasWhat(ctx)
		s.trips.Add("failed")
		return nil, nil, err
	}
	s.trips.Add("ok")
	return refused, why, nil
}

// parts are the calls that go to each server. The client of a cluster would
// follow a slot that moves key by key, and find a record without the one that
// it hangs from.
func (s *redisStore) parts(ctx context.Context, calls []call) (map[goredis.Cmdable][]call, error) {
	cluster, ok := s.client.(*goredis.ClusterClient)
	if !ok {
		return map[goredis.Cmdable][]call{s.client: calls}, nil
	}
	parts := map[goredis.Cmdable][]call{}
	for _, c := range calls {
		master, err := cluster.MasterForKey(ctx, c.keys[0])
		if err != nil {
			return nil, err
		}
		parts[master] = append(parts[master], c)
	}
	return parts, nil
}

var (
	// errOvertaken is the one way in which order could be lost: a call was
	// refused, and one after it was not.
	errOvertaken = errors.New("an operation was refused, and one after it was not")
	// errUnconfirmed is a change that was made where it can still be lost.
	errUnconfirmed = errors.New("too few replicas have confirmed the change")
)

// ask sends calls to one server and reads its answers.
func (s *redisStore) ask(ctx context.Context, server goredis.Cmdable, calls []call, by []any, confirm bool) (refused []call, why, err error) {
	pipe := server.Pipeline()
	cmds := make([]*goredis.Cmd, len(calls))
	for i, c := range calls {
		args := make([]any, 0, 3+len(c.keys)+len(c.args))
		args = append(append(args, by...), len(c.keys))
		for _, key := range c.keys {
			args = append(args, key)
		}
		cmds[i] = goredis.NewCmd(ctx, append(args, c.args...)...)
		if err := pipe.Process(ctx, once{cmds[i]}); err != nil {
			return nil, nil, err
		}
	}
	// For half of the time, so that the answer comes before it is given up.
	confirmed := goredis.NewCmd(ctx, "wait", s.confirm, ms(s.timeout/2))
	if confirm {
		if err := pipe.Process(ctx, once{confirmed}); err != nil {
			return nil, nil, err
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !refusal(err) {
		return nil, nil, err
	}
	without := map[string]bool{}
	for i, c := range calls {
		reply, err := cmds[i].Slice()
		switch {
		case refusal(err):
			without[c.tag()] = true
			refused, why = append(refused, c), err
		case err != nil:
			return nil, nil, err
		case without[c.tag()]:
			return nil, nil, errOvertaken
		default:
			if err := c.read(reply); err != nil {
				return nil, nil, err
			}
		}
	}
	if confirm {
		if n, err := confirmed.Int(); err != nil || n < s.confirm {
			return nil, nil, cmp.Or(err, errUnconfirmed)
		}
	}
	return refused, why, nil
}

// refusal reports whether an error says that nothing was done: the script is
// not known, or the slot or a part of it is elsewhere. The last is what a
// script is told that asks for a record which has moved already; ours ask
// before they change anything.
func refusal(err error) bool {
	if noScript(err) || goredis.HasErrorPrefix(err, "TRYAGAIN") || goredis.HasErrorPrefix(err, "Script attempted to access a non local key") {
		return true
	}
	_, moved := goredis.IsMovedError(err)
	_, asks := goredis.IsAskError(err)
	return moved || asks
}

func noScript(err error) bool { return goredis.HasErrorPrefix(err, "NOSCRIPT") }
