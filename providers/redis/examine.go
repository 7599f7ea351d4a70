package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/store"
)

// Ping implements store.Pinger: every master must answer.
func (s *redisStore) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		return node.Ping(ctx).Err()
	})
	if err != nil {
		return fmt.Errorf("redis: %w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// Measure implements metrics.Source.
func (s *redisStore) Measure(_ context.Context, p *metrics.Page) {
	s.trips.Tell(p, "loge_redis_trips_total", "Round trips to Redis; of a failed one nobody knows whether it was carried out.", "result")
	pool := s.client.PoolStats()
	const name, help = "loge_redis_connections", "Connections to Redis that are open."
	p.Gauge(name, help, float64(pool.IdleConns), "state", "idle")
	p.Gauge(name, help, float64(pool.TotalConns-pool.IdleConns), "state", "busy")
}

// Close ends the connections.
func (s *redisStore) Close() error { return s.client.Close() }

// eachMaster does something at every server that takes writes.
func (s *redisStore) eachMaster(ctx context.Context, do func(ctx context.Context, node *goredis.Client) error) error {
	switch client := s.client.(type) {
	case *goredis.ClusterClient:
		return client.ForEachMaster(ctx, do)
	case *goredis.Client:
		return do(ctx, client)
	}
	return fmt.Errorf("no examination of a %T", s.client)
}

// evictionPolicy returns "" when it cannot be known: hosted servers forbid
// CONFIG, and INFO may be forbidden too.
func evictionPolicy(ctx context.Context, node *goredis.Client) string {
	if answer, err := node.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil && answer["maxmemory-policy"] != "" {
		return answer["maxmemory-policy"]
	}
	return info(ctx, node)["maxmemory_policy"]
}

// info returns what INFO says, by name; nothing when it is forbidden.
func info(ctx context.Context, node *goredis.Client) map[string]string {
	text, err := node.Info(ctx).Result()
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[name] = value
		}
	}
	return out
}

// Examine implements store.Examiner.
func (s *redisStore) Examine(ctx context.Context) []store.Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	begun := time.Now()
	if err := s.Ping(ctx); err != nil {
		return []store.Finding{{What: err.Error(), Mend: "see that Redis runs and that the address, the password and the firewall are right"}}
	}
	trip := time.Since(begun)
	found := []store.Finding{{
		OK:   trip < 20*time.Millisecond,
		What: fmt.Sprintf("answers in %s", trip.Round(10*time.Microsecond)),
		Mend: "put Redis nearer: every login waits for it",
	}}
	var mu sync.Mutex // the nodes of a cluster are asked side by side
	err := s.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		of := examine(ctx, node, s.confirm)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, of...)
		return nil
	})
	if err != nil {
		found = append(found, store.Finding{What: err.Error(), Mend: "see that every node answers"})
	}
	return found
}

// examine looks at one server, of which so many replicas must confirm changes.
func examine(ctx context.Context, node *goredis.Client, confirm int) []store.Finding {
	place := node.Options().Addr + ": "
	about := info(ctx, node)
	if about == nil {
		return []store.Finding{{
			What: place + "INFO is forbidden, so version and persistence are unknown",
			Mend: "allow the command INFO to this account, or see for yourself",
		}}
	}
	version := about["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	number, _ := strconv.Atoi(major) // 0, too old, when there is none

	policy := evictionPolicy(ctx, node)
	found := []store.Finding{{
		OK:   number >= 6,
		What: place + "version " + version,
		Mend: "use Redis 6 or later, or Valkey",
	}, {
		OK:   policy == "noeviction",
		What: place + "when memory is full: " + or(policy, "unknown"),
		Mend: "set maxmemory-policy noeviction, or sessions and counters get lost",
	}, {
		OK:   about["aof_enabled"] == "1",
		What: place + "append-only file enabled: " + or(about["aof_enabled"], "unknown"),
		Mend: "set appendonly yes, or a restart of Redis signs people out and forgets messages to be sent",
	}}
	if replicas, _ := strconv.Atoi(about["connected_slaves"]); confirm > 0 {
		found = append(found, store.Finding{
			OK:   replicas >= confirm,
			What: fmt.Sprintf("%sreplicas: %d, of which %d must confirm", place, replicas, confirm),
			Mend: "see that the replicas run and follow, or nothing can be changed; or lower confirm",
		})
	}
	return found
}

func or(value, unknown string) string {
	if value == "" {
		return unknown
	}
	return value
}
