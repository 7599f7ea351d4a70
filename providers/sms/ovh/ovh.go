// Package ovh sends text messages by OVHcloud's API, whose requests are
// signed.
package ovh

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" // the signature that the API asks for
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/providers/sms/internal/call"
)

// Config is an SMS account at OVHcloud. All but Sender and Endpoint are
// required. The consumer key needs the rights POST /sms/{service}/jobs, and,
// for the doctor, GET /sms/{service}.
type Config struct {
	// Service is the name of the SMS account: "sms-ab12345-1".
	Service           string        `json:"service"`
	ApplicationKey    string        `json:"applicationKey"`
	ApplicationSecret secret.String `json:"applicationSecret"`
	ConsumerKey       secret.String `json:"consumerKey"`
	// Sender is one that OVHcloud has validated; a short number when empty.
	Sender string `json:"sender"`
	// Endpoint is "https://eu.api.ovh.com/1.0" unless set.
	Endpoint string `json:"endpoint"`

	Now func() time.Time `json:"-"` // time.Now when nil
}

var service = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// Open checks the configuration and reaches nobody. Besides sms.Gateway, the
// result has Ping(context.Context) error, which looks at the credit.
func (c *Config) Open(context.Context, struct{}) (sms.Gateway, error) {
	endpoint, err := call.ParseURL(cmp.Or(c.Endpoint, "https://eu.api.ovh.com/1.0"))
	switch {
	case err != nil:
		return nil, plugin.At("endpoint", err)
	case !service.MatchString(c.Service):
		return nil, plugin.At("service", errors.New(`must be the name of the SMS account, like "sms-ab12345-1"`))
	case c.ApplicationKey == "":
		return nil, plugin.At("applicationKey", errors.New("is missing"))
	case c.ApplicationSecret.Empty():
		return nil, plugin.At("applicationSecret", errors.New("is missing; write ${env:NAME} or ${file:path}"))
	case c.ConsumerKey.Empty():
		return nil, plugin.At("consumerKey", errors.New("is missing; write ${env:NAME} or ${file:path}"))
	}
	g := &gateway{config: *c, base: strings.TrimSuffix(endpoint.String(), "/")}
	if g.config.Now == nil {
		g.config.Now = time.Now
	}
	return g, nil
}

type gateway struct {
	config Config
	base   string

	ahead atomic.Pointer[time.Duration] // of OVHcloud's clock before ours
}

// job is the body of POST /sms/{serviceName}/jobs. The stop clause is for
// advertising, and must not be there without it.
type job struct {
	Message      string   `json:"message"`
	Receivers    []string `json:"receivers"`
	Sender       string   `json:"sender,omitempty"`
	NoStopClause bool     `json:"noStopClause"`
	Priority     string   `json:"priority"`
	Coding       string   `json:"coding"`
	Charset      string   `json:"charset"`
}

// Send implements sms.Gateway. The API knows no message of ours by an ID, so
// that one without an answer is not sent again.
func (g *gateway) Send(ctx context.Context, m sms.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("ovh: %w", err)
	}
	body, err := json.Marshal(job{Message: m.Text, Receivers: []string{m.To}, Sender: g.config.Sender,
		NoStopClause: true, Priority: "high", Coding: "7bit", Charset: "UTF-8"})
	if err != nil {
		return fmt.Errorf("ovh: %w", err)
	}
	r, err := g.sign(ctx, http.MethodPost, "/jobs", body)
	if err != nil {
		return fmt.Errorf("ovh: %w", err)
	}
	answer, err := call.Deliver(r, false)
	if err != nil {
		g.ahead.Store(nil) // perhaps the signature had the wrong time
		return fmt.Errorf("ovh: %w", err)
	}
	var receipt struct {
		Valid []string `json:"validReceivers"`
	}
	switch {
	case json.Unmarshal(answer, &receipt) != nil:
		return fmt.Errorf("ovh: the answer is not JSON: %w", sms.ErrUncertain)
	case len(receipt.Valid) == 0:
		return fmt.Errorf("ovh: the number is not valid there: %w", sms.ErrRefused)
	}
	return nil
}

// Ping authenticates and looks whether there is credit.
func (g *gateway) Ping(ctx context.Context) error {
	r, err := g.sign(ctx, http.MethodGet, "", nil)
	if err != nil {
		return fmt.Errorf("ovh: %w", err)
	}
	answer, err := call.Ask(r)
	if err != nil {
		return fmt.Errorf("ovh: %w", err)
	}
	var account struct {
		Credits float64 `json:"creditsLeft"`
	}
	if json.Unmarshal(answer, &account) != nil || account.Credits <= 0 {
		return errors.New("ovh: no credit left on the SMS account; buy some")
	}
	return nil
}

// sign makes a request about the SMS account.
func (g *gateway) sign(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	now, err := g.time(ctx)
	if err != nil {
		return nil, fmt.Errorf("the time of the API: %w", err)
	}
	url := g.base + "/sms/" + g.config.Service + path
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	consumer := g.config.ConsumerKey.Reveal()
	sum := sha1.Sum([]byte(strings.Join([]string{g.config.ApplicationSecret.Reveal(), consumer, method, url, string(body), stamp}, "+")))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Ovh-Application", g.config.ApplicationKey)
	r.Header.Set("X-Ovh-Consumer", consumer)
	r.Header.Set("X-Ovh-Timestamp", stamp)
	r.Header.Set("X-Ovh-Signature", "$1$"+hex.EncodeToString(sum[:]))
	return r, nil
}

// time is that of the API, which refuses a signature of another minute. It is
// asked once, and again after a failure.
func (g *gateway) time(ctx context.Context) (time.Time, error) {
	if ahead := g.ahead.Load(); ahead != nil {
		return g.config.Now().Add(*ahead), nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/auth/time", nil)
	if err != nil {
		return time.Time{}, err
	}
	answer, err := call.Ask(r)
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(answer)), 10, 64)
	if err != nil {
		return time.Time{}, errors.New("is not a number")
	}
	ahead := time.Unix(seconds, 0).Sub(g.config.Now())
	g.ahead.Store(&ahead)
	return time.Unix(seconds, 0), nil
}
