package several

import (
	"context"
	"fmt"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// Extend implements directory.Extender.
func (j joined) Extend(ctx context.Context, id account.ID, from, until account.Date) error {
	m, own, err := j.route(id)
	if err != nil {
		return err
	}
	e, ok := m.Directory.(directory.Extender)
	if !ok {
		return fmt.Errorf("several: in the directory %s no account can be extended", m.Name)
	}
	return e.Extend(ctx, own, from, until)
}
