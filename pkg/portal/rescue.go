package portal

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// noteContact keeps with the session which address is being proved: the attempt,
// until when, and where the code went.
const noteContact = "contact"

// proving is the address that somebody who is signed in is proving; the attempt
// is empty when there is none.
func proving(s *session.Session) (attempt, to string, until time.Time) {
	attempt, rest, _ := strings.Cut(s.Note(noteContact), " ")
	at, to, _ := strings.Cut(rest, " ")
	seconds, _ := strconv.ParseInt(at, 10, 64) // we wrote it
	return attempt, to, time.Unix(seconds, 0)
}

// ask sends a code to a rescue address, which takes the place of another; of
// none, when that is zero; one that is on file is only to be confirmed. The
// alert says what was wrong.
func (p *Portal) ask(r *http.Request, s *session.Session, from account.Contact) (*render.Alert, error) {
	typed := strings.TrimSpace(r.PostFormValue("address"))
	to, err := p.Recovery.Rescue(s.Account, typed)
	if err != nil {
		kind := account.Email
		if isNumber(typed) {
			kind = account.Phone
		}
		return &render.Alert{Key: badAddress(kind, err), Field: "address"}, nil
	}
	switch {
	case slices.Contains(s.Account.Contacts, to):
		from = to
	case from.Kind == to.Kind:
		to.Label = from.Label
	}
	begun, err := p.Recovery.BeginContact(r.Context(), s.Account, recovery.Change{From: from, To: to}, p.Pages.Language(r), web.ClientRange(r), web.ClientAddr(r).String())
	var slow *recovery.SlowDown
	switch {
	case errors.As(err, &slow):
		return p.slowDown(slow), nil
	case err != nil:
		return nil, err
	}
	s.SetNote(noteContact, begun.Attempt+" "+strconv.FormatInt(begun.Until.Unix(), 10)+" "+to.Value)
	return nil, nil
}

// isNumber reports whether somebody meant a telephone.
func isNumber(typed string) bool {
	return typed != "" && strings.Trim(typed, "+0123456789 .()-/\u00a0\u202f") == ""
}

// prove takes the code that the address got, and reads the account again. The
// alert says what was wrong.
func (p *Portal) prove(r *http.Request, s *session.Session) (*render.Alert, error) {
	attempt, _, _ := proving(s)
	reply := recovery.Reply{Attempt: attempt, Code: r.PostFormValue("code"), Source: web.ClientRange(r), Address: web.ClientAddr(r).String()}
	proved, err := p.Recovery.CompleteContact(r.Context(), s.Account.ID, reply)
	var slow *recovery.SlowDown
	switch {
	case errors.As(err, &slow):
		return p.slowDown(slow), nil
	case errors.Is(err, recovery.ErrWrong):
		return &render.Alert{Key: render.AlertBadCode, Field: "code"}, nil
	case errors.Is(err, recovery.ErrAddress): // the directory will not write it
		s.SetNote(noteContact, "")
		return &render.Alert{Key: render.AlertBadAddress, Field: "address"}, nil
	case errors.Is(err, directory.ErrConflict):
		s.SetNote(noteContact, "")
		return &render.Alert{Key: render.AlertConflict}, p.refresh(r, s)
	case err != nil:
		return nil, err
	}
	s.SetNote(noteContact, "")
	if proved.Kind == account.Email {
		if err := p.noteAddress(r.Context(), s.Account.ID); err != nil {
			return nil, err
		}
	}
	return nil, p.refresh(r, s)
}

// refresh reads the account of a session again, after it was changed.
func (p *Portal) refresh(r *http.Request, s *session.Session) error {
	a, err := p.Login.Directory.Get(r.Context(), s.Account.ID)
	if err == nil {
		s.Account = a
	}
	return err
}

// contacts are the rescue addresses of whoever is signed in.
func (p *Portal) contacts(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if !p.editable() {
		p.to(w, r, "/account")
		return
	}
	p.showContacts(w, r, s, p.own(r))
}

func (p *Portal) showContacts(w http.ResponseWriter, r *http.Request, s *session.Session, frame render.Frame) {
	doubtful, err := p.Recovery.Doubtful(r.Context(), s.Account.Contacts)
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	_, to, until := proving(s)
	view := render.Contacts{Frame: frame, SentTo: to, ValidUntil: until, Typed: r.PostFormValue("address"), Instead: r.PostFormValue("instead")}
	for i, c := range s.Account.Contacts {
		view.On = append(view.On, render.DeskContact{Index: i, Kind: string(c.Kind), Text: c.Value, Frozen: c.Frozen, Doubtful: slices.Contains(doubtful, c)})
	}
	p.Pages.Render(w, r, statusOf(bad(frame.Alert)), view)
}

// bad is an alert unless it is good news.
func bad(alert *render.Alert) *render.Alert {
	if alert != nil && alert.Good {
		return nil
	}
	return alert
}

func (p *Portal) postContacts(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if render.SwitchesLanguage(r) || !p.editable() {
		p.contacts(w, r, s)
		return
	}
	attempt, _, _ := proving(s)
	chosen := func(field string) account.Contact { // zero when none is meant
		i, err := strconv.Atoi(r.PostFormValue(field))
		if err != nil || i < 0 || i >= len(s.Account.Contacts) {
			return account.Contact{}
		}
		return s.Account.Contacts[i]
	}
	var alert *render.Alert
	var err error
	var news render.AlertKey
	switch {
	case r.PostFormValue("remove") != "":
		if gone := chosen("remove"); gone != (account.Contact{}) && len(s.Account.Contacts) > 1 && gone.Value == r.PostFormValue("value") {
			err = p.Recovery.ReplaceContact(r.Context(), s.Account, recovery.Change{From: gone}, "", web.ClientAddr(r).String())
			news = render.AlertContactSaved
		} else {
			alert = &render.Alert{Key: render.AlertConflict}
		}
		if errors.Is(err, directory.ErrConflict) {
			alert, err = &render.Alert{Key: render.AlertConflict}, nil
		}
		err = errors.Join(err, p.refresh(r, s))
	case r.PostFormValue("again") != "":
		s.SetNote(noteContact, "")
	case attempt != "":
		before := s.Account.Contacts
		alert, err = p.prove(r, s)
		news = render.AlertContactSaved
		if slices.Equal(before, s.Account.Contacts) {
			news = render.AlertContactConfirmed
		}
	default:
		alert, err = p.ask(r, s, chosen("instead"))
	}
	if err == nil {
		err = p.Sessions.Commit(r.Context(), w, s)
	}
	switch {
	case err != nil:
		p.Unavailable(w, r, err)
	case alert != nil:
		frame := p.own(r)
		frame.Alert = alert
		p.showContacts(w, r, s, frame)
	default:
		p.did(w, r, "/account/contacts", news)
	}
}
