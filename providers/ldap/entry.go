package ldap

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"

	goldap "github.com/go-ldap/ldap/v3"
)

// entry is what was read of an LDAP entry. Servers answer in the case of their
// own schema, and may give one attribute in parts, with options such as
// ;lang-fr.
type entry []*goldap.EntryAttribute

func readEntry(from *goldap.Entry) entry { return from.Attributes }

func (e entry) all(attribute string) (values []string) {
	n := len(attribute)
	for _, a := range e {
		// Lengths first: of some sixty names that are asked for, most are not here.
		if len(a.Name) < n || len(a.Name) > n && a.Name[n] != ';' || !strings.EqualFold(a.Name[:n], attribute) {
			continue
		}
		if values == nil {
			values = a.Values
		} else {
			values = slices.Concat(values, a.Values)
		}
	}
	return values
}

func (e entry) first(attribute string) string {
	if values := e.all(attribute); len(values) > 0 {
		return values[0]
	}
	return ""
}

// labelled returns the values that carry a label, without it: of
// "{SECOURS}a@b" under "{SECOURS}", "a@b" (SUPANN 2018, composite attributes).
func (e entry) labelled(attribute, label string) []string {
	var out []string
	for _, v := range e.all(attribute) {
		if hasLabel(v, label) {
			out = append(out, v[len(label):])
		}
	}
	return out
}

func hasLabel(value, label string) bool {
	return len(value) >= len(label) && strings.EqualFold(value[:len(label)], label)
}

// snapshot makes the account. An entry that cannot be told from others for
// ever, or that has no name, is none.
func (d *dir) snapshot(from *goldap.Entry) (account.Account, error) {
	e, names := readEntry(from), d.schema.Attributes
	ids := e.all(names.ID)
	if len(ids) != 1 {
		return account.Account{}, fmt.Errorf("entry has %d values of %s instead of one", len(ids), names.ID)
	}
	login := e.first(names.Login)
	if login == "" {
		return account.Account{}, fmt.Errorf("entry has no %s", names.Login)
	}
	a := account.Account{
		ID:         idText(names.ID, ids[0]),
		Handle:     from.DN,
		Login:      login,
		Logins:     []string{login},
		Name:       e.first(names.Name),
		GivenName:  e.first(names.GivenName),
		FamilyName: e.first(names.FamilyName),
		BirthName:  e.first(names.BirthName),
		Mail:       e.first(names.Mail),
		Language:   e.first(names.Language),
		MustChange: mustChange(d.schema.State, e),
		Contacts:   d.freeze(e, d.contacts(e)),
		Attributes: map[string][]string{},
	}
	if a.Name == "" {
		a.Name = strings.TrimSpace(a.GivenName + " " + a.FamilyName)
	}
	if a.BirthName != "" && fold(a.BirthName) == fold(a.FamilyName) {
		a.BirthName = ""
	}
	a.Birth, a.PasswordSet = birth(names.Birth, e), passwordSet(names.PasswordSet, e)
	for _, l := range d.lookup {
		for _, v := range e.all(l.attribute) {
			if !slices.ContainsFunc(a.Logins, func(known string) bool { return strings.EqualFold(known, v) }) {
				a.Logins = append(a.Logins, v)
			}
		}
	}
	for _, name := range names.Release {
		if values := e.all(name); len(values) > 0 {
			a.Attributes[name] = values
		}
	}
	d.judge(&a, e)
	return a, nil
}

// judge sets what the state of an account allows. How long a grace is depends on
// whose account it is, whatever became of it.
func (d *dir) judge(a *account.Account, e entry) {
	t := terms{now: d.now(), lockout: d.lockout}
	if a.Status = account.Active; d.grace != nil {
		t.grace = d.grace(*a)
	}
	s := judge(d.schema.State, e, t, d.absent)
	a.Status, a.Reason, a.Ends, a.Closes = s.status, s.reason, s.ends, s.closes
}

// birth is the first date that can be read (requirement R4); one that cannot
// is as good as none.
func birth(attributes []string, e entry) account.Date {
	for _, name := range attributes {
		if date, err := account.ParseDate(e.first(name)); err == nil {
			return date
		}
	}
	return account.Date{}
}

// passwordSet is the latest time that can be read. Servers write it as a
// generalizedTime (pwdChangedTime, pwdUpdateTime), as a FILETIME (pwdLastSet) or
// in seconds (sambaPwdLastSet).
func passwordSet(attributes []string, e entry) (latest time.Time) {
	for _, name := range attributes {
		value := e.first(name)
		if value == "" {
			continue
		}
		at, err := generalizedTime(value)
		if err != nil {
			at = adTime(value)
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil && 0 < seconds && seconds < fileTime {
				at = time.Unix(seconds, 0) // as a FILETIME it would be of 1601
			}
		}
		if at.After(latest) {
			latest = at
		}
	}
	return latest
}

// isGUID reports whether an identifier is Active Directory's, 16 bytes of
// which the first three fields are little-endian (MS-DTYP 2.3.4).
func isGUID(attribute string) bool { return strings.EqualFold(attribute, "objectGUID") }

func idText(attribute, value string) account.ID {
	if !isGUID(attribute) || len(value) != 16 {
		return account.ID(value)
	}
	b := guidOrder([]byte(value))
	return account.ID(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}

// idValue is the attribute's value for an ID.
func idValue(attribute string, id account.ID) string {
	if !isGUID(attribute) {
		return string(id)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(id), "-", ""))
	if err != nil || len(b) != 16 {
		return string(id) // nobody's
	}
	return string(guidOrder(b))
}

// guidOrder turns one byte order of a GUID into the other.
func guidOrder(b []byte) []byte {
	return []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}
