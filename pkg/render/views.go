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

// Login is the page that asks for a login and a password. It posts username,
// password and remember.
type Login struct {
	Frame
	Username string // as typed before
	Remember bool
	// Letters is set where the code of a letter may be typed as the password
	// (requirement R62).
	Letters bool
}

// Problem is the page of something that went wrong, for any status of 400 and
// above.
type Problem struct {
	Frame
	Kind ProblemKind
	// Reference is what the helpdesk finds in the log.
	Reference string
}

// ProblemKind is the class of a problem: what happened and what to do are the
// messages problem.<kind>.*.
type ProblemKind string

// The problems.
const (
	ProblemBadRequest  ProblemKind = "bad_request"
	ProblemForbidden   ProblemKind = "forbidden" // a form from another site, or none of ours
	ProblemNotFound    ProblemKind = "not_found"
	ProblemTooMany     ProblemKind = "too_many"
	ProblemInternal    ProblemKind = "internal"
	ProblemUnavailable ProblemKind = "unavailable" // the store or the directory does not answer
	ProblemApplication ProblemKind = "application" // the application asked for something it may not
)

var problemKinds = []ProblemKind{ProblemBadRequest, ProblemForbidden, ProblemNotFound, ProblemTooMany,
	ProblemInternal, ProblemUnavailable, ProblemApplication}

// ProblemFor is the kind of problem of an HTTP status.
func ProblemFor(status int) ProblemKind {
	switch {
	case status == 403:
		return ProblemForbidden
	case status == 404:
		return ProblemNotFound
	case status == 429:
		return ProblemTooMany
	case status == 503:
		return ProblemUnavailable
	case status >= 500:
		return ProblemInternal
	}
	return ProblemBadRequest
}

// LogoutConfirm asks whether to sign out, when nothing proves that the person
// asked for it.
type LogoutConfirm struct {
	Frame
	Login string
}

// LoggedOut is the end of a session.
type LoggedOut struct {
	Frame
	// ContinueURL leads back to a registered application, whose name is
	// Frame.Destination; empty without one.
	ContinueURL string
	// Farewells are URLs by which the browser tells applications of the end:
	// the page loads them out of sight.
	Farewells []string
}

// Warn asks somebody who is signed in whether an application may know it. It
// posts nothing but Frame.Hidden.
type Warn struct {
	Frame
	Login string
}

// Told is what an application is told of somebody, worded by told.<told>.
type Told string

// What may be told: the scopes of OpenID Connect and of federations.
const (
	ToldWho       Told = "openid" // that it is the same person as before
	ToldProfile   Told = "profile"
	ToldEmail     Told = "email"
	ToldAddress   Told = "address"
	ToldPhone     Told = "phone"
	ToldEduPerson Told = "eduperson"
	ToldSupann    Told = "supann"
	ToldOffline   Told = "offline_access" // it goes on when the person has left
)

var toldKinds = []Told{ToldWho, ToldProfile, ToldEmail, ToldAddress, ToldPhone, ToldEduPerson, ToldSupann, ToldOffline}

// Telling is what an application asks to be told.
type Telling struct {
	Told []Told
	// Names are values of the directory that have no words.
	Names []string
}

// Consent asks whether the application Frame.Destination may be told something.
// It posts decision=allow or deny.
type Consent struct {
	Frame
	Telling
	Login string
}

// DeviceCode asks for the code that a device without a keyboard shows. It sends
// user_code by GET.
type DeviceCode struct {
	Frame
	Code string // as typed before
}

// DeviceConfirm asks whether the device that shows a code may open the
// application Frame.Destination for the person. It posts decision=allow or deny.
type DeviceConfirm struct {
	Frame
	Telling
	Login, Code string
}

// DeviceDone sends the person back to the device.
type DeviceDone struct {
	Frame
	Allowed bool
}

// SignedIn is where somebody arrives who is signed in and came for no
// application.
type SignedIn struct {
	Frame
	Name, Login string
	GraceEnds   time.Time // zero when the account is not in grace
}

// Grace tells somebody at login that the account will close (requirement R13).
type Grace struct {
	Frame
	Ends time.Time // zero: not known
	// More says that more time can be asked for on the page of the account, and
	// Final that it cannot be asked for anywhere.
	More, Final bool
}

// Refused is shown after a right password for an account whose state forbids
// the login.
type Refused struct {
	Frame
	Reason Reason
	Since  time.Time // when it ended; zero when unknown
	// Proved is set when it was not by a password that somebody proved who
	// they are.
	Proved bool
	// Reference is what the helpdesk finds in the log; may be empty.
	Reference string
}

// Reason is the class of cause that a person may be told, worded by
// refused.<reason>.*. The values are those of account.Reason.
type Reason string

// The reasons.
const (
	ReasonNotActivated   Reason = "not_activated"
	ReasonExpired        Reason = "expired"
	ReasonClosed         Reason = "closed"
	ReasonAdministrative Reason = "administrative"
	ReasonSecurity       Reason = "security"
	ReasonTooManyTries   Reason = "too_many_tries"
	ReasonUnknownState   Reason = "unknown_state"
	ReasonMustChange     Reason = "must_change"
	// ReasonDeparture: in grace, and this application is not for those who
	// have left.
	ReasonDeparture Reason = "departure"
	// ReasonApplication: the account is well, but not for this application.
	ReasonApplication Reason = "application"
	// ReasonNoWay: the account is well, but no message is proof enough of whose
	// it is.
	ReasonNoWay Reason = "no_way"
)

var reasons = []Reason{ReasonNotActivated, ReasonExpired, ReasonClosed, ReasonAdministrative, ReasonSecurity,
	ReasonTooManyTries, ReasonUnknownState, ReasonMustChange, ReasonDeparture, ReasonApplication, ReasonNoWay}

// Identify asks who somebody is, to recover or to activate an account. It
// posts username and, with Letters, code.
type Identify struct {
	Frame
	Purpose  Purpose
	Username string
	// Letters is set where codes are printed: a first sign-in can begin
	// with one.
	Letters bool
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

// FormPost carries an answer to an application by a form: CAS method=POST,
// OIDC response_mode=form_post. Without a script it has a button.
type FormPost struct {
	Frame
	Target string // the URL of the application; the only form-action
	Fields []Field
}

// frame lets the form leave for its target.
func (v FormPost) frame() Frame {
	v.Frame.FormTargets = []string{v.Target}
	return v.Frame
}

// frame lets the farewells be loaded.
func (v LoggedOut) frame() Frame {
	v.Frame.Embeds = v.Farewells
	return v.Frame
}

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
