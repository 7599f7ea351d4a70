// Package sms is the port by which text messages leave, with what every
// message must be before it may cost money: a number in E.164 and a text that
// fits one message.
package sms

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/loge-idp/loge/pkg/account"
)

// Message is one text message to one person.
type Message struct {
	// ID is the same when the same message is sent again, so that a gateway
	// can send it once only: 1 to 64 letters, digits, hyphens and underscores.
	// It is no secret.
	ID   string
	To   string // E.164, from the directory (R-REC-13)
	Text string // within one message: see Length
	// Account is whom the message concerns, for budgets. It is not sent.
	Account account.ID
}

// What became of a message that was not accepted. An error that wraps neither
// says that nothing was sent, and the message may be given again.
var (
	// ErrRefused is final: the number or the text will never do.
	ErrRefused = errors.New("text message refused for good")
	// ErrUncertain: the gateway may have sent the message, and gave no answer
	// that says so. It must not be given again (F-SMS-01): the person asks for
	// another one.
	ErrUncertain = errors.New("text message may have been sent")
)

// Gateway sends. It blocks until the gateway accepted the message, ctx ends,
// or it failed; it must be safe for concurrent use and pass smstest.Run. Once
// ctx has ended it sends nothing more: the error wraps that of ctx, and of a
// message that has surely not left nothing else, so that it may be given again.
// No error holds the number or the text.
//
// A gateway whose far end knows a message by its ID, and sends it once however
// often it is asked, answers a lost connection by an error that may be
// retried. Every other wraps ErrUncertain as soon as the message may have left.
type Gateway interface {
	Send(ctx context.Context, m Message) error
}

// Selective is implemented by gateways that know beforehand whether they would
// send to a number, so that another way is offered when they would not.
type Selective interface {
	Gateway
	// Usable returns a number of the directory in E.164, and whether a message
	// to it could leave now. It does not block.
	Usable(written string) (number string, ok bool)
}

var (
	e164      = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// Check refuses a message that no gateway can send as it is; every Gateway
// calls it first. The error wraps ErrRefused.
func (m Message) Check() error {
	if !plainName.MatchString(m.ID) {
		return fmt.Errorf("%w: the message has no plain ID", ErrRefused)
	}
	if !e164.MatchString(m.To) {
		return fmt.Errorf("%w: the number is not in E.164", ErrRefused)
	}
	if _, err := Length(m.Text); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}
