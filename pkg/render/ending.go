package render

import "time"

// MailEnding tells a holder that their account will close (requirement R13).
type MailEnding struct {
	Login string
	Ends  time.Time
	// Closes is the end of the grace that follows; zero when none does.
	Closes time.Time
	// Months is how much longer the account can be asked for; zero when not.
	Months int
	// Final says that it cannot be asked for.
	Final bool
	URL   string // where to sign in
}

// Mail implements MailView.
func (MailEnding) Mail() string { return "ending" }

var lifecycleMails = []MailView{MailEnding{}}
