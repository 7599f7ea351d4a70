// Package call makes one bounded request to a gateway for text messages and
// says what became of the message.
package call

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/web"
)

// The bounds of R-WEB-15.
const (
	timeout = 5 * time.Second
	most    = 64 << 10 // bytes of an answer
)

// client keeps no connection: package net/http repeats by itself some requests
// that were lost on a connection used before, and here that would be a second
// message. It follows no redirect, knows no cookie and no proxy.
var client = &http.Client{
	Timeout: timeout,
	Transport: &http.Transport{
		DialContext:       (&net.Dialer{Timeout: timeout, Control: refuseLinkLocal}).DialContext,
		DisableKeepAlives: true,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Deliver sends the request that carries a message, and returns the body of an
// answer of 2xx. What the gateway answers about us, our address or its own load
// says that it sent nothing; what it answers about the message is for good,
// and wraps sms.ErrRefused. Without an answer, or when it or something between
// broke, nobody knows: that wraps sms.ErrUncertain, unless the gateway knows
// the message by its ID and a repetition is harmless.
func Deliver(r *http.Request, repeatable bool) ([]byte, error) {
	uncertain := sms.ErrUncertain
	if repeatable {
		uncertain = errors.New("no answer about the message")
	}
	status, body, left, err := do(r)
	switch {
	case err != nil && left:
		return nil, fmt.Errorf("%s: %w: %w", r.URL.Host, uncertain, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", r.URL.Host, err)
	case status >= 200 && status < 300:
		return body, nil
	case status < 400 || slices.Contains(notSent, status):
		return nil, fmt.Errorf("%s answered %d", r.URL.Host, status)
	case status < 500:
		return nil, fmt.Errorf("%s answered %d: %w", r.URL.Host, status, sms.ErrRefused)
	}
	return nil, fmt.Errorf("%s answered %d: %w", r.URL.Host, status, uncertain)
}

// notSent are the statuses of 4xx and 5xx that do not speak of the message.
var notSent = []int{401, 402, 403, 404, 405, 408, 425, 429, 503}

// Ask sends a request that carries no message, and returns the body of an
// answer of 2xx.
func Ask(r *http.Request) ([]byte, error) {
	status, body, _, err := do(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	if status < 200 || status > 299 {
		return nil, fmt.Errorf("%s answered %d", r.URL.Host, status)
	}
	return body, nil
}

// do reports also whether the request has left, as far as it was sent. Its
// error does not hold the URL, which may have the number and the text in it.
func do(r *http.Request) (status int, body []byte, left bool, err error) {
	var wrote atomic.Bool
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}))
	response, err := client.Do(r)
	if err == nil {
		defer func() { _ = response.Body.Close() }()
		status = response.StatusCode
		body, err = io.ReadAll(io.LimitReader(response.Body, most))
	}
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err
	}
	return status, body, wrote.Load(), err
}

// ParseURL reads the URL of a gateway: https, or http on this machine, since
// codes and tokens go there. The error does not quote it.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New(`must be a URL like "https://sms.example/send"`)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !web.Loopback(u.Hostname())) {
		return nil, errors.New("must begin with https://; plain http is for this machine only")
	}
	return u, nil
}

// refuseLinkLocal looks at the address that a name resolved to: at link-local
// ones clouds keep the secrets of the machine.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := ap.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return errors.New("no gateway can be at this address")
	}
	return nil
}
