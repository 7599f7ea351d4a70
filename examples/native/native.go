package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app is the program, with what a test replaces.
type app struct {
	issuer, client string
	file           string // of the refresh token
	open           func(url string) error
}

// run returns the name of the person: by the refresh token of the last time if
// it is still good, else by the browser.
func (a app) run(ctx context.Context) (string, error) {
	provider, err := oidc.NewProvider(ctx, a.issuer)
	if err != nil {
		return "", err
	}
	config := oauth2.Config{ClientID: a.client, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess}}
	token, err := a.refresh(ctx, config)
	if err != nil {
		return "", err
	}
	if token == nil {
		if token, err = a.signIn(ctx, provider, config); err != nil {
			return "", err
		}
	}
	// Each refresh token is good once: what is kept is always the newest.
	if err := a.keep(token); err != nil {
		return "", err
	}
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil {
		return "", err
	}
	var person struct {
		Name string `json:"name"`
	}
	if err := info.Claims(&person); err != nil {
		return "", err
	}
	return cmp.Or(person.Name, info.Subject), nil
}

// refresh is nil when there is no refresh token, or none that is still good.
func (a app) refresh(ctx context.Context, config oauth2.Config) (*oauth2.Token, error) {
	text, err := os.ReadFile(a.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept oauth2.Token
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, err
	}
	token, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: kept.RefreshToken}).Token()
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return nil, nil // it has ended: sign in again
	}
	return token, err
}

// keep writes the refresh token where only the person can read it.
func (a app) keep(token *oauth2.Token) error {
	text, err := json.Marshal(oauth2.Token{RefreshToken: token.RefreshToken})
	if err != nil {
		return err
	}
	return os.WriteFile(a.file, text, 0o600)
}

// signIn has the person sign in, in the browser.
func (a app) signIn(ctx context.Context, provider *oidc.Provider, config oauth2.Config) (*oauth2.Token, error) {
	// The address, not "localhost", which might be somebody else's (RFC 8252
	// section 8.3); the port is whichever is free.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config.RedirectURL = "http://" + listener.Addr().String() + "/callback"
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()

	answers := make(chan answer, 1)
	server := &http.Server{Handler: callback(a.issuer, state, answers), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until it is closed
	defer func() { _ = server.Close() }()
	if err := a.open(config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))); err != nil {
		return nil, err
	}
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if got.err != nil {
		return nil, got.err
	}
	token, err := config.Exchange(ctx, got.code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: a.client}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != nonce {
		return nil, errors.New("the ID token is of another sign-in")
	}
	return token, nil
}

// answer is what the browser brought back.
type answer struct {
	code string
	err  error
}

// callback takes the first answer that is one to this sign-in, and no other:
// any program of this machine can send something here.
func callback(issuer, state string, answers chan<- answer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("state") != state || q.Get("iss") != issuer { // RFC 9207
			http.Error(w, "This is no answer to a sign-in of this program.", http.StatusBadRequest)
			return
		}
		got := answer{code: q.Get("code")}
		if code := q.Get("error"); code != "" {
			got.err = fmt.Errorf("the sign-in was refused: %s", code)
		}
		select {
		case answers <- got:
			_, _ = io.WriteString(w, "Done. You may close this page and go back to the program.\n")
		default:
			http.Error(w, "There was an answer already.", http.StatusBadRequest)
		}
	})
	return mux
}
