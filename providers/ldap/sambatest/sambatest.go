// Package sambatest runs a real Active Directory domain controller, Samba's,
// for tests: in a temporary folder, gone with its parent. As root it has a
// loopback address of its own. Anybody else may not listen on the ports of LDAP,
// so it runs in a network of its own and is reached by a socket.
package sambatest

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	// SecureURL is ldaps:// with a certificate for localhost that the one in
	// the file CA signs; as root only.
	SecureURL, CA string

	socket  string // to dial when there is no URL
	folder  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// Start makes a domain and serves it until the test ends. On a machine that
// lacks what it takes the test is skipped, or fails where CI is set.
func Start(t testing.TB) *Server {
	t.Helper()
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

// Dial connects to the server, by TLS where it has a URL.
func (s *Server) Dial() (net.Conn, error) {
	if s.SecureURL == "" {
		return net.Dial("unix", s.socket)
	}
	return tls.Dial("tcp", strings.TrimPrefix(s.SecureURL, "ldaps://")+":636", &tls.Config{InsecureSkipVerify: true})
}

// errMissing is what a machine lacks, not a fault.
var errMissing = errors.New("a domain controller cannot run here")

func (s *Server) launch() error {
	for _, program := range []string{"samba-tool", "/usr/sbin/samba"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: %w: install samba-ad-dc, samba-ad-provision and samba-dsdb-modules", errMissing, err)
		}
	}
	address, root := "127.0.0.1", os.Geteuid() == 0
	if root {
		var err error
		if address, err = freeAddress(); err != nil {
			return fmt.Errorf("%w: it needs port 389: %w", errMissing, err)
		}
	}
	provision := exec.Command("/usr/bin/python3", "-c", provisioned, "domain", "provision", "--targetdir="+s.folder,
		"--realm=AD.VALMONT.EXAMPLE", "--domain=VALMONT", "--server-role=dc", "--dns-backend=NONE",
		"--host-name=dc1", "--host-ip="+address, "--adminpass="+AdminPassword)
	if out, err := provision.CombinedOutput(); err != nil {
		return fmt.Errorf("samba-tool domain provision: %w\n%s", err, out)
	}
	if err := slapdtest.WriteCertificates(s.folder); err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(s.folder, name) }
	s.process = exec.Command("/usr/sbin/samba", "--configfile="+at("etc/smb.conf"),
		"--interactive", "--model=single", "--no-process-group", "--debuglevel=1",
		"--option=server services=ldap", "--option=interfaces="+address+"/8", "--option=bind interfaces only=yes",
		"--option=ldap server require strong auth=no", // the clear is refused by us, not by the server
		"--option=pid directory="+s.folder, "--option=cache directory="+s.folder, "--option=state directory="+at("state"), "--option=lock directory="+s.folder,
		"--option=log file="+at("log"), "--option=ncalrpc dir="+at("ncalrpc"),
		"--option=tls cafile="+at("ca.pem"), "--option=tls certfile="+at("server.pem"), "--option=tls keyfile="+at("server.key"))
	// Nothing outlives a test that was killed.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if root {
		s.SecureURL, s.CA = "ldaps://"+address, at("ca.pem")
	} else {
		s.socket = at("private/ldapi")
		s.process.Args = append([]string{"sh", "-c", `ip link set lo up && exec "$@"`, "sh"}, s.process.Args...)
		s.process.Path = "/bin/sh"
		s.process.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
		s.process.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		s.process.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("%w: run it as root, or allow user namespaces: %w", errMissing, err)
	}
	go func() {
		s.process.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if c, err := s.Dial(); err == nil {
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

// provisioned is samba-tool without the rights on the files of a share, which
// only root may set and which nobody asks for by LDAP.
const provisioned = `import sys, samba.provision
samba.provision.setsysvolacl = lambda *a, **k: None
from samba.netcmd.main import cmd_sambatool
sys.exit(cmd_sambatool()._run("samba-tool", *sys.argv[1:]))`

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
