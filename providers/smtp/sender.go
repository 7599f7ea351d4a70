package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/secret"
)

type sender struct {
	host       string
	port       int
	encryption string
	tls        *tls.Config
	username   string
	password   secret.String
	from       *netmail.Address
	bounces    string
	domain     string
	helo       string
	timeout    time.Duration
	now        func() time.Time
}

// Send implements mail.Sender. Once the server has taken the message it is
// sent, whatever happens to the connection then.
func (s *sender) Send(ctx context.Context, m mail.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	encoded := s.encode(m)
	err := s.within(ctx, func(ctx context.Context, client *gomail.Client) error {
		return client.DialAndSendWithContext(ctx, encoded)
	})
	if encoded.IsDelivered() {
		return nil
	}
	return err
}

// Ping connects, encrypts and authenticates as for a message.
func (s *sender) Ping(ctx context.Context) error {
	return s.within(ctx, func(ctx context.Context, client *gomail.Client) error {
		connection, err := client.DialToSMTPClientWithContext(ctx)
		if err != nil {
			return err
		}
		return client.CloseWithSMTPClient(connection)
	})
}

// encode writes the headers of R74. Without them the library would make a
// Message-ID of the name of this host, and name itself.
func (s *sender) encode(m mail.Message) *gomail.Msg {
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	out.FromMailAddress(s.from)
	if s.bounces != "" && m.Mark != "" {
		out.EnvelopeFromMailAddress(&netmail.Address{Address: mail.Verp(s.bounces, m.Mark)})
	}
	out.ToMailAddress(&netmail.Address{Address: m.To})
	out.Subject(m.Subject)
	out.SetDateWithValue(s.now())
	out.SetMessageIDWithValue(cmp.Or(m.ID, secret.Random(22)) + "@" + s.domain)
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	if m.Language != "" {
		out.SetGenHeader(gomail.HeaderContentLang, m.Language)
	}
	out.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		out.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return out
}

// within does one thing on one connection. The library heeds ctx while it
// dials and only its own timeout after that; so the connection is closed under
// it when ctx ends.
func (s *sender) within(ctx context.Context, do func(context.Context, *gomail.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // at the latest by cancel
		}
		return conn, err
	}
	options := []gomail.Option{gomail.WithPort(s.port), gomail.WithHELO(s.helo),
		gomail.WithTimeout(s.timeout + time.Minute), // ctx is to end first
		gomail.WithDialContextFunc(dial), gomail.WithTLSConfig(s.tls)}
	switch s.encryption {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.username != "" {
		// Both send the password itself, which the library does over TLS or to
		// a loopback address only.
		options = append(options, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
			gomail.WithUsername(s.username), gomail.WithPassword(s.password.Reveal()))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	if err := do(ctx, client); err != nil {
		return s.explain(ctx, err)
	}
	return nil
}

func (s *sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.encryption == "tls" {
		return (&tls.Dialer{Config: s.tls}).DialContext(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// explain says what happened without quoting the server, whose answers name
// the recipient. Only an answer about the message itself is for good: what a
// server refuses before that, such as the password, is repaired without
// touching the message. A refusal of the recipient is about the address unless
// its code says otherwise.
func (s *sender) explain(ctx context.Context, err error) error {
	var about *gomail.SendError
	var answer *textproto.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("smtp: %s: %w", s.host, ctx.Err())
	case errors.As(err, &about) && about.ErrorCode() >= 500:
		status := about.EnhancedStatusCode()
		refused := fmt.Errorf("smtp: %s: %s: answered %d %s: %w", s.host, about.Reason, about.ErrorCode(), status, mail.ErrRefused)
		if mail.AboutAddress(status) || status == "" && about.Reason == gomail.ErrSMTPRcptTo {
			return fmt.Errorf("%w: %w", refused, mail.ErrAddress)
		}
		return refused
	case errors.As(err, &about) && about.ErrorCode() != 0:
		return fmt.Errorf("smtp: %s: %s: answered %d %s", s.host, about.Reason, about.ErrorCode(), about.EnhancedStatusCode())
	case errors.As(err, &about):
		return fmt.Errorf("smtp: %s: %s: the connection broke", s.host, about.Reason)
	case errors.As(err, &answer):
		return fmt.Errorf("smtp: %s: before any message: answered %d", s.host, answer.Code)
	}
	return fmt.Errorf("smtp: %s: %w", s.host, err)
}
