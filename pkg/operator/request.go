package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Request is a call for help of somebody who has no way in: no address on file,
// no letter, no desk at hand. What they say of themselves is not proved.
type Request struct {
	ID       string    `json:"-"`
	At       time.Time `json:"t"`
	Need     Need      `json:"w"`
	Name     string    `json:"n"`
	Number   string    `json:"i,omitempty"` // a student number, an identifier; as typed
	Reach    string    `json:"r"`           // where to answer: a mail address or a telephone
	Language string    `json:"l"`
	// TakenBy is who looks after it, and Taker their name; empty while nobody
	// does.
	TakenBy account.ID `json:"-"`
	Taker   string     `json:"-"`
}

// Need is what somebody cannot do without an account.
type Need string

// Needs are all of them, the most urgent first.
func Needs() []Need {
	return []Need{"deadline", "exam", "card", "first", "forgotten", "locked", "other"}
}

// Outcome is how a request ended, for the requester.
type Outcome string

// Outcomes are all of them, in the order of a page.
func Outcomes() []Outcome { return []Outcome{"solved", "come", "unreachable"} }

const (
	// requestLife is how long a request is kept; then it is forgotten.
	requestLife = 30 * 24 * time.Hour
	requestTag  = "desk-requests"

	fieldSealed = "sealed"
	fieldName   = "name"

	jobProgress = "desk progress"
)

// The bounds of requests: of one network, which may be a whole campus and is
// slowed down only (requirement R33), and of all together.
var (
	requestsFrom = throttle.Limiter{Name: "desk requests from", Limit: 20, Window: time.Hour, Pause: 10 * time.Second, MaxPause: 10 * time.Second}
	requestsAll  = throttle.Limiter{Name: "desk requests", Limit: 1000, Window: time.Hour}
)

// What requests answer beside a Denied.
var (
	// ErrTaken: somebody else looks after it.
	ErrTaken = errors.New("operator: somebody else has taken this request")
	// ErrGone: it is done, or too old.
	ErrGone = errors.New("operator: no such request any more")
)

func requestKey(id string) store.Key { return store.Key{Tag: requestTag, Name: "request:" + id} }
func takenKey(id string) store.Key   { return store.Key{Tag: requestTag, Name: "taken:" + id} }

func (d *Desk) requests() *secret.Box { return d.Keys.Box("desk request") }

// Ask records a request. Nobody is looked up: its answer is the same whoever
// asks. Errors: ErrTooMany, or one that wraps store.ErrUnavailable.
func (d *Desk) Ask(ctx context.Context, q Request, source, address string) error {
	from, all := requestsFrom.Hit(source), requestsAll.Hit("")
	if err := d.Store.Do(ctx, from, all); err != nil {
		return err
	}
	if _, refused := throttle.Refused(from, all); refused {
		return ErrTooMany
	}
	q.At = d.now()
	plain, err := json.Marshal(q)
	if err != nil {
		return err
	}
	id := secret.Random(16)
	err = d.Store.Do(ctx, &store.Create{Key: requestKey(id), Fields: store.Fields{fieldSealed: d.requests().Seal(plain, id)}, TTL: requestLife},
		&store.Push{Queue: requestTag, ID: id, After: requestLife}, &store.Drop{Queue: requestTag, Due: true})
	if err == nil {
		d.Audit.Record(ctx, audit.Event{Action: "desk.request", Result: "ok", Address: address, Detail: []slog.Attr{slog.String("need", string(q.Need))}})
	}
	return err
}

// answers makes sure that an operator may answer requests.
func (d *Desk) answers(ctx context.Context, c Case) (account.Account, error) {
	op, err := d.Enter(ctx, c)
	if err == nil && !d.Rules.May(op, Requests, d.now()) {
		err = d.refused(ctx, c, Requests, DeniedScope)
	}
	return op, err
}

// Waiting returns the open requests, the most urgent first and of those the
// oldest. Errors: a Denied, or one that wraps directory.ErrUnavailable or
// store.ErrUnavailable.
func (d *Desk) Waiting(ctx context.Context, c Case) ([]Request, error) {
	if _, err := d.answers(ctx, c); err != nil {
		return nil, err
	}
	list := &store.List{Queue: requestTag}
	if err := d.Store.Do(ctx, list); err != nil {
		return nil, err
	}
	var out []Request
	for _, entry := range list.Entries {
		q, err := d.request(ctx, entry.ID)
		if errors.Is(err, ErrGone) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	slices.SortStableFunc(out, func(a, b Request) int {
		return cmp.Or(cmp.Compare(slices.Index(Needs(), a.Need), slices.Index(Needs(), b.Need)), a.At.Compare(b.At))
	})
	return out, nil
}

// Open is how many requests are not done with. The error wraps
// store.ErrUnavailable.
func (d *Desk) Open(ctx context.Context) (int, error) {
	list := &store.List{Queue: requestTag}
	err := d.Store.Do(ctx, list)
	return len(list.Entries), err
}

func (d *Desk) request(ctx context.Context, id string) (q Request, err error) {
	read, taken := &store.Read{Key: requestKey(id)}, &store.Read{Key: takenKey(id)}
	if err := d.Store.Do(ctx, read, taken); err != nil {
		return q, err
	}
	plain, err := d.requests().Open(read.Fields[fieldSealed], id)
	if err != nil || json.Unmarshal(plain, &q) != nil {
		return q, ErrGone
	}
	q.ID, q.TakenBy, q.Taker = id, account.ID(taken.Fields[fieldID]), taken.Fields[fieldName]
	return q, nil
}

// Take has an operator look after a request: of two at once exactly one. The
// requester is told. Errors: a Denied, ErrTaken, ErrGone, or a fault.
func (d *Desk) Take(ctx context.Context, c Case, id string) error {
	op, err := d.answers(ctx, c)
	if err != nil {
		return err
	}
	q, err := d.request(ctx, id)
	if err != nil {
		return err
	}
	take := &store.Create{Key: takenKey(id), Fields: store.Fields{fieldID: string(op.ID), fieldName: op.Name}, TTL: requestLife, Under: requestKey(id).Name}
	if err := d.Store.Do(ctx, take); err != nil {
		return err
	}
	if !take.Created {
		return ErrTaken
	}
	d.record(ctx, c, "request.take", "ok", slog.String("request", id))
	return d.progress(ctx, q, "taken")
}

// Release gives a request back to the others. Errors: a Denied, ErrTaken,
// ErrGone, or a fault.
func (d *Desk) Release(ctx context.Context, c Case, id string) error {
	if _, err := d.mine(ctx, c, id); err != nil {
		return err
	}
	d.record(ctx, c, "request.release", "ok", slog.String("request", id))
	return d.Store.Do(ctx, &store.Delete{Tag: requestTag, Names: []string{takenKey(id).Name}})
}

// Finish ends a request and tells the requester how. Errors: a Denied,
// ErrTaken, ErrGone, ErrReason for an outcome that there is none of, or a
// fault.
func (d *Desk) Finish(ctx context.Context, c Case, id string, how Outcome) error {
	q, err := d.mine(ctx, c, id)
	if err != nil {
		return err
	}
	if !slices.Contains(Outcomes(), how) {
		return ErrReason
	}
	take := &store.Take{Key: requestKey(id), By: secret.Random(16)}
	if err := d.Store.Do(ctx, take, &store.Drop{Queue: requestTag, IDs: []string{id}}); err != nil {
		return err
	}
	if take.Outcome != store.Taken {
		return ErrGone
	}
	d.record(ctx, c, "request.finish", "ok", slog.String("request", id), slog.String("outcome", string(how)))
	return d.progress(ctx, q, string(how))
}

// mine reads a request that this operator looks after.
func (d *Desk) mine(ctx context.Context, c Case, id string) (Request, error) {
	if _, err := d.answers(ctx, c); err != nil {
		return Request{}, err
	}
	q, err := d.request(ctx, id)
	if err == nil && q.TakenBy != c.Operator {
		err = ErrTaken
	}
	return q, err
}

// progressJob is a message to a requester.
type progressJob struct {
	ID       string `json:"i"`
	To       string `json:"to"`
	Language string `json:"l"`
	Step     string `json:"s"`
}

// Answers reports whether somebody can be answered there: at a mail address, or
// by telephone, which may be a fixed line.
func Answers(typed string) bool {
	if isMail(typed) {
		return true
	}
	digits := 0
	for _, r := range typed {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+()./-\u2011 \u00a0\u202f", r):
			return false
		}
	}
	return digits >= 6 && digits <= 15 // E.164 has no more
}

// progress tells a requester by mail, or by a text message where the site sends
// any to such a number; to others an operator speaks. It says nothing that they
// typed: nobody can have us write to others.
func (d *Desk) progress(ctx context.Context, q Request, step string) error {
	if number, _ := d.mobile(q.Reach); !isMail(q.Reach) && (d.SMS == nil || number == "") {
		return nil
	}
	id := secret.Hash(q.ID + step)[:22]
	data, err := json.Marshal(progressJob{ID: id, To: q.Reach, Language: q.Language, Step: step})
	if err != nil {
		return err
	}
	return d.Outbox.Add(ctx, outbox.Job{ID: "desk progress " + id, Kind: jobProgress, Data: data})
}

func (d *Desk) deliverProgress(ctx context.Context, job outbox.Job) error {
	var j progressJob
	if err := json.Unmarshal(job.Data, &j); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	if isMail(j.To) {
		return d.send(ctx, j.ID, j.To, j.Language, render.MailRequest{Step: j.Step})
	}
	// Whoever asks has no account yet, and a budget of their own.
	return d.text(ctx, j.ID, j.To, account.ID("request "+j.ID), j.Language, render.SMSDesk{Act: j.Step})
}
