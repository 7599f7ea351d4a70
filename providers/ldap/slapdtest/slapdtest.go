// Package slapdtest runs a real OpenLDAP server for tests and examples: on a
// free port of this machine, in a temporary folder, gone with its parent.
package slapdtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// Options are what the server holds and how it behaves.
type Options struct {
	// Trees are the databases.
	Trees []Tree
	// Schema is put on top of core, cosine and inetorgperson.
	Schema string
	// Index are more attributes to index than uid, mail and entryUUID, each
	// with the kinds: "supannAliasLogin eq,pres".
	Index []string
	// Policy is the password policy of every tree, as attributes of a
	// pwdPolicy entry: "pwdLockout: TRUE\npwdMaxFailure: 5". Empty: none.
	Policy string
	// Password, if set, is the scheme of new passwords, "{SSHA}" by default.
	Hash string
	// TLS makes the server offer StartTLS and listen for ldaps too, with a
	// certificate for localhost of an authority made for the occasion.
	TLS bool
	// Expired makes that certificate one of an hour ago.
	Expired bool
	// Provides lets other servers copy the trees.
	Provides bool
	// CopyOf is the URL of a server that provides the trees. They begin empty
	// and follow what is changed there; their LDIF is not loaded.
	CopyOf string
	// NoPages leaves the service accounts the server's default limit of
	// results; else they may read any number by pages.
	NoPages bool
	// AllowUnauthenticated accepts binds with a name and no password (RFC 4513
	// section 5.1.2), as careless servers do: to show that none is sent.
	AllowUnauthenticated bool
}

// Tree is one database. cn=idp-ro and cn=idp-rw under its ou=services may
// read, and read and write.
type Tree struct {
	Suffix string
	LDIF   []byte
}

// Server is a running slapd.
type Server struct {
	// URL is where it listens, like ldap://127.0.0.1:40123; Address the same
	// without the scheme.
	URL, Address string
	// SecureURL is the ldaps:// one, and CA the file of the certificate that
	// signs the server's; with TLS only.
	SecureURL, CA string

	folder  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// RootPassword is that of the administrator of every tree, cn=root,<suffix>.
const RootPassword = "root-of-a-scratch-server"

// Start launches a server until the test ends. Without slapd the test is
// skipped, or fails where CI is set: there nothing may be skipped.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Launch(o)
	var missing *exec.Error
	switch {
	case errors.As(err, &missing) && os.Getenv("CI") == "":
		t.Skipf("%v: install slapd and ldap-utils", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Launch starts a server and returns when it answers. It ends by Stop, or with
// this process.
func Launch(o Options) (*Server, error) {
	slapd, err := program("slapd")
	if err != nil {
		return nil, err
	}
	slapadd, err := program("slapadd")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "slapdtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, ended: make(chan struct{})}
	if err := s.launch(slapd, slapadd, o); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func program(name string) (string, error) {
	if path := filepath.Join("/usr/sbin", name); isFile(path) {
		return path, nil
	}
	return exec.LookPath(name)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (s *Server) launch(slapd, slapadd string, o Options) error {
	if o.TLS {
		s.CA = filepath.Join(s.folder, "ca.pem")
		good := 24 * time.Hour
		if o.Expired {
			good = -time.Hour
		}
		if err := writeCertificates(s.folder, time.Now().Add(good)); err != nil {
			return err
		}
	}
	conf := filepath.Join(s.folder, "slapd.conf")
	if err := s.configure(conf, o); err != nil {
		return err
	}
	for i, tree := range o.Trees {
		if o.CopyOf != "" {
			break
		}
		load := exec.Command(slapadd, "-f", conf, "-b", tree.Suffix, "-w", "-q")
		load.Stdin = bytes.NewReader(append(tree.LDIF, policyLDIF(tree.Suffix, o.Policy)...))
		if out, err := load.CombinedOutput(); err != nil {
			return fmt.Errorf("slapadd of tree %d: %w\n%s", i, err, out)
		}
	}
	// Two servers can pick one port between Listen and slapd's own bind: the
	// loser exits, and picks again.
	var err error
	for range 5 {
		if err = s.listen(slapd, conf, o.TLS); err == nil {
			return nil
		}
	}
	return err
}

func (s *Server) listen(slapd, conf string, secure bool) error {
	addresses, err := freePorts(2)
	if err != nil {
		return err
	}
	s.Address, s.URL = addresses[0], "ldap://"+addresses[0]
	urls := s.URL
	if secure {
		s.SecureURL = "ldaps://" + addresses[1]
		urls += " " + s.SecureURL
	}
	s.output.Reset()
	s.process = exec.Command(slapd, "-f", conf, "-h", urls, "-d", "0")
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	// Nothing outlives a test that was killed.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		s.process.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if c, err := net.Dial("tcp", s.Address); err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("slapd ended: %s\n%s", s.process.ProcessState, s.output.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.kill()
	return errors.New("slapd does not answer")
}

func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// Pause makes the server accept and never answer, until Resume. It returns
// when every thread has stopped.
func (s *Server) Pause() {
	s.process.Process.Signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(5 * time.Second); !s.stopped() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// stopped reads the state of each thread, the field after "(slapd)" of
// proc(5).
func (s *Server) stopped() bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.process.Process.Pid))
	for _, task := range tasks {
		stat, err := os.ReadFile(task)
		if err == nil && !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return true
}

// Resume lets it go on.
func (s *Server) Resume() { s.process.Process.Signal(syscall.SIGCONT) }

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	s.kill()
	os.RemoveAll(s.folder)
}

func (s *Server) kill() {
	if s.process != nil && s.process.Process != nil {
		s.process.Process.Kill()
		<-s.ended
	}
}

func (s *Server) configure(path string, o Options) error {
	if err := os.WriteFile(filepath.Join(s.folder, "people.schema"), []byte(o.Schema), 0o600); err != nil {
		return err
	}
	for _, tree := range o.Trees {
		if err := os.MkdirAll(filepath.Join(s.folder, tree.Suffix), 0o700); err != nil {
			return err
		}
	}
	schemas := "/etc/ldap/schema"
	if _, err := os.Stat(schemas); err != nil {
		schemas = "/etc/openldap/schema"
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return configuration.Execute(file, map[string]any{
		"Options": o, "Folder": s.folder, "Schemas": schemas, "Root": RootPassword,
	})
}

// configuration is slapd.conf(5). The access rules are what the manual tells
// administrators to give the service accounts.
var configuration = template.Must(template.New("slapd.conf").Parse(`include {{.Schemas}}/core.schema
include {{.Schemas}}/cosine.schema
include {{.Schemas}}/inetorgperson.schema
include {{.Folder}}/people.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload back_monitor
{{if .Options.Provides}}moduleload syncprov
{{end}}pidfile {{.Folder}}/slapd.pid
password-hash {{or .Options.Hash "{SSHA}"}}
{{if .Options.AllowUnauthenticated}}allow bind_anon_cred bind_anon_dn
{{end}}{{if .Options.TLS}}TLSCACertificateFile {{.Folder}}/ca.pem
TLSCertificateFile {{.Folder}}/server.pem
TLSCertificateKeyFile {{.Folder}}/server.key
{{end}}{{range .Options.Trees}}
database mdb
suffix "{{.Suffix}}"
directory "{{$.Folder}}/{{.Suffix}}"
rootdn "cn=root,{{.Suffix}}"
rootpw {{$.Root}}
maxsize 1073741824
dbnosync
index objectClass eq
index uid,mail,entryUUID eq
{{if not $.Options.NoPages}}limits dn.onelevel="ou=services,{{.Suffix}}" size.prtotal=unlimited
{{end}}{{range $.Options.Index}}index {{.}}
{{end}}access to attrs=userPassword
  by dn.exact="cn=idp-rw,ou=services,{{.Suffix}}" write
  by self =wx
  by anonymous auth
  by * none
access to *
  by dn.exact="cn=idp-rw,ou=services,{{.Suffix}}" manage
  by dn.exact="cn=idp-ro,ou=services,{{.Suffix}}" read
  by * none
{{if $.Options.CopyOf}}syncrepl rid=001 provider={{$.Options.CopyOf}} searchbase="{{.Suffix}}" type=refreshAndPersist retry="1 +"
  bindmethod=simple binddn="cn=root,{{.Suffix}}" credentials={{$.Root}}
updateref {{$.Options.CopyOf}}
{{end}}{{if $.Options.Provides}}index entryCSN eq
overlay syncprov
{{end}}{{if $.Options.Policy}}overlay ppolicy
ppolicy_default "cn=default,ou=policies,{{.Suffix}}"
{{end}}{{end}}
database monitor
access to dn.subtree="cn=Time,cn=Monitor" by users read by * none
access to * by * none
`))

func policyLDIF(suffix, policy string) string {
	if policy == "" {
		return ""
	}
	return strings.NewReplacer("SUFFIX", suffix, "POLICY", strings.TrimSpace(policy)).Replace(`
dn: ou=policies,SUFFIX
objectClass: organizationalUnit
ou: policies

dn: cn=default,ou=policies,SUFFIX
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
POLICY
`)
}
