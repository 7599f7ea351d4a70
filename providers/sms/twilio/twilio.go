// Package twilio sends text messages by Twilio's Messages resource.
package twilio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/providers/sms/internal/call"
)

// Config is an account at Twilio. AccountSID, Secret and one of From and
// MessagingService are required.
type Config struct {
	// AccountSID is AC and 32 hexadecimal digits.
	AccountSID string `json:"accountSid"`
	// KeySID is that of an API key, SK…; the account itself when empty.
	KeySID string `json:"keySid"`
	// Secret is that of the key, or the auth token of the account.
	Secret secret.String `json:"secret"`
	// From is a number in E.164 or a sender's name, MessagingService the SID
	// of a service that chooses, MG….
	From             string `json:"from"`
	MessagingService string `json:"messagingService"`
	// Endpoint is "https://api.twilio.com" unless set.
	Endpoint string `json:"endpoint"`
}

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-f]{32}$`)
	keySID     = regexp.MustCompile(`^(SK[0-9a-f]{32})?$`)
)

// Open checks the configuration and reaches nobody. Besides sms.Gateway, the
// result has Ping(context.Context) error, which authenticates and sends
// nothing.
func (c *Config) Open(context.Context, struct{}) (sms.Gateway, error) {
	endpoint, err := call.ParseURL(cmp.Or(c.Endpoint, "https://api.twilio.com"))
	switch {
	case err != nil:
		return nil, plugin.At("endpoint", err)
	case !accountSID.MatchString(c.AccountSID):
		return nil, plugin.At("accountSid", errors.New("must be AC and 32 hexadecimal digits, as in Twilio's console"))
	case !keySID.MatchString(c.KeySID):
		return nil, plugin.At("keySid", errors.New("must be SK and 32 hexadecimal digits, or left out"))
	case c.Secret.Empty():
		return nil, plugin.At("secret", errors.New("is missing; write ${env:NAME} or ${file:path}"))
	case (c.From == "") == (c.MessagingService == ""):
		return nil, plugin.At("from", errors.New("give from or messagingService, and not both"))
	}
	return &gateway{*c, endpoint.JoinPath("2010-04-01", "Accounts", c.AccountSID).String()}, nil
}

type gateway struct {
	config Config
	base   string
}

// Send implements sms.Gateway. Twilio knows no message of ours by an ID, so
// that one without an answer is not sent again.
func (g *gateway) Send(ctx context.Context, m sms.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("twilio: %w", err)
	}
	form := url.Values{"To": {m.To}, "Body": {m.Text}}
	if g.config.From != "" {
		form.Set("From", g.config.From)
	} else {
		form.Set("MessagingServiceSid", g.config.MessagingService)
	}
	r, err := g.request(ctx, http.MethodPost, "/Messages.json", form.Encode())
	if err == nil {
		_, err = call.Deliver(r, false)
	}
	return named(err)
}

// Ping authenticates.
func (g *gateway) Ping(ctx context.Context) error {
	r, err := g.request(ctx, http.MethodGet, ".json", "")
	if err == nil {
		_, err = call.Ask(r)
	}
	return named(err)
}

func (g *gateway) request(ctx context.Context, method, path, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, g.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.SetBasicAuth(cmp.Or(g.config.KeySID, g.config.AccountSID), g.config.Secret.Reveal())
	return r, nil
}

func named(err error) error {
	if err != nil {
		return fmt.Errorf("twilio: %w", err)
	}
	return nil
}
