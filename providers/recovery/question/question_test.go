package question_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/recovery/recoverytest"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/providers/recovery/question"
)

func config() *question.Config {
	return &question.Config{Attribute: "schoolQuestion", Questions: map[string]render.Text{
		"teacher": {"fr": "Votre première institutrice\u00a0?", "en": "Your first teacher?"}}}
}

func with(values ...string) account.Account {
	return account.Account{ID: "1", Status: account.Active, Attributes: map[string][]string{"schoolQuestion": values}}
}

func TestConformance(t *testing.T) {
	stored := question.Hash("teacher", "Mme N’Diaye 2")
	recoverytest.Run(t, func(t *testing.T) recoverytest.Harness {
		method, err := config().Open(t.Context(), recovery.Env{})
		if err != nil {
			t.Fatal(err)
		}
		return recoverytest.Harness{Method: method, Reachable: with(stored), Unreachable: account.Account{ID: "2"},
			Right: []recovery.Answer{{Code: "Mme N’Diaye 2"}, {Code: "mme ndiaye 2"}, {Code: "MME N'DIAYE  2"}}}
	})
}

// R43: an extra proof, whose answer is a salted hash.
func TestQuestion(t *testing.T) {
	method, err := config().Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	asked := method.(recovery.Asked)
	for _, status := range []account.Status{account.Active, account.Pending, account.Locked} {
		if asked.Alone(account.Account{ID: "1", Status: status}, recovery.Activate) {
			t.Errorf("%s: it suffices alone", status)
		}
	}
	value := question.Hash("teacher", "Durand")
	if strings.Contains(value, "urand") || value == question.Hash("teacher", "Durand") || !strings.HasPrefix(value, "teacher:$argon2id$") {
		t.Errorf("the value is %q", value)
	}
	if got := method.(recovery.Worded).Wording(with("pet:x", value), "en"); got != "Your first teacher?" {
		t.Errorf("asks %q", got)
	}
	for _, broken := range []string{"", "teacher", "teacher:Durand", "other:" + value[8:], strings.Replace(value, "m=19456", "m=4000000000", 1),
		strings.Replace(value, "t=2", "t=0", 1), strings.Replace(value, "argon2id", "argon2i", 1), value[:len(value)-30]} {
		if asked.Offers(with(broken), recovery.Reset) {
			t.Errorf("%q is offered", broken)
		}
		if asked.Verify(recovery.Challenge{Account: with(broken)}, recovery.Answer{Code: "Durand"}) {
			t.Errorf("%q is answered", broken)
		}
	}
	if asked.Verify(recovery.Challenge{Account: with(question.Hash("teacher", ""))}, recovery.Answer{Code: "-"}) {
		t.Error("nothing is an answer")
	}
}

// R43: a person chooses one question; what else stands in the attribute stays.
func TestChoose(t *testing.T) {
	c := config()
	c.Questions["pet"] = render.Text{"en": "Your first animal?"}
	method, err := c.Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	m := method.(recovery.Choosable)
	if diff := cmp.Diff([]recovery.Choice{{Word: "pet", Text: "Your first animal?"}, {Word: "teacher", Text: "Your first teacher?"}}, m.Choices("en")); diff != "" {
		t.Error(diff)
	}
	before := []string{"of another tool", question.Hash("teacher", "Durand")}
	from, to, err := m.Keep(with(before...), "pet", "Félix 2")
	if err != nil || m.Attribute() != "schoolQuestion" || !slices.Equal(from, before) || len(to) != 2 || to[0] != before[0] {
		t.Fatalf("%s: from %q to %q, %v", m.Attribute(), from, to, err)
	}
	if m.Wording(with(to...), "en") != "Your first animal?" || !m.Verify(recovery.Challenge{Account: with(to...)}, recovery.Answer{Code: "felix 2"}) ||
		m.Verify(recovery.Challenge{Account: with(to...)}, recovery.Answer{Code: "Durand"}) {
		t.Errorf("kept %q", to)
	}
	for _, wrong := range [][2]string{{"car", "a blue one"}, {"", "a blue one"}, {"pet", ""}, {"pet", "a-b"}, {"pet", " - ’ -"}} {
		if _, _, err := m.Keep(with(), wrong[0], wrong[1]); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestConfig(t *testing.T) {
	for key, c := range map[string]*question.Config{"attribute": {Questions: config().Questions}, "questions": {Attribute: "a"}} {
		if _, err := c.Open(t.Context(), recovery.Env{}); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
