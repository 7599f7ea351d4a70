package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

const (
	callTimeout = 5 * time.Second
	callAnswer  = 64 << 10
)

// newClient is for calls to relying parties: bounded in time and size, without
// cookies, following no redirect, never by way of a proxy (R-WEB-15). The
// address that a name resolved to is looked at when it is dialled, so that no
// second answer of the resolver gets past the look.
func newClient(may func(netip.Addr) bool) *http.Client {
	dialer := &net.Dialer{Timeout: callTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !may(ap.Addr().Unmap()) {
			return errAddress
		}
		return nil
	}}
	return &http.Client{
		Timeout: callTimeout,
		Transport: bounded{&http.Transport{
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   callTimeout,
			ResponseHeaderTimeout: callTimeout,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   2,
			ForceAttemptHTTP2:     true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errAddress = errors.New("no application can be at this address")

// configured is for URLs of the configuration. At link-local addresses clouds
// keep the secrets of the machine, and no application is there.
func configured(ip netip.Addr) bool {
	return !ip.IsLinkLocalUnicast() && !ip.IsMulticast() && !ip.IsUnspecified()
}

// public is for URLs that a request brings: nothing inside the house.
func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// special are further networks that are not for everybody to reach, or that
// lead into another one (RFC 6890, RFC 6052).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // holds an IPv4 address
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2002::/16"), // holds an IPv4 address
	netip.MustParsePrefix("fec0::/10"),
}

// bounded reads no more of an answer than callAnswer bytes.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, callAnswer), answer.Body}
	return answer, nil
}
