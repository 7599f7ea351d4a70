package ldap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

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
	mend := ""
	if err != nil {
		mend = unreached(err, "writeDN and writePassword")
	} else {
		defer c.retire()
		mend = x.mustChange(attempt, c, x.writer)
	}
	return x.say(mend == "", "bind as "+x.writer.dn, mend)
}

// mustChange says what to do about a password of a service account that is good
// for a change of itself only: servers accept it, and refuse what comes after.
func (x *examination) mustChange(ctx context.Context, c *conn, as credentials) string {
	result, err := ask(ctx, x.dialer, "bind", func() (*goldap.SimpleBindResult, error) {
		return c.SimpleBind(goldap.NewSimpleBindRequest(as.dn, as.password.Reveal(), []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}))
	})
	if errors.Is(bindOutcome(result, err), directory.ErrMustChange) {
		return "its password has expired, or must be changed: set a new one, and except the account from that policy (OpenLDAP: pwdPolicySubentry)"
	}
	return ""
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
		return what, unreached(err, "bindDN and bindPassword")
	}
	defer c.retire()
	if mend := x.mustChange(ctx, c, x.reader); mend != "" {
		return what, mend
	}
	base := x.look(x.base, "(objectClass=*)", "1.1")
	_, err = ask(ctx, x.dialer, "search", func() (*goldap.SearchResult, error) { return c.Search(base) })
	if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
		x.without = append(x.without, e.server.name)
	}
	if state, ok := c.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		left := state.PeerCertificates[0].NotAfter.Sub(x.now())
		what += fmt.Sprintf(", certificate good for %d days", int(left.Hours()/24))
	}
	if at, ok := x.clockOf(ctx, c); ok {
		if skew := at.Sub(x.now()).Abs(); skew > time.Minute {
			return what, fmt.Sprintf("its clock is %s from ours: check NTP on both", skew.Round(time.Second))
		}
		what += ", clock right"
	} else {
		what += ", clock not told"
	}
	return what, ""
}

// unreached is what to do about a connection that cannot be made; account are
// the keys of whose it is.
func unreached(err error, account string) string {
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
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired):
		return "it lets nobody in without TLS: write ldaps://, or ldap:// with startTLS: " + err.Error()
	case isAnswer(err) && !errors.Is(err, errNoStartTLS):
		return "check " + account + "; that the account is locked or disabled sounds the same: " + err.Error()
	case errors.Is(err, errNoAnswer), errors.As(err, &late) && late.Timeout():
		return "it does not answer in time: check that it runs, and the firewalls between: " + err.Error()
	case errors.Is(err, errNoTLS):
		return "no TLS is spoken at this port: write ldap:// with startTLS, or the port of ldaps (636): " + err.Error()
	case errors.Is(err, errNoStartTLS):
		return "it does not offer StartTLS: give it a certificate, or write ldaps:// if it listens for that: " + err.Error()
	case errors.Is(err, io.EOF):
		return "it hangs up: if that is the port of TLS (636), write ldaps:// without startTLS: " + err.Error()
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
