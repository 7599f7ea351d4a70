package render_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/loge-idp/loge/pkg/render/rendertest"
)

var shots = flag.String("shots", "", "write a picture of every page into this folder")

// start opens a Chromium that ends with the test, in which every page tells
// what its content security policy forbade.
func start(t *testing.T) context.Context {
	t.Helper()
	ctx := rendertest.Chromium(t)
	err := chromedp.Do(ctx, rendertest.Command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch}))
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// look opens a page in a window of this size and returns what it says.
func look[T any](t *testing.T, ctx context.Context, url string, width, height int64, expression string) T {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	said, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// serve shows each sample at /<name>?lang=…, and the static files.
func serve(t *testing.T) string {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	pages := open(t, server.URL)
	mux.Handle("GET /static/{file}", pages.Static())
	for _, s := range samples() {
		mux.HandleFunc("/"+s.name, func(w http.ResponseWriter, r *http.Request) { pages.Render(w, r, 200, s.view) })
	}
	return server.URL
}

// findings is what a page says about itself when asked by probe.
type findings struct {
	Lang, Title, Focused           string
	H1, Main, Fields, Buttons      int
	Wide, WideEnlarged             []string // wider than the window, and at 200 % text
	Unlabelled, Small, Undescribed []string
	Unlinked                       []string // a field that is wrong and no link of the alert leads to, a link to nothing
	Violations                     []string
	Requests, Bytes                int
}

// watch is run before anything of the page.
const watch = `window.violations = [];
document.addEventListener("securitypolicyviolation", e => window.violations.push(e.violatedDirective + " " + e.blockedURI));`

// probe waits for two frames: that is when a browser moves the focus to where
// autofocus asks for it.
const probe = `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
	const all = q => [...document.querySelectorAll(q)];
	const name = e => e.outerHTML.slice(0, 90);
	const seen = e => !e.closest("[aria-hidden]") && !e.classList.contains("skip") && e.getClientRects().length > 0;
	const loads = [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")];
	all("details").forEach(e => e.open = true);
	const wide = () => all("body *").filter(e => e.getBoundingClientRect().right > innerWidth).map(name);
	const found = {
		Lang: document.documentElement.lang, Title: document.title,
		H1: all("h1").length, Main: all("main#content").length,
		Wide: wide(),
		Unlabelled: all("input:not([type=hidden])").filter(e => e.labels.length != 1 || !e.labels[0].innerText.trim()).map(name),
		Small: all("a, button, summary").filter(e => seen(e) && e.getBoundingClientRect().height < 40 && getComputedStyle(e).display != "inline").map(name),
		Violations: window.violations, Requests: loads.length,
		Bytes: loads.reduce((sum, e) => sum + e.transferSize, 0),
		Focused: document.activeElement.id,
		Fields: all("input").length, Buttons: all("button, .button").length,
		Undescribed: all("[aria-describedby]").filter(e => e.getAttribute("aria-describedby").split(" ").some(id => !document.getElementById(id))).map(name),
		Unlinked: [...all("[aria-invalid]").filter(e => !document.querySelector(".alert a[href='#" + e.id + "']")),
			...all("a[href^='#']").filter(e => !document.getElementById(e.hash.slice(1)))].map(name),
	};
	document.documentElement.style.fontSize = "200%";
	done({...found, WideEnlarged: wide()});
})))`

func TestPagesInChromium(t *testing.T) {
	ctx, site := start(t), serve(t)
	for _, s := range samples() {
		if s.name == "formpost" {
			continue // posts itself: TestFormPostInChromium
		}
		t.Run(s.name, func(t *testing.T) {
			found := map[string]findings{}
			for _, lang := range []string{"fr", "en"} {
				f := look[findings](t, ctx, site+"/"+s.name+"?lang="+lang, 320, 640, probe)
				found[lang] = f
				faults := slices.Concat(f.Wide, f.WideEnlarged, f.Unlabelled, f.Small, f.Undescribed, f.Unlinked, f.Violations)
				if f.Lang != lang || f.H1 != 1 || f.Main != 1 || len(faults) > 0 {
					t.Errorf("%s: %+v", lang, f)
				}
				alert := strings.Contains(s.name, "wrong") || strings.Contains(s.name, "slow") || strings.Contains(s.name, "password-refused") || s.name == "sent-again"
				if alert && f.Focused != "alert" {
					t.Errorf("%s: the focus is on %q, not on the alert", lang, f.Focused)
				}
				if alert && s.name != "sent-again" && !strings.HasPrefix(f.Title, map[string]string{"fr": "Erreur\u00a0:", "en": "Error:"}[lang]) {
					t.Errorf("%s: the title %q does not tell the error", lang, f.Title)
				}
			}
			if found["fr"].Fields != found["en"].Fields || found["fr"].Buttons != found["en"].Buttons {
				t.Errorf("fields and buttons differ between languages: %+v", found)
			}
			if *shots != "" {
				shoot(t, ctx, site, s.name)
			}
		})
	}
}

// shoot takes the picture of a page on a phone and on a desk, by day and by
// night, in both languages.
func shoot(t *testing.T, ctx context.Context, site, name string) {
	t.Helper()
	for _, size := range []struct{ width, height int64 }{{320, 640}, {1280, 800}} {
		for _, scheme := range []string{"light", "dark"} {
			for _, lang := range []string{"fr", "en"} {
				err := chromedp.Do(ctx, chromedp.EmulateViewport(size.width, size.height),
					rendertest.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
					chromedp.Navigate(site+"/"+name+"?lang="+lang))
				if err != nil {
					t.Fatal(err)
				}
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				file := fmt.Sprintf("%s-%d-%s-%s.png", name, size.width, scheme, lang)
				if err := os.WriteFile(filepath.Join(*shots, file), png, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
