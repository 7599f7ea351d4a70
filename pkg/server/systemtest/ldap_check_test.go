package systemtest_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// check runs loge check with one part of the configuration replaced and returns
// the lines about the directory.
func (w *world) check(t *testing.T, from, to string) (lines []string) {
	t.Helper()
	if !strings.Contains(configuration, from) {
		t.Fatalf("the configuration has no %q", from)
	}
	if err := os.WriteFile(w.file(), []byte(strings.Replace(configuration, from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "check", "--config", w.file())
	cmd.Env = append(os.Environ(), w.environment()...)
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == "directory" {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%v:\n%s", err, out)
	}
	return lines
}

// multitude is the university with so many more people that a look-up without an
// index shows, or a list without an end.
func multitude(n int) slapdtest.Tree {
	ldif := bytes.Clone(university.LDIF)
	for i := range n {
		ldif = fmt.Appendf(ldif, "\ndn: uid=c%[1]d,ou=people,%[2]s\nobjectClass: inetOrgPerson\nobjectClass: eduPerson\nobjectClass: supannPerson\n"+
			"uid: c%[1]d\nsn: Foule\ncn: Foule %[1]d\neduPersonUniqueId: c%[1]d@univ-valmont.example\n", i, fixtures.UniversitySuffix)
	}
	return slapdtest.Tree{Suffix: university.Suffix, LDIF: ldif}
}

// tenMinutesLate stands before a server and puts the times that it tells back.
func tenMinutesLate(t *testing.T, to string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	now := regexp.MustCompile(`20[0-9]{12}Z`)
	pass := func(from, to net.Conn) {
		defer to.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			to.Write(now.ReplaceAllFunc(buffer[:n], func(told []byte) []byte {
				at, err := time.Parse("20060102150405Z", string(told))
				if err != nil {
					return told
				}
				return at.Add(-10*time.Minute).AppendFormat(nil, "20060102150405Z")
			}))
		}
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go pass(near, far)
			go pass(far, near)
		}
	}()
	return "ldap://" + l.Addr().String()
}

// Whatever is wrong with the directory is one line of loge check, with what to
// do about it.
func TestCheckExplainsTheDirectory(t *testing.T) {
	t.Parallel()
	w := newServers(t, university, configuration)
	options := func(o slapdtest.Options) slapdtest.Options {
		o.Schema = fixtures.Schema
		if o.Trees == nil {
			o.Trees, o.Index = []slapdtest.Tree{university}, fixtures.Index
		}
		return o
	}
	unindexed := slapdtest.Start(t, options(slapdtest.Options{Trees: []slapdtest.Tree{multitude(5000)}, Index: []string{"eduPersonPrincipalName eq", "eduPersonUniqueId eq"}}))
	limited := slapdtest.Start(t, options(slapdtest.Options{NoPages: true, Trees: []slapdtest.Tree{multitude(600)}, Index: fixtures.Index}))
	expired := slapdtest.Start(t, options(slapdtest.Options{TLS: true, Expired: true}))
	plain := slapdtest.Start(t, options(slapdtest.Options{}))
	silent := slapdtest.StartProxy(t, plain.Address)
	silent.Becomes(slapdtest.Silent)
	const (
		urls   = `urls: ["${env:LOGE_LDAP_PLAIN_URL}"]`
		base   = "base: ou=people,dc=univ-valmont,dc=example"
		writer = "  writeDN: cn=idp-rw,ou=services,dc=univ-valmont,dc=example\n  writePassword: ${env:LOGE_LDAP_WRITER}\n"
	)
	at := func(url, more string) string { return fmt.Sprintf("urls: [%q]%s", url, more) }
	for _, c := range []struct {
		name, from, to string
		want           []string // of the one line; none: all is well
	}{
		{"all well", urls, urls, nil},
		{"missing index", urls, at(unindexed.URL, ""), []string{"look-ups use an index", "supannAliasLogin", "index for equality"}},
		{"read-only account", writer, "", []string{"changes as cn=idp-ro", "may not write userPassword", "writeDN"}},
		{"wrong base", base, "base: ou=persons,dc=univ-valmont,dc=example", []string{"there is no ou=persons", "check base"}},
		{"untrusted certificate", urls, `urls: ["${env:LOGE_LDAP_URL}"]`, []string{"not known here", "set ca"}},
		{"expired certificate", urls, at(expired.SecureURL, "\n  ca: "+expired.CA), []string{"expired", "renew it"}},
		{"certificate of another name", urls, `urls: ["${env:LOGE_LDAP_URL}"]` + "\n  ca: ${env:LOGE_LDAP_CA}\n  serverName: ldap.univ-valmont.example", []string{"for another name", "serverName"}},
		{"clock ten minutes off", urls, at(tenMinutesLate(t, plain.Address), ""), []string{"clock is 10m", "NTP"}},
		{"host down", urls, at("ldap://127.0.0.1:1", ""), []string{"refused", "that the server runs"}},
		{"host silent", urls, at(silent.URL, ""), []string{"does not answer in time", "firewalls"}},
		{"unknown host", urls, at("ldaps://ldap.nowhere.invalid", ""), []string{"DNS"}},
		{"wrong bind password", "${env:LOGE_LDAP_READER}", "${env:LOGE_LDAP_WRITER}", []string{"bindDN and bindPassword"}},
		{"wrong password to write", "writePassword: ${env:LOGE_LDAP_WRITER}", "writePassword: ${env:LOGE_LDAP_READER}", []string{"writeDN and writePassword"}},
		{"StartTLS not offered", urls, at(plain.URL, "\n  startTLS: true"), []string{"does not offer StartTLS"}},
		{"ldaps on a plain port", urls, at(strings.Replace(plain.URL, "ldap:", "ldaps:", 1), ""), []string{"no TLS is spoken", "startTLS"}},
		{"attribute that nobody has", "  preset: supann", "  preset: supann\n  attributes: {id: supannRefId}", []string{"identifier supannRefId", "another stable attribute"}},
		{"schema of others", "  preset: supann", "  preset: ent-school", []string{"(objectClass=ENTPerson)", "check preset"}},
		{"size limit", urls, at(limited.URL, ""), []string{"lists of accounts", "size.prtotal=unlimited"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var faults []string
			for _, line := range w.check(t, c.from, c.to) {
				if !strings.HasPrefix(line, "ok ") {
					faults = append(faults, line)
				}
			}
			t.Log(strings.Join(faults, "\n"))
			if len(faults) != min(len(c.want), 1) {
				t.Fatalf("%d lines say that something is wrong", len(faults))
			}
			for _, want := range c.want {
				if !strings.Contains(faults[0], want) {
					t.Errorf("does not say %q", want)
				}
			}
		})
	}
}
