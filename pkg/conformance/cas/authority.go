package cas

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs the certificates of the suite's own application. The server
// on trial must trust it to call back over TLS (CAS 3.0.3 section 2.5.4).
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one that lasts a year.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	der, err := sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "CAS conformance suite"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, key, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{cert, key}, err
}

// LoadAuthority reads the authority of a file, or makes the file: its
// certificate, in PEM, is what a server is to trust. The key lies beside it, in
// file.key.
func LoadAuthority(file string) (*Authority, error) {
	a, err := readAuthority(file)
	if err == nil && time.Now().Before(a.cert.NotAfter) {
		return a, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if a, err = NewAuthority(); err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return nil, err
	}
	return a, os.WriteFile(file, a.PEM(), 0o644) //nolint:gosec // for a server to read, which runs as somebody else
}

func readAuthority(file string) (*Authority, error) {
	var read [2][]byte
	for i, name := range []string{file, file + ".key"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s: holds no PEM", name)
		}
		read[i] = block.Bytes
	}
	cert, err := x509.ParseCertificate(read[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(read[1])
	if err != nil {
		return nil, fmt.Errorf("%s.key: %w", file, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s.key: is not the key of an authority made here", file)
	}
	return &Authority{cert, ec}, nil
}

// PEM is the certificate that a server is to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a certificate for a host that begins and ends so long from now.
func (a *Authority) issue(host string, from, to time.Duration) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: host},
		NotBefore: now.Add(from), NotAfter: now.Add(to),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := sign(template, a.cert, key, a.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// sign makes a certificate; without a parent it is its own.
func sign(template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) (der []byte, err error) {
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, err
	}
	if parent == nil {
		parent = template
	}
	return x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
}

// AuthorityFile is where this user's authority lies by default, so that a
// server on the same machine can be told to trust it before the suite runs.
func AuthorityFile() (string, error) {
	folder, err := os.UserCacheDir()
	return filepath.Join(folder, "loge", "conformance-ca.pem"), err
}
