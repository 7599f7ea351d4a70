package registry

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/web"
)

// Address is a service URL, read once. A URL that a browser (WHATWG), an
// application server and this parser could read differently is none: whoever
// gets it past the registry would get the ticket elsewhere (R-CAS-07).
type Address struct {
	raw    string // as given
	target string // where the browser is sent

	scheme, host, port string // in lower case; the port always given, the host without brackets
	path               string // as escaped, never empty
	query              string // with its question mark, or empty
}

// maxService is in bytes. Clients and proxies cut longer URLs off.
const maxService = 4096

// What makes a URL none. They are read by who asks the doctor.
var (
	errLong       = errors.New("is longer than 4096 bytes")
	errCharacter  = errors.New("has a backslash, a space or an invisible character, which programs read in different ways")
	errMalformed  = errors.New("is no URL")
	errNotHTTP    = errors.New("does not begin with https://host or http://host")
	errUserInfo   = errors.New("has a user before its host, as in https://user@host")
	errPort       = errors.New("has a port that cannot be")
	errHost       = errors.New("has a host that is not in its plain form: ASCII letters, digits, dots and hyphens (xn--… for others)")
	errPathOfDots = errors.New("has a path that leads elsewhere: . or .. or an encoded control character")
)

func parse(raw string) (Address, error) {
	if len(raw) > maxService {
		return Address{}, errLong
	}
	// What WHATWG parsers drop or turn into a slash.
	odd := func(r rune) bool { return r == '\\' || r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.ContainsFunc(raw, odd) {
		return Address{}, errCharacter
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return Address{}, errMalformed
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return Address{}, errNotHTTP
	case u.User != nil:
		return Address{}, errUserInfo
	}
	a := Address{raw: raw, target: raw, scheme: u.Scheme, host: strings.ToLower(u.Hostname()), path: u.EscapedPath()}
	var ok bool
	if a.port, ok = portOf(u); !ok {
		return Address{}, errPort
	}
	if !plainHost(a.host, strings.HasPrefix(u.Host, "[")) {
		return Address{}, errHost
	}
	if !plainPath(u.Path) {
		return Address{}, errPathOfDots
	}
	if a.path == "" {
		a.path = "/"
	}
	if u.RawQuery != "" {
		a.query = "?" + u.RawQuery
	}
	return a, nil
}

var defaultPort = map[string]string{"https": "443", "http": "80"}

func portOf(u *url.URL) (string, bool) {
	if u.Port() == "" {
		return defaultPort[u.Scheme], !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return strconv.FormatUint(n, 10), err == nil && n > 0
}

// plainHost accepts what every parser leaves as it is: no percent sign, no
// letter beyond ASCII that a browser would fold, and no number that a browser
// would read as an address of another spelling.
func plainHost(host string, brackets bool) bool {
	if brackets {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	odd := func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
	}
	if host == "" || strings.ContainsFunc(host, odd) {
		return false
	}
	if !endsInNumber(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is4()
}

// endsInNumber tells of a host that the URL standard reads as an IPv4 address,
// in whatever base and with however many parts ("ends in a number checker").
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndex(host, ".")+1:]
	if last != "" && strings.Trim(last, "0123456789") == "" {
		return true
	}
	digits, hex := strings.CutPrefix(last, "0x")
	return hex && strings.Trim(digits, "0123456789abcdef") == ""
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

// form is the address in one spelling. A fragment is no part of it: the
// browser keeps that to itself, so that the service which validates cannot
// know it.
func (a Address) form() string { return a.origin() + a.path + a.query }

// origin is the scheme, the host and the port, where that is not the usual.
func (a Address) origin() string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port == defaultPort[a.scheme] {
		return a.scheme + "://" + host
	}
	return a.scheme + "://" + host + ":" + a.port
}

func (a Address) loopback() bool { return web.Loopback(a.host) }

// String is the URL as given.
func (a Address) String() string { return a.raw }

// Bare is where the browser goes without a ticket.
func (a Address) Bare() string { return a.target }

// With is where the browser goes with a ticket, by the name of a parameter: it
// is put after the query and before the fragment.
func (a Address) With(parameter, ticket string) string {
	url, fragment, marked := strings.Cut(a.target, "#")
	switch {
	case !strings.Contains(url, "?"):
		url += "?"
	case !strings.HasSuffix(url, "?") && !strings.HasSuffix(url, "&"):
		url += "&"
	}
	url += parameter + "=" + ticket
	if marked {
		url += "#" + fragment
	}
	return url
}
