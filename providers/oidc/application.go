package oidc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
)

// Add implements sso.Adder.
func (c *Config) Add(application []byte) (place string, err error) {
	var client Client
	if err := plugin.Strict(application, &client); err != nil {
		return "", err
	}
	c.Clients = append(c.Clients, client)
	return fmt.Sprintf("clients[%d]", len(c.Clients)-1), nil
}

// Find implements sso.Finder for client identifiers.
func (p *provider) Find(id string) (sso.Found, error) {
	c := p.clients[id]
	if c == nil {
		return sso.Found{}, errors.New("no client has this identifier")
	}
	return sso.Found{RelyingParty: c.RelyingParty, Rule: "id " + c.ID, Told: func(a account.Account) []sso.Told { return p.told(c, a) }}, nil
}

// told is what a client learns of an account when it asks for every scope that
// it may.
func (p *provider) told(c *client, a account.Account) []sso.Told {
	claims := p.claims(c, a, strings.Join(c.Scopes, " "), nil)
	claims["sub"] = p.subject(c, a)
	var out []sso.Told
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		switch value := claims[name].(type) {
		case []string:
			out = append(out, sso.Told{Name: name, Values: value})
		default:
			out = append(out, sso.Told{Name: name, Values: []string{fmt.Sprint(value)}, Single: true})
		}
	}
	return out
}
