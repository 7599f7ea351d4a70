package render

import (
	"fmt"
	htmltemplate "html/template"
	"strings"
	"time"

	"rsc.io/qr"
)

// Desk is where an operator begins: a search, and what it found. It posts q.
type Desk struct {
	Frame
	Query    string
	Searched bool
	Found    []DeskFound
	More     bool // there are others
	// Queue is set for those who answer requests for help, Lists for those who
	// print letters or make campaigns, Extensions for those who grant more time.
	Queue, Lists, Extensions bool
	Requests                 int // in the queue
}

// DeskFound is one account that was found.
type DeskFound struct {
	URL    string
	Name   string
	Login  string
	Status string // desk.status.<status>
}

// DeskPerson is the page of one account. Its forms post to Frame.Action.
type DeskPerson struct {
	Frame
	Name, Login string
	Status      string
	Reason      Reason // desk.because.<reason>; empty for an account that is well
	Ends        time.Time
	Next        string // desk.next.<next>
	Contacts    []DeskContact
	Events      []DeskEvent
	Facts       bool
	// VerifiedBy is a proof, desk.proof.<proof>; empty while the caller has not
	// shown who they are.
	VerifiedBy    string
	VerifiedUntil time.Time
	CodeSent      bool
	ContactSent   bool
	Match         string    // two digits to say, while a link is out that asks for them
	Missed        string    // desk.missed.<missed>: how somebody answered the last link; empty when nobody did
	Acts          []DeskAct // that may be done, by one press
	Corrects      bool      // rescue addresses may be corrected
	Freezes       bool      // and be frozen
	Denied        []DeskAct // that may not, and why
	Reasons       []string  // desk.reason.<reason>
}

// DeskContact is a masked address. Its index is what is posted.
type DeskContact struct {
	Index    int
	Kind     string
	Text     string
	Sendable bool
	Doubtful bool
	Frozen   bool
	Held     bool // an operator put it there less than 72 hours ago
}

// DeskEvent is one thing that happened, desk.event.<result>.
type DeskEvent struct {
	At     time.Time
	Result string
	To     string
	Fate   string // desk.fate.<fate>; empty when there is none to tell
}

// DeskAct is one act, desk.act.<act>, or why not, desk.denied.<why>.
type DeskAct struct{ Act, Why string }

// DeskCode shows a code once.
type DeskCode struct {
	Frame
	Name, Login string
	Code        string
	QR          htmltemplate.HTML
	Until       time.Time
	Back        string
}

// DeskDenied says that something is not this operator's to do.
type DeskDenied struct {
	Frame
	Why string // desk.denied.<why>
}

// HelpRequest is the form of those who have no other way in: it posts need,
// name, number and reach. The answer is the same for everybody.
type HelpRequest struct {
	Frame
	Needs                     []string // request.need.<need>
	Need, Name, Number, Reach string   // as typed before
}

// HelpAsked says that a request was noted, to anybody.
type HelpAsked struct{ Frame }

// DeskRequests is the queue of requests. Its forms post id and do.
type DeskRequests struct {
	Frame
	Requests []DeskRequest
	Outcomes []string // request.outcome.<outcome>
}

// DeskRequest is one of them.
type DeskRequest struct {
	ID                        string
	At                        time.Time
	Need, Name, Number, Reach string
	Mine                      bool
	Taker                     string // empty while nobody looks after it
}

// DeskLists is what is done for many at once. It posts of, group, where, logins
// and except, and do: list, invite, pdf and html (with per_page), csv, count, force (with
// frozen).
type DeskLists struct {
	Frame
	Populations                              []DeskPopulation
	Of, Group, Where, Logins, Except, Frozen string // as typed before
	Letters, Campaigns, Freezes              bool   // what this operator may do
	// Resets is set where a letter may give those who are activated a code too;
	// Reset when it was asked for.
	Resets, Reset bool
	// Left are those of Logins whom it is not for: nobody's, and those of
	// accounts beyond the operator's rights. The next form says that they were
	// seen.
	Left []string
	// Listed is set when Found was asked for; Force when it is what a campaign
	// would be for.
	Listed, Force bool
	Found         []DeskFound
	Count         int
	More          bool // there are others beyond what can be done at once
}

// DeskPopulation is one to choose.
type DeskPopulation struct{ Key, Label string }

// DeskRun is how far something is that is done for many.
type DeskRun struct {
	Frame
	Total, Done int
	Skipped     []DeskSkipped // of those done
	Frozen      int           // contacts
}

// DeskSkipped are those to which nothing was done, lists.skipped.<why>.
type DeskSkipped struct {
	Why string
	N   int
}

// DeskLetters are the printings of an operator. It posts revoke, then sure: the
// name of one.
type DeskLetters struct {
	Frame
	Batches []DeskBatch
}

// DeskBatch is one of them.
type DeskBatch struct {
	Name        string // as posted
	At          time.Time
	State       string // prints.state.<state>
	Total, Done int
	// Codes, Reminders and Left are of the people that it is done with.
	Codes, Reminders, Left int
	Open                   bool // its codes work
	Sure                   bool // to be asked whether they shall not
}

// DeskExtensions are the requests for more time. Its forms post account and do:
// grant, refuse.
type DeskExtensions struct {
	Frame
	Asked []DeskExtension
}

// DeskExtension is one of them.
type DeskExtension struct {
	Account     string // as posted
	URL         string // the page of the account
	Name, Login string
	At          time.Time
	Ends        time.Time
	Months      int
	Why         string
}

// Call asks whoever opened a link of the desk for the two digits that an
// operator says. It posts digits, or nobody.
type Call struct {
	Frame
	Gone, Done bool
}

// Page implements View.
func (DeskLists) Page() string { return "desk-lists" }
func (DeskRun) Page() string   { return "desk-run" }

func (DeskLetters) Page() string { return "desk-letters" }

func (DeskExtensions) Page() string { return "desk-extensions" }
func (Call) Page() string           { return "call" }

// Page implements View.
func (Desk) Page() string       { return "desk" }
func (DeskPerson) Page() string { return "desk-person" }
func (DeskCode) Page() string   { return "desk-code" }
func (DeskDenied) Page() string { return "desk-denied" }

func (HelpRequest) Page() string  { return "help-request" }
func (HelpAsked) Page() string    { return "help-asked" }
func (DeskRequests) Page() string { return "desk-requests" }

var deskViews = []View{Desk{}, DeskPerson{}, DeskCode{}, DeskDenied{}, HelpRequest{}, HelpAsked{}, DeskRequests{}, DeskLists{}, DeskRun{},
	DeskLetters{}, DeskExtensions{}, Call{}}

// MailDeskCode is the code that a caller reads back to an operator.
type MailDeskCode struct {
	Code  string
	Until time.Time
}

// MailDeskMatch leads a caller to where they type the two digits that an operator
// says.
type MailDeskMatch struct {
	URL   string
	Until time.Time
}

// MailDesk tells an owner what an operator did: mail.desk.<act>.
type MailDesk struct {
	Act   string
	Login string
	At    time.Time
	Ends  time.Time // the account, when it was given more time
	URL   string    // where to act if nobody asked for it
}

// Asked reports whether the owner had asked for it in person.
func (m MailDesk) Asked() bool { return m.Act == "extend" || m.Act == "refuse" }

// MailRequest tells a requester how it goes: mail.request.<step>.
type MailRequest struct{ Step string }

// Mail implements MailView.
func (MailRequest) Mail() string  { return "request" }
func (MailDeskCode) Mail() string { return "desk-code" }
func (MailDesk) Mail() string     { return "notice-desk" }

func (MailDeskMatch) Mail() string { return "desk-match" }

var deskMails = []MailView{MailDeskCode{}, MailDeskMatch{}, MailDesk{}, MailRequest{}}

// The alerts of the desk.
const (
	AlertDeskDone         AlertKey = "desk_done"
	AlertDeskLifted       AlertKey = "desk_lifted"
	AlertDeskVerified     AlertKey = "desk_verified"
	AlertDeskSent         AlertKey = "desk_sent"
	AlertDeskLinked       AlertKey = "desk_linked"
	AlertDeskUnverified   AlertKey = "desk_unverified"
	AlertDeskWrong        AlertKey = "desk_wrong"
	AlertDeskTooMany      AlertKey = "desk_too_many"
	AlertDeskNoContact    AlertKey = "desk_no_contact"
	AlertReach            AlertKey = "reach"
	AlertRequests         AlertKey = "requests"
	AlertDeskStillLocked  AlertKey = "desk_still_locked"
	AlertDeskConflict     AlertKey = "desk_conflict"
	AlertDeskTaken        AlertKey = "desk_taken"
	AlertDeskGone         AlertKey = "desk_gone"
	AlertDeskTooMuch      AlertKey = "desk_too_much"
	AlertDeskNobody       AlertKey = "desk_nobody"
	AlertDeskWhere        AlertKey = "desk_where"
	AlertDeskNoFreeze     AlertKey = "desk_no_freeze"
	AlertDeskVoid         AlertKey = "desk_void"
	AlertDeskNotAsked     AlertKey = "desk_not_asked"
	AlertDeskEndElsewhere AlertKey = "desk_end_elsewhere"
	AlertDeskGranted      AlertKey = "desk_granted"
	AlertDeskRefused      AlertKey = "desk_refused"
)

func deskKeys() []string {
	var keys []string
	for _, k := range []AlertKey{AlertDeskDone, AlertDeskLifted, AlertDeskVerified, AlertDeskSent, AlertDeskLinked, AlertDeskUnverified, AlertDeskWrong, AlertDeskTooMany, AlertDeskNoContact, AlertReach, AlertRequests,
		AlertDeskStillLocked, AlertDeskConflict, AlertDeskTaken, AlertDeskGone, AlertDeskTooMuch, AlertDeskNobody, AlertDeskWhere, AlertDeskNoFreeze, AlertDeskVoid, AlertDeskNotAsked, AlertDeskEndElsewhere,
		AlertDeskGranted, AlertDeskRefused} {
		keys = append(keys, "alert."+string(k)+".title", "alert."+string(k)+".text")
	}
	return keys
}

// QR is a text as a drawing, dark on white in both schemes: a camera does not
// know the lamp. A screen reader passes it over: beside it stands the same in
// letters.
func QR(text string) (htmltemplate.HTML, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	const quiet = 4 // modules around it (ISO/IEC 18004 section 6.3.8)
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			from := x
			for code.Black(x+1, y) {
				x++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x+1-from, x+1-from)
		}
	}
	side := code.Size + 2*quiet
	return htmltemplate.HTML(fmt.Sprintf(`<svg class="qr" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" aria-hidden="true"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`,
		side, side, side, side, path.String())), nil
}
