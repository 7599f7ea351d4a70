package ldap

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// named are the names of attributes that a configuration writes itself, by its
// key.
func (a Attributes) named() map[string][]string {
	return map[string][]string{
		"id": {a.ID}, "login": {a.Login}, "lookup": a.Lookup, "name": {a.Name}, "givenName": {a.GivenName}, "familyName": {a.FamilyName},
		"mail": {a.Mail}, "language": {a.Language}, "birth": a.Birth, "birthName": {a.BirthName}, "passwordSet": a.PasswordSet,
		"mergedInto": {a.MergedInto}, "children": {a.Children}, "emails": a.Emails, "phones": a.Phones, "frozen": {a.Frozen}, "release": a.Release,
		"search": a.Search, "editable": a.Editable, "ascii": a.ASCII,
	}
}

// plainName is the attribute of a place, of a look-up and of a search.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*`)

// known says which names the server's schema does not have: what a server does
// not know is no error of a search, and finds nobody. What a preset names may be
// missing.
func (x *examination) known() {
	schema, ok := x.attributeTypes()
	if !ok {
		return // it does not tell
	}
	var unknown []string
	for key, names := range x.named {
		for _, name := range names {
			if name = plainName.FindString(name); name != "" && !schema[strings.ToLower(name)] {
				unknown = append(unknown, "attributes."+key+": "+name)
			}
		}
	}
	slices.Sort(unknown)
	x.say(len(unknown) == 0, "attributes are of the server's schema", "correct the spelling, or load the schema on the server: "+strings.Join(unknown, ", "))
}

// nameOfType are the names in the description of an attribute (RFC 4512 section
// 4.1.2).
var nameOfType = regexp.MustCompile(`NAME\s+(?:'([^']+)'|\(([^)]*)\))`)

// attributeTypes are the names of all attributes of the server, in lower case
// (RFC 4512 section 4.2).
func (x *examination) attributeTypes() (map[string]bool, bool) {
	ctx, cancel := deadline(x.ctx, 2*x.timeout)
	defer cancel()
	root, err := x.searches.search(ctx, x.look("", "(objectClass=*)", "subschemaSubentry"))
	if err != nil || len(root.Entries) != 1 {
		return nil, false
	}
	schema, err := x.searches.search(ctx, x.look(readEntry(root.Entries[0]).first("subschemaSubentry"), "(objectClass=subschema)", "attributeTypes"))
	if err != nil || len(schema.Entries) != 1 {
		return nil, false
	}
	names := map[string]bool{}
	for _, description := range readEntry(schema.Entries[0]).all("attributeTypes") {
		found := nameOfType.FindStringSubmatch(description)
		if found == nil {
			continue
		}
		for _, name := range strings.Fields(found[1] + " " + strings.ReplaceAll(found[2], "'", "")) {
			names[strings.ToLower(name)] = true
		}
	}
	return names, len(names) > 0
}

// grouped says whether the groups are there.
func (x *examination) grouped() {
	if x.groups.Base == "" {
		return
	}
	ctx, cancel := deadline(x.ctx, x.timeout)
	defer cancel()
	_, err := x.searches.search(ctx, x.look(x.groups.Base, "(objectClass=*)", "1.1"))
	mend := fmt.Sprint(err)
	if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
		mend = fmt.Sprintf("there is none, or %s may not read it: check groups.base, and the rights on the server", x.reader.dn)
	}
	x.say(err == nil, "groups under "+x.groups.Base, mend)
}
