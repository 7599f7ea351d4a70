package server

import (
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/account"
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

// grace tells the directory how long accounts last whose holder has left.
func (o *opening) grace(people directory.Directory) error {
	for i, grace := range o.config.Lifecycle.Grace {
		if err := o.reads(people, fmt.Sprintf("lifecycle.grace[%d].who", i), grace.Who.Attributes()...); err != nil {
			return err
		}
	}
	if d, ok := people.(directory.Graceful); ok {
		d.Grace(func(a account.Account) int { return o.config.Lifecycle.GraceOf(a, time.Now()).Months })
	}
	return nil
}

// reminders are delivered by whichever process runs the outbox.
func (o *opening) reminders(p parts, post *outbox.Outbox, trail audit.Log) (*lifecycle.Reminders, error) {
	if err := o.grace(p.directory); err != nil {
		return nil, err
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
