package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// info is what the Mux knows about a request beyond the request.
type info struct {
	reference string
	client    netip.Addr
	route     string
	page      bool
}

type infoKey struct{}

func infoOf(r *http.Request) *info {
	if i, ok := r.Context().Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{client: peer(r), page: true}
}

// Reference is the number of this request: in every log line about it and on
// the page of a problem, for a person to read out to the helpdesk. Empty
// outside a Mux.
func Reference(r *http.Request) string { return infoOf(r).reference }

// ClientAddr is the address of the browser or program that sent the request:
// the peer, or behind a trusted proxy the last address of X-Forwarded-For that
// is not a trusted proxy (R-AUTH-18).
func ClientAddr(r *http.Request) netip.Addr { return infoOf(r).client }

// ClientRange is the network that a throttle counts: the /24 of an IPv4
// address, the /64 of an IPv6 one, which is what one subscriber is given.
func ClientRange(r *http.Request) string { return Range(ClientAddr(r)) }

// Range is the network of an address, as ClientRange has it; "unknown" of none.
func Range(addr netip.Addr) string {
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// clientOf walks X-Forwarded-For from the right, where the nearest proxy
// wrote, and stops at the first address that is not one of ours: what stands
// further left was sent by the client and may be anything. The header
// Forwarded is never read, so that two headers cannot disagree.
func clientOf(r *http.Request, proxies []netip.Prefix) netip.Addr {
	addr := peer(r)
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !trusted(addr) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr
}

// printable keeps one log record one line whatever was sent (R-WEB-16).
func printable(s string) string {
	if len(s) > 40 {
		s = s[:40]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
