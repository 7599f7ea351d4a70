package portal_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/render"
)

// Whatever the reason, there is a page that words it.
func TestEveryReasonHasItsPage(t *testing.T) {
	pages, err := render.Open(render.Config{Issuer: "https://login.example"})
	if err != nil {
		t.Fatal(err)
	}
	p := &portal.Portal{Pages: pages}
	titles := map[string]account.Reason{}
	for _, why := range []account.Reason{account.ReasonNotActivated, account.ReasonDeparture, account.ReasonExpired, account.ReasonClosed,
		account.ReasonAdministrative, account.ReasonSecurity, account.ReasonTooManyTries, account.ReasonMustChange, account.ReasonUnknownState, account.ReasonApplication} {
		w := httptest.NewRecorder()
		p.Refused(w, httptest.NewRequest("GET", "/", nil), account.Account{}, why, "")
		_, rest, _ := strings.Cut(w.Body.String(), "<h1>")
		title, _, ok := strings.Cut(rest, "</h1>")
		if w.Code != 403 || !ok {
			t.Errorf("%s: status %d, title %q", why, w.Code, title)
		}
		if other, twice := titles[title]; twice {
			t.Errorf("%s reads like %s: %q", why, other, title)
		}
		titles[title] = why
	}
}
