// Package ds389test runs a real 389 Directory Server for tests: on a socket in
// a temporary folder, gone with its parent.
package ds389test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options are what the server holds.
type Options struct {
	// Suffix names the one database, which is empty.
	Suffix string
	// Schema is put on top of the standard one, in OpenLDAP's notation.
	Schema string
}

// The administrator of the server.
const (
	RootDN       = "cn=Directory Manager"
	RootPassword = "root-of-a-scratch-server"
)

// Server is a running ns-slapd.
type Server struct {
	// Socket is where it listens (ldapi). 389ds changes passwords by RFC 3062
	// over protected connections only, of which this is one.
	Socket string

	folder  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// shared is what Debian installs and every instance begins with.
const shared = "/usr/share/dirsrv"

// Start launches a server until the test ends. Without ns-slapd the test is
// skipped, or fails where CI is set: there nothing may be skipped.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/ns-slapd")
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("%v: install 389-ds-base", err)
		}
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "ds389-") // short: the socket is in it
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{folder: folder, Socket: filepath.Join(folder, "run", "ldapi"), ended: make(chan struct{})}
	t.Cleanup(s.stop)
	if err := s.launch(program, o); err != nil {
		t.Fatal(err)
	}
	return s
}

// Dial connects to the server.
func (s *Server) Dial() (net.Conn, error) { return net.Dial("unix", s.Socket) }

func (s *Server) launch(program string, o Options) error {
	config, err := s.configure(o)
	if err != nil {
		return err
	}
	s.process = exec.Command(program, "-D", config, "-i", filepath.Join(s.folder, "pid"), "-d", "0")
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	// Nothing outlives a test that was killed.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		return err
	}
	go func() {
		s.process.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if c, err := s.Dial(); err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(s.folder, "log", "errors"))
			return fmt.Errorf("ns-slapd ended: %s\n%s%s", s.process.ProcessState, s.output.String(), log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("ns-slapd does not answer")
}

// configure makes the folders of an instance, its schema and its dse.ldif.
func (s *Server) configure(o Options) (config string, err error) {
	at := func(name string) string { return filepath.Join(s.folder, name) }
	config = at(filepath.Base(s.folder)) // after which the server names a semaphore of the machine
	for _, name := range []string{filepath.Base(config) + "/schema", "db", "home", "log", "run", "lock", "bak", "ldif", "inst", "tmp"} {
		if err := os.MkdirAll(at(name), 0o700); err != nil {
			return "", err
		}
	}
	schemas, err := filepath.Glob(shared + "/schema/*.ldif")
	if err != nil {
		return "", err
	}
	for _, from := range schemas {
		if filepath.Base(from) == "60eduperson.ldif" { // the schema of the tests has its own
			continue
		}
		if err := copyFile(filepath.Join(config, "schema", filepath.Base(from)), from); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(config, "schema/99user.ldif"), []byte(schemaLDIF(o.Schema)), 0o600); err != nil {
		return "", err
	}
	// Debian's own is for root and the server's user to read.
	if err := os.WriteFile(filepath.Join(config, "slapd-collations.conf"), []byte(`collation "" "" "" 1 3 2.16.840.1.113730.3.3.2.0.1 default`+"\n"), 0o600); err != nil {
		return "", err
	}
	dse, err := os.ReadFile(shared + "/data/template-dse.ldif")
	if err != nil {
		return "", err
	}
	account, err := user.Current()
	if err != nil {
		return "", err
	}
	filled := strings.NewReplacer(
		"%schema_dir%", filepath.Join(config, "schema"), "%config_dir%", config, "%cert_dir%", config,
		"%lock_dir%", at("lock"), "%tmp_dir%", at("tmp"), "%ldif_dir%", at("ldif"), "%bak_dir%", at("bak"),
		"%run_dir%", at("run"), "%inst_dir%", at("inst"), "%log_dir%", at("log"), "%db_dir%", at("db"),
		"%db_home_dir%", at("home"), "%db_lib%", "bdb", "%fqdn%", "localhost", "%ds_port%", "0", "%ds_user%", account.Username,
		"%rootdn%", RootDN, "%ds_passwd%", hash(RootPassword), "%ds_suffix%", o.Suffix,
		"%ldapi_enabled%", "on", "%ldapi%", s.Socket, "%ldapi_autobind%", "off",
	).Replace(string(dse))
	return config, os.WriteFile(filepath.Join(config, "dse.ldif"), []byte(strings.TrimSpace(filled)+"\n"+strings.ReplaceAll(database, "SUFFIX", o.Suffix)), 0o600)
}

// database is the backend of the suffix.
const database = `
dn: cn=userRoot,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userRoot
nsslapd-suffix: SUFFIX

dn: cn="SUFFIX",cn=mapping tree,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsMappingTree
cn: "SUFFIX"
nsslapd-state: backend
nsslapd-backend: userRoot
`

// hash is {SSHA}: its own configuration takes no password in the clear.
func hash(password string) string {
	const salt = "salt"
	sum := sha1.Sum([]byte(password + salt))
	return "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}

// schemaLDIF turns OpenLDAP's notation into that of RFC 4512.
func schemaLDIF(schema string) string {
	var out strings.Builder
	out.WriteString("dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\nobjectClass: subschema\ncn: schema\n")
	for line := range strings.SplitSeq(schema, "\n") {
		if definition, ok := strings.CutPrefix(line, "attributetype "); ok {
			out.WriteString("attributeTypes: " + definition + "\n")
		} else if definition, ok := strings.CutPrefix(line, "objectclass "); ok {
			out.WriteString("objectClasses: " + definition + "\n")
		}
	}
	return out.String()
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

func (s *Server) stop() {
	if s.process != nil && s.process.Process != nil {
		s.process.Process.Kill()
		<-s.ended
	}
	os.RemoveAll(s.folder)
	os.Remove("/dev/shm/sem." + filepath.Base(s.folder) + ".stats")
}
