package recovery_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/providers/recovery/question"
)

// writable is a directory whose attributes can be changed.
type writable struct{ wide }

func (d writable) Edit(_ context.Context, id account.ID, attribute string, from, to []string) error {
	err := directory.ErrConflict
	d.change(strings.TrimPrefix(string(id), "id-"), func(a *account.Account) {
		if slices.Equal(a.Attributes[attribute], from) {
			a.Attributes, err = map[string][]string{attribute: to}, nil
		}
	})
	return err
}

// R43: somebody chooses a question, which then adds to a proof; the audit knows
// of it, and not the answer.
func TestChoose(t *testing.T) {
	w := start(t)
	if w.flow.Choosable() != nil {
		t.Fatal("there is a question to choose")
	}
	asked, err := (&question.Config{Attribute: "school", Questions: map[string]render.Text{"pet": {"en": "Your first animal?"}}}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	log := &trail{}
	w.flow.Methods = append(w.flow.Methods, asked)
	w.flow.Ways = []recovery.Way{{AnyOf: [][]string{{"emaillink", "question"}}}}
	w.flow.Audit = audit.Log{Logger: slog.New(slog.NewTextHandler(log, nil))}
	if w.flow.Choosable() != nil {
		t.Error("a question, and a directory that cannot keep it")
	}
	w.flow.Directory = writable{wide{w.people}}
	if err := w.flow.Choose(t.Context(), "id-alice", "pet", "-", ""); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("no answer: %v", err)
	}
	if err := w.flow.Choose(t.Context(), "id-nobody", "pet", "Félix", ""); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if err := w.flow.Choose(t.Context(), "id-alice", "pet", "Félix", ""); err != nil {
		t.Fatal(err)
	}
	proof := w.proof(t, "alice")
	if ready, err := w.flow.Proven(t.Context(), proof); err != nil || len(ready.More) != 1 || ready.More[0].Text != "Your first animal?" {
		t.Fatalf("%+v, %v", ready, err)
	}
	if _, err := w.answer(t, recovery.Reply{Proof: proof, Method: "question", Code: "felix"}); err != nil {
		t.Error(err)
	}
	if !log.has("recovery.choose") || log.has("lix") {
		t.Errorf("the audit has %s", log.lines)
	}
}
