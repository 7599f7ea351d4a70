package sso

import (
	"net/http"

	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
)

// FieldState is the field of the login form that carries the login engine's
// own state.
const FieldState = "state"

// PostLogin answers a posted login form, whichever URL it was posted to: CAS
// has one of its own (CAS 3.0.3 section 2.2.1, whose name for "stay signed in"
// is rememberMe, and which alone has warn).
func PostLogin(flow *login.Flow, pages *render.Pages, w http.ResponseWriter, r *http.Request) {
	typed, state := r.PostFormValue("username"), r.PostFormValue(FieldState)
	if render.SwitchesLanguage(r) {
		flow.Again(w, pages.WithLanguage(r), typed, state)
		return
	}
	flow.Login(w, r, login.Credentials{
		Login:    typed,
		Password: secret.New(r.PostFormValue("password")),
		Remember: r.PostFormValue("remember") != "" || r.PostFormValue("rememberMe") != "",
		Warn:     r.PostFormValue("warn") != "",
		State:    state,
	})
}
