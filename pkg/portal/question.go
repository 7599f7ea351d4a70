package portal

import (
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// chosen is what somebody chose and typed of a secret question.
type chosen struct {
	alert        *render.Alert
	word, answer string
}

func choice(r *http.Request) chosen {
	return chosen{word: r.PostFormValue("question"), answer: r.PostFormValue("answer")}
}

// question lets whoever is signed in choose the question that adds to another
// proof (requirement R43). Nobody is ever shown an answer again.
func (p *Portal) question(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if p.Recovery.Choosable() == nil {
		p.to(w, r, "/account")
		return
	}
	p.showQuestion(w, r, s, render.Question{Frame: p.own(r)}, choice(r))
}

func (p *Portal) showQuestion(w http.ResponseWriter, r *http.Request, s *session.Session, view render.Question, c chosen) {
	m, lang := p.Recovery.Choosable(), p.Pages.Language(r)
	if c.alert != nil {
		view.Alert = c.alert
	}
	view.Chosen, view.Typed = c.word, c.answer
	if m.Offers(s.Account, recovery.Reset) {
		view.Present = m.Wording(s.Account, lang)
	}
	for _, each := range m.Choices(lang) {
		view.Choices = append(view.Choices, render.Choice{Value: each.Word, Name: each.Text})
		view.Chosen = or(view.Chosen, each.Word)
	}
	p.Pages.Render(w, r, statusOf(bad(view.Alert)), view)
}

func (p *Portal) postQuestion(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if render.SwitchesLanguage(r) || p.Recovery.Choosable() == nil {
		p.question(w, r, s)
		return
	}
	c, err := p.choose(r, s)
	if err == nil && c.alert == nil {
		err = p.Sessions.Commit(r.Context(), w, s)
	}
	switch {
	case err != nil:
		p.Unavailable(w, r, err)
	case c.alert != nil:
		p.showQuestion(w, r, s, render.Question{Frame: p.own(r)}, c)
	default:
		p.did(w, r, "/account/question", render.AlertQuestionSaved)
	}
}

// choose keeps what was chosen, and reads the account again. The alert says what
// was wrong.
func (p *Portal) choose(r *http.Request, s *session.Session) (chosen, error) {
	c := choice(r)
	err := p.Recovery.Choose(r.Context(), s.Account.ID, c.word, c.answer, web.ClientAddr(r).String())
	switch {
	case errors.Is(err, recovery.ErrWrong):
		c.alert = &render.Alert{Key: render.AlertBadValue, Field: "answer"}
	case errors.Is(err, directory.ErrConflict):
		c.alert = &render.Alert{Key: render.AlertConflict}
	case err != nil:
		return c, err
	default:
		return c, p.refresh(r, s)
	}
	return c, nil
}

// asking is the step of the secret question: of whoever has chosen none.
type asking struct{ *Portal }

func (asking) Name() string { return "question" }

func (p asking) Due(s *session.Session) bool {
	return !p.Recovery.Choosable().Offers(s.Account, recovery.Reset)
}

func (p asking) Show(w http.ResponseWriter, r *http.Request, s *session.Session, form login.StepForm) {
	back, _ := form.Again.(chosen)
	p.showQuestion(w, r, s, render.Question{Frame: stepFrame(p, form), Step: true, Current: p.asksCurrent(s)}, back)
}

func (p asking) Take(r *http.Request, s *session.Session) (any, error) {
	c := choice(r)
	if render.SwitchesLanguage(r) {
		return c, nil
	}
	var err error
	if c.alert, err = p.again(r, s); c.alert != nil || err != nil {
		return c, err
	}
	return p.choose(r, s)
}
