package demobox_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/mail/mailtest"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/smstest"
	"github.com/loge-idp/loge/pkg/web"
	"github.com/loge-idp/loge/providers/demobox"
)

var (
	_ plugin.Config[mail.Sender, struct{}] = (*demobox.Mail)(nil)
	_ plugin.Config[sms.Gateway, struct{}] = (*demobox.SMS)(nil)
)

func TestMailConformance(t *testing.T) {
	mailtest.Run(t, func(*testing.T) mailtest.Harness {
		box := &demobox.Box{}
		return mailtest.Harness{Sender: &demobox.Mail{Box: box}, Received: func() []mailtest.Received {
			var out []mailtest.Received
			for _, m := range box.Messages() {
				out = append(out, mailtest.Received{ID: m.ID, To: m.To, Subject: m.Subject, Text: m.Text})
			}
			return out
		}}
	})
}

// site serves a box under an issuer that has a path.
func site(t *testing.T, box *demobox.Box) func(path string) *httptest.ResponseRecorder {
	t.Helper()
	const issuer = "http://127.0.0.1:8080/sso"
	pages, err := render.Open(render.Config{Issuer: issuer, Site: render.Site{
		Name:    render.Text{"fr": "Université de Valmont", "en": "University of Valmont"},
		Account: render.Text{"fr": "de l’université", "en": "university"},
		Help:    render.Help{Mail: "assistance@univ-valmont.example"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	mux, err := web.New(web.Config{Issuer: issuer, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	box.Routes(mux, pages)
	return func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sso"+path, nil))
		return w
	}
}

func TestPages(t *testing.T) {
	box := &demobox.Box{Now: func() time.Time { return time.Date(2026, 9, 15, 8, 42, 0, 0, time.UTC) }}
	get := site(t, box)
	if w := get("/demo/box"); w.Code != http.StatusOK {
		t.Fatalf("the empty box: %d", w.Code)
	}
	letter := mail.Message{ID: "m", To: "elise@perso.example", Subject: "Votre lien <b>", Text: "Ouvrez https://auth.example/link?a=1&b=2#k. Puis (https://auth.example/code), ou « http://127.0.0.1:8080/x ».\njavascript:alert(1)"}
	if err := (&demobox.Mail{Box: box}).Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	text := "Code 042137, valable dix minutes. Ne le donnez à personne, pas plus à nous.\n@auth.example #042137"
	if err := (&demobox.SMS{Box: box}).Send(t.Context(), sms.Message{ID: "s", To: "+33600000000", Text: text}); err != nil {
		t.Fatal(err)
	}

	list := get("/demo/box").Body.String()
	newest, oldest := strings.Index(list, `href="/sso/demo/box/2"`), strings.Index(list, `href="/sso/demo/box/1"`)
	if newest < 0 || oldest < newest {
		t.Errorf("links at %d and %d, want the newest first", newest, oldest)
	}
	for _, want := range []string{"Votre lien &lt;b&gt;", "Code 042137, valable dix minutes. Ne le donnez à personne, …"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list does not show %q", want)
		}
	}

	page := get("/demo/box/1").Body.String()
	for _, want := range []string{`href="https://auth.example/link?a=1&amp;b=2#k"`, `href="https://auth.example/code"`, `href="http://127.0.0.1:8080/x"`, "elise@perso.example"} {
		if !strings.Contains(page, want) {
			t.Errorf("the mail does not show %q", want)
		}
	}
	if strings.Contains(page, `href="javascript`) {
		t.Error("a script can be pressed")
	}
	if page := get("/demo/box/2").Body.String(); !strings.Contains(page, "#042137") {
		t.Error("the text message is not shown whole")
	}
	for _, path := range []string{"/demo/box/3", "/demo/box/0", "/demo/box/x", "/demo/box/01"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestCapacity(t *testing.T) {
	box := &demobox.Box{}
	for i := range demobox.Capacity + 3 {
		if err := (&demobox.SMS{Box: box}).Send(t.Context(), sms.Message{ID: "s", To: "+33600000000", Text: fmt.Sprint(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	got := box.Messages()
	if len(got) != demobox.Capacity || got[0].Number != 4 || got[0].Text != "4" || got[len(got)-1].Number != demobox.Capacity+3 {
		t.Errorf("%d messages from number %d", len(got), got[0].Number)
	}
}

func TestSMSConformance(t *testing.T) {
	smstest.Run(t, func(*testing.T) smstest.Harness {
		box := &demobox.Box{}
		return smstest.Harness{Gateway: &demobox.SMS{Box: box}, Received: func() []smstest.Received {
			var out []smstest.Received
			for _, m := range box.Messages() {
				out = append(out, smstest.Received{To: m.To, Text: m.Text})
			}
			return out
		}}
	})
}
