package http_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/smstest"
	smshttp "github.com/loge-idp/loge/providers/sms/http"
)

const token = "t0ken-of-the-gateway"

func texts(pairs ...string) map[string]secret.String {
	out := map[string]secret.String{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = secret.New(pairs[i+1])
	}
	return out
}

// shapes are the kinds of gateways there are, each with how its far end reads
// a message.
var shapes = map[string]struct {
	config smshttp.Config
	read   func(r *http.Request) smstest.Received
}{
	"json": {
		smshttp.Config{Headers: texts("Authorization", "Bearer "+token), JSON: []byte(`{"messages":[{"to":["{to}"],"content":{"text":"{text}","n":1.50}}],"ref":"a {id}"}`)},
		func(r *http.Request) smstest.Received {
			var body struct {
				Messages []struct {
					To      []string
					Content struct{ Text string }
				}
			}
			if r.Header.Get("Authorization") != "Bearer "+token || json.NewDecoder(r.Body).Decode(&body) != nil || len(body.Messages) != 1 {
				return smstest.Received{}
			}
			return smstest.Received{To: body.Messages[0].To[0], Text: body.Messages[0].Content.Text}
		},
	},
	"form": {
		smshttp.Config{Form: texts("n", "{digits}", "t", "{text}", "key", token), IdempotencyHeader: "Idempotency-Key"},
		func(r *http.Request) smstest.Received {
			return smstest.Received{To: "+" + r.PostFormValue("n"), Text: r.PostFormValue("t")}
		},
	},
	"query": {
		smshttp.Config{Method: "GET", Query: texts("n", "{to}", "t", "{text}", "key", token)},
		func(r *http.Request) smstest.Received {
			return smstest.Received{To: r.URL.Query().Get("n"), Text: r.URL.Query().Get("t")}
		},
	},
	"answer": {
		smshttp.Config{Method: "PUT", Form: texts("n", "{to}", "t", "{text}"), Success: smshttp.Success{Field: "messages.0.status", Values: []string{"0", "queued"}}},
		func(r *http.Request) smstest.Received {
			return smstest.Received{To: r.PostFormValue("n"), Text: r.PostFormValue("t")}
		},
	},
}

func TestConformance(t *testing.T) {
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			smstest.Run(t, func(t *testing.T) smstest.Harness {
				far := smstest.NewServer(t)
				far.Read = shape.read
				far.Once = shape.config.IdempotencyHeader
				far.Accept = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"messages":[{"status":0}]}`) }
				config := shape.config
				config.URL = far.URL + "/send?v=1"
				gateway, err := config.Open(t.Context(), struct{}{})
				if err != nil {
					t.Fatal(err)
				}
				return smstest.Harness{Gateway: gateway, Received: far.Received, Fail: far.Fail, Secrets: []string{token, "/send"}}
			})
		})
	}
}

func open(t *testing.T, config smshttp.Config, answer http.HandlerFunc) (sms.Gateway, *smstest.Server) {
	t.Helper()
	far := smstest.NewServer(t)
	far.Read = shapes["form"].read
	far.Accept = answer
	config.URL = far.URL
	config.Form = texts("n", "{digits}", "t", "{text}")
	gateway, err := config.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return gateway, far
}

// F-SMS-01: what each status says of the message.
func TestStatus(t *testing.T) {
	for status, want := range map[int]error{
		200: nil, 201: nil, 202: nil, 204: nil,
		400: sms.ErrRefused, 406: sms.ErrRefused, 410: sms.ErrRefused, 413: sms.ErrRefused, 422: sms.ErrRefused,
		500: sms.ErrUncertain, 502: sms.ErrUncertain, 504: sms.ErrUncertain,
		301: errRetry, 302: errRetry, 307: errRetry, 308: errRetry,
		401: errRetry, 402: errRetry, 403: errRetry, 404: errRetry, 405: errRetry, 408: errRetry, 429: errRetry, 503: errRetry,
	} {
		gateway, far := open(t, smshttp.Config{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(kind(err), want) {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
		if got := len(far.Received()); got != 1 {
			t.Errorf("%d: %d requests, want 1: no redirect is followed", status, got)
		}
	}
	// A gateway that knows its messages may be asked again.
	gateway, _ := open(t, smshttp.Config{IdempotencyHeader: "X-Request-Id"}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })
	if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(kind(err), errRetry) {
		t.Errorf("%v", err)
	}
}

var errRetry = errors.New("may be retried")

func kind(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sms.ErrRefused):
		return sms.ErrRefused
	case errors.Is(err, sms.ErrUncertain):
		return sms.ErrUncertain
	}
	return errRetry
}

func TestSuccess(t *testing.T) {
	success := smshttp.Success{Field: "r.0.ok", Values: []string{"0", "true", "queued"}}
	for answer, want := range map[string]error{
		`{"r":[{"ok":0}]}`: nil, `{"r":[{"ok":true}]}`: nil, `{"r":[{"ok":"queued"}],"x":1}`: nil,
		`{"r":[{"ok":1}]}`: sms.ErrRefused, `{"r":[{"ok":"QUEUED"}]}`: sms.ErrRefused, `{"r":[{"ok":false}]}`: sms.ErrRefused, `{"r":[{"ok":0.0}]}`: sms.ErrRefused,
		`{"r":[]}`: sms.ErrUncertain, `{"r":[{"ok":null}]}`: sms.ErrUncertain, `{"r":[{"ok":{}}]}`: sms.ErrUncertain, `{"r":{"0":1}}`: sms.ErrUncertain,
		``: sms.ErrUncertain, `OK`: sms.ErrUncertain, `[1]`: sms.ErrUncertain, `{"r":[{"ok":0}]`: sms.ErrUncertain,
		strings.Repeat(" ", 64<<10) + `{"r":[{"ok":0}]}`: sms.ErrUncertain, // R-WEB-15: no more is read
	} {
		gateway, _ := open(t, smshttp.Config{Success: success}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(kind(err), want) {
			t.Errorf("%.30q: %v, want %v", answer, err, want)
		}
	}
}

// A connection that nobody takes carried nothing.
func TestNobodyThere(t *testing.T) {
	gateway, far := open(t, smshttp.Config{}, nil)
	far.Close()
	err := gateway.Send(t.Context(), smstest.Message)
	if !errors.Is(kind(err), errRetry) || strings.Contains(err.Error(), "http://") {
		t.Errorf("%v", err)
	}
}

// R-WEB-15: where clouds keep secrets there is no gateway.
func TestLinkLocal(t *testing.T) {
	config := smshttp.Config{URL: "https://169.254.169.254/latest", Form: texts("n", "{to}", "t", "{text}")}
	gateway, err := config.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(kind(err), errRetry) || !strings.Contains(err.Error(), "no gateway can be at this address") {
		t.Errorf("%v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := func() smshttp.Config {
		return smshttp.Config{URL: "https://sms.example/send", Form: texts("n", "{to}", "t", "{text}")}
	}
	config := good()
	if _, err := config.Open(t.Context(), struct{}{}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		place  string
		change func(*smshttp.Config)
	}{
		"no URL":            {"url", func(c *smshttp.Config) { c.URL = "" }},
		"plain http":        {"url", func(c *smshttp.Config) { c.URL = "http://sms.example/send" }},
		"a password there":  {"url", func(c *smshttp.Config) { c.URL = "https://u:p@sms.example/send" }},
		"another scheme":    {"url", func(c *smshttp.Config) { c.URL = "file:///etc/passwd" }},
		"another method":    {"method", func(c *smshttp.Config) { c.Method = "DELETE" }},
		"a body for GET":    {"method", func(c *smshttp.Config) { c.Method = "GET" }},
		"two bodies":        {"json", func(c *smshttp.Config) { c.JSON = []byte(`{}`) }},
		"an unknown word":   {"form", func(c *smshttp.Config) { c.Form = texts("n", "{to}", "t", "{message}") }},
		"an open brace":     {"query", func(c *smshttp.Config) { c.Query = texts("x", "{") }},
		"unknown, in JSON":  {"json", func(c *smshttp.Config) { c.Form, c.JSON = nil, []byte(`[{"a":["{x}"]}]`) }},
		"no number":         {"json", func(c *smshttp.Config) { c.Form = texts("t", "{text}") }},
		"no text":           {"json", func(c *smshttp.Config) { c.Form = texts("n", "{digits}") }},
		"half a success":    {"success", func(c *smshttp.Config) { c.Success.Field = "status" }},
		"a header in two":   {"headers", func(c *smshttp.Config) { c.Headers = texts("X-Key", "a\r\nX: b") }},
		"a header's name":   {"headers", func(c *smshttp.Config) { c.Headers = texts("X Key", "a") }},
		"idempotency, name": {"idempotencyHeader", func(c *smshttp.Config) { c.IdempotencyHeader = "X: y" }},
	} {
		config := good()
		c.change(&config)
		_, err := config.Open(t.Context(), struct{}{})
		var where *plugin.Error
		if !errors.As(err, &where) || where.Path != c.place {
			t.Errorf("%s: %v, want an error at %s", name, err, c.place)
		}
	}
}

// The text cannot leave its place, nor name another.
func TestEscaping(t *testing.T) {
	gateway, far := open(t, smshttp.Config{}, nil)
	m := smstest.Message
	m.Text = `","to":"+33899000000"}&n=33899000000&t=x {digits} {id}`
	if err := gateway.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]smstest.Received{{To: m.To, Text: m.Text}}, far.Received()); diff != "" {
		t.Error(diff)
	}
}
