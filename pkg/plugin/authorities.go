package plugin

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Authorities are those of a PEM file that a configuration names, for verifying
// a server; nil, which stands for those of the system, when it names none.
func Authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be read; give the path of a PEM file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("holds no certificate; give the path of a PEM file")
	}
	return pool, nil
}
