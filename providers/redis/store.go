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

// run sends calls by the digest of the script, and once more with its text
// those that a server did not know: they did not happen.
func (s *redisStore) run(ctx context.Context, calls []call, confirm bool) error {
	unknown, err := s.send(ctx, calls, confirm, "evalsha", digest)
	if err != nil || len(unknown) == 0 {
		return err
	}
	unknown, err = s.send(ctx, unknown, confirm, "eval", script)
	if err == nil && len(unknown) > 0 {
		err = errReply
	}
	return err
}

// errOvertaken is the one way in which order could be lost: the script was
// flushed, and loaded again by somebody else between two calls of a pipeline.
var errOvertaken = errors.New("the script cache was flushed meanwhile")

// errUnconfirmed is a change that was made where it can still be lost.
var errUnconfirmed = errors.New("too few replicas have confirmed the change")

// send makes one round trip and returns the calls that were refused because
// the script is not known.
func (s *redisStore) send(ctx context.Context, calls []call, confirm bool, command, by string) (unknown []call, err error) {
	pipe := s.client.Pipeline()
	cmds := make([]*goredis.Cmd, len(calls))
	for i, c := range calls {
		args := make([]any, 0, 3+len(c.keys)+len(c.args))
		args = append(args, command, by, len(c.keys))
		for _, key := range c.keys {
			args = append(args, key)
		}
		cmds[i] = goredis.NewCmd(ctx, append(args, c.args...)...)
		if err := pipe.Process(ctx, once{cmds[i]}); err != nil {
			return nil, err
		}
	}
	// For half of the time, so that the answer comes before it is given up.
	confirmed := goredis.NewCmd(ctx, "wait", s.confirm, ms(s.timeout/2))
	if confirm {
		if err := pipe.Process(ctx, once{confirmed}); err != nil {
			return nil, err
		}
	}
	s.observe(len(calls))
	if _, err := pipe.Exec(ctx); err != nil && !noScript(err) {
		s.trips.Add("failed")
		return nil, err
	}
	s.trips.Add("ok")
	refused := map[string]bool{}
	for i, c := range calls {
		reply, err := cmds[i].Slice()
		switch {
		case noScript(err):
			refused[c.tag()] = true
			unknown = append(unknown, c)
		case err != nil:
			return nil, err
		case refused[c.tag()]:
			return nil, errOvertaken
		default:
			if err := c.read(reply); err != nil {
				return nil, err
			}
		}
	}
	if confirm {
		if n, err := confirmed.Int(); err != nil || n < s.confirm {
			return nil, cmp.Or(err, errUnconfirmed)
		}
	}
	return unknown, nil
}

func noScript(err error) bool { return goredis.HasErrorPrefix(err, "NOSCRIPT") }
