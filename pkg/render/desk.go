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
	Reason      Reason // empty for an account that is well
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
	Acts          []DeskAct // that may be done
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

// Page implements View.
func (Desk) Page() string       { return "desk" }
func (DeskPerson) Page() string { return "desk-person" }
func (DeskCode) Page() string   { return "desk-code" }
func (DeskDenied) Page() string { return "desk-denied" }

var deskViews = []View{Desk{}, DeskPerson{}, DeskCode{}, DeskDenied{}}

// MailDeskCode is the code that a caller reads back to an operator.
type MailDeskCode struct {
	Code  string
	Until time.Time
}

// MailDesk tells an owner what an operator did: mail.desk.<act>.
type MailDesk struct {
	Act   string
	Login string
	At    time.Time
	URL   string // where to act if nobody asked for it
}

// Mail implements MailView.
func (MailDeskCode) Mail() string { return "desk-code" }
func (MailDesk) Mail() string     { return "notice-desk" }

var deskMails = []MailView{MailDeskCode{}, MailDesk{}}

// The alerts of the desk.
const (
	AlertDeskDone        AlertKey = "desk_done"
	AlertDeskVerified    AlertKey = "desk_verified"
	AlertDeskSent        AlertKey = "desk_sent"
	AlertDeskWrong       AlertKey = "desk_wrong"
	AlertDeskTooMany     AlertKey = "desk_too_many"
	AlertDeskNoContact   AlertKey = "desk_no_contact"
	AlertDeskStillLocked AlertKey = "desk_still_locked"
	AlertDeskConflict    AlertKey = "desk_conflict"
)

func deskKeys() []string {
	var keys []string
	for _, k := range []AlertKey{AlertDeskDone, AlertDeskVerified, AlertDeskSent, AlertDeskWrong, AlertDeskTooMany, AlertDeskNoContact,
		AlertDeskStillLocked, AlertDeskConflict} {
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
