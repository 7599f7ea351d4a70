package portal

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sso"
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

// copyOf is what is known here of a person, for them to take along.
type copyOf struct {
	At        time.Time            `json:"at"`
	Account   account.Account      `json:"account"`
	Sessions  []session.Live       `json:"sessions"`
	SignIns   []login.SignIn       `json:"signIns"`
	Consents  []sso.Consent        `json:"consents,omitempty"`
	Events    []recovery.Event     `json:"events,omitempty"`
	Extension *lifecycle.Extension `json:"extension,omitempty"`
}

// download gives people what is known of them here: the entry as it is read, and
// all that the store keeps under their account.
func (p *Portal) download(w http.ResponseWriter, r *http.Request, s *session.Session) {
	c, err := p.copy(r, s)
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		p.Unavailable(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="loge.json"`)
	_, _ = w.Write(text) // the browser has gone: nobody is left to tell
}

func (p *Portal) copy(r *http.Request, s *session.Session) (c copyOf, err error) {
	ctx, id := r.Context(), s.Account.ID
	c = copyOf{At: p.now(), Account: s.Account}
	c.Account.Handle = "" // of the directory, not of the person
	if c.Sessions, err = p.Sessions.List(ctx, id); err != nil {
		return c, err
	}
	if c.SignIns, err = p.Login.SignIns(ctx, id); err != nil {
		return c, err
	}
	for _, each := range p.Consenters {
		given, err := each.Consents(ctx, id)
		if err != nil {
			return c, err
		}
		c.Consents = append(c.Consents, given...)
	}
	if p.Recovery != nil {
		if c.Events, err = p.Recovery.Events(ctx, id); err != nil {
			return c, err
		}
	}
	if p.Extensions != nil {
		asked, pending, err := p.Extensions.Of(ctx, id)
		if err != nil {
			return c, err
		}
		if pending {
			c.Extension = &asked
		}
	}
	return c, nil
}
