// Command bff is an application in the browser whose tokens stay in a server of
// its own: a backend for frontend. README.md says why.
//
//	BFF_SECRET=… go run ./examples/bff --issuer http://127.0.0.1:8080 --url http://127.0.0.1:8081
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

func main() {
	if err := command(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bff:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context) error {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "the public URL of Loge")
	self := flag.String("url", "http://127.0.0.1:8081", "the public URL of this application")
	id := flag.String("client", "bff", "its client_id; the secret is in BFF_SECRET")
	flag.Parse()
	at, err := url.Parse(*self)
	if err != nil || at.Host == "" {
		return errors.New("--url must be a whole URL")
	}
	b, err := newBackend(ctx, *issuer, *self, *id, os.Getenv("BFF_SECRET"))
	if err != nil {
		return err
	}
	server := &http.Server{Addr: at.Host, Handler: b.handler(), ReadTimeout: 10 * time.Second}
	fmt.Println("Open", *self)
	return server.ListenAndServe()
}
