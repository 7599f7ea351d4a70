package mail_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/mail"
)

// R-REC-16: one recipient, that of the directory, and headers as they are
// written here.
func TestCheck(t *testing.T) {
	good := mail.Message{ID: "Zk3b-9_x", To: "alice@home.example", Subject: "Mot de passe : « oublié » 🔑", Text: "a\r\nBcc: b@c.example\r\n"}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"", "alice", "alice@", "@home.example", "a@b.example, c@d.example", "a@b.example,c@d.example", "a@b.example c@d.example",
		"a@b.example\r\nBcc: c@d.example", "a@b.example\nc", "a@b.example\x00", "<a@b.example>", "Alice <a@b.example>", "a@b@c.example", `"a@b"@c.example`,
		"a(comment)@b.example", "a@b.example (comment)", "group: a@b.example;", " a@b.example", "a@b.example ", "a@b.example%0aBcc:c@d.example, x", `"a b"@c.example, d@e.example`} {
		m := good
		m.To = to
		if err := m.Check(); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("to %q: %v", to, err)
		} else if to != "" && strings.Contains(err.Error(), to) {
			t.Errorf("the error holds the address: %v", err)
		}
	}
	for _, subject := range []string{"a\r\nBcc: b@c.example", "a\nb", "a\rb", "a\x00b"} {
		m := good
		m.Subject = subject
		if err := m.Check(); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
	for _, id := range []string{"a\r\nb", "a b", "a@b", "<a>", "a\x00"} {
		m := good
		m.ID = id
		if err := m.Check(); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("ID %q: %v", id, err)
		}
	}
	for _, to := range []string{"o'brien@home.example", "a+b@home.example", "élève@école.example"} {
		m := good
		m.To = to
		if err := m.Check(); err != nil {
			t.Errorf("to %q: %v", to, err)
		}
	}
}
