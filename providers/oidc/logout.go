package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/web"
)

// departure is a checked request to log out.
type departure struct {
	client *client
	target string // where to go afterwards, with its state; empty for our page
	hinted hinted // whom the id_token_hint is about
}

// logout is the end_session endpoint (OpenID Connect RP-Initiated Logout 1.0).
// With an ID token of the person who is signed in it does what it says;
// otherwise it asks first, since any site can send a browser here.
func (p *provider) logout(w http.ResponseWriter, r *http.Request) {
	d, err := p.departure(r)
	if err != nil {
		p.problem(w, r, err)
		return
	}
	s, err := p.env.Sessions.Current(r)
	switch {
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
	case s == nil && d.hinted.subject == "":
		p.loggedOut(w, r, d)
	case s == nil || p.about(d.hinted, s.Account):
		p.leave(w, r, d)
	default:
		p.ask(w, r, d, s)
	}
}

// fieldSession binds the page that asks to the session that it would end.
const fieldSession = "session"

func (p *provider) ask(w http.ResponseWriter, r *http.Request, d departure, s *session.Session) {
	page := render.LogoutConfirm{Login: s.Account.Login}
	page.Action = pathConfirm
	page.Hidden = []render.Field{{Name: fieldSession, Value: p.confirmation(s)}}
	if d.client != nil {
		page.Destination = d.client.Name
	}
	if d.target != "" {
		page.FormTargets = []string{d.target}
	}
	for _, name := range []string{"client_id", "id_token_hint", "post_logout_redirect_uri", "state"} {
		if v := r.Form.Get(name); v != "" {
			page.Hidden = append(page.Hidden, render.Field{Name: name, Value: v})
		}
	}
	p.env.Pages.Render(w, r, http.StatusOK, page)
}

func (p *provider) confirmation(s *session.Session) string {
	return p.env.Keys.Deriver("oidc logout form").Text(22, p.env.Sessions.SID(s))
}

// confirmed is posted by the page that asks.
func (p *provider) confirmed(w http.ResponseWriter, r *http.Request) {
	d, err := p.departure(r)
	if err != nil {
		p.problem(w, r, err)
		return
	}
	s, err := p.env.Sessions.Current(r)
	switch {
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
	case s != nil && !equal([]byte(r.PostForm.Get(fieldSession)), []byte(p.confirmation(s))):
		p.ask(w, r, d, s)
	default:
		p.leave(w, r, d)
	}
}

// leave logs out and goes where the client asked.
func (p *provider) leave(w http.ResponseWriter, r *http.Request, d departure) {
	farewells, ok := p.env.Logout(w, r)
	if !ok {
		return
	}
	if d.target != "" && farewells == nil {
		redirect(w, d.target)
		return
	}
	p.loggedOut(w, r, d, farewells...)
}

func (p *provider) loggedOut(w http.ResponseWriter, r *http.Request, d departure, farewells ...string) {
	page := render.LoggedOut{ContinueURL: d.target, Farewells: farewells}
	if d.client != nil {
		page.Destination = d.client.Name
	}
	p.env.Pages.Render(w, r, http.StatusOK, page)
}

// departure checks the parameters. The error says what is wrong: a forged or
// foreign hint, a place that the client did not register.
func (p *provider) departure(r *http.Request) (departure, error) {
	var d departure
	form := r.Form
	if !once(form) {
		return d, errors.New("a parameter is given twice")
	}
	id := form.Get("client_id")
	if token := form.Get("id_token_hint"); token != "" {
		h, ok := p.hint(token)
		if !ok || id != "" && id != h.client.ID {
			return d, errors.New("id_token_hint is not an ID token of ours for this client")
		}
		d.hinted, id = h, h.client.ID
	}
	if id != "" {
		if d.client = p.clients[id]; d.client == nil {
			return d, fmt.Errorf("no client is called %q", shown(id))
		}
	}
	target := form.Get("post_logout_redirect_uri")
	switch {
	case target == "":
		return d, nil
	case d.client == nil: // section 3: nobody vouches for the place
		return d, errors.New("post_logout_redirect_uri needs an id_token_hint or a client_id")
	case !matches(d.client.PostLogoutRedirectURIs, target, d.client.Public):
		return d, fmt.Errorf("client %q has no such post-logout redirect URI: %q", d.client.ID, shown(target))
	}
	state := url.Values{}
	if v := form.Get("state"); v != "" {
		state.Set("state", v)
	}
	d.target = withQuery(target, state)
	return d, nil
}

// problem is the page of a request that can be answered to nobody but the
// person. Why is for the log: it is the application that must be mended.
func (p *provider) problem(w http.ResponseWriter, r *http.Request, why error) {
	p.env.Logger.LogAttrs(r.Context(), slog.LevelWarn, "oidc: request refused", slog.String("ref", web.Reference(r)), slog.Any("error", why))
	p.env.Pages.Render(w, r, http.StatusBadRequest, render.Problem{Kind: render.ProblemApplication, Reference: web.Reference(r)})
}

// shown is what a request brought, for the log: not its query, where secrets may
// be, and not more than helps.
func shown(text string) string {
	text, _, _ = strings.Cut(text, "?")
	return text[:min(len(text), 200)]
}

// logoutTokenLife bounds a logout token (OWASP ASVS 10.5.5).
const logoutTokenLife = 2 * time.Minute

// visitSubject is where a visit keeps whom the client knows.
const visitSubject = "sub"

// farewell tells a client that a session in which it was signed in to has
// ended (OpenID Connect Back-Channel Logout 1.0 section 2.5).
func (p *provider) farewell(ctx context.Context, v session.Visit) error {
	c := p.clients[v.Party]
	if c != nil && c.BackchannelLogoutURI == "" && c.FrontchannelLogoutURI != "" {
		return nil // the browser tells it
	}
	if c == nil || c.BackchannelLogoutURI == "" {
		return fmt.Errorf("oidc: client %q is told of no logout any more: %w", v.Party, outbox.ErrGiveUp)
	}
	now := p.env.Now()
	token, err := p.sign(c, typeLogout, &oidc.LogoutTokenClaims{
		Issuer: p.env.Issuer, Subject: v.Data[visitSubject], Audience: oidc.Audience{c.ID}, SessionID: v.SID,
		IssuedAt: oidc.FromTime(now), Expiration: oidc.FromTime(now.Add(logoutTokenLife)), JWTID: secret.Random(22),
		Events: map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
	})
	if err != nil {
		return err
	}
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackchannelLogoutURI, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := p.env.Client.Do(request)
	if err != nil {
		return fmt.Errorf("oidc: logout of client %s: %w", c.ID, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4096) // so that the connection can be kept
	return farewellOutcome(c.ID, answer.StatusCode)
}

// farewellOutcome tells what no retry can help from what one might.
func farewellOutcome(client string, status int) error {
	if 200 <= status && status < 300 {
		return nil
	}
	err := fmt.Errorf("oidc: client %s answered %d to a logout", client, status)
	retry := status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
	if !retry {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	return err
}
