// Package directory is the port to where accounts live.
package directory

import (
	"context"
	"errors"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
)

// Env is what the site gives to its directory when it is opened.
type Env struct {
	// Mobile turns a number as it is written in the directory into E.164, by
	// the site's own plan (sms.Plan); nil is that of France. An error: no text
	// message goes there.
	Mobile func(written string) (string, error)
}

// What a directory answers. Errors of a plugin wrap one of these;
// anything else is a fault to be logged. No error holds a password.
var (
	// ErrNotFound: no account, or more than one (requirement R2: two matches
	// are treated exactly as none).
	ErrNotFound = errors.New("no such account")
	// ErrAmbiguous goes with ErrNotFound when it is more than one: for the audit
	// log and the desk, not for the visitor.
	ErrAmbiguous = errors.New("more than one account")
	// ErrBadPassword: the password is wrong, or the account has none.
	ErrBadPassword = errors.New("wrong password")
	// ErrLocked: the directory itself refuses logins for now (too many
	// failures).
	ErrLocked = errors.New("account locked by the directory")
	// ErrMustChange: the password is right, but must be changed before
	// anything else, or has expired. The error may be a *MustChange.
	ErrMustChange = errors.New("password must be changed")
	// ErrRejected: a new password was refused by the directory's own policy.
	// The error is a *Rejection.
	ErrRejected = errors.New("password rejected by the directory")
	// ErrUnavailable: the directory could not be asked or did not answer in
	// time. It becomes a 503 and counts as no failure of the person.
	ErrUnavailable = errors.New("directory unavailable")
)

// Rejection is why a directory refused a new password.
type Rejection struct {
	// Why is one of "too_short", "in_history", "too_young", "weak", "other".
	Why string
}

func (r *Rejection) Error() string { return ErrRejected.Error() + ": " + r.Why }

// Is makes errors.Is(err, ErrRejected) true.
func (*Rejection) Is(target error) bool { return target == ErrRejected }

// MustChange is why a right password must be changed.
type MustChange struct {
	// Expired: it is too old; else somebody asked for a change.
	Expired bool
	// GraceLogins is how often the directory still accepts it (draft-behera-
	// ldap-password-policy section 6.2); this time does not count any more.
	GraceLogins int
}

func (m *MustChange) Error() string { return ErrMustChange.Error() }

// Is makes errors.Is(err, ErrMustChange) true.
func (*MustChange) Is(target error) bool { return target == ErrMustChange }

type freshKey struct{}

// Fresh is ctx for an operation on what was changed a moment ago: it must be
// asked where changes are made, and not of a replica that may lag behind.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// IsFresh reports whether ctx is of Fresh.
func IsFresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }

// Reader finds accounts and checks passwords. Implementations are safe for
// concurrent use, honour the end of ctx, and pass directorytest.Run.
type Reader interface {
	// Find looks a login up by every name the directory is configured for. The
	// login is what somebody typed; the account carries the stored values.
	Find(ctx context.Context, login string) (account.Account, error)
	// Get reads an account afresh.
	Get(ctx context.Context, id account.ID) (account.Account, error)
	// Authenticate checks a password for an account that Find or Get returned.
	// Nil means that it is right and says nothing about the account's status:
	// the caller must look at that too, since a locked person can often still
	// bind. An empty password is ErrBadPassword and reaches no server (RFC
	// 4513 section 5.1.2).
	Authenticate(ctx context.Context, a account.Account, password secret.String) error
}

// Writer changes accounts. Each call is the directory's final answer: nil only
// when the change was made.
type Writer interface {
	// SetPassword gives the account a new password, as administrator.
	SetPassword(ctx context.Context, id account.ID, password secret.String) error
	// Activate makes a Pending account Active; for others it does nothing.
	Activate(ctx context.Context, id account.ID) error
	// Unlock lifts the lock that the directory itself put after too many
	// failures. It never lifts an administrative one.
	Unlock(ctx context.Context, id account.ID) error
}

// Changer is implemented by directories in which people can change their own
// password themselves, without the rights of an administrator and under all of
// the directory's rules, on age and history for instance.
type Changer interface {
	// ChangePassword is ErrBadPassword when the old password is wrong, a
	// *Rejection when the new one is refused, and errors.ErrUnsupported where
	// only an administrator changes passwords after all.
	ChangePassword(ctx context.Context, a account.Account, old, chosen secret.String) error
}

// Directory is both.
type Directory interface {
	Reader
	Writer
}

// Pinger is implemented by directories that can say whether they are
// reachable, for readiness and the doctor. The error tells an operator what to
// do.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Finding is one line of a doctor's report.
type Finding struct {
	OK   bool
	What string // what was looked at
	Mend string // when not OK: what the operator should do
}

// Examiner is implemented by directories that can examine themselves for
// `loge check`: rights, schema, indexes, clock.
type Examiner interface {
	Examine(ctx context.Context) []Finding
}
