// Package cas tries a CAS server from outside: every rule of the protocol 3.0.3
// that a browser and an application can see is a case, and so are some that no
// specification has but that clients in use rely on.
//
// It knows no server in particular. It needs an account, and it is itself the
// application that people sign in to: its service URLs must be registered at
// the server, and its certificate authority trusted for proxy callbacks. Where
// the specification is silent a case accepts any answer: statuses, kinds of
// redirects, wording and attributes are free.
package cas

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/conformance"
)

// Options say which server is tried, and how it reaches the suite.
type Options struct {
	// Target is the base URL of the server, like https://cas.example/cas.
	Target string
	// Username and Password are of an account that may enter.
	Username, Password string
	// Only are the ids of the cases to run; "L3" is all of L3.1, L3.2…
	Only []string
	// Unregistered is a service URL that the server must refuse.
	Unregistered string
	// Open is a server that takes every service: what is about others is not
	// tried.
	Open bool
	// Roots are trusted of the target; nil for those of the system. Insecure
	// trusts anybody.
	Roots    *x509.CertPool
	Insecure bool
	// Listen and ListenTLS are where the suite's application listens; the
	// constants by default, so that a server can register it once.
	Listen, ListenTLS string
	// ServiceURL and CallbackURL are the URLs by which the target reaches it,
	// when they differ from where it listens.
	ServiceURL, CallbackURL string
	// Authority signs the application's certificates; a new one by default,
	// which no server trusts.
	Authority *Authority
	// Patience is how long a logout message may take; ten seconds by default.
	Patience time.Duration
}

// Where the suite's application listens by default.
const (
	Listen    = "127.0.0.1:8787"
	ListenTLS = "127.0.0.1:8788"
)

const (
	must   = conformance.Must
	should = conformance.Should
	may    = conformance.May
	field  = conformance.Field
)

// rule is one case: run fails the trial, or returns when the rule holds.
type rule struct {
	id       string
	force    conformance.Force
	expected string
	run      func(*trial)
}

// group is the cases of one part of the specification.
type group struct {
	title string
	rules []rule
}

func groups() []group {
	return []group{
		{"General", general},
		{"/login as requestor (2.1)", requestor},
		{"/login as acceptor (2.2)", acceptor},
		{"/logout (2.3)", logout},
		{"Single logout (2.3.3, appendix C)", singleLogout},
		{"Validation (2.4, 2.5)", validation},
		{"Shape of answers", shapes},
		{"Proxy callback (2.5.4)", callbacks},
		{"Proxies (2.6, 2.7)", proxies},
		{"Tickets (3)", tickets},
		{"Remember me (4.1)", longTerm},
		{"/samlValidate (4.2)", saml},
	}
}

// Cases are all that Run can try, in their order.
func Cases() []conformance.Case {
	var all []conformance.Case
	for _, g := range groups() {
		for _, r := range g.rules {
			all = append(all, r.in(g))
		}
	}
	return all
}

func (r rule) in(g group) conformance.Case {
	return conformance.Case{ID: r.id, Group: g.title, Force: r.force, Expected: r.expected}
}

// Run tries the server. The error says why it could not be tried; what it does
// wrong is in the report.
func Run(ctx context.Context, o Options) (*conformance.Report, error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.reach(); err != nil {
		return nil, errors.Join(err, s.app.close())
	}
	report := &conformance.Report{Title: "CAS conformance", Target: o.Target}
	for _, g := range groups() {
		for _, r := range g.rules {
			if !chosen(o.Only, r.id) {
				continue
			}
			if ctx.Err() != nil {
				return nil, errors.Join(ctx.Err(), s.app.close())
			}
			report.Results = append(report.Results, s.try(g, r))
		}
	}
	if err := s.app.close(); err != nil {
		return nil, err
	}
	if len(report.Results) == 0 {
		return nil, fmt.Errorf("no case is called %s", strings.Join(o.Only, ", "))
	}
	return report, nil
}

func chosen(only []string, id string) bool {
	return len(only) == 0 || slices.ContainsFunc(only, func(each string) bool {
		return id == each || strings.HasPrefix(id, each+".")
	})
}

// suite is what all trials share.
type suite struct {
	ctx    context.Context
	o      Options
	target *url.URL
	app    *application
	client *http.Client
	// mute is a server of which no logout message came: it is not waited for
	// again.
	mute bool
}

func open(ctx context.Context, o Options) (*suite, error) {
	target, err := url.Parse(strings.TrimSuffix(o.Target, "/"))
	switch {
	case err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https":
		return nil, fmt.Errorf("the target must be a URL like https://cas.example/cas, not %q", o.Target)
	case o.Username == "" || o.Password == "":
		return nil, errors.New("a username and a password are needed, of an account that may enter")
	}
	o.Listen = cmp.Or(o.Listen, Listen)
	o.ListenTLS = cmp.Or(o.ListenTLS, ListenTLS)
	o.Unregistered = cmp.Or(o.Unregistered, "https://unregistered.invalid/app")
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	if o.Authority == nil {
		if o.Authority, err = NewAuthority(); err != nil {
			return nil, err
		}
	}
	app, err := listen(&o)
	if err != nil {
		return nil, fmt.Errorf("the application of the suite: %w", err)
	}
	return &suite{ctx: ctx, o: o, target: target, app: app, client: &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConnsPerHost: 32,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots, InsecureSkipVerify: o.Insecure}, //nolint:gosec // when asked for
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// reach asks the target for anything at all: nothing can be said of a server
// that is not there.
func (s *suite) reach() error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.target.String()+"/login", nil)
	if err != nil {
		return err
	}
	answer, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("the target does not answer: %w", err)
	}
	return answer.Body.Close()
}
