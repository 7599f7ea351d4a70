// Package smstest is the conformance kit of sms.Gateway.
package smstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/sms"
)

// Received is a message as the person has it on the phone.
type Received struct{ To, Text string }

// Fault is what the far end does from now on.
type Fault int

// The faults.
const (
	None   Fault = iota
	Later        // it says that it did not send, for now
	Never        // it says that it will never send this
	Silent       // it sends, and then says nothing
)

// Harness is a Gateway and its far end.
type Harness struct {
	Gateway sms.Gateway
	// Received are the messages so far, the oldest first.
	Received func() []Received
	// Fail begins a fault. Of Silent, sent is called after each message that
	// left. Timeouts of the Gateway must be longer than those of the test:
	// only then is it seen that ctx ends a silence. Nil for a Gateway that has
	// no far end.
	Fail func(f Fault, sent func())
	// Secrets are what no error may hold: tokens, passwords.
	Secrets []string
}

// Message is one with everything that has to be escaped somewhere.
var Message = sms.Message{
	ID: "Zk3b-9_x", To: "+33639980001", Account: "1",
	Text: "042137 est votre code Université de Valmont : \"l'été\" & <co> 100 % {to} $HOME $(id) [5 €] \\n ~^|\n\n@auth.univ-valmont.example #042137",
}

// Timeouts is how many messages are lost in a silence (F-SMS-01 of one
// gateway; a thousand are tried where it is guarded).
const Timeouts = 50

// Run checks a Gateway. It calls open once per case.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("a message arrives as it was written", func(t *testing.T) {
		h := open(t)
		send(t, h, Message)
		h.expect(t, Received{Message.To, Message.Text})
	})
	t.Run("R74: what no gateway can send is refused", func(t *testing.T) { malformed(t, open(t)) })
	t.Run("many at once", func(t *testing.T) {
		h := open(t)
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() { send(t, h, numbered(i)) })
		}
		group.Wait()
		if got := h.Received(); len(got) != 8 {
			t.Errorf("%d messages arrived, want 8", len(got))
		}
	})
	t.Run("no send after the end of ctx", func(t *testing.T) {
		h := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Gateway.Send(ctx, Message); !errors.Is(err, context.Canceled) || final(err) {
			t.Errorf("%v, want context.Canceled, which may be retried", err)
		}
		h.expect(t)
	})
	t.Run("faults", func(t *testing.T) { faults(t, open) })
}

func malformed(t *testing.T, h Harness) {
	for name, change := range map[string]func(*sms.Message){
		"no number":              func(m *sms.Message) { m.To = "" },
		"a national number":      func(m *sms.Message) { m.To = "0639980001" },
		"spaces in the number":   func(m *sms.Message) { m.To = "+33 6 39 98 00 01" },
		"two numbers":            func(m *sms.Message) { m.To = "+33639980001,+33639980002" },
		"a line after it":        func(m *sms.Message) { m.To = "+33639980001\n+33639980002" },
		"a parameter after it":   func(m *sms.Message) { m.To = "+33639980001&to=+33639980002" },
		"no text":                func(m *sms.Message) { m.Text = "" },
		"161 septets":            func(m *sms.Message) { m.Text = strings.Repeat("a", 161) },
		"81 signs of two":        func(m *sms.Message) { m.Text = strings.Repeat("€", 81) },
		"a letter not in GSM":    func(m *sms.Message) { m.Text = "vous êtes" },
		"a quotation mark":       func(m *sms.Message) { m.Text = "l’été" },
		"a non-breaking space":   func(m *sms.Message) { m.Text = "code\u00a0: 1" },
		"a NUL":                  func(m *sms.Message) { m.Text = "a\x00b" },
		"no ID":                  func(m *sms.Message) { m.ID = "" },
		"a line break in the ID": func(m *sms.Message) { m.ID = "a\r\nX: b" },
		"a path as ID":           func(m *sms.Message) { m.ID = "../a" },
	} {
		m := Message
		change(&m)
		err := h.Gateway.Send(t.Context(), m)
		if !errors.Is(err, sms.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
		h.discreet(t, err)
	}
	h.expect(t)
}

func faults(t *testing.T, open func(t *testing.T) Harness) {
	if open(t).Fail == nil {
		t.Skip("this Gateway has no far end that could fail")
	}
	t.Run("what was not sent for now may be sent later", func(t *testing.T) {
		h := open(t)
		h.Fail(Later, nil)
		err := h.Gateway.Send(t.Context(), Message)
		if err == nil || final(err) {
			t.Fatalf("%v, want an error that may be retried", err)
		}
		h.discreet(t, err)
		h.Fail(None, nil)
		send(t, h, Message)
		h.expect(t, Received{Message.To, Message.Text})
	})
	t.Run("a refusal for good wraps ErrRefused", func(t *testing.T) {
		h := open(t)
		h.Fail(Never, nil)
		err := h.Gateway.Send(t.Context(), Message)
		if !errors.Is(err, sms.ErrRefused) || errors.Is(err, sms.ErrUncertain) {
			t.Errorf("%v, want ErrRefused", err)
		}
		h.discreet(t, err)
		h.expect(t)
	})
	t.Run("F-SMS-01: silence after sending ends with ctx, and sends nothing twice", func(t *testing.T) {
		h := open(t)
		for i := range Timeouts {
			for range 2 { // as an outbox would
				ctx, cancel := context.WithCancel(t.Context())
				h.Fail(Silent, cancel)
				err := h.Gateway.Send(ctx, numbered(i))
				cancel()
				if err == nil {
					t.Fatal("a message without an answer was taken for sent")
				}
				h.discreet(t, err)
				if final(err) {
					break
				}
			}
		}
		if got := h.Received(); len(got) != Timeouts {
			t.Errorf("%d messages arrived of %d", len(got), Timeouts)
		}
	})
}

// final reports whether a message must not be given again.
func final(err error) bool {
	return errors.Is(err, sms.ErrRefused) || errors.Is(err, sms.ErrUncertain)
}

func numbered(i int) sms.Message {
	m := Message
	m.ID, m.Text = fmt.Sprintf("message-%d", i), fmt.Sprintf("%06d est votre code", i)
	return m
}

func send(t *testing.T, h Harness, m sms.Message) {
	t.Helper()
	if err := h.Gateway.Send(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func (h Harness) expect(t *testing.T, want ...Received) {
	t.Helper()
	if diff := cmp.Diff(append([]Received(nil), want...), append([]Received(nil), h.Received()...)); diff != "" {
		t.Errorf("what arrived: %s", diff)
	}
}

// discreet checks that an error names nobody and nothing secret (R75).
func (h Harness) discreet(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, private := range append([]string{"639980001", "639980002", "042137", "votre code"}, h.Secrets...) {
		if strings.Contains(err.Error(), private) {
			t.Errorf("the error %q holds %q", err, private)
		}
	}
}
