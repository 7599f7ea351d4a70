package ldapserver

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipe is a connection inside the process. Unlike net.Pipe it keeps what was
// written until it is read: two sides that both write first would wait for
// each other for ever, and LDAP clients do write while they are answered.
func pipe() (client, server net.Conn) {
	up, down := newFlow(), newFlow()
	return &pipeEnd{in: down, out: up}, &pipeEnd{in: up, out: down}
}

// flow is one direction.
type flow struct {
	mu       sync.Mutex
	changed  sync.Cond
	buffer   bytes.Buffer
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func newFlow() *flow {
	f := &flow{}
	f.changed.L = &f.mu
	return f
}

func (f *flow) read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.buffer.Len() == 0 {
		if f.closed {
			return 0, io.EOF
		}
		if !f.deadline.IsZero() && !time.Now().Before(f.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		f.changed.Wait()
	}
	return f.buffer.Read(b)
}

func (f *flow) write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, io.ErrClosedPipe
	}
	f.changed.Broadcast()
	return f.buffer.Write(b)
}

func (f *flow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.changed.Broadcast()
}

func (f *flow) setDeadline(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = t
	if f.timer != nil {
		f.timer.Stop()
	}
	if !t.IsZero() {
		f.timer = time.AfterFunc(time.Until(t), func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.changed.Broadcast()
		})
	}
	f.changed.Broadcast()
}

// pipeEnd is one side of a pipe.
type pipeEnd struct{ in, out *flow }

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }

func (p *pipeEnd) Close() error {
	p.in.close()
	p.out.close()
	return nil
}

func (p *pipeEnd) LocalAddr() net.Addr               { return address{} }
func (p *pipeEnd) RemoteAddr() net.Addr              { return address{} }
func (p *pipeEnd) SetDeadline(t time.Time) error     { return p.SetReadDeadline(t) }
func (p *pipeEnd) SetReadDeadline(t time.Time) error { p.in.setDeadline(t); return nil }
func (p *pipeEnd) SetWriteDeadline(time.Time) error  { return nil } // a write never waits

type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "in this process" }
