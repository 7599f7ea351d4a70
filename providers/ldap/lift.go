package ldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

var _ directory.Lifter = (*dir)(nil)

// Lift implements directory.Lifter. Each value that locks is deleted by name, so
// that values with other labels stay and a stale one is refused by the server
// (requirement R7).
func (d *dir) Lift(ctx context.Context, id account.ID, reason account.Reason) error {
	return d.write(ctx, id, func(k *desk) error {
		changes := k.lifting(reason)
		if k.state.status != account.Locked || k.state.reason != reason || len(changes.Changes) == 0 {
			return fmt.Errorf("ldap: lift: %w", directory.ErrConflict)
		}
		return edited("lift", k.modify(changes))
	})
}

// lifting is the change that takes out of the entry what locks it for a reason.
func (k *desk) lifting(reason account.Reason) *goldap.ModifyRequest {
	changes := goldap.NewModifyRequest(k.dn, nil)
	exchange := func(attribute, old, new string) {
		changes.Delete(attribute, []string{old})
		changes.Add(attribute, []string{new})
	}
	decided := reason == account.ReasonAdministrative
	for _, name := range k.dir.schema.State {
		switch name {
		case "supann":
			k.liftSUPANN(reason, exchange)
		case "ent":
			if old := k.entry.first("ESCOPersonEtatCompte"); decided && strings.EqualFold(old, "BLOQUE") {
				exchange("ESCOPersonEtatCompte", old, "VALIDE")
			}
		case "ppolicy":
			if decided && k.entry.first("pwdAccountLockedTime") == lockedForEver {
				changes.Delete("pwdAccountLockedTime", []string{lockedForEver})
			}
		case "active-directory":
			old := k.entry.first("userAccountControl")
			if control, err := strconv.ParseInt(old, 10, 64); decided && err == nil && control&adDisabled != 0 {
				exchange("userAccountControl", old, strconv.FormatInt(control&^adDisabled, 10))
			}
		case "389ds":
			if old := k.entry.first("nsAccountLock"); decided && strings.EqualFold(old, "true") {
				changes.Delete("nsAccountLock", []string{old})
			}
		}
	}
	return changes
}

// liftSUPANN makes a locked state the active one from today. An end that stands
// beside it stays: to lift a lock never makes an account last longer.
func (k *desk) liftSUPANN(reason account.Reason, exchange func(attribute, old, new string)) {
	const active = compte + "A:SupannActif"
	today := k.dir.now().In(account.Place).Format("20060102")
	for _, old := range k.entry.all("supannRessourceEtat") {
		if hasLabel(old, compte) && supannState(strings.TrimSpace(old[len(compte):])).reason == reason {
			exchange("supannRessourceEtat", old, active)
		}
	}
	for _, old := range supannDates(k.entry) {
		exchange("supannRessourceEtatDate", old, active+":"+today+":"+dateFields(old)[3])
	}
}
