// Package account is the vocabulary about a person's entry in a directory: a
// snapshot of it and the one decision table of what its state allows.
package account

import (
	"slices"
	"strings"
	"time"
)

// ID names an account for ever: it never changes when a person is renamed and
// is never given to anybody else (eduPersonUniqueId, entryUUID, objectGUID…).
type ID string

// Account is a snapshot of an entry. Values are the directory's own, never
// what somebody typed (requirement R2b).
type Account struct {
	ID ID
	// Handle is where the entry is now (a DN for LDAP): for the directory
	// plugin and the audit log only, never shown and never kept.
	Handle string
	// Login is the stored name of the account: uid, ENTPersonLogin,
	// sAMAccountName. It is cas:user and preferred_username.
	Login string
	// Logins are all the names under which the directory finds this account,
	// Login included.
	Logins []string

	Name, GivenName, FamilyName string // as displayed
	BirthName                   string // the family name at birth, when it is another
	Birth                       Date   // unknown for some (requirement R4)
	Mail                        string // the institutional address
	Language                    string // a BCP 47 tag, or empty

	Status Status
	// Reason is why the status is not Active; empty otherwise.
	Reason Reason
	// Ends is the last instant at which the present status holds; zero when
	// no end is known. Of a grace it is the end of the grace, of an account that
	// has expired the instant at which it did.
	Ends time.Time
	// Closes is the end of the grace that follows when Ends is past; zero when
	// none does, and the account closes at once.
	Closes time.Time `json:",omitzero"`

	// MustChange: the directory says that the password must be changed before
	// anything else.
	MustChange bool `json:",omitempty"`

	// PasswordSet is when the password was last set, by the directory's clock;
	// zero when it does not say. By it what was sent before a change that was
	// made elsewhere is worth nothing (R-REC-09).
	PasswordSet time.Time `json:",omitzero"`

	// Contacts are the rescue addresses in the order in which they are
	// offered (requirement R20). The institution's own are not among them.
	Contacts []Contact

	// Relatives are the contacts of those who have parental authority over a
	// minor who has none (requirement R63). They are other people's: nothing
	// keeps or shows them as the account's own.
	Relatives []Contact `json:"-"`

	// Attributes are the values that may be released, by the directory's own
	// attribute names.
	Attributes map[string][]string
}

// Contact is a rescue address.
type Contact struct {
	Kind  ContactKind
	Value string // an e-mail address, or a phone number in E.164
	Label string // where it was found: SECOURS, PERSO, supannMailPerso…
	// Frozen: somebody else is known to read there, so nothing is sent.
	Frozen bool `json:",omitempty"`
}

// ContactKind is how a contact is reached.
type ContactKind string

// The kinds of contact.
const (
	Email ContactKind = "email"
	Phone ContactKind = "phone"
)

// Reach returns the contacts of one kind at which the person can be reached, in
// order.
func (a Account) Reach(kind ContactKind) []Contact { return usable(a.Contacts, kind) }

func usable(contacts []Contact, kind ContactKind) []Contact {
	var out []Contact
	for _, c := range contacts {
		if c.Kind == kind && !c.Frozen {
			out = append(out, c)
		}
	}
	return out
}

// Channels returns the contacts of one kind at which the person gets back in:
// their own, or those of a minor's relatives.
func (a Account) Channels(kind ContactKind) []Contact {
	if len(a.Contacts) == 0 {
		return usable(a.Relatives, kind)
	}
	return a.Reach(kind)
}

// Mailboxes returns where to write what the owner of the account must hear of,
// each once: the rescue addresses that reach them, which stay when the
// institution's own closes with the account, and that one.
func (a Account) Mailboxes() []Contact {
	out := a.Channels(Email)
	if a.Mail != "" && !slices.ContainsFunc(a.Contacts, func(c Contact) bool { return c.Kind == Email && strings.EqualFold(c.Value, a.Mail) }) {
		out = append(out, Contact{Kind: Email, Value: a.Mail})
	}
	return out
}

// Status is the state of an account.
type Status string

// The states, and what each allows (requirement R10).
const (
	// Pending: made but not activated. No login; activation.
	Pending Status = "pending"
	// Active: login, reset.
	Active Status = "active"
	// Grace: the person has left; login to some services until Ends; reset.
	Grace Status = "grace"
	// Locked: suspended by an administrator or for safety. No login, and no
	// reset but of a lock for too many tries.
	Locked Status = "locked"
	// Disabled: closed or expired. No login, no reset.
	Disabled Status = "disabled"
)

// Reason is the class of cause of a status that refuses: what a person may be
// told once the right password was given.
type Reason string

// The reasons.
const (
	ReasonNone           Reason = ""
	ReasonNotActivated   Reason = "not_activated"
	ReasonDeparture      Reason = "departure"      // in grace: has left, until Ends
	ReasonExpired        Reason = "expired"        // the end date is past
	ReasonClosed         Reason = "closed"         // inactive, being deleted, deleted
	ReasonAdministrative Reason = "administrative" // locked by decision of the institution
	ReasonSecurity       Reason = "security"       // locked after an incident
	ReasonTooManyTries   Reason = "too_many_tries" // locked by the directory itself
	ReasonMustChange     Reason = "must_change"    // the password must be changed first
	ReasonUnknownState   Reason = "unknown_state"  // a state this configuration does not know
	ReasonApplication    Reason = "application"    // may log in, but not enter this application
)

// MayLogin reports whether a right password opens a session.
func (s Status) MayLogin() bool { return s == Active || s == Grace }

// MayReset reports whether a new password may be set for an account that
// already had one. A lock that the directory itself put after too many tries
// does not forbid it: whoever proves who they are gets past somebody else's
// guesses.
func (a Account) MayReset() bool {
	return a.Status.MayLogin() || a.Status == Locked && a.Reason == ReasonTooManyTries
}

// MayActivate reports whether the account may be given its first password and
// made active. Staff who arrive are active before they have one (SUPANN
// SupannAnticipe): for them MayReset is enough.
func (a Account) MayActivate() bool { return a.Status == Pending }
