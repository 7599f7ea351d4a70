package render_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/render"
)

// tuesday is 10:42 in Paris, while the helpdesk of the samples is open.
var tuesday = time.Date(2026, 9, 15, 8, 42, 0, 0, time.UTC)

var valmont = render.Site{
	Name:         render.Text{"fr": "Université de Valmont", "en": "University of Valmont"},
	Account:      render.Text{"fr": "de l’université", "en": "university"},
	LoginExample: "elefevre",
	Help: render.Help{
		Phone:  "04 00 00 00 00",
		Mail:   "assistance@univ-valmont.example",
		Place:  render.Text{"fr": "Bâtiment A, rez-de-chaussée", "en": "Building A, ground floor"},
		Hours:  render.Hours{"mon-fri": "09:00-18:00"},
		Closed: []string{"2026-11-11", "2026-12-21/2027-01-03"},
	},
	Links: render.Links{
		Legal: "https://univ-valmont.example/mentions", Privacy: "https://univ-valmont.example/rgpd",
		Extend: "https://univ-valmont.example/prolonger", Portal: "https://ent.univ-valmont.example/",
	},
}

// open gives the pages of the sample site, on the issuer given.
func open(t testing.TB, issuer string) *render.Pages {
	t.Helper()
	pages, err := render.Open(render.Config{Site: valmont, Issuer: issuer, Recovery: true,
		Now: func() time.Time { return tuesday }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// get renders one page as a browser of this language would ask for it.
func get(pages *render.Pages, lang string, status int, view render.View) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/page", nil)
	r.Header.Set("Accept-Language", lang)
	w := httptest.NewRecorder()
	pages.Render(w, r, status, view)
	return w
}

type sample struct {
	name string
	view render.View
}

// samples are every page, in every shape that it can take.
func samples() []sample {
	moodle := render.Frame{Destination: "Moodle", Return: "/login?ask=1", Hidden: []render.Field{{Name: "csrf", Value: "sealed"}}}
	step := func(n int) render.Frame {
		f := moodle
		f.Step = n
		return f
	}
	alert := func(f render.Frame, a render.Alert) render.Frame {
		f.Alert = &a
		return f
	}
	telling := render.Telling{Told: []render.Told{render.ToldWho, render.ToldProfile, render.ToldEmail, render.ToldAddress, render.ToldPhone,
		render.ToldEduPerson, render.ToldSupann, render.ToldOffline}, Names: []string{"memberOf", "departmentNumber"}}
	grace := time.Date(2026, 12, 31, 22, 59, 59, 0, time.UTC)
	later := tuesday.Add(time.Hour)
	wayOut := []render.Link{{Key: render.LinkRecover, URL: "/recover"}, {Key: render.LinkHelp, URL: "/help"}}
	all := []sample{
		{"login", render.Login{Frame: moodle}},
		{"login-alone", render.Login{}},
		{"login-wrong", render.Login{Frame: alert(moodle, render.Alert{Key: render.AlertBadCredentials, Field: "password", Links: wayOut}), Username: "elefevre"}},
		{"login-slow", render.Login{Frame: alert(moodle, render.Alert{Key: render.AlertSlowDown, At: later, Links: wayOut}), Username: "elefevre", Remember: true}},
		{"logout-confirm", render.LogoutConfirm{Frame: render.Frame{NoDoors: true}, Login: "elefevre"}},
		{"loggedout", render.LoggedOut{}},
		{"loggedout-back", render.LoggedOut{Frame: render.Frame{Destination: "Moodle"}, ContinueURL: "https://moodle.univ-valmont.example/"}},
		{"loggedout-telling", render.LoggedOut{Frame: render.Frame{Destination: "Moodle"}, ContinueURL: "https://moodle.univ-valmont.example/",
			Farewells: []string{"https://wiki.univ-valmont.example/?SAMLRequest=abc%2B"}}},
		{"warn", render.Warn{Frame: render.Frame{Destination: "Moodle", NoDoors: true, Hidden: []render.Field{{Name: "state", Value: "sealed"}}}, Login: "elefevre"}},
		{"consent", render.Consent{Frame: moodle, Login: "elefevre", Telling: telling}},
		{"device", render.DeviceCode{Frame: render.Frame{NoDoors: true}}},
		{"device-wrong", render.DeviceCode{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertBadDeviceCode, Field: "user_code"}), Code: "BCDF-GHJK"}},
		{"device-confirm", render.DeviceConfirm{Frame: moodle, Login: "elefevre", Code: "BCDF-GHJK", Telling: telling}},
		{"device-allowed", render.DeviceDone{Frame: render.Frame{NoDoors: true}, Allowed: true}},
		{"device-denied", render.DeviceDone{Frame: render.Frame{NoDoors: true}}},
		{"signedin", render.SignedIn{Frame: render.Frame{NoDoors: true}, Name: "Élodie Lefèvre", Login: "elefevre"}},
		{"signedin-grace", render.SignedIn{Frame: render.Frame{NoDoors: true}, Name: "Karim Benali", Login: "kbenali", GraceEnds: grace}},
		{"grace", render.Grace{Frame: moodle, Ends: grace}},
		{"grace-endless", render.Grace{Frame: moodle, Final: true}},
		{"grace-more", render.Grace{Frame: moodle, Ends: grace, More: true}},
		{"grace-final", render.Grace{Frame: moodle, Ends: grace, Final: true}},
		{"recover", render.Identify{Frame: step(1), Purpose: render.PurposeReset}},
		{"activate", render.Identify{Frame: step(1), Purpose: render.PurposeActivate}},
		{"sent", render.Sent{Frame: step(2), Purpose: render.PurposeReset, SentAt: tuesday, ValidUntil: later}},
		{"sent-wrong", render.Sent{Frame: alert(step(2), render.Alert{Key: render.AlertBadCode, Field: "code"}), SentAt: tuesday, ValidUntil: later, Code: "123"}},
		{"sent-again", render.Sent{Frame: alert(step(2), render.Alert{Key: render.AlertResent, Good: true}), SentAt: tuesday, ValidUntil: later}},
		{"code", render.Code{Frame: step(2)}},
		{"code-letter", render.Code{Frame: step(2), Letters: true}},
		{"code-handed", render.Code{Frame: step(2), Letters: true, Handed: true}},
		{"activate-handed", render.Identify{Frame: step(1), Purpose: render.PurposeActivate, Letters: true, Handed: true}},
		{"code-by", render.Code{Frame: step(2), By: "birthdate"}},
		{"recover-number", render.Identify{Frame: step(1), Purpose: render.PurposeReset, Numbers: true, Several: true}},
		{"activate-letter", render.Identify{Frame: step(1), Purpose: render.PurposeActivate, Letters: true, Numbers: true}},
		{"number", render.Number{Frame: step(1)}},
		{"number-name", render.Number{Frame: alert(step(1), render.Alert{Key: render.AlertMissing, Field: "name"}), Username: "22401001", Birth: "14/03/2005", WithName: true}},
		{"sent-channels", render.Sent{Frame: step(2), SentAt: tuesday, ValidUntil: later, Channels: []string{"emaillink", "smscode"}}},
		{"sent-by-text", render.Sent{Frame: step(2), SentAt: tuesday, ValidUntil: later, By: "smscode", Channels: []string{"emaillink"}}},
		{"more-two", render.More{Frame: step(2), Left: 2, Ways: []render.MoreWay{{Method: "smscode", Sends: true, To: "••••\u00a042"}, {Method: "emaillink", Sends: true, To: "e••••@e••••"}}}},
		{"sent-more", render.Sent{Frame: step(2), Purpose: render.PurposeReset, SentAt: tuesday, ValidUntil: later, By: "smscode", To: "••••\u00a042"}},
		{"more", render.More{Frame: step(2), Left: 1, Ways: []render.MoreWay{{Method: "smscode", Sends: true, To: "••••\u00a042"}, {Method: "helpdesk"}, {Method: "birthdate"}}}},
		{"more-wrong", render.More{Frame: alert(step(2), render.Alert{Key: render.AlertBadAnswer, Field: "question"}), Ways: []render.MoreWay{{Method: "question", Text: "Votre première institutrice\u202f?"}}}},
		{"more-short", render.More{Frame: step(2), Short: true}},
		{"address", render.Address{Frame: step(3)}},
		{"address-wrong", render.Address{Frame: alert(step(3), render.Alert{Key: render.AlertBadAddress, Field: "address"}), Typed: "elodie@"}},
		{"address-phone-abroad", render.Address{Frame: alert(step(3), render.Alert{Key: render.AlertBadCountry, Field: "address"}), Kind: "phone", Typed: "+1 202 555 0123"}},
		{"address-phone", render.Address{Frame: alert(step(3), render.Alert{Key: render.AlertBadNumber, Field: "address"}), Kind: "phone", Typed: "04 73 00 00 00"}},
		{"address-phone-sent", render.Address{Frame: step(3), Kind: "phone", SentTo: "06 39 98 00 44", ValidUntil: later}},
		{"address-sent", render.Address{Frame: step(3), SentTo: "elodie@example.org", ValidUntil: later}},
		{"unlock", render.Unlock{Frame: step(2), Login: "elefevre"}},
		{"undo", render.Undo{}},
		{"undo-gone", render.Undo{Gone: true}},
		{"undo-done", render.Undo{Done: true}},
		{"refused-proved", render.Refused{Reason: render.ReasonSecurity, Proved: true, Reference: "K7QM-2XDB"}},
		{"link", render.Opened{Frame: step(2), Purpose: render.PurposeReset, Code: "482 913", ValidUntil: later}},
		{"link-only", render.Opened{Frame: step(2), Purpose: render.PurposeActivate, ValidUntil: later}},
		{"password", render.Password{Frame: step(3), Purpose: render.PurposeReset, Login: "elefevre", Minimum: 12}},
		{"password-refused", render.Password{Frame: alert(step(3), render.Alert{Key: render.AlertWeakPassword, Field: "password",
			Details: []string{"password.refused.too_short", "password.refused.contains_context"}}),
			Purpose: render.PurposeActivate, Login: "elefevre", Minimum: 12}},
		{"password-charter", render.Password{Frame: alert(step(3), render.Alert{Key: render.AlertCharter, Field: "charter"}), Purpose: render.PurposeActivate, Login: "elefevre", Minimum: 12,
			Charter: "https://univ-valmont.example/charte"}},
		{"password-unlockable", render.Password{Frame: step(3), Purpose: render.PurposeReset, Login: "elefevre", Minimum: 12, Kinds: 3, Unlockable: true}},
		{"activated", render.Activated{Frame: moodle, Login: "elefevre", Rescue: []string{"e••••@e••••", "•••• 13"}, Charter: true, LoginURL: "/login?ask=1"}},
		{"login-unlocked", render.Login{Frame: alert(moodle, render.Alert{Key: render.AlertUnlocked, Good: true}), Username: "elefevre"}},
		{"activate-network", render.Identify{Frame: step(1), Purpose: render.PurposeActivate, Letters: true, Network: true}},
		{"login-letters", render.Login{Letters: true}},
		{"account", render.Account{Frame: alert(moodle, render.Alert{Key: render.AlertPasswordChanged, Good: true}), Name: "Élodie Lefèvre", Login: "elefevre", Ends: grace,
			Parts: []string{"password", "sessions", "apps", "events"}}},
		{"account-password", render.NewPassword{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertWrongCurrent, Field: "current"}), Login: "elefevre", Minimum: 12, Current: true}},
		{"account-password-must", render.NewPassword{Frame: moodle, Login: "elefevre", Minimum: 15, Kinds: 3, Must: true}},
		{"account-password-expired", render.NewPassword{Frame: moodle, Login: "elefevre", Minimum: 12, Must: true, Expired: true, Left: 2}},
		{"account-sessions", render.Sessions{Frame: render.Frame{NoDoors: true}, Open: []render.OpenSession{
			{SID: "a", Device: "Firefox, Windows", Origin: render.Origin{Range: "192.0.2.0/24"}, Began: tuesday, Seen: tuesday, Current: true, Apps: []string{"Moodle", "Webmail"}},
			{SID: "b", Origin: render.Origin{Range: "2001:db8:1:2::/64"}, Seen: tuesday.Add(-50 * time.Hour)}}}},
		{"account-apps", render.Apps{Frame: render.Frame{NoDoors: true}, Used: []render.Used{{Name: "Moodle", At: tuesday}}, Agreed: []render.Agreed{{ID: "c", Name: "Moodle", At: tuesday}}}},
		{"account-apps-none", render.Apps{Frame: render.Frame{NoDoors: true}}},
		{"account-events", render.Events{Frame: render.Frame{NoDoors: true}, SignIns: []render.SignIn{{At: tuesday, Device: "Firefox, Windows", Origin: render.Origin{Range: "192.0.2.0/24"}, App: "Moodle"}, {At: tuesday, Origin: render.Origin{Range: "198.51.100.0/24", Place: "le campus"}}}, Events: []render.DeskEvent{{At: tuesday, Result: "changed"}, {At: tuesday, Result: "sent", To: "e••••@h••••", Fate: "used"}}}},
		{"account-question", render.Question{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertBadValue, Field: "answer"}), Present: "Votre première institutrice ?", Choices: []render.Choice{{Value: "teacher", Name: "Votre première institutrice ?"}}}},
		{"account-question-step", render.Question{Frame: alert(moodle, render.Alert{Key: render.AlertWrongCurrent, Field: "current"}), Step: true, Current: true, Choices: []render.Choice{{Value: "teacher", Name: "Votre première institutrice ?"}}}},
		{"account-events-none", render.Events{Frame: render.Frame{NoDoors: true}}},
		{"step-charter", render.Charter{Frame: alert(moodle, render.Alert{Key: render.AlertTerms, Field: "charter"}), URL: "https://univ-valmont.example/charte"}},
		{"step-address", render.Rescue{Frame: moodle, Later: 2}},
		{"step-address-later-on", render.Rescue{Frame: alert(moodle, render.Alert{Key: render.AlertWrongCurrent, Field: "current"}), Current: true}},
		{"step-address-known", render.Rescue{Frame: alert(moodle, render.Alert{Key: render.AlertBadAddress, Field: "address"}), Typed: "elodie@example.org", Known: true}},
		{"step-address-sent", render.Rescue{Frame: moodle, SentTo: "elodie@example.org", ValidUntil: later, Later: 1}},
		{"account-contacts", render.Contacts{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertConflict}), On: []render.DeskContact{
			{Text: "elodie@example.org", Kind: "email"}, {Index: 1, Text: "+33639981234", Kind: "phone"}}, Instead: "1"}},
		{"account-contacts-none", render.Contacts{Frame: render.Frame{NoDoors: true}}},
		{"account-contacts-sent", render.Contacts{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertBadCode, Field: "code"}), On: []render.DeskContact{{Text: "elodie@example.org"}, {Text: "e.l@example.net", Frozen: true}}, SentTo: "elodie@example.org", ValidUntil: later}},
		{"account-data", render.Profile{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertBadValue, Field: "value-labeledURI"}), Fields: []render.ProfileField{
			{Name: "value-labeledURI", Was: "was-labeledURI", Label: render.Text{"fr": "Page personnelle", "en": "Home page"}, Kind: "url", Value: "nowhere"},
			{Name: "value-listeRouge", Was: "was-listeRouge", Label: render.Text{"": "Annuaire"}, Hint: render.Text{"": "qui vous y trouve"}, Kind: "choice", Required: true, Value: "a", Before: "a",
				Choices: []render.ProfileChoice{{Value: "a", Label: render.Text{"fr": "Tous", "en": "All"}, Chosen: true}, {Value: "b", Label: render.Text{"fr": "Personne", "en": "Nobody"}}}}}}},
		{"account-data-several", render.Profile{Frame: render.Frame{NoDoors: true}, Fields: []render.ProfileField{
			{Name: "value-forward", Was: "was-forward", Label: render.Text{"fr": "Redirection", "en": "Forward to"}, Kind: "email", Several: true, Value: "a@home.example\nb@home.example"},
			{Name: "value-lists", Was: "was-lists", Label: render.Text{"fr": "Listes", "en": "Lists"}, Kind: "choice", Several: true,
				Choices: []render.ProfileChoice{{Value: "a", Label: render.Text{"fr": "Emplois", "en": "Jobs"}, Chosen: true}, {Value: "b", Label: render.Text{"fr": "Sport", "en": "Sports"}}}}}}},
		{"account-data-none", render.Profile{Frame: render.Frame{NoDoors: true}}},
		{"account-establishment", render.Establishment{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertConflict}), Current: "CLG Rosa Parks",
			Others: []render.Choice{{Value: "0990011Z", Name: "LPO Simone Veil"}, {Value: "0990012A", Name: "LP des Métiers"}}}},
		{"account-establishment-changed", render.Establishment{Frame: render.Frame{NoDoors: true}, Changed: true, Current: "LPO Simone Veil",
			Portal: "https://lycee.example/", Farewells: []string{"https://wiki.univ-valmont.example/?SAMLRequest=abc%2B"}}},
		{"account-extend", render.Extend{Frame: render.Frame{NoDoors: true}, Ends: grace, Months: 6}},
		{"account-extend-pending", render.Extend{Frame: alert(render.Frame{NoDoors: true}, render.Alert{Key: render.AlertAsked, Good: true}), Ends: grace, Months: 6, Pending: true, AskedAt: tuesday, Why: "Ma thèse."}},
		{"formpost", render.FormPost{Frame: moodle, Target: "https://moodle.univ-valmont.example/cas", Fields: []render.Field{{Name: "ticket", Value: "ST-1"}}}},
		{"help", render.HelpPage{Frame: render.Frame{NoDoors: true}}},
		{"accessibility", render.Accessibility{Frame: render.Frame{NoDoors: true}}},
		{"box-empty", render.Box{Frame: render.Frame{NoDoors: true}}},
		{"box", render.Box{Frame: render.Frame{NoDoors: true}, Messages: []render.BoxMessage{
			{URL: "/demo/messages/1", Kind: "mail", At: tuesday, To: "elodie@example.org", Subject: "Votre lien pour choisir un nouveau mot de passe"}}}},
		{"box-message", render.BoxMessage{Frame: render.Frame{NoDoors: true}, At: tuesday, To: "elodie@example.org",
			Subject: "Votre lien pour choisir un nouveau mot de passe", Text: "Bonjour,\n\nOuvrez ce lien\u00a0:\nhttps://auth.univ-valmont.example/recover/open?t=abcdefghijklmnopqrstuvwxyz0123456789",
			Links: []string{"https://auth.univ-valmont.example/recover/open?t=abcdefghijklmnopqrstuvwxyz0123456789"}}},
	}
	all = append(all, deskSamples(alert)...)
	for _, kind := range []render.ProblemKind{render.ProblemBadRequest, render.ProblemForbidden, render.ProblemNotFound, render.ProblemTooLong, render.ProblemTooMany,
		render.ProblemInternal, render.ProblemUnavailable, render.ProblemApplication} {
		all = append(all, sample{"error-" + string(kind), render.Problem{Kind: kind, Reference: "K7QM-2XDB"}})
	}
	for _, reason := range []render.Reason{render.ReasonNotActivated, render.ReasonExpired, render.ReasonClosed, render.ReasonAdministrative,
		render.ReasonSecurity, render.ReasonTooManyTries, render.ReasonUnknownState, render.ReasonApplication} {
		all = append(all, sample{"refused-" + string(reason), render.Refused{Frame: moodle, Reason: reason}})
	}
	for _, fate := range []render.Fate{render.FateAnswered, render.FateUsed, render.FateReplaced, render.FateExpired, render.FateEnded} {
		all = append(all, sample{"expired-letter-" + string(fate), render.Expired{Frame: moodle, Purpose: render.PurposeActivate, Fate: fate, At: tuesday, Handed: true}})
	}
	for _, fate := range []render.Fate{render.FateAnswered, render.FateUsed, render.FateReplaced, render.FateExpired, render.FateEnded, render.FateUnknown} {
		all = append(all, sample{"expired-" + string(fate), render.Expired{Frame: moodle, Purpose: render.PurposeReset, Fate: fate, At: tuesday}},
			sample{"expired-undated-" + string(fate), render.Expired{Frame: moodle, Purpose: render.PurposeActivate, Fate: fate}})
	}
	return all
}

// deskSamples are the pages of operators, and those that they lead others to.
func deskSamples(alert func(render.Frame, render.Alert) render.Frame) []sample {
	plain := render.Frame{NoDoors: true}
	found := []render.DeskFound{{URL: "/desk/person/a", Name: "Élodie Lefèvre", Login: "elefevre", Status: "active"},
		{URL: "/desk/person/b", Name: "Marie-Amélie de La Tour d’Auvergne", Login: "mdelatour", Status: "locked"}}
	contacts := []render.DeskContact{{Text: "e••••@e••••", Kind: "email", Sendable: true}, {Index: 1, Text: "•••• 01", Kind: "phone", Sendable: true},
		{Index: 2, Text: "f••••@o••••", Kind: "email", Frozen: true}, {Index: 3, Text: "n••••@o••••", Kind: "email", Held: true}, {Index: 4, Text: "d••••@b••••", Kind: "email", Doubtful: true}}
	reasons := []string{"forgotten", "first", "locked", "moved", "abused", "other"}
	person := render.DeskPerson{Frame: render.Frame{NoDoors: true, Action: "/desk/person/a"}, Name: "Élodie Lefèvre", Login: "elefevre", Status: "active",
		Ends: tuesday.AddDate(1, 0, 0), Next: "resend", Contacts: contacts, Facts: true, Reasons: reasons,
		Acts: []render.DeskAct{{Act: "resend", Why: "next"}, {Act: "vouch"}, {Act: "cancel"}}, Corrects: true, Freezes: true,
		Denied: []render.DeskAct{{Act: "end", Why: "scope"}},
		Events: []render.DeskEvent{{At: tuesday, Result: "sent", To: "e••••@e••••", Fate: "open"}, {At: tuesday.Add(-50 * time.Hour), Result: "changed"}}}
	asking, verified, locked := person, person, person
	asking.Frame.Alert, asking.CodeSent, asking.Match = &render.Alert{Key: render.AlertDeskSent, Good: true}, true, "47"
	verified.VerifiedBy, verified.VerifiedUntil, verified.ContactSent = "match", tuesday.Add(15*time.Minute), true
	locked.Status, locked.Reason, locked.Next, locked.Contacts, locked.Events, locked.Ends = "locked", render.ReasonAdministrative, "decided", nil, nil, time.Time{}
	locked.Acts, locked.Corrects, locked.Denied = nil, false, []render.DeskAct{{Act: "decide", Why: "scope"}, {Act: "vouch", Why: "state"}}
	lists := render.DeskLists{Frame: plain, Populations: []render.DeskPopulation{{Key: "a", Label: "Vie scolaire 0990011Z"}, {Key: "b", Label: "Vie scolaire 0990012A"}},
		Of: "b", Group: "3E2", Where: "eduPersonAffiliation = student; alum", Logins: "elefevre", Except: "jdupont", Letters: true, Resets: true, Campaigns: true, Freezes: true}
	counted, wrong := lists, lists
	counted.Left = []string{"jade.o-connor", "personne"}
	counted.Listed, counted.Force, counted.Found, counted.Count, counted.More, counted.Frozen = true, true, found, 1200, true, "@mailbox.example"
	wrong.Frame = alert(plain, render.Alert{Key: render.AlertDeskWhere, Field: "where"})
	return []sample{
		{"desk", render.Desk{Frame: plain}},
		{"desk-found", render.Desk{Frame: plain, Query: "le", Searched: true, Found: found, More: true, Queue: true, Lists: true, Extensions: true}},
		{"desk-none", render.Desk{Frame: plain, Query: "x", Searched: true}},
		{"desk-person", person}, {"desk-person-asking", asking}, {"desk-person-verified", verified}, {"desk-person-locked", locked},
		{"desk-code", render.DeskCode{Frame: plain, Name: "Élodie Lefèvre", Login: "elefevre", Code: "K7QM-2XDB-9RTH", QR: "<svg class=\"qr\"></svg>", Until: tuesday.Add(30 * time.Minute), Back: "/desk/person/a"}},
		{"desk-denied", render.DeskDenied{Frame: plain, Why: "rank"}},
		{"desk-lists", lists}, {"desk-lists-counted", counted}, {"desk-lists-wrong", wrong},
		{"desk-run", render.DeskRun{Frame: plain, Total: 1200, Done: 480, Frozen: 7, Skipped: []render.DeskSkipped{{Why: "address", N: 3}, {Why: "already", N: 2}}}}, {"desk-run-ended", render.DeskRun{Frame: plain, Total: 3, Done: 3}},
		{"desk-extensions", render.DeskExtensions{Frame: alert(plain, render.Alert{Key: render.AlertDeskGranted, Good: true}), Asked: []render.DeskExtension{
			{Account: "a", URL: "/desk/person/a", Name: "Kahina Aït-Ouaret", Login: "kaitouaret", At: tuesday, Ends: tuesday.AddDate(0, 3, 0), Months: 6, Why: "Ma thèse."}}}},
		{"desk-extensions-none", render.DeskExtensions{Frame: plain}},
		{"desk-requests", render.DeskRequests{Frame: plain, Outcomes: []string{"solved", "come", "unreachable"}, Requests: []render.DeskRequest{
			{ID: "a", At: tuesday, Need: "deadline", Name: "Awa Koné", Number: "22601014", Reach: "awa@example.org", Mine: true, Taker: "Nora"},
			{ID: "b", At: tuesday, Need: "card", Name: "Inès Michel", Reach: "06 39 98 00 17", Taker: "Gaëlle"}, {ID: "c", At: tuesday, Need: "other", Name: "Paul", Reach: "p@example.org"}}}},
		{"desk-requests-none", render.DeskRequests{Frame: plain}},
		{"help-request", render.HelpRequest{Frame: plain, Needs: []string{"deadline", "exam", "card", "first", "forgotten", "locked", "other"}}},
		{"help-asked", render.HelpAsked{Frame: plain}},
		{"call", render.Call{Frame: plain}}, {"call-gone", render.Call{Frame: plain, Gone: true}}, {"call-done", render.Call{Frame: plain, Done: true}},
	}
}
