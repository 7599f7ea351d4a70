package registry

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Address is a service URL, read once. A URL that a browser (WHATWG), an
// application server and this parser could read differently is none: whoever
// gets it past the registry would get the ticket elsewhere (R-CAS-07).
type Address struct {
	raw    string // as given: where the browser is sent
	origin string // scheme://host:port, in lower case and with its port
	host   string // without brackets
	path   string // as escaped, never empty
	query  string // with its question mark, or empty
}

// maxService is in bytes. Clients and proxies cut longer URLs off.
const maxService = 4096

var errAddress = errors.New("not a plain http or https URL")

func parse(raw string) (Address, error) {
	// What WHATWG parsers drop or turn into a slash.
	odd := func(r rune) bool { return r == '\\' || r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(raw) > maxService || strings.ContainsFunc(raw, odd) {
		return Address{}, errAddress
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "" || u.User != nil {
		return Address{}, errAddress
	}
	port, ok := portOf(u)
	host := strings.ToLower(u.Hostname())
	if !ok || !plainHost(host, strings.HasPrefix(u.Host, "[")) || !plainPath(u.Path) {
		return Address{}, errAddress
	}
	a := Address{raw: raw, host: host, path: u.EscapedPath(), origin: u.Scheme + "://" + bracketed(host) + ":" + port}
	if a.path == "" {
		a.path = "/"
	}
	if u.RawQuery != "" {
		a.query = "?" + u.RawQuery
	}
	return a, nil
}

func portOf(u *url.URL) (string, bool) {
	switch port := u.Port(); {
	case port != "":
		n, err := strconv.ParseUint(port, 10, 16)
		return strconv.FormatUint(n, 10), err == nil && n > 0
	case u.Scheme == "https":
		return "443", true
	}
	return "80", true
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// plainHost accepts what every parser leaves as it is: no percent sign, no
// letter beyond ASCII that a browser would fold.
func plainHost(host string, brackets bool) bool {
	if brackets {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

// plainPath refuses, in a path that is decoded already, the segments that lead
// elsewhere: browsers resolve "%2e%2e", Windows servers "..\", and Java ones
// "..;".
func plainPath(path string) bool {
	if strings.ContainsFunc(path, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// id is what two spellings of one service have in common. A fragment is no
// part of it: the browser keeps that to itself, so that the service which
// validates cannot know it.
func (a Address) id() string { return a.origin + a.path + a.query }

func (a Address) loopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || err == nil && ip.IsLoopback()
}

func (a Address) https() bool { return strings.HasPrefix(a.origin, "https:") }

// String is the URL as given.
func (a Address) String() string { return a.raw }

// Bare is where the browser goes without a ticket.
func (a Address) Bare() string { return a.raw }

// With is where the browser goes with a ticket: the URL as given, with the
// ticket after its query and before its fragment.
func (a Address) With(ticket string) string {
	url, fragment, marked := strings.Cut(a.raw, "#")
	switch {
	case !strings.Contains(url, "?"):
		url += "?"
	case !strings.HasSuffix(url, "?") && !strings.HasSuffix(url, "&"):
		url += "&"
	}
	url += "ticket=" + ticket
	if marked {
		url += "#" + fragment
	}
	return url
}
