// Package registry knows the services of CAS: which URLs are whose, what is
// the same URL, and what each service wants of the protocol.
package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
)

// Service is one application. Exactly one of URL, Prefix, Pattern and
// Loopback says
// which service URLs are its own.
type Service struct {
	sso.RelyingParty
	// URL is the one service URL, query included.
	URL string `json:"url,omitempty"`
	// Prefix covers every URL of the same scheme, host and port whose path is
	// this one or lies below it: "https://app.example/moodle" covers /moodle
	// and /moodle/login.php but not /moodle2.
	Prefix string `json:"prefix,omitempty"`
	// Pattern is a regular expression (RE2) of whole URLs in their normal form,
	// with a scheme and hosts that are written out:
	// "https://app\\.example/[a-z]+/cas". The port stands only where it is not
	// the usual one, and a path is never empty.
	Pattern string `json:"pattern,omitempty"`
	// Loopback covers every URL on this very machine, any port and path: for
	// trying out.
	Loopback bool `json:"loopback,omitempty"`
	// InsecureHTTP allows a URL or Prefix of scheme http that is not on a
	// loopback address: whoever listens on the network between then enters in
	// the person's place (CAS 3.0.3 section 2.2.1 recommends https only).
	InsecureHTTP bool `json:"insecureHTTP,omitempty"`

	// Normalise is which differences between its URLs mean nothing.
	Normalise Normalise `json:"normalise,omitzero"`
	// Placement is where the attributes stand in an answer; "nested" by
	// default.
	Placement Placement `json:"placement,omitempty"`
	// Lowercase tells all attributes under names in lower case.
	Lowercase bool `json:"lowercase,omitempty"`
	// Logout is how it learns that a session has ended.
	Logout Logout `json:"logout,omitzero"`
	// Proxy is whether it may act for people at other services.
	Proxy Proxy `json:"proxy,omitzero"`
}

// Placement is where attributes stand in the XML of an answer.
type Placement string

// The placements. The zero value is Nested.
const (
	Nested Placement = "nested" // in cas:attributes (CAS 3.0.3 section 2.5.7)
	Flat   Placement = "flat"   // directly in cas:authenticationSuccess, as some portals read them
	Both   Placement = "both"
)

// Logout is how a service learns that a session has ended.
type Logout struct {
	// Type is "back", the default: a message to the service; "front": by the
	// person's browser; or "none".
	Type LogoutType `json:"type,omitempty"`
	// URL gets the message instead of the service URL.
	URL string `json:"url,omitempty"`
}

// LogoutType is the way of a logout message.
type LogoutType string

// The ways. The zero value is BackChannel.
const (
	BackChannel  LogoutType = "back"
	FrontChannel LogoutType = "front"
	NoLogout     LogoutType = "none"
)

// Proxy is what a service may do in somebody's name (CAS 3.0.3 section 2.7).
type Proxy struct {
	// Callbacks are prefixes of the URLs to which its proxy-granting tickets
	// may be sent; without any it gets none.
	Callbacks []string `json:"callbacks,omitempty"`
	// WithoutPGT lets a validation succeed without a proxy-granting ticket
	// when the callback fails, as some clients expect. The specification wants
	// INVALID_PROXY_CALLBACK (section 2.5.4).
	WithoutPGT bool `json:"withoutPGT,omitempty"`
}

// Allows reports whether a proxy-granting ticket may be sent to a URL.
func (p Proxy) Allows(callback string) bool {
	a, err := parse(callback)
	return err == nil && slices.ContainsFunc(p.Callbacks, func(prefix string) bool {
		allowed, err := parse(prefix)
		return err == nil && a.origin() == allowed.origin() && below(a.path, allowed.path)
	})
}

// Release is what the service is told of an account beyond its name.
func (s *Service) Release(a account.Account) []sso.Told {
	told := s.RelyingParty.Release(a)
	if s.Lowercase {
		for i := range told {
			told[i].Name = strings.ToLower(told[i].Name)
		}
	}
	return told
}

// Rule is the line of the configuration that says which URLs are its own.
func (s *Service) Rule() string {
	switch {
	case s.URL != "":
		return "url " + s.URL
	case s.Prefix != "":
		return "prefix " + s.Prefix
	case s.Pattern != "":
		return "pattern " + s.Pattern
	}
	return "loopback"
}

// check reports what cannot be meant, but for the URLs.
func (s *Service) check() error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := s.checkNames(); err != nil {
		return plugin.At("attributes", err)
	}
	kinds := 0
	for _, given := range []bool{s.URL != "", s.Prefix != "", s.Pattern != "", s.Loopback} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("give exactly one of url, prefix, pattern and loopback")
	}
	if err := s.Normalise.validate(s); err != nil {
		return plugin.At("normalise", err)
	}
	switch s.Placement {
	case "", Nested, Flat, Both:
	default:
		return plugin.At("placement", fmt.Errorf("must be %q, %q or %q", Nested, Flat, Both))
	}
	if err := s.Logout.validate(); err != nil {
		return plugin.At("logout", err)
	}
	return plugin.At("proxy", s.Proxy.validate())
}

// address reads a URL of the configuration into its normal form.
func (s *Service) address(raw string) (Address, error) {
	a, err := parse(raw)
	switch {
	case err != nil:
		return a, fmt.Errorf("must be a whole URL in its plainest form, like https://moodle.example.fr/; it %w", err)
	case strings.Contains(raw, "#"):
		return a, errors.New("must not have a fragment")
	}
	return s.normalised(a), s.secure(a)
}

func (s *Service) secure(a Address) error {
	if a.scheme == "https" || a.loopback() || s.InsecureHTTP {
		return nil
	}
	return errors.New("must be https; set insecureHTTP to accept that tickets can be read on the way")
}

func (l Logout) validate() error {
	switch l.Type {
	case "", BackChannel, FrontChannel, NoLogout:
	default:
		return plugin.At("type", fmt.Errorf("must be %q, %q or %q", BackChannel, FrontChannel, NoLogout))
	}
	if l.URL == "" {
		return nil
	}
	if l.Type == NoLogout {
		return plugin.At("url", errors.New(`contradicts the type "none"`))
	}
	if _, err := parse(l.URL); err != nil {
		return plugin.At("url", err)
	}
	return nil
}

func (p Proxy) validate() error {
	for i, callback := range p.Callbacks {
		a, err := parse(callback)
		switch {
		case err != nil:
			return plugin.At(fmt.Sprintf("callbacks[%d]", i), err)
		case a.scheme != "https" && !a.loopback(), a.query != "" || strings.Contains(callback, "#"):
			return plugin.At(fmt.Sprintf("callbacks[%d]", i), errors.New("must be https and end with its path (CAS 3.0.3 section 2.5.4)"))
		}
	}
	if p.WithoutPGT && len(p.Callbacks) == 0 {
		return plugin.At("withoutPGT", errors.New("is for a service with callbacks"))
	}
	return nil
}
