package login

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/loge-idp/loge/pkg/secret"
)

// again is what a failed attempt hands to the page that is shown next, by way
// of the protocol that asked: the form, or that of a step.
type again struct {
	failure Failure
	login   string

	step   string
	answer any
}

type againKey struct{}

// back shows the login form again by way of whoever asked for it.
func (f *Flow) back(w http.ResponseWriter, r *http.Request, target string, what again) {
	f.resume(w, r.WithContext(context.WithValue(r.Context(), againKey{}, what)), target)
}

// resume serves the URL that asked as if the browser had been sent back to it,
// without the way there.
func (f *Flow) resume(w http.ResponseWriter, r *http.Request, target string) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		u = &url.URL{Path: ownPage} // cannot be: we sealed it
	}
	again := r.Clone(context.WithValue(r.Context(), resumedKey{}, true))
	again.Method, again.URL, again.RequestURI = http.MethodGet, u, u.RequestURI()
	again.Body, again.ContentLength = http.NoBody, 0
	again.Form, again.PostForm, again.MultipartForm = nil, nil, nil
	again.Header.Del("Content-Type")
	again.Header.Del("Content-Length")
	f.Resume.ServeHTTP(w, again)
}

type resumedKey struct{}

// Resumed reports whether a request is being served within that of a form. The
// browser stands at the form still: a page that has forms of its own sends it on
// to itself, or they would be posted to the wrong place.
func Resumed(r *http.Request) bool { return r.Context().Value(resumedKey{}) != nil }

// formState is what a form brings back.
type formState struct {
	URL     string `json:"u"`
	Party   string `json:"p,omitempty"`
	Browser string `json:"b"`
}

// seal wraps the URL that asks so that only this browser can bring it back: an
// anonymous request is remembered by nobody but its own form.
func (f *Flow) seal(w http.ResponseWriter, r *http.Request, req Request) string {
	plain, err := json.Marshal(formState{URL: req.URL, Party: req.Party, Browser: f.browser(w, r)})
	if err != nil {
		panic(err) // texts
	}
	return f.Keys.Box("login form").Seal(plain, "")
}

// unseal returns what asked, and whether the form was made for this
// browser. Of another browser's form only the destination is of use: the
// credentials must be given again, on a page of this browser's own.
func (f *Flow) unseal(r *http.Request, state string) (s formState, ours bool) {
	plain, err := f.Keys.Box("login form").Open(state, "")
	if err != nil || json.Unmarshal(plain, &s) != nil {
		return formState{URL: ownPage}, false
	}
	browser := f.Cookies.Get(r, browserCookie)
	return s, browser != "" && secret.New(browser).Equal(secret.New(s.Browser))
}

// ownPage is where someone goes who came for no application.
const ownPage = "/login"

// browserCookie names a browser to its own forms, before there is a session.
// It is never looked up anywhere.
const (
	browserCookie = "browser"
	browserLen    = 22
)

func (f *Flow) browser(w http.ResponseWriter, r *http.Request) string {
	if known := f.Cookies.Get(r, browserCookie); len(known) == browserLen {
		return known
	}
	fresh := secret.Random(browserLen)
	f.Cookies.Set(w, browserCookie, fresh, 0)
	return fresh
}
