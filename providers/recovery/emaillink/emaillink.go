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
	m := &method{env: env, terms: map[recovery.Purpose]recovery.Terms{}}
	code, err := bound("code", c.Code, 10*time.Minute, 10*time.Minute)
	if err != nil {
		return nil, err
	}
	reset, err := bound("resetLink", c.ResetLink, time.Hour, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	activation, err := bound("activationLink", c.ActivationLink, 24*time.Hour, 7*24*time.Hour)
	if err != nil {
		return nil, err
	}
	if env.Mail == nil {
		return nil, errors.New("this method sends mail, and no way to send it is configured: add a section mail")
	}
	m.terms[recovery.Reset] = recovery.Terms{Link: reset, Code: min(code, reset)}
	m.terms[recovery.Activate] = recovery.Terms{Link: activation, Code: min(code, activation)}
	return m, nil
}

func bound(key string, set plugin.Duration, unset, most time.Duration) (time.Duration, error) {
	d := set.Or(unset)
	if d > most {
		return 0, plugin.At(key, fmt.Errorf("is %v at the most", most))
	}
	return d, nil
}

type method struct {
	env   recovery.Env
	terms map[recovery.Purpose]recovery.Terms
}

func (*method) Name() string { return "emaillink" }

func (*method) Offers(a account.Account, _ recovery.Purpose) bool {
	return len(a.Reach(account.Email)) > 0
}

func (m *method) Terms(p recovery.Purpose) recovery.Terms { return m.terms[p] }

func (m *method) Challenge(ctx context.Context, c recovery.Challenge) error {
	to := c.Account.Reach(account.Email)
	if len(to) == 0 {
		return fmt.Errorf("emaillink: %w: no rescue address", mail.ErrRefused)
	}
	letter, err := m.env.Pages.Mail(c.Language, render.MailLink{
		Purpose: render.Purpose(c.Purpose), Login: c.Account.Login, URL: c.URL(), Code: c.Digits(recovery.CodeLen),
		SentAt: c.SentAt, ValidUntil: c.LinkUntil(), CodeUntil: c.CodeUntil(),
	})
	if err != nil {
		return fmt.Errorf("emaillink: %w", err)
	}
	err = m.env.Mail.Send(ctx, mail.Message{
		ID: c.Attempt, To: to[0].Value, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, Language: letter.Language,
	})
	if err != nil {
		return fmt.Errorf("emaillink: %w", err)
	}
	return nil
}

func (*method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	if a.Token != "" {
		return secret.New(a.Token).Equal(secret.New(c.Token()))
	}
	return a.Code != "" && secret.New(a.Code).Equal(secret.New(c.Digits(recovery.CodeLen)))
}
