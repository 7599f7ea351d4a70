package desk

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/web"
)

// CallPath is where the links of the desk lead. A token t is appended.
const CallPath = "/help/call"

const (
	cookieCall = "desk-call"
	callLife   = 10 * time.Minute
	// maxToken keeps a made-up token from making a cookie that no browser
	// takes.
	maxToken = 256
)

// call is where a link of the desk leads. The token leaves the address bar at
// once, and looking changes nothing.
func (p *Pages) call(w http.ResponseWriter, r *http.Request) {
	if token := r.URL.Query().Get("t"); token != "" {
		p.Cookies.Set(w, cookieCall, token[:min(len(token), maxToken)], callLife)
		http.Redirect(w, r, p.Pages.URL(CallPath), http.StatusSeeOther)
		return
	}
	good, err := p.Desk.Asks(r.Context(), p.Cookies.Get(r, cookieCall))
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.showCall(w, r, render.Call{Gone: !good})
}

func (p *Pages) showCall(w http.ResponseWriter, r *http.Request, view render.Call) {
	status := http.StatusOK
	if view.Gone {
		status = http.StatusGone
	}
	view.NoDoors = true
	p.Pages.Render(w, r, status, view)
}

func (p *Pages) postCall(w http.ResponseWriter, r *http.Request) {
	if render.SwitchesLanguage(r) {
		p.call(w, r)
		return
	}
	digits := strings.TrimSpace(r.PostFormValue("digits"))
	if r.PostFormValue("nobody") != "" {
		digits = ""
	}
	err := p.Desk.Matched(r.Context(), p.Cookies.Get(r, cookieCall), digits, web.ClientAddr(r).String())
	switch {
	case err == nil, errors.Is(err, operator.ErrWrong):
		p.Cookies.Delete(w, cookieCall)
		p.showCall(w, r, render.Call{Done: err == nil, Gone: err != nil})
	default:
		p.Unavailable(w, r, err)
	}
}
