package operator

import (
	"context"
	"errors"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
)

// What granting more time answers beside a Denied.
var (
	// ErrNotAsked: there is no request, or it was answered already.
	ErrNotAsked = errors.New("operator: nobody asks for more time")
	// ErrNoExtension: the end of accounts is kept elsewhere than in a directory
	// that can put it off.
	ErrNoExtension = errors.New("operator: the end of this account is kept elsewhere")
)

// Extend answers the request of an account for more time: granted, its end is
// put off in the directory and returned. Whoever asked was signed in, so nobody
// has to be verified. Errors: a Denied, ErrNotAsked, ErrNoExtension,
// lifecycle.ErrNoEnd, directory.ErrConflict, or a fault.
func (d *Desk) Extend(ctx context.Context, c Case, requests *lifecycle.Extensions, grant bool) (until account.Date, err error) {
	if _, _, err := d.open(ctx, c, Extend); err != nil {
		return until, err
	}
	asked, pending, err := requests.Of(ctx, c.Account)
	switch {
	case err != nil:
		return until, err
	case !pending:
		return until, ErrNotAsked
	case !grant:
		return until, requests.Settle(ctx, c.Account, false, c.Operator)
	}
	extendable, ok := d.Directory.(lifecycle.Extendable)
	if !ok {
		return until, ErrNoExtension
	}
	return requests.Grant(ctx, extendable, c.Account, asked.Months, c.Operator)
}
