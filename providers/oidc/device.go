package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/pkg/ticket"
	"github.com/loge-idp/loge/pkg/web"
)

// A device that signs in (RFC 8628) has two records. One is the ticket that the
// device polls with, and is redeemed when there is an answer in it. The other
// is found by the code that a person types, and is consumed by the decision:
// of two decisions one counts. What is decided is a grant like any other, whose
// code is put, sealed, into the ticket.
const (
	deviceLife = 10 * time.Minute
	// devicePoll is how often a device may ask.
	devicePoll = 5 * time.Second

	fieldUserCode = "user_code"
	fieldScope    = "scope"
	fieldTag      = "tag"
	fieldName     = "name"
	fieldAnswer   = "answer"
	answerDenied  = "denied"
)

// userCodeLetters make no word and are not taken for one another; eight of them
// are 34 bits (RFC 8628 sections 6.1 and 5.1).
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLen     = 8
)

// The throttles of the device flow.
var (
	// A client that anybody may claim to be makes the server store something.
	limitDevices = throttle.Limiter{Name: "oidc device", Limit: 60, Window: time.Minute}
	// Guesses at codes: who guesses has signed in.
	limitUserCodes = throttle.Limiter{Name: "oidc user code", Limit: 20, Window: 10 * time.Minute}
)

func (p *provider) devices(c *client) ticket.Book {
	return ticket.Book{Store: p.env.Store, Kind: "oidc device:" + c.mark, TTL: deviceLife}
}

func (p *provider) deviceBox() *secret.Box { return p.env.Keys.Box("oidc device") }

func userCodeKey(code string) store.Key {
	return store.Key{Tag: "device-" + secret.Hash(code)[:22], Name: "oidc user code"}
}

// newUserCode draws letters without favour.
func newUserCode() string {
	out := make([]byte, 0, userCodeLen)
	for len(out) < userCodeLen {
		for _, c := range []byte(secret.Random(2 * userCodeLen)) {
			if strings.IndexByte(userCodeLetters, c) >= 0 && len(out) < userCodeLen {
				out = append(out, c)
			}
		}
	}
	return string(out)
}

// readUserCode takes what somebody typed, with or without the hyphen.
func readUserCode(typed string) (code string, ok bool) {
	code = strings.Map(func(c rune) rune {
		if strings.ContainsRune(userCodeLetters, c) {
			return c
		}
		return -1
	}, strings.ToUpper(typed))
	return code, len(code) == userCodeLen
}

func showUserCode(code string) string { return code[:userCodeLen/2] + "-" + code[userCodeLen/2:] }

// deviceAuthorization is the endpoint at which a device begins (RFC 8628
// section 3.1).
func (p *provider) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	form, c, refused := p.authenticated(r)
	var answer *oidc.DeviceAuthorizationResponse
	if refused == nil {
		answer, refused = p.beginDevice(r, c, form)
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	respond(w, http.StatusOK, answer)
}

func (p *provider) beginDevice(r *http.Request, c *client, form url.Values) (*oidc.DeviceAuthorizationResponse, *oidc.Error) {
	if !c.Device {
		return nil, &oidc.Error{ErrorType: oidc.UnauthorizedClient}
	}
	asked := strings.Fields(form.Get("scope"))
	if !slices.Contains(asked, oidc.ScopeOpenID) {
		return nil, &oidc.Error{ErrorType: oidc.InvalidScope, Description: "scope must hold openid"}
	}
	hit := limitDevices.Hit(c.ID + " " + web.ClientAddr(r).String())
	if err := p.env.Store.Do(r.Context(), hit); err != nil {
		return nil, p.fault(r, err)
	}
	if !hit.Allowed {
		return nil, errUnavailable
	}
	for { // until the code is nobody else's: the first time, as a rule
		code := newUserCode()
		device, create := p.devices(c).Issue(store.Key{}, nil)
		typed := &store.Create{Key: userCodeKey(code), TTL: deviceLife, Fields: store.Fields{
			fieldClient: c.ID, fieldScope: c.allowed(asked), fieldTag: create.Key.Tag, fieldName: create.Key.Name}}
		create.Fields = store.Fields{fieldClient: c.ID}
		if err := p.env.Store.Do(r.Context(), create, typed); err != nil {
			return nil, p.fault(r, err)
		}
		if !typed.Created {
			continue
		}
		p.record(r, "oidc.device", "begun", c, "")
		at := p.env.Issuer + pathDevice
		return &oidc.DeviceAuthorizationResponse{
			DeviceCode: device, UserCode: showUserCode(code), VerificationURI: at,
			VerificationURIComplete: withQuery(at, url.Values{fieldUserCode: {showUserCode(code)}}),
			ExpiresIn:               int(deviceLife.Seconds()), Interval: int(devicePoll.Seconds()),
		}, nil
	}
}

// pollDevice is the token request of a device (RFC 8628 section 3.4).
func (p *provider) pollDevice(r *http.Request, c *client, form url.Values) (*oidc.AccessTokenResponse, *oidc.Error) {
	device := form.Get("device_code")
	if device == "" {
		return nil, badRequest("device_code is missing")
	}
	key, ok := p.devices(c).Key(device)
	if !ok {
		return nil, errGrant
	}
	// A little less than what was said, for the time that an answer takes.
	often := &store.Hit{Key: store.Key{Tag: key.Tag, Name: "poll " + key.Name}, Limit: 1, Window: devicePoll - time.Second}
	read := &store.Read{Key: key}
	if err := p.env.Store.Do(r.Context(), often, read); err != nil {
		return nil, p.fault(r, err)
	}
	switch {
	case read.Fields == nil:
		return nil, oidc.ErrExpiredDeviceCode()
	case !often.Allowed:
		return nil, oidc.ErrSlowDown()
	case read.Fields[fieldAnswer] == "":
		return nil, oidc.ErrAuthorizationPending()
	}
	take, err := p.devices(c).Redeem(r.Context(), device)
	if err != nil {
		return nil, p.fault(r, err)
	}
	if take.Outcome != store.Taken {
		return nil, errGrant
	}
	code, err := p.deviceBox().Open(take.Fields[fieldAnswer], key.Name)
	if err != nil { // it says that the person refused
		return nil, oidc.ErrAccessDenied()
	}
	return p.exchange(r, c, url.Values{"code": {string(code)}})
}

// userCode is what a person has typed, found again.
type userCode struct {
	text   string
	client *client
	scope  string
	device store.Key
}

// findUserCode looks for a device that waits with a code. It counts before it
// looks: of one account so many tries are answered.
func (p *provider) findUserCode(r *http.Request, s *session.Session, typed string) (found userCode, ok bool, err error) {
	code, ok := readUserCode(typed)
	if !ok {
		return found, false, nil
	}
	hit := limitUserCodes.Hit(string(s.Account.ID))
	if err := p.env.Store.Do(r.Context(), hit); err != nil || !hit.Allowed {
		return found, false, err
	}
	read := &store.Read{Key: userCodeKey(code)}
	if err := p.env.Store.Do(r.Context(), read); err != nil {
		return found, false, err
	}
	found = userCode{text: code, client: p.clients[read.Fields[fieldClient]], scope: read.Fields[fieldScope],
		device: store.Key{Tag: read.Fields[fieldTag], Name: read.Fields[fieldName]}}
	return found, found.client != nil, nil
}

// device is the page to which a device sends people: first it asks for the
// code, then, of somebody who is signed in, whether the device may.
func (p *provider) device(w http.ResponseWriter, r *http.Request) {
	typed := r.Form.Get(fieldUserCode)
	if typed == "" {
		p.env.Pages.Render(w, r, http.StatusOK, render.DeviceCode{Frame: render.Frame{Action: pathDevice, NoDoors: true}})
		return
	}
	s, found, ok := p.waiting(w, r, typed)
	if !ok {
		return
	}
	p.env.Pages.Render(w, r, http.StatusOK, render.DeviceConfirm{
		Frame: render.Frame{Destination: found.client.Name, Action: pathDevice, NoDoors: true,
			Hidden: []render.Field{{Name: fieldUserCode, Value: found.text}, {Name: fieldSession, Value: p.deviceConfirmation(s, found.text)}}},
		Login: s.Account.Login, Code: showUserCode(found.text), Telling: found.client.telling(found.client.toTell(found.scope)),
	})
}

// waiting returns the session of a person and the device whose code they have
// typed, or answers that there is none. The credentials are as fresh as the
// client wants them.
func (p *provider) waiting(w http.ResponseWriter, r *http.Request, typed string) (s *session.Session, found userCode, ok bool) {
	demand := login.Request{URL: withQuery(pathDevice, url.Values{fieldUserCode: {typed}})}
	if s = p.env.Login.Require(w, r, demand); s == nil {
		return nil, found, false
	}
	found, ok, err := p.findUserCode(r, s, typed)
	if err == nil && ok {
		demand.Party, demand.Theme, demand.MaxAge = found.client.Name, found.client.Theme, found.client.Freshness(0)
		if s = p.env.Login.Require(w, r, demand); s == nil {
			return nil, found, false
		}
	}
	if err == nil {
		err = p.env.Sessions.Commit(r.Context(), w, s)
	}
	switch {
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
		return nil, found, false
	case !ok:
		p.noSuchDevice(w, r, typed)
	}
	return s, found, ok
}

func (p *provider) noSuchDevice(w http.ResponseWriter, r *http.Request, typed string) {
	p.env.Pages.Render(w, r, http.StatusOK, render.DeviceCode{Code: typed, Frame: render.Frame{Action: pathDevice, NoDoors: true,
		Alert: &render.Alert{Key: render.AlertBadDeviceCode, Field: fieldUserCode}}})
}

// deviceConfirmation binds the page to the session that it would use.
func (p *provider) deviceConfirmation(s *session.Session, code string) string {
	return p.env.Keys.Deriver("oidc device form").Text(22, p.env.Sessions.SID(s), code)
}

// deviceDecided answers the page that asks.
func (p *provider) deviceDecided(w http.ResponseWriter, r *http.Request) {
	s, found, ok := p.waiting(w, r, r.PostForm.Get(fieldUserCode))
	switch {
	case !ok:
	case !equal([]byte(r.PostForm.Get(fieldSession)), []byte(p.deviceConfirmation(s, found.text))):
		redirect(w, withQuery(p.env.Issuer+pathDevice, url.Values{fieldUserCode: {found.text}}))
	default:
		p.answerDevice(w, r, s, found, r.PostForm.Get(fieldDecision) == decisionAllow)
	}
}

// answerDevice consumes the code and leaves the answer for the device.
func (p *provider) answerDevice(w http.ResponseWriter, r *http.Request, s *session.Session, found userCode, allowed bool) {
	why := found.client.Admit(s.Account, p.env.Now())
	take := &store.Take{Key: userCodeKey(found.text), By: secret.Random(16)}
	if err := p.env.Store.Do(r.Context(), take); err != nil {
		p.env.Login.Pages.Unavailable(w, r, err)
		return
	}
	if take.Outcome != store.Taken {
		p.noSuchDevice(w, r, found.text)
		return
	}
	write := &store.Write{Key: found.device, Fields: store.Fields{fieldAnswer: answerDenied}}
	var ops []store.Op
	if allowed && why == account.ReasonNone {
		code, created, more := p.grantFor(found.client, s, grant{Scope: found.scope})
		created.TTL = deviceLife
		write.Fields[fieldAnswer] = p.deviceBox().Seal([]byte(code), found.device.Name)
		s.With(p.remember(s.Account.ID, found.client, found.client.toTell(found.scope))...)
		ops = more
	}
	// The answer goes last: a device never finds a code without its grant.
	err := p.env.Sessions.Commit(r.Context(), w, s, ops...)
	if err == nil {
		err = p.env.Store.Do(r.Context(), write)
	}
	switch {
	case err != nil:
		p.env.Login.Pages.Unavailable(w, r, err)
	case allowed && why != account.ReasonNone:
		p.env.Login.Refuse(w, r, s, why, found.client.Name)
	default:
		p.record(r, "oidc.device", map[bool]string{true: "allowed", false: "denied"}[allowed], found.client, s.Account.ID)
		p.env.Pages.Render(w, r, http.StatusOK, render.DeviceDone{Frame: render.Frame{NoDoors: true}, Allowed: allowed})
	}
}
