package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The whole way, by the link, towards an application.
func TestRecoveryByLink(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.get("/recover?return=/app").is(t, http.StatusOK).has(t, `name="return" value="/app"`)
	b.begin("alice", "return", "/app")
	link, code := h.next()
	h.settled()

	// R-REC-27: the token leaves the address at once.
	opened := b.leads(b.get(link), "/recover/link").is(t, http.StatusOK).has(t, code)
	_, token, _ := strings.Cut(link, "t=")
	if strings.Contains(opened.body, token) {
		t.Error("the page holds the token")
	}
	if got := opened.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy is %q", got)
	}
	b.leads(b.post("/recover/link"), "/recover/password").is(t, http.StatusOK).has(t, `value="alice"`)

	// R-REC-20: a refusal keeps the proof.
	b.post("/recover/password", "password", "alice").is(t, http.StatusUnprocessableEntity).has(t, `aria-invalid="true"`)
	before := b.cookies["__Host-recovery-proof"]
	done := b.leads(b.post("/recover/password", "password", chosen), "/recover/done?return=%2Fapp")
	if done.is(t, http.StatusSeeOther).Header.Get("Location") != "/app" {
		t.Errorf("on to %q", done.Header.Get("Location"))
	}
	if h.people.passwords["alice"] != chosen || h.people.changes() != 1 {
		t.Errorf("the password was set %d times", h.people.changes())
	}
	// R-REC-19: nobody is signed in by that.
	if b.cookies["__Host-session"] != "" {
		t.Error("there is a session")
	}
	for _, name := range []string{"__Host-recovery", "__Host-recovery-proof", "__Host-recovery-link"} {
		if b.cookies[name] != "" {
			t.Errorf("%s is left", name)
		}
	}
	// The same form again, as a second click posts it.
	b.cookies["__Host-recovery-proof"] = before
	b.post("/recover/password", "password", old).is(t, http.StatusGone)
	if h.people.changes() != 1 {
		t.Error("the password was set twice")
	}
	b.get("/recover/password").is(t, http.StatusGone)
}

func TestRecoveryByCode(t *testing.T) {
	h := open(t)
	b, phone := h.browser(), h.browser()
	b.begin("alice")
	_, code := h.next()
	h.settled()
	phone.get("/code").is(t, http.StatusOK)
	phone.post("/code", "username", "", "code", code).is(t, http.StatusBadRequest).has(t, `value="`+code+`"`)
	phone.post("/code", "username", "alice", "code", "").is(t, http.StatusBadRequest).has(t, `value="alice"`)
	phone.leads(phone.post("/code", "username", "ALICE ", "code", code[:3]+" "+code[3:]), "/recover/password").is(t, http.StatusOK)
	// The proof is the phone's alone.
	if b.get("/recover/password").is(t, http.StatusGone); b.cookies["__Host-recovery-proof"] != "" {
		t.Error("another browser has a proof")
	}
	b.post("/recover/password", "password", chosen).is(t, http.StatusGone)
	if h.people.changes() != 0 {
		t.Fatal("a browser without a proof set the password")
	}
	phone.leads(phone.post("/recover/password", "password", chosen), "/recover/done")
}

func TestActivation(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.get("/activate").is(t, http.StatusOK)
	b.leads(b.post("/activate", "username", "newby"), "/recover/sent")
	link, _ := h.next()
	h.settled()
	b.leads(b.get(link), "/recover/link")
	b.leads(b.post("/recover/link"), "/recover/password")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done").is(t, http.StatusOK)
	if a := h.people.accounts["newby"]; a.Status != "active" {
		t.Errorf("the account is %s", a.Status)
	}
}

// R-REC-06: what scanners do consumes nothing.
func TestLookingConsumesNothing(t *testing.T) {
	h := open(t)
	b, scanner := h.browser(), h.browser()
	b.begin("alice")
	link, _ := h.next()
	h.settled()
	for range 50 {
		scanner.do(http.MethodHead, link, nil).is(t, http.StatusSeeOther)
		scanner.leads(scanner.get(link), "/recover/link").is(t, http.StatusOK)
		scanner.do(http.MethodHead, "/recover/link", nil).is(t, http.StatusGone) // a HEAD is nobody's
		scanner.do(http.MethodOptions, link, nil).is(t, http.StatusMethodNotAllowed)
	}
	b.leads(b.get(link), "/recover/link")
	b.leads(b.post("/recover/link"), "/recover/password").is(t, http.StatusOK)
}

// A change of language shows the same page with what was typed, and does
// nothing.
func TestLanguageSwitch(t *testing.T) {
	h := open(t)
	b := h.browser()
	check := func(path, keeps string, fields ...string) {
		t.Helper()
		for _, lang := range []string{"en", "fr"} {
			before := len(b.cookies)
			delete(b.cookies, "loge-lang")
			a := b.post(path, append(fields, "lang", lang)...).is(t, http.StatusOK).has(t, `<html lang="`+lang+`"`, keeps)
			if a.Header.Get("Content-Language") != lang || len(a.set) != 1 || len(b.cookies) < before {
				t.Errorf("%s: language %q, cookies set %v", path, a.Header.Get("Content-Language"), a.set)
			}
		}
	}
	check("/recover", `value="alice"`, "username", "alice", "return", "/app")
	check("/recover", `name="return" value="/app"`, "username", "alice", "return", "/app")
	check("/activate", `value="newby"`, "username", "newby")
	check("/login", `value="alice"`, "username", "alice", "password", old, "state", b.get("/login").state(t))
	b.begin("alice")
	_, code := h.next()
	h.settled()
	for range 6 { // more often than there are tries
		check("/recover/sent", `value="000000"`, "code", "000000")
		check("/recover/sent", `value="`+code+`"`, "code", code, "resend", "yes")
	}
	check("/code", `value="`+code+`"`, "username", "alice", "code", code)
	b.leads(b.post("/recover/sent", "code", code), "/recover/password")
	check("/recover/password", `value="alice"`, "password", chosen)
	if h.settled(); len(h.mails) != 0 || h.people.changes() != 0 {
		t.Errorf("%d mails left, the password was set %d times", len(h.mails), h.people.changes())
	}
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
}

var (
	sealed  = regexp.MustCompile(`[\w-]{40,}`)
	clocked = regexp.MustCompile(`nonce-\w+`)
)

// print is all that somebody can see of an answer, but for sealed values,
// which differ every time.
func (a answer) print() string {
	text := fmt.Sprint(a.StatusCode, a.Header, a.body)
	return clocked.ReplaceAllString(sealed.ReplaceAllStringFunc(text, func(s string) string { return fmt.Sprintf("<%d>", len(s)) }), "")
}

// R35, R-REC-01: every answer is the same, whoever asks.
func TestNobodyLearnsWhoExists(t *testing.T) {
	first := map[string]string{}
	for _, who := range []string{"alice", "nobod", "susan", "grace", "newby"} {
		h := open(t)
		b := h.browser()
		same := func(step string, a answer) {
			t.Helper()
			text := strings.ReplaceAll(a.print(), who, "WHO")
			if first[step] == "" {
				first[step] = text
			} else if text != first[step] {
				t.Errorf("%s: %s differs from alice:\n%s\n%s", who, step, text, first[step])
			}
		}
		same("asked", b.post("/recover", "username", who))
		same("sent", b.get("/recover/sent"))
		h.settled()
		for i := range 7 { // and after the last try
			same(fmt.Sprint("wrong code ", i), b.post("/recover/sent", "code", "12345"))
		}
		same("code elsewhere", h.browser().post("/code", "username", who, "code", "12345"))
		same("sent again", b.post("/recover/sent", "resend", "yes"))
		same("the page then", b.get("/recover/sent"))
		same("activation", h.browser().post("/activate", "username", who))
		form := b.get("/login")
		same("wrong password", b.post("/login", "username", who, "password", "wrong", "state", form.state(t)))
		for i := range 12 {
			same(fmt.Sprint("too often ", i), h.browser().post("/recover", "username", who))
		}
		h.settled()
	}
	if len(first) < 20 {
		t.Fatalf("%d answers were compared", len(first))
	}
}

// R-REC-02: links are built from the configuration.
func TestForgedHost(t *testing.T) {
	for name, value := range map[string]string{"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example;proto=http", "X-Original-Url": "https://evil.example/"} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			b := h.browser()
			b.headers.Set(name, value)
			a := b.post("/recover", "username", "alice").is(t, http.StatusSeeOther)
			if to := a.Header.Get("Location"); to != "/recover/sent" {
				t.Errorf("redirected to %s", to)
			}
			m := <-h.mails
			if strings.Contains(m.Text+m.HTML, "evil") || !strings.Contains(m.Text, issuer+"/recover/link?t=") || strings.Contains(m.Text, "http://") {
				t.Errorf("the mail says %s", m.Text)
			}
			if m.To != "rescue@home.example" {
				t.Errorf("sent to %s", m.To)
			}
		})
	}
}

var sameInOther = regexp.MustCompile(`href="\?lang=[^"]*"`)

// R-WEB-08: the way back stays on this site, on every page that has one.
func TestReturnStaysHere(t *testing.T) {
	h := open(t)
	for _, evil := range []string{"//evil.example", `/\evil.example`, "https:evil.example", "https://evil.example/", "/%09/evil.example", "/\t/evil.example", "/a/..//evil.example", "javascript:alert(1)", "evil.example", "/app\r\nX: y"} {
		escaped := "?return=" + url.QueryEscape(evil)
		for _, page := range []string{"/recover", "/activate", "/code", "/help", "/login"} {
			a := h.browser().get(page+escaped).is(t, http.StatusOK)
			// The link to the same page in another language keeps the query as
			// it is: that page refuses it likewise.
			body := sameInOther.ReplaceAllString(a.body, "")
			for _, kept := range []string{`name="return"`, "return=", "evil", "alert(1)"} {
				if strings.Contains(body, kept) {
					t.Errorf("%s with %q has %s: %s", page, evil, kept, body)
				}
			}
		}
		b := h.browser()
		b.leads(b.get("/recover/done"+escaped), "/login")
		b.post("/recover"+escaped, "username", "nobody "+evil, "return", evil).is(t, http.StatusSeeOther)
		if strings.Contains(b.get("/recover/sent").body, "evil") {
			t.Errorf("%q is kept", evil)
		}
	}
	b := h.browser()
	b.proven("alice", "return", "//evil.example")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done").is(t, http.StatusSeeOther)
	h.browser().leads(h.browser().get("/login?return=%2Fhelp"), "/help").is(t, http.StatusOK)
}

// Browsers drop cookies of more than 4 KiB (RFC 6265 section 6.1).
func TestLongWayBack(t *testing.T) {
	h := open(t)
	b := h.browser()
	back := "/app?state=" + strings.Repeat("x", 6000)
	b.proven("alice", "return", back)
	for name, value := range b.cookies {
		if len(name)+len(value) > 4000 {
			t.Errorf("%s has %d bytes", name, len(value))
		}
	}
	done := b.post("/recover/password", "password", chosen).is(t, http.StatusSeeOther)
	if on := b.get(done.Header.Get("Location")).is(t, http.StatusSeeOther).Header.Get("Location"); on != back {
		t.Errorf("on to %.40s", on)
	}
}

// R35: what nobody is called gets the page that everybody gets, however long it
// is, and nothing that a browser would drop.
func TestLongName(t *testing.T) {
	h := open(t)
	for _, name := range []string{strings.Repeat("n", 3000), strings.Repeat("<&>", 1000), strings.Repeat("é", 1500)} {
		b := h.browser()
		b.leads(b.post("/recover", "username", name, "return", "/app?state="+strings.Repeat("x", 1500)), "/recover/sent").is(t, http.StatusOK)
		for cookie, value := range b.cookies {
			if len(cookie)+len(value) > 4000 {
				t.Errorf("%s has %d bytes", cookie, len(value))
			}
		}
		b.leads(b.post("/recover/sent", "resend", "yes", "code", ""), "/recover/sent").is(t, http.StatusOK)
	}
}

func TestResend(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice", "return", "/app")
	first, firstCode := h.next()
	h.settled()
	again := b.leads(b.post("/recover/sent", "resend", "yes", "code", ""), "/recover/sent").is(t, http.StatusOK)
	if !strings.Contains(again.body, `id="alert"`) {
		t.Errorf("it is not said that a message was sent again: %s", again.body)
	}
	second, code := h.next()
	h.settled()
	if first == second {
		t.Error("the same link twice")
	}
	if firstCode != code {
		b.post("/recover/sent", "code", firstCode).is(t, http.StatusBadRequest)
	}
	b.leads(b.post("/recover/sent", "code", code), "/recover/password")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done?return=%2Fapp")
}

func TestWrongCode(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	_, code := h.next()
	h.settled()
	for range 6 { // an empty field is no try
		b.post("/recover/sent", "code", "").is(t, http.StatusBadRequest).has(t, `aria-invalid="true"`)
	}
	b.post("/recover/sent", "code", "1234<b>").is(t, http.StatusBadRequest).has(t, `value="1234&lt;b&gt;"`, `aria-invalid="true"`)
	b.leads(b.post("/recover/sent", "code", code), "/recover/password").is(t, http.StatusOK)
}

// R30, R31: what became of a link is said to whoever holds it, and how to get
// another.
func TestLinksThatHaveEnded(t *testing.T) {
	h := open(t)
	b := h.browser()
	gone := func(link string, texts ...string) {
		t.Helper()
		b := h.browser()
		page := b.leads(b.get(link), "/recover/link").is(t, http.StatusGone).has(t, texts...)
		if strings.Contains(page.body, "alice") {
			t.Error("the page says whose link it was")
		}
		b.post("/recover/link").is(t, http.StatusGone).has(t, `name="again"`)
	}
	// again presses the one button of the page.
	again := func(link, leadsTo string) {
		t.Helper()
		b := h.browser()
		b.leads(b.get(link), "/recover/link")
		b.leads(b.post("/recover/link", "again", "yes"), leadsTo).is(t, http.StatusOK)
	}
	b.headers.Set("Accept-Language", "fr")
	b.begin("alice", "return", "/app")
	first, _ := h.next()
	h.settled()
	b.leads(b.post("/recover/sent", "resend", "yes"), "/recover/sent")
	second, _ := h.next()
	h.settled()
	gone(first, "plus récent")
	b.leads(b.get(second), "/recover/link")
	b.leads(b.post("/recover/link"), "/recover/password")
	gone(second, "rien n’a encore changé")
	b.leads(b.leads(b.get(second), "/recover/link"), "/recover/password").is(t, http.StatusOK) // where it was opened
	for _, none := range []string{issuer + "/recover/link?t=nonsense", first[:len(first)-1] + "-", issuer + "/recover/link?t=" + strings.Repeat("x", 5000)} {
		gone(none)
		again(none, "/recover")
	}
	again(second, "/recover/sent")
	third, _ := h.next()
	h.settled()
	gone(second, "plus récent")
	b.leads(b.get(third), "/recover/link").is(t, http.StatusOK)
	b.leads(b.post("/recover/link"), "/recover/password").has(t, "alice")
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done?return=%2Fapp")
	h.settled()
	gone(third, "déjà servi", "a changé à ce moment-là")
	<-h.mails // the notice

	b.leads(b.post("/activate", "username", "newby"), "/recover/sent")
	old, _ := h.next()
	h.settled()
	h.store.Advance(25 * time.Hour)
	gone(old, "plus valable")
	again(old, "/recover/sent")
	fresh, _ := h.next()
	h.settled()
	b.leads(b.get(fresh), "/recover/link").is(t, http.StatusOK)

	h.browser().get("/recover/link").is(t, http.StatusGone)
	if a := h.browser().get("/recover/sent"); a.Header.Get("Location") != "/recover" {
		t.Errorf("without an attempt: %d %v", a.StatusCode, a.Header)
	}
}

// A fault costs nobody anything: the page says so, and what the browser holds
// is good afterwards.
func TestStoreIsDown(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.begin("alice")
	link, _ := h.next()
	h.settled()
	b.get(link)
	down := func(a answer) {
		t.Helper()
		a.is(t, http.StatusServiceUnavailable)
		if a.Header.Get("Retry-After") == "" || len(a.set) != 0 {
			t.Errorf("Retry-After %q, cookies %v", a.Header.Get("Retry-After"), a.set)
		}
	}
	h.store.down.Store(true)
	down(b.post("/recover", "username", "alice"))
	down(b.post("/recover/sent", "code", "123456"))
	down(b.post("/recover/sent", "resend", "yes"))
	down(b.post("/code", "username", "alice", "code", "123456"))
	down(b.get("/recover/link"))
	down(b.post("/recover/link"))
	h.store.down.Store(false)
	b.leads(b.post("/recover/link"), "/recover/password").is(t, http.StatusOK)
	h.store.down.Store(true)
	down(b.get("/recover/password"))
	down(b.post("/recover/password", "password", chosen))
	h.store.down.Store(false)
	h.people.switchOff(true)
	down(b.get("/recover/password"))
	down(b.post("/recover/password", "password", chosen))
	h.people.switchOff(false)
	b.leads(b.post("/recover/password", "password", chosen), "/recover/done").is(t, http.StatusSeeOther)
}

// After a recovery the form to sign in says what was done and knows the name,
// once, and only to the browser that did it; whoever was signed in there before
// is not any more.
func TestTheFormAfterARecovery(t *testing.T) {
	h := open(t)
	b := h.browser()
	b.signIn("grace")
	b.proven("alice")
	done := b.leads(b.post("/recover/password", "password", chosen), "/recover/done")
	b.leads(done, "/login").is(t, http.StatusOK).has(t, "Votre mot de passe est changé", `value="alice"`, `type="password"`)
	if again := b.get("/login").is(t, http.StatusOK); strings.Contains(again.body, "alice") {
		t.Error("the name stays on the form")
	}
	if other := h.browser().get("/login"); strings.Contains(other.body, "alice") {
		t.Error("another browser learns the name")
	}
}
