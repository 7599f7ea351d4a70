package ovh_test

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/sms/smstest"
	"github.com/loge-idp/loge/providers/sms/ovh"
)

const (
	application = "appkey7kbG7Bk7S9"
	hidden      = "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF"
	consumer    = "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"
	theirs      = 1_800_000_000 // their clock; ours is 1 h behind
)

// api is OVHcloud's as its documentation describes it.
type api struct {
	*smstest.Server
	clock  int64
	asked  atomic.Int64 // for the time
	credit string
}

func newAPI(t *testing.T) (*api, sms.Gateway) {
	a := &api{Server: smstest.NewServer(t), clock: theirs, credit: "120.5"}
	a.Other = func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Method + " " + r.URL.Path {
		case "GET /1.0/auth/time":
			a.asked.Add(1)
			fmt.Fprint(w, a.clock)
		case "GET /1.0/sms/sms-ab12345-1":
			if !a.signed(r, "") {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			fmt.Fprintf(w, `{"name":"sms-ab12345-1","creditsLeft":%s}`, a.credit)
		case "POST /1.0/sms/sms-ab12345-1/jobs":
			return false
		default:
			w.WriteHeader(http.StatusNotFound)
		}
		return true
	}
	a.Read = func(r *http.Request) smstest.Received {
		body, err := io.ReadAll(r.Body)
		var job struct {
			Message, Sender, Coding string
			Receivers               []string
			NoStopClause            bool
		}
		if err != nil || !a.signed(r, string(body)) || json.Unmarshal(body, &job) != nil || len(job.Receivers) != 1 ||
			!job.NoStopClause || job.Coding != "7bit" || job.Sender != "Valmont" || r.Header.Get("Content-Type") != "application/json" {
			return smstest.Received{}
		}
		return smstest.Received{To: job.Receivers[0], Text: job.Message}
	}
	a.Accept = func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"ids":[2342],"invalidReceivers":[],"totalCreditsRemoved":1,"validReceivers":["+33639980001"]}`)
	}
	config := ovh.Config{Service: "sms-ab12345-1", ApplicationKey: application, ApplicationSecret: secret.New(hidden), ConsumerKey: secret.New(consumer),
		Sender: "Valmont", Endpoint: a.URL + "/1.0", Now: func() time.Time { return time.Unix(theirs-3600, 0) }}
	gateway, err := config.Open(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return a, gateway
}

// signed computes the signature anew: "$1$" + SHA1_HEX(AS+"+"+CK+"+"+METHOD+
// "+"+QUERY+"+"+BODY+"+"+TSTAMP).
func (a *api) signed(r *http.Request, body string) bool {
	stamp := r.Header.Get("X-Ovh-Timestamp")
	want := fmt.Sprintf("$1$%x", sha1.Sum([]byte(hidden+"+"+consumer+"+"+r.Method+"+"+"http://"+r.Host+r.URL.RequestURI()+"+"+body+"+"+stamp)))
	at, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && at >= a.clock-30 && at <= a.clock+30 && r.Header.Get("X-Ovh-Application") == application &&
		r.Header.Get("X-Ovh-Consumer") == consumer && r.Header.Get("X-Ovh-Signature") == want
}

func TestConformance(t *testing.T) {
	smstest.Run(t, func(t *testing.T) smstest.Harness {
		a, gateway := newAPI(t)
		return smstest.Harness{Gateway: gateway, Received: a.Received, Fail: a.Fail, Secrets: []string{hidden, consumer}}
	})
}

func TestTime(t *testing.T) {
	a, gateway := newAPI(t)
	for range 3 {
		if err := gateway.Send(t.Context(), smstest.Message); err != nil {
			t.Fatal(err)
		}
	}
	if a.asked.Load() != 1 {
		t.Errorf("the time was asked %d times, want 1", a.asked.Load())
	}
	// Their clock is set: one message fails, and the next is right again.
	a.clock += 600
	if err := gateway.Send(t.Context(), smstest.Message); err == nil {
		t.Fatal("the far end took a signature of another time")
	}
	if err := gateway.Send(t.Context(), smstest.Message); err != nil {
		t.Error(err)
	}
}

// Without the time nothing was sent, whatever became of the question.
func TestNoTime(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"broken":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"refused":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) },
		"not a number": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "noon") },
		"torn": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		},
	} {
		a, gateway := newAPI(t)
		a.Other = func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true }
		err := gateway.Send(t.Context(), smstest.Message)
		if err == nil || errors.Is(err, sms.ErrUncertain) || errors.Is(err, sms.ErrRefused) {
			t.Errorf("%s: %v, want an error that may be retried", name, err)
		}
	}
}

func TestReceipt(t *testing.T) {
	for answer, want := range map[string]error{
		`{"validReceivers":[],"invalidReceivers":["+33639980001"]}`: sms.ErrRefused,
		`{}`:     sms.ErrRefused,
		`<html>`: sms.ErrUncertain,
	} {
		a, gateway := newAPI(t)
		a.Accept = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }
		if err := gateway.Send(t.Context(), smstest.Message); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", answer, err, want)
		}
	}
}

func TestPing(t *testing.T) {
	a, gateway := newAPI(t)
	ping := gateway.(interface{ Ping(context.Context) error })
	if err := ping.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	a.credit = "0"
	if err := ping.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "no credit") {
		t.Errorf("%v", err)
	}
	if len(a.Received()) != 0 {
		t.Error("the doctor sent a message")
	}
}

func TestOpenRefuses(t *testing.T) {
	for place, change := range map[string]func(*ovh.Config){
		"service":           func(c *ovh.Config) { c.Service = "sms/../me" },
		"applicationKey":    func(c *ovh.Config) { c.ApplicationKey = "" },
		"applicationSecret": func(c *ovh.Config) { c.ApplicationSecret = secret.String{} },
		"consumerKey":       func(c *ovh.Config) { c.ConsumerKey = secret.String{} },
		"endpoint":          func(c *ovh.Config) { c.Endpoint = "http://eu.api.ovh.com/1.0" },
	} {
		config := ovh.Config{Service: "sms-1", ApplicationKey: "a", ApplicationSecret: secret.New("b"), ConsumerKey: secret.New("c")}
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
