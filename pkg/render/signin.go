package render

import "time"

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
	ProblemTooLong     ProblemKind = "too_long"
	ProblemTooMany     ProblemKind = "too_many"
	ProblemInternal    ProblemKind = "internal"
	ProblemUnavailable ProblemKind = "unavailable" // the store or the directory does not answer
	ProblemApplication ProblemKind = "application" // the application asked for something it may not
)

var problemKinds = []ProblemKind{ProblemBadRequest, ProblemForbidden, ProblemNotFound, ProblemTooLong, ProblemTooMany,
	ProblemInternal, ProblemUnavailable, ProblemApplication}

// ProblemFor is the kind of problem of an HTTP status.
func ProblemFor(status int) ProblemKind {
	switch {
	case status == 403:
		return ProblemForbidden
	case status == 404:
		return ProblemNotFound
	case status == 413:
		return ProblemTooLong
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
