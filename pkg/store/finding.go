package store

import "context"

// Pinger is implemented by stores that can be asked cheaply whether they
// answer: readiness. The error wraps ErrUnavailable.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Examiner is implemented by stores that can say what is wrong with how they
// are set up: the doctor. It never changes anything.
type Examiner interface {
	Examine(ctx context.Context) []Finding
}

// Finding is one line of the doctor: what was looked at and seen, and, when it
// is not OK, how to mend it.
type Finding struct {
	OK         bool
	What, Mend string
}
