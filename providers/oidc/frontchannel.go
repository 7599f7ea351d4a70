package oidc

import (
	"net/url"
	"slices"

	"github.com/loge-idp/loge/pkg/session"
)

// frontChannel are the URLs by which the browser tells the clients of a session
// that it ends (OpenID Connect Front-Channel Logout 1.0 section 2), in order.
// The page loads them once it has ended.
func (p *provider) frontChannel(s *session.Session) []string {
	var urls []string
	for _, v := range p.env.Sessions.Visits(s) {
		c := p.clients[v.Party]
		if v.Protocol != name || c == nil || c.FrontchannelLogoutURI == "" {
			continue
		}
		urls = append(urls, withQuery(c.FrontchannelLogoutURI, url.Values{"iss": {p.env.Issuer}, "sid": {p.env.Sessions.SID(s)}}))
	}
	slices.Sort(urls)
	return urls
}
