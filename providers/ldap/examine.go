package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"

	goldap "github.com/go-ldap/ldap/v3"
)

// Ping implements directory.Pinger: the service account reads the base.
func (d *dir) Ping(ctx context.Context) error {
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	_, err := d.searches.search(ctx, d.look(d.base, "(objectClass=*)", "1.1"))
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject):
		return fmt.Errorf("ldap: there is no %s, or %s may not read it: check base, and the rights on the server", d.base, d.reader.dn)
	case err != nil:
		return unavailable("ping", err)
	}
	return nil
}

// look reads one entry by DN.
func (d *dir) look(dn, filter string, attributes ...string) *goldap.SearchRequest {
	return goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, 0, false, filter, attributes, nil)
}

// examination is a report in the making.
type examination struct {
	*dir
	ctx    context.Context
	report []directory.Finding
	// without are the servers on which the base is not seen.
	without []string
}

// say adds a line, and reports whether all is well there.
func (x *examination) say(ok bool, what, mend string) bool {
	if ok {
		mend = ""
	}
	mend = strings.TrimPrefix(strings.ReplaceAll(mend, "\n", "; "), "ldap: ")
	mend = strings.TrimRight(mend, ": ") // where a server said nothing more
	x.report = append(x.report, directory.Finding{OK: ok, What: what, Mend: mend})
	return ok
}

// Examine implements directory.Examiner. A fault that stands behind others is
// told alone.
func (d *dir) Examine(ctx context.Context) []directory.Finding {
	x := &examination{dir: d, ctx: ctx}
	if !x.servers() || !x.writerBinds() {
		return x.report
	}
	if !x.based() {
		return x.report
	}
	search, cancel := deadline(ctx, d.timeout)
	defer cancel()
	request := d.request("")
	request.SizeLimit, request.EnforceSizeLimit = 1, false
	result, err := d.searches.search(search, request)
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) || len(result.Entries) == 0 {
		x.say(false, "an account matching "+d.schema.Filter, "none is visible: check preset, filter, base and the rights of "+d.reader.dn)
		return x.report
	}
	if !x.readable(readEntry(result.Entries[0])) {
		return x.report
	}
	if d.delegate == nil {
		x.writable(result.Entries[0].DN)
	} else {
		err := d.delegate.reach(ctx)
		x.say(err == nil, "changes by "+d.delegate.name(), fmt.Sprint("check delegate: ", err))
	}
	x.known()
	x.grouped()
	x.indexed()
	x.listed()
	return x.report
}

// based says whether the base is where it should be, on every server.
func (x *examination) based() bool {
	what := "base " + x.base
	err := x.Ping(x.ctx)
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultReferral):
		return x.say(false, what, "another server holds it: write that one in urls")
	case err != nil:
		return x.say(false, what, err.Error())
	}
	return x.say(len(x.without) == 0, what, fmt.Sprintf("%s has none, or %s may not read it there: every server must hold the same accounts",
		strings.Join(x.without, ", "), x.reader.dn))
}

// readable says what of one account can be read, and reports whether it is one.
func (x *examination) readable(e entry) bool {
	names := x.schema.Attributes
	rights := "give " + x.reader.dn + " the right to read it, or set attributes."
	identified := x.say(len(e.all(names.ID)) == 1, "identifier "+names.ID+" has one value", rights+"id to another stable attribute")
	named := x.say(e.first(names.Login) != "", "login "+names.Login+" is readable", rights+"login")
	if !identified || !named {
		return false
	}
	for _, name := range x.schema.State {
		if name == "ppolicy" || name == "389ds" || name == "schac" {
			continue // only there while somebody is locked, or will leave
		}
		_, ok := sources[name].judge(e, terms{now: x.now(), lockout: x.lockout})
		x.say(ok, "account state ("+name+") is readable",
			fmt.Sprintf("entries without it count as %s: give %s the right to read %v, or set state and absentState", x.absent, x.reader.dn, sources[name].attributes))
	}
	x.say(len(e.all("userPassword")) == 0, "password hashes are not among what is read", "take userPassword out of the attributes")
	return true
}

// written are the attributes that are changed of an account.
func (x *examination) written() []string {
	out := []string{"userPassword"}
	if x.schema.PasswordChange == "ad" {
		out = []string{"unicodePwd"}
	}
	for _, name := range x.schema.State {
		switch name {
		case "supann":
			out = append(out, "supannRessourceEtat", "supannRessourceEtatDate")
		case "ent":
			out = append(out, "ESCOPersonEtatCompte")
		}
	}
	if name := x.schema.Attributes.Frozen; name != "" {
		out = append(out, name)
	}
	return out
}

// writable says whether the account that makes changes may make them. Nothing
// is changed: a value is deleted that nobody has, which is refused for the lack
// of the value only where the right is there.
func (x *examination) writable(dn string) {
	ctx, cancel := deadline(x.ctx, 4*x.timeout)
	defer cancel()
	c, err := x.dialer.open(ctx, forChanges, &x.writer, nil)
	if err != nil {
		x.say(false, "changes as "+x.writer.dn, "no server that takes changes answers: "+err.Error())
		return
	}
	defer c.retire()
	k := &desk{dir: x.dir, conn: c, ctx: ctx, dn: dn}
	var missing []string
	var elsewhere bool
	if x.schema.PasswordChange == "ad" { // to which a wrong old password is a guess
		missing = k.notEffective(x.written())
	} else {
		nobodys := "loge-check-" + secret.Random(16)
		for _, attribute := range x.written() {
			probe := goldap.NewModifyRequest(dn, nil)
			probe.Delete(attribute, []string{nobodys})
			err := k.modify(probe)
			elsewhere = elsewhere || goldap.IsErrorWithCode(err, goldap.LDAPResultReferral)
			if goldap.IsErrorAnyOf(err, goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform) {
				missing = append(missing, attribute)
			}
		}
	}
	if elsewhere {
		x.say(false, "changes as "+x.writer.dn, c.at.server.name+" holds a copy and sends changes elsewhere: write the server that takes them in urls, and this one in replicas")
		return
	}
	x.say(len(missing) == 0, "changes as "+x.writer.dn,
		fmt.Sprintf("it may not write %s of %s: give it the right, set writeDN to an account that has it, or set delegate", strings.Join(missing, ", "), dn))
}

// notEffective are those of the attributes that Active Directory does not list
// among those that this account may write (MS-ADTS 3.1.1.4.5.22).
func (k *desk) notEffective(attributes []string) []string {
	request := k.dir.look(k.dn, "(objectClass=*)", "allowedAttributesEffective")
	result, err := ask(k.ctx, k.dir.dialer, "search", func() (*goldap.SearchResult, error) { return k.conn.Search(request) })
	if err != nil || len(result.Entries) == 0 {
		return attributes
	}
	may := readEntry(result.Entries[0]).all("allowedAttributesEffective")
	return slices.DeleteFunc(slices.Clone(attributes), func(a string) bool {
		return slices.ContainsFunc(may, func(m string) bool { return strings.EqualFold(m, a) })
	})
}

// listedEnough is more accounts than any server shows by default to one who
// reads by pages: 500 (OpenLDAP), 2000 (389ds).
const listedEnough = 2500

// listed says whether a search through all accounts comes to its end, and who
// of those that it gives is none.
func (x *examination) listed() {
	seen, none := 0, 0
	var first error
	err := x.scan(x.ctx, directory.Query{}, func(found *goldap.Entry) bool {
		seen++
		if _, err := x.snapshot(found); err != nil && x.principal(found) == "" {
			if none++; first == nil {
				first = fmt.Errorf("%s: %w", found.DN, err)
			}
		}
		return seen < listedEnough
	})
	x.say(err == nil, "lists of accounts are read to their end", fmt.Sprint(err))
	if none > 0 {
		x.say(false, fmt.Sprintf("%d of %d entries are no accounts", none, seen), fmt.Sprint("give them what they lack, or leave them out by filter: ", first))
	}
}
