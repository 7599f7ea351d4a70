package cas

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// What a visit keeps for the farewell.
const (
	visitTicket = "ticket"
	visitURL    = "url"   // where the message goes
	visitFront  = "front" // set when the browser brings it
)

// visit has the session remember a ticket of a service that wants to know the
// end. The way it was entered, as name or proxied, has a bound of its own.
func (p *protocol) visit(s *session.Session, a ask, ticket, way string) {
	data := map[string]string{visitTicket: ticket, visitURL: a.service.Bare()}
	if to := a.party.Logout.URL; to != "" {
		data[visitURL] = to
	}
	switch a.party.Logout.Type {
	case registry.NoLogout:
		return
	case registry.FrontChannel:
		data[visitFront] = "yes"
	}
	p.env.Sessions.Visit(s, ticket, session.Visit{Protocol: way, Party: a.party.Name, Data: data})
}

// farewell posts the LogoutRequest for one ticket (CAS 3.0.3 section 2.3.3).
// Whatever the service answers is its own affair; only when it could not be
// reached is it tried again, as long as the outbox keeps a job.
func (p *protocol) farewell(ctx context.Context, v session.Visit) error {
	if v.Data[visitFront] != "" {
		return nil
	}
	body := "logoutRequest=" + formEscape(p.logoutRequest(v.Data[visitTicket]))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.Data[visitURL], strings.NewReader(body))
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.env.Client.Do(req)
	if err != nil {
		return fmt.Errorf("cas: logout of %s: %w", v.Party, withoutURL(err))
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // for the connection to be used again
	return resp.Body.Close()
}

// withoutURL keeps out of the log what a URL carries.
func withoutURL(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// frontChannel are the URLs by which the browser tells those services of the
// end that want it so: as the clients of Apereo read it, the same message,
// deflated, in the parameter SAMLRequest.
func (p *protocol) frontChannel(s *session.Session) []string {
	var out []string
	for _, v := range p.env.Sessions.Visits(s) {
		if v.Protocol != name && v.Protocol != proxied || v.Data[visitFront] == "" {
			continue
		}
		to, err := url.Parse(v.Data[visitURL])
		if err != nil {
			continue // cannot be: it was registered
		}
		q := to.Query()
		q.Set("SAMLRequest", deflated(p.logoutRequest(v.Data[visitTicket])))
		to.RawQuery = q.Encode()
		out = append(out, to.String())
	}
	slices.Sort(out)
	return out
}

// deflated is as of the SAML 2.0 bindings, section 3.4.4.1.
func deflated(message string) string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		panic(err) // for unknown levels only
	}
	_, _ = io.WriteString(w, message) // into a Buffer
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// logoutRequest is that of appendix C, without white space and with the
// prefixes that clients look for as text. Its ID comes from the ticket, so
// that the same message sent twice can be known for one.
func (p *protocol) logoutRequest(ticket string) string {
	return `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"` +
		` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
		` ID="LR-` + secret.Hash(ticket) + `" Version="2.0" IssueInstant="` + p.env.Now().UTC().Format("2006-01-02T15:04:05Z") + `">` +
		`<saml:NameID>@NOT_USED@</saml:NameID>` +
		`<samlp:SessionIndex>` + ticket + `</samlp:SessionIndex></samlp:LogoutRequest>`
}

// formEscape writes a space as %20: not every client knows the plus sign.
func formEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
