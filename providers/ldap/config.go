// Package ldap is the directory plugin for LDAP servers: OpenLDAP with SUPANN
// or the school schema, Active Directory, 389 Directory Server.
//
// It keeps two sets of connections apart. Searches share a few that are bound
// as the service account; a password is checked by a bind on a connection that
// nobody else uses and that is never searched with. Changes are made on a
// connection of their own. Every step has a deadline, no referral is followed,
// and a connection that did anything odd is closed.
//
// From the bottom up: server.go knows the addresses and how they are doing,
// dial.go makes one connection, pool.go keeps some. Above them directory.go
// finds entries, of which entry.go makes accounts, with state.go, contact.go
// and group.go; policy.go reads what servers say of passwords, and
// activedirectory.go what one of them does not say. write.go, password.go,
// edit.go and delegate.go change entries, search.go goes through many; the files
// examine… are the doctor. What a schema calls things is data, in presets.
package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// Config is the section of an LDAP directory.
type Config struct {
	// URLs are the servers that take changes, ldap://host[:port] or
	// ldaps://host[:port], tried in order. Every address of a host counts for
	// itself. ldap+srv://domain and ldaps+srv://domain stand for the hosts of
	// the domain's SRV records (RFC 2782).
	URLs []string `json:"urls"`
	// Replicas are servers that hold a copy, perhaps an old one. Searches
	// through the directory go there first. Accounts are looked up and
	// passwords checked there only when none of URLs answers: a copy may not
	// know the newest password, and would count failures for itself.
	Replicas []string `json:"replicas"`
	// StartTLS asks for TLS on ldap:// before anything else is sent (RFC 4511
	// section 4.14).
	StartTLS bool `json:"startTLS"`
	// CA is a file of PEM certificates that sign the servers'; without it the
	// system's are trusted.
	CA string `json:"ca"`
	// ServerName is the name in the servers' certificates, when it is not the
	// one of the URL.
	ServerName string `json:"serverName"`
	// InsecurePlaintext lets passwords cross a network in the clear: ldap://
	// without StartTLS to another host than this one. Only for a link that is
	// protected by other means.
	InsecurePlaintext bool `json:"insecurePlaintext"`

	// BindDN and BindPassword are the service account that searches.
	BindDN       string        `json:"bindDN"`
	BindPassword secret.String `json:"bindPassword"`
	// WriteDN and WritePassword are the one that sets passwords and states;
	// unset, BindDN does.
	WriteDN       string        `json:"writeDN"`
	WritePassword secret.String `json:"writePassword"`

	// Base is the DN under which the accounts are, Scope "sub" (the default)
	// or "one".
	Base  string `json:"base"`
	Scope string `json:"scope"`

	// Preset is a schema by name, "inetorgperson" when unset; see Presets.
	Preset string `json:"preset"`
	Schema
	// Groups are those of an account that other entries list.
	Groups Groups `json:"groups"`
	// OwnDomains are the institution's mail domains: an address there is not a
	// rescue address (requirement R20).
	OwnDomains []string `json:"ownDomains"`
	// AbsentState is the status of an entry that says nothing of its state:
	// "active" (the default), "pending" or "disabled" (R10).
	AbsentState account.Status `json:"absentState"`
	// LockoutDuration is the pwdLockoutDuration of the server's policy, after
	// which its own lock no longer counts; unset, it holds until lifted.
	LockoutDuration plugin.Duration `json:"lockoutDuration"`

	// Delegate makes the changes of passwords and states where this service
	// may only read.
	Delegate *Delegate `json:"delegate"`

	// Timeout is for one operation, its connection included; 2s by default, so
	// that a login, which is two, ends within 5 s whatever the servers do.
	Timeout plugin.Duration `json:"timeout"`
	Pool    Pool            `json:"pool"`

	// Dial replaces URLs and TLS: for a directory inside this process.
	Dial func(ctx context.Context) (net.Conn, error) `json:"-"`
	// Resolver asks for names; nil for the system's.
	Resolver *net.Resolver `json:"-"`
	// Now is the clock; nil for the system's.
	Now func() time.Time `json:"-"`
	// Logger is where faulty entries are reported; nil for slog's default.
	Logger *slog.Logger `json:"-"`
	// Observe, if set, is told of each operation sent: "search", "bind",
	// "modify" or "extended".
	Observe func(operation string) `json:"-"`
}

const defaultTimeout = 2 * time.Second

// Pool is how many connections are kept.
type Pool struct {
	// Searches is the number of shared connections, 2 by default.
	Searches int `json:"searches"`
	// Binds is the most connections that check passwords at once, 8 by
	// default. Those beyond wait for one.
	Binds int `json:"binds"`
}

func init() {
	// The decoder's own limit is 2 GiB. No entry of a person is near this one.
	ber.MaxPacketLengthBytes = 4 << 20
}

// Open checks the configuration. It reaches no server: one that is down when
// the program starts is found by the first operation and by Ping.
func (c Config) Open(_ context.Context, env directory.Env) (directory.Directory, error) {
	d, err := c.open()
	if err != nil {
		return nil, err
	}
	if env.Mobile != nil {
		d.mobile = env.Mobile
	}
	return d, nil
}

func (c Config) open() (*dir, error) {
	schema, err := c.schema()
	if err != nil {
		return nil, err
	}
	if err := schema.check(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	groups, err := c.Groups.complete()
	if err != nil {
		return nil, err
	}
	d := &dir{
		schema:     schema,
		base:       c.Base,
		scope:      scopes[c.Scope],
		lookup:     parseLookup(schema.Attributes.Lookup),
		searched:   parseSearched(schema.Attributes),
		groups:     groups,
		named:      c.Attributes.named(),
		ownDomains: c.OwnDomains,
		mobile:     sms.Plan{}.Mobile,
		absent:     cmp.Or(c.AbsentState, account.Active),
		lockout:    time.Duration(c.LockoutDuration),
		delegate:   c.Delegate,
		timeout:    c.Timeout.Or(defaultTimeout),
		now:        c.Now,
		log:        c.Logger,
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.attributes = d.wanted()
	if d.dialer, err = c.dialer(d.timeout, d.now); err != nil {
		return nil, err
	}
	if schema.PasswordChange == "ad" && !c.InsecurePlaintext && slices.ContainsFunc(d.dialer.providers, (*server).inTheClear) {
		return nil, errors.New("passwordChange: Active Directory takes new passwords over TLS only; use ldaps://")
	}
	d.reader = credentials{c.BindDN, c.BindPassword}
	d.writer = d.reader
	if c.WriteDN != "" {
		d.writer = credentials{c.WriteDN, c.WritePassword}
	}
	d.searches = newShared(d.dialer, d.reader, cmp.Or(c.Pool.Searches, 2))
	d.scans = newGate(scansAtOnce)
	d.binds = newExclusive(d.dialer, cmp.Or(c.Pool.Binds, 8))
	return d, nil
}

var scopes = map[string]int{"": goldap.ScopeWholeSubtree, "sub": goldap.ScopeWholeSubtree, "one": goldap.ScopeSingleLevel}

// check looks at what is neither of the schema nor of the servers.
func (c Config) check() error {
	if _, err := goldap.ParseDN(c.Base); err != nil || c.Base == "" {
		return errors.New("base: must be the DN under which the accounts are, like ou=people,dc=univ,dc=fr")
	}
	if _, ok := scopes[c.Scope]; !ok {
		return fmt.Errorf("scope: must be sub or one, not %q", c.Scope)
	}
	switch c.AbsentState {
	case "", account.Active, account.Pending, account.Disabled:
	default:
		return fmt.Errorf("absentState: must be active, pending or disabled, not %q", c.AbsentState)
	}
	if c.BindDN == "" || c.BindPassword.Empty() {
		return errors.New("bindDN, bindPassword: the service account that searches is missing")
	}
	if (c.WriteDN == "") != c.WritePassword.Empty() {
		return errors.New("writeDN, writePassword: one of the two is missing")
	}
	if c.Delegate != nil {
		return c.Delegate.check()
	}
	return nil
}

func (c Config) dialer(timeout time.Duration, now func() time.Time) (*dialer, error) {
	d := &dialer{resolver: c.Resolver, timeout: timeout, now: now, observe: c.Observe}
	if d.resolver == nil {
		d.resolver = net.DefaultResolver
	}
	if d.observe == nil {
		d.observe = func(string) {}
	}
	var err error
	d.providers, d.replicas, err = c.servers(d.resolver)
	return d, err
}
