package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/session"
)

func (o *opening) methods(ctx context.Context, env recovery.Env) ([]recovery.Method, error) {
	var methods []recovery.Method
	for i, section := range o.config.Recovery.Methods {
		method, err := o.plugins.Methods.Open(ctx, section, env)
		if err != nil {
			return nil, o.config.source.at(fmt.Sprintf("recovery.methods[%d]", i), err)
		}
		o.closers.add(method)
		methods = append(methods, method)
	}
	return methods, nil
}

// recovery is nil where the configuration has no method.
func (o *opening) recovery(ctx context.Context, p parts, sessions *session.Manager, post *outbox.Outbox, trail audit.Log) (*recovery.Flow, error) {
	methods, err := o.methods(ctx, recovery.Env{Mail: p.mail, SMS: p.sms, Pages: p.pages, Logger: o.logger})
	if err != nil || len(methods) == 0 {
		return nil, err
	}
	if err := o.checkRecovery(p.directory, methods); err != nil {
		return nil, err
	}
	if p.mail == nil { // notices of a change leave by mail, whatever the method
		return nil, o.config.source.at("mail", errors.New("is missing; recovery tells people by mail that their password was changed"))
	}
	flow := &recovery.Flow{
		Store: p.store, Directory: p.directory, Sessions: sessions, Outbox: post, Keys: p.keys.Ring,
		Methods: methods, Ways: o.config.Recovery.Ways, Policy: o.config.Recovery.Password,
		Contacts: o.config.Recovery.Contacts, Places: o.config.Recovery.Places, Preset: o.config.Recovery.Preset, Mail: p.mail, Pages: p.pages,
		Link: o.config.Issuer + "/recover/link?t=", Home: o.config.Issuer + "/recover", Undo: o.config.Issuer + "/recover/undo?t=",
		Audit: trail,
	}
	if err := flow.CheckContacts(); err != nil {
		return nil, o.config.source.at("recovery.contacts", err)
	}
	flow.Start()
	return flow, nil
}

// checkRecovery refuses what could be for nobody, because the directory does not
// read what it looks at. Of ways a milder one would decide instead.
func (o *opening) checkRecovery(d directory.Directory, methods []recovery.Method) error {
	c := o.config.Recovery
	for i, m := range methods {
		if looks, ok := m.(recovery.Looking); ok {
			if err := o.reads(d, fmt.Sprintf("recovery.methods[%d]", i), looks.Attributes()...); err != nil {
				return err
			}
		}
	}
	if err := recovery.CheckWays(c.Ways, methods); err != nil {
		return o.config.source.at("recovery.ways", err)
	}
	for i, way := range c.Ways {
		if err := o.reads(d, fmt.Sprintf("recovery.ways[%d].for", i), way.For.Attributes()...); err != nil {
			return err
		}
	}
	if err := c.Preset.Check(); err != nil {
		return o.config.source.at("recovery.preset", err)
	}
	if err := recovery.CheckPlaces(c.Places); err != nil {
		return o.config.source.at("recovery.places", err)
	}
	if c.Password.Privileged == nil {
		return nil
	}
	return o.reads(d, "recovery.password.privileged", c.Password.Privileged.Attributes()...)
}
