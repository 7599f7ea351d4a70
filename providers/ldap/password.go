package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// passwordChanges are the ways to change a password, by their names in a
// schema. Without the old one it is set by an administrator.
var passwordChanges = map[string]func(k *desk, old, chosen string) error{
	"rfc3062": passwordModify,
	"modify":  modifyPassword,
	"ad":      modifyUnicodePwd,
}

// SetPassword implements directory.Writer.
func (d *dir) SetPassword(ctx context.Context, id account.ID, password secret.String) error {
	if err := acceptable(password); err != nil {
		return err
	}
	if d.delegate != nil {
		return d.delegated(ctx, id, "setPassword", password.Reveal())
	}
	return d.write(ctx, id, func(k *desk) error {
		if err := passwordChanges[d.schema.PasswordChange](k, "", password.Reveal()); err != nil {
			return err
		}
		k.clearReset() // the password is set, whatever comes of this
		return nil
	})
}

// ChangePassword implements directory.Changer: the connection is the person's
// own, and ends with the change.
func (d *dir) ChangePassword(ctx context.Context, a account.Account, old, chosen secret.String) error {
	if !sendable(old.Reveal()) || a.Handle == "" {
		return fmt.Errorf("ldap: %w", directory.ErrBadPassword)
	}
	if err := acceptable(chosen); err != nil {
		return err
	}
	if d.delegate != nil { // whose business a change is
		return fmt.Errorf("ldap: delegated: %w", errors.ErrUnsupported)
	}
	ctx, cancel := deadline(ctx, 2*d.timeout) // a bind and a change
	defer cancel()
	c, err := d.dialer.open(ctx, forChanges, nil, nil)
	if err != nil {
		return unavailable("connect", err)
	}
	defer c.retire()
	result, err := ask(ctx, d.dialer, "bind", func() (*goldap.SimpleBindResult, error) {
		return c.SimpleBind(goldap.NewSimpleBindRequest(a.Handle, old.Reveal(), []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}))
	})
	// Who must change the password may do that and nothing else.
	if outcome := bindOutcome(result, err); outcome != nil && (err != nil || !errors.Is(outcome, directory.ErrMustChange)) {
		return outcome
	}
	k := &desk{dir: d, conn: c, ctx: ctx, dn: a.Handle}
	err = passwordChanges[d.schema.PasswordChange](k, old.Reveal(), chosen.Reveal())
	if goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) { // by the server's own rules
		return fmt.Errorf("ldap: %w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// acceptable reports what no server need be asked about.
func acceptable(password secret.String) error {
	switch p := password.Reveal(); {
	case p == "": // to a server it would mean "make one up" (RFC 3062)
		return fmt.Errorf("ldap: %w", &directory.Rejection{Why: "too_short"})
	case !sendable(p):
		return fmt.Errorf("ldap: %w", &directory.Rejection{Why: "other"})
	}
	return nil
}

// passwordModifyOID names the Password Modify operation (RFC 3062).
const passwordModifyOID = "1.3.6.1.4.1.4203.1.11.1"

// passwordModify asks the server to hash by its own rules. go-ldap's own
// request takes no control, and without it a refusal has no reason.
func passwordModify(k *desk, old, chosen string) error {
	value := ber.NewSequence("PasswdModifyRequestValue")
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, k.dn, "userIdentity"))
	if old != "" {
		value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, old, "oldPasswd"))
	}
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 2, chosen, "newPasswd"))
	request := goldap.NewExtendedRequest(passwordModifyOID, value)
	request.Controls = []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}
	_, err := ask(k.ctx, k.dir.dialer, "extended", func() (*goldap.ExtendedResponse, error) { return k.conn.Extended(request) })
	return refusal("password modify", err)
}

func modifyPassword(k *desk, old, chosen string) error {
	changes := goldap.NewModifyRequest(k.dn, []goldap.Control{goldap.NewControlBeheraPasswordPolicy()})
	if old != "" {
		changes.Delete("userPassword", []string{old})
		changes.Add("userPassword", []string{chosen})
	} else {
		changes.Replace("userPassword", []string{chosen})
	}
	return refusal("modify", k.modify(changes))
}

// modifyUnicodePwd replaces the password as an administrator, or deletes the
// old and adds the new one as the person (MS-ADTS 3.1.1.3.1.5).
func modifyUnicodePwd(k *desk, old, chosen string) error {
	changes := goldap.NewModifyRequest(k.dn, nil)
	if old != "" {
		changes.Delete("unicodePwd", []string{unicodePwd(old)})
		changes.Add("unicodePwd", []string{unicodePwd(chosen)})
	} else {
		changes.Replace("unicodePwd", []string{unicodePwd(chosen)})
	}
	err := refusal("modify", k.modify(changes))
	if why := new(directory.Rejection); errors.As(err, &why) && why.Why == "other" {
		return fmt.Errorf("ldap: modify: %w", &directory.Rejection{Why: k.adReason(chosen, old != "")})
	}
	return err
}

// unicodePwd is the quoted password in UTF-16LE.
func unicodePwd(password string) string {
	var value []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		value = binary.LittleEndian.AppendUint16(value, unit)
	}
	return string(value)
}

// afterReset are the marks that a password must be changed, by the sources of
// state. A policy puts them when an administrator changes a password: pwdReset
// with pwdMustChange (OpenLDAP: when the root DN does), passwordExpirationTime
// with passwordMustChange (389ds). In Active Directory only people put it.
var afterReset = map[string]struct{ attribute, value string }{
	"ppolicy":          {"pwdReset", "TRUE"},
	"389ds":            {"passwordExpirationTime", "19700101000000Z"},
	"active-directory": {"pwdLastSet", "0"},
}

// mustChange reports whether an entry bears such a mark, or says that its
// password has expired.
func mustChange(sources []string, e entry) bool {
	return slices.ContainsFunc(sources, func(source string) bool {
		mark, ok := afterReset[source]
		return ok && strings.EqualFold(e.first(mark.attribute), mark.value) || source == "active-directory" && adExpired(e)
	})
}

// clearReset takes such a mark back: here the person chose the password.
func (k *desk) clearReset() {
	for _, source := range k.dir.schema.State {
		mark, ok := afterReset[source]
		if !ok || source == "active-directory" { // where a new password replaces it
			continue
		}
		request := k.dir.look(k.dn, "("+mark.attribute+"="+mark.value+")", "1.1")
		result, err := ask(k.ctx, k.dir.dialer, "search", func() (*goldap.SearchResult, error) { return k.conn.Search(request) })
		if err != nil || len(result.Entries) == 0 {
			continue
		}
		changes := goldap.NewModifyRequest(k.dn, nil)
		changes.Delete(mark.attribute, nil)
		if err := k.modify(changes); err != nil {
			k.dir.log.Warn("ldap: a mark cannot be taken back; the person will be asked to change the new password",
				"entry", k.dn, "attribute", mark.attribute, "error", err)
		}
	}
}
