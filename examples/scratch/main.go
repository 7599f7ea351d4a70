// Command scratch runs one of the example configurations on real parts: an
// OpenLDAP and a Redis of its own, on free ports and in a temporary folder,
// the same two applications as the demonstration, and a mail server that keeps
// what it is given in a page. All of it ends with this command.
//
//	scratch campus | school  [-listen 127.0.0.1:8080]
//
// It expects the command loge beside itself and to be run in the root of the
// project; examples/*/up.sh takes care of both.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "scratch: "+err.Error())
		os.Exit(1)
	}
}

func start() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flags := flag.NewFlagSet("scratch", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "where loge listens; port 0 takes a free one")
	if len(os.Args) < 2 {
		return fmt.Errorf("which one? campus or school")
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	return run(ctx, os.Args[1], *listen, filepath.Join(filepath.Dir(own), "loge"), os.Stdout)
}
