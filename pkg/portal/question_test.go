package portal_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
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

	m, err := (&question.Config{Attribute: "info", Questions: map[string]render.Text{"pet": {"fr": "Votre premier animal ?"}, "street": {"fr": "Votre première rue ?"}}}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h.portal.Recovery.Methods = append(h.portal.Recovery.Methods, m)
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

// readOnly is a directory of which no attribute may be changed.
type readOnly struct{ edited }

type edited interface {
	directory.Directory
	directory.Editor
}

func (readOnly) Reads(string) bool  { return true }
func (readOnly) Finds(string) bool  { return true }
func (readOnly) Writes(string) bool { return false }
