package ldap

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/loge-idp/loge/pkg/directory"
)

// What is kept and how much waits.
const (
	// keepIdle is well below the time after which firewalls forget a
	// connection without telling (5 minutes and more).
	keepIdle = time.Minute
	// keepAlive spreads the load again after a server came back.
	keepAlive = 30 * time.Minute
	// keepAnswering is how long a connection that failed one may still answer
	// others.
	keepAnswering = 10 * time.Second
	// searchesPerConn is how many searches share a connection at once.
	searchesPerConn = 64
	// waitersPerSlot is how many callers may wait for each place; more are
	// told at once that the directory is overloaded.
	waitersPerSlot = 16
)

// errOverloaded sheds load in place of piling it up.
var errOverloaded = errors.New("too many operations are waiting")

// conn is a connection and who made it when.
type conn struct {
	*goldap.Conn
	raw       net.Conn
	at        *endpoint
	makeshift bool // leads elsewhere than it should
	born      time.Time
	used      time.Time // when it was last in use; guarded by its pool

	answers atomic.Int64

	mu      sync.Mutex
	users   int
	retired bool
}

// answered notes that the server did.
func (c *conn) answered() {
	c.answers.Add(1)
	c.at.answered()
}

// fresh reports whether a kept connection may be used once more. When a server
// fails one operation, all that was kept of it before is given up: else each
// of them would cost somebody a timeout.
func (c *conn) fresh(now time.Time) bool {
	age := now.Sub(c.born)
	return !c.IsClosing() && now.Sub(c.used) < keepIdle && age < keepAlive && !c.at.failedSince(c.born) &&
		!(c.makeshift && age >= retryAfter)
}

// enter counts a user of a shared connection; false when it is on its way out.
func (c *conn) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired {
		return false
	}
	c.users++
	return true
}

func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users--
	if c.retired && c.users == 0 {
		go c.Close() // it may wait for a stuck write
	}
}

// retire takes a connection out of use. It is closed when the last of those
// who share it has had its answer, and at the latest when nobody waits for one
// any more.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.retired:
	case c.users == 0:
		go c.Close()
	default:
		time.AfterFunc(keepAnswering, func() { c.raw.Close() })
	}
	c.retired = true
}

// tries is on how many connections an operation is tried: one that was kept
// and is dead, a new one, one to another server.
const tries = 3

// patience is what the first of the tries has: half of the time, unless the
// connection answers somebody meanwhile. One that was kept may have been
// forgotten on the way without a word, and an address that accepts a connection
// need not answer. One that answers others is only slow, and so is one inside
// this process. The zero patience lasts as long as there is time.
type patience struct {
	conn   *conn
	half   time.Duration
	before int64 // what it had answered
}

func (d *dialer) patience(c *conn, try int, kept bool) patience {
	if try > 1 || c.at.server.name == embedded || !kept && !d.hasChoice() {
		return patience{}
	}
	return patience{c, d.timeout / 2, c.answers.Load()}
}

// over reports, when half of the time has gone by, whether the rest is for
// another connection.
func (p patience) over() bool { return p.conn.answers.Load() == p.before }

// again reports whether an operation that a connection failed is tried on
// another one. Who was silent on a new one would only be silent once more.
func (d *dialer) again(ctx context.Context, try int, kept bool, err error) bool {
	return try < tries && (kept || d.hasChoice() || !errors.Is(err, errNoAnswer)) && ctx.Err() == nil
}

// blame returns the address that a connection failed, nil for a kept one that
// was cut: that says nothing of its server. Kept ones that are silent may have
// been forgotten together, which is one failure.
func (d *dialer) blame(c *conn, kept bool, err error) *endpoint {
	if kept && !errors.Is(err, errNoAnswer) {
		return nil
	}
	if !kept || !c.at.failedSince(c.born) {
		c.at.fail(d.now())
	}
	return c.at
}

// gate lets a number of callers through and bounds the queue before it.
type gate struct {
	slots   chan struct{}
	waiting atomic.Int64
	shed    atomic.Int64 // those turned away
}

func newGate(slots int) gate { return gate{slots: make(chan struct{}, slots)} }

func (g *gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > int64(waitersPerSlot*cap(g.slots)) {
		g.waiting.Add(-1)
		g.shed.Add(1)
		return errOverloaded
	}
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) leave() { <-g.slots }

// shared is the connections that searches share.
type shared struct {
	dialer *dialer
	as     credentials
	gate   gate
	next   atomic.Uint64
	slots  []slot
}

// slot is a place for one shared connection. The lock is a channel so that
// waiting for a dial ends with ctx.
type slot struct {
	lock chan struct{}
	conn *conn
}

func newShared(d *dialer, as credentials, size int) *shared {
	p := &shared{dialer: d, as: as, gate: newGate(size * searchesPerConn), slots: make([]slot, size)}
	for i := range p.slots {
		p.slots[i].lock = make(chan struct{}, 1)
	}
	return p
}

// search does one search, on another connection when one fails it. That a kept
// one was cut says nothing of its server.
func (p *shared) search(ctx context.Context, request *goldap.SearchRequest) (*goldap.SearchResult, error) {
	_, hurried := ctx.Deadline() // may be sooner than ours, and is not the connection's fault
	ctx, cancel := deadline(ctx, p.dialer.timeout)
	defer cancel()
	if err := p.gate.enter(ctx); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	s := &p.slots[p.next.Add(1)%uint64(len(p.slots))]
	var failed *endpoint
	for try := 1; ; try++ {
		c, kept, err := p.take(ctx, s, failed)
		if err != nil {
			return nil, err
		}
		p.dialer.observe("search")
		send := func() (*goldap.SearchResult, error) {
			defer c.leave()
			return c.Search(request)
		}
		var result *goldap.SearchResult
		if patience := p.dialer.patience(c, try, kept); hurried {
			result, err = await(ctx, patience, send)
		} else {
			result, err = stay(ctx, c, patience, send)
		}
		p.dialer.census.answered("search", err)
		switch {
		case err == nil, isAnswer(err):
			c.answered()
			return result, err
		case callerLeft(ctx):
			return nil, err
		}
		c.retire()
		failed = cmp.Or(p.dialer.blame(c, kept, err), failed)
		if !p.dialer.again(ctx, try, kept, err) {
			return nil, err
		}
	}
}

// take returns the connection of a slot, and whether it had been kept.
func (p *shared) take(ctx context.Context, s *slot, failed *endpoint) (c *conn, kept bool, err error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	now := p.dialer.now()
	if s.conn != nil {
		if s.conn.fresh(now) && s.conn.enter() {
			s.conn.used = now
			return s.conn, true, nil
		}
		s.conn.retire()
		s.conn = nil
	}
	if c, err = p.dialer.open(ctx, forAccounts, &p.as, failed); err != nil {
		return nil, false, err
	}
	c.enter()
	s.conn = c
	return c, false, nil
}

func (p *shared) close() {
	for i := range p.slots {
		s := &p.slots[i]
		s.lock <- struct{}{}
		if s.conn != nil {
			s.conn.retire()
			s.conn = nil
		}
		<-s.lock
	}
}

// exclusive is the connections on which passwords are checked, one caller at
// a time: a bind makes the server drop what else is outstanding (RFC 4511
// section 4.2.1). Nothing but binds is ever sent on them.
type exclusive struct {
	dialer *dialer
	gate   gate
	mu     sync.Mutex
	idle   []*conn // the latest used last
	closed bool
}

func newExclusive(d *dialer, size int) *exclusive {
	return &exclusive{dialer: d, gate: newGate(size)}
}

// bind does one bind, on another connection when one fails it.
func (p *exclusive) bind(ctx context.Context, request *goldap.SimpleBindRequest) (*goldap.SimpleBindResult, error) {
	ctx, cancel := deadline(ctx, p.dialer.timeout)
	defer cancel()
	if err := p.gate.enter(ctx); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	purpose := forBinds
	if directory.IsFresh(ctx) {
		purpose = forFresh
	}
	var failed *endpoint
	for try := 1; ; try++ {
		c := p.pop(purpose)
		kept := c != nil
		if !kept {
			var err error
			if c, err = p.dialer.open(ctx, purpose, nil, failed); err != nil {
				return nil, err
			}
		}
		p.dialer.observe("bind")
		result, err := stay(ctx, c, p.dialer.patience(c, try, kept), func() (*goldap.SimpleBindResult, error) { return c.SimpleBind(request) })
		p.dialer.census.answered("bind", err)
		if err == nil || isAnswer(err) {
			c.answered()
			p.push(c)
			return result, err
		}
		c.retire()
		if callerLeft(ctx) {
			return nil, err
		}
		failed = cmp.Or(p.dialer.blame(c, kept, err), failed)
		if !p.dialer.again(ctx, try, kept, err) {
			return nil, err
		}
		p.drop() // what was kept beside it was cut as well
	}
}

// pop takes out the connection that was used last, of those that lead where they
// are to.
func (p *exclusive) pop(purpose use) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		c := p.idle[i]
		usable := c.fresh(p.dialer.now())
		if usable && purpose == forFresh && !slices.Contains(p.dialer.providers, c.at.server) {
			continue
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		if usable {
			return c
		}
		c.retire()
	}
	return nil
}

func (p *exclusive) push(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.retire()
		return
	}
	c.used = p.dialer.now()
	p.idle = append(p.idle, c)
}

// drop closes what is idle.
func (p *exclusive) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.retire()
	}
	p.idle = nil
}

func (p *exclusive) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drop()
}
