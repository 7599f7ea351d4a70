package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// ErrNoEnd says that an account has no end to put off, or is closed.
var ErrNoEnd = errors.New("lifecycle: the account has no end that could be put off")

// Extendable is a directory in which the end of an account can be put off.
type Extendable interface {
	directory.Reader
	directory.Extender
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
	if a.Ends.IsZero() || !a.Status.MayLogin() || months < 1 {
		return account.Date{}, ErrNoEnd
	}
	year, month, day := a.Ends.In(account.Place).Date()
	from := account.Date{Year: year, Month: month, Day: day}
	until := later(from, months)
	if err := d.Extend(ctx, id, from, until); err != nil {
		return account.Date{}, fmt.Errorf("lifecycle: grant: %w", err)
	}
	return until, x.Settle(ctx, id, true, by)
}

// later is the same day so many months on, or the last one of a shorter month.
func later(d account.Date, months int) account.Date {
	first := time.Date(d.Year, d.Month+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return account.Date{Year: first.Year(), Month: first.Month(), Day: min(d.Day, last)}
}
