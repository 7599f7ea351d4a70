package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Config is a Redis, or a server that speaks its protocol and runs Lua.
type Config struct {
	// Topology is "single", "sentinel" or "cluster". It is never guessed from
	// the number of addresses.
	Topology string `json:"topology"`
	// Addresses are host:port: of the server, of the Sentinels, or of some
	// nodes of the cluster.
	Addresses []string `json:"addresses"`
	// Master is the name under which the Sentinels know the master.
	Master string `json:"master"`
	// SentinelUsername and SentinelPassword are for the Sentinels, where they
	// ask for one.
	SentinelUsername string        `json:"sentinelUsername"`
	SentinelPassword secret.String `json:"sentinelPassword"`
	// Confirm is how many replicas must have a change before it counts as
	// made; 0 for none. Redis tells of a change before any replica has it:
	// when the master is lost in that moment, a ticket that was taken can be
	// taken again. With 1 or more such a change is an error instead, and so is
	// each while too few replicas can be reached (F-RED-04).
	Confirm int `json:"confirm"`

	Username string        `json:"username"`
	Password secret.String `json:"password"`
	// Database is the number of the logical database; a cluster has only 0.
	Database int `json:"database"`
	// Prefix begins every key; DefaultPrefix when empty. It must not hold
	// braces, which decide the slot in a cluster.
	Prefix string `json:"prefix"`

	// TLS encrypts and verifies the server, against the authorities of the
	// system or those in the PEM file CA.
	TLS bool   `json:"tls"`
	CA  string `json:"ca"`

	// PoolSize is how many connections are kept to each server at the most;
	// ten per processor when 0.
	PoolSize int `json:"poolSize"`
	// Timeout bounds every Do, connecting included; DefaultTimeout when 0.
	Timeout plugin.Duration `json:"timeout"`

	// Observe, when set, is called once per round trip with the number of
	// operations in it.
	Observe func(ops int) `json:"-"`
	// Dial, when set, makes the connections: through a tunnel, or inside the
	// process.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `json:"-"`
	// Logger gets what the client library has to say, at debug level: what
	// matters is in the errors. The library has one logger for the whole
	// process, that of the last Open; slog.Default when nil.
	Logger *slog.Logger `json:"-"`
}

func wrong(key, format string, args ...any) error {
	return &plugin.Error{Path: key, Err: fmt.Errorf(format, args...)}
}

func (c *Config) check() error {
	switch c.Topology {
	case "single", "sentinel", "cluster":
	case "":
		return wrong("topology", `is missing; write "single", "sentinel" or "cluster"`)
	default:
		return wrong("topology", `no such topology; write "single", "sentinel" or "cluster"`)
	}
	if len(c.Addresses) == 0 {
		return wrong("addresses", `is missing; write a list like ["127.0.0.1:6379"]`)
	}
	for i, address := range c.Addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return wrong(fmt.Sprintf("addresses[%d]", i), "must be host:port, like \"redis.example.org:6379\"")
		}
	}
	switch {
	case c.Topology == "single" && len(c.Addresses) > 1:
		return wrong("addresses", `holds %d addresses, a single server has one; leave one, or make topology "sentinel" or "cluster"`, len(c.Addresses))
	case c.Topology == "sentinel" && c.Master == "":
		return wrong("master", "is missing; write the name under which the Sentinels know the master, as in \"sentinel monitor NAME …\"")
	case c.Topology != "sentinel" && c.Master != "":
		return wrong("master", `is only for topology "sentinel"; remove it`)
	case c.Topology != "sentinel" && !c.SentinelPassword.Empty():
		return wrong("sentinelPassword", `is only for topology "sentinel"; remove it`)
	case c.SentinelUsername != "" && c.SentinelPassword.Empty():
		return wrong("sentinelPassword", "is missing for the sentinelUsername")
	case c.Confirm < 0:
		return wrong("confirm", "must not be negative")
	case c.Database < 0:
		return wrong("database", "must not be negative")
	case c.Topology == "cluster" && c.Database != 0:
		return wrong("database", "a cluster has only database 0; remove it")
	case strings.ContainsAny(c.Prefix, "{}"):
		return wrong("prefix", "must not hold braces; Redis would take them for a hash tag")
	case c.CA != "" && !c.TLS:
		return wrong("ca", "is given but tls is not; write tls: true")
	case c.Username != "" && c.Password.Empty():
		return wrong("password", "is missing for the username")
	case c.PoolSize < 0:
		return wrong("poolSize", "must not be negative")
	}
	return nil
}

// Open connects, and refuses a Redis that does not answer or that may throw
// keys away when its memory is full: a lost key would be a session lost, or a
// counter of attempts reset. Besides store.Store, the result is a
// store.Pinger, a store.Examiner and an io.Closer.
func (c *Config) Open(ctx context.Context, _ struct{}) (store.Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	goredis.SetLogger(clientLog{logger})

	s := newStore(client(c.Topology, options), c.Prefix)
	s.timeout, s.confirm = c.Timeout.Or(DefaultTimeout), c.Confirm
	if c.Observe != nil {
		s.observe = c.Observe
	}
	if err := s.start(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// start makes sure of the servers before the first request needs them.
func (s *redisStore) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.timeout)
	defer cancel()
	if err := s.Ping(ctx); err != nil {
		return wrong("addresses", "Redis does not answer; see that it runs there and lets us in: %w", err)
	}
	return s.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		if policy := evictionPolicy(ctx, node); policy != "" && policy != "noeviction" {
			return wrong("addresses", "Redis may throw away keys when its memory is full (maxmemory-policy %s); set maxmemory-policy noeviction", policy)
		}
		if err := node.ScriptLoad(ctx, script).Err(); err != nil {
			return wrong("addresses", "Redis refuses our script; allow EVAL, EVALSHA and SCRIPT LOAD: %w", err)
		}
		return nil
	})
}

func client(topology string, o *goredis.UniversalOptions) goredis.UniversalClient {
	switch topology {
	case "sentinel":
		return goredis.NewFailoverClient(o.Failover())
	case "cluster":
		return goredis.NewClusterClient(o.Cluster())
	}
	return goredis.NewClient(o.Simple())
}

func (c *Config) options() (*goredis.UniversalOptions, error) {
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: time.Minute}).DialContext
	}
	if c.TLS {
		authorities, err := plugin.Authorities(c.CA)
		if err != nil {
			return nil, plugin.At("ca", err)
		}
		dial = encrypted(dial, authorities)
	}
	timeout := c.Timeout.Or(DefaultTimeout)
	return &goredis.UniversalOptions{
		Addrs:      c.Addresses,
		MasterName: c.Master,
		Username:   c.Username,
		Password:   c.Password.Reveal(),

		SentinelUsername: c.SentinelUsername,
		SentinelPassword: c.SentinelPassword.Reveal(),

		DB:       c.Database,
		PoolSize: c.PoolSize,
		Dialer:   dial,

		// The library ignores the deadline of a context unless told so, dials
		// five times and sends every command up to four times.
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		DialerRetries:         1,
		MaxRetries:            -1,
		ReadTimeout:           timeout,
		WriteTimeout:          timeout,
		PoolTimeout:           timeout,
		// Shorter than what firewalls forget idle connections after.
		ConnMaxIdleTime: 4 * time.Minute,

		// Scripts answer alike in RESP2, and with it a kept connection on
		// which something waits is known to be broken.
		Protocol:        2,
		ReadBufferSize:  8 << 10,
		WriteBufferSize: 8 << 10,
		// Everything goes in pipelines: a second pool for them is one too many.
		PipelinePoolSize: -1,
		// Commands that Redis before 7.2, or Valkey, answers with errors.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

const dialTimeout = time.Second

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

func encrypted(dial dialer, authorities *x509.CertPool) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		plain, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(plain, &tls.Config{ServerName: host, RootCAs: authorities, MinVersion: tls.VersionTLS12})
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		if below, ok := plain.(syscall.Conn); ok {
			return tlsConn{conn, below}, nil
		}
		return conn, nil
	}
}

// tlsConn lets the pool see below the encryption that the server has closed a
// kept connection. A *tls.Conn hides it, and each of them would fail once
// after a restart of Redis.
type tlsConn struct {
	*tls.Conn
	below syscall.Conn
}

func (c tlsConn) SyscallConn() (syscall.RawConn, error) { return c.below.SyscallConn() }

// clientLog hands the client library's messages on.
type clientLog struct{ *slog.Logger }

func (l clientLog) Printf(ctx context.Context, format string, args ...any) {
	l.DebugContext(ctx, fmt.Sprintf(format, args...))
}
