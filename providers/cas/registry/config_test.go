package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
	"github.com/loge-idp/loge/providers/cas/registry"
)

// What a configuration gets wrong is said at start, by the name of the
// service.
func TestConfig(t *testing.T) {
	for _, c := range []struct{ services, want string }{
		{`[{"name":"A","url":"https://a.example/"},{"name":"Moodle"}]`, "services[1] (Moodle): give exactly one of url, prefix, pattern and loopback"},
		{`[{"name":"A","url":"https://a.example/","loopback":true}]`, "services[0] (A): give exactly one"},
		{`[{"url":"https://a.example/"}]`, "services[0].name: is missing"},
		{`[{"name":"A","url":"http://a.example/"}]`, "services[0] (A).url: must be https"},
		{`[{"name":"A","prefix":"http://a.example/"}]`, "services[0] (A).prefix: must be https"},
		{`[{"name":"A","url":"https://a.example/../x"}]`, "services[0] (A).url: must be a whole URL"},
		{`[{"name":"A","url":"https://0x7f.1/"}]`, "a host that is not in its plain form"},
		{`[{"name":"A","url":"https://192.0.519/"}]`, "a host that is not in its plain form"},
		{`[{"name":"A","url":"https://192.0.2.07/"}]`, "a host that is not in its plain form"},
		{`[{"name":"A","url":"https://a.example.1/"}]`, "a host that is not in its plain form"},
		{`[{"name":"A","url":"a.example"}]`, "services[0] (A).url: must be a whole URL"},
		{`[{"name":"A","url":"https://a.example/#x"}]`, "services[0] (A).url: must not have a fragment"},
		{`[{"name":"A","prefix":"https://a.example/?x"}]`, "services[0] (A).prefix: must end with the path"},
		{`[{"name":"A","url":"https://a.example/"},{"name":"B","url":"https://A.example"}]`, `services[1] (B).url: "A" has the same`},
		{`[{"name":"A","prefix":"https://a.example/"},{"name":"B","prefix":"https://A.example"}]`, `services[1] (B).prefix: "A" has the same`},
		{`[{"name":"A","prefix":"https://a.example/"},{"name":"B","prefix":"https://b.example","normalise":{"hosts":["a.example"]}}]`, `services[1] (B).prefix: "A" has the same`},
		{`[{"name":"A","loopback":true},{"name":"B","loopback":true}]`, `services[1] (B).loopback: "A" covers`},
		// R53: names of attributes
		{`[{"name":"A","loopback":true,"attributes":["isFromNewLogin"]}]`, `services[0] (A).attributes: "isFromNewLogin" is told twice`},
		{`[{"name":"A","loopback":true,"attributes":["mail;lang-fr"]}]`, `services[0] (A).attributes: "mail;lang-fr" is no name in XML`},
		{`[{"name":"A","loopback":true,"attributes":[{"name":"mail","as":"cas:mail"}]}]`, `"cas:mail" is no name in XML`},
		{`[{"name":"A","loopback":true,"attributes":[{"name":"mail","as":"1mail"}]}]`, `"1mail" is no name in XML`},
		{`[{"name":"A","loopback":true,"lowercase":true,"attributes":["mail",{"name":"sn","as":"Mail"}]}]`, `"mail" is told twice`},
		{`[{"name":"A","loopback":true,"attributes":["mail","mail"]}]`, `attributes[1]: "mail" is told already`},
		// R52: what could match elsewhere
		{`[{"name":"A","pattern":".*"}]`, "services[0] (A).pattern: could match any host"},
		{`[{"name":"A","pattern":"^https?://.*"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://.*\\.univ\\.example/x"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://[^/]+/x"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://[a-z]\\.univ\\.example/x"}]`, ""},
		{`[{"name":"A","pattern":"https://[a-z][a-z]\\.univ\\.example/x"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://app.univ.example/x"}]`, "could match any host"}, // the dots
		{`[{"name":"A","pattern":"https://app\\.univ\\.example.*"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://app\\.univ\\.example(/x)?"}]`, "must begin with a scheme"},
		{`[{"name":"A","pattern":"https://app\\.univ\\.example(:[0-9]+)?/x"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://app\\.univ\\.example@evil\\.example/x"}]`, "must begin with a scheme"},
		{`[{"name":"A","pattern":"https://a\\.example/|.*"}]`, "could match any host"},
		{`[{"name":"A","pattern":"https://a\\.example/x|https://b\\.example/.*"}]`, ""},
		{`[{"name":"A","pattern":"(?i)^https://A\\.example/X.*$"}]`, ""},
		{`[{"name":"A","pattern":"https?://a\\.example/x"}]`, "must be https"},
		{`[{"name":"A","pattern":"/x"}]`, "must begin with a scheme"},
		{`[{"name":"A","pattern":"https://a\\.example/("}]`, "is not a regular expression"},
		{`[{"name":"A","pattern":"https://a\\.example/(?!x)"}]`, "is not a regular expression"},
		{`[{"name":"A","pattern":"\\Qhttps://a.example/x"}]`, "that can be anchored"},
		{`[{"name":"A","pattern":"https://a\\.example/x"},{"name":"B","pattern":"https://a\\.example/x"}]`, `services[1] (B).pattern: "A" has the same`},
		{`[{"name":"A","pattern":"https://a\\.example/x","normalise":{"hosts":["b"]}}]`, "normalise.hosts: goes with url"},
		{`[{"name":"A","url":"https://a.example/","normalise":{"hosts":["https://b"]}}]`, "normalise.hosts[0]: must be a host alone"},
		{`[{"name":"A","url":"http://a.example/","insecureHTTP":true,"normalise":{"upgradeHTTP":true}}]`, "normalise.upgradeHTTP: contradicts"},
		// what else a service wants
		{`[{"name":"A","loopback":true,"placement":"above"}]`, "placement: must be"},
		{`[{"name":"A","loopback":true,"logout":{"type":"both"}}]`, "logout.type: must be"},
		{`[{"name":"A","loopback":true,"logout":{"type":"none","url":"https://a.example/"}}]`, "logout.url: contradicts"},
		{`[{"name":"A","loopback":true,"logout":{"url":"a"}}]`, "logout.url: does not begin"},
		{`[{"name":"A","loopback":true,"proxy":{"callbacks":["http://a.example/"]}}]`, "proxy.callbacks[0]: must be https"},
		{`[{"name":"A","loopback":true,"proxy":{"callbacks":["https://a.example/?x"]}}]`, "proxy.callbacks[0]: must be https and end"},
		{`[{"name":"A","loopback":true,"proxy":{"withoutPGT":true}}]`, "proxy.withoutPGT: is for"},
		{`[{"name":"A","loopback":true,"access":{"attribute":"x","status":["active"]}}]`, "access: a condition has one of"},
		{`[{"name":"A","loopback":true,"user":"opaque"}]`, "user.sector: is missing"},
		{`[{"name":"A","url":"http://127.0.0.1:8/x"},{"name":"B","url":"http://b.example/","insecureHTTP":true}]`, ""},
	} {
		var services []registry.Service
		err := plugin.Strict(json.RawMessage(c.services), &services)
		if err == nil {
			_, err = registry.New(services)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s\n got %v\nwant %s", c.services, err, c.want)
		}
	}
}

// P7: a proxy-granting ticket goes below the registered callbacks only.
func TestProxyAllows(t *testing.T) {
	p := registry.Proxy{Callbacks: []string{"https://app.example/proxy", "https://b.example/"}}
	for url, want := range map[string]bool{
		"https://app.example/proxy": true, "https://app.example/proxy/cb?x=1": true, "https://b.example/any": true,
		"https://app.example/proxy2": false, "http://app.example/proxy": false, "https://app.example:8443/proxy": false,
		"https://app.example/proxy/../x": false, "https://app.example@evil.example/proxy": false, "": false,
	} {
		if got := p.Allows(url); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
	if (registry.Proxy{}).Allows("https://app.example/proxy") {
		t.Error("allowed without callbacks")
	}
}

// R53: names in lower case, on the service's own answers.
func TestLowercase(t *testing.T) {
	s := registry.Service{Lowercase: true, RelyingParty: sso.RelyingParty{Attributes: []sso.Attribute{{Name: "displayName"}}}}
	want := []sso.Told{{Name: "displayname", Values: []string{"Alice Â"}, Single: true}}
	if diff := cmp.Diff(want, s.Release(account.Account{Name: "Alice Â"})); diff != "" {
		t.Error(diff)
	}
}
