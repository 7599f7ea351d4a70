package desk_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/render/rendertest"
)

var shots = flag.String("shots", "", "write a picture of every page into this folder")

// live is the school on a port of this machine.
func live(t *testing.T) (*school, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	s := open(t, base, rules(true, false))
	server.Config.Handler = s.mux
	server.Start()
	t.Cleanup(server.Close)
	return s, base
}

// wide are the elements beyond the window, at the usual size of text and at
// twice that; unlabelled the fields without a label; small the targets.
const probe = `(() => {
	const all = q => [...document.querySelectorAll(q)], name = e => e.outerHTML.slice(0, 90);
	const wide = () => all("body *").filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => "wide " + name(e));
	all("details").forEach(e => e.open = true);
	const faults = [...wide(),
		...all("input:not([type=hidden]), select, textarea").filter(e => e.labels.length != 1 || !e.labels[0].innerText.trim()).map(e => "no label " + name(e)),
		...all("a, button, summary").filter(e => !e.closest("[aria-hidden]") && !e.matches(".skip, .off") && e.getClientRects().length && e.getBoundingClientRect().height < 40 && getComputedStyle(e).display != "inline").map(e => "small " + name(e))];
	if (all("h1").length != 1) faults.push("h1");
	document.documentElement.style.fontSize = "200%";
	return [...faults, ...wide()];
})()`

type step = chromedp.Action[chromedp.Void]

// R70: each page of the desk holds at 320 px and at 200 % in both languages,
// and everything is done by the keyboard alone, without a script.
func TestDeskInChromium(t *testing.T) {
	ctx := rendertest.Chromium(t)
	s, base := live(t)
	do := func(steps ...step) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	evaluate := func(expression string) string {
		t.Helper()
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	look := func(name, path string) {
		t.Helper()
		for _, lang := range []string{"en", "fr"} {
			do(chromedp.EmulateViewport(320, 640), chromedp.Navigate(base+path+"?lang="+lang))
			faults, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](probe))
			if err != nil || len(faults) > 0 {
				t.Errorf("%s in %s: %v %v", name, lang, faults, err)
			}
			if *shots == "" {
				continue
			}
			for _, width := range []int64{320, 1280} {
				do(chromedp.EmulateViewport(width, 800), chromedp.Navigate(base+path+"?lang="+lang))
				shoot(t, ctx, fmt.Sprintf("%s-%d-%s.png", name, width, lang))
			}
		}
	}
	// press walks by the Tab key to where a selector matches, and types.
	press := func(selector, keys string) {
		t.Helper()
		for range 60 {
			do(chromedp.KeyEvent(kb.Tab))
			if evaluate(`String(document.activeElement.matches(`+fmt.Sprintf("%q", selector)+`))`) == "true" {
				if strings.HasSuffix(keys, kb.Enter) {
					do(chromedp.KeyEvent(strings.TrimSuffix(keys, kb.Enter)))
					if _, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
						t.Fatal(err)
					}
					return
				}
				do(chromedp.KeyEvent(keys))
				return
			}
		}
		t.Fatalf("the keyboard does not reach %s on %s", selector, evaluate("document.title"))
	}
	page := func(want string) {
		t.Helper()
		if got := evaluate("document.body.innerText"); !strings.Contains(got, want) {
			t.Fatalf("no %q in %s", want, got)
		}
	}

	look("help-request", "/help/request")
	look("help-asked", "/help/asked")
	(&browser{s: s, cookies: map[string]string{}}).post("/help/request", "need", "deadline", "name", "Anne-Charlotte de La Rochefoucauld-Vieilleville", "number", "F26x0003", "reach", "anne-charlotte@example.org")

	do(rendertest.Scripts(false), chromedp.Navigate(base+"/as/nadia.adml"))
	press("#q", "goff"+kb.Enter)
	page("Anne Le Goff")
	if *shots != "" {
		shoot(t, ctx, "desk-found.png")
	}
	press(`a[href^="/desk/person/"]`, kb.Enter) // the first of them
	place := evaluate("location.pathname")
	look("desk-person", place)
	do(chromedp.Navigate(base + place + "?lang=fr"))
	press("summary", " ")
	press(`form:has([value="match"]) button`, kb.Enter)
	page("Dites ces deux chiffres")
	look("desk-match", place)
	said := evaluate(`document.querySelector("#match").innerText`)
	do(chromedp.Navigate(base + callLink.FindString(s.next("legoff@example.org").Text)))
	look("call", "/help/call")
	do(chromedp.Navigate(base + "/help/call?lang=fr"))
	press("#digits", said+kb.Enter)
	page("C’est confirmé")
	do(chromedp.Navigate(base + place + "?lang=fr"))
	page("La personne a tapé vos deux chiffres")
	press(`button[value="forget"]`, kb.Enter)
	press(`button[value="card"]`, kb.Enter)
	page("Identité vérifiée")
	press("summary", " ")
	press(`button[value="freeze"]`, kb.Enter)
	page("gelée")
	press("summary", " ")
	press(`button[value="thaw"]`, kb.Enter)
	look("desk-verified", place)
	do(chromedp.Navigate(base + place + "?lang=fr"))
	press(`button[value="vouch"]`, kb.Enter)
	page("Ce code ne sera plus affiché")
	if *shots != "" {
		shoot(t, ctx, "desk-code.png")
	}
	press(`a.button[href^="/desk/person/"]`, kb.Enter)
	page("code remis")

	do(chromedp.Navigate(base + "/desk/requests?lang=fr"))
	press(`button[value="take"]`, kb.Enter)
	page("Chercher cette personne")
	look("desk-requests", "/desk/requests")
	look("desk", "/desk")
	look("desk-letters-none", "/desk/letters")
	order := letters.Order{To: []letters.Recipient{{ID: s.account("said.benyoussef").ID}}, By: s.account("nadia.adml").ID, Format: letters.PDF}
	if _, err := s.press.Print(t.Context(), io.Discard, order); err != nil {
		t.Fatal(err)
	}
	look("desk-letters", "/desk/letters")
	do(chromedp.Navigate(base + "/desk/letters?lang=fr"))
	press(`button[name="revoke"]`, kb.Enter)
	page("Lettres concernées")
	press(`button[name="sure"]`, kb.Enter)
	page("Codes annulés")
	look("desk-lists", "/desk/lists")
	do(chromedp.Navigate(base + "/desk/lists?lang=fr"))
	press("#group", "2NDE5")
	press(`button[value="count"]`, kb.Enter)
	page("Imposer le changement")
	if *shots != "" {
		shoot(t, ctx, "desk-campaign.png")
	}
	press(`button[value="force"]`, kb.Enter)
	if at := evaluate("location.pathname"); !strings.HasPrefix(at, "/desk/run/") {
		t.Errorf("at %s", at)
	}
	s.settled()
	look("desk-run", evaluate("location.pathname"))
}

// shoot takes the picture of the page that is open.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name), png, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
