package render

import "time"

// View is what one page shows: plain data without wording. Page names its
// file, pages/<name>.html. Every View embeds Frame.
type View interface {
	Page() string
	frame() Frame
}

// Frame is what every page may have. The zero Frame is right for most.
type Frame struct {
	// Destination is the application to which the person is on the way, by
	// the name people know; empty without one.
	Destination string
	// Theme is the face that the application asks for; the site's own when
	// empty.
	Theme string
	// Alert is the news, good or bad, that has the focus; nil without any.
	Alert *Alert
	// Action is the path to which the page's form is posted; the same URL when
	// empty.
	Action string
	// Hidden are fields that the form carries along.
	Hidden []Field
	// FormTargets are the URLs to which the answer to the form may redirect:
	// the redirect URI of the application. Without them the browser follows no
	// redirect away from this site.
	FormTargets []string
	// Embeds are the URLs that the page loads in frames; none when empty.
	Embeds []string
	// Return is the local path to come back to from a detour by one of the
	// doors; empty without one.
	Return string
	// Step is the step of a recovery: 1 who you are, 2 prove it, 3 choose a
	// password; 0 elsewhere.
	Step int
	// NoDoors leaves out the three doors, on pages that are a detour already.
	NoDoors bool
}

func (f Frame) frame() Frame { return f }

// Invalid reports whether the alert is about the field of this id.
func (f Frame) Invalid(field string) bool { return f.Alert != nil && f.Alert.Field == field }

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// Alert is a box that says what happened and what to do, in the messages
// alert.<Key>.title and alert.<Key>.text.
type Alert struct {
	Key   AlertKey
	Good  bool   // good news, not an error
	Field string // the id of the field at fault, or empty
	// At is the argument {time} of the text: when to try again.
	At time.Time
	// Details are more sentences, by the whole keys of their messages: the
	// reasons why a password was refused. Pages.Require checks them at start.
	Details []string
	// Links are the ways out.
	Links []Link
}

// AlertKey names what happened.
type AlertKey string

// The alerts.
const (
	AlertBadCredentials AlertKey = "bad_credentials" // wrong login or password: which one is never said
	AlertBadLogin       AlertKey = "bad_login"       // the same, where nobody activates an account
	AlertMissing        AlertKey = "missing"         // a field was left empty
	AlertSlowDown       AlertKey = "slow_down"       // too many failures: from At on
	AlertAskedOften     AlertKey = "asked_often"     // too many messages asked for: another from At on
	AlertUnavailable    AlertKey = "unavailable"     // the directory or the store does not answer: what was typed is kept
	AlertBadCode        AlertKey = "bad_code"        // a code that is wrong or no longer valid
	AlertNoCode         AlertKey = "no_code"         // what was typed is no code: mistyped
	AlertWeakPassword   AlertKey = "weak_password"   // refused by the policy or the directory: Details says why
	AlertStartAgain     AlertKey = "start_again"     // this way to prove has ended: begin a new one
	AlertResent         AlertKey = "resent"          // a message was sent again
	AlertOtherBrowser   AlertKey = "other_browser"   // the form was made for another browser: give the credentials again
	AlertBadDeviceCode  AlertKey = "bad_device_code" // no device shows this code, or not any more
	AlertCharter        AlertKey = "charter"         // the charter must be accepted first
	AlertBadAnswer      AlertKey = "bad_answer"      // what was typed to prove more is not right
	AlertBadAddress     AlertKey = "bad_address"     // no rescue address: malformed, or the institution's own
	AlertBadCountry     AlertKey = "bad_country"     // the number of a mobile abroad, where no message goes
	AlertBadNumber      AlertKey = "bad_number"      // not the number of a mobile that messages go to
	AlertUnlocked       AlertKey = "unlocked"        // the account is, with the password that it had

	// The right code, too late.
	AlertLateAnswered AlertKey = "late_answered" // another browser goes on with it, since At
	AlertLateLent     AlertKey = "late_lent"     // so it is; At is when it can be used again
	AlertLateUsed     AlertKey = "late_used"
	AlertLateReplaced AlertKey = "late_replaced"
	AlertLateExpired  AlertKey = "late_expired"
	AlertLateEnded    AlertKey = "late_ended"
)

var alertKeys = []AlertKey{AlertBadCredentials, AlertBadLogin, AlertMissing, AlertSlowDown, AlertAskedOften, AlertUnavailable, AlertBadCode, AlertNoCode,
	AlertWeakPassword, AlertStartAgain, AlertResent, AlertOtherBrowser, AlertBadDeviceCode, AlertCharter, AlertBadAnswer, AlertBadAddress, AlertBadCountry, AlertBadNumber, AlertUnlocked,
	AlertLateAnswered, AlertLateLent, AlertLateUsed, AlertLateReplaced, AlertLateExpired, AlertLateEnded}

// Link is a way out, worded by the message link.<Key>.
type Link struct {
	Key LinkKey
	URL string // a local path below the issuer
}

// LinkKey names where a link leads.
type LinkKey string

// The links.
const (
	LinkRecover  LinkKey = "recover"
	LinkActivate LinkKey = "activate"
	LinkCode     LinkKey = "code"
	LinkHelp     LinkKey = "help"
	LinkLogin    LinkKey = "login"
)

var linkKeys = []LinkKey{LinkRecover, LinkActivate, LinkCode, LinkHelp, LinkLogin}

// HelpPage tells whom to ask.
type HelpPage struct{ Frame }

// Accessibility is the statement that French law asks for.
type Accessibility struct{ Frame }

// Box is the messages that a demonstration sent, the newest first.
type Box struct {
	Frame
	Messages []BoxMessage
}

// BoxMessage is one of them. Page shows it whole.
type BoxMessage struct {
	Frame
	URL     string // of the page that shows it
	Kind    string // "mail" or "sms"
	At      time.Time
	To      string
	Subject string
	Text    string
	Links   []string // the links in it, to press
}

// The names of the pages.

// Page implements View.
func (Login) Page() string         { return "login" }
func (Problem) Page() string       { return "error" }
func (LogoutConfirm) Page() string { return "logout-confirm" }
func (LoggedOut) Page() string     { return "loggedout" }
func (Warn) Page() string          { return "warn" }
func (Consent) Page() string       { return "consent" }
func (DeviceCode) Page() string    { return "device" }
func (DeviceConfirm) Page() string { return "device-confirm" }
func (DeviceDone) Page() string    { return "device-done" }
func (SignedIn) Page() string      { return "signedin" }
func (Grace) Page() string         { return "grace" }
func (Refused) Page() string       { return "refused" }
func (v Identify) Page() string {
	if v.Purpose == PurposeActivate {
		return "activate"
	}
	return "recover"
}
func (Number) Page() string        { return "number" }
func (More) Page() string          { return "more" }
func (Address) Page() string       { return "address" }
func (Unlock) Page() string        { return "unlock" }
func (Undo) Page() string          { return "undo" }
func (Sent) Page() string          { return "sent" }
func (Code) Page() string          { return "code" }
func (Opened) Page() string        { return "link" }
func (Password) Page() string      { return "password" }
func (Activated) Page() string     { return "activated" }
func (Expired) Page() string       { return "expired" }
func (FormPost) Page() string      { return "formpost" }
func (HelpPage) Page() string      { return "help" }
func (Accessibility) Page() string { return "accessibility" }
func (Box) Page() string           { return "box" }
func (BoxMessage) Page() string    { return "box-message" }

// pageViews are the pages that must be there.
var pageViews = []View{Login{}, Problem{}, LogoutConfirm{}, LoggedOut{}, Warn{}, Consent{}, DeviceCode{}, DeviceConfirm{}, DeviceDone{}, SignedIn{}, Grace{}, Refused{},
	Identify{Purpose: PurposeReset}, Identify{Purpose: PurposeActivate}, Number{}, Sent{}, Code{}, More{}, Address{}, Unlock{}, Undo{}, Opened{}, Password{},
	Activated{}, Expired{}, FormPost{}, HelpPage{}, Accessibility{}, Box{}, BoxMessage{}}

// messageKeys are the messages whose keys templates make from values.
func messageKeys() []string {
	var keys []string
	add := func(prefix string, value string, suffixes ...string) {
		for _, suffix := range suffixes {
			keys = append(keys, prefix+"."+value+suffix)
		}
	}
	for _, k := range alertKeys {
		add("alert", string(k), ".title", ".text")
	}
	for _, k := range linkKeys {
		add("link", string(k), "")
	}
	for _, k := range purposes {
		add("purpose", string(k), ".opened", ".password", ".used")
	}
	for _, k := range problemKinds {
		add("problem", string(k), ".title", ".what", ".do")
	}
	for _, k := range reasons {
		add("refused", string(k), ".title", ".what", ".do")
	}
	for _, k := range toldKinds {
		add("told", string(k), "")
	}
	for _, k := range fates {
		add("expired", string(k), ".title")
	}
	for _, k := range []string{"changed", "unlocked", "contact"} {
		add("sms", k, "")
	}
	for _, k := range []string{"none", "partial", "full"} {
		add("accessibility", k, "")
	}
	return keys
}
