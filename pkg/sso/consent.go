package sso

import (
	"context"
	"time"

	"github.com/loge-idp/loge/pkg/account"
)

// Consent is one that a person gave.
type Consent struct {
	// Client is the application's own identifier, Name what people call it.
	Client, Name string
	// Told is what was agreed to: scopes and names of claims.
	Told []string
	At   time.Time
}

// Consenter is implemented by protocols in which people agree to what an
// application is told.
type Consenter interface {
	// Consents lists what an account has agreed to, by the names of the
	// applications. The error wraps store.ErrUnavailable.
	Consents(ctx context.Context, id account.ID) ([]Consent, error)
	// RevokeConsent takes back what an account agreed to for an application: it
	// will be asked again, and what the application holds is worth nothing. The error wraps store.ErrUnavailable.
	RevokeConsent(ctx context.Context, id account.ID, client string) error
}
