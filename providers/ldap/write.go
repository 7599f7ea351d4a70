package ldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

// desk is one entry open for a change, on a connection of its own: a change
// that was cut off half-way is never repeated, so it must not begin on a
// connection that may be dead.
type desk struct {
	dir   *dir
	conn  *conn
	ctx   context.Context
	dn    string
	entry entry
	state standing
}

// write opens the entry of an account, reads it afresh and lets work change it.
func (d *dir) write(ctx context.Context, id account.ID, work func(*desk) error) error {
	filter, ok := d.idFilter(id)
	if !ok {
		return fmt.Errorf("ldap: %w", directory.ErrNotFound)
	}
	ctx, cancel := deadline(ctx, 2*d.timeout) // a search and a change
	defer cancel()
	c, err := d.dialer.open(ctx, forChanges, &d.writer, nil)
	if err != nil {
		return unavailable("connect", err)
	}
	defer c.retire()
	k := &desk{dir: d, conn: c, ctx: ctx}
	if err := k.read(filter); err != nil {
		return err
	}
	return work(k)
}

// read fills the desk with what the entry says now.
func (k *desk) read(filter string) error {
	request := k.dir.request(filter)
	result, err := ask(k.ctx, k.dir.dialer, "search", func() (*goldap.SearchResult, error) { return k.conn.Search(request) })
	found, err := k.dir.pick(result, err)
	if err != nil {
		return err
	}
	a, err := k.dir.usable(found)
	if err != nil {
		return err
	}
	k.dn, k.entry = found.DN, readEntry(found)
	k.state = standing{a.Status, a.Reason, a.Ends, a.Closes}
	return nil
}

func (k *desk) modify(changes *goldap.ModifyRequest) error {
	_, err := ask(k.ctx, k.dir.dialer, "modify", func() (struct{}, error) { return struct{}{}, k.conn.Modify(changes) })
	return err
}

// Activate implements directory.Writer: the state of R10 that leads to
// activation becomes the active one.
func (d *dir) Activate(ctx context.Context, id account.ID) error {
	if d.delegate != nil {
		return d.delegated(ctx, id, "activate", "")
	}
	return d.write(ctx, id, func(k *desk) error {
		for retried := false; ; retried = true {
			if k.state.status != account.Pending {
				return nil
			}
			changes := k.activation()
			if len(changes.Changes) == 0 {
				return nil
			}
			err := k.modify(changes)
			if err == nil {
				return nil
			}
			// The value to delete is no longer there: somebody else wrote
			// meanwhile (R7). Look again, once.
			if retried || !goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchAttribute) {
				return fault("activate", err)
			}
			filter, _ := d.idFilter(id)
			if err := k.read(filter); err != nil {
				return err
			}
		}
	})
}

// activation is the change that activates the entry. Each old value is
// deleted by name, so that values with other labels stay and a stale one is
// refused by the server.
func (k *desk) activation() *goldap.ModifyRequest {
	changes := goldap.NewModifyRequest(k.dn, nil)
	exchange := func(attribute, old, new string) {
		changes.Delete(attribute, []string{old})
		changes.Add(attribute, []string{new})
	}
	for _, name := range k.dir.schema.State {
		switch name {
		case "supann":
			const active = compte + "A:SupannActif"
			for _, old := range k.entry.all("supannRessourceEtat") {
				if hasLabel(old, compte) {
					exchange("supannRessourceEtat", old, active)
				}
			}
			today := k.dir.now().In(account.Place).Format("20060102")
			for _, old := range supannDates(k.entry) {
				exchange("supannRessourceEtatDate", old, active+":"+today+":")
			}
		case "ent":
			if old := k.entry.first("ESCOPersonEtatCompte"); old != "" {
				exchange("ESCOPersonEtatCompte", old, "VALIDE")
			}
		}
	}
	return changes
}

// Unlock implements directory.Writer. It lifts what the directory's policy put
// after failures; the states that people set are not its business.
func (d *dir) Unlock(ctx context.Context, id account.ID) error {
	if d.delegate != nil {
		return d.delegated(ctx, id, "unlock", "")
	}
	return d.write(ctx, id, func(k *desk) error {
		changes := goldap.NewModifyRequest(k.dn, nil)
		for _, name := range d.schema.State {
			switch name {
			case "ppolicy":
				if since := k.entry.first("pwdAccountLockedTime"); since != "" && since != lockedForEver {
					changes.Delete("pwdAccountLockedTime", []string{since})
				}
			case "active-directory":
				if at := k.entry.first("lockoutTime"); at != "" && at != "0" {
					changes.Replace("lockoutTime", []string{"0"})
				}
			case "389ds":
				if until := k.entry.first("accountUnlockTime"); until != "" {
					changes.Delete("accountUnlockTime", []string{until})
					changes.Replace("passwordRetryCount", []string{"0"})
				}
			}
		}
		if len(changes.Changes) == 0 {
			return nil
		}
		err := k.modify(changes)
		if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchAttribute) {
			return nil // lifted meanwhile
		}
		return fault("unlock", err)
	})
}

// fault sorts a failed change: no answer, or an answer that an operator must
// hear of.
func fault(operation string, err error) error {
	var answer *goldap.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer) || answer.Packet == nil,
		goldap.IsErrorAnyOf(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable, goldap.LDAPResultReferral):
		return unavailable(operation, err)
	}
	return fmt.Errorf("ldap: %s: %w", operation, err)
}
