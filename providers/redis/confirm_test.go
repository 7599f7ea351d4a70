package redis_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

// link carries the connections to a server, until they lead into a black hole:
// they stay open, and nothing arrives.
type link struct {
	net.Listener
	hole atomic.Bool
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l := &link{Listener: listener}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go io.Copy(l.into(near), far)
			go io.Copy(l.into(far), near)
		}
	}()
	return l
}

func (l *link) into(conn net.Conn) io.Writer { return hole{conn, l} }

type hole struct {
	net.Conn
	link *link
}

func (h hole) Write(b []byte) (int, error) {
	if h.link.hole.Load() {
		return len(b), nil
	}
	return h.Conn.Write(b)
}

// pair is a master and a replica that hears of it by a link.
func pair(t *testing.T) (master, replica *redistest.Server, between *link) {
	t.Helper()
	master = redistest.Start(t)
	between = newLink(t, master.Addr)
	replica = redistest.Start(t, "--replicaof", strings.Replace(between.Addr().String(), ":", " ", 1))
	client := goredis.NewClient(&goredis.Options{Addr: replica.Addr})
	defer client.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(client.Info(t.Context(), "replication").Val(), "master_link_status:up") {
			return master, replica, between
		}
		if time.Now().After(deadline) {
			t.Fatal("the replica does not follow")
		}
	}
}

// acknowledged has 100 callers take records, and returns those that they were told
// are theirs.
func acknowledged(s store.Store, keys []store.Key) (taken []store.Key) {
	var all sync.WaitGroup
	var mu sync.Mutex
	next := make(chan store.Key)
	for range 100 {
		all.Go(func() {
			for key := range next {
				take := store.Take{Key: key, By: rand.Text(), Keep: time.Hour}
				if err := s.Do(context.Background(), &take); err == nil && take.Outcome == store.Taken {
					mu.Lock()
					taken = append(taken, key)
					mu.Unlock()
				}
			}
		})
	}
	for _, key := range keys {
		next <- key
	}
	close(next)
	all.Wait()
	return taken
}

// F-RED-04: of 1,000 records that are taken while the replica hears nothing,
// none is told to be whose it is, and none can be taken again once the replica
// is the master. Without Confirm each can.
func TestConfirm(t *testing.T) {
	for _, confirm := range []int{0, 1} {
		t.Run(fmt.Sprint(confirm), func(t *testing.T) {
			master, replica, between := pair(t)
			at := func(server *redistest.Server, confirm int, timeout time.Duration) store.Store {
				c := single(server)
				c.Confirm, c.Timeout, c.PoolSize = confirm, plugin.Duration(timeout), 100
				return open(t, c)
			}
			sure := at(master, 1, 20*time.Second)
			var keys []store.Key
			var creates []store.Op
			for i := range 1100 {
				keys = append(keys, store.Key{Tag: "t", Name: fmt.Sprint(i)})
				creates = append(creates, &store.Create{Key: keys[i], TTL: time.Hour})
			}
			if err := sure.Do(t.Context(), creates...); err != nil {
				t.Fatal(err)
			}
			told := acknowledged(sure, keys[1000:])
			if len(told) != 100 {
				t.Fatalf("%d of 100 records taken while all is well", len(told))
			}

			between.hole.Store(true)
			lost := acknowledged(at(master, confirm, 400*time.Millisecond), keys[:1000])
			master.Kill()
			admin := goredis.NewClient(&goredis.Options{Addr: replica.Addr})
			defer admin.Close()
			if err := admin.Do(t.Context(), "replicaof", "no", "one").Err(); err != nil {
				t.Fatal(err)
			}
			promoted := at(replica, 0, 20*time.Second)
			if again := acknowledged(promoted, told); len(again) > 0 {
				t.Errorf("%d of 100 records can be taken again that were taken while all was well", len(again))
			}
			again := acknowledged(promoted, lost)
			t.Logf("%d told to be taken, of them %d can be taken again", len(lost), len(again))
			if confirm == 0 && len(again) == 0 {
				t.Error("the replica lost nothing: this test shows nothing")
			}
			if confirm == 1 && len(lost)+len(again) > 0 {
				t.Error("want none")
			}
		})
	}
}

// Whoever looks at a server that waits for replicas which are not there is told.
func TestConfirmExamined(t *testing.T) {
	c := single(redistest.Start(t))
	c.Confirm = 1
	for _, finding := range open(t, c).(store.Examiner).Examine(t.Context()) {
		if strings.Contains(finding.What, "replicas: 0, of which 1 must confirm") && !finding.OK {
			return
		}
	}
	t.Error("not a word of it")
}
