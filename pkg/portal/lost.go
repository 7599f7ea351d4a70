package portal

import (
	"context"

	"github.com/loge-idp/loge/pkg/account"
)

// AddressLost takes back that a rescue address was proved: nobody reads there,
// and the next login asks for another one (requirement R23). It is the Lost of
// a recovery.Flow.
func (p *Portal) AddressLost(ctx context.Context, id account.ID, c account.Contact) error {
	if p.asks.Address == nil || c.Kind != account.Email {
		return nil
	}
	_, err := p.notes.write(ctx, id, notedAddress, "")
	return err
}
