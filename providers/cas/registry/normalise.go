package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/plugin"
)

// Normalise is which differences between the URLs of a service mean nothing
// (requirement R52). A URL is looked up, and that of a validation compared
// with that of the login, in the form that this leaves.
type Normalise struct {
	// StripJSessionID leaves out ";jsessionid=…", which Java servers put into
	// the path of people without cookies.
	StripJSessionID bool `json:"stripJsessionid,omitempty"`
	// IgnoreTrailingSlash takes /app and /app/ for the same.
	IgnoreTrailingSlash bool `json:"ignoreTrailingSlash,omitempty"`
	// IgnoreTicket leaves out the parameters ticket and SAMLart, for services
	// that send back the URL at which an earlier ticket reached them. The browser is
	// sent without the old one too.
	IgnoreTicket bool `json:"ignoreTicket,omitempty"`
	// UpgradeHTTP takes http:// for https://, for services that do not know of
	// the TLS in front of them. The browser is sent to https.
	UpgradeHTTP bool `json:"upgradeHTTP,omitempty"`
	// Hosts are other names of the service's host.
	Hosts []string `json:"hosts,omitempty"`
}

// validate reports what cannot be meant for a service.
func (n Normalise) validate(s *Service) error {
	switch {
	case len(n.Hosts) > 0 && s.URL == "" && s.Prefix == "":
		return plugin.At("hosts", errors.New("goes with url or prefix; a pattern names its hosts itself"))
	case n.UpgradeHTTP && s.InsecureHTTP:
		return plugin.At("upgradeHTTP", errors.New("contradicts insecureHTTP"))
	}
	for i, host := range n.Hosts {
		if !plainHost(host, false) {
			return plugin.At(fmt.Sprintf("hosts[%d]", i), errors.New("must be a host alone, in lower case, like www.example.fr"))
		}
	}
	return nil
}

// jsessionid is a path parameter (RFC 3986 section 3.3) as servlets write it.
var jsessionid = regexp.MustCompile(`(?i);jsessionid=[^;/]*`)

// normalised is an address without what does not count for the service.
func (s *Service) normalised(a Address) Address {
	n := s.Normalise
	if n.StripJSessionID {
		a.path = jsessionid.ReplaceAllString(a.path, "")
	}
	if n.IgnoreTrailingSlash {
		a.path = cmp.Or(strings.TrimRight(a.path, "/"), "/")
	}
	if n.IgnoreTicket {
		a.query = withoutTicket(a.query)
		before, after, marked := strings.Cut(a.target, "#")
		if url, query, asks := strings.Cut(before, "?"); asks {
			a.target = url + withoutTicket("?"+query)
			if marked {
				a.target += "#" + after
			}
		}
	}
	if n.UpgradeHTTP && a.scheme == "http" && a.port == "80" {
		a.scheme, a.port = "https", "443"
		a.target = a.origin() + afterAuthority(a.target)
	}
	if slices.Contains(n.Hosts, a.host) {
		if home, err := parse(cmp.Or(s.URL, s.Prefix)); err == nil {
			a.host = home.host
		}
	}
	return a
}

// afterAuthority is what follows the host and the port in a URL that parse has
// read.
func afterAuthority(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return rest[end:]
	}
	return ""
}

// withoutTicket leaves tickets out of a query, which begins with its question
// mark or is empty.
func withoutTicket(query string) string {
	var kept []string
	for pair := range strings.SplitSeq(strings.TrimPrefix(query, "?"), "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); pair != "" && (err != nil || plain != "ticket" && plain != "SAMLart") {
			kept = append(kept, pair)
		}
	}
	if kept == nil {
		return ""
	}
	return "?" + strings.Join(kept, "&")
}

// addresses are the ways to write an address that lead to the same service:
// by another name of the host, and by http.
func (n Normalise) addresses(a Address) []Address {
	all := []Address{a}
	for _, host := range n.Hosts {
		other := a
		other.host = host
		all = append(all, other)
	}
	if n.UpgradeHTTP {
		for _, other := range slices.Clone(all) {
			if other.scheme == "https" && other.port == "443" {
				other.scheme, other.port = "http", "80"
				all = append(all, other)
			}
		}
	}
	return all
}
