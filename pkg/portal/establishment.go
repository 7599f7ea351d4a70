package portal

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

func (p *Portal) establishmentRoutes(m *web.Mux) {
	const path = "/account/establishment"
	m.Page("GET "+path, p.mine(path, 0, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		p.establishment(w, r, s, http.StatusOK, p.own(r))
	}))
	m.Page("POST "+path, p.mine(path, 0, p.postEstablishment))
}

// several reports whether there is a choice for somebody.
func (p *Portal) several(s *session.Session) bool {
	if p.Establishments == nil {
		return false
	}
	all, _ := p.Establishments.Of(s.Account)
	return len(all) > 1
}

func (p *Portal) establishment(w http.ResponseWriter, r *http.Request, s *session.Session, status int, frame render.Frame) {
	all, current := p.Establishments.Of(s.Account)
	view := render.Establishment{Frame: frame, Current: p.establishmentName(current)}
	for _, value := range all {
		if value != current {
			view.Others = append(view.Others, render.Choice{Value: value, Name: p.establishmentName(value)})
		}
	}
	p.Pages.Render(w, r, status, view)
}

// establishmentName is what people call it; one that nobody named is shown by
// its value.
func (p *Portal) establishmentName(value string) string {
	return cmp.Or(p.Establishments.Known[value].Name, value)
}

func (p *Portal) postEstablishment(w http.ResponseWriter, r *http.Request, s *session.Session) {
	if render.SwitchesLanguage(r) {
		p.establishment(w, r, s, http.StatusOK, p.own(r))
		return
	}
	to := r.PostFormValue("to")
	farewells, err := p.Establishments.Change(w, r, s, to)
	frame := p.own(r)
	switch {
	case errors.Is(err, login.ErrEstablishment), errors.Is(err, directory.ErrConflict):
		frame.Alert = &render.Alert{Key: render.AlertConflict}
		p.establishment(w, r, s, http.StatusConflict, frame)
	case err != nil:
		p.Unavailable(w, r, err)
	default:
		p.Pages.Render(w, r, http.StatusOK, render.Establishment{Frame: frame, Changed: true, Current: p.establishmentName(to), Farewells: farewells,
			Portal: p.Establishments.Known[to].Portal})
	}
}
