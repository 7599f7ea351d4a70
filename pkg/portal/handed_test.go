package portal_test

import (
	"net/http"
	"testing"

	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/providers/recovery/helpdesk"
)

// Whoever waits for a message that does not come calls the desk, and types what
// they are told where they are.
func TestCodeOfTheDeskWhileWaiting(t *testing.T) {
	h := whole(t)
	b := h.browser()
	b.begin("alice")
	b.post("/recover/sent", "code", "K7QM-2XDB-9RTH").is(t, http.StatusBadRequest).has(t, `value="K7QM-2XDB-9RTH"`)
	b.leads(b.post("/recover/sent", "code", h.letter("helpdesk", "alice")), "/recover/password").is(t, http.StatusOK).has(t, `value="alice"`)
}

// Where nothing is ever sent no page says that a message has left.
func TestOnlyCodes(t *testing.T) {
	h := open(t)
	desk, err := (&helpdesk.Config{}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h.portal.Recovery.Methods = []recovery.Method{desk}
	b := h.browser()
	b.leads(b.get("/recover?return=/app"), "/code?return=%2Fapp").is(t, http.StatusOK).hasNot(t, "message", "6 chiffres")
	b.get("/activate").hasNot(t, "message")
	for _, door := range []string{"/recover", "/activate"} {
		b.post(door, "username", "alice").is(t, http.StatusBadRequest)
	}
	b.leads(b.post("/code", "username", "alice", "code", h.letter("helpdesk", "alice")), "/recover/password").is(t, http.StatusOK)
}
