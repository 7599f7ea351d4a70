package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/loge-idp/loge/pkg/account"
)

// ErrConflict says that what was to be changed is not what it was when it was read
// (LDAP result 16 for a deletion of a value that is gone: requirement R7). Read
// again and decide again.
var ErrConflict = errors.New("changed in the meantime")

// Query says which accounts are searched for. All of it must be met.
type Query struct {
	// Text is what an operator typed: part of a name, or an identifier, a
	// number or an address. Empty: everybody.
	Text string
	// Where are attributes of the directory, each of which must have one of
	// the values given: a class, an establishment, an affiliation.
	Where map[string][]string
}

// Searcher is implemented by directories that can be looked through: for the
// desk, letters and campaigns.
type Searcher interface {
	// Search calls each for the accounts that match, in no particular order,
	// until it returns false. It reads page by page: any number of accounts
	// needs little memory. What it gives is for showing; whoever acts on an
	// account reads it again by Get.
	Search(ctx context.Context, q Query, each func(account.Account) bool) error
}

// Selecting is implemented by directories that read some attributes of an entry
// and leave the others.
type Selecting interface {
	// Reads reports whether accounts come with their values of an attribute.
	Reads(attribute string) bool
	// Finds reports whether Query.Where can ask for an attribute.
	Finds(attribute string) bool
	// Writes reports whether Editor.Edit changes an attribute.
	Writes(attribute string) bool
}

// Unread says of the first of these names that accounts do not come with it:
// what looks at it would never hold. It is nil for their own values, and where a
// directory reads all that there is.
func Unread(d Reader, names ...string) error {
	s, selects := d.(Selecting)
	for _, name := range names {
		if selects && !account.IsOwn(name) && !s.Reads(name) {
			return fmt.Errorf("looks at %q, which the directory does not read; add it to directory.attributes.release", name)
		}
	}
	return nil
}

// Editor is implemented by directories whose entries can be changed in more
// than their password. What cannot be written as asked is an error that says
// so to an operator.
type Editor interface {
	// Replace changes one contact into another: to a zero one removes it, from
	// a zero one adds it. The old value must still be there, else ErrConflict;
	// all other values and labels stay as they are (requirement R7).
	Replace(ctx context.Context, id account.ID, from, to account.Contact) error
	// Edit changes the values of one attribute from those read to those wanted,
	// else ErrConflict.
	Edit(ctx context.Context, id account.ID, attribute string, from, to []string) error
}

// Domains is implemented by directories that know the mail domains of the
// institution.
type Domains interface {
	// Own reports whether an address is in one of them, where no address is a
	// rescue address of an account (requirement R20).
	Own(id account.ID, address string) bool
}

// Extender is implemented by directories in which the end of an account can be
// put off.
type Extender interface {
	// Extend makes the last day on which the present state of an account holds
	// another one, in account.Place. It must still be the day given first, else
	// ErrConflict; what the account may do stays as it is.
	Extend(ctx context.Context, id account.ID, from, until account.Date) error
}

// Graceful is implemented by directories in which the end of an account may be
// that of its holder's time in the house. The account can then last on in grace
// (requirement R13), for as long as the house decides.
type Graceful interface {
	// Grace says how many months that is for the kind of person that an account
	// is of, none when zero. It is called once, before anything else.
	Grace(months func(account.Account) int)
}

// Lifter is implemented by directories in which a lock can be lifted that
// people wrote into the entry of an account, where Writer.Unlock lifts those
// that the directory put by itself (requirement R14).
type Lifter interface {
	// Lift makes an account active again that is locked for this reason. When
	// it is not, or not by its entry, that is ErrConflict. The password stays as
	// it was.
	Lift(ctx context.Context, id account.ID, reason account.Reason) error
}

// Freezer is implemented by directories that keep of the contacts of an account
// which must not be used, because somebody else reads there.
type Freezer interface {
	// Freezes reports whether they are configured for it.
	Freezes() bool
	// Freeze has a contact be account.Contact.Frozen from now on, or no longer.
	// One that is so already stays as it is.
	Freeze(ctx context.Context, id account.ID, c account.Contact, frozen bool) error
}
