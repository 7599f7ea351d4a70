package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// ErrNoEnd says that an account has no end to put off: it is closed, or a grace
// follows by itself.
var ErrNoEnd = errors.New("lifecycle: the account has no end that could be put off")

// Extendable is a directory in which the end of an account can be put off.
type Extendable interface {
	directory.Reader
	directory.Extender
}

// Extensible reports whether an account has an end that could be put off. Where
// a grace follows by itself it is that of the grace, once it has begun.
func Extensible(a account.Account) bool {
	return a.Status.MayLogin() && !a.Ends.IsZero() && a.Closes.IsZero()
}

// Grant puts the end of an account off by so many months, in the directory, and
// settles the request for it. By is the operator. It returns the new last day.
// Errors: ErrNoEnd, directory.ErrConflict when the end was changed in the
// meantime, or a fault; the request waits on then.
func (x *Extensions) Grant(ctx context.Context, d Extendable, id account.ID, months int, by account.ID) (account.Date, error) {
	a, err := d.Get(ctx, id)
	if err != nil {
		return account.Date{}, err
	}
	if !Extensible(a) || months < 1 {
		return account.Date{}, ErrNoEnd
	}
	from := account.DateOf(a.Ends)
	until := from.AddMonths(months)
	if err := d.Extend(ctx, id, from, until); err != nil {
		return account.Date{}, fmt.Errorf("lifecycle: grant: %w", err)
	}
	return until, x.Settle(ctx, id, true, by)
}
