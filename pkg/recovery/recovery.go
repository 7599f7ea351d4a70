package recovery

import (
	"context"
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
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
	"github.com/loge-idp/loge/pkg/ticket"
)

// Flow is the engine. Its fields are set before use; Start then names its
// handlers to the outbox.
type Flow struct {
	Store     store.Store
	Directory directory.Directory
	Sessions  Sessions // nil: nobody stays signed in
	Outbox    *outbox.Outbox
	Keys      *secret.Keyring
	Methods   []Method // in the order of preference
	// Ways say which of them suffice; without any, each does.
	Ways   []Way
	Policy password.Policy
	// Preset shortens what the methods allow; empty for none.
	Preset Preset
	// Charter is the URL of what must be accepted at activation; none when
	// empty.
	Charter string
	// Contacts are the kinds of rescue address that are asked for at activation
	// where there is none (requirement R21); a mail address when nil.
	Contacts []account.ContactKind
	// Places are the networks that notices call by a name.
	Places []Place
	Mail   mail.Sender // carries the notices
	Pages  *render.Pages
	// Link is the URL of the page of links, whole, to which a token is
	// appended. It is built from the issuer, never from a request.
	Link string
	// Home is the URL in notices where somebody acts who did not ask.
	Home string
	// Undo is the URL of the page that takes a change of contact back, to
	// which a token is appended.
	Undo string
	// Lost, when set, is told of a contact at which nobody reads, so that the
	// person is asked for another one.
	Lost   func(ctx context.Context, who account.ID, c account.Contact) error
	Limits Limits // zero: Start makes them DefaultLimits
	Audit  audit.Log
	Now    func() time.Time // default time.Now
}

// Sessions are what people have open by their password. It ends with it. Those of
// package session are.
type Sessions interface {
	// EndOthers ends all that an account has open but one; all when that is zero.
	EndOthers(ctx context.Context, id account.ID, stays store.Key) error
}

// Limits are the throttles of recovery.
type Limits struct {
	// Submitted bounds requests for one typed identifier from one address
	// range, known or not: it is counted before anybody is looked up.
	Submitted throttle.Limiter
	// Source bounds requests and answers from one address range.
	Source throttle.Limiter
	// Hourly and Daily bound what is sent to one account, and to one address.
	Hourly, Daily throttle.Limiter
	// Share bounds what one address range has sent to one account: whoever asks
	// in somebody else's name leaves them the rest (requirement R34).
	Share throttle.Limiter
	// Tries bounds the answers to one attempt, Guesses those for one account.
	Tries, Guesses throttle.Limiter
	// Elsewhere bounds those of the Tries that come from another browser than
	// the one which began the attempt: nobody uses up the code of somebody who
	// waits for it.
	Elsewhere throttle.Limiter
	// Handed bounds the answers to a code that is handed over, by network: it is
	// too long to guess, and nobody may use up somebody else's letter.
	Handed throttle.Limiter
	// Facts bounds the answers about one account to one Asked method.
	Facts throttle.Limiter
	// All bounds what could be guessed of all accounts together: six digits
	// and facts. Links and codes that are handed over go on when it is
	// reached.
	All throttle.Limiter
}

// DefaultLimits are those of requirements R32 and R33. A refused request never
// locks anything.
func DefaultLimits() Limits {
	return Limits{
		Submitted: throttle.Limiter{Name: "recovery submitted", Limit: 3, Window: time.Hour, Pause: 2 * time.Minute, MaxPause: 30 * time.Minute},
		Source:    throttle.Limiter{Name: "recovery source", Limit: 300, Window: time.Hour},
		Hourly:    throttle.Limiter{Name: "recovery hourly", Limit: 3, Window: time.Hour},
		Daily:     throttle.Limiter{Name: "recovery daily", Limit: 6, Window: 24 * time.Hour},
		Share:     throttle.Limiter{Name: "recovery share", Limit: 4, Window: 24 * time.Hour},
		Tries:     throttle.Limiter{Name: "recovery tries", Limit: 5, Window: 7 * 24 * time.Hour},
		Guesses:   throttle.Limiter{Name: "recovery guesses", Limit: 30, Window: 24 * time.Hour},
		Elsewhere: throttle.Limiter{Name: "recovery elsewhere", Limit: 3, Window: 7 * 24 * time.Hour},
		Handed:    throttle.Limiter{Name: "recovery handed", Limit: 5, Window: time.Hour},
		Facts:     throttle.Limiter{Name: "recovery facts", Limit: 5, Window: 24 * time.Hour},
		All:       throttle.Limiter{Name: "recovery all", Limit: 5000, Window: time.Hour},
	}
}

const (
	attemptLen = 16 // the first ticket.TagLen of which are its tag
	tokenLen   = 22 // 131 bits

	jobChallenge = "recovery challenge"
	jobNotice    = "recovery notice"
	jobSettle    = "recovery settle"
	jobReplaced  = "recovery replaced"

	// remembered is how long after its end an attempt can still be told what
	// became of it.
	remembered = 24 * time.Hour
	// proofLife is how long somebody may take to choose a password.
	proofLife = 20 * time.Minute
)

// The fields of an attempt.
const (
	fieldWanted   = "wanted"
	fieldPurpose  = "purpose" // what the account is given
	fieldMethod   = "method"
	fieldLogin    = "login" // as typed, sealed: people type passwords there
	fieldLanguage = "lang"
	fieldReturn   = "return"
	fieldAccount  = "account" // set when the account was found
	fieldSent     = "sent"
	fieldTo       = "to"     // a hash of the contact that was chosen
	fieldNew      = "new"    // Contact: the change, sealed
	fieldBefore   = "before" // of a change of contact: the contacts as they were, sealed
	fieldFamily   = "family" // the attempts of one message for several accounts
	fieldBatch    = "batch"
	fieldAnswered = "answered"
	fieldUsed     = "used"
	fieldAttempt  = "attempt"
	fieldSince    = "since"   // when the account got its password, in microseconds
	fieldCharter  = "charter" // of a proof
)

// Start names the engine's handlers to the outbox. Call it once.
func (f *Flow) Start() {
	if f.Limits == (Limits{}) {
		f.Limits = DefaultLimits()
	}
	f.Outbox.Handle(jobChallenge, f.challenge)
	f.Outbox.Handle(jobNotice, f.notice)
	f.Outbox.Handle(jobSettle, f.settle)
	f.Outbox.Handle(jobReplaced, f.finishReplacing)
}

// method finds one that is configured.
func (f *Flow) method(name string) (Method, bool) {
	for _, m := range f.Methods {
		if m.Name() == name {
			return m, true
		}
	}
	return nil, false
}

// end ends what an account has open, but for one session; all when it is zero.
func (f *Flow) end(ctx context.Context, id account.ID, stays store.Key) error {
	if f.Sessions == nil {
		return nil
	}
	return f.Sessions.EndOthers(ctx, id, stays)
}

// sends reports whether a method sends something.
func sends(m Method) bool { return !isHanded(m) && !isAsked(m) }

func isHanded(m Method) bool { _, ok := m.(Handed); return ok }

func isAsked(m Method) bool { _, ok := m.(Asked); return ok }

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

// Beside an attempt's record: that it may be answered, by its code, and that
// somebody is answering it.
func openKey(id string) store.Key  { return beside(id, ":open") }
func codeKey(id string) store.Key  { return beside(id, ":code") }
func claimKey(id string) store.Key { return beside(id, ":claim") }

func beside(id, what string) store.Key {
	k := key(id)
	return store.Key{Tag: k.Tag, Name: k.Name + what}
}

// currentKey is that of the record which says, by method, which attempt of an
// account is the one that may be answered.
func currentKey(id account.ID) store.Key {
	return store.Key{Tag: "r-" + secret.Hash(string(id))[:22], Name: "current"}
}

// slot is the field of currentKey's record for attempts of a method. Proving a
// new address stands beside recovery: neither ends the other.
func slot(method string, p Purpose) string {
	if p == Contact {
		return "contact " + method
	}
	return method
}

// nameKey leads from a typed identifier to the attempt last begun for it.
func nameKey(login string) store.Key {
	return store.Key{Tag: "n-" + secret.Hash(fold(login))[:22], Name: "attempt"}
}

// fold makes one of the spellings that a directory takes for the same.
func fold(login string) string {
	return strings.ToLower(norm.NFKC.String(strings.TrimSpace(login)))
}

// from is a subject of which each network has its own count.
func from(subject, source string) string { return subject + " from " + source }

func newAttempt() string { return ticket.NewTag() + secret.Random(attemptLen-ticket.TagLen) }
