package portal

import (
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// question lets whoever is signed in choose the question that adds to another
// proof (requirement R43). Nobody is ever shown an answer again.
func (p *Portal) question(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if p.Recovery.Choosable() == nil {
		p.to(w, r, "/account")
		return
	}
	p.showQuestion(w, r, s, p.own(r))
}

func (p *Portal) showQuestion(w http.ResponseWriter, r *http.Request, s *session.Session, frame render.Frame) {
	m, lang := p.Recovery.Choosable(), p.Pages.Language(r)
	view := render.Question{Frame: frame, Chosen: r.PostFormValue("question"), Typed: r.PostFormValue("answer")}
	if m.Offers(s.Account, recovery.Reset) {
		view.Present = m.Wording(s.Account, lang)
	}
	for _, c := range m.Choices(lang) {
		view.Choices = append(view.Choices, render.Choice{Value: c.Word, Name: c.Text})
		view.Chosen = or(view.Chosen, c.Word)
	}
	p.Pages.Render(w, r, statusOf(bad(frame.Alert)), view)
}

func (p *Portal) postQuestion(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if render.SwitchesLanguage(r) || p.Recovery.Choosable() == nil {
		p.question(w, r, s)
		return
	}
	err := p.Recovery.Choose(r.Context(), s.Account.ID, r.PostFormValue("question"), r.PostFormValue("answer"), web.ClientAddr(r).String())
	frame := p.own(r)
	switch {
	case errors.Is(err, recovery.ErrWrong):
		frame.Alert = &render.Alert{Key: render.AlertBadValue, Field: "answer"}
		p.showQuestion(w, r, s, frame)
		return
	case errors.Is(err, directory.ErrConflict):
		frame.Alert = &render.Alert{Key: render.AlertConflict}
		p.showQuestion(w, r, s, frame)
		return
	case err == nil:
		if err = p.refresh(r, s); err == nil {
			err = p.Sessions.Commit(r.Context(), w, s)
		}
	}
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.did(w, r, "/account/question", render.AlertQuestionSaved)
}
