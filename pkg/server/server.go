// Package server makes one http.Handler out of a configuration: it opens the
// file, the keys and every plugin, layers the templates, joins the engines and
// mounts their routes.
//
// Nothing is ever half started: what Open had opened when something failed is
// closed again.
package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
)

// Plugins are all that a configuration may name. It is a value: a program adds
// its own by assignment to the maps.
type Plugins struct {
	Directories plugin.Set[directory.Directory, directory.Env]
	Stores      plugin.Set[store.Store, struct{}]
	Mail        plugin.Set[mail.Sender, struct{}]
	SMS         plugin.Set[sms.Gateway, struct{}]
	Protocols   plugin.Set[sso.Protocol, sso.Env]
	Methods     plugin.Set[recovery.Method, recovery.Env]
	// Templates are the layers that plugins bring, above the shipped ones and
	// below the site's.
	Templates []fs.FS
	// Routes, when set, adds routes that belong to no port.
	Routes func(m *web.Mux, pages *render.Pages)
	// Imports write the configuration that says what files of another server
	// say, by the name of that server: `loge import NAME`. The report tells
	// what has no equal.
	Imports map[string]func(files []string, out, report io.Writer) error
	// Demo, when set, is the command `loge demo`: everything at once on one
	// loopback address, until ctx ends.
	Demo func(ctx context.Context, listen string, out io.Writer, logger *slog.Logger) error
}

// Server is an opened configuration.
type Server struct {
	mux       *web.Mux
	listen    string
	keys      *Keys
	outbox    *outbox.Outbox
	health    *health
	methods   []recovery.Method
	recovery  *recovery.Flow // nil without methods
	press     *letters.Press
	watch     *lifecycle.Watch
	reminders *lifecycle.Reminders
	protocols []sso.Protocol
	metrics   Metrics
	aside     http.Handler
	closers   closers
	pause     time.Duration // between the first no of /readyz and the end
	logger    *slog.Logger
}

// Handler serves all of the server's routes.
func (s *Server) Handler() http.Handler { return s.mux }

// Listen is the address to listen on, host:port.
func (s *Server) Listen() string { return s.listen }

// Close lets go of the directory, the store and whatever else was opened.
func (s *Server) Close() error { return s.closers.Close() }

const (
	// drain is how long requests that run may take once the server is told to
	// stop.
	drain = 30 * time.Second
	// notice is how long /readyz says no before the listener closes, for the
	// balancer in front to look elsewhere.
	notice = 2 * time.Second
)

// Run serves until ctx ends, then finishes the requests and the jobs that have
// begun. The handler is Handler, or something around it. Run closes the
// listener, not the server.
func (s *Server) Run(ctx context.Context, listener net.Listener, handler http.Handler) error {
	stop, err := s.serveAside()
	if err != nil {
		return err
	}
	defer stop()
	web := s.web(handler)
	// The work outlives the last request, which may leave it a job.
	working, rest := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { s.Work(working) })
	defer func() {
		rest()
		work.Wait()
	}()

	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	debug.FreeOSMemory() // most of what the start needed is needed no more
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.health.leave()
	select {
	case err := <-served:
		return err
	case <-time.After(s.pause):
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := web.Shutdown(ending); err != nil {
		return errors.Join(err, web.Close())
	}
	return nil
}

// Work does what is done outside requests, until ctx ends: messages leave, keys
// are looked for, closed accounts lose what they have open. It is part of Run;
// a program that serves Handler by an http.Server of its own calls it beside.
func (s *Server) Work(ctx context.Context) {
	var workers sync.WaitGroup
	workers.Go(func() { s.outbox.Run(ctx) })
	workers.Go(func() { s.keys.run(ctx, s.logger) })
	workers.Go(func() { s.watch.Run(ctx) })
	workers.Wait()
}

// web is a server of one listener. A connection that dribbles is cut
// (R-WEB-12): requests are small, and no answer takes longer than the directory
// and the store may.
func (s *Server) web(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// closers are closed in the reverse of their order.
type closers []io.Closer

// add keeps what can be closed.
func (c *closers) add(opened any) {
	if closer, ok := opened.(io.Closer); ok {
		*c = append(*c, closer)
	}
}

func (c closers) Close() error {
	var failures []error
	for i := len(c) - 1; i >= 0; i-- {
		failures = append(failures, c[i].Close())
	}
	return errors.Join(failures...)
}
