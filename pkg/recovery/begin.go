package recovery

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Begin is a request for recovery.
type Begin struct {
	Purpose Purpose
	// Method is what should send. Empty, or one that the account cannot use:
	// the first that it can.
	Method   string
	Login    string // as typed
	Language string
	// Known, when set, is the Asked method by which Fact must be right before
	// anything is sent: somebody who gives a number instead of a login says
	// more of themselves.
	Known string
	Fact  Answer
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

// Is makes errors.Is(err, ErrSlowDown) true.
func (*SlowDown) Is(target error) bool { return target == ErrSlowDown }

// typed is what somebody said of themselves, and from which network. It is
// sealed in the attempt.
type typed struct {
	Login  string `json:"l"`
	Known  string `json:"k,omitempty"`
	Code   string `json:"c,omitempty"`
	Name   string `json:"n,omitempty"`
	Source string `json:"s,omitempty"`
}

func (f *Flow) sealTyped(t typed, id string) string {
	plain, err := json.Marshal(t)
	if err != nil {
		panic(err) // texts
	}
	return f.box().Seal(plain, id)
}

func (f *Flow) openTyped(sealed, id string) (t typed, err error) {
	plain, err := f.box().Open(sealed, id)
	if err == nil {
		err = json.Unmarshal(plain, &t)
	}
	return t, err
}

// Begin starts an attempt. It asks no directory: its answer and its duration
// are the same whoever the login belongs to. Errors: *SlowDown, or one that
// wraps store.ErrUnavailable.
func (f *Flow) Begin(ctx context.Context, b Begin) (Begun, error) {
	source, submitted := f.Limits.Source.Hit(b.Source), f.Limits.Submitted.Hit(from(fold(b.Login), b.Source))
	if err := f.Store.Do(ctx, source, submitted); err != nil {
		return Begun{}, err
	}
	if wait, refused := throttle.Refused(source, submitted); refused {
		return Begun{}, &SlowDown{wait}
	}
	if m, ok := f.method(b.Method); !ok || !sends(m) {
		b.Method = ""
	}
	id := newAttempt()
	return f.begin(ctx, id, b.Address, store.Fields{
		fieldWanted: string(b.Purpose), fieldMethod: b.Method, fieldLanguage: b.Language, fieldReturn: b.Return,
		fieldLogin: f.sealTyped(typed{Login: b.Login, Known: b.Known, Code: b.Fact.Code, Name: b.Fact.Name, Source: b.Source}, id),
	})
}

// begin records an attempt and the job that sends its challenge.
func (f *Flow) begin(ctx context.Context, id, address string, fields store.Fields) (Begun, error) {
	data, err := json.Marshal(id)
	if err != nil {
		return Begun{}, err
	}
	err = f.Store.Do(ctx,
		&store.Create{Key: key(id), TTL: f.longest() + remembered, Fields: fields},
		f.Outbox.Op(outbox.Job{ID: "challenge " + id, Kind: jobChallenge, Data: data}))
	if err != nil {
		return Begun{}, err
	}
	f.Outbox.Nudge()
	f.Audit.Record(ctx, audit.Event{Action: "recovery.begin", Result: "ok", Account: account.ID(fields[fieldAccount]), Address: address,
		Detail: []slog.Attr{slog.String("purpose", fields[fieldWanted]), slog.String("method", fields[fieldMethod])}})
	now := f.now()
	return Begun{Attempt: id, At: now, Until: now.Add(f.codeLife(fields[fieldMethod], Purpose(fields[fieldWanted])))}, nil
}

// longest is the lifetime of the longest link that could be sent: what an
// account is given may be another purpose than what was asked for.
func (f *Flow) longest() (life time.Duration) {
	for _, m := range f.Methods {
		for _, p := range purposes {
			if sends(m) {
				life = max(life, f.terms(m, p).Link)
			}
		}
	}
	return life
}

// codeLife is how long a code is announced to be good, before it is known which
// method sends it: the shortest.
func (f *Flow) codeLife(method string, p Purpose) (life time.Duration) {
	for _, m := range f.Methods {
		if t := f.terms(m, p).Code; sends(m) && (method == "" || method == m.Name()) && (life == 0 || t < life) {
			life = t
		}
	}
	return life
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

// grant is PurposeFor somebody who asked for one.
func grant(wanted Purpose, a account.Account) (Purpose, bool) {
	given, ok := PurposeFor(a)
	switch {
	case ok && wanted == Contact:
		return Contact, true
	case ok && wanted == Unlock && a.Status == account.Locked:
		return Unlock, true
	}
	return given, ok
}
