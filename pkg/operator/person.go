package operator

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/store"
)

// Person is what an operator is shown of an account.
type Person struct {
	Account  account.Account
	Verified Verified
	// CodeSent and ContactSent tell that a code is out to be read back: to
	// verify the caller, and from a new rescue address.
	CodeSent, ContactSent bool
	// Match are the two digits to say, while a link is out that asks for them.
	Match string
	// Missed is how the last link was answered, where that was wrong.
	Missed Missed
	// Exposed is when this operator lifted a lock whose cause may be that
	// somebody else knows the password; zero when that is not, or long ago.
	Exposed time.Time
	// Contacts are the account's, masked.
	Contacts []Masked
	// Facts is whether facts could verify this caller.
	Facts bool
	// Acts says of each that there is here whether it may be done: nil, or why
	// not. That a caller must be verified first is no reason here.
	Acts   map[Act]error
	Next   Next
	Events []recovery.Event // the newest first
}

// Masked is a rescue address as far as an operator sees it (requirement R24).
type Masked struct {
	Kind     account.ContactKind
	Text     string
	Sendable bool // a code can be sent there
	Frozen   bool // somebody else reads there
	Held     bool // an operator put it on file less than 72 hours ago
	// Doubtful is set when nobody reads there (requirement R23).
	Doubtful bool
}

// Next is the one thing to do now, worded by desk.next.<next>.
type Next string

// The next things.
const (
	NextLook    Next = "look"    // a message is on its way: have them look
	NextHanded  Next = "handed"  // a code was handed over: have them type it
	NextVouch   Next = "vouch"   // there is no address: verify them, and give a code
	NextResend  Next = "resend"  // there is an address: send the message
	NextContact Next = "contact" // the address is dead
	NextUnlock  Next = "unlock"
	NextLift    Next = "lift"    // and then vouch: somebody else may know the password
	NextRenew   Next = "renew"   // that was done: vouch
	NextDecide  Next = "decide"  // the institution has locked it, and this operator may lift that
	NextDecided Next = "decided" // the institution has locked it
	NextClosed  Next = "closed"
	NextNobody  Next = "nobody" // beyond what this operator may do
)

// Person reads the page of an account. Errors: a Denied, or one that wraps
// directory.ErrUnavailable or store.ErrUnavailable.
func (d *Desk) Person(ctx context.Context, c Case) (Person, error) {
	op, who, err := d.open(ctx, c, See)
	if err != nil {
		return Person{}, err
	}
	p := Person{Account: who, Acts: map[Act]error{}}
	if p.Verified, err = d.Verified(ctx, c); err != nil {
		return Person{}, err
	}
	code, contact, match, exposed := &store.Read{Key: c.key("code")}, &store.Read{Key: c.key("contact")}, &store.Read{Key: c.key("match")}, &store.Read{Key: c.key("exposed")}
	if err := d.Store.Do(ctx, code, contact, match, exposed); err != nil {
		return Person{}, err
	}
	if id := match.Fields[fieldID]; id != "" {
		p.Match = d.matchDigits(id, c.Operator, who.ID)
	}
	if exposed.Fields != nil {
		p.Exposed = d.now().Add(exposed.TTL - verifiedFor)
	}
	p.Missed = Missed(match.Fields[fieldMissed])
	p.CodeSent, p.ContactSent = code.Fields != nil, contact.Fields != nil
	children := d.children()
	for _, act := range Acts() {
		if (act == ActFreeze || act == ActThaw) && !d.CanFreeze() {
			continue
		}
		err := d.Rules.Allows(ctx, op, act.verb(), who, d.now(), children)
		if denied := Denied(""); err != nil && !errors.As(err, &denied) {
			return Person{}, err
		}
		p.Acts[act] = err
	}
	if p.Events, err = d.Recovery.Events(ctx, who.ID); err != nil {
		return Person{}, err
	}
	usable, err := d.Recovery.Usable(ctx, who)
	if err != nil {
		return Person{}, err
	}
	p.Facts = d.hasFacts(usable)
	doubtful, err := d.Recovery.Doubtful(ctx, who.Contacts)
	if err != nil {
		return Person{}, err
	}
	for i, contact := range who.Contacts {
		m := Masked{Kind: contact.Kind, Text: contact.Masked(), Sendable: d.reaches(usable.Contacts[i]), Frozen: contact.Frozen,
			Held: usable.Contacts[i].Frozen && !contact.Frozen, Doubtful: slices.Contains(doubtful, contact)}
		p.Contacts = append(p.Contacts, m)
	}
	if !slices.ContainsFunc(p.Contacts, func(m Masked) bool { return m.Sendable }) {
		delete(p.Acts, ActResend) // it would go nowhere
	}
	p.Next = p.next()
	d.record(ctx, c, string(See), "ok")
	return p, nil
}

func (p Person) next() Next {
	sendable, doubtful := false, false
	for _, c := range p.Contacts {
		sendable = sendable || c.Sendable && !c.Doubtful
		doubtful = doubtful || c.Doubtful
	}
	may := func(act Act, n Next) Next {
		if p.Acts[act] != nil {
			return NextNobody
		}
		return n
	}
	switch a := p.Account; {
	case a.Status == account.Disabled:
		return NextClosed
	case a.Status == account.Locked && a.Reason != account.ReasonTooManyTries && a.Reason != account.ReasonSecurity:
		if p.Acts[ActDecide] == nil {
			return NextDecide
		}
		return NextDecided
	case a.Status == account.Locked && a.Reason == account.ReasonSecurity:
		return may(ActUnlock, NextLift)
	case a.Status == account.Locked:
		return may(ActUnlock, NextUnlock)
	case len(p.Events) > 0 && p.Events[0].Fate == recovery.Open && p.Events[0].Result == "issued":
		return NextHanded
	case !p.Exposed.IsZero() && !slices.ContainsFunc(p.Events, func(e recovery.Event) bool {
		return e.Result == string(recovery.NoticeChanged) && !e.At.Before(p.Exposed)
	}):
		return may(ActVouch, NextRenew)
	case len(p.Events) > 0 && p.Events[0].Fate == recovery.Open:
		return NextLook
	case sendable:
		return may(ActResend, NextResend)
	case doubtful:
		return may(ActContact, NextContact)
	}
	return may(ActVouch, NextVouch)
}
