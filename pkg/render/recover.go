package render

import "time"

// Purpose is what a recovery is for.
type Purpose string

// The purposes.
const (
	PurposeReset      Purpose = "reset"
	PurposeActivate   Purpose = "activate"
	PurposeUnlock     Purpose = "unlock"
	PurposeIdentifier Purpose = "identifier"
	PurposeContact    Purpose = "contact"
)

// Purposes that end on a page of their own.
var purposes = []Purpose{PurposeReset, PurposeActivate, PurposeUnlock}

// Identify asks who somebody is, to recover or to activate an account. It
// posts username and, with Letters, code.
type Identify struct {
	Frame
	Purpose  Purpose
	Username string
	// Letters is set where codes are printed: a first sign-in can begin
	// with one.
	Letters bool
	Handed  bool   // nothing is ever sent: a code is all there is
	Code    string // as typed before
	// Network is set in a network of schools: one account is good in all.
	Network bool
	// Numbers is set where somebody can say who they are by a number and a
	// date of birth.
	Numbers bool
	// Several is set where messages leave by more ways than one.
	Several bool
}

// Number asks for a number, a date of birth and, with WithName, a family name:
// for somebody who has neither an identifier nor an address at hand. It posts
// username, birth and name.
type Number struct {
	Frame
	Username, Birth, Name string
	WithName              bool
	Letters               bool // codes are handed over here, and typed on another page
}

// Sent says that a message has left, if there is an account: the same page for
// everybody (requirement R35). It posts code; the button resend posts
// resend=yes, those of the channels method=<their name>.
type Sent struct {
	Frame
	Purpose    Purpose
	SentAt     time.Time
	ValidUntil time.Time
	To         string // masked, for somebody who has proved a part; else empty
	Code       string // as typed before
	// By is the method that was asked for, or the only one; empty when it is
	// not known. It is worded by method.<name>.title, hint and nothing.
	By string
	// Channels are the other ways to send, by the names of their methods: the
	// same for everybody. They are worded by method.<name>.send.
	Channels []string
	// Letters is set where codes are handed over: they are typed on another
	// page, since the keyboard of this one has digits only.
	Letters bool
}

// Code is the way in for somebody who has a code but not the page that asked
// for it: another device, another day. It posts username and code.
type Code struct {
	Frame
	Username, Code string
	Letters        bool // codes of letters are typed here too
	Handed         bool // and no others: nothing is ever sent
	// By is the method that asks for something else than a code, worded by
	// method.<by>.label and .hint; empty for a code.
	By string
}

// More asks for what is still to be proved. Each way posts method and, where
// something is typed, code.
type More struct {
	Frame
	Ways  []MoreWay
	Left  int  // how many are missing on the first of them
	Short bool // there is none: only an operator can help
}

// MoreWay is one way to prove more: a message that can be sent, worded by
// method.<method>.send, or something to type, worded by method.<method>.label
// and .hint.
type MoreWay struct {
	Method string
	Sends  bool
	To     string // masked; empty when not known
	Text   string // the question of this person; empty for the label
}

// Address asks for a first rescue address, or for the number of a mobile when
// Kind is "phone", while an account is activated, and,
// once Sent, for the code that went there. It posts address or code; the button
// later posts later=yes.
type Address struct {
	Frame
	Kind       string
	Typed      string
	SentTo     string // where a code went that is waited for; empty for none
	Code       string
	ValidUntil time.Time
}

// Unlock offers to lift a lock and keep the password.
type Unlock struct {
	Frame
	Login string
}

// Undo offers to take a change of rescue address back.
type Undo struct {
	Frame
	Gone bool // the 72 hours are over, or it was taken back before
	Done bool
}

// Opened is the page of a link opened from a message. Opening it has consumed
// nothing: the button does (requirement R31).
type Opened struct {
	Frame
	Purpose    Purpose
	Code       string // to type on the other device
	ValidUntil time.Time
}

// Password asks for a new password. It posts password.
type Password struct {
	Frame
	Purpose Purpose
	// Login tells the browser's password keeper whose password this is.
	Login   string
	Minimum int // characters
	Kinds   int // of characters; zero when any will do
	// Charter is the URL of what must be accepted; the field charter is posted
	// then. Empty without one.
	Charter string
	// Unlockable offers to keep the password instead.
	Unlockable bool
}

// Activated sums up what an activation has made. Nobody has been signed in by
// it.
type Activated struct {
	Frame
	Login   string   // what to sign in with; empty when not known
	Rescue  []string // the rescue addresses on file, masked
	Charter bool     // it was accepted
	// LoginURL is where to sign in, towards Frame.Destination if there is one.
	LoginURL string
}

// Expired is the page of a link that is no longer good. Its form posts to
// Frame.Action for a new message.
type Expired struct {
	Frame
	Purpose Purpose
	Fate    Fate
	At      time.Time // when that happened; zero when unknown
	Handed  bool      // it stands on a letter, or was shown at the desk: no message replaces it
}

// Fate is what happened to a link.
type Fate string

// The fates.
const (
	FateAnswered Fate = "answered" // a browser goes on with it, and has not finished
	FateUsed     Fate = "used"
	FateReplaced Fate = "replaced" // a newer message has left
	FateExpired  Fate = "expired"
	FateEnded    Fate = "ended"   // by a login, another password or address, or an operator
	FateUnknown  Fate = "unknown" // not a link of ours, or forgotten long since
)

var fates = []Fate{FateAnswered, FateUsed, FateReplaced, FateExpired, FateEnded, FateUnknown}
