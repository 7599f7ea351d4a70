package login

import (
	"net/http"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
)

// pardoned is how long the networks are forgiven after a Pardon: until somebody
// who was helped by telephone is back at their own machine.
const pardoned = 30 * time.Minute

func pardonKey(whole string) store.Key {
	// A hash: people type passwords as names.
	return store.Key{Tag: "p-" + secret.Hash("pardon " + whole)[:22], Name: "pardon"}
}

// Pardon are the operations by which nobody is kept waiting any more for what
// was tried at an account before: for an operator, who has made sure of who its
// owner is and does not know from where they will come (requirement R34). Each
// network is forgiven once, when it is next refused, so that whoever goes on
// guessing gains five tries.
func (l Limits) Pardon(id account.ID) []store.Op {
	k := pardonKey(string(id))
	return []store.Op{l.Everywhere.Forgive(string(id)),
		&store.Delete{Tag: k.Tag, Names: []string{k.Name}}, &store.Create{Key: k, TTL: pardoned}}
}

// pardoned takes the pardon for the network of a request, if there is one that
// it has not had.
func (f *Flow) pardoned(r *http.Request, whole string) (bool, error) {
	k := pardonKey(whole)
	take := &store.Create{Key: store.Key{Tag: k.Tag, Name: "from " + web.ClientRange(r)}, TTL: pardoned, Under: k.Name}
	if err := f.Sessions.Cookies.Store.Do(r.Context(), take); err != nil || !take.Created {
		return false, err
	}
	return true, f.Sessions.Cookies.Store.Do(r.Context(), f.Limits.Account.Forgive(whole+" "+web.ClientRange(r)))
}
