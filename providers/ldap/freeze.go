package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"

	goldap "github.com/go-ldap/ldap/v3"
)

var _ directory.Freezer = (*dir)(nil)

// Freezes implements directory.Freezer.
func (d *dir) Freezes() bool { return d.schema.Attributes.Frozen != "" }

// Freeze implements directory.Freezer. What else stands in the attribute stays.
func (d *dir) Freeze(ctx context.Context, id account.ID, c account.Contact, frozen bool) error {
	name := d.schema.Attributes.Frozen
	if name == "" {
		return errors.New("ldap: freeze: attributes.frozen names no attribute to keep it in")
	}
	return d.write(ctx, id, func(k *desk) error {
		mark := frozenMark(c)
		if slices.Contains(k.entry.all(name), mark) == frozen {
			return nil
		}
		changes := goldap.NewModifyRequest(k.dn, nil)
		if frozen {
			changes.Add(name, []string{mark})
		} else {
			changes.Delete(name, []string{mark})
		}
		err := edited("freeze", k.modify(changes))
		if errors.Is(err, directory.ErrConflict) {
			return nil // somebody else just did the same
		}
		return err
	})
}

// frozenMark is how a contact is kept as frozen: the attribute may be one that
// many read, to whom it does not tell the address.
func frozenMark(c account.Contact) string {
	return fmt.Sprintf("loge:frozen=%s", secret.Hash(string(c.Kind) + ":" + strings.ToLower(c.Value))[:22])
}

// freeze marks those of the contacts that the entry says are frozen.
func (d *dir) freeze(e entry, contacts []account.Contact) []account.Contact {
	marks := e.all(d.schema.Attributes.Frozen)
	if len(marks) == 0 {
		return contacts
	}
	for i := range contacts {
		contacts[i].Frozen = slices.Contains(marks, frozenMark(contacts[i]))
	}
	return contacts
}
