// Package http sends text messages by a gateway that takes one HTTP request per
// message, described in the configuration.
package http

import (
	"cmp"
	"context"
	"encoding/json"
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

// Config describes the request and how its answer is read. Only URL is
// required.
//
// In the values of Query, Form and JSON stand {to}, the number in E.164;
// {digits}, the same without its plus; {text}; and {id}, the name of the
// message. What is put in is escaped as its place asks for.
type Config struct {
	URL string `json:"url"`
	// Method is POST unless set.
	Method string `json:"method"`
	// Headers are sent as they are: an API key.
	Headers map[string]secret.String `json:"headers"`
	// Query is added to the URL, Form and JSON are the body: at most one of
	// the two.
	Query map[string]secret.String `json:"query"`
	Form  map[string]secret.String `json:"form"`
	JSON  json.RawMessage          `json:"json"`
	// IdempotencyHeader is the header by which this gateway knows a message
	// that it was given before. Only with it a message without an answer is
	// sent again.
	IdempotencyHeader string `json:"idempotencyHeader"`
	// Success is looked for in the answer to a request that succeeded.
	Success Success `json:"success"`
}

// Success is a value in an answer in JSON, of gateways that say 200 to
// everything.
type Success struct {
	// Field is the way to it: "messages.0.status". None: 2xx is enough.
	Field string `json:"field"`
	// Values are those that mean success, as text: "0", "true", "queued".
	Values []string `json:"values"`
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// Open checks the configuration and reaches nobody.
func (c *Config) Open(context.Context, struct{}) (sms.Gateway, error) {
	endpoint, err := call.ParseURL(c.URL)
	if err != nil {
		return nil, plugin.At("url", err)
	}
	g := &gateway{config: *c, url: endpoint, method: cmp.Or(c.Method, http.MethodPost)}
	switch {
	case g.method != http.MethodPost && g.method != http.MethodPut && g.method != http.MethodGet:
		return nil, plugin.At("method", errors.New("must be POST, PUT or GET"))
	case c.JSON != nil && c.Form != nil:
		return nil, plugin.At("json", errors.New("json and form are both the body; give one"))
	case g.method == http.MethodGet && (c.JSON != nil || c.Form != nil):
		return nil, plugin.At("method", errors.New("GET has no body; use query"))
	case (c.Success.Field == "") != (len(c.Success.Values) == 0):
		return nil, plugin.At("success", errors.New("field and values go together; give both or neither"))
	case c.IdempotencyHeader != "" && !headerName.MatchString(c.IdempotencyHeader):
		return nil, plugin.At("idempotencyHeader", errors.New("must be the name of a header"))
	}
	for name, value := range c.Headers {
		if !headerName.MatchString(name) || strings.ContainsAny(value.Reveal(), "\r\n\x00") {
			return nil, plugin.At("headers", errors.New("holds what cannot be a header"))
		}
	}
	return g, g.prove()
}

// prove looks whether the templates can be filled in, and make use of the
// number and the text.
func (g *gateway) prove() error {
	marks := sms.Message{ID: "proof-id", To: "+10000000", Text: "proof-text"}
	var all strings.Builder
	for key, place := range map[string]map[string]secret.String{"query": g.config.Query, "form": g.config.Form} {
		values, err := fill(place, marks)
		if err != nil {
			return plugin.At(key, err)
		}
		all.WriteString(values.Encode())
	}
	body, err := fillJSON(g.config.JSON, marks)
	if err != nil {
		return plugin.At("json", err)
	}
	all.Write(body)
	for name, mark := range map[string]string{"{to} or {digits}": "10000000", "{text}": "proof-text"} {
		if !strings.Contains(all.String(), mark) {
			return plugin.At("json", fmt.Errorf("nothing in query, form or json has %s", name))
		}
	}
	return nil
}

type gateway struct {
	config Config
	url    *url.URL
	method string
}

// Send implements sms.Gateway.
func (g *gateway) Send(ctx context.Context, m sms.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	r, err := g.request(ctx, m)
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	answer, err := call.Deliver(r, g.config.IdempotencyHeader != "")
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	if err := g.config.Success.judge(answer); err != nil {
		return fmt.Errorf("http: %s: %w", r.URL.Host, err)
	}
	return nil
}

func (g *gateway) request(ctx context.Context, m sms.Message) (*http.Request, error) {
	to := *g.url
	query, err := fill(g.config.Query, m)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		to.RawQuery = strings.TrimPrefix(to.RawQuery+"&"+query.Encode(), "&")
	}
	var body, kind string
	switch {
	case g.config.Form != nil:
		form, err := fill(g.config.Form, m)
		if err != nil {
			return nil, err
		}
		body, kind = form.Encode(), "application/x-www-form-urlencoded"
	case g.config.JSON != nil:
		text, err := fillJSON(g.config.JSON, m)
		if err != nil {
			return nil, err
		}
		body, kind = string(text), "application/json"
	}
	r, err := http.NewRequestWithContext(ctx, g.method, to.String(), strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the request could not be made")
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range g.config.Headers {
		r.Header.Set(name, value.Reveal())
	}
	if g.config.IdempotencyHeader != "" {
		r.Header.Set(g.config.IdempotencyHeader, m.ID)
	}
	return r, nil
}

// judge reads an answer. One that cannot be read says nothing.
func (s Success) judge(answer []byte) error {
	if s.Field == "" {
		return nil
	}
	value, ok := lookUp(answer, s.Field)
	if !ok {
		return fmt.Errorf("%w: the answer has no %s", sms.ErrUncertain, s.Field)
	}
	for _, good := range s.Values {
		if value == good {
			return nil
		}
	}
	return fmt.Errorf("%w: %s of the answer is not one of success.values", sms.ErrRefused, s.Field)
}
