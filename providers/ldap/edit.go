package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

// Replace implements directory.Editor. The old value is deleted by name and
// the new one added in one change, so that a stale one is refused by the server
// (requirement R7).
func (d *dir) Replace(ctx context.Context, id account.ID, from, to account.Contact) error {
	if from == (account.Contact{}) && to == (account.Contact{}) {
		return errors.New("ldap: replace: nothing is to be replaced by nothing")
	}
	var added string
	if to != (account.Contact{}) {
		var err error
		if added, err = d.storable(to); err != nil {
			return fmt.Errorf("ldap: replace: %w", err)
		}
	}
	return d.write(ctx, id, func(k *desk) error {
		changes := goldap.NewModifyRequest(k.dn, nil)
		if from != (account.Contact{}) {
			where, stored, ok := k.stored(from)
			if !ok {
				return fmt.Errorf("ldap: replace: %w", directory.ErrConflict)
			}
			changes.Delete(attributeOf(where), []string{stored})
		}
		if to != (account.Contact{}) {
			where, _ := d.schema.Attributes.place(to)
			changes.Add(attributeOf(where), []string{added})
		}
		return edited("replace", k.modify(changes))
	})
}

// Edit implements directory.Editor for the attributes that the configuration
// lists.
func (d *dir) Edit(ctx context.Context, id account.ID, attribute string, from, to []string) error {
	if !d.Writes(attribute) {
		return fmt.Errorf("ldap: edit: %s is not among attributes.editable", attribute)
	}
	for _, v := range to {
		if err := d.schema.Attributes.writable(attribute, v); err != nil {
			return fmt.Errorf("ldap: edit: %w", err)
		}
	}
	return d.write(ctx, id, func(k *desk) error {
		if !sameValues(k.entry.all(attribute), from) {
			return fmt.Errorf("ldap: edit: %w", directory.ErrConflict)
		}
		if sameValues(from, to) {
			return nil
		}
		changes := goldap.NewModifyRequest(k.dn, nil)
		if len(from) > 0 {
			changes.Delete(attribute, from)
		}
		if len(to) > 0 {
			changes.Add(attribute, to)
		}
		return edited("edit", k.modify(changes))
	})
}

// sameValues compares what LDAP keeps without order.
func sameValues(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// edited turns the answer to a change of values into an error of the port.
// That a value is gone, or there already, is somebody else's doing.
func edited(operation string, err error) error {
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultAttributeOrValueExists):
		return fmt.Errorf("ldap: %s: %w", operation, directory.ErrConflict)
	case goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidAttributeSyntax):
		return fmt.Errorf("ldap: %s: the directory's schema does not take such a value there: %w", operation, err)
	case goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights):
		return fmt.Errorf("ldap: %s: the account of writeDN may not: give it the right to write there: %w", operation, err)
	}
	return fault(operation, err)
}

// Own implements directory.Domains.
func (d *dir) Own(_ account.ID, address string) bool { return within(address, d.ownDomains) }

// storable is a contact as its place stores it.
func (d *dir) storable(c account.Contact) (string, error) {
	where, ok := d.schema.Attributes.place(c)
	if !ok {
		return "", fmt.Errorf("no place called %q is configured for a contact of kind %q", c.Label, c.Kind)
	}
	value, ok := d.readContact(c.Kind, c.Value)
	if !ok || strings.HasPrefix(value, "{") { // it would be read as a label
		return "", fmt.Errorf("the new value is no address for a contact of kind %q", c.Kind)
	}
	if c.Kind == account.Email && d.Own("", value) {
		return "", errors.New("an address of the institution itself is no rescue address")
	}
	if err := d.schema.Attributes.writable(attributeOf(where), value); err != nil {
		return "", err
	}
	return labelOf(where) + value, nil
}

// stored finds a contact in the entry as it is written there.
func (k *desk) stored(c account.Contact) (where, value string, ok bool) {
	where, ok = k.dir.schema.Attributes.place(c)
	if !ok {
		return "", "", false
	}
	for _, v := range k.entry.all(attributeOf(where)) {
		if !hasLabel(v, labelOf(where)) {
			continue
		}
		if read, ok := k.dir.readContact(c.Kind, v[len(labelOf(where)):]); ok && read == c.Value {
			return where, v, true
		}
	}
	return "", "", false
}

// place is where contacts of a kind and a label are kept: one without a label is
// new, and goes where the first are looked for.
func (a Attributes) place(c account.Contact) (where string, ok bool) {
	places := map[account.ContactKind][]string{account.Email: a.Emails, account.Phone: a.Phones}[c.Kind]
	if c.Label == "" && len(places) > 0 {
		return places[0], true
	}
	i := slices.IndexFunc(places, func(where string) bool { return contactLabel(where) == c.Label })
	if i < 0 {
		return "", false
	}
	return places[i], true
}

// writable checks a value against what is known of an attribute's syntax.
func (a Attributes) writable(attribute, value string) error {
	ascii := !strings.ContainsFunc(value, func(r rune) bool { return r > 0x7e || r < ' ' })
	if !ascii && slices.ContainsFunc(a.ASCII, func(name string) bool { return strings.EqualFold(name, attribute) }) {
		return fmt.Errorf("%s takes ASCII characters only (IA5 String, RFC 4517 section 3.3.15)", attribute)
	}
	if value == "" {
		return errors.New("a value is empty")
	}
	return nil
}
