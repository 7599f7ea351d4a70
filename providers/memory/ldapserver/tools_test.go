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
		{name: "who is nobody", program: "ldapwhoami", says: "anonymous"},
		{name: "wrong password", program: "ldapwhoami", as: person, password: "wrong", code: 49},
		{name: "search", program: "ldapsearch", as: writer, password: "write", says: "mail: elodie.lefevre@", silent: "userPassword",
			arguments: []string{"-b", suffix, "(&(objectClass=supannPerson)(supannEtuId=22401001))"}},
		{name: "search by pages", program: "ldapsearch", as: writer, password: "write",
			arguments: []string{"-LLL", "-b", "ou=people," + suffix, "-E", "!pr=5/noprompt", "(uid=*)", "uid"}, lines: 29},
		{name: "operational attributes", program: "ldapsearch", as: writer, password: "write", says: "entryUUID: ",
			arguments: []string{"-b", person, "-s", "base", "+"}},
		{name: "rootDSE", program: "ldapsearch", as: writer, password: "write", says: "supportedExtension: 1.3.6.1.4.1.4203.1.11.1",
			arguments: []string{"-b", "", "-s", "base"}},
		{name: "what there is", program: "ldapsearch", as: writer, password: "write", says: "namingContexts: " + suffix + "\n",
			arguments: []string{"-b", "", "-s", "base", "namingContexts"}},
		{name: "a person is what an inetOrgPerson stands on", program: "ldapsearch", as: writer, password: "write",
			arguments: []string{"-LLL", "-b", suffix, "(&(objectClass=top)(objectClass=organizationalPerson)(objectClass=person))", "uid"}, lines: 29},
		{name: "a rule of the server's", program: "ldapsearch", as: writer, password: "write", lines: 1,
			arguments: []string{"-LLL", "-b", suffix, "(supannAliasLogin:caseIgnoreMatch:=elodie.LEFEVRE)", "uid"}},
		{name: "names without values", program: "ldapsearch", as: writer, password: "write", says: "mail:\n", silent: "elodie",
			arguments: []string{"-LLL", "-A", "-b", person, "-s", "base", "(objectClass=*)", "mail"}},
		{name: "entries without attributes", program: "ldapsearch", as: writer, password: "write", says: "dn: " + person, silent: "mail",
			arguments: []string{"-LLL", "-b", person, "-s", "base", "(objectClass=*)", "1.1"}},
		{name: "more than a limit", program: "ldapsearch", as: writer, password: "write", code: 4, says: "uid: elefevre",
			arguments: []string{"-z", "2", "-b", suffix, "(uid=*)", "uid"}},
		{name: "nowhere", program: "ldapsearch", as: writer, password: "write", code: 32,
			arguments: []string{"-b", "ou=nowhere," + suffix}},
		{name: "no name", program: "ldapsearch", as: writer, password: "write", code: 34,
			arguments: []string{"-b", "nowhere"}},
		{name: "others are nothing to a person", program: "ldapsearch", as: person, password: "Valmont-elefevre-2026", code: 50,
			arguments: []string{"-b", suffix}},
		{name: "their own entry is", program: "ldapsearch", as: person, password: "Valmont-elefevre-2026", lines: 1,
			arguments: []string{"-LLL", "-b", person, "uid"}},
		{name: "compare, the same", program: "ldapcompare", as: writer, password: "write", code: 6, says: "TRUE", arguments: []string{person, "mail:ELODIE.lefevre@etu.univ-valmont.example"}},
		{name: "compare, another", program: "ldapcompare", as: writer, password: "write", code: 5, says: "FALSE", arguments: []string{person, "mail:somebody@univ-valmont.example"}},
		{name: "compare, of a group", program: "ldapcompare", as: writer, password: "write", code: 6, arguments: []string{"cn=helpdesk-n1,ou=groups," + suffix, "member: uid=u.assist, ou=people, " + suffix}},
		{name: "compare, no such attribute", program: "ldapcompare", as: writer, password: "write", code: 16, arguments: []string{person, "pager:1"}},
		{name: "compare, a password", program: "ldapcompare", as: writer, password: "write", code: 16, arguments: []string{person, "userPassword:Valmont-elefevre-2026"}},
		{name: "compare, nobody", program: "ldapcompare", as: writer, password: "write", code: 32, arguments: []string{"uid=nobody,ou=people," + suffix, "uid:nobody"}},
		{name: "compare, by a person", program: "ldapcompare", as: person, password: "Valmont-elefevre-2026", code: 50, arguments: []string{"uid=jdupont,ou=people," + suffix, "uid:jdupont"}},
		{name: "modify", program: "ldapmodify", as: writer, password: "write",
			stdin: "dn: " + person + "\nchangetype: modify\ndelete: supannMailPrive\nsupannMailPrive: {SECOURS}elodie.l@example.org\n-\nadd: supannMailPrive\nsupannMailPrive: {SECOURS}new@example.org\n"},
		{name: "a stale modify", program: "ldapmodify", as: writer, password: "write", code: 16,
			stdin: "dn: " + person + "\nchangetype: modify\ndelete: supannMailPrive\nsupannMailPrive: {SECOURS}elodie.l@example.org\n"},
		{name: "modify without the right", program: "ldapmodify", as: person, password: "Valmont-elefevre-2026", code: 50,
			stdin: "dn: " + person + "\nchangetype: modify\nreplace: sn\nsn: Other\n"},
		{name: "add", program: "ldapadd", as: writer, password: "write",
			stdin: "dn: uid=new,ou=people," + suffix + "\nobjectClass: inetOrgPerson\ncn: New\nsn: New\n"},
		{name: "its own name is in it", program: "ldapsearch", as: writer, password: "write", lines: 1, arguments: []string{"-LLL", "-b", suffix, "uid=new", "uid"}},
		{name: "add, again", program: "ldapadd", as: writer, password: "write", code: 68,
			stdin: "dn: uid=new,ou=people," + suffix + "\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n"},
		{name: "add, below nothing", program: "ldapadd", as: writer, password: "write", code: 32,
			stdin: "dn: uid=new,ou=nowhere," + suffix + "\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n"},
		{name: "delete, with what is below", program: "ldapdelete", as: writer, password: "write", code: 66, arguments: []string{"ou=people," + suffix}},
		{name: "rename", program: "ldapmodrdn", as: writer, password: "write", arguments: []string{"-r", "uid=new,ou=people," + suffix, "uid=newer"}},
		{name: "delete", program: "ldapdelete", as: writer, password: "write", arguments: []string{"uid=newer,ou=people," + suffix}},
		{name: "new password, without the old one", program: "ldappasswd", as: person, password: "Valmont-elefevre-2026", code: 1, says: "(53)",
			arguments: []string{"-a", "wrong", "-s", "chosen"}},
		{name: "new password, by the person", program: "ldappasswd", as: person, password: "Valmont-elefevre-2026",
			arguments: []string{"-a", "Valmont-elefevre-2026", "-s", "chosen"}},
		{name: "one that is made up", program: "ldappasswd", as: writer, password: "write", says: "New password: ", arguments: []string{"uid=jdupont,ou=people," + suffix}},
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
