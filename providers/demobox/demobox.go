// Package demobox keeps the mails and text messages of a demonstration in
// memory, where one can read them in the browser: nothing leaves.
//
// Its pages are GET /demo/box and GET /demo/box/{id}. Whoever sees them can
// take over any account: it must never be part of a real server.
package demobox

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/web"
)

// Capacity is how many messages a Box keeps; the oldest make room.
const Capacity = 200

// Box keeps the last messages. The zero Box is empty and ready. It is safe for
// concurrent use.
type Box struct {
	Now func() time.Time // time.Now when nil

	mu       sync.Mutex
	count    int // of all messages ever
	messages []Message
}

// Message is one mail or text message.
type Message struct {
	Number  int    // 1 for the first that the Box was given
	Kind    string // "mail" or "sms"
	At      time.Time
	ID      string // as its sender named it
	To      string
	Subject string // of a text message its beginning
	Text    string
}

// Mail is the mail.Sender of a Box. It is its own plugin configuration.
type Mail struct {
	Box *Box `json:"-"`
}

// Open implements plugin.Config.
func (m *Mail) Open(context.Context, struct{}) (mail.Sender, error) { return m, nil }

// Send implements mail.Sender.
func (m *Mail) Send(ctx context.Context, message mail.Message) error {
	if err := message.Check(); err != nil {
		return err
	}
	return m.Box.keep(ctx, Message{Kind: "mail", ID: message.ID, To: message.To, Subject: message.Subject, Text: message.Text})
}

// SMS is the sms.Gateway of a Box. It is its own plugin configuration.
type SMS struct {
	Box *Box `json:"-"`
}

// Open implements plugin.Config.
func (s *SMS) Open(context.Context, struct{}) (sms.Gateway, error) { return s, nil }

// Send implements sms.Gateway.
func (s *SMS) Send(ctx context.Context, message sms.Message) error {
	if err := message.Check(); err != nil {
		return err
	}
	return s.Box.keep(ctx, Message{Kind: "sms", ID: message.ID, To: message.To, Subject: beginning(message.Text), Text: message.Text})
}

// beginning is the first line of a text, as far as a list shows it.
func beginning(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	const most = 60
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return line
}

func (b *Box) keep(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	m.Number, m.At = b.count, now()
	b.messages = append(b.messages, m)
	if len(b.messages) > Capacity {
		b.messages = slices.Delete(b.messages, 0, 1)
	}
	return nil
}

// Messages are those still kept, the oldest first.
func (b *Box) Messages() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.messages)
}

// Routes adds the pages of the Box.
func (b *Box) Routes(m *web.Mux, pages *render.Pages) {
	m.Page("GET /demo/box", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list render.Box
		for _, message := range slices.Backward(b.Messages()) {
			list.Messages = append(list.Messages, message.view())
		}
		pages.Render(w, r, http.StatusOK, list)
	}))
	m.Page("GET /demo/box/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, message := range b.Messages() {
			if strconv.Itoa(message.Number) == r.PathValue("id") {
				pages.Render(w, r, http.StatusOK, message.view())
				return
			}
		}
		pages.Render(w, r, http.StatusNotFound, render.Problem{Kind: render.ProblemNotFound, Reference: web.Reference(r)})
	}))
}

func (m Message) view() render.BoxMessage {
	return render.BoxMessage{URL: "/demo/box/" + strconv.Itoa(m.Number), Kind: m.Kind, At: m.At, To: m.To,
		Subject: m.Subject, Text: m.Text, Links: links(m.Text)}
}

var link = regexp.MustCompile(`https?://[^\s<>"«»]+`)

// links are the URLs in a text, each once, without the full stop of the
// sentence.
func links(text string) []string {
	var out []string
	for _, found := range link.FindAllString(text, -1) {
		found = strings.TrimRight(found, ".,;:!?)'’")
		if !slices.Contains(out, found) {
			out = append(out, found)
		}
	}
	return out
}
