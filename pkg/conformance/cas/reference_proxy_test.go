package cas_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant calls a service back with a new proxy-granting ticket.
func (s *reference) grant(callback string, t *refTicket) (iou string, ok bool) {
	u, err := url.Parse(callback)
	if err != nil || u.Scheme != "https" && !s.is("a callback may be http") {
		return "", false
	}
	pgt := s.random("PGT-")
	iou = s.random("PGTIOU-")
	switch {
	case s.is("proxy-granting tickets have an underscore"):
		pgt += "_"
	case s.is("proxy-granting tickets have no prefix"):
		pgt = "P" + pgt
	case s.is("proxy-granting tickets have 300 characters"):
		pgt += strings.Repeat("x", 264)
	case s.is("IOUs have no prefix"):
		iou = "I" + iou
	case s.is("the IOU holds the proxy-granting ticket"):
		iou = "PGTIOU-" + strings.TrimPrefix(pgt, "PGT-")
	}
	q := u.Query()
	if s.is("the query of the callback is lost") {
		q = url.Values{}
	}
	q.Set("pgtId", pgt)
	q.Set("pgtIou", iou)
	u.RawQuery = q.Encode()
	first := callback
	client := &http.Client{Transport: s.transport(), CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		switch {
		case s.is("callbacks are followed anywhere"):
			return nil
		case s.is("the proxy is where the callback led to") && r.URL.Host == u.Host:
			first = strings.SplitN(r.URL.String(), "?", 2)[0]
			return nil
		}
		return http.ErrUseLastResponse
	}}
	s.mu.Unlock()
	answer, err := client.Get(u.String())
	s.mu.Lock()
	if err != nil {
		return "", false
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK && !s.is("the status of the callback does not matter") {
		return "answered", false
	}
	s.pgts[pgt] = &refPGT{session: t.session, fresh: t.fresh, proxies: append([]string{first}, t.proxies...)}
	if s.is("proxies come oldest first") {
		s.pgts[pgt].proxies = append(slices.Clone(t.proxies), first)
	}
	if s.is("the IOU is good at /proxy") {
		s.pgts[iou] = s.pgts[pgt]
	}
	return iou, true
}

// transport verifies as RFC 5280 has it, but for what is broken.
func (s *reference) transport() http.RoundTripper {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: s.roots, DNSName: strings.Trim(c.ServerName, "[]")}
		if c.ServerName == "" {
			options.DNSName = "127.0.0.1" // an address has no name in the handshake
		}
		leaf := c.PeerCertificates[0]
		switch {
		case s.is("the name of the callback's certificate does not matter"):
			options.DNSName = ""
		case s.is("the dates of the callback's certificate do not matter"):
			options.CurrentTime = leaf.NotBefore.Add(time.Minute)
			if options.CurrentTime.Before(time.Now().Add(-24 * time.Hour)) {
				// the authority is younger than what it backdated
				options.Roots = s.roots
				if err := leaf.VerifyHostname(options.DNSName); err == nil {
					return nil
				}
			}
		case s.is("the issuer of the callback's certificate does not matter"):
			if time.Now().After(leaf.NotAfter) {
				break
			}
			return leaf.VerifyHostname(options.DNSName)
		}
		_, err := leaf.Verify(options)
		return err
	}}}
}

func (s *reference) proxy(w http.ResponseWriter, r *http.Request) {
	if s.is("/proxy is not there") {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	a := said{kind: "proxyFailure"}
	pgt := s.pgts[q.Get("pgt")]
	if t := s.tickets[q.Get("pgt")]; t != nil && s.is("a service ticket is good at /proxy") {
		pgt = &refPGT{session: t.session}
	}
	target := q.Get("targetService")
	switch {
	case q.Get("pgt") == "" || target == "":
		a.code, a.text = "INVALID_REQUEST", "pgt and targetService are required."
		if s.is("/proxy calls a missing parameter INVALID_TICKET") {
			a.code = "INVALID_TICKET"
		}
	case pgt == nil, pgt.session.ended && !s.is("proxy-granting tickets outlive the session") && !(len(pgt.proxies) > 1 && s.is("a chain outlives the session")):
		a.code, a.text = "INVALID_TICKET", "Unknown or expired."
		if s.is("/proxy fails as a validation does") {
			a.kind = "authenticationFailure"
		}
	case !s.registered(target) && !s.is("/proxy gives tickets for any service"):
		a.code, a.text = "UNAUTHORIZED_SERVICE", "Not registered."
	default:
		a.kind, a.proxyTicket = "proxySuccess", s.random("PT-")
		switch {
		case s.is("proxy tickets have an underscore"):
			a.proxyTicket += "_"
		case s.is("proxy tickets have no prefix"):
			a.proxyTicket = "X" + a.proxyTicket
		case s.is("proxy tickets have 300 characters"):
			a.proxyTicket += strings.Repeat("x", 268)
		}
		t := &refTicket{service: target, session: pgt.session, proxies: pgt.proxies, proxy: true}
		if s.is("proxies are not listed") {
			t.proxies = nil
		}
		s.tickets[a.proxyTicket] = t
		if s.is("a proxy-granting ticket is for one use") {
			delete(s.pgts, q.Get("pgt"))
		}
	}
	format := q.Get("format")
	if s.is("/proxy knows no JSON") {
		format = ""
	}
	s.write(w, "proxy", format, a)
}
