package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/metrics"
	"github.com/loge-idp/loge/pkg/secret"

	goldap "github.com/go-ldap/ldap/v3"
)

// dir is an opened directory.
type dir struct {
	schema     Schema
	base       string
	scope      int
	lookup     []lookup
	searched   searched
	attributes []string // what a search asks for
	groups     Groups
	named      map[string][]string // what the configuration names itself, for the doctor
	ownDomains []string
	mobile     func(written string) (string, error) // sms.Plan.Mobile of the site
	absent     account.Status
	lockout    time.Duration
	grace      func(account.Account) int // months; nil: none
	delegate   *Delegate
	timeout    time.Duration
	now        func() time.Time
	log        *slog.Logger

	dialer         *dialer
	reader, writer credentials
	searches       *shared
	scans          gate
	binds          *exclusive
}

var (
	_ directory.Directory = (*dir)(nil)
	_ directory.Searcher  = (*dir)(nil)
	_ directory.Editor    = (*dir)(nil)
	_ directory.Graceful  = (*dir)(nil)
	_ directory.Changer   = (*dir)(nil)
	_ directory.Domains   = (*dir)(nil)
	_ directory.Pinger    = (*dir)(nil)
	_ directory.Examiner  = (*dir)(nil)
	_ metrics.Source      = (*dir)(nil)
)

// Close closes the kept connections. Operations under way end first.
func (d *dir) Close() error {
	d.searches.close()
	d.binds.close()
	return nil
}

// wanted lists every attribute that a snapshot reads, once.
func (d *dir) wanted() []string {
	names := d.schema.Attributes
	all := []string{names.ID, names.Login, names.Name, names.GivenName, names.FamilyName, names.BirthName, names.Mail, names.Language, names.MergedInto, names.Frozen}
	for _, l := range d.lookup {
		all = append(all, l.attribute)
	}
	for _, where := range slices.Concat(names.Emails, names.Phones) {
		all = append(all, attributeOf(where))
	}
	all = slices.Concat(all, names.Birth, names.PasswordSet, names.Release, names.Editable)
	for _, name := range d.schema.State {
		all = append(append(all, sources[name].attributes...), afterReset[name].attribute)
	}
	var out []string
	for _, a := range all {
		if a != "" && !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, a) }) {
			out = append(out, a)
		}
	}
	return out
}

// Reads implements directory.Selecting, for the groups that other entries list
// too. Names of attributes know no case, but an account's map of them does.
func (d *dir) Reads(attribute string) bool {
	return slices.Contains(d.schema.Attributes.Release, attribute) || d.groups.Base != "" && attribute == d.groups.Attribute
}

// Finds implements directory.Selecting: groups that other entries list are of no
// account's own entry.
func (d *dir) Finds(attribute string) bool {
	return slices.Contains(d.schema.Attributes.Release, attribute)
}

// Writes implements directory.Selecting.
func (d *dir) Writes(attribute string) bool {
	return slices.ContainsFunc(d.schema.Attributes.Editable, func(a string) bool { return strings.EqualFold(a, attribute) })
}

// Find implements directory.Reader by one search over all lookup attributes.
func (d *dir) Find(ctx context.Context, login string) (account.Account, error) {
	login = typed(login)
	if login == "" {
		return account.Account{}, fmt.Errorf("ldap: %w", directory.ErrNotFound)
	}
	var any strings.Builder
	for _, l := range d.lookup {
		any.WriteString(l.filter(login))
	}
	return d.one(ctx, "(|"+any.String()+")")
}

// Get implements directory.Reader.
func (d *dir) Get(ctx context.Context, id account.ID) (account.Account, error) {
	filter, ok := d.idFilter(id)
	if !ok {
		return account.Account{}, fmt.Errorf("ldap: %w", directory.ErrNotFound)
	}
	a, err := d.one(ctx, filter)
	if err == nil && a.ID != id { // the server compares without regard to case
		return account.Account{}, fmt.Errorf("ldap: %w", directory.ErrNotFound)
	}
	return a, err
}

func (d *dir) idFilter(id account.ID) (filter string, ok bool) {
	if id == "" || !utf8.ValidString(string(id)) {
		return "", false
	}
	name := d.schema.Attributes.ID
	return lookup{attribute: name}.filter(idValue(name, id)), true
}

// one finds the one account that matches.
func (d *dir) one(ctx context.Context, filter string) (account.Account, error) {
	found, err := d.entry(ctx, d.request(filter))
	if err != nil {
		return account.Account{}, err
	}
	return d.member(ctx, found)
}

// entry finds the one entry that answers to a request, or that into which it was
// merged.
func (d *dir) entry(ctx context.Context, request *goldap.SearchRequest) (*goldap.Entry, error) {
	for range maxMerges {
		result, err := d.searches.search(ctx, request)
		if request.BaseDN != d.base && goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
			break
		}
		found, err := d.pick(result, err)
		if err != nil {
			return nil, err
		}
		principal := d.principal(found)
		if principal == "" {
			return found, nil
		}
		request = d.at(principal)
	}
	d.log.Warn("ldap: merged entries lead to no account", "last", request.BaseDN)
	return nil, fmt.Errorf("ldap: %w", directory.ErrNotFound)
}

// at asks for the entry of a DN.
func (d *dir) at(dn string) *goldap.SearchRequest {
	request := d.request("")
	request.BaseDN, request.Scope = dn, goldap.ScopeBaseObject
	return request
}

// principal is the DN that an entry was merged into, mostly none.
func (d *dir) principal(e *goldap.Entry) string {
	if d.schema.Attributes.MergedInto == "" {
		return ""
	}
	return e.GetEqualFoldAttributeValue(d.schema.Attributes.MergedInto)
}

// member is the account of an entry, with what other entries say of it.
func (d *dir) member(ctx context.Context, found *goldap.Entry) (account.Account, error) {
	a, err := d.usable(found)
	if err == nil && d.schema.Attributes.Children != "" && len(a.Contacts) == 0 && d.minor(a) {
		a.Relatives, err = d.relatives(ctx, found.DN)
	}
	if err != nil || d.groups.Base == "" {
		return a, err
	}
	groups, err := d.groupsOf(ctx, found.DN)
	if err != nil {
		return account.Account{}, err
	}
	if len(groups) > 0 {
		a.Attributes[d.groups.Attribute] = groups
		d.judge(&a, readEntry(found)) // a rule may look at them
	}
	return a, nil
}

// Grace implements directory.Graceful.
func (d *dir) Grace(months func(account.Account) int) { d.grace = months }

// maxMerges is how many entries are read on the way from one that was merged
// into another to the account that is left.
const maxMerges = 4

// request asks for two entries: one more than may match.
func (d *dir) request(filter string) *goldap.SearchRequest {
	return &goldap.SearchRequest{
		BaseDN:           d.base,
		Scope:            d.scope,
		SizeLimit:        2,
		EnforceSizeLimit: true,
		TimeLimit:        int((d.timeout + time.Second - 1) / time.Second),
		Filter:           "(&" + d.schema.Filter + filter + ")",
		Attributes:       d.attributes,
	}
}

// pick reads the answer to a request. Two entries are none (R2): which one was
// meant is not for us to guess. One that was merged into the other does not
// count.
func (d *dir) pick(result *goldap.SearchResult, err error) (*goldap.Entry, error) {
	tooMany := goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) || errors.Is(err, goldap.ErrSizeLimitExceeded)
	if err != nil && !tooMany {
		return nil, unavailable("search", err)
	}
	entries := result.Entries
	if !tooMany {
		entries = d.unmerged(entries)
	}
	switch {
	case tooMany, len(entries) > 1:
		var where []string
		for _, e := range entries {
			where = append(where, e.DN)
		}
		d.log.Warn("ldap: several entries answer to one login; none of them is used", "entries", where)
		return nil, fmt.Errorf("ldap: %w: %w", directory.ErrNotFound, directory.ErrAmbiguous)
	case len(entries) == 0:
		return nil, fmt.Errorf("ldap: %w", directory.ErrNotFound)
	}
	return entries[0], nil
}

// unmerged leaves out the entries that were merged into another of them.
func (d *dir) unmerged(entries []*goldap.Entry) []*goldap.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *goldap.Entry) bool {
		principal := d.principal(e)
		return principal != "" && slices.ContainsFunc(entries, func(other *goldap.Entry) bool { return other != e && sameDN(other.DN, principal) })
	})
}

func sameDN(a, b string) bool {
	x, err := goldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := goldap.ParseDN(b)
	return err == nil && x.EqualFold(y)
}

// usable makes the account of an entry.
func (d *dir) usable(found *goldap.Entry) (account.Account, error) {
	a, err := d.snapshot(found)
	if err != nil {
		d.log.Warn("ldap: an entry cannot be used", "entry", found.DN, "reason", err)
		return account.Account{}, fmt.Errorf("ldap: %w: %w", directory.ErrNotFound, err)
	}
	return a, nil
}

// maxPassword is the most bytes of a password that are sent (R-AUTH-21 of the
// security battery: 1 KiB must work, more than 4 KiB must not reach LDAP).
const maxPassword = 4 << 10

// sendable reports whether a password may reach a server: some read it as a C
// string, of which a NUL would be the end.
func sendable(password string) bool {
	return password != "" && len(password) <= maxPassword && !strings.ContainsRune(password, 0)
}

// Authenticate implements directory.Reader by a simple bind.
func (d *dir) Authenticate(ctx context.Context, a account.Account, password secret.String) error {
	if !sendable(password.Reveal()) || a.Handle == "" {
		return fmt.Errorf("ldap: %w", directory.ErrBadPassword)
	}
	result, err := d.binds.bind(ctx, goldap.NewSimpleBindRequest(a.Handle, password.Reveal(),
		[]goldap.Control{goldap.NewControlBeheraPasswordPolicy()}))
	err = bindOutcome(result, err)
	// Some servers refuse a right password for the account's state. That it is
	// right is for those to know who read the state (requirement R16).
	if errors.Is(err, errState) && !a.Status.MayLogin() {
		return nil
	}
	return err
}

// unavailable is a failure that is nobody's password.
func unavailable(operation string, cause error) error {
	return fmt.Errorf("ldap: %s: %w: %w", operation, directory.ErrUnavailable, cause)
}
