package render

import "time"

// MailLink is the mail with a link and a code.
type MailLink struct {
	Purpose    Purpose
	Login      string // the reminder of the identifier
	URL        string // whole, on the issuer; not of PurposeContact
	Code       string
	SentAt     time.Time
	ValidUntil time.Time // of the link
	CodeUntil  time.Time
}

// MailFamily is MailLink for several accounts behind one address, each with a
// link and a code of its own (requirement R22).
type MailFamily struct {
	Members   []FamilyMember
	CodeUntil time.Time
	// Others is set when more accounts have the address than are here.
	Others bool
}

// FamilyMember is one of the accounts.
type FamilyMember struct {
	Name       string // masked
	Login      string
	URL        string
	Code       string
	ValidUntil time.Time
}

// Origin is from where something was done. Both empty: nothing is said of it.
type Origin struct {
	Place string // a network that the site named, by its name
	Range string // the network's addresses: 192.0.2.0/24
}

// MailChanged is the notice that a password was set.
type MailChanged struct {
	Origin
	Login string
	At    time.Time
	URL   string // where to act if it was somebody else
}

// MailUnlocked is the notice that a lock was lifted.
type MailUnlocked struct {
	Origin
	Login string
	At    time.Time
	URL   string
}

// MailContactChanged is the notice to the old addresses that a rescue address
// changed.
type MailContactChanged struct {
	Origin
	Login string
	At    time.Time
	To    string    // the new one, masked; empty when one was removed
	URL   string    // takes it back
	Until time.Time // as long
}

// MailWhy tells an owner why there is no way back in (requirement R12).
type MailWhy struct {
	Login  string
	Reason Reason
	Ends   time.Time // when it ended; zero when unknown
}

// Mail implements MailView.
func (m MailLink) Mail() string {
	switch m.Purpose {
	case PurposeActivate, PurposeUnlock, PurposeIdentifier, PurposeContact:
		return string(m.Purpose)
	}
	return "reset"
}

// Mail implements MailView.
func (MailFamily) Mail() string         { return "family" }
func (MailChanged) Mail() string        { return "notice-changed" }
func (MailUnlocked) Mail() string       { return "notice-unlocked" }
func (MailContactChanged) Mail() string { return "notice-contact" }
func (MailWhy) Mail() string            { return "why" }

var mailViews = []MailView{MailLink{Purpose: PurposeReset}, MailLink{Purpose: PurposeActivate}, MailLink{Purpose: PurposeUnlock},
	MailLink{Purpose: PurposeIdentifier}, MailLink{Purpose: PurposeContact}, MailFamily{}, MailChanged{}, MailUnlocked{}, MailContactChanged{}, MailWhy{}}
