// Package recovery is the engine by which people get back in: whoever they
// are, they first prove it by a method, and only then does the engine act.
//
// The way is always the same: Begin makes an attempt; outside the request the
// account is looked up and the method sends a challenge; Answer turns a right
// answer into a proof, a ticket kept by the browser that answered; Complete
// redeems the proof and sets the password. Nothing else than a proof sets one.
// A login that nobody has goes the same way and only never gets a right
// answer, so that nobody learns who exists (requirement R35).
package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
)

// Purpose is what somebody wants to get back.
type Purpose string

// The purposes.
const (
	// Reset: a new password for an account that has one.
	Reset Purpose = "reset"
	// Activate: the first password.
	Activate Purpose = "activate"
	// Unlock: the password as it was, for an account that the directory locked
	// after too many tries (requirement R14).
	Unlock Purpose = "unlock"
	// Identifier: the name of the account. It is in every message; what is
	// proved on the way is good for Reset or Activate.
	Identifier Purpose = "identifier"
	// Contact: a rescue address, proved before it counts (R-REC-29).
	Contact Purpose = "contact"
)

// Method is one way to prove who one is. It is given no directory, no request
// and no response: it sends, it compares, and that is all it can do. It must be
// safe for concurrent use and pass recoverytest.Run.
//
// A method sends what is to be answered; or, as a Handed, leaves that to an
// operator; or, as an Asked, asks for what the person knows or has.
type Method interface {
	// Name is what a configuration calls it. It is kept with every attempt and
	// must never change.
	Name() string
	// Offers reports whether this account could prove itself this way. It does
	// not block.
	Offers(a account.Account, p Purpose) bool
	// Terms are how long what it sends is good.
	Terms(p Purpose) Terms
	// Challenge sends the person what is needed to answer. It is called outside
	// the request, and again when it fails: what it sends must be made from the
	// challenge alone, so that a repetition is the same message. It may be called
	// for an account that the method does not offer itself to any more, or has no
	// contact of: then it sends nothing and fails. An error that
	// wraps mail.ErrRefused is final; after mail.ErrAddress, of an Addressed, the
	// next contact has its turn.
	Challenge(ctx context.Context, c Challenge) error
	// Verify reports whether the answer is right, comparing in constant time.
	// Tries are counted before it is called.
	Verify(c Challenge, a Answer) bool
}

// Addressed is implemented by methods that say where they send. The engine then
// chooses one contact for each message and puts it into Challenge.To, keeps to
// the bounds of each address (requirement R33), leaves out those that refused
// (R23), and can show after a first proof where the next message goes.
type Addressed interface {
	Method
	// To returns the contacts that it could send to, in order (R20).
	To(a account.Account, p Purpose) []account.Contact
}

// Telling is implemented by methods that can also tell an owner what was done
// to the account: whom no mail reaches learns it there (requirement R36).
type Telling interface {
	Addressed
	// Tell sends a notice. It is called again when it fails, unless the error
	// wraps outbox.ErrGiveUp.
	Tell(ctx context.Context, t Told) error
}

// Told is a notice as a Telling sends it.
type Told struct {
	ID       string // the same when the same notice is sent again
	Account  account.ID
	To       account.Contact
	Notice   Notice // NoticeChanged, NoticeUnlocked or NoticeContact
	Language string
	At       time.Time
	URL      string // takes the change back; empty when nothing does
}

// Handed is implemented by methods that send nothing: their code is made by
// Flow.Issue and given to the person by an operator or on a letter.
type Handed interface {
	Method
	Handed()
}

// Asked is implemented by methods that send nothing and ask for what a person
// knows or has: a birth date, the number of a card. Their Verify is given the
// whole account.
type Asked interface {
	Method
	// Alone reports whether a right answer may be all that is asked of this
	// account. Where it may not, it only adds to another proof, whatever the
	// configuration says (requirement R43).
	Alone(a account.Account, p Purpose) bool
}

// Identifying is implemented by an Asked that can tell who somebody is, by a
// number and what they say beside it.
type Identifying interface {
	Asked
	// WithName reports whether the family name is asked too.
	WithName() bool
}

// Looking is implemented by methods that look at attributes of an account which
// their configuration names. One that the directory does not read is an error at
// start: nobody's answer would be right.
type Looking interface {
	Method
	Attributes() []string
}

// Worded is implemented by an Asked that asks each person something else.
type Worded interface {
	Asked
	// Wording is what to ask, in a language.
	Wording(a account.Account, lang string) string
}

// Choosable is implemented by a Worded whose question each person chooses, and
// answers, beforehand (requirement R43).
type Choosable interface {
	Worded
	// Choices are the questions there are, in a language and in a fixed order.
	Choices(lang string) []Choice
	// Attribute is where a directory keeps a choice.
	Attribute() string
	// Keep is what it keeps: the values of the attribute as they are and as they
	// should be. It is ErrWrong for what is no question, or no answer.
	Keep(a account.Account, word, answer string) (from, to []string, err error)
}

// Choice is a question that somebody may choose.
type Choice struct {
	Word string // stands for it in forms and in the directory
	Text string
}

// Silent is embedded by methods that send nothing. The lifetimes are those of
// an answer given on the spot; a Handed has its own.
type Silent struct{}

// Challenge implements Method: there is nothing to send.
func (Silent) Challenge(context.Context, Challenge) error { return nil }

// Terms implements Method.
func (Silent) Terms(Purpose) Terms { return Terms{Link: proofLife, Code: proofLife} }

// Family is implemented by methods that can put the challenges of several
// accounts with one address into one message (requirement R22).
type Family interface {
	Method
	// ChallengeAll is Challenge for several accounts. All have one To and were
	// sent at one time. Others is set when more accounts have that address: they
	// are closed, or too many for one message.
	ChallengeAll(ctx context.Context, all []Challenge, others bool) error
}

// Terms are lifetimes (requirement R30).
type Terms struct {
	Link time.Duration // of a link, and of the attempt itself
	Code time.Duration // of a typed code
}

// Lifetime is one of a configuration: the default when unset, and an error that
// names its key beyond the most that requirement R30 allows.
func Lifetime(key string, set plugin.Duration, unset, most time.Duration) (time.Duration, error) {
	d := set.Or(unset)
	if d > most {
		return 0, plugin.At(key, fmt.Errorf("is %v at the most", most))
	}
	return d, nil
}

// Env is what the host lends a method.
type Env struct {
	Mail   mail.Sender
	SMS    sms.Gateway // nil when the site has none
	Pages  *render.Pages
	Logger *slog.Logger
}

// Challenge is one attempt as its method sees it.
type Challenge struct {
	Attempt string // its public name; not a secret
	Purpose Purpose
	// Wanted is what was asked for, Identifier for instance. Purpose is what
	// the account is given.
	Wanted  Purpose
	Account account.Account
	// To is the contact to send to, for an Addressed.
	To       account.Contact
	Language string
	SentAt   time.Time
	Terms    Terms

	derive *secret.Deriver
	link   string
}

// NewChallenge is for tests of methods, outside the engine.
func NewChallenge(attempt string, p Purpose, a account.Account, language string, sent time.Time, terms Terms, keys *secret.Keyring, link string) Challenge {
	return Challenge{Attempt: attempt, Purpose: p, Account: a, Language: language, SentAt: sent, Terms: terms,
		derive: keys.Deriver("recovery"), link: link}
}

// Digits returns n decimal digits that only this challenge has. They are
// derived, not stored, so a copy of the store is worth nothing (OWASP ASVS
// 6.5.2).
func (c Challenge) Digits(n int) string {
	return c.derive.Digits(n, "digits", c.Attempt, string(c.Purpose), string(c.Account.ID))
}

// Code returns the code of a Handed, which only this challenge has, with a
// check character at its end: "K7QM2XDB9RTH".
func (c Challenge) Code() string {
	return longCode(c.derive.Digits(19, "code", c.Attempt, string(c.Purpose), string(c.Account.ID)))
}

// Token returns the secret of the link, 131 bits (requirement R31).
func (c Challenge) Token() string {
	return c.derive.Text(tokenLen, "token", c.Attempt, string(c.Purpose), string(c.Account.ID))
}

// IsToken compares in constant time.
func (c Challenge) IsToken(text string) bool { return secret.New(text).Equal(secret.New(c.Token())) }

// URL is the link to send. Opening it consumes nothing.
func (c Challenge) URL() string { return c.link + c.Attempt + c.Token() }

// Mark is the mail.Message.Mark of a message to To.
func (c Challenge) Mark() string { return markOf(c.derive, c.To) }

// CodeUntil is when the code ends.
func (c Challenge) CodeUntil() time.Time { return c.SentAt.Add(c.Terms.Code) }

// LinkUntil is when the link ends.
func (c Challenge) LinkUntil() time.Time { return c.SentAt.Add(c.Terms.Link) }

// Answer is what somebody gave back: the token of a link, or what was typed.
type Answer struct {
	Token string
	// Code is CodeLen digits for a method that sends, a LongCode for a Handed,
	// and the text as typed for an Asked.
	Code string
	// Login and Name, for an Asked, are the identifier and the family name
	// typed beside it, if any were.
	Login, Name string
}

// What the engine answers.
var (
	// ErrWrong: the answer is not right, or not any more: expired, used,
	// replaced, too many tries, nobody's. Which of these is not said to
	// somebody who has proved nothing.
	ErrWrong = errors.New("recovery: wrong answer")
	// ErrSlowDown: too many requests; see SlowDown.
	ErrSlowDown = errors.New("recovery: too many requests")
	// ErrNoProof: the proof is unknown, expired or used.
	ErrNoProof = errors.New("recovery: no proof")
	// ErrPartial: the proof is good, but this account must prove more for that.
	ErrPartial = errors.New("recovery: more must be proved")
	// ErrCharter: the charter was not accepted.
	ErrCharter = errors.New("recovery: the charter was not accepted")
	// ErrState: the account may not be given a password (any more).
	ErrState = errors.New("recovery: not in this state of the account")
)

// State is why an account may not be given anything, for somebody who has
// proved that it is theirs. It is an ErrState.
type State struct {
	Reason account.Reason
	Ends   time.Time // when that began; zero when unknown
}

func (*State) Error() string { return ErrState.Error() }

// Is makes errors.Is(err, ErrState) true.
func (*State) Is(target error) bool { return target == ErrState }

// Refused is why a new password was not accepted. The proof stays good.
type Refused struct {
	// Reasons are the keys of password.Reason.
	Reasons []string
}

func (*Refused) Error() string { return "recovery: the password was refused" }
