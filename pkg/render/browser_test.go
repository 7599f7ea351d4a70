package render_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/render/rendertest"
)

// submit does what posts a form and returns the title of the page that comes.
func submit(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) string {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, steps...); err != nil {
		t.Fatal(err)
	}
	title, err := chromedp.Run(ctx, chromedp.Title())
	if err != nil {
		t.Fatal(err)
	}
	return title
}

// application answers every request with a page whose title is "arrived" and
// what was posted.
func application(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<title>arrived %s</title>", r.PostFormValue("ticket"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// loginServer logs anybody in and sends them on to the redirect.
func loginServer(t *testing.T, redirect string, targets ...string) string {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	pages := open(t, server.URL)
	mux.Handle("GET /static/{file}", pages.Static())
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && !render.SwitchesLanguage(r) {
			http.Redirect(w, r, redirect, http.StatusSeeOther)
			return
		}
		pages.Render(w, r, 200, render.Login{Frame: render.Frame{Destination: "Moodle", FormTargets: targets}, Username: r.PostFormValue("username")})
	})
	mux.HandleFunc("/formpost", func(w http.ResponseWriter, r *http.Request) {
		pages.Render(w, r, 200, render.FormPost{Target: redirect, Fields: []render.Field{{Name: "ticket", Value: "ST-1"}}})
	})
	return server.URL
}

func TestLoginInChromium(t *testing.T) {
	ctx := start(t)
	app := application(t)
	site := loginServer(t, app+"/callback", app+"/callback")

	t.Run("Enter signs in and does not switch the language", func(t *testing.T) {
		if title := submit(t, ctx, chromedp.Navigate(site+"/login?lang=fr")); !strings.HasPrefix(title, "Se connecter à Moodle") {
			t.Fatalf("title %q", title)
		}
		if title := submit(t, ctx, chromedp.SendKeys("#username", "elefevre"), chromedp.SendKeys("#password", "x"+kb.Enter)); title != "arrived" {
			t.Errorf("title %q", title)
		}
	})
	t.Run("R72 the switch keeps what was typed, and not the password", func(t *testing.T) {
		title := submit(t, ctx, chromedp.Navigate(site+"/login?lang=fr"), chromedp.SendKeys("#username", "elefevre"), chromedp.SendKeys("#password", "x"))
		if !strings.HasPrefix(title, "Se connecter") {
			t.Fatalf("title %q", title)
		}
		if title = submit(t, ctx, chromedp.Click("button[name=lang]")); !strings.HasPrefix(title, "Sign in to Moodle") {
			t.Fatalf("title %q", title)
		}
		kept, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll("input:not([type=checkbox])")].map(e => e.value)`))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"elefevre", ""}, kept); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("R-WEB-01 form-action stops a redirect that was not announced", func(t *testing.T) {
		other := loginServer(t, app+"/callback")
		if err := chromedp.Do(ctx, chromedp.Navigate(other+"/login"), chromedp.Click(".wide")); err != nil {
			t.Fatal(err)
		}
		violations, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`new Promise(done => {
			const look = () => violations.length ? done(violations) : setTimeout(look, 20);
			look();
		})`, chromedp.EvalAwaitPromise))
		if err != nil || len(violations) != 1 || !strings.HasPrefix(violations[0], "form-action ") {
			t.Errorf("%v %v", violations, err)
		}
	})
	t.Run("an application may redirect on to another origin", func(t *testing.T) {
		broker := httptest.NewServer(http.RedirectHandler(app+"/home", http.StatusFound))
		t.Cleanup(broker.Close)
		other := loginServer(t, broker.URL, broker.URL)
		if title := submit(t, ctx, chromedp.Navigate(other+"/login")); title == "arrived" {
			t.Fatal("arrived without the form")
		}
		if title := submit(t, ctx, chromedp.Click(".wide")); title != "arrived" {
			t.Errorf("title %q", title)
		}
	})
	t.Run("R-WEB-05 the form to an application posts itself under the policy", func(t *testing.T) {
		if err := chromedp.Do(ctx, chromedp.Navigate(site+"/formpost")); err != nil {
			t.Fatal(err)
		}
		// While the page is left, asking it fails: a poll inside it would too.
		title := ""
		for range 200 {
			if title, _ = chromedp.Run(ctx, chromedp.Title()); title == "arrived ST-1" {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("title %q", title)
	})
	t.Run("R-WEB-05 without a script it has a button", func(t *testing.T) {
		off, on := rendertest.Scripts(false), rendertest.Scripts(true)
		if title := submit(t, ctx, off, chromedp.Navigate(site+"/formpost")); !strings.HasPrefix(title, "Encore un instant") && !strings.HasPrefix(title, "One moment") {
			t.Fatalf("title %q", title)
		}
		if title := submit(t, ctx, chromedp.Click(".wide")); title != "arrived ST-1" {
			t.Errorf("title %q", title)
		}
		if err := chromedp.Do(ctx, on); err != nil {
			t.Fatal(err)
		}
	})
}

// The page that most people see weighs little (20 KiB, 3 requests).
func TestFirstVisitToTheLoginPageIsLight(t *testing.T) {
	f := look[findings](t, start(t), serve(t)+"/login", 320, 640, probe)
	if f.Requests > 3 || f.Bytes > 20<<10 {
		t.Errorf("%d requests, %d bytes", f.Requests, f.Bytes)
	}
}

// A double click on the button of a page whose code is good once sends it once.
func TestDoubleClickInChromium(t *testing.T) {
	var posts atomic.Int64
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	pages := open(t, server.URL)
	mux.Handle("GET /static/{file}", pages.Static())
	mux.HandleFunc("GET /code", func(w http.ResponseWriter, r *http.Request) { pages.Render(w, r, 200, render.Code{}) })
	mux.HandleFunc("POST /code", func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		time.Sleep(500 * time.Millisecond) // the network, in which the second click falls
		fmt.Fprint(w, "<title>arrived</title>")
	})
	ctx := start(t)
	clicks := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[int](`const press = () => document.querySelector("main form").requestSubmit();
			setTimeout(press, 10); setTimeout(press, 160)`))
		return err
	})
	submit(t, ctx, chromedp.Navigate(server.URL+"/code"))
	if title := submit(t, ctx, clicks); title != "arrived" || posts.Load() != 1 {
		t.Errorf("%q after %d posts", title, posts.Load())
	}
}
