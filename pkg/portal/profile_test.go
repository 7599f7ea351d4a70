package portal_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
)

// An attribute of several values is shown whole and written whole: lines of a
// text, boxes of a choice, each value checked like a single one.
func TestProfileOfSeveralValues(t *testing.T) {
	h := open(t)
	d := h.editing()
	if err := h.portal.Allow(portal.Fields{
		{Attribute: "forward", Label: name, Type: "email", Several: true},
		{Attribute: "lists", Label: name, Type: "choice", Several: true, Choices: []portal.Choice{{Value: "news", Label: name}, {Value: "jobs", Label: name}}},
	}); err != nil {
		t.Fatal(err)
	}
	d.change("alice", func(a *account.Account) {
		a.Attributes = map[string][]string{"forward": {"a@home.example", "b@home.example"}}
	})
	b := h.browser()
	b.signIn("alice")
	b.get("/account/data").is(t, http.StatusOK).has(t, "a@home.example\nb@home.example</textarea>", `type="checkbox"`)
	const before = "a@home.example\r\nb@home.example"
	b.post("/account/data", "was-forward", before, "value-forward", "a@home.example\r\nnobody").is(t, http.StatusUnprocessableEntity).has(t, "a@home.example\nnobody</textarea>")
	b.post("/account/data", "was-forward", before, "value-forward", strings.Repeat("a@home.example\n", 2)+"c@home.example\r\n\r\n").is(t, http.StatusSeeOther)
	if got := d.of("alice").Attributes["forward"]; !slices.Equal(got, []string{"a@home.example", "c@home.example"}) {
		t.Fatalf("written: %q", got)
	}
	d.change("alice", func(a *account.Account) { a.Attributes = nil })
	b.post("/account/data", "was-lists", "", "value-lists", "news", "value-lists", "everything").is(t, http.StatusUnprocessableEntity)
	b.post("/account/data", "was-lists", "", "value-lists", "news", "value-lists", "jobs").is(t, http.StatusSeeOther)
	if got := d.of("alice").Attributes["lists"]; !slices.Equal(got, []string{"news", "jobs"}) {
		t.Fatalf("written: %q", got)
	}
	b.get("/account/data").has(t, `value="news" checked`)
	b.post("/account/data", "was-lists", "news\r\njobs").is(t, http.StatusSeeOther)
	if got := d.of("alice").Attributes["lists"]; len(got) != 0 {
		t.Errorf("emptied: %q", got)
	}
}

var name = render.Text{"fr": "Redirection", "en": "Forward"}

// People change what the site allows, of the kind it says, and never over what
// somebody else has written since the page was shown.
func TestProfile(t *testing.T) {
	h := open(t)
	d := h.editing()
	if err := h.portal.Allow(portal.Fields{
		{Attribute: "mailForwardingAddress", Label: name, Type: "email"},
		{Attribute: "spam", Label: name, Type: "choice", Choices: []portal.Choice{{Value: "low"}, {Value: "high"}}, Required: true},
		{Attribute: "staffOnly", Label: name, Who: account.Condition{Attribute: "staff"}},
	}); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.signIn("alice")
	b.get("/account").has(t, "/account/data")
	page := b.get("/account/data").is(t, http.StatusOK).has(t, `type="email"`, `value="high"`, "Redirection")
	if strings.Contains(page.body, "staffOnly") {
		t.Error("a field of others")
	}
	const forward = "value-mailForwardingAddress"
	for _, wrong := range []string{"nobody", "a@b.example, c@d.example", "A <a@b.example>", strings.Repeat("a", 500) + "@b.example"} {
		b.post("/account/data", forward, wrong).is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`)
	}
	b.post("/account/data", "value-spam", "middling").is(t, http.StatusUnprocessableEntity)
	b.post("/account/data", "value-spam", "").is(t, http.StatusUnprocessableEntity)
	b.post("/account/data", "value-staffOnly", "yes", "value-userPassword", "yes").is(t, http.StatusSeeOther)
	if got := d.of("alice").Attributes; len(got) != 0 {
		t.Fatalf("written: %v", got)
	}
	b.leads(b.post("/account/data", forward, " me@home.example ", "was-mailForwardingAddress", ""), "/account/data?done=saved").has(t, `value="me@home.example"`)
	if got := d.of("alice").Attributes["mailForwardingAddress"]; !slices.Equal(got, []string{"me@home.example"}) {
		t.Fatalf("written: %v", got)
	}
	b.post("/account/data", forward, "mine@home.example", "was-mailForwardingAddress", "").is(t, http.StatusUnprocessableEntity).has(t, `value="me@home.example"`)
	b.leads(b.post("/account/data", forward, "", "was-mailForwardingAddress", "me@home.example"), "/account/data?done=saved")
	if got := d.of("alice").Attributes["mailForwardingAddress"]; len(got) != 0 {
		t.Errorf("emptied: %v", got)
	}
}

// strict is a directory with a syntax of its own.
type strict struct{ written }

func (d strict) Edit(ctx context.Context, id account.ID, attribute string, from, to []string) error {
	if strings.ContainsFunc(strings.Join(to, ""), func(r rune) bool { return r > unicode.MaxASCII }) {
		return errors.New("edit: invalid attribute syntax")
	}
	return d.written.Edit(ctx, id, attribute, from, to)
}

// What a value must be is said before it is typed; what only the directory does
// not take is no fault of the service, and is still there to be mended.
func TestProfileIsSpokenOf(t *testing.T) {
	h := open(t)
	d := strict{h.editing()}
	h.portal.Login.Directory = d
	if err := h.portal.Allow(portal.Fields{{Attribute: "labeledURI", Label: name, Type: "url", Required: true}, {Attribute: "room", Label: name}}); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.signIn("alice")
	b.get("/account/data").has(t, "adresse web complète, en https", "à remplir")
	for _, wrong := range []string{"", "http://alice.example/", "javascript:alert(1)", `https://alice.example/"><script>`, "https://alice.example/a b", "alice.example"} {
		b.post("/account/data", "value-labeledURI", wrong, "was-labeledURI", "https://was.example/").is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`)
	}
	b.post("/account/data", "value-room", "à côté", "was-room", "").is(t, http.StatusUnprocessableEntity).has(t, "L’annuaire ne prend pas cette valeur", `value="à côté"`, `aria-invalid="true"`)
	h.people.switchOff(true)
	b.post("/account/data", "value-room", "12", "was-room", "").is(t, http.StatusServiceUnavailable)
}

func TestFieldsAreChecked(t *testing.T) {
	for place, c := range map[string]struct {
		fields   portal.Fields
		readOnly bool
	}{
		"":              {portal.Fields{{Attribute: "a", Label: name}}, true},
		"[0].attribute": {portal.Fields{{Label: name}}, false},
		"[1].attribute": {portal.Fields{{Attribute: "a", Label: name}, {Attribute: "a", Label: name}}, false},
		"[0].label":     {portal.Fields{{Attribute: "a"}}, false},
		"[0].type":      {portal.Fields{{Attribute: "a", Label: name, Type: "colour"}}, false},
		"[0].choices":   {portal.Fields{{Attribute: "a", Label: name, Type: "choice"}}, false},
		"[0].pattern":   {portal.Fields{{Attribute: "a", Label: name, Pattern: "("}}, false},
		"[0].who":       {portal.Fields{{Attribute: "a", Label: name, Who: account.Condition{In: []string{"x"}}}}, false},
	} {
		h := open(t)
		if !c.readOnly {
			h.editing()
		}
		var wrong *plugin.Error
		if err := h.portal.Allow(c.fields); err == nil || place != "" && (!errors.As(err, &wrong) || wrong.Path != place) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// R13: who may asks for the account to last longer, and sees that it was asked.
func TestExtend(t *testing.T) {
	h := open(t)
	h.portal.Lifecycle = lifecycle.Config{Grace: []lifecycle.Grace{{Who: account.Condition{Attribute: "thesis"}, Months: 12, Renewable: true}, {Months: 3}}}
	h.portal.Extensions = &lifecycle.Extensions{Store: h.store, Keys: h.portal.Keys, Audit: audit.Log{Logger: h.portal.Logger}}
	b := h.browser()
	h.people.change("alice", func(a *account.Account) { a.Ends = h.store.Now().Add(60 * 24 * time.Hour) })
	b.signIn("alice")
	b.leads(b.get("/account/extend"), "/account")
	b.leads(b.post("/account/extend", "why", "please"), "/account")
	h.people.change("alice", func(a *account.Account) { a.Attributes = map[string][]string{"thesis": {"yes"}} })
	h.store.Advance(2 * time.Minute)
	b.get("/account").has(t, "/account/extend")
	b.get("/account/extend").is(t, http.StatusOK).has(t, `name="why"`, "12")
	b.leads(b.post("/account/extend", "why", " "+strings.Repeat("é", 600)), "/account/extend?done=asked").has(t, `class="note"`)
	all, err := h.portal.Extensions.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Account != "alice" || all[0].Months != 12 || all[0].Why != strings.Repeat("é", 500) {
		t.Errorf("%v, %v", all, err)
	}
}

// visits enters an application, as a protocol does.
func (b *browser) visits(v session.Visit) {
	b.h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, issuer+"/", http.NoBody)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	s, err := b.h.portal.Sessions.Current(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	b.h.portal.Sessions.Visit(s, v.Party, v)
	if err := b.h.portal.Sessions.Commit(r.Context(), httptest.NewRecorder(), s); err != nil {
		b.h.t.Fatal(err)
	}
}

// People take along what is known of them here, by credentials of just now, and
// nothing of anybody else, nor what opens or proves anything.
func TestDownload(t *testing.T) {
	h := open(t)
	b, other := h.browser(), h.browser()
	b.headers.Set("User-Agent", "Firefox Windows")
	h.people.change("alice", func(a *account.Account) {
		a.Handle = "uid=alice,dc=univ"
		a.Attributes = map[string][]string{"description": {"of the choir", "pet:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"}}
	})
	other.signIn("grace")
	b.signIn("alice")
	b.visits(session.Visit{Protocol: "cas", Party: "https://mail.univ.example/", Name: "Webmail", Data: map[string]string{"ticket": "ST-secret"}})
	got := b.get("/account/download").is(t, http.StatusOK)
	var c struct {
		Account struct {
			Login      string
			Contacts   []struct{ Kind, Value string }
			Attributes map[string][]string
		}
		Sessions []struct {
			Device       string
			Applications []struct{ Name string }
		}
		SignIns []struct{ Device string }
	}
	if err := json.Unmarshal([]byte(got.body), &c); err != nil || !strings.HasPrefix(got.Header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("%v, %v", err, got.Header)
	}
	if c.Account.Login != "alice" || len(c.Account.Contacts) == 0 || c.Account.Contacts[0].Kind != "email" || len(c.Account.Attributes["description"]) != 1 ||
		len(c.Sessions) != 1 || c.Sessions[0].Device != "Firefox, Windows" || len(c.Sessions[0].Applications) != 1 || c.Sessions[0].Applications[0].Name != "Webmail" ||
		len(c.SignIns) != 1 || c.SignIns[0].Device != "Firefox, Windows" {
		t.Errorf("%+v", c)
	}
	for _, none := range []string{"argon2id", "ST-secret", "dc=univ", "grace"} {
		if strings.Contains(got.body, none) {
			t.Errorf("holds %s: %s", none, got.body)
		}
	}
	h.store.Advance(11 * time.Minute)
	b.get("/account/download").has(t, `action="/login"`)
}
