package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Owner is somebody who knows the password that the account has: a proof like
// the others, of one change.
type Owner struct {
	whole whole
	proof string
	same  func(secret.String) bool // the password that there is
	// current is that password where the directory lets people in by it; it is
	// empty where it is too old for that, or not at hand.
	current secret.String
}

// Own proves by the current password whose account it is. A right password that
// must be changed is right; an empty one is wrong, and nobody is asked
// (R-AUTH-01). Tries are the caller's to bound, by the budget of the login form
// (R-AUTH-20). Errors: ErrWrong, a *State, or one that wraps
// directory.ErrUnavailable or store.ErrUnavailable.
func (f *Flow) Own(ctx context.Context, who account.ID, current secret.String) (*Owner, error) {
	if current.Empty() {
		return nil, ErrWrong
	}
	a, err := f.welcome(ctx, who)
	if err != nil {
		return nil, err
	}
	switch err := f.Directory.Authenticate(ctx, a, current); {
	case err == nil:
		o, err := f.own(ctx, a, current.Equal)
		if err == nil {
			o.current = current
		}
		return o, err
	case errors.Is(err, directory.ErrMustChange):
		return f.own(ctx, a, current.Equal)
	case errors.Is(err, directory.ErrBadPassword), errors.Is(err, directory.ErrLocked):
		return nil, ErrWrong
	default:
		return nil, err
	}
}

// Entered is Own for somebody who signed in a moment ago by the password that
// there is: the caller has made sure of it, and same reports whether another is
// that one.
func (f *Flow) Entered(ctx context.Context, who account.ID, same func(secret.String) bool) (*Owner, error) {
	a, err := f.welcome(ctx, who)
	if err != nil {
		return nil, err
	}
	return f.own(ctx, a, same)
}

// welcome reads the account of somebody, who must be one that may sign in.
func (f *Flow) welcome(ctx context.Context, who account.ID) (account.Account, error) {
	a, err := f.Directory.Get(ctx, who)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return a, ErrState
	case err == nil && !a.Status.MayLogin():
		return a, &State{a.Reason, a.Ends}
	}
	return a, err
}

func (f *Flow) own(ctx context.Context, a account.Account, same func(secret.String) bool) (*Owner, error) {
	text, record := f.proofs().Issue(store.Key{}, store.Fields{fieldAccount: string(a.ID), fieldPurpose: string(Reset)})
	if err := f.Store.Do(ctx, record); err != nil {
		return nil, err
	}
	return &Owner{whole: whole{proven{fields: record.Fields, key: record.Key, purpose: Reset, account: a}}, proof: text, same: same}, nil
}

// ChangeOwn gives the owner's account a new password, under all rules that the
// directory has for who changes theirs. All sessions end but the one that stays,
// named as by session.Manager.Under (R-SESS-05), and all addresses are told
// (R36). Errors: those of Complete, and ErrWrong when the password was changed
// elsewhere since Own.
func (f *Flow) ChangeOwn(ctx context.Context, o *Owner, chosen secret.String, stays store.Key, address string) error {
	if o.same(chosen) {
		return &Refused{texts([]password.Reason{password.InHistory})}
	}
	if reasons := f.Policy.Check(chosen, password.ContextOf(o.whole.account)); len(reasons) > 0 {
		return &Refused{texts(reasons)}
	}
	err := f.act(ctx, o.whole, o.proof, act{name: "change", notice: NoticeChanged, address: address, stays: stays,
		do: func() error { return f.change(ctx, o.whole, o.current, chosen) }})
	var rejection *directory.Rejection
	switch {
	case errors.As(err, &rejection):
		return refusedBy(rejection)
	case errors.Is(err, directory.ErrBadPassword):
		return ErrWrong
	case err != nil:
		return fmt.Errorf("recovery: own password: %w", err)
	}
	return nil
}
