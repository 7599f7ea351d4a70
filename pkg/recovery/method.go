// Package recovery is the engine by which people get back in: whoever they
// are, they first prove it by a method, and only then does the engine act.
//
// The way is always the same: Begin makes an attempt; outside the request the
// account is looked up and the method sends a challenge; Answer turns a right
// answer into a proof, a ticket kept by the browser that answered; Complete
// redeems the proof and sets the password. Nothing else than a proof sets one.
// A login that nobody has goes the same way and only never gets a right
// answer, so that nobody learns who exists (requirement R35).
package recovery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
)

// Purpose is what somebody wants to get back.
type Purpose string

// The purposes.
const (
	// Reset: a new password for an account that has one.
	Reset Purpose = "reset"
	// Activate: the first password.
	Activate Purpose = "activate"
)

// Method is one way to prove who one is. It is given no directory, no request
// and no response: it sends, it compares, and that is all it can do. It must be
// safe for concurrent use and pass recoverytest.Run.
type Method interface {
	// Name is what a configuration calls it. It is kept with every attempt and
	// must never change.
	Name() string
	// Offers reports whether this account could prove itself this way. It does
	// not block.
	Offers(a account.Account, p Purpose) bool
	// Terms are how long what it sends is good.
	Terms(p Purpose) Terms
	// Challenge sends the person what is needed to answer. It is called outside
	// the request, and again when it fails: what it sends must be made from the
	// challenge alone, so that a repetition is the same message. An error that
	// wraps mail.ErrRefused is final.
	Challenge(ctx context.Context, c Challenge) error
	// Verify reports whether the answer is right, comparing in constant time.
	// Tries are counted before it is called.
	Verify(c Challenge, a Answer) bool
}

// Terms are lifetimes (requirement R30).
type Terms struct {
	Link time.Duration // of a link, and of the attempt itself
	Code time.Duration // of a typed code
}

// Env is what the host lends a method.
type Env struct {
	Mail   mail.Sender
	SMS    sms.Gateway // nil when the site has none
	Pages  *render.Pages
	Logger *slog.Logger
}

// Challenge is one attempt as its method sees it.
type Challenge struct {
	Attempt  string // its public name; not a secret
	Purpose  Purpose
	Account  account.Account
	Language string
	SentAt   time.Time
	Terms    Terms

	derive *secret.Deriver
	link   string
}

// NewChallenge is for tests of methods, outside the engine.
func NewChallenge(attempt string, p Purpose, a account.Account, language string, sent time.Time, terms Terms, keys *secret.Keyring, link string) Challenge {
	return Challenge{Attempt: attempt, Purpose: p, Account: a, Language: language, SentAt: sent, Terms: terms,
		derive: keys.Deriver("recovery"), link: link}
}

// Digits returns n decimal digits that only this challenge has. They are
// derived, not stored, so a copy of the store is worth nothing (OWASP ASVS
// 6.5.2).
func (c Challenge) Digits(n int) string {
	return c.derive.Digits(n, "digits", c.Attempt, string(c.Purpose), string(c.Account.ID))
}

// Token returns the secret of the link, 131 bits (requirement R31).
func (c Challenge) Token() string {
	return c.derive.Text(tokenLen, "token", c.Attempt, string(c.Purpose), string(c.Account.ID))
}

// URL is the link to send. Opening it consumes nothing.
func (c Challenge) URL() string { return c.link + c.Attempt + c.Token() }

// CodeUntil and LinkUntil are when what was sent ends.
func (c Challenge) CodeUntil() time.Time { return c.SentAt.Add(c.Terms.Code) }

// LinkUntil is when the link ends.
func (c Challenge) LinkUntil() time.Time { return c.SentAt.Add(c.Terms.Link) }

// Answer is what somebody gave back: the token of a link, or a typed code.
type Answer struct {
	Token string
	Code  string
}

// What the engine answers.
var (
	// ErrWrong: the answer is not right, or not any more: expired, used,
	// replaced, too many tries, nobody's. Which of these is not said to
	// somebody who has proved nothing.
	ErrWrong = errors.New("recovery: wrong answer")
	// ErrSlowDown: too many requests; see SlowDown.
	ErrSlowDown = errors.New("recovery: too many requests")
	// ErrNoProof: the proof is unknown, expired or used.
	ErrNoProof = errors.New("recovery: no proof")
	// ErrState: the account may not be given a password (any more).
	ErrState = errors.New("recovery: not in this state of the account")
)

// Refused is why a new password was not accepted. The proof stays good.
type Refused struct {
	// Reasons are the keys of password.Reason.
	Reasons []string
}

func (*Refused) Error() string { return "recovery: the password was refused" }
