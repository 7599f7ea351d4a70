package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// Groups says where the groups of an account are, when it is not memberOf in
// its own entry. Each look-up of an account then costs one search more for
// every level.
type Groups struct {
	// Base is the DN under which the groups are; unset, none are looked for.
	Base string `json:"base"`
	// Filter is what every group matches, "(objectClass=groupOfNames)" by
	// default; Member holds the DNs of its members, "member" by default.
	Filter string `json:"filter"`
	Member string `json:"member"`
	// Name is the attribute of a group that is told, "cn" by default, under
	// Attribute, "groups" by default.
	Name      string `json:"name"`
	Attribute string `json:"attribute"`
	// Levels is how far groups within groups are followed, 1 by default: the
	// person's own only.
	Levels int `json:"levels"`
	// InChain lets Active Directory follow them all by itself, in one search.
	InChain bool `json:"inChain"`
}

const (
	// maxGroups is how many groups an account may be in; more are left out.
	maxGroups = 500
	// groupsAtOnce is how many groups one search asks for the groups of.
	groupsAtOnce = 50
	// inChain is LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS 3.1.1.3.4.4.3).
	inChain = ":1.2.840.113556.1.4.1941:"
)

func (g Groups) complete() (Groups, error) {
	if g.Base == "" {
		return g, nil
	}
	g.Filter = cmp.Or(g.Filter, "(objectClass=groupOfNames)")
	g.Member, g.Name, g.Attribute = cmp.Or(g.Member, "member"), cmp.Or(g.Name, "cn"), cmp.Or(g.Attribute, "groups")
	g.Levels = cmp.Or(g.Levels, 1)
	if _, err := goldap.ParseDN(g.Base); err != nil {
		return g, errors.New("groups.base: must be a DN like ou=groups,dc=univ,dc=fr")
	}
	if _, err := goldap.CompileFilter(g.Filter); err != nil {
		return g, fmt.Errorf("groups.filter: is no LDAP filter (RFC 4515): %w", err)
	}
	if !attributeName.MatchString(g.Member) || !attributeName.MatchString(g.Name) || g.Levels < 1 || g.Levels > 10 {
		return g, errors.New("groups: member and name are attributes, levels is from 1 to 10")
	}
	return g, nil
}

// groupsOf are the names of the groups that an entry is in, by one search for
// each level.
func (d *dir) groupsOf(ctx context.Context, dn string) ([]string, error) {
	var names []string
	seen := map[string]bool{strings.ToLower(dn): true} // groups may be in each other
	frontier := []string{dn}
	for range d.groups.Levels {
		var next []string
		for len(frontier) > 0 {
			now := frontier[:min(groupsAtOnce, len(frontier))]
			frontier = frontier[len(now):]
			found, err := d.groupsWith(ctx, now)
			if err != nil {
				return nil, err
			}
			for _, group := range found {
				if seen[strings.ToLower(group.DN)] {
					continue
				}
				if len(names) == maxGroups {
					d.log.Warn("ldap: an account is in too many groups; the others are left out", "entry", dn, "most", maxGroups)
					return names, nil
				}
				seen[strings.ToLower(group.DN)] = true
				next = append(next, group.DN)
				if name := readEntry(group).first(d.groups.Name); name != "" {
					names = append(names, name)
				}
			}
		}
		frontier = next
	}
	return names, nil
}

// groupsWith are the groups of which one of the names is a member.
func (d *dir) groupsWith(ctx context.Context, members []string) ([]*goldap.Entry, error) {
	rule := "="
	if d.groups.InChain {
		rule = inChain + "="
	}
	var any strings.Builder
	for _, dn := range members {
		any.WriteString("(" + d.groups.Member + rule + goldap.EscapeFilter(dn) + ")")
	}
	result, err := d.searches.search(ctx, &goldap.SearchRequest{
		BaseDN: d.groups.Base, Scope: goldap.ScopeWholeSubtree, SizeLimit: maxGroups + 1,
		Filter: "(&" + d.groups.Filter + "(|" + any.String() + "))", Attributes: []string{d.groups.Name},
	})
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) {
		return nil, unavailable("groups", err)
	}
	return result.Entries, nil
}
