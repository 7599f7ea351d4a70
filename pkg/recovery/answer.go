package recovery

import (
	"context"
	"strconv"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Fate is what became of an attempt.
type Fate string

// The fates.
const (
	Open     Fate = "open"
	Used     Fate = "used"
	Replaced Fate = "replaced"
	Expired  Fate = "expired"
	Unknown  Fate = "unknown"
)

// Opened is what the page of a link may show to whoever holds it.
type Opened struct {
	Fate    Fate
	At      time.Time // of the use, the replacement or the end; zero when unknown
	Purpose Purpose
	Until   time.Time // Open: when the link ends
	Code    string    // Open, and still good: the code of the same message
	Return  string
	// Login is what was typed to get this link: to get another one.
	Login string
}

// Look reads a link's token and changes nothing: mail scanners look too
// (R-REC-06). Only the right token learns anything but Unknown. The error
// wraps store.ErrUnavailable.
func (f *Flow) Look(ctx context.Context, link string) (Opened, error) {
	t, err := f.read(ctx, parseLink(link))
	if err != nil || t.fate == Unknown {
		return Opened{Fate: Unknown}, err
	}
	c := f.challengeOf(t.id, Purpose(t.fields[fieldPurpose]), account.Account{ID: account.ID(t.fields[fieldAccount])}, t.method, t.fields)
	if !t.method.Verify(c, Answer{Token: link[attemptLen:]}) {
		return Opened{Fate: Unknown}, nil
	}
	login, err := f.box().Open(t.fields[fieldLogin], t.id)
	if err != nil {
		return Opened{Fate: Unknown}, nil // of a server with another key
	}
	out := Opened{Fate: t.fate, At: t.at, Purpose: c.Purpose, Return: t.fields[fieldReturn], Login: string(login)}
	if t.fate == Expired && out.At.IsZero() {
		out.At = c.LinkUntil()
	}
	if t.fate == Open {
		out.Until = c.LinkUntil()
		if t.codeOpen {
			out.Code = c.Digits(CodeLen)
		}
	}
	return out, nil
}

// attempt is one as the store has it.
type attempt struct {
	id       string
	fields   store.Fields
	method   Method
	fate     Fate
	at       time.Time
	codeOpen bool
}

func (f *Flow) read(ctx context.Context, id string) (attempt, error) {
	none := attempt{fate: Unknown}
	if id == "" {
		return none, nil
	}
	k := key(id)
	main := &store.Read{Key: k}
	open := &store.Read{Key: store.Key{Tag: k.Tag, Name: k.Name + ":open"}}
	code := &store.Read{Key: store.Key{Tag: k.Tag, Name: k.Name + ":code"}}
	if err := f.Store.Do(ctx, main, open, code); err != nil {
		return none, err
	}
	t := attempt{id: id, fields: main.Fields, fate: Open, codeOpen: code.Fields != nil}
	if t.fields[fieldAccount] == "" {
		return none, nil
	}
	if t.method = f.method(t.fields[fieldMethod]); t.method.Name() != t.fields[fieldMethod] {
		return none, nil // of a method that is configured no more
	}
	current := &store.Read{Key: currentKey(account.ID(t.fields[fieldAccount]))}
	if err := f.Store.Do(ctx, current); err != nil {
		return none, err
	}
	switch used := t.fields["used"]; {
	case used != "":
		t.fate, t.at = Used, unixTime(used)
	case current.Fields[t.method.Name()] != "" && current.Fields[t.method.Name()] != id:
		t.fate, t.at = Replaced, unixTime(current.Fields[t.method.Name()+" at"])
	case open.Fields == nil || current.Fields[t.method.Name()] != id:
		t.fate = Expired
	}
	return t, nil
}

// Reply is somebody's answer: the whole token of a link; or a code, together
// with the attempt that this browser began or with an identifier typed beside
// it.
type Reply struct {
	Link                 string
	Code, Attempt, Login string

	Source, Address string // as of Begin
}

// Proven is a right answer.
type Proven struct {
	// Proof is the secret that Complete redeems: for the browser that
	// answered, and nobody else.
	Proof  string
	Return string
	// Life is how long the proof is good.
	Life time.Duration
}

// Answer turns a right answer into a proof, once. Errors: ErrWrong for all that
// is not right, *SlowDown, or one that wraps store.ErrUnavailable.
func (f *Flow) Answer(ctx context.Context, reply Reply) (Proven, error) {
	answer := Answer{Code: digits(reply.Code)}
	id := reply.Attempt
	switch {
	case reply.Link != "":
		id = parseLink(reply.Link)
		answer = Answer{}
		if id != "" {
			answer.Token = reply.Link[attemptLen:]
		}
	case id == "":
		named := &store.Read{Key: nameKey(reply.Login)}
		if err := f.Store.Do(ctx, named); err != nil {
			return Proven{}, err
		}
		id = named.Fields[fieldAttempt]
	}
	if len(id) != attemptLen {
		id = ""
	}
	t, err := f.read(ctx, id)
	if err != nil {
		return Proven{}, err
	}
	if err := f.count(ctx, reply, t, id); err != nil {
		return Proven{}, err
	}
	wrong := func(why string) (Proven, error) {
		f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: why, Account: account.ID(t.fields[fieldAccount]), Address: reply.Address})
		return Proven{}, ErrWrong
	}
	if t.fate != Open || answer.Token == "" && !t.codeOpen {
		return wrong("not_open")
	}
	purpose, who := Purpose(t.fields[fieldPurpose]), account.ID(t.fields[fieldAccount])
	if !t.method.Verify(f.challengeOf(id, purpose, account.Account{ID: who}, t.method, t.fields), answer) {
		return wrong("wrong")
	}
	k := key(id)
	take := &store.Take{Key: store.Key{Tag: k.Tag, Name: k.Name + ":open"}, By: secret.Random(16)}
	if err := f.Store.Do(ctx, take); err != nil {
		return Proven{}, err
	}
	if take.Outcome != store.Taken {
		return wrong("used")
	}
	proof, record := f.proofs().Issue(store.Key{}, store.Fields{
		fieldAccount: string(who), fieldPurpose: string(purpose), fieldMethod: t.method.Name(), fieldAttempt: id, fieldReturn: t.fields[fieldReturn]})
	used := &store.Write{Key: k, Fields: store.Fields{"used": strconv.FormatInt(f.now().Unix(), 10)}}
	if err := f.Store.Do(ctx, record, used); err != nil {
		return Proven{}, err
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: "ok", Account: who, Address: reply.Address})
	return Proven{Proof: proof, Return: t.fields[fieldReturn], Life: proofLife}, nil
}

// count counts a try before anything is compared, for the attempt, the account
// and the source alike; a token of 131 bits needs no counting.
func (f *Flow) count(ctx context.Context, reply Reply, t attempt, id string) error {
	source := f.Limits.Source.Hit(reply.Source)
	hits := []*store.Hit{source}
	if reply.Link == "" {
		// Of an attempt that does not exist the tries are counted too.
		subject := "of " + id
		if id == "" {
			subject = "for " + fold(reply.Login)
		}
		hits = append(hits, f.Limits.Tries.Hit(subject))
		if who := t.fields[fieldAccount]; who != "" {
			hits = append(hits, f.Limits.Guesses.Hit(who))
		}
	}
	ops := make([]store.Op, len(hits))
	for i, h := range hits {
		ops[i] = h
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return err
	}
	if !source.Allowed {
		return &SlowDown{source.Retry}
	}
	if _, refused := throttle.Refused(hits...); refused {
		f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: "too_many_tries", Account: account.ID(t.fields[fieldAccount]), Address: reply.Address})
		return ErrWrong
	}
	return nil
}

// parseLink returns the attempt of a link's token, empty for what is none.
func parseLink(link string) string {
	if len(link) != attemptLen+tokenLen {
		return ""
	}
	for _, c := range []byte(link) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return ""
		}
	}
	return link[:attemptLen]
}

// digits finds the code in what was typed or pasted, a whole sentence perhaps:
// the first run of CodeLen digits, spaces and hyphens between them allowed.
func digits(text string) string {
	run := ""
	for _, c := range norm.NFKC.String(text) {
		switch {
		case '0' <= c && c <= '9':
			if run += string(c); len(run) == CodeLen {
				return run
			}
		case c == ' ' || c == '-' || c == '\u00a0' || c == '\u202f' || c == '\u2011':
		default:
			run = ""
		}
	}
	return run
}

func unixTime(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}
