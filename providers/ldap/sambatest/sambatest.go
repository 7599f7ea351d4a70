// Package sambatest runs a real Active Directory domain controller, Samba's,
// for tests: on a loopback address of its own, in a temporary folder, gone
// with its parent.
package sambatest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/loge-idp/loge/providers/ldap/slapdtest"
)

// The domain and its administrator.
const (
	Suffix        = "DC=ad,DC=valmont,DC=example"
	AdminDN       = "CN=Administrator,CN=Users," + Suffix
	AdminPassword = "Root-of-a-scratch-server-1"
)

// Server is a running domain controller.
type Server struct {
	// URL is ldap://, SecureURL ldaps:// with a certificate for localhost that
	// the one in the file CA signs.
	URL, SecureURL, CA string

	folder  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// Start makes a domain and serves it until the test ends. Samba listens on the
// ports of LDAP only and owns its files as root: for anybody else the test is
// skipped. Without the programs it is skipped too, or fails where CI is set.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a Samba domain controller runs as root only")
	}
	folder, err := os.MkdirTemp("", "sambatest-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{folder: folder, ended: make(chan struct{})}
	t.Cleanup(s.stop)
	err = s.launch()
	if errors.Is(err, errMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// errMissing is what a machine lacks, not a fault.
var errMissing = errors.New("a domain controller cannot run here")

func (s *Server) launch() error {
	for _, program := range []string{"samba-tool", "/usr/sbin/samba"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: %w: install samba-ad-dc, samba-ad-provision and samba-dsdb-modules", errMissing, err)
		}
	}
	address, err := freeAddress()
	if err != nil {
		return fmt.Errorf("%w: it needs port 389: %w", errMissing, err)
	}
	provision := exec.Command("samba-tool", "domain", "provision", "--targetdir="+s.folder,
		"--realm=AD.VALMONT.EXAMPLE", "--domain=VALMONT", "--server-role=dc", "--dns-backend=NONE",
		"--host-name=dc1", "--host-ip="+address, "--adminpass="+AdminPassword,
		"--option=posix:eadb="+filepath.Join(s.folder, "eadb.tdb"))
	if out, err := provision.CombinedOutput(); err != nil {
		return fmt.Errorf("samba-tool domain provision: %w\n%s", err, out)
	}
	if err := slapdtest.WriteCertificates(s.folder); err != nil {
		return err
	}
	s.CA = filepath.Join(s.folder, "ca.pem")
	s.URL, s.SecureURL = "ldap://"+address, "ldaps://"+address
	s.process = exec.Command("/usr/sbin/samba", "--configfile="+filepath.Join(s.folder, "etc/smb.conf"),
		"--interactive", "--model=single", "--no-process-group", "--debuglevel=1",
		"--option=server services=ldap", "--option=interfaces="+address+"/8", "--option=bind interfaces only=yes",
		"--option=ldap server require strong auth=no", // the clear is refused by us, not by the server
		"--option=pid directory="+s.folder, "--option=cache directory="+s.folder, "--option=state directory="+filepath.Join(s.folder, "state"),
		"--option=log file="+filepath.Join(s.folder, "log"), "--option=ncalrpc dir="+filepath.Join(s.folder, "ncalrpc"),
		"--option=tls cafile="+s.CA, "--option=tls certfile="+filepath.Join(s.folder, "server.pem"), "--option=tls keyfile="+filepath.Join(s.folder, "server.key"))
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
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if c, err := net.Dial("tcp", address+":636"); err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("samba ended: %s\n%s", s.process.ProcessState, s.output.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("samba does not answer\n%s", s.output.String())
}

// freeAddress is a loopback address on which nobody serves LDAP: servers side
// by side each have their own.
func freeAddress() (string, error) {
	var err error
	for range 20 {
		random := make([]byte, 3)
		rand.Read(random)
		address := fmt.Sprintf("127.%d.%d.%d", 1+random[0]%250, random[1], 1+random[2]%250)
		var l net.Listener
		if l, err = net.Listen("tcp", address+":389"); err == nil {
			return address, l.Close()
		}
	}
	return "", err
}

func (s *Server) stop() {
	if s.process != nil && s.process.Process != nil {
		s.process.Process.Kill()
		<-s.ended
	}
	os.RemoveAll(s.folder)
}
