package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// ErrCannotFreeze says that this directory keeps nowhere which contacts must
// not be used.
var ErrCannotFreeze = errors.New("operator: the directory keeps no frozen contacts")

// CanFreeze reports whether contacts can be frozen here.
func (d *Desk) CanFreeze() bool {
	f, ok := d.Directory.(directory.Freezer)
	return ok && f.Freezes()
}

// Freeze has nothing be sent to a contact of the account any more, since
// somebody else reads there, and ends what is on its way; or lets it be used
// again. It is an index of the account's Contacts. Errors: a Denied, ErrReason,
// ErrNoContact, ErrCannotFreeze, or a fault.
func (d *Desk) Freeze(ctx context.Context, c Case, why Reason, contact int, frozen bool) error {
	act := ActFreeze
	if !frozen {
		act = ActThaw
	}
	return d.act(ctx, c, act, why, func(who account.Account, note func(slog.Attr)) error {
		if contact < 0 || contact >= len(who.Contacts) {
			return ErrNoContact
		}
		note(slog.String("contact", who.Contacts[contact].Masked()))
		if err := d.freeze(ctx, who.ID, who.Contacts[contact], frozen); err != nil || !frozen {
			return err
		}
		return d.Recovery.Cancel(ctx, who.ID, "", c.Operator)
	})
}

func (d *Desk) freeze(ctx context.Context, id account.ID, contact account.Contact, frozen bool) error {
	if !d.CanFreeze() {
		return ErrCannotFreeze
	}
	if err := d.Directory.(directory.Freezer).Freeze(ctx, id, contact, frozen); err != nil {
		return fmt.Errorf("desk: freeze: %w", err)
	}
	return nil
}

// among reports whether a contact is one of the channels that somebody typed: an
// address, a number in any of the usual ways, or "@host".
func (d *Desk) among(c account.Contact, typed []string) bool {
	return slices.ContainsFunc(typed, func(channel string) bool {
		if c.Kind == account.Phone {
			number, _ := d.mobile(channel)
			return number == c.Value || same(squeeze(c.Value), squeeze(channel))
		}
		address, channel := strings.ToLower(c.Value), strings.ToLower(channel)
		return address == channel || strings.HasPrefix(channel, "@") && strings.HasSuffix(address, channel)
	})
}
