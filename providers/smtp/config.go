// Package smtp sends mail by an SMTP server: the mail.Sender of production.
//
// It keeps no connection. Every message has its own, which ends with the
// caller's context, so that a server that falls silent holds nobody up.
package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/web"
)

// Config is a server to hand mail to. Host and From are required.
type Config struct {
	Host string `json:"host"`
	// Port is that of TLS unless set: 587 for starttls, 465 for tls, 25 for
	// none.
	Port int `json:"port"`
	// TLS is "starttls" unless set; "tls" encrypts from the first byte; "none"
	// is for a relay on a loopback address only (RFC 8314 section 3).
	TLS string `json:"tls"`
	// CA is the path of a PEM file with the authorities of the server; those
	// of the system unless set.
	CA string `json:"ca"`
	// Username and Password authenticate; neither or both.
	Username string        `json:"username"`
	Password secret.String `json:"password"`
	// From is the sender: "assistance@example.fr" or
	// "Assistance <assistance@example.fr>". What bounces comes back to it.
	From string `json:"from"`
	// Bounces is the address that what bounces comes back to instead, and
	// `loge bounce` reads: "rebonds@example.fr" gets mail for
	// "rebonds+k7q…@example.fr" too, by which it is known what came back.
	Bounces string `json:"bounces"`
	// Helo is the name by which this host introduces itself; the domain of
	// From unless set.
	Helo string `json:"helo"`
	// Timeout ends the sending of one message: 30 seconds unless set.
	Timeout plugin.Duration `json:"timeout"`

	// Now dates the messages; time.Now when nil.
	Now func() time.Time `json:"-"`
}

// Open checks the configuration. It reaches no server: mail waits in the
// outbox until there is one. Besides mail.Sender, the result has
// Ping(context.Context) error, which connects and authenticates.
func (c *Config) Open(context.Context, struct{}) (mail.Sender, error) {
	from, err := netmail.ParseAddress(c.From)
	if err != nil || strings.ContainsAny(c.From, "\r\n") {
		return nil, wrong("from", `must be an address like "Assistance <assistance@example.fr>"`)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	ports := map[string]int{"starttls": 587, "tls": 465, "none": 25}
	encryption := cmp.Or(c.TLS, "starttls")
	port, known := ports[encryption]
	switch {
	case c.Host == "":
		return nil, wrong("host", "is missing; write the name of the mail server")
	case !known:
		return nil, wrong("tls", `write "starttls", "tls" or "none"`)
	case encryption == "none" && !web.Loopback(c.Host):
		return nil, wrong("tls", `"none" would send codes and links in the clear; it is for a relay on 127.0.0.1 only`)
	case c.Port < 0 || c.Port > 65535:
		return nil, wrong("port", "must be from 1 to 65535")
	case (c.Username == "") != c.Password.Empty():
		return nil, wrong("password", "username and password go together; give both or neither")
	case c.Bounces != "" && mail.Message{To: mail.Verp(c.Bounces, strings.Repeat("0", maxMark))}.Check() != nil || len(c.Bounces) > 0 && strings.IndexByte(c.Bounces, '@') > maxLocal-1-maxMark:
		return nil, wrong("bounces", "must be one address, like rebonds@example.fr, of at most 31 characters before the @")
	case strings.ContainsAny(c.Helo, " \r\n"):
		return nil, wrong("helo", "must be a host name")
	}
	authorities, err := plugin.Authorities(c.CA)
	if err != nil {
		return nil, plugin.At("ca", err)
	}
	s := &sender{
		host: c.Host, port: cmp.Or(c.Port, port), encryption: encryption,
		tls:      &tls.Config{ServerName: c.Host, RootCAs: authorities, MinVersion: tls.VersionTLS12},
		username: c.Username, password: c.Password,
		from: from, bounces: c.Bounces, domain: domain, helo: cmp.Or(c.Helo, domain),
		timeout: c.Timeout.Or(30 * time.Second), now: c.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// The longest local part of an address (RFC 5321 section 4.5.3.1.1), and mark.
const maxLocal, maxMark = 64, 32

func wrong(key, what string) error { return &plugin.Error{Path: key, Err: errors.New(what)} }
