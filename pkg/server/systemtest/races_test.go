package systemtest_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// rounds is how many proofs, and half of how many codes and tickets, are fought
// for.
var rounds = flag.Int("rounds", defaultRounds, "how many proofs are each redeemed by 50 at once; of codes and tickets twice as many")

const rivals = 50

// winners lets 50 callers go at once, half of them at each process, and counts
// those who say that they won.
func (w *world) winners(try func(at *node) bool) int {
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	won := 0
	gate := make(chan struct{})
	for i := range rivals {
		at := []*node{w.a, w.b}[i%2]
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-gate
			if try(at) {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	return won
}

// Whatever is good once has exactly one winner, over two processes. Codes and
// tickets have theirs in R-OAUTH-17 and R-CAS-02.
func TestRaces(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w.a)
	b.signIn(b.get("/login"), "elefevre", password("elefevre")).shows(http.StatusOK, "You are signed in")

	t.Run("refresh token", func(t *testing.T) {
		// A client that asks twice at once must not lose its tokens: all get
		// the same successor, and only one comes out of it (RFC 9700 section
		// 4.14.2).
		ask := newRequest("quick")
		current := ask.redeem(t, w.a, b.get(ask.url()).arrived(callback, "code")).Refresh
		for round := range *rounds / 10 {
			var mu sync.Mutex
			next := map[string]bool{}
			w.winners(func(at *node) bool {
				got := at.token(t, "quick", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {current}})
				mu.Lock()
				defer mu.Unlock()
				next[got.Refresh] = true
				return true
			})
			if len(next) != 1 || next[""] || next[current] {
				t.Fatalf("round %d: %d successors of one refresh token", round, len(next))
			}
			for token := range next {
				current = token
			}
		}
	})
	t.Run("reset proof", func(t *testing.T) {
		redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
		defer redis.Close()
		for round := range *rounds {
			forget(t, redis)
			victor := w.proof(t, round)
			proof := victor.jar.Cookies(&url.URL{Scheme: "http", Host: "localhost", Path: "/"})
			// Everybody chooses another one: what a second change left in the
			// directory would not be the winner's.
			var rival atomic.Int32
			var winner atomic.Value
			if n := w.winners(func(at *node) bool {
				chosen := fmt.Sprintf("violette %d sous %d lunes rousses", round, rival.Add(1))
				won := complete(t, at, proof, chosen)
				if won {
					winner.Store(chosen)
				}
				return won
			}); n != 1 {
				t.Fatalf("round %d: %d of %d set a password with one proof", round, n, rivals)
			}
			if !w.binds(t, "cpetitleroy", winner.Load().(string)) {
				t.Fatalf("round %d: the password is not that of whom it was told", round)
			}
			if complete(t, w.a, proof, "encore une violette") {
				t.Fatalf("round %d: the proof was good afterwards", round)
			}
		}
	})
	t.Run("reset link", func(t *testing.T) {
		redis := goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
		defer redis.Close()
		for round := range *rounds / 10 {
			forget(t, redis)
			link := w.opened(t, *rounds+round).jar.Cookies(&url.URL{Scheme: "http", Host: "localhost", Path: "/"})
			if n := w.winners(func(at *node) bool { return posts(t, at, link, "/recover/link", nil) }); n != 1 {
				t.Fatalf("round %d: %d of %d got a proof by one link", round, n, rivals)
			}
		}
	})
}

// forget takes the limits of requests for recovery away, which keep anybody
// from asking this often.
func forget(t *testing.T, redis *goredis.Client) {
	t.Helper()
	keys, err := redis.Keys(t.Context(), "*{t-*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == 0 {
		return
	}
	if err := redis.Del(t.Context(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
}

// opened takes somebody as far as the page of their link. Each of the first
// rounds brings them three messages: the link, and a notice to each address.
func (w *world) opened(t *testing.T, round int) *browser {
	t.Helper()
	b := newBrowser(t, w.a)
	b.submit(b.get("/recover").form().with(t, "username", "camille.petit-leroy@univ-valmont.example")).shows(http.StatusOK, "Code")
	b.on(w.b).get(link(t, w.reset(t, "camille@example.org", round))).shows(http.StatusOK, "Continue")
	return b
}

// proof takes them as far as the page for a new password.
func (w *world) proof(t *testing.T, round int) *browser {
	t.Helper()
	b := w.opened(t, round)
	b.submit(b.get("/recover/link").form()).shows(http.StatusOK, "Choose")
	return b
}

// complete posts a new password with the cookies of one browser.
func complete(t *testing.T, at *node, cookies []*http.Cookie, chosen string) bool {
	return posts(t, at, cookies, "/recover/password", url.Values{"password": {chosen}})
}

// posts sends a form with some cookies and reports whether it led on.
func posts(t *testing.T, at *node, cookies []*http.Cookie, path string, form url.Values) bool {
	r, err := http.NewRequest(http.MethodPost, issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Error(err)
		return false
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	answer, err := at.client.Do(r)
	if err != nil {
		t.Error(err)
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusSeeOther
}
