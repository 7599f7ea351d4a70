package login

import (
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// Enter signs somebody in whose credentials a program brings, under the same
// limits as the form (R-AUTH-20). The session has no browser; the caller must
// Commit it. The error is ErrRejected, whatever is wrong with the credentials
// or the account, or a fault. Whoever has a Step before them is rejected: there
// is nobody to take it.
func (f *Flow) Enter(r *http.Request, c Credentials) (*session.Session, error) {
	hold := f.Hold(r.Context())
	a, err := f.check(r, c)
	if errors.Is(err, directory.ErrMustChange) {
		err = ErrRejected
	}
	var s *session.Session
	if err == nil {
		s = f.Sessions.Detached(a, "pwd")
		if !a.Status.MayLogin() || f.due(s) != nil {
			f.record(r, audit.Event{Action: "login", Result: "refused_" + string(a.Reason), Account: a.ID})
			err = ErrRejected
		}
	}
	if errors.Is(err, ErrRejected) {
		hold()
	}
	if err != nil {
		return nil, err
	}
	f.entered(r, s)
	return s, nil
}

// Behind returns the session that lies under what a program holds; nil when it
// has ended, its account was closed, or a Step is due in it. The key is that of
// Manager.Under. With a session come changes to be committed. Errors are as of
// Session.
func (f *Flow) Behind(r *http.Request, key store.Key) (*session.Session, error) {
	s, err := f.Sessions.Behind(r.Context(), key)
	if err != nil || s == nil {
		return nil, err
	}
	if open, err := f.look(r, s); err != nil || !open || f.due(s) != nil {
		return nil, err
	}
	return s, nil
}
