package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/portal/desk"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/guard"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
)

// How long a session lasts, unless the configuration says otherwise.
const (
	defaultIdle = 2 * time.Hour
	defaultLife = 12 * time.Hour
)

// Open opens everything that a configuration names and joins it. An error
// names its place in the file, and then nothing stays open.
func Open(ctx context.Context, config Config, plugins Plugins, logger *slog.Logger) (*Server, error) {
	config, err := config.check()
	if err != nil {
		return nil, err
	}
	o := &opening{config: config, plugins: plugins, logger: logger}
	server, err := o.open(ctx)
	if err != nil {
		return nil, errors.Join(err, o.closers.Close())
	}
	return server, nil
}

// opening is a configuration on its way to a Server. Each of its methods opens
// one part, and names the place of what is wrong with it.
type opening struct {
	config  Config
	plugins Plugins
	logger  *slog.Logger
	closers closers
	numbers numbers
}

// trail is the audit log, which is also counted.
func (o *opening) trail() audit.Log { return audit.Log{Logger: o.logger, Counts: &o.numbers.acts} }

func (o *opening) keys() (*Keys, error) {
	if o.config.KeyMaterial != nil {
		return o.config.KeyMaterial, nil
	}
	load := LoadKeys
	if o.config.Signing.Every > 0 {
		load = vaultKeys
	}
	keys, err := load(o.config.Keys)
	if err != nil {
		return nil, o.config.source.at("keys", err)
	}
	return keys, nil
}

func (o *opening) pages() (*render.Pages, error) {
	var layers []fs.FS
	if dir := o.config.Templates; dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, o.config.source.at("templates", fmt.Errorf("%s is not a directory", dir))
		}
		layers = append(layers, os.DirFS(dir))
	}
	pages, err := render.Open(render.Config{
		Site: o.config.Site, Issuer: o.config.Issuer, Layers: append(layers, o.plugins.Templates...),
		Recovery: len(o.config.Recovery.Methods) > 0, Requests: o.config.Desk.Rules.Answer(), Logger: o.logger})
	if err != nil {
		return nil, o.config.source.at("", err)
	}
	return pages, nil
}

func (o *opening) directory(ctx context.Context) (directory.Directory, error) {
	d, err := o.plugins.Directories.Open(ctx, o.config.Directory, directory.Env{Mobile: o.config.SMSLimits.Mobile})
	if err != nil {
		return nil, o.config.source.at("directory", err)
	}
	o.closers.add(d)
	return d, nil
}

func (o *opening) store(ctx context.Context) (store.Store, error) {
	s, err := o.plugins.Stores.Open(ctx, o.config.Store, struct{}{})
	if err != nil {
		return nil, o.config.source.at("store", err)
	}
	o.closers.add(s)
	return s, nil
}

// mail and sms are nil where the configuration has none.

func (o *opening) mail(ctx context.Context) (mail.Sender, error) {
	if o.config.Mail == nil {
		return nil, nil
	}
	sender, err := o.plugins.Mail.Open(ctx, o.config.Mail, struct{}{})
	if err != nil {
		return nil, o.config.source.at("mail", err)
	}
	o.closers.add(sender)
	return sender, nil
}

func (o *opening) sms(ctx context.Context) (sms.Gateway, error) {
	if o.config.SMS == nil {
		return nil, nil
	}
	gateway, err := o.plugins.SMS.Open(ctx, o.config.SMS, struct{}{})
	if err != nil {
		return nil, o.config.source.at("sms", err)
	}
	o.closers.add(gateway)
	return gateway, nil
}

func (o *opening) protocols(ctx context.Context, env sso.Env) ([]sso.Protocol, error) {
	var protocols []sso.Protocol
	for _, name := range o.config.protocolNames() {
		place := "protocols." + name
		if o.plugins.Protocols[name] == nil {
			known := strings.Join(slices.Sorted(maps.Keys(o.plugins.Protocols)), ", ")
			return nil, o.config.source.at(place, fmt.Errorf("no protocol of this name; known: %s", known))
		}
		section, err := o.config.protocol(name)
		if err != nil {
			return nil, o.config.source.at(place, err)
		}
		config, err := o.plugins.Protocols.Decode(section)
		if err != nil {
			return nil, o.config.source.at(place, err)
		}
		places, err := o.config.add(name, config)
		if err != nil {
			return nil, o.config.source.at("", err)
		}
		protocol, err := config.Open(ctx, env)
		if err != nil {
			return nil, o.config.source.at("", replace(places, name, err))
		}
		o.closers.add(protocol)
		protocols = append(protocols, protocol)
	}
	return protocols, nil
}

// reads refuses a key that looks at an attribute which the directory does not
// read: what it says would hold for nobody, and nobody would notice.
func (o *opening) reads(d directory.Directory, key string, names ...string) error {
	if err := directory.Unread(d, names...); err != nil {
		return o.config.source.at(key, err)
	}
	return nil
}

// parts is what is needed of plugins before the engines can be joined.
type parts struct {
	keys      *Keys
	pages     *render.Pages
	directory directory.Directory
	store     store.Store
	mail      mail.Sender
	sms       sms.Gateway
}

// parts opens what needs no network first: most mistakes are found there.
func (o *opening) parts(ctx context.Context) (p parts, err error) {
	if p.keys, err = o.keys(); err != nil {
		return p, err
	}
	if p.pages, err = o.pages(); err != nil {
		return p, err
	}
	if p.mail, err = o.mail(ctx); err != nil {
		return p, err
	}
	if p.sms, err = o.sms(ctx); err != nil {
		return p, err
	}
	if p.directory, err = o.directory(ctx); err != nil {
		return p, err
	}
	if p.store, err = o.store(ctx); err != nil {
		return p, err
	}
	if p.sms != nil {
		p.sms = &guard.Guard{Gateway: p.sms, Store: p.store, Limits: o.config.SMSLimits, Audit: o.trail()}
	}
	if p.keys.Signers == nil {
		err = p.keys.openVault(ctx, p.store, o.config.Signing.Every.Or(0))
	}
	return p, err
}

func (o *opening) open(ctx context.Context) (*Server, error) {
	p, err := o.parts(ctx)
	if err != nil {
		return nil, err
	}
	cookies, err := web.CookiesFor(o.config.Issuer)
	if err != nil {
		return nil, err
	}
	trail := o.trail()
	post := &outbox.Outbox{Store: p.store, Box: p.keys.Ring.Box("outbox"), Logger: o.logger}
	sessions := o.sessions(p, cookies, post)

	pages := &portal.Portal{Pages: p.pages, Sessions: sessions, Cookies: cookies, Keys: p.keys.Ring, Logger: o.logger}
	mux, err := web.New(web.Config{Issuer: o.config.Issuer, Proxies: o.config.proxies, Problem: pages.Problem, Observe: o.numbers.request, Logger: o.logger})
	if err != nil {
		return nil, err
	}
	pages.Login = &login.Flow{
		Directory: p.directory, Sessions: sessions, Keys: p.keys.Ring, Cookies: cookies, Pages: pages, Audit: trail,
		Limits: login.DefaultLimits(), Base: p.pages.URL(""), Resume: http.HandlerFunc(mux.Again),
		Floor: time.Duration(o.config.Login.Floor),
	}
	if pages.Recovery, err = o.recovery(ctx, p, sessions, post, trail); err != nil {
		return nil, err
	}
	if pages.Establishments, err = o.establishments(p.directory, pages.Login); err != nil {
		return nil, err
	}
	if pages.Login.Steps, err = pages.Steps(o.config.Steps); err != nil {
		return nil, o.config.source.at("steps", err)
	}
	if err := pages.Allow(o.config.Account.Fields); err != nil {
		return nil, o.config.source.at("account.fields", err)
	}
	pages.Lifecycle, pages.Extensions = o.config.Lifecycle, &lifecycle.Extensions{Store: p.store, Keys: p.keys.Ring, Audit: trail}
	if err := pages.Check(); err != nil {
		return nil, o.config.source.at("", err)
	}
	if pages.Recovery != nil {
		pages.Recovery.Lost = pages.AddressLost
		pages.Login.Entered, pages.Login.Changed, pages.Login.Code = pages.Recovery.Forget, pages.Recovery.Changed, pages.Recognised
	}
	help, err := o.desk(p, pages, post, trail)
	if err != nil {
		return nil, err
	}
	protocols, err := o.protocols(ctx, sso.Env{
		Issuer: o.config.Issuer, Store: p.store, Directory: p.directory, Login: pages.Login, Sessions: sessions, Outbox: post,
		Keys: p.keys.Ring, Signers: p.keys.Signers, Pages: p.pages, Audit: trail, Logger: o.logger, Now: time.Now,
		Client: newClient(configured), Public: newClient(public),
	})
	if err != nil {
		return nil, err
	}
	if err := o.introduce(protocols, pages); err != nil {
		return nil, err
	}
	s := &Server{mux: mux, listen: o.config.Listen, keys: p.keys, outbox: post, health: newHealth(p, o.logger), protocols: protocols, closers: o.closers, logger: o.logger}
	s.watch = o.watch(p, sessions, trail)
	s.metrics, s.aside = o.config.Metrics, aside(s.health, sources(&o.numbers, post, s.watch, p.directory, p.store))
	if s.reminders, err = o.reminders(p, post, trail); err != nil {
		return nil, err
	}
	if pages.Recovery != nil {
		s.recovery, s.methods, s.press = pages.Recovery, pages.Recovery.Methods, o.press(pages.Recovery, p.pages)
	}
	if cookies.Secure {
		s.pause = notice // there is a balancer
	}
	s.routes(pages, help)
	if o.plugins.Routes != nil {
		o.plugins.Routes(mux, p.pages)
	}
	return s, nil
}

// introduce tells the pages which protocols know of applications.
func (o *opening) introduce(protocols []sso.Protocol, pages *portal.Portal) error {
	for _, protocol := range protocols {
		if n, ok := protocol.(sso.Namer); ok {
			pages.Namers = append(pages.Namers, n)
		}
		if c, ok := protocol.(sso.Consenter); ok {
			pages.Consenters = append(pages.Consenters, c)
		}
		if l, ok := protocol.(sso.Lister); ok {
			for _, party := range l.Parties() {
				if !pages.Pages.Themed(party.Theme) {
					return o.config.source.at("site.themes", fmt.Errorf("has no theme %q, which the application %q asks for", party.Theme, party.Name))
				}
			}
		}
	}
	return nil
}

// routes mounts what is served to the public. The desk is nil where there is
// none.
func (s *Server) routes(pages *portal.Portal, help *desk.Pages) {
	pages.Routes(s.mux)
	if help != nil {
		help.Routes(s.mux)
	}
	for _, protocol := range s.protocols {
		protocol.Routes(s.mux)
	}
	s.mux.Machine("GET /static/{file}", pages.Pages.Static())
	s.mux.Machine("GET /healthz", http.HandlerFunc(s.health.alive))
	if s.metrics.Listen == "" {
		s.mux.Machine("GET /readyz", http.HandlerFunc(s.health.ready))
	}
}

func (o *opening) sessions(p parts, cookies web.Cookies, post *outbox.Outbox) *session.Manager {
	return &session.Manager{
		Cookies: &session.Cookies{
			Store: p.store,
			Options: sessions.Options{
				Path: "/", HttpOnly: true, Secure: cookies.Secure, SameSite: http.SameSiteLaxMode},
			Idle: o.config.Session.Idle.Or(defaultIdle),
			Life: o.config.Session.Life.Or(defaultLife),
		},
		Cookie:   cookies.Name("session"),
		Remember: o.config.Session.Remember.Or(0),
		Keys:     p.keys.Ring,
		Watched:  lifecycle.Every,
		Outbox:   post,
	}
}

func newHealth(p parts, logger *slog.Logger) *health {
	h := &health{logger: logger, pings: map[string]func(context.Context) error{}}
	if d, ok := p.directory.(directory.Pinger); ok {
		h.pings["directory"] = d.Ping
	}
	if s, ok := p.store.(store.Pinger); ok {
		h.pings["store"] = s.Ping
	}
	return h
}
