package portal

import (
	"net/http"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
)

// maxWhy is the most characters of what somebody writes with a request.
const maxWhy = 500

// extendable is how many months an account may be asked to last longer, by the
// rule for its kind of people; zero when it has no end, or may not.
func (p *Portal) extendable(a account.Account) int {
	if rule := p.Lifecycle.GraceOf(a, p.now()); p.Extensions != nil && rule.Renewable && lifecycle.Extensible(a) {
		return rule.Months
	}
	return 0
}

func (p *Portal) extend(w http.ResponseWriter, r *http.Request, s *session.Session) {
	months := p.extendable(s.Account)
	if months == 0 {
		p.to(w, r, "/account")
		return
	}
	asked, pending, err := p.Extensions.Of(r.Context(), s.Account.ID)
	if err == nil {
		err = p.refresh(r, s) // it may have been granted a moment ago
	}
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.Pages.Render(w, r, http.StatusOK, render.Extend{Frame: p.own(r), Ends: s.Account.Ends, Months: months, Pending: pending, AskedAt: asked.At, Why: or(r.PostFormValue("why"), asked.Why)})
}

func (p *Portal) postExtend(w http.ResponseWriter, r *http.Request, s *session.Session) {
	months := p.extendable(s.Account)
	if months == 0 || render.SwitchesLanguage(r) {
		p.extend(w, r, s)
		return
	}
	why := []rune(strings.TrimSpace(r.PostFormValue("why")))
	if err := p.Extensions.Ask(r.Context(), lifecycle.Extension{Account: s.Account.ID, At: p.now(), Months: months, Why: string(why[:min(len(why), maxWhy)])}); err != nil {
		p.Unavailable(w, r, err)
		return
	}
	p.did(w, r, "/account/extend", render.AlertAsked)
}
