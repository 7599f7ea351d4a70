package cas

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// address is a service URL, read once. A URL that a browser (WHATWG), an
// application server and this parser could read differently is none: whoever
// gets it past the registry would get the ticket elsewhere (R-CAS-07).
type address struct {
	raw    string // as given: where the browser is sent
	origin string // scheme://host:port, in lower case and with its port
	host   string // without brackets
	path   string // as escaped, never empty
	query  string // with its question mark, or empty
}

// maxService is in bytes. Clients and proxies cut longer URLs off.
const maxService = 4096

var errAddress = errors.New("not a plain http or https URL")

func parseAddress(raw string) (address, error) {
	// What WHATWG parsers drop or turn into a slash.
	odd := func(r rune) bool { return r == '\\' || r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) }
	if len(raw) > maxService || strings.ContainsFunc(raw, odd) {
		return address{}, errAddress
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "" || u.User != nil {
		return address{}, errAddress
	}
	port, ok := portOf(u)
	host := strings.ToLower(u.Hostname())
	if !ok || !plainHost(host, strings.HasPrefix(u.Host, "[")) || !plainPath(u.Path) {
		return address{}, errAddress
	}
	a := address{raw: raw, host: host, path: u.EscapedPath(), origin: u.Scheme + "://" + bracketed(host) + ":" + port}
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
func (a address) id() string { return a.origin + a.path + a.query }

func (a address) loopback() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || err == nil && ip.IsLoopback()
}

func (a address) https() bool { return strings.HasPrefix(a.origin, "https:") }

// with returns the URL as given, with a ticket: after its query and before its
// fragment.
func (a address) with(ticket string) string {
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

// difference shows an operator where two service URLs part: what they share,
// shortened, and what each goes on with. Tickets are left out.
func difference(issued, validated string) (at int, one, other string) {
	issued, validated = withoutTicket(issued), withoutTicket(validated)
	for at < len(issued) && at < len(validated) && issued[at] == validated[at] {
		at++
	}
	return at, excerpt(issued[at:]), excerpt(validated[at:])
}

func withoutTicket(service string) string {
	before, rest, found := strings.Cut(service, "ticket=")
	if !found {
		return service
	}
	if end := strings.IndexAny(rest, "&#"); end >= 0 {
		return before + "ticket=" + rest[end:]
	}
	return before + "ticket="
}

func excerpt(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
