package operator

import (
	"context"
	"errors"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
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

// Asked is a request for more time, with the account as it is now.
type Asked struct {
	lifecycle.Extension
	Of account.Account
}

// Extensions returns the requests for more time that this operator may answer,
// the oldest first. Errors: a Denied, or one that wraps directory.ErrUnavailable
// or store.ErrUnavailable.
func (d *Desk) Extensions(ctx context.Context, c Case) (out []Asked, err error) {
	op, err := d.Enter(ctx, c)
	if err == nil && !d.Rules.May(op, Extend, d.now()) {
		err = d.refused(ctx, c, Extend, DeniedScope)
	}
	if err != nil {
		return nil, err
	}
	asked, err := d.Asking.List(ctx)
	if err != nil {
		return nil, err
	}
	children := d.children()
	for _, e := range asked {
		who, err := d.Directory.Get(ctx, e.Account)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		} else if err == nil {
			err = d.Rules.Allows(ctx, op, Extend, who, d.now(), children)
		}
		if denied := Denied(""); errors.As(err, &denied) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, Asked{e, who})
	}
	return out, nil
}

// Extend answers the request of an account for more time, and tells its owner:
// granted, its end is put off in the directory and returned. Whoever asked was
// signed in, so nobody has to be verified. Errors: a Denied, ErrNotAsked,
// ErrNoExtension, lifecycle.ErrNoEnd, directory.ErrConflict, or a fault.
func (d *Desk) Extend(ctx context.Context, c Case, grant bool) (until account.Date, err error) {
	_, who, err := d.open(ctx, c, Extend)
	if err != nil {
		return until, err
	}
	asked, pending, err := d.Asking.Of(ctx, c.Account)
	switch {
	case err != nil:
		return until, err
	case !pending:
		return until, ErrNotAsked
	case !grant:
		if err := d.Asking.Settle(ctx, c.Account, false, c.Operator); err != nil {
			return until, err
		}
		return until, d.tell(ctx, actRefuse, who)
	}
	extendable, ok := d.Directory.(lifecycle.Extendable)
	if !ok {
		return until, ErrNoExtension
	}
	if until, err = d.Asking.Grant(ctx, extendable, c.Account, asked.Months, c.Operator); err != nil {
		return until, err
	}
	who.Ends = until.Last()
	return until, d.tell(ctx, actExtend, who)
}
