package recovery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

const (
	// doubt is how long an address at which nobody reads stands back.
	doubt = 90 * 24 * time.Hour
	// returning is how long a message may take to come back: mail servers give
	// up after five days (RFC 5321 section 4.5.4.1).
	returning = 8 * 24 * time.Hour
)

// markOf names a contact without telling it, in letters that survive any mail
// server. Who does not have the keys cannot make it.
func markOf(keys *secret.Deriver, c account.Contact) string {
	return strings.ToLower(keys.Text(22, "contact", string(c.Kind), fold(c.Value)))
}

func (f *Flow) mark(c account.Contact) string { return markOf(f.Keys.Deriver("recovery"), c) }

// doubtKey is that of the record that a contact is doubtful; ownerKey that of
// the record whose it is.
func doubtKey(mark string) store.Key { return store.Key{Tag: "d-" + mark, Name: "doubt"} }
func ownerKey(mark string) store.Key { return store.Key{Tag: "d-" + mark, Name: "owner"} }

// addressee notes whose contact a message goes to, for when it comes back.
func (f *Flow) addressee(mark string, who account.ID) store.Op {
	return &store.Create{Key: ownerKey(mark), Fields: store.Fields{fieldAccount: string(who)}, TTL: returning, Replace: true}
}

// Bounced is told what came back, by the mail.Message.Mark of it (requirement
// R23). Errors: ErrWrong when no message of the last days had that mark, or one
// that wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Bounced(ctx context.Context, mark string) error {
	read := &store.Read{Key: ownerKey(mark)}
	if err := f.Store.Do(ctx, read); err != nil {
		return err
	}
	who := account.ID(read.Fields[fieldAccount])
	if who == "" {
		return ErrWrong
	}
	return f.Doubt(ctx, who, mark)
}

// Doubt notes that nobody reads at the contact of an account that has this mark:
// it stands back, the desk sees it, and the person is asked for another one
// (requirement R23). Of one that is not on file, or no more, only the first.
func (f *Flow) Doubt(ctx context.Context, who account.ID, mark string) error {
	err := f.Store.Do(ctx, &store.Create{Key: doubtKey(mark), Fields: store.Fields{fieldAccount: string(who)}, TTL: doubt, Replace: true})
	if err != nil {
		return err
	}
	a, err := f.Directory.Get(ctx, who)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	i := slices.IndexFunc(a.Contacts, func(c account.Contact) bool { return f.mark(c) == mark })
	if i < 0 {
		return nil
	}
	c := a.Contacts[i]
	if err := f.Store.Do(ctx, f.note(who, Event{ID: "lost " + mark, At: f.now(), To: c.Masked(), Result: "undeliverable"})...); err != nil {
		return err
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.contact", Result: "lost", Account: who})
	if f.Lost == nil {
		return nil
	}
	return f.Lost(ctx, who, c)
}

// trust ends a doubt: somebody answered from there.
func trust(mark string) store.Op {
	key := doubtKey(mark)
	return &store.Delete{Tag: key.Tag, Names: []string{key.Name}}
}

// Doubtful returns those of the contacts at which lately nobody read. The error
// wraps store.ErrUnavailable.
func (f *Flow) Doubtful(ctx context.Context, contacts []account.Contact) ([]account.Contact, error) {
	reads, ops := make([]*store.Read, len(contacts)), make([]store.Op, len(contacts))
	for i, c := range contacts {
		reads[i] = &store.Read{Key: doubtKey(f.mark(c))}
		ops[i] = reads[i]
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return nil, err
	}
	var out []account.Contact
	for i, c := range contacts {
		if reads[i].Fields != nil {
			out = append(out, c)
		}
	}
	return out, nil
}
