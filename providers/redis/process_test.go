package redis_test

import (
	"bufio"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/redis"
	"github.com/loge-idp/loge/providers/redis/redistest"
)

const records = 1000

// TestTwoProcesses: 50 callers in two processes go for each of 1000 records;
// exactly one has each (R-REC-08 and its like, F-LIN-01).
func TestTwoProcesses(t *testing.T) {
	if address := os.Getenv("REDIS_TEST_TAKER"); address != "" {
		takeAll(t, address)
		return
	}
	server := redistest.Start(t)
	s := open(t, single(server))
	var creates []store.Op
	for i := range records {
		creates = append(creates, &store.Create{Key: store.Key{Tag: "t", Name: fmt.Sprint(i)}, TTL: time.Hour})
	}
	if err := s.Do(t.Context(), creates...); err != nil {
		t.Fatal(err)
	}

	var children []*exec.Cmd
	var begin []*os.File
	out := make([]strings.Builder, 2)
	for i := range out {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTwoProcesses$", "-test.count=1")
		child.Env = append(os.Environ(), "REDIS_TEST_TAKER="+server.Addr)
		child.Stdout, child.Stderr = &out[i], os.Stderr
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		child.Stdin = r
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children, begin = append(children, child), append(begin, w)
	}
	for _, w := range begin {
		w.Close() // the end of its input is the starting shot
	}
	taken := map[string]int{}
	for i, child := range children {
		if err := child.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, out[i].String())
		}
		had := 0
		for line := range strings.Lines(out[i].String()) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "taken "); ok {
				taken[name]++
				had++
			}
		}
		t.Logf("process %d had %d", i+1, had)
	}
	total := 0
	for name, n := range taken {
		total += n
		if n != 1 {
			t.Errorf("record %s was taken %d times", name, n)
		}
	}
	if total != records {
		t.Errorf("%d taken, want exactly %d", total, records)
	}
}

// takeAll is one of the processes.
func takeAll(t *testing.T, address string) {
	s := open(t, &redis.Config{Topology: "single", Addresses: []string{address}})
	bufio.NewReader(os.Stdin).ReadByte()
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 25 {
		all.Go(func() {
			by, order := rand.Text(), mathrand.Perm(records)
			for _, i := range order {
				take := store.Take{Key: store.Key{Tag: "t", Name: fmt.Sprint(i)}, By: by}
				if err := s.Do(t.Context(), &take); err != nil {
					t.Error(err)
					return
				}
				if take.Outcome == store.Taken {
					mu.Lock()
					fmt.Println("taken", i)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
}
