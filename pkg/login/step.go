package login

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
)

// Step is something that a person must read or do between the credentials and
// whatever is entered with them: a charter, a rescue address. While one is due
// the session opens nothing, on no path and by no protocol, however often
// somebody comes back with it.
type Step interface {
	// Name tells the steps apart. It is kept in forms.
	Name() string
	// Due reports whether it is still before the person. It is asked for every
	// request that wants a session, so it looks at the session only.
	Due(s *session.Session) bool
	// Show answers with the page. Its form posts form.State and the name of
	// the step to /login/continue.
	Show(w http.ResponseWriter, r *http.Request, s *session.Session, form StepForm)
	// Take answers the posted form. Afterwards the step must be due no more,
	// or it is shown again with what Take returned; or that was an Elsewhere. An
	// error becomes a 503.
	Take(r *http.Request, s *session.Session) (again any, err error)
}

// Elsewhere is the local path to which somebody wants to go from a step, instead
// of where they were going.
type Elsewhere string

// StepForm is what the page of a step shows.
type StepForm struct {
	Request
	// State must come back as the form's field of this name.
	State string
	// Again is what Take returned, when the page is shown again.
	Again any
}

// StepPassword is the name of the step that changes a password which must be.
// Without such a step the person is refused with the reason.
const StepPassword = "password"

// noteMustChange says that the password which was given must be changed, by a
// mark that tells it from others and from which nobody can learn it. What the
// directory says of the account without a password is in the snapshot.
const noteMustChange = "must_change"

// MustChange reports whether the account's password must be changed before
// anything else, and Changed that it was.
func MustChange(s *session.Session) bool {
	return s.Note(noteMustChange) != "" || s.Account.MustChange
}

// noteExpired says of a password that must be changed that it is too old, and how
// often it can still be given.
const noteExpired = "expired"

// noteExpiry notes what the answer of the directory says of that.
func noteExpiry(s *session.Session, answer error) {
	if why := new(directory.MustChange); errors.As(answer, &why) && why.Expired {
		s.SetNote(noteExpired, strconv.Itoa(why.GraceLogins))
	}
}

// Expired reports whether a password must be changed because it is too old, and
// how often it can still be given before it is good for nothing; zero when the
// directory does not say.
func Expired(s *session.Session) (left int, expired bool) {
	note := s.Note(noteExpired)
	left, _ = strconv.Atoi(note) // we wrote it
	return left, note != ""
}

// Changed notes that the password was changed in this session.
func Changed(s *session.Session) {
	s.SetNote(noteMustChange, "")
	s.SetNote(noteExpired, "")
	s.Account.MustChange = false // as it was read before
}

// JustTyped returns what tells whether another password is the one that was
// given for this session and must be changed. It is nil when none was, or not a
// moment ago: then it must be given again.
func (f *Flow) JustTyped(s *session.Session) func(other secret.String) bool {
	mark := s.Note(noteMustChange)
	if mark == "" || f.now().Sub(s.AuthTime) > noticeTime {
		return nil
	}
	return func(other secret.String) bool { return f.markOf(s.Account.ID, other) == mark }
}

func (f *Flow) markOf(id account.ID, password secret.String) string {
	return f.Keys.Deriver("login must change").Text(22, string(id), password.Reveal())
}

// due returns the first step that is before the person, nil when there is none.
func (f *Flow) due(s *session.Session) Step {
	for _, step := range f.Steps {
		if step.Due(s) {
			return step
		}
	}
	return nil
}

func (f *Flow) has(name string) bool {
	for _, step := range f.Steps {
		if step.Name() == name {
			return true
		}
	}
	return false
}

// show walks the person to a step: the caller's request is answered.
func (f *Flow) show(w http.ResponseWriter, r *http.Request, s *session.Session, req Request, step Step) {
	if s.FromCredentials {
		s.SetNote(noteFresh, secret.Hash(req.URL))
	}
	posted := s.JustStarted()
	if err := f.Sessions.Commit(r.Context(), w, s); err != nil {
		f.Pages.Unavailable(w, r, err)
		return
	}
	if posted {
		// A step is a page with a URL of its own: it can be reloaded.
		http.Redirect(w, r, f.Base+req.URL, http.StatusSeeOther)
		return
	}
	form := StepForm{Request: req, State: f.seal(w, r, req)}
	if back, ok := r.Context().Value(againKey{}).(again); ok && back.step == step.Name() {
		form.Again = back.answer
	}
	step.Show(w, r, s, form)
}

// FieldStep is the field that names the step of a posted form.
const FieldStep = "step"

// Continue answers the posted form of a step.
func (f *Flow) Continue(w http.ResponseWriter, r *http.Request, state string) {
	from, ours := f.unseal(r, state)
	s, err := f.Sessions.Current(r)
	if err != nil {
		f.Pages.Unavailable(w, r, err)
		return
	}
	// The first one that is due, whatever the form says: none is passed by
	// posting a later one. A form of one that is done is an old page.
	if s != nil && ours {
		if step := f.due(s); step != nil && step.Name() == r.PostFormValue(FieldStep) {
			answer, err := step.Take(r, s)
			if err != nil {
				f.Pages.Unavailable(w, r, err)
				return
			}
			if to, ok := answer.(Elsewhere); ok {
				if err := f.Sessions.Commit(r.Context(), w, s); err != nil {
					f.Pages.Unavailable(w, r, err)
					return
				}
				http.Redirect(w, r, f.Base+string(to), http.StatusSeeOther)
				return
			}
			if step.Due(s) {
				f.back(w, r, from.URL, again{step: step.Name(), answer: answer})
				return
			}
		}
	}
	f.resume(w, r, from.URL)
}

// GraceNotice tells somebody in grace, once in a session, when the account
// ends, and leads to where more time is asked for (requirement R13).
type GraceNotice struct {
	// More is that path: the way of a form with the field FieldMore.
	More  Elsewhere
	Pages interface {
		GraceNotice(w http.ResponseWriter, r *http.Request, a account.Account, form StepForm)
	}
}

// Name implements Step.
func (GraceNotice) Name() string { return "grace" }

// Due implements Step.
func (GraceNotice) Due(s *session.Session) bool {
	return s.Account.Status == account.Grace && s.Note(noteGrace) == ""
}

// Show implements Step.
func (n GraceNotice) Show(w http.ResponseWriter, r *http.Request, s *session.Session, form StepForm) {
	n.Pages.GraceNotice(w, r, s.Account, form)
}

// FieldMore is the field of a form in which somebody asks for more time.
const FieldMore = "more"

// Take implements Step.
func (n GraceNotice) Take(r *http.Request, s *session.Session) (any, error) {
	s.SetNote(noteGrace, "seen")
	if n.More != "" && r.PostFormValue(FieldMore) != "" {
		return n.More, nil
	}
	return nil, nil
}

// noteGrace says that the end of the account was shown.
const noteGrace = "grace"
