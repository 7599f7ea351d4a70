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

var _ directory.Extender = (*dir)(nil)

// Extend implements directory.Extender where the end stands in
// supannRessourceEtatDate: of "{COMPTE}A:SupannSursis:20260701:20261231" the
// last field. The old value is deleted by name, so that those of other labels
// stay and a stale one is refused by the server (requirement R7).
func (d *dir) Extend(ctx context.Context, id account.ID, from, until account.Date) error {
	if !slices.Contains(d.schema.State, "supann") {
		return errors.New("ldap: extend: the end of an account is not in supannRessourceEtatDate here: change it where it is kept")
	}
	return d.write(ctx, id, func(k *desk) error {
		for _, old := range k.entry.all("supannRessourceEtatDate") {
			rest, isEnd := strings.CutSuffix(old, ":"+compact(from))
			if !hasLabel(old, compte) || !isEnd {
				continue
			}
			changes := goldap.NewModifyRequest(k.dn, nil)
			changes.Delete("supannRessourceEtatDate", []string{old})
			changes.Add("supannRessourceEtatDate", []string{rest + ":" + compact(until)})
			return edited("extend", k.modify(changes))
		}
		return fmt.Errorf("ldap: extend: %w", directory.ErrConflict)
	})
}

// compact is a date as SUPANN writes it.
func compact(d account.Date) string { return strings.ReplaceAll(d.String(), "-", "") }
