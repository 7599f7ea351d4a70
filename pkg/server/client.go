package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	callTimeout = 5 * time.Second
	callAnswer  = 64 << 10
)

// newClient is for calls to relying parties, at addresses that the
// configuration names: bounded in time and size, without cookies, following no
// redirect, never by way of a proxy (R-WEB-15).
func newClient() *http.Client {
	dialer := &net.Dialer{Timeout: callTimeout, Control: refuseLocal}
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

var errLocal = errors.New("no application can be at this address")

// refuseLocal looks at the address that a name resolved to: at link-local ones
// clouds keep the secrets of the machine, and no application is there.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := ap.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return errLocal
	}
	return nil
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
