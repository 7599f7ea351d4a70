// Package store is the port to short-lived state: sessions, tickets, tokens,
// codes, counters and outgoing jobs. Every operation is atomic, and several go
// in one round trip.
//
// State is kept as records: small sets of named fields that expire by
// themselves. A record may hang under another one of the same Tag: once the
// upper record is gone the lower one counts as gone too, at once and without
// anybody deleting it. So ending a session is one deletion, whatever hangs
// from it.
//
// Time is the store's own: lifetimes are given as durations and measured
// there, so replicas need not agree about the clock.
package store

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable is wrapped by every error that says the store could not be
// asked or did not answer: nothing is known of the outcome. It becomes a 503.
var ErrUnavailable = errors.New("store unavailable")

// Store is short-lived state. Implementations are safe for concurrent use and
// pass storetest.Run.
type Store interface {
	// Do carries out the operations in one round trip and fills in their
	// results. Each is atomic; together they are not, and their order is kept
	// only among operations on keys of one Tag. It blocks until the answer,
	// an error, or the end of ctx.
	//
	// An error wraps ErrUnavailable and means that any of the operations may
	// or may not have happened. Do never repeats an operation that would do
	// something else the second time; operations whose repetition is harmless
	// (Read, Take with the same By…) may be repeated by the caller.
	//
	// A mistake of the caller (a TTL or Window that is not positive, an empty
	// By, a field's name that begins with a dot) is another error, and nothing
	// is done then.
	Do(ctx context.Context, ops ...Op) error
}

// Key names a record. Keys with the same Tag live on one node of a cluster. Any
// text will do for both.
type Key struct{ Tag, Name string }

// Fields are the values of a record by name. Names do not begin with a
// dot: those are the store's.
type Fields map[string]string

// Op is one of the operations of this package, given as a pointer.
type Op interface{ op() }

// Create makes a record.
type Create struct {
	Key    Key
	Fields Fields
	// TTL is how long the record lives; it must be positive.
	TTL time.Duration
	// Life, when set, bounds what Read.Extend may prolong, counted from now.
	Life time.Duration
	// Under names the record of the same Tag from which this one hangs. Under
	// one that is not there nothing is made, and one of the same name made
	// later revives nothing.
	Under string
	// Replace overwrites a record that is there, and what hangs from it stays;
	// without it Create does nothing then.
	Replace bool

	Created bool // result
}

// Read returns a record.
type Read struct {
	Key Key
	// Extend, when set, makes the record live that long from now, but never
	// beyond its Life and never shorter than it would have.
	Extend time.Duration

	Fields Fields        // result: nil when there is no such record
	TTL    time.Duration // result: how long it would still live by itself
}

// Write sets fields of a record that is there, leaving the others and its
// lifetime as they are. An empty value removes the field. Two writers of
// different fields never lose each other's.
type Write struct {
	Key    Key
	Fields Fields

	Written bool // result: false when there is no such record
}

// Take consumes a record: of all the callers that ever take it, exactly one
// learns Taken. What was taken is remembered for Keep, so that a later caller
// can be told when it was used.
type Take struct {
	Key Key
	// By identifies this attempt: the same one may be repeated after a lost
	// answer and gets the same result. It must be random.
	By string
	// Keep is how long the spent record is remembered; default one minute.
	Keep time.Duration

	Outcome Outcome       // result
	Fields  Fields        // result: of a Taken or a Spent record
	At      time.Time     // result: when a Spent record was taken, by the store's clock
	TTL     time.Duration // result: how long a Taken record would still have lived
}

// Outcome is what became of a Take or a Rotate.
type Outcome int

// The outcomes.
const (
	Missing Outcome = iota // no such record, or what it hangs under is gone
	Taken                  // this call, and no other, has it
	Spent                  // somebody had it before
)

// Delete removes records of one or several names under one Tag.
type Delete struct {
	Tag   string
	Names []string

	Deleted int // result: how many were there
}

// Rotate replaces one field of a record by compare-and-swap: refresh-token
// rotation. When Field holds From it is set to To and the outcome is Taken;
// when From was rotated to To no longer than Grace ago the outcome is Taken
// again (a repetition); anything else presented ends the record, with outcome
// Spent (RFC 9700 section 4.14.2: reuse revokes the family).
type Rotate struct {
	Key      Key
	Field    string
	From, To string
	Grace    time.Duration
	// Extend is as of Read.
	Extend time.Duration

	Outcome Outcome // result
	Fields  Fields  // result, as they were before the rotation
}

// Hit counts an event and says whether it is still within bounds. It counts
// before the caller does anything, so that parallel callers cannot all pass.
type Hit struct {
	Key Key
	// Limit is how many events pass freely.
	Limit int
	// Window is how long the count is kept: from the first event, or, with
	// Pause, from the last one.
	Window time.Duration
	// Pause, when set, lets one more event pass each time a delay is over,
	// instead of none until the window ends: the delay is Pause after the
	// first event beyond Limit, doubles with each one that passes, and is
	// MaxPause at the most. Events that do not pass are not counted.
	Pause, MaxPause time.Duration
	// Back takes one event back that passed and did not come about: the count
	// and its pause are as before it.
	Back bool

	Allowed bool          // result
	Count   int           // result: events counted, this one included if it was
	Retry   time.Duration // result: when not Allowed, until one may pass
}

// Push puts an entry into a queue, to be pulled when After is over. An entry
// of the same ID is replaced. All of a queue is under one Tag.
type Push struct {
	Queue string
	ID    string
	Value string // may be empty: a queue is also an index with expiry
	After time.Duration
}

// Pull returns due entries, earliest first, and hides them for Lease: unless
// they are dropped by then, somebody else pulls them. It counts how often each
// entry was pulled.
type Pull struct {
	Queue string
	Max   int
	Lease time.Duration

	Entries []Entry // result
}

// Entry is one of a queue.
type Entry struct {
	ID, Value string
	Tries     int           // how often it was pulled
	Due       time.Duration // List only: from now, negative when overdue
}

// List returns all entries of a queue without changing anything.
type List struct {
	Queue string

	Entries []Entry // result, earliest first
}

// Drop removes entries from a queue.
type Drop struct {
	Queue string
	IDs   []string
	// Due drops instead every entry whose time has come: for an index whose
	// entries expire.
	Due bool
}

func (*Create) op() {}
func (*Read) op()   {}
func (*Write) op()  {}
func (*Take) op()   {}
func (*Delete) op() {}
func (*Rotate) op() {}
func (*Hit) op()    {}
func (*Push) op()   {}
func (*Pull) op()   {}
func (*List) op()   {}
func (*Drop) op()   {}
