package server

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// R-WEB-15, R-CAS-14: what may be dialled, for a URL of the configuration and
// for one that a request brings.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address            string
		configured, public bool
	}{
		{"193.51.24.1", true, true},
		{"2001:660:7401::1", true, true},
		{"10.1.2.3", true, false},
		{"172.16.0.1", true, false},
		{"192.168.1.1", true, false},
		{"127.0.0.1", true, false},
		{"127.9.9.9", true, false},
		{"::1", true, false},
		{"fd00::1", true, false},
		{"100.64.0.1", true, false},
		{"198.18.0.1", true, false},
		{"240.0.0.1", true, false},
		{"255.255.255.255", true, false},
		{"64:ff9b::7f00:1", true, false},
		{"2002:7f00:1::", true, false},
		{"::ffff:10.0.0.1", true, false},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"fe80::1", false, false},
		{"224.0.0.1", false, false},
		{"0.0.0.0", false, false},
		{"::", false, false},
	} {
		ip := netip.MustParseAddr(c.address).Unmap()
		if got := configured(ip); got != c.configured {
			t.Errorf("configured %s: %v", c.address, got)
		}
		if got := public(ip); got != c.public {
			t.Errorf("public %s: %v", c.address, got)
		}
	}
}

// A name that leads inside is found out when it is dialled.
func TestDialling(t *testing.T) {
	asked := 0
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
	}))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	url := "http://localhost:" + port
	if answer, err := newClient(public).Get(url); !errors.Is(err, errAddress) || asked != 0 {
		t.Errorf("public: %v %v, asked %d times", answer, err, asked)
	}
	answer, err := newClient(configured).Get(url)
	if err != nil || answer.StatusCode != http.StatusFound || asked != 1 {
		t.Fatalf("configured: %v %v, asked %d times; want the redirect itself", answer, err, asked)
	}
	_ = answer.Body.Close()
}
