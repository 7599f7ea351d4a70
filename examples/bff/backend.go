package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// page is the application in the browser.
//
//go:embed index.html app.js
var page embed.FS

// backend keeps what the browser must not have.
type backend struct {
	url      string
	issuer   string
	provider *oidc.Provider
	config   oauth2.Config
	logout   string // the provider's end_session_endpoint

	mu       sync.Mutex
	sessions map[string]*session  // by cookie
	pending  map[string]*departed // by cookie
}

// session is a person who is signed in.
type session struct {
	mu    sync.Mutex // one refresh at a time: each refresh token is good once
	token *oauth2.Token
	id    string // the ID token, as a hint to sign out
}

// departed is a browser on its way to the provider.
type departed struct{ state, nonce, verifier string }

func newBackend(ctx context.Context, issuer, self, id, secret string) (*backend, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		Logout string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	return &backend{
		url: self, issuer: issuer, provider: provider, logout: more.Logout,
		config: oauth2.Config{ClientID: id, ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: self + "/callback",
			Scopes: []string{oidc.ScopeOpenID, "profile", "email"}},
		sessions: map[string]*session{}, pending: map[string]*departed{},
	}, nil
}

func (b *backend) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.FileServerFS(page))
	mux.Handle("GET /app.js", http.FileServerFS(page))
	mux.HandleFunc("GET /login", b.login)
	mux.HandleFunc("GET /callback", b.callback)
	mux.HandleFunc("GET /api/me", b.me)
	mux.HandleFunc("POST /logout", b.leave)
	own := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' "+origin(b.issuer)+" "+b.url)
		w.Header().Set("Cache-Control", "no-store")
		own.ServeHTTP(w, r)
	})
}

func origin(of string) string {
	u, err := url.Parse(of)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// The two cookies. The one of a sign-in under way comes back from another site,
// by a link, so it is Lax; that of the session never does.
const (
	cookieSession = "session"
	cookiePending = "login"
)

func (b *backend) cookie(name, value string, same http.SameSite, maxAge int) *http.Cookie {
	secure := strings.HasPrefix(b.url, "https:")
	if secure {
		name = "__Host-" + name
	}
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: same, MaxAge: maxAge}
}

func (b *backend) read(r *http.Request, name string) string {
	found, err := r.Cookie(b.cookie(name, "", 0, 0).Name)
	if err != nil {
		return ""
	}
	return found.Value
}

// login sends the browser to the provider.
func (b *backend) login(w http.ResponseWriter, r *http.Request) {
	name, d := rand.Text(), &departed{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	b.mu.Lock()
	b.pending[name] = d
	b.mu.Unlock()
	http.SetCookie(w, b.cookie(cookiePending, name, http.SameSiteLaxMode, 600))
	http.Redirect(w, r, b.config.AuthCodeURL(d.state, oidc.Nonce(d.nonce), oauth2.S256ChallengeOption(d.verifier)), http.StatusSeeOther)
}

// callback takes the code, once, from the browser that was sent.
func (b *backend) callback(w http.ResponseWriter, r *http.Request) {
	name, q := b.read(r, cookiePending), r.URL.Query()
	b.mu.Lock()
	d := b.pending[name]
	delete(b.pending, name)
	b.mu.Unlock()
	http.SetCookie(w, b.cookie(cookiePending, "", http.SameSiteLaxMode, -1))
	if d == nil || q.Get("state") != d.state || q.Get("iss") != b.issuer {
		http.Error(w, "This sign-in was begun elsewhere. Go back and begin again.", http.StatusBadRequest)
		return
	}
	if code := q.Get("error"); code != "" {
		http.Redirect(w, r, b.url+"/?error="+url.QueryEscape(code), http.StatusSeeOther)
		return
	}
	s, err := b.redeem(r.Context(), q.Get("code"), d)
	if err != nil {
		http.Error(w, "The sign-in did not succeed. Go back and begin again.", http.StatusBadGateway)
		return
	}
	name = rand.Text()
	b.mu.Lock()
	b.sessions[name] = s
	b.mu.Unlock()
	http.SetCookie(w, b.cookie(cookieSession, name, http.SameSiteStrictMode, 0))
	// A page of our own, not a redirect: a browser that follows one from
	// another site would not send the Strict cookie that was just set.
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(`<!doctype html><meta http-equiv="refresh" content="0; url=/"><title>Signed in</title><a href="/">Continue</a>`))
}

func (b *backend) redeem(ctx context.Context, code string, d *departed) (*session, error) {
	token, err := b.config.Exchange(ctx, code, oauth2.VerifierOption(d.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := b.provider.Verifier(&oidc.Config{ClientID: b.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != d.nonce {
		return nil, errNonce
	}
	return &session{token: token, id: raw}, nil
}

type refusal string

func (r refusal) Error() string { return string(r) }

const errNonce refusal = "the ID token is of another sign-in"

func (b *backend) session(r *http.Request) (string, *session) {
	name := b.read(r, cookieSession)
	b.mu.Lock()
	defer b.mu.Unlock()
	return name, b.sessions[name]
}

// me calls the API for the page: here the provider's userinfo. Tokens go no
// further than this.
func (b *backend) me(w http.ResponseWriter, r *http.Request) {
	name, s := b.session(r)
	if s == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	info, err := b.userinfo(r.Context(), s)
	if err != nil { // the session at the provider has ended, or it is away
		b.forget(name)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var person struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	}
	if err := info.Claims(&person); err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	person.Name = cmp.Or(person.Name, info.Subject)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(person) // the browser has gone: nobody is left to tell
}

func (b *backend) userinfo(ctx context.Context, s *session) (*oidc.UserInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, err := b.config.TokenSource(ctx, s.token).Token() // refreshed when it is over
	if err != nil {
		return nil, err
	}
	s.token = token
	return b.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
}

func (b *backend) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, name)
}

// leave forgets the tokens and ends the session at the provider too.
func (b *backend) leave(w http.ResponseWriter, r *http.Request) {
	name, s := b.session(r)
	b.forget(name)
	http.SetCookie(w, b.cookie(cookieSession, "", http.SameSiteStrictMode, -1))
	to := b.url + "/"
	if s != nil {
		to = b.logout + "?" + url.Values{"id_token_hint": {s.id}, "post_logout_redirect_uri": {to}}.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
