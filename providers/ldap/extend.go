package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

var _ directory.Extender = (*dir)(nil)

// exchange is one value that another one replaces. The old one is deleted by
// name, so that those of other labels stay and a stale one is refused by the
// server (requirement R7).
type exchange struct{ attribute, old, new string }

// Extend implements directory.Extender: every source of the state in which the
// account would end before that day is changed, in one modification.
func (d *dir) Extend(ctx context.Context, id account.ID, from, until account.Date) error {
	return d.write(ctx, id, func(k *desk) error {
		if k.state.ends.IsZero() || account.DateOf(k.state.ends) != from {
			return fmt.Errorf("ldap: extend: %w", directory.ErrConflict)
		}
		changes := goldap.NewModifyRequest(k.dn, nil)
		for _, name := range d.schema.State {
			if sources[name].putOff == nil {
				continue
			}
			for _, c := range sources[name].putOff(k.entry, k.state, until) {
				changes.Delete(c.attribute, []string{c.old})
				changes.Add(c.attribute, []string{c.new})
			}
		}
		if len(changes.Changes) == 0 {
			return errors.New("ldap: extend: the end of this account is not in its entry: change it where it is kept")
		}
		return edited("extend", k.modify(changes))
	})
}

// putOffSupann rewrites the last field of "{COMPTE}A:SupannSursis:20260701:20261231".
// Where the grace was not written yet, since it follows by itself from the end
// of another state, it is now, from the day after that end on.
func putOffSupann(e entry, now standing, until account.Date) (out []exchange) {
	const grace = compte + "A:SupannSursis"
	for _, old := range supannDates(e) {
		cut := strings.LastIndexByte(old, ':')
		end, err := account.ParseDate(old[cut+1:])
		open := cut+1 == len(old) // of a grace that has a begin only
		if err != nil && !open || !end.IsZero() && !end.Before(until) {
			continue
		}
		begun := old[:cut]
		if now.status == account.Grace && !hasLabel(old, grace) {
			begun = grace + ":" + compact(end.AddDays(1))
			for _, state := range e.all("supannRessourceEtat") {
				if hasLabel(state, compte) {
					out = append(out, exchange{"supannRessourceEtat", state, grace})
				}
			}
		}
		out = append(out, exchange{"supannRessourceEtatDate", old, begun + ":" + compact(until)})
	}
	return out
}

// compact is a date as SUPANN writes it.
func compact(d account.Date) string { return strings.ReplaceAll(d.String(), "-", "") }

// putOffSchac and putOffPPolicy write the first instant after the last day.

func putOffSchac(e entry, _ standing, until account.Date) []exchange {
	return putOffTime(e, "schacExpiryDate", until)
}

func putOffPPolicy(e entry, _ standing, until account.Date) []exchange {
	return putOffTime(e, "pwdEndTime", until)
}

func putOffTime(e entry, attribute string, until account.Date) []exchange {
	old := e.first(attribute)
	if at, err := generalizedTime(old); err != nil || !at.Before(after(until)) {
		return nil
	}
	return []exchange{{attribute, old, after(until).UTC().Format("20060102150405Z")}}
}

// putOffAD writes accountExpires, the first instant at which the account is
// none any more (MS-ADTS 2.2.16).
func putOffAD(e entry, _ standing, until account.Date) []exchange {
	old := e.first("accountExpires")
	if at := adTime(old); at.IsZero() || !at.Before(after(until)) {
		return nil
	}
	return []exchange{{"accountExpires", old, strconv.FormatInt((after(until).Unix()+fileTime)*1e7, 10)}}
}

// after is the first instant that is not of a day any more.
func after(d account.Date) time.Time { return d.Last().Add(time.Second) }
