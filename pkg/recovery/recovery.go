package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/session"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/pkg/ticket"
)

// Flow is the engine. Its fields are set before use; Start then names its
// handlers to the outbox.
type Flow struct {
	Store     store.Store
	Directory directory.Directory
	Sessions  *session.Manager
	Outbox    *outbox.Outbox
	Keys      *secret.Keyring
	Methods   []Method // in the order of preference
	Policy    password.Policy
	Mail      mail.Sender // carries the notices
	Pages     *render.Pages
	// Link is the URL of the page of links, whole, to which a token is
	// appended. It is built from the issuer, never from a request.
	Link string
	// Home is the URL in notices where somebody acts who did not ask.
	Home   string
	Limits Limits
	Audit  audit.Log
	Now    func() time.Time // default time.Now
}

// Limits are the throttles of recovery.
type Limits struct {
	// Submitted bounds requests for one typed identifier, known or not: it is
	// counted before anybody is looked up.
	Submitted throttle.Limiter
	// Source bounds requests and answers from one address range.
	Source throttle.Limiter
	// Hourly and Daily bound what is sent to one account, and to one address.
	Hourly, Daily throttle.Limiter
	// Tries bounds the answers to one attempt, Guesses those for one account.
	Tries, Guesses throttle.Limiter
}

// DefaultLimits are those of requirements R32 and R33. A refused request never
// locks anything.
func DefaultLimits() Limits {
	return Limits{
		Submitted: throttle.Limiter{Name: "recovery submitted", Limit: 10, Window: time.Hour},
		Source:    throttle.Limiter{Name: "recovery source", Limit: 300, Window: time.Hour},
		Hourly:    throttle.Limiter{Name: "recovery hourly", Limit: 3, Window: time.Hour},
		Daily:     throttle.Limiter{Name: "recovery daily", Limit: 6, Window: 24 * time.Hour},
		Tries:     throttle.Limiter{Name: "recovery tries", Limit: 5, Window: 7 * 24 * time.Hour},
		Guesses:   throttle.Limiter{Name: "recovery guesses", Limit: 20, Window: 24 * time.Hour},
	}
}

const (
	attemptLen = 16 // the first ticket.TagLen of which are its tag
	tokenLen   = 22 // 131 bits

	jobChallenge = "recovery challenge"
	jobNotice    = "recovery notice"

	// remembered is how long after its end an attempt can still be told what
	// became of it.
	remembered = 24 * time.Hour
	// proofLife is how long somebody may take to choose a password.
	proofLife = 20 * time.Minute
)

// The fields of an attempt.
const (
	fieldPurpose  = "purpose"
	fieldMethod   = "method"
	fieldLogin    = "login" // as typed, sealed: people type passwords there
	fieldLanguage = "lang"
	fieldReturn   = "return"
	fieldAccount  = "account" // set when the account was found
	fieldSent     = "sent"
	fieldAttempt  = "attempt"
)

// Start names the engine's handlers to the outbox. Call it once.
func (f *Flow) Start() {
	f.Outbox.Handle(jobChallenge, f.challenge)
	f.Outbox.Handle(jobNotice, f.notice)
}

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

func (*SlowDown) Error() string        { return ErrSlowDown.Error() }
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
	data, err := json.Marshal(id)
	if err != nil {
		return Begun{}, err
	}
	err = f.Store.Do(ctx,
		&store.Create{Key: key(id), TTL: terms.Link + remembered, Fields: store.Fields{
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
	out := Opened{Fate: t.fate, At: t.at, Purpose: c.Purpose, Return: t.fields[fieldReturn]}
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

// CodeLen is how many digits a typed code has (requirement R32).
const CodeLen = 6

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

func (f *Flow) method(name string) Method {
	for _, m := range f.Methods {
		if m.Name() == name {
			return m
		}
	}
	return f.Methods[0]
}

func (f *Flow) box() *secret.Box { return f.Keys.Box("recovery login") }

func (f *Flow) proofs() ticket.Book {
	return ticket.Book{Store: f.Store, Kind: "proof", TTL: proofLife, Keep: remembered}
}

func (f *Flow) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// key is that of an attempt's record.
func key(id string) store.Key {
	return store.Key{Tag: id[:ticket.TagLen], Name: "attempt:" + id}
}

// currentKey is that of the record which says, by method, which attempt of an
// account is the one that may be answered.
func currentKey(id account.ID) store.Key {
	return store.Key{Tag: "r-" + secret.Hash(string(id))[:22], Name: "current"}
}

// nameKey leads from a typed identifier to the attempt last begun for it.
func nameKey(login string) store.Key {
	return store.Key{Tag: "n-" + secret.Hash(fold(login))[:22], Name: "attempt"}
}

// fold makes one of the spellings that a directory takes for the same.
func fold(login string) string {
	return strings.ToLower(norm.NFKC.String(strings.TrimSpace(login)))
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
