package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
)

// Parts are a server in Go values instead of a file: for a program with people
// of its own. Nothing of it changes them, so no way back in is offered.
type Parts struct {
	// Issuer is as of Config. With a path the whole server is below it, beside
	// the pages of the program.
	Issuer string
	// Site is whose house this is.
	Site render.Site
	// People are those who may sign in.
	People directory.Reader
	// Store keeps what is short-lived. Replicas share one.
	Store plugin.Config[store.Store, struct{}]
	// Protocols are those spoken, by any name.
	Protocols map[string]Protocol
	// Templates lie over the shipped pages and words, as render.Config.Layers
	// says; none when nil.
	Templates fs.FS
	// Keys are made for as long as the process lasts when they are nil.
	Keys *Keys
	// Logger is slog.Default when it is nil.
	Logger *slog.Logger
}

// Protocol is the configuration of a protocol, like cas.Config and oidc.Config.
type Protocol = plugin.Config[sso.Protocol, sso.Env]

// Embed opens a server from its parts. The program calls its Run, with a
// handler that has pages of its own around the server's Handler; or it serves
// Handler itself, and calls Work.
func Embed(ctx context.Context, p Parts) (*Server, error) {
	keys, logger := p.Keys, p.Logger
	if logger == nil {
		logger = slog.Default()
	}
	if keys == nil {
		var err error
		if keys, err = MakeKeys(); err != nil {
			return nil, err
		}
	}
	given := plugin.Section(`{"type":"given"}`)
	config := Config{Issuer: p.Issuer, Site: p.Site, KeyMaterial: keys, Directory: given, Store: given, Protocols: map[string]plugin.Section{}}
	plugins := Plugins{
		Directories: plugin.Set[directory.Directory, directory.Env]{
			"given": func() plugin.Config[directory.Directory, directory.Env] { return &people{p.People} }},
		Stores:    plugin.Set[store.Store, struct{}]{"given": func() plugin.Config[store.Store, struct{}] { return p.Store }},
		Protocols: plugin.Set[sso.Protocol, sso.Env]{},
	}
	if p.Templates != nil {
		plugins.Templates = []fs.FS{p.Templates}
	}
	for name, protocol := range p.Protocols {
		config.Protocols[name] = plugin.Section(`{}`)
		plugins.Protocols[name] = func() Protocol { return protocol }
	}
	return Open(ctx, config, plugins, logger)
}

// people are a directory that nobody writes to.
type people struct{ directory.Reader }

func (p *people) Open(context.Context, directory.Env) (directory.Directory, error) { return p, nil }

var errReadOnly = errors.New("the accounts of this server are the program's own")

func (*people) SetPassword(context.Context, account.ID, secret.String) error { return errReadOnly }
func (*people) Activate(context.Context, account.ID) error                   { return errReadOnly }
func (*people) Unlock(context.Context, account.ID) error                     { return errReadOnly }
