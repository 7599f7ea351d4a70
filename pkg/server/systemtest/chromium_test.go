package systemtest_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/loge-idp/loge/pkg/render/rendertest"
)

var shots = flag.String("shots", "", "write a picture of every page into this folder")

// window is one window of a Chromium of its own.
type window struct {
	t        *testing.T
	ctx      context.Context
	name     string
	keyboard bool // nothing is clicked
	pictures int
}

// newWindow opens a window that ends with the test.
func newWindow(t *testing.T, name string, width int64, keyboard, scripts bool, more ...chromedp.ExecAllocatorOption) *window {
	t.Helper()
	w := &window{t: t, ctx: rendertest.Chromium(t, more...), name: name, keyboard: keyboard}
	w.do(chromedp.EmulateViewport(width, 800), rendertest.Scripts(scripts))
	return w
}

// patience is how long a page may keep what a step waits for.
const patience = 20 * time.Second

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatalf("%v, on the page:\n%s", err, evaluate[string](w, `location.href + "\n" + document.body.innerText`))
	}
}

func evaluate[T any](w *window, expression string) T {
	w.t.Helper()
	out, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// open goes to an address as a bookmark does.
func (w *window) open(address string) {
	w.t.Helper()
	w.do(chromedp.Navigate(address))
	w.look()
}

// look takes the picture of the page, which must fit in the window.
func (w *window) look() {
	w.t.Helper()
	if width := evaluate[int](w, `document.documentElement.scrollWidth - innerWidth`); width > 0 {
		w.t.Errorf("%s is %d pixels too wide", evaluate[string](w, `location.pathname`), width)
	}
	if *shots == "" {
		return
	}
	png, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.t.Fatal(err)
	}
	w.pictures++
	path := strings.ReplaceAll(strings.Trim(evaluate[string](w, `location.pathname`), "/"), "/", "-")
	if err := os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%02d-%s.png", w.name, w.pictures, path)), png, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// says demands a text on the page.
func (w *window) says(text string) {
	w.t.Helper()
	if all := evaluate[string](w, `document.body.innerText`); !strings.Contains(all, text) {
		w.t.Fatalf("%s does not say %q:\n%s", evaluate[string](w, `location.href`), text, all)
	}
}

// reach puts the focus on an element.
func (w *window) reach(selector string) {
	w.t.Helper()
	if !w.keyboard {
		w.do(chromedp.Click(selector))
		return
	}
	for range 40 {
		if evaluate[bool](w, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			return
		}
		w.do(chromedp.KeyEvent(kb.Tab))
	}
	w.t.Fatalf("%s: the Tab key does not lead to %s", evaluate[string](w, `location.pathname`), selector)
}

func (w *window) fill(selector, text string) {
	w.t.Helper()
	w.reach(selector)
	w.do(chromedp.KeyEvent(text))
}

// press follows a link or presses a button, and waits for the page it leads
// to.
func (w *window) press(selector string) {
	w.t.Helper()
	step := chromedp.Click(selector)
	if w.keyboard {
		w.reach(selector)
		step = chromedp.KeyEvent(kb.Enter)
	}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		w.t.Fatalf("%s: %v, on the page:\n%s", selector, err, evaluate[string](w, `location.href + "\n" + document.body.innerText`))
	}
	w.look()
}

const (
	send = `form#main button.wide`
	goOn = `main a.button.wide`
)

func (w *window) signIn(login, password string) {
	w.t.Helper()
	w.fill("#username", login)
	w.fill("#password", password)
	w.press(send)
}

func TestTheDemonstrationInABrowser(t *testing.T) {
	for _, c := range []struct {
		name              string
		width             int64
		keyboard, scripts bool
	}{
		{"desktop", 1280, false, true},
		{"phone-keyboard-without-scripts", 320, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := newDemo(t)
			w := newWindow(t, c.name, c.width, c.keyboard, c.scripts)
			w.anotherOrigin(at)
			w.oneSession(at)
			w.forgottenPassword(at)
		})
	}
}

// anotherOrigin signs in to applications elsewhere: the answer to the password
// redirects there, which the page's policy must have announced.
func (w *window) anotherOrigin(at *node) {
	w.t.Helper()
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<p>arrived with %s%.3s</p>", r.FormValue("state"), r.FormValue("ticket"))
	}))
	w.t.Cleanup(application.Close)
	ask := newRequest("demo-native")
	for _, c := range []struct{ address, arrived string }{
		{at.url + "/cas/login?service=" + url.QueryEscape(application.URL+"/app"), "arrived with ST-"},
		{strings.NewReplacer(issuer, at.url, url.QueryEscape(callback), url.QueryEscape(application.URL+"/callback")).Replace(ask.url()), "arrived with " + ask.state},
	} {
		w.open(c.address)
		w.signIn("elefevre", password("elefevre"))
		w.says(c.arrived)
		w.open(at.url + "/logout")
		w.press(`main form button.wide`)
		w.says("You are signed out")
	}
}

// oneSession signs in to one application, is known to the other, and signs
// out of both.
func (w *window) oneSession(at *node) {
	w.t.Helper()
	portal, library := at.url+"/demo/portal/", at.url+"/demo/app/"
	w.open(portal)
	w.says("Welcome to the portal")
	w.press(`a[href$="/demo/portal/login"]`)
	w.signIn("elefevre", password("elefevre"))
	w.says("You are signed in to the portal")
	w.press(`a[href$="/demo/app/login"]`)
	w.says("You are signed in to the library")
	w.says("elodie.lefevre@etu.univ-valmont.example")
	w.press(`form[action$="logout"] button`)
	for address, welcome := range map[string]string{portal: "Welcome to the portal", library: "Welcome to the library"} {
		eventually(w.t, "still signed in at "+address, func() bool {
			w.open(address)
			return strings.Contains(evaluate[string](w, `document.body.innerText`), welcome)
		})
	}
	w.open(at.url + "/login")
	w.says("Password")
}

// forgottenPassword gets back in by a mail.
func (w *window) forgottenPassword(at *node) {
	w.t.Helper()
	w.open(at.url + "/login")
	w.press(`nav a[href*="/recover"]`)
	w.fill("#username", "elefevre")
	w.press(send)
	eventually(w.t, "no mail in the box", func() bool {
		w.open(at.url + "/demo/box")
		return evaluate[bool](w, `document.querySelector("ul.letters a") != null`)
	})
	w.press(`ul.letters a`)
	w.press(`main a.button.wide[href*="/recover/link"]`)
	w.says("You are about to choose a new password")
	w.press(`main form button.wide`)
	w.fill("#password", "une guitare bleue sous la neige")
	w.press(send)
	w.says("Your password is changed")
	w.says("Stay signed in on this device") // nobody is signed in by a link; the form knows the name
	w.fill("#password", "une guitare bleue sous la neige")
	w.press(send)
	w.says("You are signed in")
}
