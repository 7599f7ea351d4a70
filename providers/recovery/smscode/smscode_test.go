package smscode_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/recovery/recoverytest"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/guard"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/smscode"
)

var keys = secret.RandomKeyring()

// phone is a gateway that answers as it is told.
type phone struct {
	messages []sms.Message
	answer   error
}

func (p *phone) Send(_ context.Context, m sms.Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	p.messages = append(p.messages, m)
	return p.answer
}

func site(t *testing.T, name, issuer string) *render.Pages {
	t.Helper()
	pages, err := render.Open(render.Config{Issuer: issuer, Site: render.Site{Name: render.Text{"fr": name, "en": name}}})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// valmont is read once: its pages are many.
var valmont *render.Pages

func open(t *testing.T, gateway sms.Gateway, log *bytes.Buffer) recovery.Method {
	t.Helper()
	if valmont == nil {
		valmont = site(t, "Université de Valmont", "https://login.example/idp")
	}
	env := recovery.Env{SMS: gateway, Pages: valmont, Logger: slog.New(slog.NewTextHandler(log, nil))}
	method, err := (&smscode.Config{}).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return method
}

func person(numbers ...string) account.Account {
	a := account.Account{ID: "1", Login: "alice", Contacts: []account.Contact{{Kind: account.Email, Value: "alice@home.example"}}}
	for _, n := range numbers {
		a.Contacts = append(a.Contacts, account.Contact{Kind: account.Phone, Value: n, Label: "SECOURS"})
	}
	return a
}

func challenge(m recovery.Method, a account.Account, lang string) recovery.Challenge {
	c := recovery.NewChallenge("AAAAAAAAAAAAAAAA", recovery.Reset, a, lang, time.Unix(1_800_000_000, 0), m.Terms(recovery.Reset), keys, "https://login.example/idp/recover/link?t=")
	if to := m.(recovery.Addressed).To(a, recovery.Reset); len(to) > 0 {
		c.To = to[0]
	}
	return c
}

func TestConformance(t *testing.T) {
	codeIn := regexp.MustCompile(`^\d{6}`)
	recoverytest.Run(t, func(t *testing.T) recoverytest.Harness {
		box := &phone{}
		return recoverytest.Harness{
			Method:      open(t, box, &bytes.Buffer{}),
			Reachable:   person("06 39 98 00 01"),
			Unreachable: person("01 23 45 67 89"),
			Sent: func() []string {
				var out []string
				for _, m := range box.messages {
					out = append(out, m.Text)
				}
				return out
			},
			Read: func(message string) []recovery.Answer { return []recovery.Answer{{Code: codeIn.FindString(message)}} },
		}
	})
}

// R74: one message of the GSM alphabet in every language, the code in front and
// bound to the host at the end.
func TestMessage(t *testing.T) {
	box := &phone{}
	m := open(t, box, &bytes.Buffer{})
	for lang, want := range map[string]string{
		"fr": "%s est votre code Université de Valmont. Il expire à 09:10. Ne le donnez à personne.\n\n@login.example #%[1]s",
		"en": "%s is your Université de Valmont code. It expires at 09:10. Give it to nobody.\n\n@login.example #%[1]s",
	} {
		c := challenge(m, person("+33639980001"), lang)
		if err := m.Challenge(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		want = fmt.Sprintf(want, c.Digits(6))
		got := box.messages[len(box.messages)-1]
		if diff := cmp.Diff(sms.Message{ID: got.ID, To: "+33639980001", Text: want, Account: "1"}, got); diff != "" {
			t.Error(diff)
		}
		if _, err := sms.Length(got.Text); err != nil {
			t.Error(err)
		}
	}
	// A code that proves a new number may be read to the operator who waits for it.
	c := challenge(m, person("+33639980001"), "fr")
	c.Purpose = recovery.Contact
	if err := m.Challenge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := box.messages[len(box.messages)-1].Text; !strings.Contains(got, " confirme ce numéro pour votre compte Université de Valmont.") || strings.Contains(got, "personne") {
		t.Error(got)
	}
}

// R74: what would cost double or be cut is found at start, whatever a site
// calls itself or writes.
func TestLint(t *testing.T) {
	for name, c := range map[string]struct {
		site, own, issuer string
		ok                bool
	}{
		"fits":               {"Université de Valmont", "", "https://auth.univ-valmont.example", true},
		"accents of GSM":     {"École à Élancourt, où è ù", "", "https://auth.example", true},
		"a circumflex":       {"Université Côte d'Azur", "", "https://auth.example", false},
		"its own name":       {"Université Côte d'Azur", "Univ. Cote d'Azur", "https://auth.example", true},
		"an apostrophe":      {"Lycée de l’Étang", "", "https://auth.example", false},
		"too long":           {strings.Repeat("Université ", 8), "", "https://auth.example", false},
		"a host too long":    {"Valmont", "", "https://" + strings.Repeat("long-name.", 9) + "example", false},
		"a no-break space":   {"Valmont\u00a02", "", "https://auth.example", false},
		"septets, not bytes": {strings.Repeat("é", 60), "", "https://auth.example", true},
	} {
		_, err := (&smscode.Config{SiteName: c.own}).Open(t.Context(), recovery.Env{SMS: &phone{}, Pages: site(t, c.site, c.issuer)})
		var where *plugin.Error
		if c.ok != (err == nil) || err != nil && (!errors.As(err, &where) || where.Path != "siteName") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	open(t, &phone{}, &bytes.Buffer{})
	pages := valmont
	_, err := (&smscode.Config{Code: plugin.Duration(11 * time.Minute)}).Open(t.Context(), recovery.Env{SMS: &phone{}, Pages: pages})
	if err == nil || !strings.HasPrefix(err.Error(), "code: ") {
		t.Errorf("R30: %v", err)
	}
	if _, err := (&smscode.Config{}).Open(t.Context(), recovery.Env{Pages: pages}); err == nil || !strings.Contains(err.Error(), "section sms") {
		t.Errorf("%v", err)
	}
	m, err := (&smscode.Config{Code: plugin.Duration(3 * time.Minute)}).Open(t.Context(), recovery.Env{SMS: &phone{}, Pages: pages})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(recovery.Terms{Link: 3 * time.Minute, Code: 3 * time.Minute}, m.Terms(recovery.Reset)); diff != "" {
		t.Error(diff)
	}
}

// R20, R-REC-13: the first mobile on file that can be sent to, as the directory
// writes it, and nothing else.
func TestNumbers(t *testing.T) {
	for want, numbers := range map[string][]string{
		"+33639980001":  {"06 39 98 00 01", "06 39 98 00 02"},
		"+33639980002":  {"01 23 45 67 89", "0033639980002"},
		"+262692123456": {"0899 12 34 56", "0692.12.34.56"},
		"":              {"01 23 45 67 89", "+1 876 555 0123", "call me", ""},
	} {
		box := &phone{}
		m := open(t, box, &bytes.Buffer{})
		a := person(numbers...)
		if got := m.Offers(a, recovery.Reset); got != (want != "") {
			t.Errorf("%q: offered %v", numbers, got)
		}
		if want == "" {
			continue
		}
		if err := m.Challenge(t.Context(), challenge(m, a, "fr")); err != nil {
			t.Fatal(err)
		}
		if len(box.messages) != 1 || box.messages[0].To != want {
			t.Errorf("%q: sent %+v, want one to %s", numbers, box.messages, want)
		}
	}
	m := open(t, &phone{}, &bytes.Buffer{})
	if err := m.Challenge(t.Context(), challenge(m, person("01 23 45 67 89"), "fr")); !errors.Is(err, mail.ErrRefused) {
		t.Errorf("%v, want an error that is final", err)
	}
}

// F-SMS-01: only what was not sent is tried again.
func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		answer  error
		ok      bool
		refused bool
		logged  int
	}{
		"sent":      {nil, true, false, 0},
		"uncertain": {fmt.Errorf("far: %w", sms.ErrUncertain), true, false, 1},
		"spent":     {fmt.Errorf("%w: %w", sms.ErrRefused, guard.ErrSpent), false, false, 0},
		"refused":   {fmt.Errorf("far: %w", sms.ErrRefused), false, true, 0},
		"not sent":  {errors.New("far: busy"), false, false, 0},
	} {
		var log bytes.Buffer
		m := open(t, &phone{answer: c.answer}, &log)
		err := m.Challenge(t.Context(), challenge(m, person("0639980001"), "fr"))
		if (err == nil) != c.ok || errors.Is(err, mail.ErrRefused) != c.refused || errors.Is(err, outbox.ErrGiveUp) != (name == "spent") {
			t.Errorf("%s: %v", name, err)
		}
		if n := strings.Count(log.String(), "\n"); n != c.logged || strings.Contains(log.String(), "639980001") {
			t.Errorf("%s: logged %s", name, log.String())
		}
	}
}

// F-SMS-01: when the gateway is down another way is offered, and comes back.
func TestBreakerOffersAnotherWay(t *testing.T) {
	shared, err := (&memory.StoreConfig{}).Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.(interface{ Close() error }).Close() })
	now := time.Unix(1_800_000_000, 0)
	box := &phone{answer: errors.New("busy")}
	m := open(t, &guard.Guard{Gateway: box, Store: shared, Now: func() time.Time { return now }}, &bytes.Buffer{})
	a := person("0639980001")
	for i := range 5 {
		if !m.Offers(a, recovery.Reset) {
			t.Fatalf("not offered after %d failures", i)
		}
		if err := m.Challenge(t.Context(), challenge(m, a, "fr")); err == nil {
			t.Fatal("no error")
		}
	}
	if m.Offers(a, recovery.Reset) {
		t.Error("offered after 5 failures")
	}
	now = now.Add(6 * time.Minute)
	if !m.Offers(a, recovery.Reset) {
		t.Error("not offered after the pause")
	}
}

// R23: after a refusal the same code goes to the next number, and the guard
// does not take it for a repetition.
func TestAnotherNumber(t *testing.T) {
	box := &phone{}
	m := open(t, box, &bytes.Buffer{})
	a := person("0639980001", "0639980002")
	c := challenge(m, a, "fr")
	for _, to := range m.(recovery.Addressed).To(a, recovery.Reset) {
		for range 2 {
			c.To = to
			if err := m.Challenge(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := box.messages
	if len(got) != 4 || got[0] != got[1] || got[2] != got[3] || got[0].ID == got[2].ID || got[0].Text != got[2].Text {
		t.Errorf("%+v", got)
	}
}

// R36, R74: a notice is one message, with what takes the change back where there
// is room for it.
func TestTell(t *testing.T) {
	box := &phone{}
	m := open(t, box, &bytes.Buffer{}).(recovery.Telling)
	at := time.Date(2026, 9, 15, 7, 10, 0, 0, time.UTC)
	const undo = "https://login.example/idp/recover/undo?t=0123456789012345678901234567"
	for _, c := range []struct {
		notice        recovery.Notice
		language, url string
		want          string
	}{
		{recovery.NoticeChanged, "fr", "", "Université de Valmont, mot de passe changé à 09:10. Si cela vous surprend, prévenez votre assistance."},
		{recovery.NoticeUnlocked, "en", "", "Université de Valmont, account unlocked at 09:10. If this surprises you, tell your helpdesk."},
		{recovery.NoticeContact, "fr", undo, "Université de Valmont, adresse de secours changée à 09:10. Pour annuler, ouvrez " + undo},
		{recovery.NoticeContact, "fr", undo + strings.Repeat("0", 40), "Université de Valmont, adresse de secours changée à 09:10. Si cela vous surprend, prévenez votre assistance."},
	} {
		box.messages = nil
		err := m.Tell(t.Context(), recovery.Told{ID: "n1", Account: "1", To: account.Contact{Kind: account.Phone, Value: "06 39 98 00 01"}, Notice: c.notice, Language: c.language, At: at, URL: c.url})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]sms.Message{{ID: "n1", To: "+33639980001", Text: c.want, Account: "1"}}, box.messages); diff != "" {
			t.Error(diff)
		}
	}
	for _, c := range []struct {
		number        string
		answer        error
		fails, giveUp bool
	}{
		{"01 23 45 67 89", nil, true, true},
		{"06 39 98 00 01", sms.ErrRefused, true, true},
		{"06 39 98 00 01", guard.ErrPaused, true, false}, // tried again
		{"06 39 98 00 01", sms.ErrUncertain, false, false},
	} {
		box.answer = c.answer
		err := m.Tell(t.Context(), recovery.Told{ID: "n1", To: account.Contact{Kind: account.Phone, Value: c.number}, Notice: recovery.NoticeChanged, At: at})
		if (err != nil) != c.fails || errors.Is(err, outbox.ErrGiveUp) != c.giveUp {
			t.Errorf("%s, %v: %v", c.number, c.answer, err)
		}
	}
}
