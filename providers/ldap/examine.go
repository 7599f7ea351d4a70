package ldap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
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
	if err := d.Ping(ctx); !x.say(err == nil, "base "+d.base, fmt.Sprint(err)) {
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
	x.readable(readEntry(result.Entries[0]))
	if d.delegate == nil {
		x.writable(result.Entries[0].DN)
	}
	x.known()
	x.grouped()
	x.indexed()
	x.listed()
	return x.report
}

// servers reports whether some server answers.
func (x *examination) servers() bool {
	answered := false
	for _, s := range x.dialer.servers(forAccounts) {
		resolve, cancel := deadline(x.ctx, x.timeout)
		at, err := s.endpoints(resolve, x.dialer.resolver)
		cancel()
		if err != nil {
			x.say(false, "server "+s.name, "check urls and the DNS: "+err.Error())
		}
		for _, e := range at {
			what, mend := x.reach(e)
			answered = x.say(mend == "", what, mend) || answered
		}
	}
	return answered
}

func (x *examination) writerBinds() bool {
	if x.writer == x.reader {
		return true
	}
	attempt, cancel := deadline(x.ctx, x.timeout)
	defer cancel()
	c, err := x.dialer.open(attempt, forChanges, &x.writer, nil)
	if x.say(err == nil, "bind as "+x.writer.dn, fmt.Sprint("check writeDN and writePassword: ", err)) {
		c.retire()
	}
	return err == nil
}

// readable says what of one account can be read.
func (x *examination) readable(e entry) {
	names := x.schema.Attributes
	rights := "give " + x.reader.dn + " the right to read it, or set attributes."
	x.say(len(e.all(names.ID)) == 1, "identifier "+names.ID+" has one value", rights+"id to another stable attribute")
	x.say(e.first(names.Login) != "", "login "+names.Login+" is readable", rights+"login")
	for _, name := range x.schema.State {
		if name == "ppolicy" || name == "389ds" || name == "schac" {
			continue // only there while somebody is locked, or will leave
		}
		_, ok := sources[name].judge(e, terms{now: x.now(), lockout: x.lockout})
		x.say(ok, "account state ("+name+") is readable",
			fmt.Sprintf("entries without it count as %s: give %s the right to read %v, or set state and absentState", x.absent, x.reader.dn, sources[name].attributes))
	}
	x.say(len(e.all("userPassword")) == 0, "password hashes are not among what is read", "take userPassword out of the attributes")
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
	if x.schema.PasswordChange == "ad" { // to which a wrong old password is a guess
		missing = k.notEffective(x.written())
	} else {
		nobodys := "loge-check-" + secret.Random(16)
		for _, attribute := range x.written() {
			probe := goldap.NewModifyRequest(dn, nil)
			probe.Delete(attribute, []string{nobodys})
			if goldap.IsErrorAnyOf(k.modify(probe), goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultReferral) {
				missing = append(missing, attribute)
			}
		}
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

// Of a look-up without an index, which reads every entry.
const (
	slowLookup  = time.Millisecond
	slowerThan  = 8 // times the reading of one entry
	lookupTries = 5 // of which the fastest counts
)

// indexed says which look-ups make the server read every entry. That can only
// be seen by the time it takes, so a small directory never shows it.
func (x *examination) indexed() {
	one := x.fastest(x.look(x.base, "(objectClass=*)", "1.1"))
	var slow []string
	mend := "index for equality, on the server: "
	all := append(slices.Clone(x.lookup), lookup{attribute: x.schema.Attributes.ID})
	for _, where := range x.searched.exact {
		l := lookup{attribute: attributeOf(where)}
		if !slices.ContainsFunc(all, func(o lookup) bool { return o.attribute == l.attribute }) {
			all = append(all, l)
		}
	}
	for _, l := range all {
		request := x.request(l.filter("nobody.has.this.value"))
		if took := x.fastest(request); took > slowLookup && took > slowerThan*one {
			slow = append(slow, fmt.Sprintf("%s (%d ms)", l.attribute, took.Milliseconds()))
			if l.rule != "" && l.rule != usualCases {
				mend = "write :usualCases in place of :" + l.rule + ", which no index serves; " + mend
			}
		}
	}
	x.say(len(slow) == 0, "look-ups use an index", mend+strings.Join(slow, ", "))
}

// listedEnough is more accounts than any server shows by default to one who
// reads by pages: 500 (OpenLDAP), 2000 (389ds).
const listedEnough = 2500

// listed says whether a search through all accounts comes to its end.
func (x *examination) listed() {
	seen := 0
	err := x.Search(x.ctx, directory.Query{}, func(account.Account) bool {
		seen++
		return seen < listedEnough
	})
	x.say(err == nil, "lists of accounts are read to their end", fmt.Sprint(err))
}

func (x *examination) fastest(request *goldap.SearchRequest) time.Duration {
	fastest := x.timeout
	for range lookupTries {
		ctx, cancel := deadline(x.ctx, x.timeout)
		began := time.Now()
		_, err := x.searches.search(ctx, request)
		cancel()
		if err != nil {
			return 0 // said elsewhere
		}
		fastest = min(fastest, time.Since(began))
	}
	return fastest
}

// reach connects to one address as the account that searches and says how.
func (x *examination) reach(e *endpoint) (what, mend string) {
	what = e.server.name
	if !strings.Contains(e.address, e.host) {
		what += " (" + e.address + ")"
	}
	what += ": bind as " + x.reader.dn
	switch {
	case e.server.tls == nil:
		what += ", in the clear"
	case e.server.startTLS:
		what += ", StartTLS"
	default:
		what += ", TLS"
	}
	ctx, cancel := deadline(x.ctx, x.timeout)
	defer cancel()
	c, err := x.dialer.connect(ctx, e, forAccounts, &x.reader)
	if err != nil {
		return what, unreached(err)
	}
	defer c.retire()
	if state, ok := c.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		left := state.PeerCertificates[0].NotAfter.Sub(x.now())
		what += fmt.Sprintf(", certificate good for %d days", int(left.Hours()/24))
	}
	if at, ok := x.clockOf(ctx, c); ok {
		if skew := at.Sub(x.now()).Abs(); skew > time.Minute {
			return what, fmt.Sprintf("its clock is %s from ours: check NTP on both", skew.Round(time.Second))
		}
		what += ", clock right"
	}
	return what, ""
}

// unreached is what to do about a connection that cannot be made.
func unreached(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var late net.Error
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by an authority that is not known here: set ca to the file of that authority's certificate"
	case errors.As(err, &name):
		return "its certificate is for another name: write that name in urls, or set serverName to it: " + err.Error()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or our clock is wrong: renew it: " + err.Error()
	case goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials):
		return "check bindDN and bindPassword: " + err.Error()
	case errors.Is(err, errNoAnswer), errors.As(err, &late) && late.Timeout():
		return "it does not answer in time: check that it runs, and the firewalls between: " + err.Error()
	case errors.Is(err, errNoTLS):
		return "no TLS is spoken at this port: write ldap:// with startTLS, or the port of ldaps (636): " + err.Error()
	case errors.Is(err, errNoStartTLS):
		return "it does not offer StartTLS: give it a certificate, or write ldaps:// if it listens for that: " + err.Error()
	}
	return "check urls and startTLS, and that the server runs: " + err.Error()
}

// clocks are where servers tell their time: Active Directory, 389ds, and
// OpenLDAP with a monitor database.
var clocks = []struct{ dn, attribute string }{
	{"", "currentTime"}, {"cn=monitor", "currentTime"}, {"cn=Current,cn=Time,cn=Monitor", "monitorTimestamp"},
}

// clockOf reads the clock of a server, when it tells.
func (x *examination) clockOf(ctx context.Context, c *conn) (time.Time, bool) {
	for _, clock := range clocks {
		request := x.look(clock.dn, "(objectClass=*)", clock.attribute)
		found, err := ask(ctx, x.dialer, "search", func() (*goldap.SearchResult, error) { return c.Search(request) })
		if err == nil && len(found.Entries) == 1 {
			if at, err := generalizedTime(readEntry(found.Entries[0]).first(clock.attribute)); err == nil {
				return at, true
			}
		}
	}
	return time.Time{}, false
}
