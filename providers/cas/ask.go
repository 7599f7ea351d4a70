package cas

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/loge-idp/loge/pkg/login"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// ask is a request for a ticket (CAS 3.0.3 section 2.1.1).
type ask struct {
	party   *Service // nil when nobody asks: somebody came to sign in
	service registry.Address
	saml    bool // asked in the words of SAML 1.1, and answered in them
	renew   bool
	gateway bool
	warn    bool   // credentials for this ask are for the others, too, a wish to be asked
	method  string // how the ticket travels; empty for GET
	locale  string
}

// The methods of section 2.1.1. Any other is GET, by which nothing is said.
const (
	methodPost   = "POST"
	methodHeader = "HEADER"
)

// The words of SAML 1.1 for service and ticket, which the filters for it in
// Java clients use at /login too.
const (
	samlTarget   = "TARGET"
	samlArtifact = "SAMLart"
)

// serviceOf is the service URL of a request, and whether it was asked for in the
// words of SAML 1.1.
func serviceOf(service, target string) (url string, saml bool) {
	if service == "" && target != "" {
		return target, true
	}
	return service, false
}

// words are the names of the parameters for the service and for the ticket.
func (a ask) words() (service, ticket string) {
	if a.saml {
		return samlTarget, samlArtifact
	}
	return "service", "ticket"
}

var errNotRegistered = errors.New("the service is not registered")

func (p *protocol) ask(values url.Values) (ask, error) {
	given, err := single(values, "service", samlTarget, "renew", "gateway", "warn", "method", "locale")
	if err != nil {
		return ask{}, err
	}
	a := ask{renew: set(given["renew"]), warn: set(given["warn"]), locale: given["locale"]}
	if method := given["method"]; method == methodPost || method == methodHeader {
		a.method = method
	}
	service, saml := serviceOf(given["service"], given[samlTarget])
	if service == "" {
		return a, nil // gateway means nothing then
	}
	a.saml = saml
	// Together with renew, gateway is left out (section 2.1.1).
	a.gateway = set(given["gateway"]) && !a.renew
	if a.service, a.party, err = p.registered(service); err != nil {
		return ask{}, fmt.Errorf("%w: %q", err, registry.Shown(service))
	}
	return a, nil
}

func (p *protocol) registered(service string) (registry.Address, *Service, error) {
	a, party := p.services.Find(service)
	if party == nil {
		return registry.Address{}, nil, errNotRegistered
	}
	return a, party, nil
}

// single reads parameters of which none may be given twice: programs do not
// agree on which of two counts.
func single(values url.Values, names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		if len(values[name]) > 1 {
			return nil, fmt.Errorf("the parameter %s is given twice", name)
		}
		out[name] = values.Get(name)
	}
	return out, nil
}

// set tells whether a flag is. The specification says "set" and recommends
// "true"; some clients write out "false".
func set(flag string) bool { return flag != "" && flag != "false" }

// url is where the person comes back to after the login page.
func (a ask) url() string {
	q := url.Values{}
	add := func(name, value string, given bool) {
		if given {
			q.Set(name, value)
		}
	}
	service, _ := a.words()
	add(service, a.service.String(), a.party != nil)
	add("renew", "true", a.renew)
	add("warn", "true", a.warn)
	add("method", a.method, a.method != "")
	add("locale", a.locale, a.locale != "")
	if len(q) == 0 {
		return "/cas/login"
	}
	return "/cas/login?" + q.Encode()
}

// demand is what is asked of package login. The form echoes what the acceptor
// of credentials is given again (section 2.1.3).
func (a ask) demand() login.Request {
	req := login.Request{URL: a.url(), Fresh: a.renew, Echo: url.Values{}}
	if a.party != nil {
		req.Party, req.Theme = a.party.Name, a.party.Theme
		req.Targets, req.MaxAge = []string{a.service.Bare()}, a.party.Freshness(0)
		service, _ := a.words()
		req.Echo.Set(service, a.service.String())
	}
	if a.warn {
		req.Echo.Set("warn", "true")
	}
	return req
}
