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

// NewPassword asks who is signed in for the password that there is, and a new
// one. It posts current and password.
type NewPassword struct {
	Frame
	Login   string
	Minimum int
	// Must is set when nothing else is open before.
	Must bool
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
	Network string
	Began   time.Time // zero when not known
	Seen    time.Time
	Current bool
	Apps    []string // the applications entered, the last first
}

// Apps lists the applications that were agreed to be told something. It posts
// revoke=<ID>.
type Apps struct {
	Frame
	Agreed []Agreed
}

// Agreed is one application and when it was last agreed to.
type Agreed struct {
	ID, Name string
	At       time.Time
}

// Events lists what happened lately.
type Events struct {
	Frame
	Events []DeskEvent
}

// Page implements View.
func (Account) Page() string     { return "account" }
func (NewPassword) Page() string { return "account-password" }
func (Sessions) Page() string    { return "account-sessions" }
func (Apps) Page() string        { return "account-apps" }
func (Events) Page() string      { return "account-events" }

var accountViews = []View{Account{}, NewPassword{}, Sessions{}, Apps{}, Events{}}

// The alerts of the account.
const (
	AlertWrongCurrent    AlertKey = "wrong_current" // the password that there is was not given right
	AlertPasswordChanged AlertKey = "password_changed"
	AlertSessionEnded    AlertKey = "session_ended"
	AlertRevoked         AlertKey = "revoked"
)

// AccountNews are those that a redirect may name.
var AccountNews = []AlertKey{AlertPasswordChanged, AlertSessionEnded, AlertRevoked}

func accountKeys() []string {
	var keys []string
	for _, k := range append([]AlertKey{AlertWrongCurrent}, AccountNews...) {
		keys = append(keys, "alert."+string(k)+".title", "alert."+string(k)+".text")
	}
	for _, part := range []string{"password", "sessions", "apps", "events"} {
		keys = append(keys, "account."+part+".title")
	}
	return keys
}
