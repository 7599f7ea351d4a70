package desk

import (
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
)

// answered is what the page says after a request was answered, by the name that
// the redirect gives it.
var answered = map[string]render.AlertKey{"granted": render.AlertDeskGranted, "refused": render.AlertDeskRefused}

func (p *Pages) extensions(w http.ResponseWriter, r *http.Request, s *session.Session) {
	var alert *render.Alert
	if key, ok := answered[r.URL.Query().Get("news")]; ok {
		alert = &render.Alert{Key: key, Good: true}
	}
	p.showExtensions(w, r, s, http.StatusOK, alert)
}

func (p *Pages) showExtensions(w http.ResponseWriter, r *http.Request, s *session.Session, status int, alert *render.Alert) {
	asked, err := p.Desk.Extensions(r.Context(), p.of(r, s, ""))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	view := render.DeskExtensions{Frame: render.Frame{NoDoors: true, Alert: alert}}
	for _, a := range asked {
		view.Asked = append(view.Asked, render.DeskExtension{Account: p.handle(s, a.Of.ID), URL: p.place(s, a.Of.ID), Name: a.Of.Name, Login: a.Of.Login,
			At: a.At, Ends: a.Of.Ends, Months: a.Months, Why: a.Why})
	}
	p.Pages.Render(w, r, status, view)
}

func (p *Pages) postExtensions(w http.ResponseWriter, r *http.Request, s *session.Session) {
	do := r.PostFormValue("do")
	if do != "grant" && do != "refuse" {
		p.showExtensions(w, r, s, http.StatusBadRequest, nil)
		return
	}
	_, err := p.Desk.Extend(r.Context(), p.of(r, s, r.PostFormValue("account")), do == "grant")
	wrong := func(key render.AlertKey) { p.showExtensions(w, r, s, http.StatusConflict, &render.Alert{Key: key}) }
	switch {
	case errors.Is(err, operator.ErrNotAsked):
		wrong(render.AlertDeskNotAsked)
	case errors.Is(err, operator.ErrNoExtension), errors.Is(err, lifecycle.ErrNoEnd):
		wrong(render.AlertDeskEndElsewhere)
	case errors.Is(err, directory.ErrConflict):
		wrong(render.AlertDeskConflict)
	case err != nil:
		p.failed(w, r, err)
	default:
		news := map[string]string{"grant": "granted", "refuse": "refused"}[do]
		http.Redirect(w, r, p.Pages.URL("/desk/extensions")+"?news="+news, http.StatusSeeOther)
	}
}
