// Package several makes one directory of several, each with its own people:
// a university and a school network, staff and alumni.
//
// A login that ends in the realm of a directory ("@etu.univ.fr", or the code
// of an establishment) is looked up in that one alone, which works while others
// are down. Any other is looked up in all of them, one after the other; whoever
// is found in two is found in none, as within one directory. Identifiers carry
// the name of their directory, so that everything after the look-up goes to
// that one alone. The names therefore must never change.
package several

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// Plugins are the directories that can be joined.
type Plugins = plugin.Set[directory.Directory, directory.Env]

// Config is the section of a joined directory.
type Config struct {
	// Directories are asked in this order.
	Directories []Member `json:"directories"`
	// Plugins are those the members may be.
	Plugins Plugins `json:"-"`
}

// Member is one of the directories: a section of its plugin, under a name.
type Member struct {
	// Name is a few lower-case letters, digits and hyphens. It becomes part of
	// people's identifiers.
	Name string `json:"name"`
	// Realms are what follows the last @ of the logins that are looked up here
	// and nowhere else: "etu.univ.fr", or a UAI such as "0990011Z". Several
	// directories may share one.
	Realms []string `json:"realms"`
	// StripRealm looks up what stands before the @, for a directory that does
	// not know the realm.
	StripRealm bool `json:"stripRealm"`
	// Directory is the section, with its own "type".
	Directory json.RawMessage `json:"directory"`
}

// Open opens every member, or none.
func (c Config) Open(ctx context.Context, env directory.Env) (directory.Directory, error) {
	var named []Named
	for i, m := range c.Directories {
		opened, err := c.Plugins.Open(ctx, m.Directory, env)
		if err != nil {
			_ = closeAll(named)
			return nil, plugin.At(fmt.Sprintf("directories[%d].directory", i), err)
		}
		named = append(named, Named{m.Name, m.Realms, m.StripRealm, opened})
	}
	joined, err := Join(named...)
	if err != nil {
		_ = closeAll(named)
		return nil, plugin.At("directories", err)
	}
	return joined, nil
}

// Named is a directory and the name it has among others, with its realms as in
// Member.
type Named struct {
	Name       string
	Realms     []string
	StripRealm bool
	Directory  directory.Directory
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Join makes one directory of opened ones. It has the Close, Ping and Examine
// of its members; closing it closes them.
func Join(members ...Named) (directory.Directory, error) {
	if len(members) == 0 {
		return nil, errors.New("at least one directory is needed")
	}
	seen := map[string]bool{}
	for _, m := range members {
		if !goodName.MatchString(m.Name) || seen[m.Name] {
			return nil, fmt.Errorf("the name %q must be of lower-case letters, digits and hyphens, and of one directory only", m.Name)
		}
		seen[m.Name] = true
		for _, realm := range m.Realms {
			if realm == "" || strings.ContainsAny(realm, "@ ") {
				return nil, fmt.Errorf("the realm %q of %s must be what follows the @ of a login", realm, m.Name)
			}
		}
		if m.StripRealm && len(m.Realms) == 0 {
			return nil, fmt.Errorf("stripRealm of %s: it has no realms", m.Name)
		}
	}
	return joined(members), nil
}

type joined []Named

var (
	_ directory.Searcher  = joined(nil)
	_ directory.Selecting = joined(nil)
	_ directory.Editor    = joined(nil)
	_ directory.Extender  = joined(nil)
	_ directory.Graceful  = joined(nil)
	_ directory.Lifter    = joined(nil)
	_ directory.Freezer   = joined(nil)
	_ directory.Changer   = joined(nil)
	_ directory.Domains   = joined(nil)
	_ directory.Pinger    = joined(nil)
	_ directory.Examiner  = joined(nil)
	_ metrics.Source      = joined(nil)
	_ io.Closer           = joined(nil)
)

// separator stands between the name of a directory and its own identifier. No
// name holds it.
const separator = "/"

func (m Named) mark(a account.Account) account.Account {
	a.ID = account.ID(m.Name + separator + string(a.ID))
	return a
}

// route finds whose an identifier is.
func (j joined) route(id account.ID) (Named, account.ID, error) {
	name, own, _ := strings.Cut(string(id), separator)
	for _, m := range j {
		if m.Name == name {
			return m, account.ID(own), nil
		}
	}
	return Named{}, "", fmt.Errorf("several: %w", directory.ErrNotFound)
}

// Find implements directory.Reader. Of those it asks a member that does not
// answer is an error: who is found elsewhere might have been ambiguous.
func (j joined) Find(ctx context.Context, login string) (account.Account, error) {
	var found account.Account
	ambiguous := false
	for _, m := range j.realm(login) {
		a, err := m.Directory.Find(ctx, m.local(login))
		switch {
		case errors.Is(err, directory.ErrNotFound):
			ambiguous = ambiguous || errors.Is(err, directory.ErrAmbiguous)
		case err != nil:
			return account.Account{}, fmt.Errorf("%s: %w", m.Name, err)
		case found.ID != "":
			ambiguous = true
		default:
			found = m.mark(a)
		}
	}
	switch {
	case ambiguous:
		return account.Account{}, fmt.Errorf("several: %w: %w", directory.ErrNotFound, directory.ErrAmbiguous)
	case found.ID == "":
		return account.Account{}, fmt.Errorf("several: %w", directory.ErrNotFound)
	}
	return found, nil
}

// realm are the members in which a login is looked up.
func (j joined) realm(login string) []Named {
	of := slices.DeleteFunc(slices.Clone(j), func(m Named) bool { return !m.has(login) })
	if len(of) > 0 {
		return of
	}
	return j
}

// has reports whether a login ends in one of the realms.
func (m Named) has(login string) bool {
	at := strings.LastIndexByte(login, '@')
	return at >= 0 && slices.ContainsFunc(m.Realms, func(realm string) bool {
		return strings.EqualFold(strings.TrimSpace(login[at+1:]), realm)
	})
}

// local is a login as the member knows it.
func (m Named) local(login string) string {
	if m.StripRealm && m.has(login) {
		return login[:strings.LastIndexByte(login, '@')]
	}
	return login
}

// Get implements directory.Reader.
func (j joined) Get(ctx context.Context, id account.ID) (account.Account, error) {
	m, own, err := j.route(id)
	if err != nil {
		return account.Account{}, err
	}
	a, err := m.Directory.Get(ctx, own)
	if err != nil {
		return account.Account{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	return m.mark(a), nil
}

// Authenticate implements directory.Reader.
func (j joined) Authenticate(ctx context.Context, a account.Account, password secret.String) error {
	m, own, err := j.route(a.ID)
	if err != nil {
		return err
	}
	a.ID = own
	return m.Directory.Authenticate(ctx, a, password)
}

// SetPassword implements directory.Writer.
func (j joined) SetPassword(ctx context.Context, id account.ID, password secret.String) error {
	m, own, err := j.route(id)
	if err != nil {
		return err
	}
	return m.Directory.SetPassword(ctx, own, password)
}

// ChangePassword implements directory.Changer.
func (j joined) ChangePassword(ctx context.Context, a account.Account, old, chosen secret.String) error {
	m, own, err := j.route(a.ID)
	if err != nil {
		return err
	}
	c, ok := m.Directory.(directory.Changer)
	if !ok {
		return fmt.Errorf("%s: %w", m.Name, errors.ErrUnsupported)
	}
	a.ID = own
	return c.ChangePassword(ctx, a, old, chosen)
}

// Own implements directory.Domains.
func (j joined) Own(id account.ID, address string) bool {
	m, own, err := j.route(id)
	d, knows := m.Directory.(directory.Domains)
	return err == nil && knows && d.Own(own, address)
}

// Activate implements directory.Writer.
func (j joined) Activate(ctx context.Context, id account.ID) error {
	m, own, err := j.route(id)
	if err != nil {
		return err
	}
	return m.Directory.Activate(ctx, own)
}

// Unlock implements directory.Writer.
func (j joined) Unlock(ctx context.Context, id account.ID) error {
	m, own, err := j.route(id)
	if err != nil {
		return err
	}
	return m.Directory.Unlock(ctx, own)
}

// Search implements directory.Searcher: the members that can be searched, one
// after the other. One that fails ends it: a list that lacks people would not
// say so.
func (j joined) Search(ctx context.Context, q directory.Query, each func(account.Account) bool) error {
	more := true
	for _, m := range j {
		searcher, ok := m.Directory.(directory.Searcher)
		if !ok || !more {
			continue
		}
		err := searcher.Search(ctx, q, func(a account.Account) bool {
			more = each(m.mark(a))
			return more
		})
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// Reads implements directory.Selecting: what is read of the accounts of one
// member is read, for each has a schema of its own.
func (j joined) Reads(attribute string) bool {
	return slices.ContainsFunc(j, func(m Named) bool {
		d, selects := m.Directory.(directory.Selecting)
		return !selects || d.Reads(attribute)
	})
}

// Grace implements directory.Graceful.
func (j joined) Grace(months func(account.Account) int) {
	for _, m := range j {
		if d, ok := m.Directory.(directory.Graceful); ok {
			d.Grace(months)
		}
	}
}

// Finds implements directory.Selecting, as Reads does.
func (j joined) Finds(attribute string) bool {
	return slices.ContainsFunc(j, func(m Named) bool {
		d, selects := m.Directory.(directory.Selecting)
		return !selects || d.Finds(attribute)
	})
}

// Writes implements directory.Selecting, as Reads does.
func (j joined) Writes(attribute string) bool {
	return slices.ContainsFunc(j, func(m Named) bool {
		d, selects := m.Directory.(directory.Selecting)
		return !selects || d.Writes(attribute)
	})
}

// Lift implements directory.Lifter.
func (j joined) Lift(ctx context.Context, id account.ID, reason account.Reason) error {
	m, own, err := j.route(id)
	if err != nil {
		return err
	}
	l, ok := m.Directory.(directory.Lifter)
	if !ok {
		return fmt.Errorf("several: in the directory %s no such lock can be lifted: %w", m.Name, directory.ErrConflict)
	}
	return l.Lift(ctx, own, reason)
}

// Freezes implements directory.Freezer: one member that does is enough.
func (j joined) Freezes() bool {
	return slices.ContainsFunc(j, func(m Named) bool {
		f, ok := m.Directory.(directory.Freezer)
		return ok && f.Freezes()
	})
}

// Freeze implements directory.Freezer.
func (j joined) Freeze(ctx context.Context, id account.ID, c account.Contact, frozen bool) error {
	m, own, err := j.route(id)
	if err != nil {
		return err
	}
	f, ok := m.Directory.(directory.Freezer)
	if !ok {
		return fmt.Errorf("several: the directory %s keeps no frozen contacts", m.Name)
	}
	return f.Freeze(ctx, own, c, frozen)
}

// Replace implements directory.Editor.
func (j joined) Replace(ctx context.Context, id account.ID, from, to account.Contact) error {
	e, own, err := j.editor(id)
	if err != nil {
		return err
	}
	return e.Replace(ctx, own, from, to)
}

// Edit implements directory.Editor.
func (j joined) Edit(ctx context.Context, id account.ID, attribute string, from, to []string) error {
	e, own, err := j.editor(id)
	if err != nil {
		return err
	}
	return e.Edit(ctx, own, attribute, from, to)
}

func (j joined) editor(id account.ID) (directory.Editor, account.ID, error) {
	m, own, err := j.route(id)
	if err != nil {
		return nil, "", err
	}
	e, ok := m.Directory.(directory.Editor)
	if !ok {
		return nil, "", fmt.Errorf("several: the directory %s cannot be edited", m.Name)
	}
	return e, own, nil
}

// Ping implements directory.Pinger: all must answer.
func (j joined) Ping(ctx context.Context) error {
	var failures []error
	for _, m := range j {
		if p, ok := m.Directory.(directory.Pinger); ok {
			if err := p.Ping(ctx); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", m.Name, err))
			}
		}
	}
	return errors.Join(failures...)
}

// Examine implements directory.Examiner.
func (j joined) Examine(ctx context.Context) []directory.Finding {
	var report []directory.Finding
	for _, m := range j {
		if e, ok := m.Directory.(directory.Examiner); ok {
			for _, f := range e.Examine(ctx) {
				f.What = m.Name + ": " + f.What
				report = append(report, f)
			}
		}
	}
	return report
}

// Measure implements metrics.Source: the numbers of each member carry its name.
func (j joined) Measure(ctx context.Context, p *metrics.Page) {
	for _, m := range j {
		if s, ok := m.Directory.(metrics.Source); ok {
			s.Measure(ctx, p.With("directory", m.Name))
		}
	}
}

// Close implements io.Closer.
func (j joined) Close() error { return closeAll(j) }

func closeAll(members []Named) error {
	var failures []error
	for _, m := range members {
		if c, ok := m.Directory.(io.Closer); ok {
			failures = append(failures, c.Close())
		}
	}
	return errors.Join(failures...)
}
