// Package helpdesk is the recovery method by which an operator vouches: a code
// that is good once, made by recovery.Flow.Issue, shown to the operator once
// and typed by the person on their own device.
package helpdesk

import (
	"context"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

// Config says how long a code stays good.
type Config struct {
	// Life is 30 minutes unless set, 48 hours at the most (requirement R30).
	Life plugin.Duration `json:"life"`
}

// Open checks the bound.
func (c *Config) Open(context.Context, recovery.Env) (recovery.Method, error) {
	life, err := recovery.Lifetime("life", c.Life, 30*time.Minute, 48*time.Hour)
	if err != nil {
		return nil, err
	}
	return &method{life: life}, nil
}

type method struct {
	recovery.Silent
	life time.Duration
}

var _ recovery.Handed = (*method)(nil)

func (*method) Name() string { return "helpdesk" }

func (*method) Handed() {}

func (*method) Offers(a account.Account, _ recovery.Purpose) bool { return a.ID != "" }

func (m *method) Terms(recovery.Purpose) recovery.Terms {
	return recovery.Terms{Link: m.life, Code: m.life}
}

func (*method) Verify(c recovery.Challenge, a recovery.Answer) bool {
	return a.Code != "" && secret.New(a.Code).Equal(secret.New(c.Code()))
}
