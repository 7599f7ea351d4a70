package cas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
)

// What a visit keeps for the farewell.
const (
	visitTicket  = "ticket"
	visitService = "service"
)

func visit(a ask, ticket string) session.Visit {
	return session.Visit{Protocol: name, Party: a.party.Name,
		Data: map[string]string{visitTicket: ticket, visitService: a.service.String()}}
}

// farewell posts the LogoutRequest for one ticket (CAS 3.0.3 section 2.3.3).
// Whatever the service answers is its own affair; only when it could not be
// reached is it tried again, as long as the outbox keeps a job.
func (p *protocol) farewell(ctx context.Context, v session.Visit) error {
	body := "logoutRequest=" + formEscape(p.logoutRequest(v.Data[visitTicket]))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.Data[visitService], strings.NewReader(body))
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.env.Client.Do(req)
	if err != nil {
		return fmt.Errorf("cas: logout of %s: %w", v.Party, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // for the connection to be used again
	return resp.Body.Close()
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
