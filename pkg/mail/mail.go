// Package mail is the port by which e-mail leaves.
package mail

import (
	"context"
	"errors"
)

// Message is one e-mail to one person. Plugins encode it; text may hold any
// character. Values with CR or LF in To or Subject are refused by
// Message.Check, which every Sender calls first.
type Message struct {
	// ID makes the Message-ID, at the sender's domain: the same message sent
	// twice has the same one.
	ID      string
	To      string // one address, from the directory
	Subject string
	Text    string // the whole message in plain text
	HTML    string // the same in HTML, or empty
	// Language is the BCP 47 tag of the text.
	Language string
	// Mark names the recipient to whoever reads what comes back (see Verp): at
	// most 32 small letters and digits that nobody else can guess; empty where
	// nobody does.
	Mark string
}

// ErrRefused is wrapped by errors that no retry can cure: the address does not
// exist, the message is malformed.
var ErrRefused = errors.New("mail refused for good")

// ErrAddress goes with ErrRefused when it is the address: nobody reads there.
var ErrAddress = errors.New("nobody reads at the address")

// Sender sends. It blocks until the next server took responsibility for the
// message, ctx ends, or it failed; it must be safe for concurrent use and pass
// mailtest.Run. An error that does not wrap ErrRefused may be retried.
type Sender interface {
	Send(ctx context.Context, m Message) error
}
