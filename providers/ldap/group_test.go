package ldap_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func addGroup(t *testing.T, admin *goldap.Conn, suffix, name string, members ...string) {
	t.Helper()
	add := goldap.NewAddRequest("cn="+name+",ou=groups,"+suffix, nil)
	add.Attribute("objectClass", []string{"groupOfNames"})
	add.Attribute("member", members)
	must(t, admin.Add(add))
}

// Groups that list a person, and groups that list those, round a ring and no
// further than is configured.
func TestGroups(t *testing.T) {
	n := networks[0]
	server := n.slapd(t, slapdtest.Options{})
	admin := n.admin(t, dialURL(t, server.URL))
	in := func(name string) string { return "cn=" + name + ",ou=groups," + n.suffix }
	addGroup(t, admin, n.suffix, "agents", in("helpdesk-n1"), in("admins-idp"))
	addGroup(t, admin, n.suffix, "everybody", in("agents"))
	ring := goldap.NewModifyRequest(in("agents"), nil)
	ring.Add("member", []string{in("everybody")})
	must(t, admin.Modify(ring))
	addGroup(t, admin, n.suffix, "Œuvres (a*b)", "uid=imichel,ou=people,"+n.suffix)

	for levels, want := range map[int]map[string][]string{
		0:  {"u.assist": {"helpdesk-n1"}, "imichel": {"Œuvres (a*b)"}, "elefevre": nil},
		1:  {"u.assist": {"helpdesk-n1"}},
		2:  {"u.assist": {"agents", "helpdesk-n1"}},
		3:  {"u.assist": {"agents", "everybody", "helpdesk-n1"}},
		10: {"u.assist": {"agents", "everybody", "helpdesk-n1"}, "imichel": {"Œuvres (a*b)"}},
	} {
		config := n.config()
		config.URLs = []string{server.URL}
		config.Groups = ldap.Groups{Base: "ou=groups," + n.suffix, Levels: levels}
		var ops counter
		config.Observe = ops.observe
		d := open(t, config)
		for login, groups := range want {
			ops.take()
			a, err := d.Find(t.Context(), login)
			must(t, err)
			have := slices.Sorted(slices.Values(a.Attributes["groups"]))
			if diff := cmp.Diff(groups, have); diff != "" {
				t.Errorf("%s, %d levels: %s", login, levels, diff)
			}
			if sent := ops.take()["search"]; sent > 5 {
				t.Errorf("%s, %d levels: %d searches", login, levels, sent)
			}
			if again, err := d.Get(t.Context(), a.ID); err != nil || !cmp.Equal(again.Attributes["groups"], a.Attributes["groups"]) {
				t.Errorf("Get of %s: %q, %v", login, again.Attributes["groups"], err)
			}
		}
	}
}

// Nobody is in more groups than a record can hold.
func TestGroupsBound(t *testing.T) {
	n := networks[0]
	embedded := n.embedded(t)
	config := n.config()
	config.Dial = embedded.Dial
	config.Groups = ldap.Groups{Base: "ou=groups," + n.suffix}
	var ldif strings.Builder
	for i := range 700 {
		fmt.Fprintf(&ldif, "dn: cn=g%d,ou=groups,%s\nobjectClass: groupOfNames\ncn: g%d\nmember: uid=elefevre,ou=people,%s\n\n", i, n.suffix, i, n.suffix)
	}
	must(t, embedded.Load([]byte(ldif.String())))
	a, err := open(t, config).Find(t.Context(), "elefevre")
	if err != nil || len(a.Attributes["groups"]) != 500 {
		t.Errorf("%d groups, %v", len(a.Attributes["groups"]), err)
	}
	for _, wrong := range []ldap.Groups{
		{Base: "nowhere"}, {Base: "ou=x,dc=y", Filter: "("}, {Base: "ou=x,dc=y", Member: "member)("}, {Base: "ou=x,dc=y", Levels: 11},
	} {
		config.Groups = wrong
		if _, err := config.Open(t.Context(), directory.Env{}); err == nil || !strings.Contains(err.Error(), "groups") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

// An entry that was merged into another is a name of that account; one whose
// way leads nowhere, or round and round, is nobody.
func TestMerged(t *testing.T) {
	n := networks[1]
	server := n.slapd(t, slapdtest.Options{})
	admin := n.admin(t, dialURL(t, server.URL))
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(t, config)
	into := func(from, to string) {
		t.Helper()
		changeTo(t, admin, "uid="+from+",ou=people,"+n.suffix, "ENTPersRelFusionPrincipal", "uid="+to+",ou=people,"+n.suffix)
	}
	login := func(name string) string {
		t.Helper()
		a, err := d.Find(t.Context(), name)
		if err != nil && !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		return a.Login
	}
	into("F26x0013", "F26x0016") // which was itself merged into F26x0015
	if got := login("yann.legoff"); got != "marc.haddad" {
		t.Errorf("merged twice: %q", got)
	}
	into("F26x0013", "F26x9999")
	if got := login("yann.legoff"); got != "" {
		t.Errorf("merged into nobody: %q", got)
	}
	into("F26x0013", "F26x0012")
	into("F26x0012", "F26x0013")
	if got := login("yann.legoff") + login("anne.legoff"); got != "" {
		t.Errorf("merged into each other: %q", got)
	}
}
