// Package smscode is the recovery method that sends a code of six digits to a
// mobile on file.
package smscode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/guard"
)

// Config is how long a code stays good, and what the message says. The zero
// Config will do, unless the site's name does not fit.
type Config struct {
	// Code is the lifetime: default and maximum ten minutes (requirement R30,
	// OWASP ASVS 6.5.5).
	Code plugin.Duration `json:"code"`
	// SiteName stands in the message for the name of the site, where that is
	// too long or has a letter that makes a message cost double: "Univ. Cote
	// d'Azur".
	SiteName string `json:"siteName"`
}

const longest = 10 * time.Minute

// Open writes the message in every language, and refuses one that would not be
// a single text message (requirement R74).
func (c *Config) Open(_ context.Context, env recovery.Env) (recovery.Method, error) {
	if env.SMS == nil {
		return nil, errors.New("this method sends text messages, and no way to send them is configured: add a section sms")
	}
	life := c.Code.Or(longest)
	if life > longest {
		return nil, plugin.At("code", fmt.Errorf("is %v at the most", longest))
	}
	m := &method{gateway: env.SMS, pages: env.Pages, logger: env.Logger, name: c.SiteName, life: life}
	if m.logger == nil {
		m.logger = slog.Default()
	}
	if err := m.lint(); err != nil {
		return nil, err
	}
	return m, nil
}

type method struct {
	gateway sms.Gateway
	pages   *render.Pages
	logger  *slog.Logger
	name    string
	life    time.Duration
}

func (*method) Name() string { return "smscode" }

// Offers is false also while no message can leave: then mail is offered.
func (m *method) Offers(a account.Account, p recovery.Purpose) bool { return len(m.To(a, p)) > 0 }

// Terms: there is no link, so that the attempt ends with its code.
func (m *method) Terms(recovery.Purpose) recovery.Terms {
	return recovery.Terms{Link: m.life, Code: m.life}
}

// To implements recovery.Addressed: the mobiles on file to which a message could leave now, in E.164.
func (m *method) To(a account.Account, _ recovery.Purpose) []account.Contact {
	var out []account.Contact
	for _, c := range a.Channels(account.Phone) {
		if number, ok := m.usable(c.Value); ok {
			c.Value = number
			out = append(out, c)
		}
	}
	return out
}

func (m *method) usable(written string) (string, bool) {
	if g, ok := m.gateway.(sms.Selective); ok {
		return g.Usable(written)
	}
	number, err := sms.Plan{}.Mobile(written)
	return number, err == nil
}

func (m *method) text(lang, code string, until time.Time, p recovery.Purpose) (string, error) {
	return m.pages.SMS(lang, render.SMSCode{Name: m.name, Code: code, Until: until, Confirms: p == recovery.Contact})
}

// Challenge sends the code. If it may have left the person waits for it, or asks
// for another one.
func (m *method) Challenge(ctx context.Context, c recovery.Challenge) error {
	if c.To.Value == "" {
		return fmt.Errorf("smscode: %w: no mobile that a message can be sent to", mail.ErrRefused)
	}
	text, err := m.text(c.Language, c.Digits(recovery.CodeLen), c.CodeUntil(), c.Purpose)
	if err != nil {
		return fmt.Errorf("smscode: %w", err)
	}
	// After a refusal the same code goes to another number: another message.
	id := c.Attempt + "-" + secret.Hash(c.To.Value)[:8]
	err = m.send(ctx, sms.Message{ID: id, To: c.To.Value, Text: text, Account: c.Account.ID})
	switch {
	case errors.Is(err, guard.ErrSpent): // no fault of the number
		return fmt.Errorf("smscode: %w: %w", outbox.ErrGiveUp, err)
	case errors.Is(err, sms.ErrRefused):
		return fmt.Errorf("smscode: %w: %w: %w", mail.ErrRefused, mail.ErrAddress, err)
	case err != nil:
		return fmt.Errorf("smscode: %w", err)
	}
	return nil
}

func (*method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	return a.Code != "" && secret.New(a.Code).Equal(secret.New(c.Digits(recovery.CodeLen)))
}
