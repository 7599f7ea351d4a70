package oidc

import (
	"errors"
	"fmt"

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
	return sso.Found{RelyingParty: c.RelyingParty, Rule: "id " + c.ID, Told: c.Release}, nil
}
