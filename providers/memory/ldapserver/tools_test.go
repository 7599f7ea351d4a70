package ldapserver_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"
)

// The programs of OpenLDAP take the server for an LDAP server.
func TestTools(t *testing.T) {
	if _, err := exec.LookPath("ldapsearch"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v: install ldap-utils", err)
	}
	const (
		suffix = fixtures.UniversitySuffix
		person = "uid=elefevre,ou=people," + suffix
	)
	writer := fixtures.WriterDN(suffix)
	server := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema), []string{fixtures.ReaderDN(suffix)}, []string{writer})
	if err := server.Load(fixtures.University(fixtures.Clock, fixtures.Services{Reader: "read", Writer: "write"})); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve ended: %v", err)
		}
		server.Close()
	})

	// run is a program's exit status, which is LDAP's result code, and what it
	// said.
	run := func(stdin, program, as, password string, arguments ...string) (int, string) {
		t.Helper()
		command := exec.Command(program, append([]string{"-x", "-H", "ldap://" + l.Addr().String(), "-D", as, "-w", password}, arguments...)...)
		command.Stdin = strings.NewReader(stdin)
		command.Env = append(os.Environ(), "LDAPNOINIT=1")
		out, err := command.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return command.ProcessState.ExitCode(), string(out)
	}
	for _, c := range []struct {
		name           string
		stdin, program string
		as, password   string
		arguments      []string
		code           int
		says, silent   string
		lines          int // that begin with "uid: "
	}{
		{name: "who am I", program: "ldapwhoami", as: person, password: "Valmont-elefevre-2026", says: "dn:" + person},
		{name: "wrong password", program: "ldapwhoami", as: person, password: "wrong", code: 49},
		{name: "search", program: "ldapsearch", as: writer, password: "write", says: "mail: elodie.lefevre@", silent: "userPassword",
			arguments: []string{"-b", suffix, "(&(objectClass=supannPerson)(supannEtuId=22401001))"}},
		{name: "search by pages", program: "ldapsearch", as: writer, password: "write",
			arguments: []string{"-LLL", "-b", "ou=people," + suffix, "-E", "!pr=5/noprompt", "(uid=*)", "uid"}, lines: 29},
		{name: "operational attributes", program: "ldapsearch", as: writer, password: "write", says: "entryUUID: ",
			arguments: []string{"-b", person, "-s", "base", "+"}},
		{name: "rootDSE", program: "ldapsearch", as: writer, password: "write", says: "supportedExtension: 1.3.6.1.4.1.4203.1.11.1",
			arguments: []string{"-b", "", "-s", "base"}},
		{name: "nothing for a person", program: "ldapsearch", as: person, password: "Valmont-elefevre-2026", code: 50,
			arguments: []string{"-b", suffix}},
		{name: "modify", program: "ldapmodify", as: writer, password: "write",
			stdin: "dn: " + person + "\nchangetype: modify\ndelete: supannMailPrive\nsupannMailPrive: {SECOURS}elodie.l@example.org\n-\nadd: supannMailPrive\nsupannMailPrive: {SECOURS}new@example.org\n"},
		{name: "a stale modify", program: "ldapmodify", as: writer, password: "write", code: 16,
			stdin: "dn: " + person + "\nchangetype: modify\ndelete: supannMailPrive\nsupannMailPrive: {SECOURS}elodie.l@example.org\n"},
		{name: "modify without the right", program: "ldapmodify", as: person, password: "Valmont-elefevre-2026", code: 50,
			stdin: "dn: " + person + "\nchangetype: modify\nreplace: sn\nsn: Other\n"},
		{name: "add", program: "ldapadd", as: writer, password: "write",
			stdin: "dn: uid=new,ou=people," + suffix + "\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n"},
		{name: "rename", program: "ldapmodrdn", as: writer, password: "write", arguments: []string{"-r", "uid=new,ou=people," + suffix, "uid=newer"}},
		{name: "delete", program: "ldapdelete", as: writer, password: "write", arguments: []string{"uid=newer,ou=people," + suffix}},
		{name: "new password, without the old one", program: "ldappasswd", as: person, password: "Valmont-elefevre-2026", code: 1, says: "(53)",
			arguments: []string{"-a", "wrong", "-s", "chosen"}},
		{name: "new password, by the person", program: "ldappasswd", as: person, password: "Valmont-elefevre-2026",
			arguments: []string{"-a", "Valmont-elefevre-2026", "-s", "chosen"}},
		{name: "another, by an administrator", program: "ldappasswd", as: writer, password: "write", arguments: []string{"-s", "given", person}},
		{name: "of somebody else", program: "ldappasswd", as: person, password: "given", code: 1, says: "(50)",
			arguments: []string{"-s", "mine", "uid=jdupont,ou=people," + suffix}},
		{name: "with the new password", program: "ldapwhoami", as: person, password: "given", says: "dn:" + person},
	} {
		code, said := run(c.stdin, c.program, c.as, c.password, c.arguments...)
		if code != c.code || !strings.Contains(said, c.says) || c.silent != "" && strings.Contains(said, c.silent) ||
			c.lines != 0 && strings.Count(said, "\nuid: ") != c.lines {
			t.Errorf("%s: exit %d, want %d\n%s", c.name, code, c.code, said)
		}
	}
}
