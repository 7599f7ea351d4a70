package operator

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
)

// Two digits are compared the other way round than a code: the operator says
// them, and the caller types them on the page that a link leads to, sent to an
// address on file. Nobody is taught to read codes to whoever calls.

// matchLen is how many digits the operator says.
const matchLen = 2

const (
	fieldOperator = "operator"
	fieldAccount  = "account"
	fieldMissed   = "missed" // in place of the link, once it was answered wrongly
)

// Missed is how somebody answered a link of the desk who is not the caller, or
// did not hear well.
type Missed string

// The wrong answers.
const (
	MissedDigits Missed = "digits" // other digits than those that the operator says
	MissedNobody Missed = "nobody" // whoever reads there speaks to nobody
)

// matches are the links. A link takes one answer.
func (d *Desk) matches() ticket.Book {
	return ticket.Book{Store: d.Store, Kind: "desk match", TTL: codeLife}
}

func (d *Desk) matchDigits(id string, operator, who account.ID) string {
	return d.Keys.Deriver("desk match").Digits(matchLen, id, string(operator), string(who))
}

// SendMatch sends the caller a link to a page that asks for two digits, which
// Person then says: to one of the addresses on file. Errors: as of SendCode.
func (d *Desk) SendMatch(ctx context.Context, c Case, contact int) error {
	who, to, err := d.channel(ctx, c, contact)
	if err != nil {
		return err
	}
	id := secret.Random(16)
	token, link := d.matches().Issue(store.Key{}, store.Fields{fieldID: id, fieldOperator: string(c.Operator), fieldAccount: string(who.ID)})
	data, err := json.Marshal(codeJob{ID: id, Operator: c.Operator, Account: who.ID, To: secret.Hash(to.Value), At: d.now().Unix(), Link: token})
	if err != nil {
		return err
	}
	err = d.Store.Do(ctx, link, &store.Create{Key: c.key("match"), Fields: store.Fields{fieldID: id}, TTL: codeLife, Replace: true},
		d.Outbox.Op(outbox.Job{ID: "desk match " + id, Kind: jobCode, Data: data}))
	d.Outbox.Nudge()
	d.record(ctx, c, "send_match", "ok", slog.String("to", to.Masked()))
	return err
}

// Asks reports whether a link still takes an answer. It changes nothing. The
// error wraps store.ErrUnavailable.
func (d *Desk) Asks(ctx context.Context, link string) (bool, error) {
	k, ok := d.matches().Key(link)
	if !ok {
		return false, nil
	}
	read := &store.Read{Key: k}
	err := d.Store.Do(ctx, read)
	return read.Fields != nil, err
}

// Matched takes the digits that somebody typed behind a link: right ones verify
// the caller, none says that nobody is calling. It is ErrWrong when they are not
// right, or the link is spent, too old, or replaced by a newer one; a fault wraps
// store.ErrUnavailable.
func (d *Desk) Matched(ctx context.Context, link, typed, address string) error {
	take, err := d.matches().Redeem(ctx, link)
	if err != nil {
		return err
	}
	if take.Outcome != store.Taken {
		return ErrWrong
	}
	c := Case{Operator: account.ID(take.Fields[fieldOperator]), Account: account.ID(take.Fields[fieldAccount]), Address: address}
	shown := &store.Read{Key: c.key("match")}
	if err := d.Store.Do(ctx, shown); err != nil {
		return err
	}
	id := take.Fields[fieldID]
	if shown.Fields[fieldID] != id {
		return ErrWrong
	}
	if secret.New(typed).Equal(secret.New(d.matchDigits(id, c.Operator, c.Account))) {
		if err := d.Store.Do(ctx, &store.Delete{Tag: shown.Key.Tag, Names: []string{shown.Key.Name}}); err != nil {
			return err
		}
		return d.verified(ctx, c, ProofMatch)
	}
	missed := MissedDigits
	if typed == "" {
		missed = MissedNobody
	}
	tell := &store.Create{Key: shown.Key, Fields: store.Fields{fieldMissed: string(missed)}, TTL: codeLife, Replace: true}
	if err := d.Store.Do(ctx, tell); err != nil {
		return err
	}
	return d.unverified(ctx, c, ProofMatch, slog.String("answer", string(missed)))
}
