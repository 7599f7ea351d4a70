// Package mailtest is the conformance kit of mail.Sender, with a mail server
// for the tests of those that speak SMTP.
package mailtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/mail"
)

// Received is a message as the far end has it, decoded.
type Received struct {
	ID      string // the whole Message-ID, or what stands for it
	To      string // the recipient of the envelope, not of the header
	Subject string
	Text    string
}

// Refusal is how a far end may refuse a message.
type Refusal int

// The refusals.
const (
	None     Refusal = iota
	Later            // for now: SMTP 450
	Never            // for good, since nobody is there: SMTP 550 5.1.1
	Unwanted         // for good, whomever it is to: SMTP 550 5.7.1
)

// Harness is a Sender and its far end.
type Harness struct {
	Sender mail.Sender
	// Received are the messages so far, the oldest first.
	Received func() []Received
	// Refuse makes the far end refuse from now on, and Silence take
	// connections without a word and tell that it did. Both are nil for a
	// Sender that has no far end. Timeouts of the Sender must be longer than
	// those of the test: only then is it seen that ctx ends a silence.
	Refuse  func(Refusal)
	Silence func(reached func())
}

// Run checks a Sender. It calls open once per case.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("a message arrives as it was written", func(t *testing.T) { arrives(t, open(t)) })
	t.Run("R-REC-16 one recipient and intact headers, or nothing", func(t *testing.T) { injection(t, open(t)) })
	t.Run("R74 the same message has the same ID", func(t *testing.T) { sameID(t, open(t)) })
	t.Run("many at once", func(t *testing.T) { concurrent(t, open(t)) })
	t.Run("no send after the end of ctx", func(t *testing.T) { ended(t, open(t)) })
	t.Run("faults", func(t *testing.T) { faults(t, open) })
}

// Letter is a message with everything that is hard to encode in French.
var Letter = mail.Message{
	ID:      "Zk3b-9_x",
	To:      "elise.lefevre@perso.example",
	Subject: "Élise, choisissez votre nouveau mot de passe : l’accès vous attend à l’université de Valmont (ça presse !)",
	Text: "Bonjour Élise,\n\nLe lien : https://auth.univ-valmont.example/link?a=b&c=d%20e#" + strings.Repeat("0123456789", 12) +
		"\nLe code : 042 137\n.\n.. et « voilà » — cœur, 5 €.\n",
	Language: "fr",
}

func arrives(t *testing.T, h Harness) {
	send(t, h, Letter)
	html := Letter
	html.ID, html.HTML = "with-html", "<!doctype html><p>Bonjour Élise,</p>"
	send(t, h, html)
	got := h.Received()
	if len(got) != 2 {
		t.Fatalf("%d messages arrived, want 2", len(got))
	}
	for i, r := range got {
		want := Received{ID: r.ID, To: Letter.To, Subject: Letter.Subject, Text: Letter.Text}
		// Lines end by CR LF on the wire, and the last end may be left out.
		r.Text = strings.TrimRight(strings.ReplaceAll(r.Text, "\r\n", "\n"), "\n") + "\n"
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("message %d: %s", i+1, diff)
		}
	}
}

func injection(t *testing.T, h Harness) {
	for name, change := range map[string]func(*mail.Message){
		"CR LF in the recipient":   func(m *mail.Message) { m.To = "a@perso.example\r\nBcc: b@evil.example" },
		"LF in the recipient":      func(m *mail.Message) { m.To = "a@perso.example\nb@evil.example" },
		"two @":                    func(m *mail.Message) { m.To = "a@perso.example@evil.example" },
		"two recipients":           func(m *mail.Message) { m.To = "a@perso.example,b@evil.example" },
		"a display name":           func(m *mail.Message) { m.To = "Élise <a@perso.example>" },
		"a quoted recipient":       func(m *mail.Message) { m.To = `"b@evil.example> "@perso.example` },
		"a comment":                func(m *mail.Message) { m.To = "a@perso.example (b@evil.example)" },
		"no recipient":             func(m *mail.Message) { m.To = "" },
		"CR LF in the subject":     func(m *mail.Message) { m.Subject = "Bonjour\r\nBcc: b@evil.example" },
		"CR alone in the subject":  func(m *mail.Message) { m.Subject = "Bonjour\rBcc: b@evil.example" },
		"LF in the ID":             func(m *mail.Message) { m.ID = "a\nBcc: b@evil.example" },
		"an ID that ends its mark": func(m *mail.Message) { m.ID = "a@evil.example> <b" },
	} {
		m := Letter
		change(&m)
		if err := h.Sender.Send(t.Context(), m); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		} else {
			discreet(t, err)
		}
	}
	if got := h.Received(); len(got) != 0 {
		t.Errorf("%d messages arrived", len(got))
	}
}

func sameID(t *testing.T, h Harness) {
	send(t, h, Letter)
	send(t, h, Letter)
	other := Letter
	other.ID = "another"
	send(t, h, other)
	ids := map[string]bool{}
	for _, r := range h.Received() {
		ids[r.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("IDs %v, want one for the message sent twice and one for the other", ids)
	}
}

func concurrent(t *testing.T, h Harness) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { send(t, h, Letter) })
	}
	group.Wait()
	if got := h.Received(); len(got) == 0 {
		t.Error("nothing arrived")
	}
}

func ended(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Sender.Send(ctx, Letter); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if got := h.Received(); len(got) != 0 {
		t.Errorf("%d messages arrived", len(got))
	}
}

func faults(t *testing.T, open func(t *testing.T) Harness) {
	if h := open(t); h.Refuse == nil || h.Silence == nil {
		t.Skip("this Sender has no far end that could fail")
	}
	t.Run("a refusal for now may be retried", func(t *testing.T) {
		h := open(t)
		h.Refuse(Later)
		err := h.Sender.Send(t.Context(), Letter)
		if err == nil || errors.Is(err, mail.ErrRefused) {
			t.Fatalf("%v, want an error that may be retried", err)
		}
		discreet(t, err)
		h.Refuse(None)
		send(t, h, Letter)
	})
	t.Run("a refusal for good wraps ErrRefused", func(t *testing.T) {
		h := open(t)
		h.Refuse(Never)
		err := h.Sender.Send(t.Context(), Letter)
		if !errors.Is(err, mail.ErrRefused) {
			t.Fatalf("%v, want ErrRefused", err)
		}
		discreet(t, err)
	})
	t.Run("silence ends with ctx", func(t *testing.T) {
		h := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		h.Silence(cancel)
		if err := h.Sender.Send(ctx, Letter); !errors.Is(err, context.Canceled) || errors.Is(err, mail.ErrRefused) {
			t.Errorf("%v, want context.Canceled", err)
		}
	})
}

func send(t *testing.T, h Harness, m mail.Message) {
	t.Helper()
	if err := h.Sender.Send(t.Context(), m); err != nil {
		t.Error(err)
	}
}

// discreet checks that an error names nobody.
func discreet(t *testing.T, err error) {
	t.Helper()
	for _, private := range []string{"elise", "perso.example", "evil.example", "042 137"} {
		if strings.Contains(strings.ToLower(err.Error()), private) {
			t.Errorf("the error %q holds %q", err, private)
		}
	}
}
