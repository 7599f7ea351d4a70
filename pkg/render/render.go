// Package render owns how things look and read: templates, locales, styles and
// the layers by which a site changes them.
//
// Everything is read, parsed and checked once, by Open: a template that names
// a message which does not exist is an error at start, not a broken page in
// September. What a page shows alike to everybody is rendered once. A page is
// rendered to memory first, so that an error never leaves half of one.
package render

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/templates"
)

// Config is what Open needs. Only Issuer is required.
type Config struct {
	Site Site
	// Issuer is the one public URL: its path is put in front of every link.
	Issuer string
	// Layers lie over the shipped templates, the highest first: the site's
	// folder, then those of plugins. Each has pages/, mail/, locales/ and
	// static/, as far as it replaces something.
	Layers []fs.FS
	// Recovery is set where people can get back in by themselves: the doors of
	// every page lead there.
	Recovery bool
	// Requests is set where somebody answers the requests for help of those who
	// have no other way in: the page of help leads there.
	Requests bool
	// Now is the clock of the helpdesk's hours; time.Now when nil.
	Now func() time.Time
	// Logger is told of a page that could not be rendered; slog.Default when
	// nil.
	Logger *slog.Logger
}

// Pages renders pages and mails. It is safe for concurrent use.
type Pages struct {
	recovery   bool
	requests   bool
	site       site
	base       string
	host       string
	secure     bool
	now        func() time.Time
	logger     *slog.Logger
	catalog    *catalog
	sets       map[string]*set
	assets     map[string]asset
	assetPaths map[string]string
}

// Open reads all layers and checks them: every page and mail of this package
// must be there, every message a template names must exist in every language.
// An error names the file and the key.
func Open(config Config) (*Pages, error) {
	issuer, err := url.Parse(config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	p := &Pages{
		recovery: config.Recovery,
		requests: config.Requests,
		base:     strings.TrimSuffix(issuer.Path, "/"),
		host:     issuer.Hostname(),
		secure:   issuer.Scheme == "https",
		now:      config.Now,
		logger:   config.Logger,
		sets:     map[string]*set{},
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.logger == nil {
		p.logger = slog.Default()
	}
	if p.site, err = config.Site.check(); err != nil {
		return nil, fmt.Errorf("site.%w", err)
	}
	layers := append(overlay(nil), config.Layers...)
	layers = append(layers, templates.FS)
	if p.catalog, err = openCatalog(layers, config.Site.Language); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if err := p.Require(slices.Concat(messageKeys(), deskKeys(), accountKeys())...); err != nil {
		return nil, err
	}
	if err := p.loadStatic(layers); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	for _, lang := range p.catalog.Languages() {
		if p.sets[lang], err = p.parse(layers, lang); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		for _, view := range slices.Concat(pageViews, deskViews, accountViews, establishmentViews) {
			if _, ok := p.sets[lang].pages[view.Page()]; !ok {
				return nil, fmt.Errorf("templates: pages/%s.html: is missing", view.Page())
			}
		}
		for _, view := range slices.Concat(mailViews, deskMails, lifecycleMails) {
			for _, suffix := range []string{".subject", ".txt", ".html"} {
				if !p.sets[lang].hasMail(view.Mail() + suffix) {
					return nil, fmt.Errorf("templates: mail/%s%s: is missing", view.Mail(), suffix)
				}
			}
		}
	}
	return p, p.checkSheets()
}

func (s *set) hasMail(file string) bool {
	_, ok := s.mails[file]
	return ok || s.texts[file] != nil
}

// Require checks that messages exist whose keys are made from values of the
// caller's, such as the reasons of a password policy. Call it at start.
func (p *Pages) Require(keys ...string) error {
	for _, key := range keys {
		if !p.catalog.Has(key) {
			return fmt.Errorf("templates: locales/%s.json: no message %q", p.catalog.tags[0], key)
		}
	}
	return nil
}

// Text is a message in the language of a request; empty for a key that is none,
// which Require excludes.
func (p *Pages) Text(r *http.Request, key string) string {
	text, _ := p.catalog.Text(p.Language(r), key)
	return text
}

// URL puts the path of the issuer in front of a path of ours.
func (p *Pages) URL(path string) string { return p.base + path }

// layout is what pages/layout.html gets; it passes View on to the page.
type layout struct {
	View  View
	Frame Frame
	// Place, Style and Icon are the face of the house.
	Place, Style string
	Icon         htmltemplate.URL

	request *http.Request
}

// In is the same page in another language, by a link.
func (l layout) In(tag string) string {
	query := l.request.URL.Query()
	query.Set(languageParam, tag)
	return "?" + query.Encode()
}

// Render writes a page, in the language of the request. When the person chose
// that language here, a cookie remembers it for a year. A page that cannot be
// rendered is logged and answered by one line of text.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, view View) {
	choice := p.choose(r)
	lang := choice.tag
	var out bytes.Buffer
	out.Grow(8 << 10) // most pages are smaller
	if err := p.execute(&out, r, lang, view); err != nil {
		p.logger.LogAttrs(r.Context(), slog.LevelError, "page not rendered", slog.String("page", view.Page()), slog.Any("error", err))
		http.Error(w, "Cette page ne peut pas s’afficher. / This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	if choice.fresh {
		http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600,
			Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self'"+
		schemes(view.frame().FormTargets)+asks(view)+frameSources(view.frame().Embeds)+"; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the browser has gone: nobody is left to tell
}

func (p *Pages) execute(out *bytes.Buffer, r *http.Request, lang string, view View) error {
	page, ok := p.sets[lang].pages[view.Page()]
	if !ok {
		return fmt.Errorf("pages/%s.html: is missing", view.Page())
	}
	face := p.site.faces[view.frame().Theme]
	data := layout{View: view, Frame: view.frame(), Place: face.name.In(lang),
		Style: stylesheetOf(view.frame().Theme), Icon: face.icon, request: r}
	return page.shown().Execute(out, data)
}

// schemes are the sources of form-action for the places to which an answer to
// the form may redirect. Chromium holds every redirect after a form against
// the directive, those of the application included: one that sends people on
// to another origin, as a broker does, would end on a dead page if its own
// origin alone were named. So it is the scheme that is.
func schemes(targets []string) string {
	var schemes []string
	for _, target := range targets {
		if u, err := url.Parse(target); err == nil && u.Scheme != "" {
			schemes = append(schemes, " "+u.Scheme+":")
		}
	}
	slices.Sort(schemes)
	return strings.Join(slices.Compact(schemes), "")
}

// asks is the directive for a page whose script asks this server something.
func asks(view View) string {
	switch view.(type) {
	case NewPassword, Password:
		return "; connect-src 'self'"
	}
	return ""
}

// frameSources is the directive for a page with frames: their origins and no
// others.
func frameSources(embeds []string) string {
	var origins []string
	for _, embed := range embeds {
		if u, err := url.Parse(embed); err == nil && u.Host != "" {
			origins = append(origins, " "+u.Scheme+"://"+u.Host)
		}
	}
	if len(origins) == 0 {
		return ""
	}
	slices.Sort(origins)
	return "; frame-src" + strings.Join(slices.Compact(origins), "")
}

// favicon is the house in sixteen pixels, within the page so that it costs no
// request: the brass line over a door of the key colour.
func favicon(key, brass Colour) htmltemplate.URL {
	svg := fmt.Sprintf(`<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='%s' d='M0 0h16v3H0z'/><path fill='%s' d='M2 5h12v11H2z'/><path fill='#fff' d='M8 8a1.6 1.6 0 0 1 .8 3v3H7.2v-3A1.6 1.6 0 0 1 8 8z'/></svg>`, brass, key)
	return htmltemplate.URL("data:image/svg+xml," + url.PathEscape(svg))
}
