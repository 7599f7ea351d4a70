package twilio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/smstest"
	"github.com/loge-idp/loge/providers/sms/twilio"
)

const (
	account = "AC0123456789abcdef0123456789abcdef"
	key     = "SK0123456789abcdef0123456789abcdef"
	token   = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
)

func newAPI(t *testing.T, config twilio.Config) (*smstest.Server, sms.Gateway) {
	far := smstest.NewServer(t)
	user := account
	if config.KeySID != "" {
		user = config.KeySID
	}
	allowed := func(r *http.Request) bool {
		name, password, ok := r.BasicAuth()
		return ok && name == user && password == token
	}
	far.Other = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case !allowed(r):
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == "POST" && r.URL.Path == "/2010-04-01/Accounts/"+account+"/Messages.json":
			return false
		case r.Method == "GET" && r.URL.Path == "/2010-04-01/Accounts/"+account+".json":
			fmt.Fprint(w, `{"status":"active"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
		return true
	}
	far.Read = func(r *http.Request) smstest.Received {
		if r.PostFormValue("From") != config.From || r.PostFormValue("MessagingServiceSid") != config.MessagingService {
			return smstest.Received{}
		}
		return smstest.Received{To: r.PostFormValue("To"), Text: r.PostFormValue("Body")}
	}
	far.Accept = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"status":"queued"}`)
	}
	config.AccountSID, config.Endpoint = account, far.URL
	if config.Secret.Empty() {
		config.Secret = secret.New(token)
	}
	gateway, err := config.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return far, gateway
}

func TestConformance(t *testing.T) {
	for name, config := range map[string]twilio.Config{
		"account": {From: "+33700000000"},
		"key":     {KeySID: key, MessagingService: "MG0123"},
	} {
		t.Run(name, func(t *testing.T) {
			smstest.Run(t, func(t *testing.T) smstest.Harness {
				far, gateway := newAPI(t, config)
				return smstest.Harness{Gateway: gateway, Received: far.Received, Fail: far.Fail, Secrets: []string{token}}
			})
		})
	}
}

// A wrong secret is ours to mend: the message is not lost by it.
func TestNotLetIn(t *testing.T) {
	far, gateway := newAPI(t, twilio.Config{From: "Valmont", Secret: secret.New("wrong")})
	err := gateway.Send(t.Context(), smstest.Message)
	if err == nil || errors.Is(err, sms.ErrRefused) || errors.Is(err, sms.ErrUncertain) || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v, want a 401 that may be retried", err)
	}
	if len(far.Received()) != 0 {
		t.Error("sent all the same")
	}
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		secret string
		ok     bool
	}{{token, true}, {"wrong", false}} {
		far, gateway := newAPI(t, twilio.Config{From: "Valmont", Secret: secret.New(c.secret)})
		err := gateway.(interface{ Ping(context.Context) error }).Ping(t.Context())
		if (err == nil) != c.ok {
			t.Errorf("%v", err)
		}
		if len(far.Received()) != 0 {
			t.Error("the doctor sent a message")
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for place, change := range map[string]func(*twilio.Config){
		"accountSid": func(c *twilio.Config) { c.AccountSID = "AC/../x" },
		"keySid":     func(c *twilio.Config) { c.KeySID = account },
		"secret":     func(c *twilio.Config) { c.Secret = secret.String{} },
		"from":       func(c *twilio.Config) { c.MessagingService = "MG1" },
		"endpoint":   func(c *twilio.Config) { c.Endpoint = "http://api.twilio.com" },
	} {
		config := twilio.Config{AccountSID: account, Secret: secret.New("b"), From: "Valmont"}
		if _, err := config.Open(t.Context(), struct{}{}); err != nil {
			t.Fatal(err)
		}
		change(&config)
		_, err := config.Open(t.Context(), struct{}{})
		var where *plugin.Error
		if !errors.As(err, &where) || where.Path != place {
			t.Errorf("%v, want an error at %s", err, place)
		}
	}
}
