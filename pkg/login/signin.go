package login

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
)

// SignIn is when somebody last gave their password on a device, from a network,
// on the way to an application: what its owner recognises, or does not.
type SignIn struct {
	At      time.Time `json:"t"`
	Device  string    `json:"d,omitempty"` // "Firefox, Windows"; empty when not known
	Network string    `json:"n,omitempty"` // a range of addresses, never one
	Party   string    `json:"p,omitempty"` // empty: the pages of the server itself
}

// told is how long a sign-in is remembered.
const told = 30 * 24 * time.Hour

func signInsOf(id account.ID) string { return "sign-ins " + secret.Hash(string(id))[:22] }

// remember records a sign-in. One from the same device and network to the same
// application takes the place of the last, so that their number stays small.
func (f *Flow) remember(s *session.Session, party string) []store.Op {
	device, network := s.From()
	value, err := json.Marshal(SignIn{At: f.now(), Device: device, Network: network, Party: party})
	if err != nil {
		panic(err) // plain data
	}
	queue, id := signInsOf(s.Account.ID), secret.Hash(device + "\n" + network + "\n" + party)[:22]
	return []store.Op{&store.Drop{Queue: queue, Due: true},
		&store.Push{Queue: queue, ID: id, Value: f.Keys.Box("login sign-ins").Seal(value, queue), After: told}}
}

// SignIns are those of an account in the last thirty days, the newest first. The
// error wraps store.ErrUnavailable.
func (f *Flow) SignIns(ctx context.Context, id account.ID) ([]SignIn, error) {
	queue := signInsOf(id)
	list := &store.List{Queue: queue}
	if err := f.Sessions.Cookies.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	var out []SignIn
	for _, entry := range list.Entries {
		var s SignIn
		plain, err := f.Keys.Box("login sign-ins").Open(entry.Value, queue)
		if err == nil && json.Unmarshal(plain, &s) == nil && entry.Due >= 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b SignIn) int { return cmp.Compare(b.At.UnixNano(), a.At.UnixNano()) })
	return out, nil
}
