package slapdtest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Proxy stands between a directory and a real server, and does to its
// connections what networks and servers do on a bad day.
type Proxy struct {
	// URL is where it listens, like ldap://127.0.0.1:40123; Address the same
	// without the scheme.
	URL, Address string
	// Accepted counts connections, Swallowed what was sent on those that are
	// forgotten.
	Accepted, Swallowed atomic.Int64

	mu       sync.Mutex
	mood     Mood
	lag      time.Duration
	pairs    []*pairing
	requests map[ber.Tag]int
}

// Mood is how a proxy treats its connections.
type Mood int

// The moods.
const (
	Honest   Mood = iota
	Refuses       // resets those that come, and those there are
	Silent        // accepts them and says nothing
	Stumbles      // resets each in the middle of its next answer
)

// pairing is the two connections of one that is proxied.
type pairing struct {
	near, far net.Conn
	forgotten atomic.Bool
}

// StartProxy listens until the test ends. The other side is an address.
func StartProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	return StartProxyAt(t, "127.0.0.1:0", to)
}

// StartProxyAt is StartProxy at an address of one's own choice.
func StartProxyAt(t testing.TB, at, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), URL: "ldap://" + l.Addr().String(), requests: map[ber.Tag]int{}}
	t.Cleanup(func() { l.Close(); p.Cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			p.Accepted.Add(1)
			far, err := net.Dial("tcp", to)
			if err != nil || p.is(Refuses) {
				reset(near)
				continue
			}
			made := &pairing{near: near, far: far}
			p.mu.Lock()
			p.pairs = append(p.pairs, made)
			p.mu.Unlock()
			copied, counted := io.Pipe()
			go p.count(copied)
			go p.carry(made, near, far, counted)
			go p.carry(made, far, near, nil)
		}
	}()
	return p
}

// piece is what was read, and when.
type piece struct {
	data []byte
	at   time.Time
}

// carry takes what is said from one side to the other. Questions are those of
// the near side, answers have none.
func (p *Proxy) carry(of *pairing, from, to net.Conn, questions *io.PipeWriter) {
	late := make(chan piece, 1<<16)
	defer close(late)
	go p.deliver(late, from, to)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			if questions != nil {
				questions.Close()
			}
			return
		}
		switch {
		case of.forgotten.Load():
			p.Swallowed.Add(1)
			continue
		case p.is(Silent):
			continue
		case questions == nil && p.is(Stumbles):
			to.Write(buffer[:n/2])
			reset(to)
			return
		}
		if questions != nil {
			questions.Write(buffer[:n])
		}
		late <- piece{append([]byte(nil), buffer[:n]...), time.Now()}
	}
}

// deliver writes each piece when its lag is over, and closes the other side
// after the last.
func (p *Proxy) deliver(late <-chan piece, from, to net.Conn) {
	defer to.Close()
	for next := range late {
		for time.Since(next.at) < p.lagging() {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := to.Write(next.data); err != nil {
			from.Close()
			for range late { // until the reader sees it
			}
			return
		}
	}
}

// count counts the requests of a connection that is not encrypted.
func (p *Proxy) count(from io.Reader) {
	for {
		packet, err := ber.ReadPacket(from)
		if err != nil || len(packet.Children) < 2 {
			io.Copy(io.Discard, from)
			return
		}
		p.mu.Lock()
		p.requests[packet.Children[1].Tag]++
		p.mu.Unlock()
	}
}

// Requests is how many requests of a kind have come, by the tag of RFC 4511.
func (p *Proxy) Requests(tag ber.Tag) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[tag]
}

func (p *Proxy) is(m Mood) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mood == m
}

func (p *Proxy) lagging() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lag
}

// Lag makes what is said arrive that much later, from now on; with 0 what is
// under way arrives at once.
func (p *Proxy) Lag(lag time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = lag
}

// Becomes changes the mood.
func (p *Proxy) Becomes(m Mood) {
	p.mu.Lock()
	p.mood = m
	p.mu.Unlock()
	if m == Refuses {
		p.Cut()
	}
}

// Cut resets every connection there is.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.pairs {
		reset(each.near)
		reset(each.far)
	}
	p.pairs = nil
}

// Forget swallows from now on what is sent on the connections there are, as a
// firewall does after a while: neither side hears of it.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.pairs {
		each.forgotten.Store(true)
	}
}

func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}
