package portal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
)

// An end that nobody has set is not the first day of the calendar.
func TestGraceNoticeWithoutAnEnd(t *testing.T) {
	h := open(t)
	h.people.change("grace", func(a *account.Account) { a.Ends = time.Time{} })
	b := h.browser()
	page := b.leads(b.signIn("grace"), "/login").is(t, http.StatusOK).has(t, "Vous avez quitté l’établissement", `href="/logout"`)
	page.hasNot(t, "janvier")
	b.post("/login/continue", "state", page.state(t), "step", "grace").is(t, http.StatusOK).has(t, "Vous êtes connecté").hasNot(t, "janvier")
}

// R13: the notice of somebody in grace says whether more time can be asked for,
// by the rule for their kind of people.
func TestGraceNoticeTellsOfMore(t *testing.T) {
	const more, final = "Demander une prolongation", "ne peut pas être repoussée"
	for name, c := range map[string]struct {
		grace       []lifecycle.Grace
		more, final bool
	}{
		"no rule":          {},
		"renewable":        {grace: []lifecycle.Grace{{Months: 12, Renewable: true}}, more: true},
		"once":             {grace: []lifecycle.Grace{{Months: 3}}, final: true},
		"others may renew": {grace: []lifecycle.Grace{{Who: account.Condition{Attribute: "kind"}, Months: 12, Renewable: true}, {Months: 3}}, final: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			h.portal.Lifecycle = lifecycle.Config{Grace: c.grace}
			h.portal.Extensions = &lifecycle.Extensions{}
			b := h.browser()
			page := b.leads(b.signIn("grace"), "/login").is(t, http.StatusOK).body
			if strings.Contains(page, more) != c.more || strings.Contains(page, final) != c.final {
				t.Error(page)
			}
			if !c.more {
				return
			}
			form := b.get("/login").is(t, http.StatusOK)
			to := b.post("/login/continue", "state", form.state(t), "step", "grace", "more", "yes").Header.Get("Location")
			if to != "/account/extend" {
				t.Errorf("leads to %q", to)
			}
		})
	}
}
