package server

import (
	"errors"
	"fmt"
	"slices"

	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/portal"
	"github.com/loge-idp/loge/pkg/portal/desk"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
)

// Desk is who helps whom.
type Desk struct {
	// Rules make operators. None: there is no desk.
	Rules operator.Rules `json:"rules"`
	// Groups are the attributes by which people say class or component: letters
	// are sorted by the first, and lists narrowed by any.
	Groups []string `json:"groups"`
	// Facts are the attributes of which a caller may say a value beside the date
	// of birth, to be verified: the number of a student or of an employee.
	Facts []string `json:"facts"`
	// Force is how the directory marks a password that must be changed. Without
	// it nobody can be made to choose another one.
	Force operator.Force `json:"force"`
}

// Press is what prints letters with codes of this server; nil where the
// configuration has no method activationcode.
func (s *Server) Press() *letters.Press { return s.press }

func (o *opening) press(flow *recovery.Flow, pages *render.Pages) *letters.Press {
	printed := func(m recovery.Method) bool { return m.Name() == letters.Method }
	if flow == nil || !slices.ContainsFunc(flow.Methods, printed) {
		return nil
	}
	return &letters.Press{Recovery: flow, Pages: pages, Home: o.config.Issuer + "/activate", Typed: o.config.Issuer + "/code", Lost: o.config.Issuer + "/recover"}
}

// desk is nil where the configuration has no rule.
func (o *opening) desk(p parts, pages *portal.Portal, post *outbox.Outbox, trail audit.Log) (*desk.Pages, error) {
	rules := o.config.Desk.Rules
	if len(rules) == 0 {
		return nil, nil
	}
	if pages.Recovery == nil {
		return nil, o.config.source.at("desk", errors.New("needs a way back in to hand over; add one under recovery.methods, like {type: helpdesk}"))
	}
	for i, name := range o.config.Desk.Groups {
		if err := o.reads(p.directory, fmt.Sprintf("desk.groups[%d]", i), name); err != nil {
			return nil, err
		}
	}
	for i, name := range o.config.Desk.Facts {
		if err := o.reads(p.directory, fmt.Sprintf("desk.facts[%d]", i), name); err != nil {
			return nil, err
		}
	}
	for i, rule := range rules {
		place := fmt.Sprintf("desk.rules[%d]", i)
		if err := o.reads(p.directory, place, operator.Rules{rule}.Attributes()...); err != nil {
			return nil, err
		}
		if d, ok := p.directory.(directory.Selecting); ok && rule.Reach != nil && !d.Finds(rule.Reach.Theirs) {
			return nil, o.config.source.at(place+".reach.theirs", fmt.Errorf("is %q, by which the directory finds nobody; name an attribute of the accounts' own entries", rule.Reach.Theirs))
		}
	}
	help := &operator.Desk{Rules: rules, Store: p.store, Directory: p.directory, Recovery: pages.Recovery, Sessions: pages.Sessions, Logins: pages.Login.Limits, Outbox: post,
		Keys: p.keys.Ring, Mail: p.mail, SMS: p.sms, Pages: p.pages, Home: o.config.Issuer + "/recover",
		Call: o.config.Issuer + desk.CallPath + "?t=", Groups: o.config.Desk.Groups, Known: o.config.Desk.Facts, ForceBy: o.config.Desk.Force, Asking: pages.Extensions, Audit: trail}
	help.Start()
	shown := &desk.Pages{Desk: help, Login: pages.Login, Sessions: pages.Sessions, Pages: p.pages, Keys: p.keys.Ring,
		Cookies: pages.Cookies, Logger: pages.Logger, Press: o.press(pages.Recovery, p.pages), Unavailable: pages.Unavailable, Problem: pages.Problem}
	if err := shown.Check(); err != nil {
		return nil, o.config.source.at("", err)
	}
	return shown, nil
}
