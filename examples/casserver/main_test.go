package main

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/secret"
)

// A wiki signs ada in, and hears of the end.
func TestSignIn(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app := http.NewServeMux()
	app.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the application") })
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		err := serve(ctx, listener, app, users{"ada": secret.New("engine")})
		_ = listener.Close() // else a failure leaves the browser waiting
		served <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	here := "http://" + listener.Addr().String()
	ended := make(chan string, 1)
	wiki := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ended <- r.PostFormValue("logoutRequest") }))
	defer wiki.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == strings.TrimPrefix(wiki.URL, "http://") {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	read := func(answer *http.Response, err error) (string, *http.Response) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body), answer
	}
	if body, _ := read(browser.Get(here + "/")); body != "the application" {
		t.Errorf("the application itself: %q", body)
	}
	service := "?service=" + url.QueryEscape(wiki.URL)
	page, _ := read(browser.Get(here + "/sso/cas/login" + service))
	form := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(page)
	state := regexp.MustCompile(`name="state" value="([^"]*)"`).FindStringSubmatch(page)
	if form == nil || state == nil {
		t.Fatal(page)
	}
	post := func(password string) (string, *http.Response) {
		return read(browser.PostForm(here+form[1], url.Values{"username": {"ada"}, "password": {password}, "state": {html.UnescapeString(state[1])}}))
	}
	again, answer := post("wrong")
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong password: %s", answer.Status)
	}
	for _, link := range regexp.MustCompile(`href="(/[^"]*)"`).FindAllStringSubmatch(again, -1) {
		if _, answer := read(browser.Get(here + html.UnescapeString(link[1]))); answer.StatusCode != http.StatusOK {
			t.Errorf("the page leads to %s: %s", link[1], answer.Status)
		}
	}
	_, signedIn := post("engine")
	to, err := signedIn.Location()
	if err != nil {
		t.Fatal(err)
	}
	ticket := to.Query().Get("ticket")
	if body, _ := read(http.Get(here + "/sso/cas/p3/serviceValidate" + service + "&ticket=" + ticket)); !strings.Contains(body, "<cas:user>ada</cas:user>") {
		t.Errorf("%s: %s", to, body)
	}
	read(browser.Get(here + "/sso/cas/logout"))
	if message := <-ended; !strings.Contains(message, ticket) {
		t.Errorf("the wiki is told %q", message)
	}
}
