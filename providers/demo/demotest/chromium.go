package demotest

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/loge-idp/loge/pkg/render/rendertest"
)

// WalkThrough signs in and out in a Chromium, at the applications under a URL:
// the portal, on to the library, out of both. It is for what only a real
// browser knows: that cookies are kept over plain http on loopback, and that no
// content security policy stops the redirects which follow a form, from Loge to
// the application and back. The portal is to greet with the name.
func WalkThrough(t *testing.T, url, login, password, name string) {
	t.Helper()
	ctx := rendertest.Chromium(t, chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"))
	walk := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			at, _ := chromedp.Run(ctx, chromedp.Location())
			text, _ := chromedp.Run(ctx, chromedp.Text("body"))
			t.Fatalf("%s: %v, at %s:\n%s", what, err, at, text)
		}
	}
	says := func(text string) bool {
		found, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.body.innerText.includes("`+text+`")`))
		return err == nil && found
	}
	arrive := func(path, text string) {
		t.Helper()
		Within(t, text+" at "+path, func() bool {
			at, err := chromedp.Run(ctx, chromedp.Location())
			return err == nil && at == url+path && says(text)
		})
	}
	walk("to the portal", chromedp.Navigate(url+"/demo/portal/"), chromedp.Click("a.button"), chromedp.WaitVisible("#password"))
	walk("the password", chromedp.SendKeys("#username", login), chromedp.SendKeys("#password", password), chromedp.Click("button.wide"))
	arrive("/demo/portal/", name)
	walk("on to the library", chromedp.Click("main a.button"))
	arrive("/demo/app/", name)
	walk("sign out at the portal", chromedp.Navigate(url+"/demo/portal/"), chromedp.Click("form button"))
	arrive("/demo/portal/", "Welcome")
	Within(t, "the library without a visitor", func() bool {
		walk("to the library", chromedp.Navigate(url+"/demo/app/"))
		return says("Welcome")
	})
	walk("to the library's sign-in", chromedp.Click("a.button"), chromedp.WaitVisible("#password"))
}
