package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of masters without replicas.
type Cluster struct {
	Nodes []*Server

	moved map[int64]int // slots that are not where they were at first
}

const slots = 16384

// first is the node that has a slot at first.
func (c *Cluster) first(slot int64) int {
	node := 0
	for int(slot) >= (node+1)*slots/len(c.Nodes) {
		node++
	}
	return node
}

// Addresses are those of all nodes.
func (c *Cluster) Addresses() []string {
	var out []string
	for _, node := range c.Nodes {
		out = append(out, node.Addr)
	}
	return out
}

// StartCluster runs three nodes that share the slots, until the end of the
// test.
func StartCluster(t TB) *Cluster {
	t.Helper()
	cluster := &Cluster{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 3 {
		bus, err := freePorts(1)
		must(t, err)
		cluster.Nodes = append(cluster.Nodes, Start(t,
			"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-port", fmt.Sprint(bus[0]), "--cluster-node-timeout", "2000"))
	}
	must(t, cluster.join(ctx))
	return cluster
}

func (c *Cluster) join(ctx context.Context) error {
	for i, node := range c.Nodes {
		client := goredis.NewClient(&goredis.Options{Addr: node.Addr})
		defer client.Close()
		from, to := i*slots/len(c.Nodes), (i+1)*slots/len(c.Nodes)-1
		if err := client.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return fmt.Errorf("redistest: slots of a cluster node: %w", err)
		}
		for _, other := range c.Nodes[:i] {
			host, port, bus := other.clusterAddress()
			if err := client.Do(ctx, "cluster", "meet", host, port, bus).Err(); err != nil {
				return fmt.Errorf("redistest: cluster meet: %w", err)
			}
		}
	}
	for _, node := range c.Nodes {
		client := goredis.NewClient(&goredis.Options{Addr: node.Addr})
		defer client.Close()
		err := poll(ctx, func() bool {
			info := client.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes))) &&
				strings.Contains(info, "cluster_slots_ok:16384")
		})
		if err != nil {
			return fmt.Errorf("redistest: the cluster does not come together: %w", err)
		}
	}
	return nil
}

// clusterAddress is host, port and port of the cluster's own traffic.
func (s *Server) clusterAddress() (host, port, bus string) {
	host, port, _ = strings.Cut(s.Addr, ":")
	for i, arg := range s.args {
		if arg == "--cluster-port" {
			bus = s.args[i+1]
		}
	}
	return host, port, bus
}

// Sentinel is a master and a replica, watched by one Sentinel.
type Sentinel struct {
	// Addr is the Sentinel's, Name what it calls the master.
	Addr, Name      string
	Master, Replica *Server
}

// StartSentinel runs them until the end of the test.
func StartSentinel(t TB) *Sentinel {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := &Sentinel{Name: "loge", Master: Start(t)}
	host, port, _ := strings.Cut(s.Master.Addr, ":")
	s.Replica = Start(t, "--replicaof", host+" "+port)

	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf") // Sentinel keeps its state in it
	must(t, os.WriteFile(file, fmt.Appendf(nil, "sentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 3000\n", s.Name, host, port), 0o600))
	ports, err := freePorts(1)
	must(t, err)
	watcher := &Server{
		Addr: fmt.Sprintf("127.0.0.1:%d", ports[0]),
		dir:  dir,
		args: []string{file, "--sentinel", "--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1"},
	}
	must(t, watcher.start())
	t.Cleanup(watcher.Kill)
	s.Addr = watcher.Addr

	client := goredis.NewSentinelClient(&goredis.Options{Addr: s.Addr})
	defer client.Close()
	err = poll(ctx, func() bool {
		replicas, err := client.Replicas(ctx, s.Name).Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	if err != nil {
		t.Fatalf("redistest: the Sentinel does not see the replica: %v", err)
	}
	return s
}

func poll(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
