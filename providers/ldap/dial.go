package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/loge-idp/loge/pkg/secret"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// errNoAnswer is why an operation's own deadline ended it; any other end of a
// context is the caller's, for which no server is to blame.
var errNoAnswer = errors.New("no answer in time")

func deadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errNoAnswer)
}

// callerLeft reports whether ctx ended for a reason of the caller's.
func callerLeft(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errNoAnswer)
}

// credentials are those of a service account.
type credentials struct {
	dn       string
	password secret.String
}

// dialer makes connections that cannot hang.
type dialer struct {
	providers, replicas []*server
	resolver            *net.Resolver
	timeout             time.Duration
	now                 func() time.Time
	observe             func(operation string)
	census              census
}

// use is what a connection is for, which says where it may lead.
type use int

const (
	forAccounts use = iota // the providers, then the replicas
	forBinds               // the same
	forFresh               // binds that only the providers can answer
	forScans               // the replicas, then the providers
	forChanges             // the providers
)

func (d *dialer) servers(purpose use) []*server {
	switch purpose {
	case forScans:
		return slices.Concat(d.replicas, d.providers)
	case forChanges, forFresh:
		return d.providers
	}
	return slices.Concat(d.providers, d.replicas)
}

// hasChoice reports whether there is more than one address.
func (d *dialer) hasChoice() bool {
	n := 0
	for _, s := range d.servers(forAccounts) {
		s.mu.Lock()
		n += len(s.known)
		s.mu.Unlock()
	}
	return n > 1
}

// candidates are the addresses in the order in which they are tried. The one
// that failed the operation just now comes after the others. First is the one
// that would be tried first if all were well, nil when it is not known.
func (d *dialer) candidates(ctx context.Context, purpose use, failed *endpoint) (order []*endpoint, first *endpoint, failures []error) {
	now := d.now()
	var failing []*endpoint
	for i, s := range d.servers(purpose) {
		all, err := s.endpoints(ctx, d.resolver)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
		}
		if i == 0 && len(all) > 0 {
			first = all[0]
		}
		for _, e := range all {
			if e == failed {
				failing = append(failing, e)
				continue
			}
			switch e.turn(now) {
			case inPlace:
				order = append(order, e)
			case last:
				failing = append(failing, e)
			case never:
				failures = append(failures, fmt.Errorf("%s: %w", s.name, errBroken))
			}
		}
	}
	return append(order, failing...), first, failures
}

// errCut is of a connection that the other side broke off while it was made.
var errCut = errors.New("broken off")

// errBroken spares callers the wait for a server that does not answer.
var errBroken = errors.New("did not answer the last times; it is tried again every second")

// open connects to the first address that answers within ctx, which has a
// deadline, and binds as whoever is given; nil stays anonymous. Failed is the
// address that failed the operation before, nil at its first try.
func (d *dialer) open(ctx context.Context, purpose use, as *credentials, failed *endpoint) (*conn, error) {
	share := d.timeout / 2
	resolve, cancel := deadline(ctx, share)
	order, first, failures := d.candidates(resolve, purpose, failed)
	cancel()
	for i, e := range order {
		if ctx.Err() != nil { // no time is left: nothing is learnt about the next
			failures = append(failures, context.Cause(ctx))
			break
		}
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if i < len(order)-1 { // leave time for the next
			attempt, cancel = deadline(ctx, share)
			share /= 2
		}
		c, err := d.connect(attempt, e, purpose, as)
		if errors.Is(err, errCut) && len(order) == 1 && ctx.Err() == nil { // there is nobody else to ask
			c, err = d.connect(attempt, e, purpose, as)
		}
		cancel()
		if err == nil {
			c.makeshift = e != first
			return c, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", e.server.name, err))
		if callerLeft(ctx) {
			break
		}
		e.fail(d.now())
	}
	return nil, errors.Join(failures...)
}

// connect makes one connection: dial, TLS, and the bind of a service account,
// each within ctx. Nothing is sent before TLS has verified the server.
func (d *dialer) connect(ctx context.Context, e *endpoint, purpose use, as *credentials) (*conn, error) {
	dialled, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	t := tie{e.server.name, purposes[purpose]}
	d.census.opened(t, 1)
	raw := &socket{Conn: dialled, timeout: d.timeout, closed: sync.OnceFunc(func() { d.census.opened(t, -1) })}
	stream := net.Conn(raw)
	if e.server.tls != nil {
		if stream, err = secure(ctx, stream, e); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	now := d.now()
	c := &conn{Conn: goldap.NewConn(stream, e.server.tls != nil), raw: raw, at: e, born: now, used: now}
	c.Start()
	if as == nil {
		return c, nil
	}
	if as.dn == "" || as.password.Empty() {
		c.Close()
		return nil, errors.New("the service account has no name or no password")
	}
	_, err = ask(ctx, d, "bind", func() (*goldap.SimpleBindResult, error) {
		return c.SimpleBind(goldap.NewSimpleBindRequest(as.dn, as.password.Reveal(), nil))
	})
	if err != nil {
		go c.Close()
		if !isAnswer(err) && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errCut, err)
		}
		return nil, fmt.Errorf("bind as %s: %w", as.dn, err)
	}
	e.answered()
	return c, nil
}

// startTLSOID names the StartTLS operation (RFC 4511 section 4.14.1).
const startTLSOID = "1.3.6.1.4.1.1466.20037"

// What stands between a connection and TLS.
var (
	errNoStartTLS = errors.New("StartTLS refused")
	errNoTLS      = errors.New("no TLS")
)

// secure starts TLS. The StartTLS exchange is done here, before go-ldap has
// the connection: its own has no deadline, and reads ahead, which would let
// plaintext sent behind the answer be taken for protected.
func secure(ctx context.Context, stream net.Conn, e *endpoint) (net.Conn, error) {
	if e.server.startTLS {
		deadline, _ := ctx.Deadline()
		if err := stream.SetReadDeadline(deadline); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
		request := ber.NewSequence("LDAPMessage")
		request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, "messageID"))
		extended := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "ExtendedRequest")
		extended.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSOID, "requestName"))
		request.AppendChild(extended)
		if _, err := stream.Write(request.Bytes()); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
		answer, err := ber.ReadPacket(stream)
		if err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
		if err := goldap.GetLDAPError(answer); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoStartTLS, err)
		}
		if err := stream.SetReadDeadline(time.Time{}); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	config := e.server.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = e.host
	}
	secured := tls.Client(stream, config)
	var record tls.RecordHeaderError
	switch err := secured.HandshakeContext(ctx); {
	case errors.Is(err, io.EOF), errors.As(err, &record):
		return nil, fmt.Errorf("%w: %w", errNoTLS, err)
	case errors.Is(err, syscall.ECONNRESET):
		return nil, fmt.Errorf("TLS: %w: %w", errCut, err)
	case err != nil:
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// socket gives each write a deadline: go-ldap writes from the one loop that
// also hands out answers. Writers take turns.
type socket struct {
	net.Conn
	timeout time.Duration
	until   time.Time
	closed  func() // once it is
}

// Close may be called several times.
func (c *socket) Close() error {
	c.closed()
	return c.Conn.Close()
}

// Write has between one and two timeouts; a deadline for each costs more than
// the write.
func (c *socket) Write(b []byte) (int, error) {
	if now := time.Now(); c.until.Sub(now) < c.timeout {
		c.until = now.Add(2 * c.timeout)
		if err := c.SetWriteDeadline(c.until); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// stay runs an operation to its end, and closes its connection when the deadline
// of ctx or patience is over. That the caller leaves before is not noticed: to
// have somebody else wait for the answer costs a tenth of a login.
func stay[T any](ctx context.Context, c *conn, p patience, operation func() (T, error)) (T, error) {
	var none T
	var silent atomic.Bool
	until, _ := ctx.Deadline()
	end := time.AfterFunc(time.Until(until), func() { c.raw.Close() })
	if p.half > 0 {
		half := time.AfterFunc(p.half, func() {
			if p.over() {
				silent.Store(true)
				c.raw.Close()
			}
		})
		defer half.Stop()
	}
	value, err := operation()
	switch {
	case !end.Stop():
		<-ctx.Done()
		return none, context.Cause(ctx)
	case err != nil && silent.Load():
		return none, errNoAnswer
	}
	return value, err
}

// await runs an operation, and waits for it no longer than ctx and patience. One
// that is still outstanding then ends with its connection.
func await[T any](ctx context.Context, p patience, operation func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	done := make(chan outcome, 1)
	go func() {
		value, err := operation()
		done <- outcome{value, err}
	}()
	var half <-chan time.Time
	if p.half > 0 {
		timer := time.NewTimer(p.half)
		defer timer.Stop()
		half = timer.C
	}
	for {
		select {
		case o := <-done:
			return o.value, o.err
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-half:
			if p.over() {
				return none, errNoAnswer
			}
		}
	}
}

// isAnswer reports whether an error is a result of what was asked, after which
// the connection is as good as before. That a server is busy, or shuts down, is
// none: another one may not be.
func isAnswer(err error) bool {
	var result *goldap.Error
	return errors.As(err, &result) && result.ResultCode < goldap.ErrorNetwork && result.Packet != nil &&
		result.ResultCode != goldap.LDAPResultBusy && result.ResultCode != goldap.LDAPResultUnavailable
}
