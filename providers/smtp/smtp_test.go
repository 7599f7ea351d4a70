package smtp_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/mail/mailtest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/smtp"
)

var noon = time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC)

// towards configures a sender for a server of the test.
func towards(t *testing.T, server *mailtest.Server) *smtp.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return &smtp.Config{Host: host, Port: number, TLS: "none", From: "Université de Valmont <assistance@univ-valmont.example>",
		Timeout: plugin.Duration(time.Hour), Now: func() time.Time { return noon }}
}

func open(t *testing.T, config *smtp.Config) mail.Sender {
	t.Helper()
	sender, err := config.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func TestConformance(t *testing.T) {
	mailtest.Run(t, func(t *testing.T) mailtest.Harness {
		server := mailtest.NewServer(t, mailtest.Options{})
		return mailtest.Harness{Sender: open(t, towards(t, server)), Received: server.Received, Refuse: server.Refuse, Silence: server.Silence}
	})
}

// R74: what the mail says about itself, and what it does not.
func TestHeaders(t *testing.T) {
	server := mailtest.NewServer(t, mailtest.Options{})
	letter := mailtest.Letter
	letter.HTML = "<!doctype html><p>Bonjour Élise,</p>"
	if err := open(t, towards(t, server)).Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	got := server.Messages()[0]
	if got.From != "assistance@univ-valmont.example" || got.To != letter.To {
		t.Errorf("envelope from %q to %q", got.From, got.To)
	}
	if strings.TrimSpace(got.HTML) != letter.HTML {
		t.Errorf("HTML %q", got.HTML)
	}
	for name, want := range map[string]string{
		"Auto-Submitted":   "auto-generated",
		"Message-Id":       "<Zk3b-9_x@univ-valmont.example>",
		"Content-Language": "fr",
		"Date":             noon.Format(time.RFC1123Z),
		"From":             "=?utf-8?q?Universit=C3=A9_de_Valmont?= <assistance@univ-valmont.example>",
		"To":               "<elise.lefevre@perso.example>",
		"X-Mailer":         "",
		"User-Agent":       "",
	} {
		if diff := cmp.Diff(want, got.Header.Get(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/alternative;") {
		t.Errorf("Content-Type %q", kind)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range got.Header {
		if host != "localhost" && strings.Contains(strings.Join(values, " "), host) {
			t.Errorf("%s names this host: %q", name, values)
		}
	}
}

// certificate is one for 127.0.0.1, and the file of the authority that signed
// it.
func certificate(t *testing.T) (server *tls.Config, ca string) {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil)
	borrowed.Close()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: borrowed.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: borrowed.TLS.Certificates}, ca
}

func TestEncryption(t *testing.T) {
	pair, ca := certificate(t)
	const password = "s3cret-of-the-relay"
	for mode, implicit := range map[string]bool{"starttls": false, "tls": true} {
		t.Run(mode, func(t *testing.T) {
			server := mailtest.NewServer(t, mailtest.Options{TLS: pair, Implicit: implicit, Login: "loge", Password: password})
			config := towards(t, server)
			config.TLS, config.CA, config.Username, config.Password = mode, ca, "loge", secret.New(password)
			sender := open(t, config)
			if err := sender.(interface{ Ping(context.Context) error }).Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if err := sender.Send(t.Context(), mailtest.Letter); err != nil {
				t.Fatal(err)
			}
			if got := server.Messages()[0]; !got.TLS || got.Login != "loge" {
				t.Errorf("TLS %t, login %q", got.TLS, got.Login)
			}

			config.Password = secret.New("wr0ng-of-the-relay")
			err := open(t, config).Send(t.Context(), mailtest.Letter)
			if err == nil || errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), "535") || strings.Contains(err.Error(), "of-the-relay") {
				t.Errorf("a wrong password: %v", err)
			}

			config.CA = ""
			if err := open(t, config).Send(t.Context(), mailtest.Letter); err == nil || errors.Is(err, mail.ErrRefused) {
				t.Errorf("an unknown authority: %v", err)
			}
			if got := server.Messages(); len(got) != 1 {
				t.Errorf("%d messages, want 1", len(got))
			}
		})
	}
	t.Run("no STARTTLS offered", func(t *testing.T) {
		server := mailtest.NewServer(t, mailtest.Options{})
		config := towards(t, server)
		config.TLS = "starttls"
		if err := open(t, config).Send(t.Context(), mailtest.Letter); err == nil || errors.Is(err, mail.ErrRefused) {
			t.Errorf("%v, want an error that may be retried", err)
		}
		if len(server.Messages()) != 0 {
			t.Error("a message left in the clear")
		}
	})
}

// A message that was taken is sent: a retry would send it twice.
func TestHangUpAfterTheMessage(t *testing.T) {
	server := mailtest.NewServer(t, mailtest.Options{HangsUp: true})
	if err := open(t, towards(t, server)).Send(t.Context(), mailtest.Letter); err != nil || len(server.Messages()) != 1 {
		t.Errorf("%v, %d messages", err, len(server.Messages()))
	}
}

// A silent server ends by the timeout even when ctx has no end.
func TestTimeout(t *testing.T) {
	server := mailtest.NewServer(t, mailtest.Options{})
	server.Silence(func() {})
	config := towards(t, server)
	config.Timeout = plugin.Duration(20 * time.Millisecond)
	sender := open(t, config)
	if err := sender.Send(context.Background(), mailtest.Letter); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v", err)
	}
	if err := sender.(interface{ Ping(context.Context) error }).Ping(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ping: %v", err)
	}
}

func TestConfig(t *testing.T) {
	set := plugin.Set[mail.Sender, struct{}]{"smtp": func() plugin.Config[mail.Sender, struct{}] { return &smtp.Config{} }}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for section, place := range map[string]string{
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr"}`:                                                              "",
		`{"type": "smtp", "host": "::1", "tls": "none", "from": "Assistance <a@example.fr>", "timeout": "10s", "helo": "auth.example.fr"}`: "",
		`{"type": "smtp", "host": "smtp.example.fr", "tls": "tls", "username": "loge", "password": "x", "from": "a@example.fr"}`:           "",
		`{"type": "smtp", "from": "a@example.fr"}`:                                                                                         "host",
		`{"type": "smtp", "host": "smtp.example.fr"}`:                                                                                      "from",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "nobody"}`:                                                                    "from",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "tls": "none"}`:                                               "tls",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "tls": "maybe"}`:                                              "tls",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "port": 70000}`:                                               "port",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "username": "loge"}`:                                          "password",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "password": "x"}`:                                             "password",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "bounces": "nobody"}`:                                         "bounces",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "bounces": "` + strings.Repeat("r", 32) + `@example.fr"}`:     "bounces",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "bounces": "` + strings.Repeat("r", 31) + `@example.fr"}`:     "",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "helo": "a b"}`:                                               "helo",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "ca": "/none"}`:                                               "ca",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "ca": "` + empty + `"}`:                                       "ca",
		`{"type": "smtp", "host": "smtp.example.fr", "from": "a@example.fr", "sender": "b@example.fr"}`:                                    "sender",
	} {
		_, err := set.Open(t.Context(), []byte(section), struct{}{})
		var wrong *plugin.Error
		if (err != nil) != (place != "") || err != nil && (!errors.As(err, &wrong) || wrong.Path != place) {
			t.Errorf("%s: %v", section, err)
		}
	}
}

// R23: what bounces comes back to an address that says what it was; and a
// refusal says whether it is of the address.
func TestBounces(t *testing.T) {
	server := mailtest.NewServer(t, mailtest.Options{})
	config := towards(t, server)
	config.Bounces = "rebonds@univ-valmont.example"
	sender := open(t, config)
	letter := mailtest.Letter
	letter.Mark = "k7qm2xdb9rth"
	for _, m := range []mail.Message{letter, mailtest.Letter} {
		if err := sender.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	got := server.Messages()
	if got[0].From != "rebonds+k7qm2xdb9rth@univ-valmont.example" || got[1].From != "assistance@univ-valmont.example" {
		t.Errorf("from %q and %q", got[0].From, got[1].From)
	}
	if from := got[0].Header.Get("From"); !strings.Contains(from, "assistance@") {
		t.Errorf("the reader sees %q", from)
	}
	for refusal, address := range map[mailtest.Refusal]bool{mailtest.Never: true, mailtest.Unwanted: false, mailtest.Later: false} {
		server.Refuse(refusal)
		if err := sender.Send(t.Context(), letter); err == nil || errors.Is(err, mail.ErrAddress) != address || errors.Is(err, mail.ErrRefused) != (refusal != mailtest.Later) {
			t.Errorf("refusal %d: %v", refusal, err)
		}
	}
}
