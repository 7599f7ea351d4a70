package portal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/web"
)

// notes keep what must be known of an account for years, in the account itself:
// values like "loge:charter=2026-09" of an attribute of the directory. What else
// stands there is left as it is.
type notes struct {
	directory interface {
		directory.Reader
		directory.Editor
	}
	attribute string
}

const noteMark = "loge:"

// of returns what is noted of an account by a name; empty for nothing.
func (n notes) of(a account.Account, name string) string {
	for _, value := range a.Attributes[n.attribute] {
		if noted, ok := strings.CutPrefix(value, noteMark+name+"="); ok {
			return noted
		}
	}
	return ""
}

// write notes something, or forgets it when the value is empty, and returns the
// account as it is then. Who else writes there at the same time is not undone.
// The error wraps directory.ErrUnavailable or directory.ErrConflict.
func (n notes) write(ctx context.Context, id account.ID, name, value string) (account.Account, error) {
	for range 3 {
		a, err := n.directory.Get(ctx, id)
		if err != nil {
			return a, err
		}
		from := a.Attributes[n.attribute]
		to := slices.DeleteFunc(slices.Clone(from), func(v string) bool { return strings.HasPrefix(v, noteMark+name+"=") })
		if value != "" {
			to = append(to, noteMark+name+"="+value)
		}
		switch err := n.directory.Edit(ctx, id, n.attribute, from, to); {
		case errors.Is(err, directory.ErrConflict):
			continue
		case err != nil:
			return a, err
		}
		return n.directory.Get(ctx, id)
	}
	return account.Account{}, directory.ErrConflict
}

// noteAddress writes down that a rescue address was proved today, where that is
// asked for.
func (p *Portal) noteAddress(ctx context.Context, id account.ID) error {
	if p.asks.Address == nil {
		return nil
	}
	if _, err := p.notes.write(ctx, id, notedLater, ""); err != nil {
		return err
	}
	_, err := p.notes.write(ctx, id, notedAddress, p.now().In(account.Place).Format(time.DateOnly))
	return err
}

// accepted writes down that somebody accepted the charter: in the audit, and in
// the directory where that is kept.
func (p *Portal) accepted(r *http.Request, id account.ID) error {
	event := audit.Event{Action: "account.charter", Result: "ok", Account: id, Address: web.ClientAddr(r).String()}
	if p.asks.Charter != nil {
		if _, err := p.notes.write(r.Context(), id, notedCharter, p.asks.Charter.Version); err != nil {
			return err
		}
		event.Detail = []slog.Attr{slog.String("version", p.asks.Charter.Version)}
	}
	p.Login.Audit.Record(r.Context(), event)
	return nil
}

// noteRecovered writes down what somebody did on the way back in, so that they
// are not asked again when they sign in: the charter, and an address at which
// they answered. If it cannot be they are asked once more.
func (p *Portal) noteRecovered(r *http.Request, ready recovery.Ready) {
	var err error
	if ready.Charter != "" {
		err = p.accepted(r, ready.Account)
	}
	if slices.Contains(ready.Reached, account.Email) {
		err = errors.Join(err, p.noteAddress(r.Context(), ready.Account))
	}
	if err != nil {
		p.Logger.WarnContext(r.Context(), "a step taken on the way back in is not noted", "err", err)
	}
}
