package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/pkg/ticket"
)

// Begin is a request for recovery.
type Begin struct {
	Purpose  Purpose
	Method   string // empty for the first
	Login    string // as typed
	Language string
	// Return is the local URL to go on to afterwards, or empty.
	Return string
	// Source is the network the request comes from, for throttling.
	Source string
	// Address is the client's, for the audit.
	Address string
}

// Begun is an attempt that somebody may answer.
type Begun struct {
	Attempt string
	At      time.Time
	// Until is when the code ends.
	Until time.Time
}

// SlowDown says how long to wait. It is an ErrSlowDown.
type SlowDown struct{ Wait time.Duration }

func (*SlowDown) Error() string { return ErrSlowDown.Error() }

func (*SlowDown) Is(target error) bool { return target == ErrSlowDown }

// Begin starts an attempt. It asks no directory: its answer and its duration
// are the same whoever the login belongs to. Errors: *SlowDown, or one that
// wraps store.ErrUnavailable.
func (f *Flow) Begin(ctx context.Context, b Begin) (Begun, error) {
	method := f.method(b.Method)
	source, submitted := f.Limits.Source.Hit(b.Source), f.Limits.Submitted.Hit(fold(b.Login))
	if err := f.Store.Do(ctx, source, submitted); err != nil {
		return Begun{}, err
	}
	if wait, refused := throttle.Refused(source, submitted); refused {
		return Begun{}, &SlowDown{wait}
	}
	id := ticket.NewTag() + secret.Random(attemptLen-ticket.TagLen)
	terms := method.Terms(b.Purpose)
	// What the account is given may be another purpose, with a longer link.
	life := max(method.Terms(Reset).Link, method.Terms(Activate).Link) + remembered
	data, err := json.Marshal(id)
	if err != nil {
		return Begun{}, err
	}
	err = f.Store.Do(ctx,
		&store.Create{Key: key(id), TTL: life, Fields: store.Fields{
			fieldPurpose: string(b.Purpose), fieldMethod: method.Name(), fieldLanguage: b.Language, fieldReturn: b.Return,
			fieldLogin: f.box().Seal([]byte(b.Login), id),
		}},
		f.Outbox.Op(outbox.Job{ID: "challenge " + id, Kind: jobChallenge, Data: data}))
	if err != nil {
		return Begun{}, err
	}
	f.Outbox.Nudge()
	f.Audit.Record(ctx, audit.Event{Action: "recovery.begin", Result: "ok", Address: b.Address, Detail: []slog.Attr{slog.String("purpose", string(b.Purpose)), slog.String("method", method.Name())}})
	now := f.now()
	return Begun{Attempt: id, At: now, Until: now.Add(terms.Code)}, nil
}

// challenge looks the account up and has the method send its challenge. It is
// the one place that knows whether there is an account.
func (f *Flow) challenge(ctx context.Context, job outbox.Job) error {
	var id string
	if err := json.Unmarshal(job.Data, &id); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	read := &store.Read{Key: key(id)}
	if err := f.Store.Do(ctx, read); err != nil {
		return err
	}
	login, err := f.box().Open(read.Fields[fieldLogin], id)
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err) // gone: it grew too old
	}
	method := f.method(read.Fields[fieldMethod])
	nothing := func(result string, who account.ID) error {
		f.Audit.Record(ctx, audit.Event{Action: "recovery.challenge", Result: result, Account: who})
		return nil
	}
	a, err := f.Directory.Find(ctx, string(login))
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nothing("unknown", "")
	case err != nil:
		return err
	}
	purpose, ok := PurposeFor(a)
	if !ok {
		return nothing("refused_"+string(a.Reason), a.ID)
	}
	if !method.Offers(a, purpose) {
		return nothing("no_channel", a.ID)
	}
	if read.Fields[fieldSent] == "" {
		allowed, err := f.open(ctx, id, string(login), a, purpose, method, read.Fields)
		if err != nil {
			return err
		}
		if !allowed {
			return nothing("throttled", a.ID)
		}
	}
	err = method.Challenge(ctx, f.challengeOf(id, purpose, a, method, read.Fields))
	switch {
	case errors.Is(err, mail.ErrRefused):
		return errors.Join(outbox.ErrGiveUp, err, nothing("undeliverable", a.ID))
	case err != nil:
		return err
	}
	return nothing("sent", a.ID)
}

// PurposeFor is what this account can be given, if anything (requirements R10,
// R12). What was asked for does not matter, so that somebody who takes the
// wrong door arrives all the same.
func PurposeFor(a account.Account) (Purpose, bool) {
	switch {
	case a.MayReset():
		return Reset, true
	case a.MayActivate():
		return Activate, true
	}
	return "", false
}

// open counts the sending and makes the attempt answerable: it alone, among
// those of the account and method (requirement R31: newer supersedes older).
// It fills in the fields that it adds.
func (f *Flow) open(ctx context.Context, id, login string, a account.Account, p Purpose, m Method, fields store.Fields) (bool, error) {
	hits := []*store.Hit{f.Limits.Hourly.Hit(string(a.ID)), f.Limits.Daily.Hit(string(a.ID))}
	ops := make([]store.Op, len(hits))
	for i, h := range hits {
		ops[i] = h
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return false, err
	}
	if _, refused := throttle.Refused(hits...); refused {
		return false, nil
	}
	added := store.Fields{fieldAccount: string(a.ID), fieldPurpose: string(p), fieldSent: strconv.FormatInt(f.now().Unix(), 10)}
	terms := m.Terms(p)
	attempt, current := key(id), currentKey(a.ID)
	ops = []store.Op{
		&store.Write{Key: attempt, Fields: added},
		&store.Create{Key: store.Key{Tag: attempt.Tag, Name: attempt.Name + ":open"}, Fields: store.Fields{fieldAttempt: id}, TTL: terms.Link, Under: attempt.Name},
		&store.Create{Key: store.Key{Tag: attempt.Tag, Name: attempt.Name + ":code"}, Fields: store.Fields{fieldAttempt: id}, TTL: terms.Code, Under: attempt.Name},
		&store.Create{Key: current, Fields: store.Fields{m.Name(): id}, TTL: terms.Link + remembered},
		&store.Write{Key: current, Fields: store.Fields{m.Name(): id, m.Name() + " at": added[fieldSent]}},
	}
	// A code can be typed on any device, next to any of the account's names.
	for _, name := range append([]string{login}, a.Logins...) {
		ops = append(ops, &store.Create{Key: nameKey(name), Fields: store.Fields{fieldAttempt: id}, TTL: terms.Code, Replace: true})
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return false, err
	}
	for k, v := range added {
		fields[k] = v
	}
	return true, nil
}

func (f *Flow) challengeOf(id string, p Purpose, a account.Account, m Method, fields store.Fields) Challenge {
	sent, _ := strconv.ParseInt(fields[fieldSent], 10, 64)
	return Challenge{Attempt: id, Purpose: p, Account: a, Language: fields[fieldLanguage], SentAt: time.Unix(sent, 0), Terms: m.Terms(p),
		derive: f.Keys.Deriver("recovery"), link: f.Link}
}
