// Command native is a program on somebody's own machine that signs in by Loge,
// as RFC 8252 asks for: in the browser that the person uses anyway, with PKCE,
// and with a port of this machine to come back to. It can keep no secret, so
// it is registered as a public client, for "http://127.0.0.1/callback" on any
// port.
//
//	loge demo &
//	go run ./examples/native --issuer http://127.0.0.1:8080
//
// The refresh token is kept in a file: the second time no browser is opened.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "native:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context) error {
	home, err := os.UserConfigDir()
	if err != nil {
		return err
	}
	a := app{open: browser}
	flag.StringVar(&a.issuer, "issuer", "http://127.0.0.1:8080", "the public URL of Loge")
	flag.StringVar(&a.client, "client", "demo-native", "the client_id of this program")
	flag.StringVar(&a.file, "token", filepath.Join(home, "loge-native.json"), "where the refresh token is kept")
	flag.Parse()
	name, err := a.run(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Hello,", name)
	return nil
}

// browser opens the one that the person uses. It shares nothing with this
// program, which never sees a password.
func browser(url string) error {
	fmt.Fprintln(os.Stderr, "Opening", url)
	switch runtime.GOOS {
	case "darwin":
		return exec.Command("open", url).Start()
	case "windows":
		return exec.Command("rundll32", "url.dll,FileProtocolHandler", url).Start()
	case "linux":
		return exec.Command("xdg-open", url).Start()
	}
	return errors.New("open the URL above in a browser of this machine")
}
