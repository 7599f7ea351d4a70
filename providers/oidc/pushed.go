package oidc

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
)

// A pushed request (RFC 9126) is a ticket: it is read when the browser brings
// its request_uri, kept while somebody looks at the login form, and redeemed
// when the code is issued. Of all who come with one, one gets a code.
const (
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLife is how long the browser has to bring it.
	pushedLife = time.Minute
	// pushedLogin is how long it is kept once the browser has brought it.
	pushedLogin = time.Hour
	// pushedMax bounds what is stored of one, in bytes.
	pushedMax = 8 << 10

	fieldForm   = "form"
	fieldClient = "client"
)

func (p *provider) pushedRequests() ticket.Book {
	return ticket.Book{Store: p.env.Store, Kind: "oidc par", Prefix: pushedPrefix, TTL: pushedLife}
}

// pushedResponse is RFC 9126 section 2.2.
type pushedResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"`
}

// push is the endpoint to which a client sends a request that its browser will
// only name. It is for clients that can prove who they are: nobody else makes
// this server store anything.
func (p *provider) push(w http.ResponseWriter, r *http.Request) {
	form, c, refused := p.authenticated(r)
	if refused == nil {
		form, refused = p.pushable(r, c, form)
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	uri, create := p.pushedRequests().Issue(store.Key{}, store.Fields{fieldClient: c.ID, fieldForm: form.Encode()})
	create.Life = pushedLogin
	if err := p.env.Store.Do(r.Context(), create); err != nil {
		refuse(w, p.fault(r, err))
		return
	}
	p.record(r, "oidc.push", "ok", c, "")
	respond(w, http.StatusCreated, pushedResponse{uri, int(pushedLife.Seconds())})
}

// pushable returns the parameters of a pushed request that authorize would
// take.
func (p *provider) pushable(r *http.Request, c *client, form url.Values) (url.Values, *oidc.Error) {
	if c.Public {
		return nil, &oidc.Error{ErrorType: oidc.UnauthorizedClient, Description: "a public client cannot push requests"}
	}
	if form.Has("request_uri") { // RFC 9126 section 2.1
		return nil, badRequest("request_uri cannot be pushed")
	}
	form = maps.Clone(form)
	for _, credential := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(credential)
	}
	form.Set("client_id", c.ID)
	if form.Has("request") {
		var refused *oidc.Error
		if form, refused = p.unsigned(c, form); refused != nil {
			return nil, refused
		}
	}
	a, err := p.addressee(form)
	if err != nil {
		return nil, badRequest("redirect_uri is not one of the client's")
	}
	a.pushed = pushedPrefix
	if refused := p.read(r, a, form); refused != nil {
		return nil, refused
	}
	if len(form.Encode()) > pushedMax {
		return nil, badRequest("the request is too long")
	}
	return form, nil
}

// isPushed reports whether a request names one that was pushed.
func isPushed(form url.Values) bool {
	return len(form["request_uri"]) == 1 && strings.HasPrefix(form.Get("request_uri"), pushedPrefix)
}

var errNotPushed = errors.New("no such pushed request of this client")

// pushedForm returns what the client pushed. The error is errNotPushed or wraps
// store.ErrUnavailable.
func (p *provider) pushedForm(r *http.Request, form url.Values) (url.Values, error) {
	key, ok := p.pushedRequests().Key(form.Get("request_uri"))
	if !ok {
		return nil, errNotPushed
	}
	read := &store.Read{Key: key, Extend: pushedLogin}
	if err := p.env.Store.Do(r.Context(), read); err != nil {
		return nil, err
	}
	if read.Fields == nil || len(form["client_id"]) != 1 || read.Fields[fieldClient] != form.Get("client_id") {
		return nil, errNotPushed
	}
	return url.ParseQuery(read.Fields[fieldForm])
}
