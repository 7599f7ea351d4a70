package server

import (
	"fmt"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/session"
)

// Reminders are those of this server; nil where the configuration has no mail
// or the directory cannot be looked through.
func (s *Server) Reminders() *lifecycle.Reminders { return s.reminders }

// watch ends what closed accounts have open, for as long as the server runs.
func (o *opening) watch(p parts, sessions *session.Manager, trail audit.Log) *lifecycle.Watch {
	return &lifecycle.Watch{Store: p.store, Sessions: sessions, Directory: p.directory,
		PerSecond: o.config.Lifecycle.PerSecond, Audit: trail, Logger: o.logger}
}

// reminders are delivered by whichever process runs the outbox.
func (o *opening) reminders(p parts, post *outbox.Outbox, trail audit.Log) (*lifecycle.Reminders, error) {
	if d, ok := p.directory.(directory.Selecting); ok {
		for i, grace := range o.config.Lifecycle.Grace {
			for _, name := range grace.Who.Attributes() {
				if !d.Reads(name) {
					return nil, o.config.source.at(fmt.Sprintf("lifecycle.grace[%d].who", i), unread(name))
				}
			}
		}
	}
	searcher, ok := p.directory.(directory.Searcher)
	if !ok || p.mail == nil {
		return nil, nil
	}
	r := &lifecycle.Reminders{Config: o.config.Lifecycle, Search: searcher, Directory: p.directory, Store: p.store, Outbox: post, Mail: p.mail,
		Pages: p.pages, Home: o.config.Issuer + "/login", Audit: trail}
	r.Start()
	return r, nil
}
