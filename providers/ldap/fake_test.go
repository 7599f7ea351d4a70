package ldap_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// fake is a server that answers as it is told, by the tag of the request; nil
// is no answer at all.
type fake struct {
	url         string
	connections atomic.Int64
}

type answers map[ber.Tag]func(id int64) []byte

func startFake(t *testing.T, script answers) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{url: "ldap://" + l.Addr().String()}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.connections.Add(1)
			t.Cleanup(func() { c.Close() })
			open.Go(func() {
				defer c.Close()
				for {
					p, err := ber.ReadPacket(c)
					if err != nil || len(p.Children) < 2 {
						io.Copy(io.Discard, c) // TLS, for instance: no word to it
						return
					}
					say := script[p.Children[1].Tag]
					if say == nil {
						continue
					}
					reply := say(p.Children[0].Value.(int64))
					if reply == nil { // hang up
						return
					}
					c.Write(reply)
				}
			})
		}
	})
	return f
}

// ends is a plain LDAPResult.
func ends(tag ber.Tag, code int64, text string) func(id int64) []byte {
	return func(id int64) []byte { return message(id, tag, code, text) }
}

func hangUp(int64) []byte { return nil }

func message(id int64, tag ber.Tag, code int64, text string, more ...*ber.Packet) []byte {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, ""))
	for _, m := range more {
		op.AppendChild(m)
	}
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m.Bytes()
}

// bound answers every bind with success.
var bound = ends(goldap.ApplicationBindResponse, 0, "")

// proxy stands between a directory and a real server.
type proxy struct {
	url      string
	accepted atomic.Int64

	mu    sync.Mutex
	mood  mood
	pairs []*pairing

	swallowed atomic.Int64 // what was sent on pairs that are forgotten
}

// pairing is the two connections of one that is proxied.
type pairing struct {
	near, far net.Conn
	forgotten atomic.Bool
}

// mood is how a proxy treats its connections.
type mood int

const (
	honest   mood = iota
	refuses       // resets those that come
	silent        // accepts them and says nothing
	stumbles      // resets each in the middle of its next answer
)

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "ldap://" + l.Addr().String()}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			p.accepted.Add(1)
			far, err := net.Dial("tcp", to)
			if err != nil || p.is(refuses) {
				reset(near)
				continue
			}
			made := &pairing{near: near, far: far}
			p.mu.Lock()
			p.pairs = append(p.pairs, made)
			p.mu.Unlock()
			go p.carry(made, near, far, false)
			go p.carry(made, far, near, true)
		}
	}()
	return p
}

func (p *proxy) carry(of *pairing, from, to net.Conn, answers bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			to.Close()
			return
		}
		switch {
		case of.forgotten.Load():
			p.swallowed.Add(1)
			continue
		case p.is(silent):
			continue
		case answers && p.is(stumbles):
			to.Write(buffer[:n/2])
			reset(to)
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			from.Close()
			return
		}
	}
}

func (p *proxy) is(m mood) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mood == m
}

func (p *proxy) becomes(m mood) {
	p.mu.Lock()
	p.mood = m
	p.mu.Unlock()
	if m == refuses {
		p.cut()
	}
}

// cut resets every connection there is.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.pairs {
		reset(each.near)
		reset(each.far)
	}
	p.pairs = nil
}

// forget swallows from now on what is sent on the connections there are, as a
// firewall does after a while: neither side hears of it.
func (p *proxy) forget() {
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

// referralEntry is an entry that says to look elsewhere (RFC 3296).
func referralEntry(dn, url string) *goldap.AddRequest {
	entry := goldap.NewAddRequest(dn, []goldap.Control{goldap.NewControlManageDsaIT(true)})
	entry.Attribute("objectClass", []string{"referral", "extensibleObject"})
	entry.Attribute("uid", []string{strings.TrimPrefix(strings.Split(dn, ",")[0], "uid=")})
	entry.Attribute("ref", []string{url})
	return entry
}
