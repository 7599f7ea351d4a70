package cas

import (
	"fmt"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
)

// Add implements sso.Adder.
func (c *Config) Add(application []byte) (place string, err error) {
	var s Service
	if err := plugin.Strict(application, &s); err != nil {
		return "", err
	}
	c.Services = append(c.Services, s)
	return fmt.Sprintf("services[%d]", len(c.Services)-1), nil
}

// Find implements sso.Finder for service URLs.
func (p *protocol) Find(url string) (sso.Found, error) {
	s, err := p.services.Explain(url)
	if err != nil {
		return sso.Found{}, err
	}
	told := func(a account.Account) []sso.Told {
		user, _ := s.Username(a, p.env.Keys)
		return append([]sso.Told{{Name: "user", Values: []string{user}, Single: true}}, s.Release(a)...)
	}
	return sso.Found{RelyingParty: s.RelyingParty, Rule: s.Rule(), Told: told}, nil
}

// Difference implements sso.Comparer: the service URL at login and the one at
// validation.
func (p *protocol) Difference(first, second string) string {
	if p.services.Same(first, second) {
		return ""
	}
	at, one, other := p.services.Difference(first, second)
	return fmt.Sprintf("the same for %d bytes, then %q and %q", at, one, other)
}
