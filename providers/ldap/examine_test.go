package ldap_test

import (
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

// A name that the server does not have finds nobody and is no error of any
// search: the doctor says so.
func TestExamineNames(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	findings := func(change func(*ldap.Config)) map[string]directory.Finding {
		t.Helper()
		config := n.config()
		config.URLs, config.Now = []string{server.URL}, nil
		change(&config)
		out := map[string]directory.Finding{}
		for _, f := range open(t, config).(directory.Examiner).Examine(t.Context()) {
			out[f.What] = f
		}
		return out
	}
	const schema = "attributes are of the server's schema"
	there := "groups under ou=groups," + n.suffix
	good := findings(func(c *ldap.Config) {
		c.Groups.Base = "ou=groups," + n.suffix
		c.Attributes.Editable, c.Attributes.Emails = []string{"preferredLanguage"}, []string{"supannMailPrive{SECOURS}"}
		c.Attributes.Lookup, c.Attributes.Search = []string{"uid", "supannAliasLogin:usualCases"}, []string{"commonName*"}
	})
	if !good[schema].OK || !good[there].OK {
		t.Errorf("%+v %+v", good[schema], good[there])
	}
	bad := findings(func(c *ldap.Config) {
		c.Groups.Base = "ou=gruops," + n.suffix
		c.Attributes.Editable, c.Attributes.Release = []string{"mailForwardingAddres"}, []string{"cn", "supannEmpIdd"}
	})
	if f := bad[schema]; f.OK || !strings.Contains(f.Mend, "attributes.editable: mailForwardingAddres, attributes.release: supannEmpIdd") {
		t.Errorf("%+v", f)
	}
	if f, ok := bad["groups under ou=gruops,"+n.suffix]; !ok || f.OK || !strings.Contains(f.Mend, "check groups.base") {
		t.Errorf("%+v", f)
	}
}
