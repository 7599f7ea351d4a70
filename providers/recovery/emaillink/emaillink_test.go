package emaillink_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/recovery/recoverytest"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/recovery/emaillink"
)

var keys = secret.RandomKeyring()

type sink struct{ messages []mail.Message }

func (s *sink) Send(_ context.Context, m mail.Message) error {
	s.messages = append(s.messages, m)
	return m.Check()
}

var (
	linkIn = regexp.MustCompile(`recover/link\?t=(\w+)`)
	codeIn = regexp.MustCompile(`(?m)\b(\d{6})\s*$`)
)

func TestConformance(t *testing.T) {
	recoverytest.Run(t, func(t *testing.T) recoverytest.Harness {
		pages, err := render.Open(render.Config{Issuer: "https://login.example"})
		if err != nil {
			t.Fatal(err)
		}
		box := &sink{}
		method, err := (&emaillink.Config{}).Open(t.Context(), recovery.Env{Mail: box, Pages: pages})
		if err != nil {
			t.Fatal(err)
		}
		return recoverytest.Harness{
			Method:      method,
			Reachable:   account.Account{ID: "1", Login: "alice", Contacts: []account.Contact{{Kind: account.Email, Value: "alice@home.example"}}},
			Unreachable: account.Account{ID: "2", Login: "bob", Contacts: []account.Contact{{Kind: account.Phone, Value: "+33639980001"}}},
			Sent: func() []string {
				var out []string
				for _, m := range box.messages {
					out = append(out, m.Text)
				}
				return out
			},
			Read: func(message string) []recovery.Answer {
				link, code := linkIn.FindStringSubmatch(message), codeIn.FindStringSubmatch(message)
				if link == nil || code == nil {
					t.Fatalf("no link or no code in %q", message)
				}
				return []recovery.Answer{{Token: link[1][16:]}, {Code: code[1]}}
			},
		}
	})
}

// R20, R74: to the first address, with the identifier, without a secret in the
// subject.
func TestMessage(t *testing.T) {
	pages, err := render.Open(render.Config{Issuer: "https://login.example"})
	if err != nil {
		t.Fatal(err)
	}
	box := &sink{}
	method, err := (&emaillink.Config{}).Open(t.Context(), recovery.Env{Mail: box, Pages: pages})
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"fr", "en"} {
		c := recovery.NewChallenge("AAAAAAAAAAAAAAAA", recovery.Reset, account.Account{ID: "1", Login: "elefevre", Contacts: []account.Contact{
			{Kind: account.Email, Value: "first@home.example"}, {Kind: account.Email, Value: "second@home.example"}}},
			lang, time.Unix(1_800_000_000, 0), method.Terms(recovery.Reset), keys, "https://login.example/recover/link?t=")
		c.To = method.(recovery.Addressed).To(c.Account, c.Purpose)[0]
		if err := method.Challenge(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		m := box.messages[len(box.messages)-1]
		if m.To != "first@home.example" || m.Language != lang || m.ID == "" {
			t.Errorf("to %s in %s, id %q", m.To, m.Language, m.ID)
		}
		if !strings.Contains(m.Text, "elefevre") || !strings.Contains(m.HTML, c.Digits(6)) || strings.Contains(m.Subject, c.Digits(6)) {
			t.Errorf("the message is not whole: %q / %q", m.Subject, m.Text)
		}
	}
}

// R30: the caps are hard.
func TestBounds(t *testing.T) {
	for name, config := range map[string]emaillink.Config{
		"resetLink":      {ResetLink: plugin.Duration(25 * time.Hour)},
		"activationLink": {ActivationLink: plugin.Duration(8 * 24 * time.Hour)},
		"code":           {Code: plugin.Duration(11 * time.Minute)},
	} {
		_, err := config.Open(t.Context(), recovery.Env{Mail: &sink{}})
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&emaillink.Config{}).Open(t.Context(), recovery.Env{}); err == nil {
		t.Error("opened without a way to send mail")
	}
}
