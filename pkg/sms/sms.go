// Package sms is the port by which text messages leave.
package sms

import "context"

// Message is one text message to one person.
type Message struct {
	// ID is the same when the same message is sent again, so that a gateway
	// can send it once only.
	ID   string
	To   string // E.164, from the directory
	Text string
}

// Gateway sends. It blocks until the gateway accepted the message, ctx ends,
// or it failed; it must be safe for concurrent use.
type Gateway interface {
	Send(ctx context.Context, m Message) error
}
