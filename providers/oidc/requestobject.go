package oidc

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

var (
	errRequestObject = &oidc.Error{ErrorType: "invalid_request_object"}
	errRequestURI    = &oidc.Error{ErrorType: "request_uri_not_supported"}
)

// requestClaims are those of a request object that are no parameters (RFC 9101
// section 4).
type requestClaims struct {
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	Audience  oidc.Audience `json:"aud"`
	Expires   int64         `json:"exp"`
	NotBefore int64         `json:"nbf"`
}

// unsigned returns the parameters of a request that a client has signed. As RFC
// 9101 section 6.3 says, nothing counts that stands beside the object, but for
// the client.
func (p *provider) unsigned(c *client, form url.Values) (url.Values, *oidc.Error) {
	if c == nil || c.keys == nil {
		return nil, &oidc.Error{ErrorType: oidc.RequestNotSupported, Description: "the client has no keys here"}
	}
	var payload json.RawMessage
	if c.keys.verified(form.Get("request"), &payload) != nil {
		return nil, errRequestObject
	}
	var claims requestClaims
	if json.Unmarshal(payload, &claims) != nil || !p.inForce(c, claims) {
		return nil, errRequestObject
	}
	out, ok := parameters(payload)
	if !ok || out.Has("request") || out.Has("request_uri") || out.Has("client_id") && out.Get("client_id") != c.ID {
		return nil, errRequestObject
	}
	out.Set("client_id", c.ID)
	return out, nil
}

// inForce reports whether a request object is of the client, for us, and now.
// One with the client as its subject could be an assertion (RFC 9101 section
// 10.8).
func (p *provider) inForce(c *client, claims requestClaims) bool {
	now := p.env.Now()
	return (claims.Issuer == "" || claims.Issuer == c.ID) && claims.Subject != c.ID &&
		(claims.Audience == nil || slices.Contains(claims.Audience, p.env.Issuer)) &&
		(claims.Expires == 0 || now.Before(time.Unix(claims.Expires, 0).Add(clockSkew))) &&
		!now.Add(clockSkew).Before(time.Unix(claims.NotBefore, 0))
}

// parameters turns the members of a request object into a form: texts as they
// are, numbers and objects as JSON writes them.
func parameters(payload []byte) (url.Values, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return nil, false
	}
	out := url.Values{}
	for name, raw := range members {
		switch name {
		case "iss", "sub", "aud", "exp", "nbf", "iat", "jti":
			continue
		}
		switch raw[0] {
		case '"':
			var text string
			if json.Unmarshal(raw, &text) != nil {
				return nil, false
			}
			out.Set(name, text)
		case '{', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			var plain bytes.Buffer
			if json.Compact(&plain, raw) != nil {
				return nil, false
			}
			out.Set(name, plain.String())
		default:
			return nil, false
		}
	}
	return out, true
}
