package portal

import (
	"net/http"

	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
)

// mustChange is the step of a password that must be changed: by whoever can type
// it once more.
type mustChange struct{ *Portal }

func (mustChange) Name() string { return login.StepPassword }

func (mustChange) Due(s *session.Session) bool { return login.MustChange(s) }

func (p mustChange) Show(w http.ResponseWriter, r *http.Request, s *session.Session, form login.StepForm) {
	frame := stepFrame(p, form)
	frame.Alert, _ = form.Again.(*render.Alert)
	p.showOwnPassword(w, r, statusOf(frame.Alert), s, frame, true)
}

func (p mustChange) Take(r *http.Request, s *session.Session) (any, error) {
	if render.SwitchesLanguage(r) {
		return nil, nil
	}
	alert, err := p.changeOwn(r, s)
	if alert == nil && err == nil {
		login.Changed(s)
	}
	return alert, err
}

func statusOf(alert *render.Alert) int {
	if alert == nil {
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}

// Steps are what stands between credentials and entering, in order.
func (p *Portal) Steps() []login.Step {
	var steps []login.Step
	if p.Recovery != nil {
		steps = append(steps, mustChange{p})
	}
	return append(steps, login.GraceNotice{Pages: p})
}
