// Package emaillink is the recovery method that sends a link and a short code,
// in one mail, to a rescue address on file.
package emaillink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
)

// Config says how long what is sent stays good. The defaults and the bounds
// are those of requirement R30.
type Config struct {
	// ResetLink is the lifetime of a link that resets a password: default one
	// hour, 24 hours at the most.
	ResetLink plugin.Duration `json:"resetLink"`
	// ActivationLink is that of a link that activates an account: default 24
	// hours, seven days at the most.
	ActivationLink plugin.Duration `json:"activationLink"`
	// Code is that of the typed code: default and maximum ten minutes (OWASP
	// ASVS 6.5.5).
	Code plugin.Duration `json:"code"`
}

// Open checks the bounds.
func (c *Config) Open(_ context.Context, env recovery.Env) (recovery.Method, error) {
	code, err := recovery.Lifetime("code", c.Code, 10*time.Minute, 10*time.Minute)
	if err != nil {
		return nil, err
	}
	reset, err := recovery.Lifetime("resetLink", c.ResetLink, time.Hour, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	activation, err := recovery.Lifetime("activationLink", c.ActivationLink, 24*time.Hour, 7*24*time.Hour)
	if err != nil {
		return nil, err
	}
	if env.Mail == nil {
		return nil, errors.New("this method sends mail, and no way to send it is configured: add a section mail")
	}
	return &method{env: env, reset: reset, activation: activation, code: code}, nil
}

type method struct {
	env                     recovery.Env
	reset, activation, code time.Duration
}

var _ interface {
	recovery.Addressed
	recovery.Family
} = (*method)(nil)

func (*method) Name() string { return "emaillink" }

func (*method) Offers(a account.Account, _ recovery.Purpose) bool {
	return len(a.Channels(account.Email)) > 0
}

// To implements recovery.Addressed: all rescue addresses, in their order, or
// those of a minor's relatives.
func (*method) To(a account.Account, _ recovery.Purpose) []account.Contact {
	return a.Channels(account.Email)
}

func (m *method) Terms(p recovery.Purpose) recovery.Terms {
	link := m.reset
	if p == recovery.Activate {
		link = m.activation
	}
	return recovery.Terms{Link: link, Code: min(m.code, link)}
}

func (m *method) Challenge(ctx context.Context, c recovery.Challenge) error {
	purpose := c.Purpose
	if c.Wanted == recovery.Identifier {
		purpose = c.Wanted
	}
	return m.send(ctx, c, render.MailLink{
		Purpose: render.Purpose(purpose), Login: c.Account.Login, URL: c.URL(), Code: c.Digits(recovery.CodeLen),
		SentAt: c.SentAt, ValidUntil: c.LinkUntil(), CodeUntil: c.CodeUntil(),
	})
}

// ChallengeAll implements recovery.Family.
func (m *method) ChallengeAll(ctx context.Context, all []recovery.Challenge, others bool) error {
	if len(all) == 1 && !others {
		return m.Challenge(ctx, all[0])
	}
	view := render.MailFamily{CodeUntil: all[0].CodeUntil(), Others: others}
	for _, c := range all {
		view.Members = append(view.Members, render.FamilyMember{Name: c.Account.MaskedName(),
			Login: c.Account.Login, URL: c.URL(), Code: c.Digits(recovery.CodeLen), ValidUntil: c.LinkUntil()})
	}
	return m.send(ctx, all[0], view)
}

func (m *method) send(ctx context.Context, c recovery.Challenge, view render.MailView) error {
	if c.To.Value == "" {
		return fmt.Errorf("emaillink: %w: no rescue address", mail.ErrRefused)
	}
	letter, err := m.env.Pages.Mail(c.Language, view)
	if err != nil {
		return fmt.Errorf("emaillink: %w", err)
	}
	err = m.env.Mail.Send(ctx, mail.Message{
		ID: c.Attempt, To: c.To.Value, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, Language: letter.Language, Mark: c.Mark(),
	})
	if err != nil {
		return fmt.Errorf("emaillink: %w", err)
	}
	return nil
}

func (*method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	if a.Token != "" {
		return c.IsToken(a.Token)
	}
	return a.Code != "" && secret.New(a.Code).Equal(secret.New(c.Digits(recovery.CodeLen)))
}
