package systemtest_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// notification is what a mail server sends to an address when nobody reads at
// another one (RFC 3464).
func notification(to string) string {
	return strings.ReplaceAll(`From: MAILER-DAEMON@mx.univ-valmont.example
To: <`+to+`>
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.univ-valmont.example

Final-Recipient: rfc822; elodie@home.example
Action: failed
Status: 5.1.1

--b--
`, "\n", "\r\n")
}

// bounced hands loge bounce a message, as a mail server does.
func (w *world) bounced(t *testing.T, config, message string) (status int, says string) {
	t.Helper()
	cmd := exec.Command(program(t), "bounce", "--config", config)
	cmd.Env = append(os.Environ(), w.environment()...)
	cmd.Stdin = strings.NewReader(message)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// R23: what a mail server hands back days later ends the trust in an address:
// the next login asks for another one.
func TestAMessageComesBack(t *testing.T) {
	w := newServers(t, university, strings.Replace(accounts, "  from: assistance@univ-valmont.example\n",
		"  from: assistance@univ-valmont.example\n  bounces: rebonds@univ-valmont.example\n", 1))
	w.a, w.b = w.serve(t), w.serve(t)
	const own = "elodie@home.example"
	b := newBrowser(t, w.a)
	p := b.signIn(b.get("/login"), "elefevre", password("elefevre"))
	accept := p.form()
	accept.values.Set("charter", "yes")
	p = b.submit(accept)
	p = b.submit(p.form().with(t, "address", own)).shows(http.StatusOK, "Type the code you got")
	letter := w.letter(t, own, 0)
	b.submit(p.form().with(t, "code", regexp.MustCompile(`\b\d{6}\b`).FindString(letter.Text))).shows(http.StatusOK, "You are signed in")
	signIn := func() *page {
		b := newBrowser(t, w.b)
		return b.signIn(b.get("/login"), "elefevre", password("elefevre"))
	}
	signIn().shows(http.StatusOK, "You are signed in")

	if !regexp.MustCompile(`^rebonds\+[a-z0-9]{22}@univ-valmont\.example$`).MatchString(letter.From) {
		t.Fatalf("it comes back to %q", letter.From)
	}
	for _, c := range []struct{ message, want string }{
		{"Subject: spam\r\n\r\n", "no bounce of ours"},
		{notification("rebonds+0123456789abcdefghijkl@univ-valmont.example"), "no message of the last days had this mark"},
		{strings.Replace(notification(letter.From), "5.1.1", "5.2.2", 1), "the address may still be read"},
	} {
		if status, says := w.bounced(t, w.file(), c.message); status != 0 || !strings.Contains(says, c.want) {
			t.Errorf("status %d, %s; want %s", status, says, c.want)
		}
	}
	if status, says := w.bounced(t, w.file()+".none", notification(letter.From)); status != 75 {
		t.Errorf("a file that is missing: status %d, %s", status, says)
	}
	signIn().shows(http.StatusOK, "You are signed in")

	if status, says := w.bounced(t, w.file(), notification(letter.From)); status != 0 || !strings.Contains(says, "not trusted any more") || strings.Contains(says, own) {
		t.Fatalf("status %d, %s", status, says)
	}
	if p := signIn(); !strings.Contains(p.body, `id="address"`) {
		t.Errorf("no other address is asked for: %s", p.text())
	}
}
