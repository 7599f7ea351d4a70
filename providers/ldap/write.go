package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"

	ber "github.com/go-asn1-ber/asn1-ber"
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
	c, err := d.dialer.open(ctx, forChanges, &d.writer)
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
	k.dir.dialer.observe("search")
	result, err := await(k.ctx, func() (*goldap.SearchResult, error) { return k.conn.Search(request) })
	a, err := k.dir.pick(result, err)
	if err != nil {
		return err
	}
	k.dn, k.entry = a.Handle, readEntry(result.Entries[0])
	k.state = standing{a.Status, a.Reason, a.Ends}
	return nil
}

func (k *desk) modify(changes *goldap.ModifyRequest) error {
	k.dir.dialer.observe("modify")
	_, err := await(k.ctx, func() (struct{}, error) { return struct{}{}, k.conn.Modify(changes) })
	return err
}

// passwordChanges are the ways to set a password, by their names in a schema.
var passwordChanges = map[string]func(k *desk, password string) error{
	"rfc3062": passwordModify,
	"modify":  replacePassword,
	"ad":      replaceUnicodePwd,
}

// SetPassword implements directory.Writer.
func (d *dir) SetPassword(ctx context.Context, id account.ID, password secret.String) error {
	switch p := password.Reveal(); {
	case p == "": // to a server it would mean "make one up" (RFC 3062)
		return fmt.Errorf("ldap: %w", &directory.Rejection{Why: "too_short"})
	case !sendable(p):
		return fmt.Errorf("ldap: %w", &directory.Rejection{Why: "other"})
	}
	return d.write(ctx, id, func(k *desk) error {
		if err := passwordChanges[d.schema.PasswordChange](k, password.Reveal()); err != nil {
			return err
		}
		k.clearReset() // the password is set, whatever comes of this
		return nil
	})
}

// passwordModifyOID names the Password Modify operation (RFC 3062).
const passwordModifyOID = "1.3.6.1.4.1.4203.1.11.1"

// passwordModify asks the server to hash by its own rules. go-ldap's own
// request takes no control, and without it a refusal has no reason.
func passwordModify(k *desk, password string) error {
	value := ber.NewSequence("PasswdModifyRequestValue")
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, k.dn, "userIdentity"))
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 2, password, "newPasswd"))
	request := goldap.NewExtendedRequest(passwordModifyOID, value)
	request.Controls = []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}
	k.dir.dialer.observe("extended")
	_, err := await(k.ctx, func() (*goldap.ExtendedResponse, error) { return k.conn.Extended(request) })
	return refusal("password modify", err)
}

func replacePassword(k *desk, password string) error {
	changes := goldap.NewModifyRequest(k.dn, []goldap.Control{goldap.NewControlBeheraPasswordPolicy()})
	changes.Replace("userPassword", []string{password})
	return refusal("modify", k.modify(changes))
}

// replaceUnicodePwd writes the quoted password in UTF-16LE (MS-ADTS
// 3.1.1.3.1.5).
func replaceUnicodePwd(k *desk, password string) error {
	var value []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		value = binary.LittleEndian.AppendUint16(value, unit)
	}
	changes := goldap.NewModifyRequest(k.dn, nil)
	changes.Replace("unicodePwd", []string{string(value)})
	return refusal("modify", k.modify(changes))
}

// clearReset takes back pwdReset, which a policy with pwdMustChange sets when
// an administrator changes a password (OpenLDAP: when the root DN does): here
// the person chose it.
func (k *desk) clearReset() {
	if !slices.Contains(k.dir.schema.State, "ppolicy") {
		return
	}
	request := goldap.NewSearchRequest(k.dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, 0, false,
		"(pwdReset=TRUE)", []string{"1.1"}, nil)
	k.dir.dialer.observe("search")
	result, err := await(k.ctx, func() (*goldap.SearchResult, error) { return k.conn.Search(request) })
	if err != nil || len(result.Entries) == 0 {
		return
	}
	changes := goldap.NewModifyRequest(k.dn, nil)
	changes.Delete("pwdReset", nil)
	if err := k.modify(changes); err != nil {
		k.dir.log.Warn("ldap: pwdReset cannot be cleared; the person will be asked to change the new password", "entry", k.dn, "error", err)
	}
}

// Activate implements directory.Writer: the state of R10 that leads to
// activation becomes the active one.
func (d *dir) Activate(ctx context.Context, id account.ID) error {
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
			for _, old := range k.entry.all("supannRessourceEtatDate") {
				if hasLabel(old, compte) {
					exchange("supannRessourceEtatDate", old, active+":"+today+":")
				}
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
