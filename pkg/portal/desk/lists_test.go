package desk_test

import (
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/operator"
)

// Who is not activated, of those within reach only, and the invitation to them.
func TestLists(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	nadia := s.as("nadia.adml")
	nadia.get("/desk").is(t, 200, "/desk/lists")
	page := nadia.get("/desk/lists").is(t, 200, "local admin|0990011Z", "local admin|0990012A")
	if strings.Contains(page.body, "0990010Y") {
		t.Error("a school of somebody else")
	}
	const of = "local admin|0990011Z"
	list := nadia.post("/desk/lists", "of", of, "do", "list").is(t, 200, "ines.benyoussef", "said.benyoussef")
	if strings.Contains(list.body, "tom.legoff") {
		t.Error("an activated account is listed")
	}
	nadia.post("/desk/lists", "of", of, "group", "2nde5", "do", "list").is(t, 200, "Comptes trouvés\u00a0: 1", "ines.benyoussef")
	nadia.post("/desk/lists", "of", of, "group", "nowhere", "do", "list").is(t, 400, "Personne à qui faire cela")
	nadia.post("/desk/lists", "of", "local admin|0990010Y", "do", "list").is(t, 400)
	s.as("nadia.adml").post("/desk/lists", "of", of, "group", "x", "lang", "en", "do", "force").is(t, 200, "Letters and lists", `value="x"`)

	for _, login := range []string{"helene.roy", "lea.dalmeida"} { // no letters, no operator
		s.as(login).get("/desk/lists").is(t, 403)
		s.as(login).post("/desk/lists", "of", of, "do", "force").is(t, 403)
	}

	run := nadia.post("/desk/lists", "of", of, "do", "invite")
	if run.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", run.StatusCode, run.body)
	}
	s.settled()
	nadia.get(run.Header.Get("Location")).is(t, 200, "Fait\u00a0: 2 sur 2", "terminée", "Sans adresse où écrire\u00a0: 2")
	s.as("helene.roy").get(run.Header.Get("Location")).is(t, 404)
	if got := strings.Count(s.log.String(), "action=desk.invite result=ok"); got != 0 {
		t.Errorf("%d were invited", got)
	}
}

// R60: a head teacher prints for the pupils of the class, and for their parents
// where the rule is over parents; for the class by its name, pupils only.
func TestListsOfAClass_R60(t *testing.T) {
	for parents, want := range map[bool]int{false: 5, true: 9} {
		all := rules(parents, false)
		all[0].Verbs = append(all[0].Verbs, operator.Letters)
		s := open(t, issuer, all)
		sophie := s.as("sophie.dubois-garin")
		of := html.UnescapeString(regexp.MustCompile(`<option value="(head teacher[^"]+)"`).FindStringSubmatch(sophie.get("/desk/lists").body)[1])
		list := sophie.post("/desk/lists", "of", of, "do", "list").is(t, 200, "ines.benyoussef").body
		if strings.Contains(list, "said.benyoussef") != parents {
			t.Errorf("parents %v: %s", parents, list)
		}
		for group, want := range map[string]int{"": want, "2NDE5": 5} {
			printed := sophie.post("/desk/lists", "of", of, "group", group, "do", "csv").is(t, 200).body
			if got := strings.Count(printed, "\n") - 1; got != want {
				t.Errorf("parents %v, class %q: %d letters, want %d: %s", parents, group, got, want, printed)
			}
		}
	}
}

// Whoever is not activated is written to again, and not once more while what was
// sent is good; who has no address is counted, so that a letter can be printed.
func TestInviteTwice(t *testing.T) {
	everybody := operator.Rules{{Name: "all", Who: account.Condition{Attribute: account.ValueLogin, In: []string{"u.admin"}}, Verbs: []operator.Verb{operator.Letters}}}
	s := before(t, "university", issuer, everybody)
	admin := s.as("u.admin")
	invite := func() answer {
		t.Helper()
		run := admin.post("/desk/lists", "of", "all|", "do", "invite").is(t, 303)
		s.settled()
		return admin.get(run.Header.Get("Location"))
	}
	invite().is(t, 200, "Fait\u00a0: 3 sur 3", "Sans adresse où écrire\u00a0: 1")
	invite().is(t, 200, "Fait\u00a0: 3 sur 3", "Sans adresse où écrire\u00a0: 1", "reste valable\u00a0: 2")
	told := map[string]int{}
	for len(s.mails) > 0 {
		told[(<-s.mails).To]++
	}
	if want := map[string]int{"huong@example.com": 1, "zoe.mp@example.org": 1}; !cmp.Equal(told, want) {
		t.Errorf("written to %v", told)
	}
	s.store.Advance(25 * time.Hour) // the links have expired
	admin = s.as("u.admin")
	if a := invite().is(t, 200); strings.Contains(a.body, "reste valable") {
		t.Error(a.body)
	}
	if got := strings.Count(s.log.String(), "action=desk.invite result=ok"); got != 4 {
		t.Errorf("%d were invited", got)
	}
}

// A population is narrowed by what an operator asks of its accounts: any
// attribute that is read, any of several values, and the contrary.
func TestWhere(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	nadia := s.as("nadia.adml")
	for where, want := range map[string]int{
		"":                                14,
		"ENTPersonProfils = National_TUT": 5,
		"entpersonprofils = National_TUT": -1, // names of attributes know case
		"!ENTPersonProfils = National_TUT ; National_ELV":                                    3,
		"ENTPersonProfils=national_elv\r\n! ENTEleveClasses = nowhere\r\nmail":               4,
		"ENTPersonProfils = National_ELV\naccountState = active\n!displayName = Tom Le Goff": 5,
		"shoeSize = 44": -1,
		"= 44":          -1,
	} {
		a := nadia.post("/desk/lists", "of", "local admin|0990011Z", "where", where, "do", "count")
		got := -1
		if m := counted.FindStringSubmatch(a.body); m != nil {
			got, _ = strconv.Atoi(m[1])
		}
		if got != want {
			t.Errorf("%q: %d, want %d", where, got, want)
		}
	}
}

var counted = regexp.MustCompile(`Comptes concernés\x{a0}: (\d+)`)

// A campaign freezes the channels that are known to be compromised, before it
// tells anybody anything.
func TestCampaignFreezes(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	nadia := s.as("nadia.adml")
	fields := []string{"of", "local admin|0990011Z", "group", "2NDE5"}
	nadia.post("/desk/lists", append(fields, "do", "count")...).is(t, 200, `name="frozen"`)
	run := nadia.post("/desk/lists", append(fields, "do", "force", "frozen", "LEGOFF@example.org;x\r\n@elsewhere.example\n06 39 98 01 08")...).is(t, 303)
	s.settled()
	nadia.get(run.Header.Get("Location")).is(t, 200, "Fait\u00a0: 4 sur 4", "<progress", "Adresses gelées\u00a0: 2")
	for login, want := range map[string]bool{"tom.legoff": true, "theo.legoff": true, "lea.dalmeida": false, "anne.legoff": false} {
		if got := s.account(login).Contacts[0].Frozen; got != want { // anne.legoff is not among those who were meant
			t.Errorf("%s: frozen %v", login, got)
		}
	}
	told := map[string]bool{}
	for len(s.mails) > 0 {
		told[(<-s.mails).To] = true
	}
	if !told["lea@example.org"] || told["legoff@example.org"] {
		t.Errorf("told %v", told)
	}
	if log := s.log.String(); !strings.Contains(log, "frozen=1") || strings.Count(log, "action=desk.freeze result=ok") != 2 || strings.Contains(strings.ToLower(log), "legoff@example.org") {
		t.Error("the audit is not right")
	}

	// A number is typed as people write it.
	adult := nadia.post("/desk/lists", "logins", "karim.haddad", "do", "force", "frozen", "x@elsewhere.example\n06 39 98 01 08\n").is(t, 303)
	s.settled()
	nadia.get(adult.Header.Get("Location")).is(t, 200, "Adresses gelées\u00a0: 1")
	if c := s.account("karim.haddad").Contacts; c[0].Frozen || !c[1].Frozen {
		t.Errorf("%+v", c)
	}

	// What the rules do not allow any more when its turn comes is left aside.
	s.marked.mu.Lock()
	s.marked.down = true
	s.marked.mu.Unlock()
	again := nadia.post("/desk/lists", append(fields, "do", "force")...).is(t, 303)
	s.desk.Rules = rules(true, false)[:2]
	s.again()
	s.desk.Rules = rules(true, false)
	nadia.get(again.Header.Get("Location")).is(t, 200, "Fait\u00a0: 4 sur 4", "vos droits ont changé\u00a0: 4</p>")
}

// A campaign marks the passwords of those who are meant and of nobody else,
// ends their sessions, tells them, and goes on after a fault.
func TestCampaign(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	nadia, lea, tom := s.as("nadia.adml"), s.as("lea.dalmeida"), s.as("tom.legoff")
	fields := []string{"of", "local admin|0990011Z", "group", "2NDE5", "except", "tom.legoff"}
	count := nadia.post("/desk/lists", append(fields, "do", "count")...).is(t, 200, "Comptes concernés\u00a0: 3", `value="force"`)
	for _, login := range []string{"lea.dalmeida", "theo.legoff", "eloise.martin"} {
		if !strings.Contains(count.body, login) {
			t.Errorf("%s is not listed", login)
		}
	}
	s.marked.down = true
	run := nadia.post("/desk/lists", append(fields, "do", "force")...)
	if run.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", run.StatusCode, run.body)
	}
	nadia.get(run.Header.Get("Location")).is(t, 200, "Fait\u00a0: 0 sur 3", "Actualiser")
	lea.get("/login").is(t, 200, "lea.dalmeida")
	s.marked.mu.Lock()
	s.marked.down = false
	s.marked.mu.Unlock()
	s.again()
	nadia.get(run.Header.Get("Location")).is(t, 200, "Fait\u00a0: 3 sur 3")
	lea.get("/login").is(t, 200, `name="password"`)
	tom.get("/login").is(t, 200, "tom.legoff")
	if s.marked.marks[s.account("lea.dalmeida").ID] == 0 || s.marked.marks[s.account("tom.legoff").ID] != 0 || len(s.marked.marks) != 3 {
		t.Errorf("%v", s.marked.marks)
	}
	if m := s.next("lea@example.org"); !strings.Contains(m.Text, "nouveau mot de passe est demandé") || strings.Contains(m.Text, "en contact") {
		t.Error(m.Text)
	}
	for len(s.mails) > 0 {
		<-s.mails
	}
	again := nadia.post("/desk/lists", append(fields, "do", "force")...) // they are marked already
	s.settled()
	nadia.get(again.Header.Get("Location")).is(t, 200, "Fait\u00a0: 3 sur 3", "reste valable\u00a0: 3")
	if len(s.mails) > 0 {
		t.Errorf("%s is told twice", (<-s.mails).To)
	}
	if got := strings.Count(s.log.String(), "action=desk.campaign result=ok"); got != 6 {
		t.Errorf("%d in the audit", got)
	}
}
