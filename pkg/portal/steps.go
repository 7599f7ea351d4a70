package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
)

// Steps are what a site puts between credentials and entering, beside what the
// account itself asks for.
type Steps struct {
	// Notes is the attribute of the directory in which it is kept who has taken
	// which step, of several values, read and editable. Address needs it.
	// Without it the charter is asked for at activation only.
	Notes string `json:"notes"`
	// Charter is asked for at activation, and at login of whoever has not
	// accepted it.
	Charter *Terms `json:"charter"`
	// Address asks for a rescue address that is proved, and asks again later on
	// (requirement R21).
	Address *Rescue `json:"address"`
	// Question has people choose their secret question, who have none: without
	// it a recovery that asks for one opens to nobody (requirement R43).
	Question bool `json:"question"`
}

// Terms are a charter to accept.
type Terms struct {
	// Version is asked for once: another one is asked for again.
	Version string `json:"version"`
	URL     string `json:"url"`
}

// Rescue is how a rescue address is asked for.
type Rescue struct {
	// Later is how often it may be put off, once a session; then it must be
	// given.
	Later int `json:"later"`
	// Every is how long a proof counts; a year when unset.
	Every plugin.Duration `json:"every"`
}

// The names of notes.
const (
	notedCharter = "charter"
	notedAddress = "address" // the day of the proof
	notedLater   = "later"   // how often it was put off since
)

// Steps are the steps of this house, in order. An error names the key: what
// cannot be kept cannot be asked for.
func (p *Portal) Steps(c Steps) ([]login.Step, error) {
	var steps []login.Step
	if p.Recovery != nil {
		steps = append(steps, mustChange{p})
	}
	steps = append(steps, login.GraceNotice{Pages: p, More: "/account/extend"})
	noted, err := p.notedSteps(c)
	if err != nil {
		return nil, err
	}
	steps = append(steps, noted...)
	if c.Question {
		if p.Recovery == nil || p.Recovery.Choosable() == nil {
			return nil, plugin.At("question", errors.New("needs {type: question} under recovery.methods, and its attribute among directory.attributes.release and .editable"))
		}
		steps = append(steps, asking{p})
	}
	return steps, nil
}

// notedSteps are those of which it is kept in the directory who has taken them.
func (p *Portal) notedSteps(c Steps) (steps []login.Step, err error) {
	if c.Charter != nil {
		if u, err := url.Parse(c.Charter.URL); err != nil || u.Host == "" || c.Charter.Version == "" {
			return nil, plugin.At("charter", errors.New(`needs a version, like "2026-09", and the url of its text`))
		}
		if p.Recovery != nil {
			p.Recovery.Charter = c.Charter.URL
		}
	}
	if c.Address == nil && (c.Charter == nil || c.Notes == "" && p.Recovery != nil) {
		return nil, nil
	}
	editable, ok := p.Login.Directory.(interface {
		directory.Reader
		directory.Editor
	})
	reads, selects := p.Login.Directory.(directory.Selecting)
	switch {
	case c.Notes == "":
		return nil, plugin.At("notes", errors.New("is missing: charter and address are kept in an attribute of the directory; name one, like notes: description"))
	case !ok:
		return nil, plugin.At("notes", errors.New("this directory can be changed in nothing but passwords: leave charter and address out"))
	case selects && !reads.Reads(c.Notes):
		return nil, plugin.At("notes", errors.New("is not read from the directory; add it to directory.attributes.release and to directory.attributes.editable"))
	}
	kept := notes{editable, c.Notes}
	p.asks, p.notes = c, kept
	if c.Charter != nil {
		steps = append(steps, charter{p, kept, *c.Charter})
	}
	if c.Address != nil {
		if p.Recovery == nil || !p.Recovery.Proves(account.Email) {
			return nil, plugin.At("address", errors.New("needs a way to send a code; add one under recovery.methods, like {type: emaillink}"))
		}
		if c.Address.Later < 0 {
			return nil, plugin.At("address.later", errors.New("must not be negative"))
		}
		steps = append(steps, rescue{p, kept, *c.Address})
	}
	return steps, nil
}

// mustChange is the step of a password that must be changed: by whoever has just
// typed it, or can type it once more.
type mustChange struct{ *Portal }

func (mustChange) Name() string { return login.StepPassword }

func (mustChange) Due(s *session.Session) bool { return login.MustChange(s) }

func (p mustChange) Show(w http.ResponseWriter, r *http.Request, s *session.Session, form login.StepForm) {
	frame := stepFrame(p, form)
	left, expired := login.Expired(s)
	p.showOwnPassword(w, r, statusOf(frame.Alert), s, render.NewPassword{Frame: frame, Must: true, Expired: expired, Left: left, Current: p.Login.JustTyped(s) == nil})
}

func (p mustChange) Take(r *http.Request, s *session.Session) (any, error) {
	if render.SwitchesLanguage(r) {
		return nil, nil
	}
	var owner *recovery.Owner
	var err error
	if same := p.Login.JustTyped(s); same != nil {
		owner, err = p.Recovery.Entered(r.Context(), s.Account.ID, same)
	} else {
		owner, err = p.present(r, s)
	}
	alert, err := p.changeOwn(r, s, owner, err)
	if alert == nil && err == nil {
		login.Changed(s)
	}
	return alert, err
}

// charter is the step of the terms.
type charter struct {
	*Portal
	notes notes
	terms Terms
}

func (charter) Name() string { return "charter" }

func (p charter) Due(s *session.Session) bool {
	return p.notes.of(s.Account, notedCharter) != p.terms.Version
}

func (p charter) Show(w http.ResponseWriter, r *http.Request, _ *session.Session, form login.StepForm) {
	frame := stepFrame(p, form)
	p.Pages.Render(w, r, statusOf(frame.Alert), render.Charter{Frame: frame, URL: p.terms.URL})
}

func (p charter) Take(r *http.Request, s *session.Session) (any, error) {
	if render.SwitchesLanguage(r) {
		return nil, nil
	}
	if r.PostFormValue("charter") == "" {
		return &render.Alert{Key: render.AlertTerms, Field: "charter"}, nil
	}
	if err := p.accepted(r, s.Account.ID); err != nil {
		return nil, err
	}
	return nil, p.refresh(r, s)
}

// rescue is the step of the rescue address.
type rescue struct {
	*Portal
	notes  notes
	config Rescue
}

// noteLater says that it was put off in this session.
const noteLater = "later"

const year = 365 * 24 * time.Hour

func (rescue) Name() string { return "address" }

// unreachable reports whether nothing can be sent to an account.
func unreachable(a account.Account) bool {
	return !slices.ContainsFunc(a.Contacts, func(c account.Contact) bool { return !c.Frozen })
}

func (p rescue) Due(s *session.Session) bool {
	if s.Note(noteLater) != "" {
		return false
	}
	proved, err := time.ParseInLocation(time.DateOnly, p.notes.of(s.Account, notedAddress), account.Place)
	return err != nil || unreachable(s.Account) || p.now().Sub(proved) > p.config.Every.Or(year)
}

// left is how often it may still be put off.
func (p rescue) left(a account.Account) int {
	used, _ := strconv.Atoi(p.notes.of(a, notedLater)) // nothing is none
	return max(0, p.config.Later-used)
}

func (p rescue) Show(w http.ResponseWriter, r *http.Request, s *session.Session, form login.StepForm) {
	back, _ := form.Again.(retyped)
	frame := stepFrame(p, form)
	frame.Alert = back.alert
	_, to, until := proving(s)
	view := render.Rescue{Frame: frame, SentTo: to, ValidUntil: until, Later: p.left(s.Account), Current: p.asksCurrent(s)}
	if on := s.Account.Reach(account.Email); len(on) > 0 {
		view.Typed, view.Known = on[0].Value, true
	}
	view.Typed = or(back.address, view.Typed)
	p.Pages.Render(w, r, statusOf(frame.Alert), view)
}

// retyped is what goes back to the form of the address: what was wrong, if
// anything was, and what was typed.
type retyped struct {
	alert   *render.Alert
	address string
}

func (p rescue) Take(r *http.Request, s *session.Session) (any, error) {
	_, to, _ := proving(s)
	alert, err := p.take(r, s)
	return retyped{alert, or(r.PostFormValue("address"), to)}, err
}

func (p rescue) take(r *http.Request, s *session.Session) (*render.Alert, error) {
	attempt, _, _ := proving(s)
	switch {
	case render.SwitchesLanguage(r):
		return nil, nil
	case r.PostFormValue("later") != "":
		return nil, p.later(r, s)
	case r.PostFormValue("again") != "":
		s.SetNote(noteContact, "")
		return nil, nil
	case attempt == "" && isNumber(r.PostFormValue("address")): // it would take the place of the mail address
		return &render.Alert{Key: render.AlertBadAddress, Field: "address"}, nil
	case attempt == "":
		if alert, err := p.again(r, s); alert != nil || err != nil {
			return alert, err
		}
		var from account.Contact
		if on := s.Account.Reach(account.Email); len(on) > 0 {
			from = on[0]
		}
		return p.ask(r, s, from)
	}
	return p.prove(r, s)
}

// later puts it off, as often as that is allowed.
func (p rescue) later(r *http.Request, s *session.Session) error {
	left := p.left(s.Account)
	if left == 0 {
		return nil
	}
	a, err := p.notes.write(r.Context(), s.Account.ID, notedLater, strconv.Itoa(p.config.Later-left+1))
	if err == nil {
		s.Account = a
		s.SetNote(noteLater, "yes")
	}
	return err
}

func statusOf(alert *render.Alert) int {
	if alert == nil {
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}
