package oidc

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/web"
)

// checkRedirect says what is wrong with a redirect URI of the configuration
// (RFC 9700 section 2.6, RFC 8252 section 7). native allows the scheme of an
// installed application.
func checkRedirect(uri string, native bool) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return errors.New("must be a whole URL")
	case strings.ContainsAny(uri, "*<>\"'` \\{}|^"):
		return errors.New("holds a character that no URL has: patterns are not supported, give each URL whole")
	case strings.Contains(uri, "#"):
		return errors.New("must have no fragment (RFC 6749 section 3.1.2)")
	case u.User != nil:
		return errors.New("must have no user")
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && web.Loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("must be https: plain http is for loopback addresses only (RFC 9700 section 2.6)")
	case native && strings.Contains(u.Scheme, "."):
		return nil
	}
	return errors.New("must be https, or for a public client a scheme with a dot like fr.example.app (RFC 8252 section 7.1)")
}

// matches reports whether a presented redirect URI is one of the registered:
// byte for byte, except that for a public client any port on a loopback
// address will do (RFC 8252 section 7.3).
func matches(registered []string, presented string, public bool) bool {
	if slices.Contains(registered, presented) {
		return true
	}
	if !public {
		return false
	}
	rest, ok := portless(presented)
	return ok && slices.ContainsFunc(registered, func(uri string) bool {
		other, ok := portless(uri)
		return ok && rest == other
	})
}

// portless takes the port off an http URL on a loopback address, and leaves
// every other byte as it is. It is false for other URLs.
func portless(uri string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if after, ok := strings.CutPrefix(rest, ":"); ok {
			digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
			if digits < 1 || digits > 5 {
				return "", false
			}
			rest = after[digits:]
		}
		return host + rest, true
	}
	return "", false
}

// origin is what a browser calls the site of a URL: "https://host:port". Empty
// for a URL of no web site.
func origin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// withQuery adds parameters to a URL without touching what it has.
func withQuery(uri string, add url.Values) string {
	if len(add) == 0 {
		return uri
	}
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + add.Encode()
}
