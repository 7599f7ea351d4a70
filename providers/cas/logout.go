package cas

import (
	"net/http"

	"github.com/loge-idp/loge/pkg/render"
)

// logout answers GET /cas/logout (section 2.3): it ends the session and leads
// to the service, if it is registered. Services that are told by the browser
// are told on a page of ours, which leads on.
func (p *protocol) logout(w http.ResponseWriter, r *http.Request) {
	farewells, ok := p.env.Logout(w, r)
	if !ok {
		return
	}
	page := render.LoggedOut{Farewells: farewells}
	if to, party := p.afterLogout(r); party != nil {
		if farewells == nil {
			redirect(w, r, to)
			return
		}
		page.ContinueURL, page.Destination = to, party.Name
	}
	p.env.Pages.Render(w, r, http.StatusOK, page)
}

// postedLogout makes of a form the request of a link: of an application's form
// the browser keeps the cookie of the session back.
func (p *protocol) postedLogout(w http.ResponseWriter, r *http.Request) {
	to := p.env.Issuer + "/cas/logout"
	if err := r.ParseForm(); err == nil && len(r.Form) > 0 {
		to += "?" + r.Form.Encode()
	}
	redirect(w, r, to)
}

// afterLogout is where a logout leads; without a service nowhere.
func (p *protocol) afterLogout(r *http.Request) (to string, party *Service) {
	given, err := single(r.URL.Query(), "service", "url")
	if err != nil {
		return "", nil
	}
	wanted := given["service"]
	if wanted == "" && p.config.LogoutURL {
		wanted = given["url"]
	}
	a, party, err := p.registered(wanted)
	if err != nil {
		return "", nil
	}
	return a.Bare(), party
}
