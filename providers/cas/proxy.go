package cas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// grant makes a proxy-granting ticket that hangs from a session's record, for a
// service whose ticket was good, and sends it to the service's callback (CAS
// 3.0.3 section 2.5.4). It does not exist before the callback has answered. iou
// is the name by which the service knows it in the answer; it is empty for a
// service that goes on without. The error says that nothing is known.
func (p *protocol) grant(r *http.Request, a assertion, under store.Key, callback string) (iou string, failed *failure, err error) {
	_, party := p.services.Find(a.Service)
	if party == nil || len(party.Proxy.Callbacks) == 0 {
		return "", &failure{codeMayNotProxy, "The service may not act as a proxy."}, nil
	}
	to, err := url.Parse(callback)
	if err != nil || to.Scheme != "https" || !party.Proxy.Allows(callback) {
		return "", &failure{codeCallback, "The callback is not one of the service's, or is not https."}, nil
	}
	granted := assertion{Party: a.Party, Account: a.Account, Session: under.Name, Proxies: slices.Insert(slices.Clone(a.Proxies), 0, callback)}
	pgt, create := p.granting.Issue(under, granted.fields())
	iou = "PGTIOU-" + secret.Random(40)
	if err := p.call(r, *to, pgt, iou); err != nil {
		p.env.Logger.LogAttrs(r.Context(), slog.LevelWarn, "cas: a proxy-granting ticket could not be sent",
			slog.String("party", a.Party), slog.String("to", to.Scheme+"://"+to.Host+to.Path), slog.Any("error", err))
		if party.Proxy.WithoutPGT {
			return "", nil, nil
		}
		return "", &failure{codeCallback, "The callback did not take the proxy-granting ticket."}, nil
	}
	if err := p.env.Store.Do(r.Context(), create); err != nil {
		return "", nil, err
	}
	if !create.Created {
		return "", &failure{codeTicket, "The session has ended."}, nil
	}
	return iou, nil, nil
}

// call brings a proxy-granting ticket to its callback. The error names neither.
func (p *protocol) call(r *http.Request, to url.URL, pgt, iou string) error {
	own := to.RawQuery
	if own != "" {
		own += "&"
	}
	to.RawQuery, to.Fragment = own+url.Values{"pgtId": {pgt}, "pgtIou": {iou}}.Encode(), ""
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, to.String(), nil)
	if err != nil {
		return errors.New("the callback is no address")
	}
	client := p.env.Public
	if p.config.PrivateCallbacks {
		client = p.env.Client
	}
	resp, err := client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // for the connection to be used again
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the callback answers %s", resp.Status)
	}
	return nil
}

// proxy answers /cas/proxy: a proxy-granting ticket against one for another
// service (section 2.7).
func (p *protocol) proxy(w http.ResponseWriter, r *http.Request) {
	given, failed := read(r, "pgt", "targetService", "format")
	in, unknown := formatOf(given["format"], ofProxy)
	switch {
	case failed != nil:
	case unknown != nil:
		failed = unknown
	case given["pgt"] == "" || given["targetService"] == "":
		failed = &failure{codeRequest, "Both pgt and targetService are required."}
	}
	var ticket string
	if failed == nil {
		var err error
		if ticket, failed, err = p.proxyTicket(r, given["pgt"], given["targetService"]); err != nil {
			p.unavailable(w, r, in, err)
			return
		}
	}
	write(w, http.StatusOK, in, func(out *bytes.Buffer) {
		if failed != nil {
			in.failure(out, *failed)
			return
		}
		in.proxyTicket(out, ticket)
	})
}

// refusal is why a program gets no ticket for a service: what would send a
// person to a page or to the form. It is empty when it gets one.
func (p *protocol) refusal(a ask, s *session.Session) string {
	if limit := a.party.Freshness(0); limit > 0 && p.env.Now().Sub(s.AuthTime) > limit {
		return "The credentials were given too long ago for this service."
	}
	if why := a.party.Admit(s.Account, p.env.Now()); why != account.ReasonNone {
		return "The account may not enter this service: " + string(why) + "."
	}
	return ""
}

// proxyTicket issues a ticket that hangs from the proxy-granting one. The
// person may enter the target or not as if they came themselves: so it is one of
// the services, though section 2.7.1 would let it be any text.
func (p *protocol) proxyTicket(r *http.Request, pgt, target string) (ticket string, failed *failure, err error) {
	unknown := &failure{codeTicket, "The proxy-granting ticket is unknown, or the session has ended."}
	key, ok := p.granting.Key(pgt)
	if !ok {
		return "", unknown, nil
	}
	look := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), look); err != nil || look.Fields == nil {
		return "", unknown, err
	}
	granted, err := assertionOf(look.Fields)
	if err != nil {
		return "", nil, err
	}
	a := ask{}
	if a.service, a.party, err = p.registered(target); err != nil {
		return "", &failure{codeMayNotEnter, "The target is not registered."}, nil
	}
	under := store.Key{Tag: key.Tag, Name: granted.Session}
	s, err := p.env.Login.Behind(r, under)
	switch {
	case err != nil:
		return "", nil, err
	case s == nil:
		return "", unknown, nil
	}
	if why := p.refusal(a, s); why != "" {
		return "", &failure{codeMayNotEnter, why}, nil
	}
	told := p.assert(a, s, under)
	told.Proxies = granted.Proxies
	ticket, create := p.proxies.Issue(key, told.fields())
	p.visit(s, a, ticket, proxied)
	if err := p.env.Sessions.Commit(r.Context(), nil, s, create); err != nil {
		return "", nil, err
	}
	if !create.Created {
		return "", unknown, nil
	}
	p.record(r, audit.Event{Action: "ticket.issue", Result: "ok", Account: s.Account.ID, Party: a.party.Name})
	return ticket, nil, nil
}
