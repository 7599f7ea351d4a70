package render

import "time"

// Account is where people begin with what is theirs.
type Account struct {
	Frame
	Name, Login string
	Ends        time.Time // zero when no end is known
	// Parts are the pages that there are, account.<part>.title.
	Parts []string
}

// NewPassword asks who is signed in for a new password, and with Current for the
// one that there is. It posts current and password.
type NewPassword struct {
	Frame
	Login   string
	Minimum int // characters
	Kinds   int // of characters; zero when any will do
	Current bool
	// Must is set when nothing else is open before, and Expired when that is
	// because the present one is too old: it is taken Left times more.
	Must, Expired bool
	Left          int // 0: not known
}

// Sessions lists what is open. It posts end=<SID>, or end=others.
type Sessions struct {
	Frame
	Open []OpenSession
}

// OpenSession is one of them.
type OpenSession struct {
	SID     string
	Device  string // empty when not known
	Origin  Origin
	Began   time.Time // zero when not known
	Seen    time.Time
	Current bool
	Apps    []string // the applications entered, the last first
}

// Apps lists the applications that were entered lately, and those that were
// agreed to be told something. It posts revoke=<ID>.
type Apps struct {
	Frame
	Used   []Used
	Agreed []Agreed
}

// Used is one application and when it was last entered on a session that is
// still open.
type Used struct {
	Name string
	At   time.Time
}

// Agreed is one application and when it was last agreed to.
type Agreed struct {
	ID, Name string
	At       time.Time
}

// Events lists what happened lately: where the password was given, and what was
// done to get back in or changed.
type Events struct {
	Frame
	SignIns []SignIn
	Events  []DeskEvent
}

// SignIn is where the password was given last, from one place to one
// application.
type SignIn struct {
	At     time.Time
	Device string // empty when not known
	Origin Origin
	App    string // empty for the pages of the server itself
}

// Charter asks for the terms to be accepted. It posts charter.
type Charter struct {
	Frame
	URL string
}

// Rescue asks for a rescue address, or whether the one on file is right still,
// and, once Sent, for the code that went there. It posts address or code.
type Rescue struct {
	Frame
	Typed      string
	Known      bool   // Typed is on file
	SentTo     string // where a code went that is waited for; empty for none
	ValidUntil time.Time
	// Later is how often it may still be put off.
	Later int
	// Current asks for the present password too.
	Current bool
}

// Contacts lists the rescue addresses and changes them: address and instead are
// posted, then code; or remove.
type Contacts struct {
	Frame
	On         []DeskContact
	Typed      string
	Instead    string // the index of the one it takes the place of
	SentTo     string // where a code went that is waited for; empty for none
	ValidUntil time.Time
}

// Profile is what people may change of their entry. It posts the fields by their
// names.
type Profile struct {
	Frame
	Fields []ProfileField
}

// ProfileField is one of them.
type ProfileField struct {
	Name  string
	Label Text
	Hint  Text
	Kind  string // "text", "email", "url", "phone" or "choice": account.data.kind.<Kind>
	// Required does not let it be emptied.
	Required bool
	// Several lets it have several values: of a choice as many as are wanted,
	// else one a line.
	Several bool
	Value   string
	// Was is the name of the hidden field that brings Before back: what the
	// directory had when the page was shown.
	Was, Before string
	Choices     []ProfileChoice
}

// ProfileChoice is one value of a choice.
type ProfileChoice struct {
	Value  string
	Label  Text
	Chosen bool
}

// Question lets somebody choose a secret question. It posts question and answer.
type Question struct {
	Frame
	Choices []Choice
	Chosen  string // the value of the one that is marked
	Typed   string // the answer
	// Step is set when nothing else is open before, and Current when it asks for
	// the present password too.
	Step, Current bool
	Present       string // the one that there is; empty for none
}

// Extend asks for an account to last longer. It posts why.
type Extend struct {
	Frame
	Ends    time.Time
	Months  int  // that would be added
	Pending bool // it was asked for already
	AskedAt time.Time
	Why     string
}

// Page implements View.
func (Account) Page() string     { return "account" }
func (NewPassword) Page() string { return "account-password" }
func (Sessions) Page() string    { return "account-sessions" }
func (Apps) Page() string        { return "account-apps" }
func (Charter) Page() string     { return "step-charter" }
func (Rescue) Page() string      { return "step-address" }
func (Contacts) Page() string    { return "account-contacts" }
func (Profile) Page() string     { return "account-data" }
func (Extend) Page() string      { return "account-extend" }
func (Events) Page() string      { return "account-events" }
func (Question) Page() string    { return "account-question" }

var accountViews = []View{Account{}, NewPassword{}, Sessions{}, Apps{}, Events{}, Charter{}, Rescue{}, Contacts{}, Profile{}, Extend{}, Question{}}

// The alerts of the account.
const (
	AlertWrongCurrent    AlertKey = "wrong_current" // the password that there is was not given right
	AlertPasswordChanged AlertKey = "password_changed"
	AlertSessionEnded    AlertKey = "session_ended"
	AlertRevoked         AlertKey = "revoked"
	AlertTerms           AlertKey = "terms"    // the charter must be accepted first
	AlertConflict        AlertKey = "conflict" // changed in the meantime
	AlertContactSaved    AlertKey = "contact_saved"
	// AlertContactConfirmed: it was on file, and is proved now.
	AlertContactConfirmed AlertKey = "contact_confirmed"
	AlertBadValue         AlertKey = "bad_value"     // no value that may stand there
	AlertRefusedValue     AlertKey = "refused_value" // by the directory; the fields before it are saved
	AlertSaved            AlertKey = "saved"
	AlertAsked            AlertKey = "asked"
	AlertQuestionSaved    AlertKey = "question_saved"
)

// AccountNews are those that a redirect may name.
var AccountNews = []AlertKey{AlertPasswordChanged, AlertSessionEnded, AlertRevoked, AlertContactSaved, AlertContactConfirmed, AlertSaved, AlertAsked, AlertQuestionSaved}

func accountKeys() []string {
	var keys []string
	for _, k := range append([]AlertKey{AlertWrongCurrent, AlertTerms, AlertConflict, AlertBadValue, AlertRefusedValue}, AccountNews...) {
		keys = append(keys, "alert."+string(k)+".title", "alert."+string(k)+".text")
	}
	for _, part := range []string{"password", "contacts", "data", "sessions", "apps", "events", "extend", "establishment", "question", "download"} {
		keys = append(keys, "account."+part+".title")
	}
	for _, kind := range []string{"email", "url", "phone"} {
		keys = append(keys, "account.data.kind."+kind)
	}
	return keys
}
