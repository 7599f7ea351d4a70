package desk

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// ask is the form of those who have no other way in.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request) { p.showAsk(w, r, http.StatusOK, nil) }

func (p *Pages) showAsk(w http.ResponseWriter, r *http.Request, status int, alert *render.Alert) {
	view := render.HelpRequest{Frame: render.Frame{NoDoors: true, Alert: alert}, Need: r.PostFormValue("need"), Name: r.PostFormValue("name"),
		Number: r.PostFormValue("number"), Reach: r.PostFormValue("reach")}
	for _, need := range operator.Needs() {
		view.Needs = append(view.Needs, string(need))
	}
	p.Pages.Render(w, r, status, view)
}

// maxTyped is the most bytes of a field: more than any name has.
const maxTyped = 200

func (p *Pages) postAsk(w http.ResponseWriter, r *http.Request) {
	typed := func(field string) string { return strings.TrimSpace(r.PostFormValue(field)) }
	q := operator.Request{Need: operator.Need(typed("need")), Name: typed("name"), Number: typed("number"), Reach: typed("reach"), Language: p.Pages.Language(r)}
	missing := func(field string) {
		p.showAsk(w, r, http.StatusBadRequest, &render.Alert{Key: render.AlertMissing, Field: field})
	}
	switch {
	case render.SwitchesLanguage(r):
		p.showAsk(w, r, http.StatusOK, nil)
	case q.Name == "" || len(q.Name) > maxTyped || len(q.Number) > maxTyped:
		missing("name")
	case !operator.Answers(q.Reach) || len(q.Reach) > maxTyped:
		p.showAsk(w, r, http.StatusBadRequest, &render.Alert{Key: render.AlertReach, Field: "reach"})
	case !slices.Contains(operator.Needs(), q.Need):
		missing("need")
	default:
		err := p.Desk.Ask(r.Context(), q, web.ClientRange(r), web.ClientAddr(r).String())
		switch {
		case errors.Is(err, operator.ErrTooMany):
			p.showAsk(w, r, http.StatusTooManyRequests, &render.Alert{Key: render.AlertRequests})
		case err != nil:
			p.Unavailable(w, r, err)
		default:
			http.Redirect(w, r, p.Pages.URL("/help/asked"), http.StatusSeeOther)
		}
	}
}

func (p *Pages) asked(w http.ResponseWriter, r *http.Request) {
	p.Pages.Render(w, r, http.StatusOK, render.HelpAsked{Frame: render.Frame{NoDoors: true}})
}

func (p *Pages) queue(w http.ResponseWriter, r *http.Request, s *session.Session) {
	p.showQueue(w, r, s, http.StatusOK, nil)
}

func (p *Pages) showQueue(w http.ResponseWriter, r *http.Request, s *session.Session, status int, alert *render.Alert) {
	waiting, err := p.Desk.Waiting(r.Context(), p.of(r, s, ""))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := render.DeskRequests{Frame: render.Frame{NoDoors: true, Alert: alert}}
	for _, q := range waiting {
		view.Requests = append(view.Requests, render.DeskRequest{ID: q.ID, At: q.At, Need: string(q.Need), Name: q.Name, Number: q.Number, Reach: q.Reach,
			Mine: q.TakenBy == s.Account.ID, Taker: q.Taker})
	}
	for _, how := range operator.Outcomes() {
		view.Outcomes = append(view.Outcomes, string(how))
	}
	p.Pages.Render(w, r, status, view)
}

func (p *Pages) postQueue(w http.ResponseWriter, r *http.Request, s *session.Session) {
	c, id, do := p.of(r, s, ""), r.PostFormValue("id"), r.PostFormValue("do")
	var err error
	switch do {
	case "take":
		err = p.Desk.Take(r.Context(), c, id)
	case "release":
		err = p.Desk.Release(r.Context(), c, id)
	default:
		err = p.Desk.Finish(r.Context(), c, id, operator.Outcome(do))
	}
	switch {
	case err == nil:
		http.Redirect(w, r, p.Pages.URL("/desk/requests"), http.StatusSeeOther)
	case errors.Is(err, operator.ErrTaken):
		p.showQueue(w, r, s, http.StatusConflict, &render.Alert{Key: render.AlertDeskTaken})
	case errors.Is(err, operator.ErrGone), errors.Is(err, operator.ErrReason):
		p.showQueue(w, r, s, http.StatusConflict, &render.Alert{Key: render.AlertDeskGone})
	default:
		p.failed(w, r, err)
	}
}
