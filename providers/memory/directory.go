package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/memory/fixtures"
	"github.com/loge-idp/loge/providers/memory/ldapserver"
	"github.com/loge-idp/loge/providers/several"
)

// DirectoryConfig is an LDAP server inside the process with fictitious people,
// spoken to by package ldap like any other.
type DirectoryConfig struct {
	// Fixtures are the networks it holds: "university", "school". Both, when
	// unset.
	Fixtures []string `json:"fixtures"`
	// Listener, when set, is where other programs can ask it too, without TLS.
	// It is closed with the directory.
	Listener net.Listener `json:"-"`
	// Password is that of cn=idp-ro and cn=idp-rw under ou=services of each
	// network, for those programs; unset, nobody knows it.
	Password secret.String `json:"-"`
	// Now is the clock; nil for the system's. The cases of the fixtures are
	// those of its day.
	Now func() time.Time `json:"-"`
	// Observe is as of ldap.Config.
	Observe func(operation string) `json:"-"`
}

// network is one of the fixtures and how it is to be read.
type network struct {
	suffix  string
	ldif    func(now time.Time, services fixtures.Services) []byte
	preset  string
	domains []string
}

var networks = map[string]network{
	"university": {fixtures.UniversitySuffix, fixtures.University, "supann", []string{"univ-valmont.example"}},
	"school":     {fixtures.SchoolSuffix, fixtures.School, "ent-school", []string{"ent-valmont.example"}},
}

// Open starts the server and opens a directory on it. With one network it is
// the directory that package ldap opens; with both, they are joined by package
// several under their names. The result is also a directory.Searcher, Selecting,
// Editor, Extender, Graceful, Lifter, Freezer, Changer, Pinger and Examiner, and an
// io.Closer.
func (c DirectoryConfig) Open(ctx context.Context, env directory.Env) (directory.Directory, error) {
	names := c.Fixtures
	if names == nil {
		names = []string{"university", "school"}
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	services := fixtures.Services{Reader: secret.Random(22), Writer: secret.Random(22)}
	if !c.Password.Empty() {
		services = fixtures.Services{Reader: c.Password.Reveal(), Writer: c.Password.Reveal()}
	}
	server := ldapserver.New(ldapserver.ParseSchema(fixtures.Schema),
		[]string{fixtures.ReaderDN(fixtures.UniversitySuffix), fixtures.ReaderDN(fixtures.SchoolSuffix)},
		[]string{fixtures.WriterDN(fixtures.UniversitySuffix), fixtures.WriterDN(fixtures.SchoolSuffix)})
	var members []several.Named
	for _, name := range names {
		n, ok := networks[name]
		if !ok {
			return nil, fmt.Errorf("fixtures: none is called %q; known: university, school", name)
		}
		if err := server.Load(n.ldif(now(), services)); err != nil {
			return nil, fmt.Errorf("fixtures: %w", err)
		}
		opened, err := ldap.Config{
			Dial:          server.Dial,
			BindDN:        fixtures.ReaderDN(n.suffix),
			BindPassword:  secret.New(services.Reader),
			WriteDN:       fixtures.WriterDN(n.suffix),
			WritePassword: secret.New(services.Writer),
			Base:          "ou=people," + n.suffix,
			Preset:        n.preset,
			Schema:        ldap.Schema{Attributes: ldap.Attributes{Frozen: "description"}},
			OwnDomains:    n.domains,
			Now:           c.Now,
			Observe:       c.Observe,
		}.Open(ctx, env)
		if err != nil {
			return nil, err
		}
		members = append(members, several.Named{Name: name, Directory: opened})
	}
	opened := members[0].Directory
	if len(members) > 1 {
		var err error
		if opened, err = several.Join(members...); err != nil {
			return nil, fmt.Errorf("fixtures: %w", err)
		}
	}
	if c.Listener != nil {
		go func() { _ = server.Serve(c.Listener) }() // until it is closed
	}
	return &embeddedDirectory{opened.(examined), server, c.Listener}, nil
}

// examined is what packages ldap and several open.
type examined interface {
	directory.Directory
	directory.Searcher
	directory.Selecting
	directory.Editor
	directory.Extender
	directory.Graceful
	directory.Lifter
	directory.Freezer
	directory.Changer
	directory.Domains
	directory.Pinger
	directory.Examiner
	metrics.Source
	io.Closer
}

// embeddedDirectory ends with its server.
type embeddedDirectory struct {
	examined
	server   *ldapserver.Server
	listener net.Listener // nil: for this process only
}

func (d *embeddedDirectory) Close() error {
	failures := []error{d.examined.Close()}
	if d.listener != nil {
		failures = append(failures, d.listener.Close())
	}
	return errors.Join(append(failures, d.server.Close())...)
}
