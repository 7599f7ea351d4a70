package login_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/loge-idp/loge/pkg/session"
)

// Whichever page ends a session, the browser is to tell the applications of all
// protocols that want it so.
func TestFarewellsOfAllProtocols(t *testing.T) {
	w := open(t)
	for _, protocol := range []string{"cas", "oidc"} {
		w.flow.Farewells = append(w.flow.Farewells, func(s *session.Session) []string {
			return []string{protocol + " " + s.Account.Login}
		})
	}
	w.mux.Page("POST /bye", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		farewells, err := w.flow.Logout(rw, r)
		_, _ = fmt.Fprintf(rw, "told %q %v", farewells, err)
	}))
	b := w.browser()
	w.want("nobody is signed in", b.post("/bye"), "told [] <nil>")
	b.try(b.get("/app"), "alice", "right")
	w.want("signed in", b.post("/bye"), `told ["cas alice" "oidc alice"] <nil>`)
	w.want("again", b.post("/bye"), "told [] <nil>")
}
