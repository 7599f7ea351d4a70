package desk_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/operator"
)

// desks are the rules of the university: its help desk, and its administrators.
func desks() operator.Rules {
	login := func(login string) account.Condition {
		return account.Condition{Attribute: account.ValueLogin, In: []string{login}}
	}
	return operator.Rules{
		{Name: "helpdesk", Who: login("u.assist"), Verbs: []operator.Verb{operator.Unlock, operator.Vouch, operator.Contact, operator.Extend},
			Over: account.Condition{Not: &account.Condition{Attribute: "eduPersonAffiliation", In: []string{"faculty"}}}},
		{Name: "admin", Who: login("u.admin"), Rank: 2, Verbs: []operator.Verb{operator.Unlock, operator.Decide, operator.Extend}},
	}
}

// R14: a technical lock is lifted by the desk, one of the institution by an
// administrator only; both after the caller was verified, with a reason, and
// both are in the audit. A password that somebody else may know must be changed.
func TestLocks_R14(t *testing.T) {
	s := before(t, "university", issuer, desks())
	desk, admin := s.as("u.assist"), s.as("u.admin")
	phished, decided := desk.place("cbernard"), desk.place("tmoreau")
	s.guess("cbernard")
	desk.get(phished).is(t, 200, "débloquez le compte, puis donnez aussitôt un code", "connaît peut-être le mot de passe")
	desk.post(phished, "do", "unlock", "reason", "locked").is(t, 403, "L’identité n’a pas été vérifiée")
	desk.post(phished, "do", "card").is(t, 303)
	desk.post(phished, "do", "unlock").is(t, 400)
	if s.account("cbernard").Status != account.Locked {
		t.Fatal("the lock is lifted already")
	}
	if a := desk.post(phished, "do", "unlock", "reason", "abused").is(t, 303); !strings.HasSuffix(a.Header.Get("Location"), "?news=lifted") {
		t.Error(a.Header)
	}
	desk.get(phished+"?news=lifted").is(t, 200, "Donnez tout de suite un code", "pour qu’un autre mot de passe soit choisi", `<button class="wide" name="do" value="vouch">`)
	s.signIn("cbernard", "Valmont-cbernard-2026").is(t, 200, "Vous êtes connecté") // R34: nobody waits for what was tried before
	if a := s.account("cbernard"); a.Status != account.Active || s.marked.marks[a.ID] != 1 {
		t.Errorf("%s, marked %d times", a.Status, s.marked.marks[a.ID])
	}
	if m := s.next("chloe@example.org"); !strings.Contains(m.Text, "débloqué") {
		t.Error(m.Text)
	}
	desk.post(phished, "do", "unlock", "reason", "abused").is(t, 403, "L’état du compte ne le permet pas")

	page := desk.get(decided).is(t, 200, "Dirigez la personne vers", "Vos droits ne vont pas jusque-là")
	if strings.Contains(page.body, "Débloquer le compte") {
		t.Error("nobody would ask whether a lock of the institution is a technical one")
	}
	desk.post(decided, "do", "card").is(t, 303)
	for _, do := range []string{"unlock", "decide", "vouch"} {
		desk.post(decided, "do", do, "reason", "other").is(t, 403)
	}
	for _, other := range []string{"elefevre", "ngarcon", "pleroux"} { // what is not locked by decision is not decided here
		at := admin.place(other)
		admin.post(at, "do", "card").is(t, 303)
		admin.post(at, "do", "decide", "reason", "other").is(t, 403, "L’état du compte ne le permet pas")
	}
	decided = admin.place("tmoreau")
	admin.get(decided).is(t, 200, "Levez le blocage")
	admin.post(decided, "do", "decide", "reason", "other").is(t, 403)
	admin.post(decided, "do", "card").is(t, 303)
	admin.post(decided, "do", "decide", "reason", "other").is(t, 303)
	if a := s.account("tmoreau"); a.Status != account.Active || s.marked.marks[a.ID] != 0 {
		t.Errorf("%s, marked %d times", a.Status, s.marked.marks[a.ID])
	}
	for _, line := range []string{"action=desk.unlock result=denied_unverified", "action=desk.unlock result=ok", "reason=abused verified_by=card",
		"action=desk.decide result=denied_scope", "action=desk.decide result=ok"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("no %q in the audit", line)
		}
	}
}

// signIn types a password on the login page, in a new browser.
func (s *school) signIn(login, password string) answer {
	s.t.Helper()
	b := &browser{s: s, cookies: map[string]string{}}
	state := regexp.MustCompile(`name="state" value="([^"]+)"`).FindStringSubmatch(b.get("/login").body)
	return b.post("/login", "username", login, "password", password, "state", state[1])
}

// guess tries passwords until nobody is let in any more from here.
func (s *school) guess(login string) {
	s.t.Helper()
	for range 6 {
		if a := s.signIn(login, "made up"); a.StatusCode != 401 {
			s.t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
}

// R13: those who ask for more time are listed for whom their rule lets grant it;
// granted, the end is put off in the directory; either way the owner is told.
func TestExtensions_R13(t *testing.T) {
	s := before(t, "university", issuer, desks())
	desk, admin := s.as("u.assist"), s.as("u.admin")
	for _, login := range []string{"kaitouaret", "elefevre", "gdelacroix", "cbernard"} {
		err := s.desk.Asking.Ask(t.Context(), lifecycle.Extension{Account: s.account(login).ID, At: s.store.Now(), Months: 6, Why: "Ma <thèse>"})
		if err != nil {
			t.Fatal(err)
		}
	}
	desk.get("/desk").is(t, 200, "/desk/extensions")
	page := desk.get("/desk/extensions").is(t, 200, "kaitouaret", "elefevre", "gdelacroix", "Ma &lt;thèse&gt;", "31\u00a0décembre 2026")
	if strings.Contains(page.body, "cbernard") {
		t.Error("an account that is locked is listed")
	}
	handles := map[string]string{}
	for _, part := range strings.Split(page.body, "<li>")[1:] {
		login := regexp.MustCompile(`<dd>([^<]+)</dd>`).FindStringSubmatch(part)[1]
		handles[login] = regexp.MustCompile(`name="account" value="([^"]+)"`).FindStringSubmatch(part)[1]
	}
	answer := func(b *browser, handle, do string) answer {
		return b.post("/desk/extensions", "account", handle, "do", do)
	}
	answer(desk, handles["kaitouaret"], "made up").is(t, 400)
	answer(admin, handles["kaitouaret"], "grant").is(t, 403) // a handle of another operator
	answer(desk, "", "grant").is(t, 403)
	if a := answer(desk, handles["kaitouaret"], "grant").is(t, 303); a.Header.Get("Location") != "/desk/extensions?news=granted" {
		t.Error(a.Header)
	}
	if got := s.account("kaitouaret").Values(account.ValueEnd); len(got) != 1 || got[0] != "2027-06-30" {
		t.Errorf("it ends %v", got)
	}
	if m := s.next("kahina@example.org"); !strings.Contains(m.Text, "est prolongé jusqu’au 30\u00a0juin 2027") || strings.Contains(m.Text, "en contact") || m.Subject != "Votre demande de prolongation" {
		t.Error(m.Text)
	}
	answer(desk, handles["kaitouaret"], "grant").is(t, 409, "Demande déjà traitée")
	answer(desk, handles["elefevre"], "refuse").is(t, 303)
	if m := s.next("elodie.l@example.org"); !strings.Contains(m.Text, "a été refusée") {
		t.Error(m.Text)
	}
	if got := s.account("elefevre").Values(account.ValueEnd); len(got) != 1 || got[0] != "2027-09-30" {
		t.Errorf("it ends %v", got)
	}
	if body := desk.get("/desk/extensions?news=refused").is(t, 200, "Demande refusée").body; strings.Contains(body, "kaitouaret") || strings.Contains(body, "elefevre") {
		t.Error("an answered request is listed")
	}
	for _, line := range []string{"action=extension.settle result=granted", "action=extension.settle result=denied", "action=desk.extend result=denied_scope"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("no %q in the audit", line)
		}
	}
	s.as("elefevre").get("/desk/extensions").is(t, 403)
	other := desks()
	other[0].Verbs = []operator.Verb{operator.Unlock}
	s.desk.Rules = other
	desk.get("/desk/extensions").is(t, 403)
	if strings.Contains(desk.get("/desk").body, "/desk/extensions") {
		t.Error("the way is shown to somebody who may not enter")
	}
}

var (
	callLink = regexp.MustCompile(`/help/call\?t=\w+`)
	twoShown = regexp.MustCompile(`id="match">(\d\d)<`)
)

// Two digits that the operator says, typed behind a link that went to an address
// on file, verify the caller: once, for ten minutes, and the newest link only.
func TestMatchOfTwoDigits(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b, caller := s.as("nadia.adml"), &browser{s: s, cookies: map[string]string{}}
	place := b.place("tom.legoff")
	ask := func() (link, digits string) {
		t.Helper()
		b.post(place, "do", "match", "contact", "0").is(t, 303)
		for link == "" { // there may be notices before it
			link = callLink.FindString(s.next("legoff@example.org").Text)
		}
		return link, twoShown.FindStringSubmatch(b.get(place).is(t, 200, "Dites ces deux chiffres").body)[1]
	}
	follow := func(link string) answer {
		t.Helper()
		if a := caller.get(link).is(t, 303); a.Header.Get("Location") != "/help/call" {
			t.Error("the token stays in the address bar")
		}
		return caller.get("/help/call")
	}
	unverified := func() {
		t.Helper()
		b.post(place, "do", "end", "reason", "abused").is(t, 403, "L’identité n’a pas été vérifiée")
	}
	link, digits := ask()
	follow(link).is(t, 200, `name="digits"`)
	follow(link).is(t, 200, `name="digits"`) // a scanner that looks consumes nothing
	wrong := "00"
	if digits == wrong {
		wrong = "11"
	}
	caller.post("/help/call", "digits", wrong).is(t, 410, "Ce lien ne sert plus")
	b.get(place).is(t, 200, "D’autres chiffres ont été tapés")
	follow(link).is(t, 410)
	caller.post("/help/call", "digits", digits).is(t, 410)
	unverified()

	link, digits = ask()
	follow(link)
	caller.post("/help/call", "digits", digits, "nobody", "1").is(t, 410)
	b.get(place).is(t, 200, "dit ne parler à personne")
	unverified()

	old, _ := ask()
	link, digits = ask()
	follow(old).is(t, 200)
	caller.post("/help/call", "digits", digits).is(t, 410)
	unverified()
	follow(link)
	caller.post("/help/call", "digits", " "+digits+" ").is(t, 200, "C’est confirmé")
	b.get(place).is(t, 200, "La personne a tapé vos deux chiffres")
	b.post(place, "do", "end", "reason", "abused").is(t, 303)

	b.post(place, "do", "forget").is(t, 303)
	link, digits = ask()
	s.store.Advance(10*time.Minute + time.Second)
	follow(link).is(t, 410)
	caller.post("/help/call", "digits", digits).is(t, 410)
	unverified()

	adult := b.place("karim.haddad")
	b.post(adult, "do", "match", "contact", "1").is(t, 303)
	text := <-s.texts
	digits = twoShown.FindStringSubmatch(b.get(adult).body)[1]
	follow(callLink.FindString(text.Text)).is(t, 200)
	caller.post("/help/call", "digits", digits).is(t, 200, "C’est confirmé")
	if text.To != "+33639980108" || strings.Contains(text.Text, digits+" ") {
		t.Errorf("%+v", text)
	}
	if log := s.log.String(); strings.Count(log, "action=desk.verify result=wrong") != 2 || !strings.Contains(log, "by=match") || strings.Contains(log, link[len("/help/call?t="):]) {
		t.Error("the audit is not right")
	}
}

// A contact that somebody else reads is frozen: no code goes there, no message,
// no fact is compared with it, until it is restored.
func TestFreeze(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("lea.dalmeida")
	b.post(place, "do", "resend").is(t, 400)
	b.post(place, "do", "freeze", "reason", "abused", "contact", "0").is(t, 403)
	b.post(place, "do", "card").is(t, 303)
	b.post(place, "do", "resend", "reason", "forgotten").is(t, 303)
	s.settled()
	link := regexp.MustCompile(`t=(\w+)`).FindStringSubmatch(s.next("lea@example.org").Text)[1]
	b.post(place, "do", "freeze", "reason", "abused", "contact", "7").is(t, 400)
	for len(s.mails) > 0 {
		<-s.mails
	}
	b.post(place, "do", "freeze", "reason", "abused", "contact", "0").is(t, 303)
	s.settled()
	if len(s.mails) > 0 {
		t.Errorf("%s is told that it is frozen", (<-s.mails).To)
	}
	if a := s.account("lea.dalmeida"); len(a.Contacts) != 1 || !a.Contacts[0].Frozen {
		t.Errorf("%+v", a.Contacts)
	}
	if seen, err := s.flow.Look(t.Context(), link, ""); err != nil || seen.Fate == "open" {
		t.Errorf("what was sent there is good still: %+v, %v", seen, err)
	}
	b.post(place, "do", "forget").is(t, 303)
	page := b.get(place).is(t, 200, "gelée", "donnez un code")
	for _, lost := range []string{`value="send"`, `value="match"`, `name="birth"`} {
		if strings.Contains(page.body, lost+">") && strings.Contains(page.body, "à l••••@e••••") {
			t.Errorf("%s is offered", lost)
		}
	}
	b.post(place, "do", "send", "contact", "0").is(t, 400)
	b.post(place, "do", "facts", "birth", "2011-05-02", "other", "lea@example.org").is(t, 400)
	b.post(place, "do", "card").is(t, 303)
	b.post(place, "do", "contact", "reason", "moved", "address", "lea@example.org", "from", "-1").is(t, 400)
	b.post(place, "do", "resend", "reason", "forgotten").is(t, 303)
	s.settled()
	b.get(place).is(t, 200, "aucune adresse")
	b.post(place, "do", "thaw", "reason", "other", "contact", "0").is(t, 303)
	b.post(place, "do", "forget").is(t, 303)
	b.get(place).is(t, 200, "Envoyer un code à l••••@e••••")
	if a := s.account("lea.dalmeida"); a.Contacts[0].Frozen {
		t.Error("it is frozen still")
	}
	for _, line := range []string{"action=desk.freeze result=ok", "action=desk.thaw result=ok", "verified_by=card contact=l••••@e••••"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("no %q in the audit", line)
		}
	}
}

// Whose only rescue address is a telephone is told there what an operator did.
func TestToldByTelephone(t *testing.T) {
	s := before(t, "university", issuer, desks())
	b := s.as("u.assist")
	for login, want := range map[string]string{"fndiaye": "+33639980002", "elefevre": ""} { // who has a mail address and a telephone is told by mail
		place := b.place(login)
		b.post(place, "do", "card").is(t, 303)
		b.post(place, "do", "vouch", "reason", "forgotten").is(t, 200)
		s.settled()
		got := ""
		if len(s.texts) > 0 {
			m := <-s.texts
			got = m.To
			if !strings.Contains(m.Text, "a agi sur votre compte") || m.Check() != nil {
				t.Error(m.Text)
			}
		}
		if got != want {
			t.Errorf("%s: told at %q, want %q", login, got, want)
		}
	}
}

// An account that the school has blocked is refused to the head teacher, who is
// told why.
func TestBlockedBySchool(t *testing.T) {
	s := open(t, issuer, rules(false, false))
	b := s.as("sophie.dubois-garin")
	place := b.place("noe.besson")
	b.get(place).is(t, 200, "bloqué", "L’établissement en a décidé ainsi", "l’établissement a bloqué ce compte", "L’état du compte ne le permet pas")
	b.post(place, "do", "card").is(t, 303)
	b.post(place, "do", "vouch", "reason", "forgotten").is(t, 403, "L’état du compte ne le permet pas")
}
