package recovery

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Reply is somebody's answer. It is one of: the whole token of a link; a code
// for the attempt that this browser began; a code, with the identifier typed
// beside it; an answer to a Handed or Asked method, with the identifier or the
// proof that says whose.
type Reply struct {
	Link    string
	Code    string
	Attempt string
	Method  string
	Login   string
	Name    string // as Answer.Name
	// Proof is what this browser has proved before: the answer adds to it.
	Proof string
	// Language and Return are as of Begin, for what nobody began.
	Language, Return string

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

// Late is a right answer that comes too late. It is an ErrWrong too, and only
// whoever has the answer learns of it.
type Late struct {
	// Fate is Answered, Used, Replaced, Expired or Ended.
	Fate Fate
	At   time.Time // of that; zero when unknown
	// Again is when the same answer will do: Answered, of a code that is handed
	// over; zero for never.
	Again time.Time
}

func (l *Late) Error() string { return "recovery: too late, " + string(l.Fate) }

// Unwrap makes it an ErrWrong.
func (l *Late) Unwrap() error { return ErrWrong }

// Answer turns a right answer into a proof, once, or adds it to the one that
// the browser has. Who gives the same answer again in the browser that has its
// proof goes on. Errors: ErrWrong for all that is not right, *Late, *SlowDown,
// or one that wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Answer(ctx context.Context, reply Reply) (Proven, error) {
	held, err := f.held(ctx, reply.Proof)
	if err != nil {
		return Proven{}, err
	}
	whose := held
	if reply.Login != "" {
		whose = nil // somebody says who they are
	}
	asked, err := f.asked(ctx, reply, whose)
	if err != nil {
		return Proven{}, err
	}
	if err := f.count(ctx, asked, reply); err != nil {
		return Proven{}, err
	}
	why, wrong := "wrong", ErrWrong
	for _, t := range asked.attempts {
		if t.fate == Unknown || !t.verify(f.challengeOf(t.sending()), answerFor(t.method, reply)) {
			continue
		}
		late := Late{t.fate, t.at, t.again}
		switch {
		case t.fate == Answered && held.of(t):
			return Proven{Proof: reply.Proof, Return: held.fields[fieldReturn], Life: held.left}, nil
		case t.fate == Open && reply.Link == "" && !t.codeOpen:
			late.Fate = Expired // the link of the same message goes on
		case t.fate == Open:
			ended, err := f.ended(ctx, t)
			if err != nil {
				return Proven{}, err
			}
			if ended != "" {
				late.Fate, why = Ended, ended
				break
			}
			ok, err := f.claim(ctx, t)
			if err != nil {
				return Proven{}, err
			}
			if ok {
				return f.accept(ctx, t, reply, held)
			}
			late = Late{Fate: Answered, At: f.now()}
		}
		wrong = &late
		if why == "wrong" {
			why = string(late.Fate)
		}
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: why, Account: asked.account, Address: reply.Address})
	return Proven{}, wrong
}

// answerFor reads what was typed as its method wants it.
func answerFor(m Method, reply Reply) Answer {
	switch {
	case reply.Link != "":
		return Answer{Token: reply.Link[attemptLen:]}
	case isHanded(m):
		return Answer{Code: LongCode(reply.Code)}
	case isAsked(m):
		return Answer{Code: reply.Code, Login: reply.Login, Name: reply.Name}
	}
	return Answer{Code: Digits(reply.Code)}
}

// candidates are the attempts that a reply may be the answer to.
type candidates struct {
	attempts []attempt
	account  account.ID // empty when nobody was found
	// subject is what the tries are counted for, the same whether or not
	// anybody is there; limit is by which bound. An empty subject is not
	// counted: a token of 131 bits.
	subject string
	limit   throttle.Limiter
	// long is set for a code that is handed over: too long to guess.
	long bool
	// elsewhere is set when another browser answers than the one that began.
	elsewhere bool
}

// asked finds what a reply may be the answer to.
func (f *Flow) asked(ctx context.Context, reply Reply, held *proven) (candidates, error) {
	switch {
	case reply.Link != "":
		t, err := f.read(ctx, parseLink(reply.Link))
		return candidates{attempts: []attempt{t}, account: t.account.ID}, err
	case reply.Method != "":
		return f.byMethod(ctx, reply, held)
	case isAttempt(reply.Attempt):
		return f.byAttempt(ctx, reply.Attempt)
	case LongCode(reply.Code) != "":
		return f.byMethod(ctx, reply, held)
	}
	named := &store.Read{Key: nameKey(reply.Login)}
	if err := f.Store.Do(ctx, named); err != nil {
		return candidates{}, err
	}
	found, err := candidates{subject: "for " + fold(reply.Login), limit: f.Limits.Tries}, error(nil)
	if id := named.Fields[fieldAttempt]; id != "" {
		found, err = f.byAttempt(ctx, id)
	}
	found.elsewhere = true
	return found, err
}

// byAttempt is an attempt that sent something, or those that went out in one
// message (requirement R22). Tries are counted for one that does not exist too.
func (f *Flow) byAttempt(ctx context.Context, id string) (candidates, error) {
	found := candidates{subject: "of " + id, limit: f.Limits.Tries}
	main := &store.Read{Key: key(id)}
	if err := f.Store.Do(ctx, main); err != nil {
		return found, err
	}
	for _, each := range append(strings.Fields(main.Fields[fieldFamily]), id) {
		t, err := f.read(ctx, each)
		if err != nil {
			return found, err
		}
		if t.fate != Unknown && !isAsked(t.method) {
			found.attempts, found.account = append(found.attempts, t), t.account.ID
		}
	}
	return found, nil
}

// byMethod is what a person answers who began nothing: the code of a letter or
// of the desk, or a fact. Whose it is says the proof, or the identifier typed
// beside it.
func (f *Flow) byMethod(ctx context.Context, reply Reply, held *proven) (candidates, error) {
	if m, ok := f.method(reply.Method); ok && isAsked(m) {
		return f.facts(ctx, m, reply, held)
	}
	code := LongCode(reply.Code)
	if code == "" {
		return candidates{}, nil // mistyped: no try
	}
	who, err := account.Account{}, error(nil)
	if held != nil {
		who = held.account
	} else if who, err = f.Directory.Find(ctx, reply.Login); errors.Is(err, directory.ErrNotFound) {
		return candidates{subject: from(fold(reply.Login), reply.Source), limit: f.Limits.Handed, long: true}, nil
	} else if err != nil {
		return candidates{}, err
	}
	found := candidates{account: who.ID, subject: from(string(who.ID), reply.Source), limit: f.Limits.Handed, long: true}
	current := &store.Read{Key: currentKey(who.ID)}
	if err := f.Store.Do(ctx, current); err != nil {
		return found, err
	}
	var ids []string
	for _, m := range f.Methods {
		if id := current.Fields[m.Name()]; isHanded(m) && isAttempt(id) {
			ids = append(ids, id)
			found.subject = from("of "+id, reply.Source) // another code, another count
		}
	}
	older, err := f.handed(ctx, who.ID)
	if err != nil {
		return found, err
	}
	for _, id := range append(ids, older...) {
		t, err := f.read(ctx, id)
		if err != nil {
			return found, err
		}
		if !slices.ContainsFunc(found.attempts, func(o attempt) bool { return o.id == id }) {
			found.attempts = append(found.attempts, t)
		}
	}
	return found, nil
}

// facts are what an Asked method is told. What only adds to a proof says
// nothing to somebody who has none.
func (f *Flow) facts(ctx context.Context, m Method, reply Reply, held *proven) (candidates, error) {
	found := candidates{limit: f.Limits.Facts}
	var who account.Account
	var purpose Purpose
	ok, err := true, error(nil)
	if held != nil {
		who, purpose, found.subject = held.account, held.purpose, string(held.account.ID)
	} else {
		who, found.subject, err = f.numbered(ctx, m, answerFor(m, reply))
		purpose, ok = grant(Reset, who)
		ok = ok && m.(Asked).Alone(who, purpose)
	}
	found.account, found.subject = who.ID, m.Name()+" of "+found.subject
	if ok && m.Offers(who, purpose) {
		found.attempts = []attempt{f.fact(m, who, purpose, reply)}
	}
	return found, err
}

// fact is the attempt that answering an Asked method is.
func (f *Flow) fact(m Method, who account.Account, p Purpose, reply Reply) attempt {
	now := strconv.FormatInt(f.now().Unix(), 10)
	return attempt{id: newAttempt(), method: m, account: who, purpose: p, fate: Open, codeOpen: true, fields: store.Fields{
		fieldWanted: string(p), fieldPurpose: string(p), fieldMethod: m.Name(), fieldAccount: string(who.ID), fieldSent: now, fieldSince: since(who)}}
}

// count counts a try before anything is compared: for the source and for what
// is answered, then for the account and for everybody. A try that is refused by
// the first is no guess at the account: whoever goes on at a code that is dead
// keeps nobody from the next one.
func (f *Flow) count(ctx context.Context, asked candidates, reply Reply) error {
	source := f.Limits.Source.Hit(reply.Source)
	hits, ops := []*store.Hit{source}, []store.Op{source}
	if asked.subject != "" {
		hit := asked.limit.Hit(asked.subject)
		hits, ops = append(hits, hit), append(ops, hit)
	}
	if asked.elsewhere {
		hit := f.Limits.Elsewhere.Hit(asked.subject)
		hits, ops = append(hits, hit), append(ops, hit)
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return err
	}
	if !source.Allowed {
		return &SlowDown{source.Retry}
	}
	if wait, refused := throttle.Refused(hits...); refused {
		if err := f.Store.Do(ctx, throttle.Back(hits[1:]...)...); err != nil {
			return err
		}
		return f.tooMany(ctx, asked, reply, wait)
	}
	if asked.subject == "" || asked.long {
		return nil // not to be guessed
	}
	all := f.Limits.All.Hit("")
	hits, ops = nil, []store.Op{all}
	if len(asked.attempts) > 0 && sends(asked.attempts[0].method) {
		guess := f.Limits.Guesses.Hit(string(asked.account))
		hits, ops = append(hits, guess), append(ops, guess)
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return err
	}
	if !all.Allowed { // the same for whom nobody has: nobody learns who exists
		f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: "flood", Address: reply.Address})
		return &SlowDown{all.Retry}
	}
	if wait, refused := throttle.Refused(hits...); refused {
		return f.tooMany(ctx, asked, reply, wait)
	}
	return nil
}

// tooMany refuses a try. A message is dead after some, and another one can be
// had; whoever has a letter is told to wait, and so is who types at nobody's.
func (f *Flow) tooMany(ctx context.Context, asked candidates, reply Reply, wait time.Duration) error {
	f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: "too_many_tries", Account: asked.account, Address: reply.Address})
	if asked.long {
		return &SlowDown{wait}
	}
	return ErrWrong
}

// claim makes a right answer good once. A message is used up by it, since
// another can be had in a minute. The code of a letter is only lent to this
// proof: somebody who is interrupted before there is a password must not need
// another letter.
func (f *Flow) claim(ctx context.Context, t attempt) (bool, error) {
	now := strconv.FormatInt(f.now().Unix(), 10)
	switch {
	case isAsked(t.method):
		record := &store.Create{Key: key(t.id), Fields: t.fields, TTL: proofLife + remembered}
		return true, f.Store.Do(ctx, append([]store.Op{record}, f.opening(t.id, t.fields, f.terms(t.method, t.purpose))...)...)
	case isHanded(t.method):
		lease := &store.Create{Key: claimKey(t.id), Fields: store.Fields{fieldAnswered: now}, TTL: proofLife, Under: key(t.id).Name}
		err := f.Store.Do(ctx, lease)
		return lease.Created, err
	}
	take := &store.Take{Key: openKey(t.id), By: secret.Random(16)}
	if err := f.Store.Do(ctx, take); err != nil || take.Outcome != store.Taken {
		return false, err
	}
	return true, f.Store.Do(ctx, &store.Write{Key: key(t.id), Fields: store.Fields{fieldAnswered: now}})
}

// accept makes the proof, or adds to the one that this browser has of the same
// account and purpose.
func (f *Flow) accept(ctx context.Context, t attempt, reply Reply, held *proven) (Proven, error) {
	added := store.Fields{provedBy + t.method.Name(): t.id}
	out := Proven{Proof: reply.Proof, Return: cmp.Or(t.fields[fieldReturn], reply.Return), Life: proofLife}
	if held != nil && held.account.ID == t.account.ID && held.purpose == t.purpose {
		write := &store.Write{Key: held.key, Fields: added}
		if err := f.Store.Do(ctx, write); err != nil {
			return Proven{}, err
		}
		out.Return, out.Life = held.fields[fieldReturn], held.left
		if !write.Written { // it ended meanwhile
			return Proven{}, ErrWrong
		}
	} else {
		maps.Copy(added, store.Fields{fieldAccount: string(t.account.ID), fieldPurpose: string(t.purpose), fieldSince: t.fields[fieldSince],
			fieldReturn: out.Return, fieldLanguage: cmp.Or(t.fields[fieldLanguage], reply.Language)})
		proof, record := f.proofs().Issue(store.Key{}, added)
		if err := f.Store.Do(ctx, record); err != nil {
			return Proven{}, err
		}
		out.Proof = proof
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.answer", Result: "ok", Account: t.account.ID, Address: reply.Address})
	return out, nil
}

// Recognise is Answer for what somebody typed into the box of a password
// (requirement R62): only a code of a letter or of the desk, or one that was
// sent, is looked at; for anything else it asks nobody and ok is false. The
// error is *Late, or it wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Recognise(ctx context.Context, reply Reply) (p Proven, ok bool, err error) {
	code := strings.TrimSpace(reply.Code)
	digits := strings.Join(strings.Fields(code), "") // as they are read out, in groups
	sent := len(digits) == CodeLen && Digits(digits) == digits
	if !sent && !(len(code) <= 2*longLen && LongCode(code) != "") {
		return Proven{}, false, nil
	}
	p, err = f.Answer(ctx, reply)
	var late *Late
	if !errors.As(err, &late) && (errors.Is(err, ErrWrong) || errors.Is(err, ErrSlowDown)) {
		return Proven{}, false, nil
	}
	return p, err == nil, err
}
