package portal_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/providers/recovery/question"
)

// R43: a question is chosen and answered by its owner, the answer is kept as a
// hash and shown to nobody; where there is none to choose, none is offered.
func TestQuestion(t *testing.T) {
	h := open(t)
	d := h.editing()
	b := h.browser()
	b.signIn("alice")
	b.leads(b.get("/account/question"), "/account")
	b.leads(b.post("/account/question", "question", "pet", "answer", "Félix"), "/account").hasNot(t, "/account/question")

	h.questions()
	d.change("alice", func(a *account.Account) { a.Attributes = map[string][]string{"info": {"hers"}} })
	whole := h.portal.Recovery.Directory
	h.portal.Recovery.Directory = readOnly{whole.(edited)}
	b = h.browser()
	b.signIn("alice")
	b.get("/account").hasNot(t, "/account/question") // its attribute is not among those that may be changed
	h.portal.Recovery.Directory = whole
	b = h.browser()
	b.signIn("alice")
	b.get("/account").has(t, "/account/question")
	b.get("/account/question").is(t, http.StatusOK).has(t, "Votre premier animal ?").hasNot(t, "Question actuelle")
	b.post("/account/question", "question", "mother", "answer", "Félix le chat").is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`, `value="Félix le chat"`)
	b.post("/account/question", "question", "pet", "answer", "").is(t, http.StatusUnprocessableEntity)
	b.leads(b.post("/account/question", "question", "pet", "answer", "Félix le chat"), "/account/question?done=question_saved").has(t, "Question actuelle", "Votre premier animal ?").hasNot(t, "Félix")
	b.post("/account/question", "question", "street", "answer", "rue des Lilas").is(t, http.StatusSeeOther)
	kept := d.of("alice").Attributes["info"]
	if len(kept) != 2 || !slices.Contains(kept, "hers") || strings.Contains(strings.Join(kept, " "), "Lilas") || !strings.HasPrefix(kept[1], "street:") {
		t.Errorf("kept %q", kept)
	}
	d.conflicts.Store(1)
	b.post("/account/question", "question", "pet", "answer", "Félix le chat").is(t, http.StatusUnprocessableEntity).has(t, "Cela a changé entre-temps")
}

// questions lets people choose one of two.
func (h *house) questions() {
	h.t.Helper()
	m, err := (&question.Config{Attribute: "info", Questions: map[string]render.Text{"pet": {"fr": "Votre premier animal ?"}, "street": {"fr": "Votre première rue ?"}}}).Open(h.t.Context(), recovery.Env{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.portal.Recovery.Methods = append(h.portal.Recovery.Methods, m)
}

// R43: where a recovery asks for it, a question is chosen on the way in, once; in
// a session of a while ago the password is asked for too (R25).
func TestQuestionAtLogin(t *testing.T) {
	h := open(t)
	d := h.editing()
	if _, err := h.portal.Steps(portal.Steps{Question: true}); err == nil || err.Error() != "question: needs {type: question} under recovery.methods, and its attribute among directory.attributes.release and .editable" {
		t.Fatalf("without the method: %v", err)
	}
	h.questions()
	h.steps(portal.Steps{Question: true})
	b := h.browser()
	page := b.leads(b.signIn("alice"), "/login").has(t, "Votre premier animal ?", `href="/logout"`)
	page.hasNot(t, `name="current"`)
	put := func(fields ...string) answer {
		return b.post("/login/continue", append(fields, "step", "question", "state", page.state(t))...)
	}
	put("question", "pet", "answer", "F").is(t, http.StatusUnprocessableEntity).has(t, `value="F"`, `aria-invalid="true"`)
	put("question", "pet", "answer", "Félix", "lang", "en").has(t, `value="Félix"`, "Answer")
	b.get("/account").has(t, `name="answer"`)
	h.store.Advance(11 * time.Minute)
	b.get("/account").has(t, `name="current"`)
	put("question", "pet", "answer", "Félix", "current", "wrong").is(t, http.StatusUnprocessableEntity).has(t, `id="current"`, `value="Félix"`)
	if got := d.of("alice").Attributes["info"]; len(got) != 0 {
		t.Fatalf("kept %q", got)
	}
	put("question", "pet", "answer", "Félix", "current", old).is(t, http.StatusOK).has(t, "Alice")
	if got := d.of("alice").Attributes["info"]; len(got) != 1 || !strings.HasPrefix(got[0], "pet:$argon2id$") {
		t.Errorf("kept %q", got)
	}
	b.get("/account").is(t, http.StatusOK).has(t, "/account/question")
	h.browser().signIn("alice").is(t, http.StatusOK).has(t, "Alice") // not again
}

// readOnly is a directory of which no attribute may be changed.
type readOnly struct{ edited }

type edited interface {
	directory.Directory
	directory.Editor
}

func (readOnly) Reads(string) bool  { return true }
func (readOnly) Finds(string) bool  { return true }
func (readOnly) Writes(string) bool { return false }
