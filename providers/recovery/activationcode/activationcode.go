// Package activationcode is the recovery method of letters and sheets: a printed
// code that is good once, made by recovery.Flow.Issue, typed on the page of the
// first sign-in or in the box of the password (requirement R62).
package activationcode

import (
	"context"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// Config says how long a code stays good, and whom it is for.
type Config struct {
	// Life is 30 days unless set, 90 days at the most (requirement R30).
	Life plugin.Duration `json:"life"`
	// Reset makes codes for accounts that are active already too. Without it
	// they are for a first sign-in only (R61).
	Reset bool `json:"reset"`
}

// Open checks the bound.
func (c *Config) Open(context.Context, recovery.Env) (recovery.Method, error) {
	life, err := recovery.Lifetime("life", c.Life, 30*24*time.Hour, 90*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return &method{life: life, reset: c.Reset}, nil
}

type method struct {
	recovery.Silent
	life  time.Duration
	reset bool
}

var _ recovery.Handed = (*method)(nil)

func (*method) Name() string { return "activationcode" }

func (*method) Handed() {}

func (m *method) Offers(a account.Account, p recovery.Purpose) bool {
	return a.ID != "" && (m.reset || p == recovery.Activate)
}

func (m *method) Terms(recovery.Purpose) recovery.Terms {
	return recovery.Terms{Link: m.life, Code: m.life}
}

func (*method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	return a.Code != "" && secret.New(a.Code).Equal(secret.New(c.Code()))
}
