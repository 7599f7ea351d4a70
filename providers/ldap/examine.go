package ldap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

// Ping implements directory.Pinger: the service account reads the base.
func (d *dir) Ping(ctx context.Context) error {
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	_, err := d.searches.search(ctx, d.look(d.base, "(objectClass=*)", "1.1"))
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject):
		return fmt.Errorf("ldap: base %s does not exist, or %s may not read it", d.base, d.reader.dn)
	case err != nil:
		return unavailable("ping", err)
	}
	return nil
}

// look reads one entry by DN.
func (d *dir) look(dn, filter string, attributes ...string) *goldap.SearchRequest {
	return goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, 0, false, filter, attributes, nil)
}

// Examine implements directory.Examiner.
func (d *dir) Examine(ctx context.Context) []directory.Finding {
	var report []directory.Finding
	say := func(ok bool, what, mend string) bool {
		if ok {
			mend = ""
		}
		report = append(report, directory.Finding{OK: ok, What: what, Mend: mend})
		return ok
	}
	for _, s := range d.dialer.servers(forAccounts) {
		at, err := s.endpoints(ctx, d.dialer.resolver)
		if err != nil {
			say(false, "server "+s.name, "check urls and the DNS: "+err.Error())
		}
		for _, e := range at {
			what, mend := d.reach(ctx, e, d.reader)
			say(mend == "", what, mend)
		}
	}
	if d.writer != d.reader {
		attempt, cancel := deadline(ctx, d.timeout)
		c, err := d.dialer.open(attempt, forChanges, &d.writer)
		cancel()
		if say(err == nil, "bind as "+d.writer.dn, fmt.Sprint("check writeDN and writePassword: ", err)) {
			c.retire()
		}
	}
	err := d.Ping(ctx)
	if !say(err == nil, "base "+d.base, fmt.Sprint(err)) {
		return report
	}
	search, cancel := deadline(ctx, d.timeout)
	defer cancel()
	request := d.request("")
	request.SizeLimit, request.EnforceSizeLimit = 1, false
	result, err := d.searches.search(search, request)
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) || len(result.Entries) == 0 {
		say(false, "an account matching "+d.schema.Filter, "none is visible: check preset, filter, base and the rights of "+d.reader.dn)
		return report
	}
	d.examineEntry(readEntry(result.Entries[0]), say)
	// A server that has to read every entry shows it by the time it takes; that
	// is all that can be seen from outside.
	began := time.Now()
	_, _ = d.Find(ctx, "nobody.has.this.login")
	took := time.Since(began)
	say(took < 250*time.Millisecond, fmt.Sprintf("look-up of an unknown login: %d ms", took.Milliseconds()),
		fmt.Sprintf("index the look-up attributes %v for equality, and write :usualCases in place of :caseIgnoreMatch", d.schema.Attributes.Lookup))
	return report
}

// examineEntry says what of one account can be read.
func (d *dir) examineEntry(e entry, say func(ok bool, what, mend string) bool) {
	names := d.schema.Attributes
	rights := "give " + d.reader.dn + " the right to read it, or set attributes."
	say(len(e.all(names.ID)) == 1, "identifier "+names.ID+" has one value", rights+"id to another stable attribute")
	say(e.first(names.Login) != "", "login "+names.Login+" is readable", rights+"login")
	for _, name := range d.schema.State {
		if name == "ppolicy" {
			continue // only there while somebody is locked
		}
		_, ok := sources[name].judge(e, d.now(), d.lockout)
		say(ok, "account state ("+name+") is readable",
			fmt.Sprintf("entries without it count as %s: give %s the right to read %v, or set state and absentState", d.absent, d.reader.dn, sources[name].attributes))
	}
	say(len(e.all("userPassword")) == 0, "password hashes are not among what is read", "take userPassword out of the attributes")
}

// reach connects to one server as a service account and says how.
func (d *dir) reach(ctx context.Context, e *endpoint, as credentials) (what, mend string) {
	what = e.server.name
	if !strings.Contains(e.address, e.host) {
		what += " (" + e.address + ")"
	}
	what += ": bind as " + as.dn
	switch {
	case e.server.tls == nil:
		what += ", in the clear"
	case e.server.startTLS:
		what += ", StartTLS"
	default:
		what += ", TLS"
	}
	ctx, cancel := deadline(ctx, d.timeout)
	defer cancel()
	c, err := d.dialer.connect(ctx, e, &as)
	if err != nil {
		return what, "check urls, ca, bindDN and bindPassword: " + err.Error()
	}
	defer c.retire()
	if state, ok := c.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		left := state.PeerCertificates[0].NotAfter.Sub(d.now())
		what += fmt.Sprintf(", certificate good for %d days", int(left.Hours()/24))
	}
	request := d.look("", "(objectClass=*)", "currentTime") // Active Directory's clock
	root, err := await(ctx, func() (*goldap.SearchResult, error) { return c.Search(request) })
	if err == nil && len(root.Entries) == 1 {
		if at, err := generalizedTime(readEntry(root.Entries[0]).first("currentTime")); err == nil {
			if skew := at.Sub(d.now()).Abs(); skew > time.Minute {
				return what, fmt.Sprintf("its clock is %s from ours: check NTP on both", skew.Round(time.Second))
			}
		}
	}
	return what, ""
}
