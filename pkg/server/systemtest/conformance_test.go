package systemtest_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	verdict "github.com/loge-idp/loge/pkg/conformance"
	"github.com/loge-idp/loge/pkg/conformance/cas"
)

// notOffered are the rules about login tickets, which the specification leaves
// out or demands (sections 2.1.3 and 2.2.2 contradict each other): the form
// carries a sealed state instead.
var notOffered = []string{"A6.1", "T-LT.1", "T-LT.2"}

// conforms runs the suite: no rule may fail, of whatever force.
func conforms(t *testing.T, o cas.Options) {
	t.Helper()
	report, err := cas.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	failed := false
	for _, r := range report.Results {
		failed = failed || r.Outcome == verdict.Failed
		if r.Outcome == verdict.NotOffered {
			missing = append(missing, r.ID)
		}
	}
	if diff := cmp.Diff(notOffered, missing); failed || diff != "" {
		var out strings.Builder
		if err := report.Write(&out); err != nil {
			t.Fatal(err)
		}
		t.Errorf("not offered: %s\n%s", diff, out.String())
	}
}

// freePort is an address of loopback at which nobody listens. It is written in
// a configuration before somebody does.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// R50 to R56: every rule of CAS holds when each request reaches another
// replica than the one before.
func TestConformsToCAS(t *testing.T) {
	plain, secure := freePort(t), freePort(t)
	file := filepath.Join(t.TempDir(), "suite.pem")
	authority, err := cas.LoadAuthority(file)
	if err != nil {
		t.Fatal(err)
	}
	suite, err := json.Marshal([]map[string]any{
		{"name": "Suite", "prefix": "http://" + plain + "/", "attributes": []string{"mail"}, "proxy": map[string]any{"callbacks": []string{"https://" + secure + "/"}}},
		{"name": "Suite, by TLS", "prefix": "https://" + secure + "/", "attributes": []string{"mail"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The balancer takes turns.
	var nodes []*node
	var turn atomic.Uint64
	balancer := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		n := nodes[turn.Add(1)%uint64(len(nodes))]
		r.SetURL(&url.URL{Scheme: "http", Host: n.address})
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}})
	t.Cleanup(balancer.Close)
	before, after, _ := strings.Cut(configuration, "  cas:\n")
	_, after, _ = strings.Cut(after, "recovery:\n")
	w := newServers(t, university, strings.Replace(before, "${env:LOGE_ISSUER}", balancer.URL, 1)+
		"  cas:\n    privateCallbacks: true\n    services: "+string(suite)+"\nrecovery:\n"+after)
	t.Setenv("SSL_CERT_FILE", file)
	for range 2 {
		nodes = append(nodes, w.serve(t))
	}
	conforms(t, cas.Options{
		Target: balancer.URL + "/cas", Username: "elefevre", Password: password("elefevre"),
		Listen: plain, ListenTLS: secure, Authority: authority,
	})
	http.DefaultClient.CloseIdleConnections()
}

// The demonstration accepts the suite as it is: its ports and its authority
// are known to it.
func TestTheDemonstrationConformsToCAS(t *testing.T) {
	for _, address := range []string{cas.Listen, cas.ListenTLS} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s, where the suite listens by default, is taken: %v", address, err)
			}
			t.Skipf("%s, where the suite listens by default, is taken: %v", address, err)
		}
		listener.Close()
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	at := newDemo(t)
	file, err := cas.AuthorityFile()
	if err != nil {
		t.Fatal(err)
	}
	authority, err := cas.LoadAuthority(file)
	if err != nil {
		t.Fatal(err)
	}
	conforms(t, cas.Options{Target: at.url + "/cas", Username: "elefevre", Password: password("elefevre"), Authority: authority})
}
