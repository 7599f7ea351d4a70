package desk_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/store"
)

// people are the accounts of the fixtures by their numbers.
var people = map[string]string{
	"S01": "lea.dalmeida", "S02": "noe.besson", "S03": "ines.benyoussef", "S04": "tom.legoff", "S05": "theo.legoff", "S06": "eloise.martin",
	"S07": "eloise.martin2", "S08": "karim.haddad", "S09": "jade.o-connor", "S10": "claire.dalmeida", "S11": "said.benyoussef", "S12": "anne.legoff",
	"S13": "yann.legoff", "S14": "lucie.tante", "S15": "marc.haddad", "S20": "sophie.dubois-garin", "S21": "ahmed.elidrissi", "S22": "helene.roy",
	"S23": "bruno.direx", "S24": "nadia.adml",
}

// R60, R-REC-22: who gets a code for whom, by the forms, even with a handle
// that the desk never gave.
func TestRights(t *testing.T) {
	for name, c := range map[string]struct {
		parents, anyClass bool
		op, want          string
	}{
		"head teacher":              {false, false, "S20", "S01 S03 S04 S05 S06"},
		"head teacher, parents too": {true, false, "S20", "S01 S03 S04 S05 S06 S10 S11 S12 S13"},
		"in two schools":            {false, false, "S21", "S01 S09"},
		"in two schools, parents":   {true, false, "S21", "S01 S09 S10"},
		"in two schools, any class": {false, true, "S21", "S01 S03 S04 S05 S06 S09"},
		"vie scolaire":              {false, false, "S22", "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15"},
		"local admin":               {false, false, "S24", "S01 S03 S04 S05 S06 S07 S08 S10 S11 S12 S13 S14 S15 S20 S21 S22"},
		"a head gives no code":      {false, false, "S23", ""},
		"a pupil":                   {true, true, "S01", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, issuer, rules(c.parents, c.anyClass))
			b := s.as(people[c.op])
			var got []string
			for i := range 24 {
				id := fmt.Sprintf("S%02d", i+1)
				if people[id] == "" {
					continue
				}
				place := b.place(people[id])
				b.post(place, "do", "card")
				a := b.post(place, "do", "vouch", "reason", "forgotten")
				switch {
				case a.StatusCode == http.StatusOK && issued.MatchString(a.body):
					got = append(got, id)
				case a.StatusCode != http.StatusForbidden:
					t.Errorf("%s: status %d", id, a.StatusCode)
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			if denied := strings.Count(s.log.String(), "action=desk.vouch result=denied_"); c.op != "S01" && denied != 20-len(got) {
				t.Errorf("%d refusals in the audit, want %d", denied, 20-len(got))
			}
		})
	}
}

var found = regexp.MustCompile(`href="(/desk/person/[^"]+)">[^<]*</a>([^,<]+),`)

func (a answer) found() map[string]string {
	out := map[string]string{}
	for _, m := range found.FindAllStringSubmatch(a.body, -1) {
		out[m[2]] = m[1]
	}
	return out
}

// A search shows what is within reach, and no URL names anybody.
func TestSearch(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("sophie.dubois-garin")
	all := b.post("/desk", "q", "martin").is(t, 200).found()
	if len(all) != 1 || all["eloise.martin"] == "" {
		t.Errorf("found %v", all)
	}
	s.marked.searches = 0
	family := b.post("/desk", "q", "goff").is(t, 200).found()
	if s.marked.searches != 2 { // for what was typed, and for the pupils whose parents are within reach
		t.Errorf("%d searches", s.marked.searches)
	}
	if len(family) != 4 { // twins and both parents
		t.Errorf("found %v", family)
	}
	for login, place := range family {
		if strings.Contains(place, "goff") || strings.Contains(place, base64.RawURLEncoding.EncodeToString([]byte(login))) {
			t.Errorf("a URL names somebody: %s", place)
		}
		b.get(place).is(t, 200, login)
	}
	b.post("/desk", "q", "haddad").is(t, 200, "Aucun compte dans votre périmètre")
	b.post("/desk", "q", "a").is(t, 200, "Aucun compte")
	s.as("lea.dalmeida").post("/desk", "q", "martin").is(t, 403, "n’ouvre pas le guichet")
}

// R-REC-22: a handle is good for one operator only.
func TestHandles(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	sophie, helene := s.as("sophie.dubois-garin"), s.as("helene.roy")
	place := helene.place("tom.legoff")
	helene.get(place).is(t, 200)
	sophie.get(place).is(t, 403, "Vos droits ne vont pas jusque-là")
	sophie.post(place, "do", "card").is(t, 403)
	helene.get("/desk/person/tom.legoff").is(t, 403)
	if got := strings.Count(s.log.String(), "result=denied_scope"); got != 3 {
		t.Errorf("%d refusals in the audit", got)
	}
	nobody := &browser{s, map[string]string{}, helene.who}
	nobody.get(place).is(t, 200, `name="password"`)
	if a := nobody.post(place, "do", "card"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != place {
		t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
}

// Nothing is done for a caller who has not shown who they are, and no longer
// than a quarter of an hour.
func TestVerifiedFirst(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("tom.legoff")
	for _, do := range []string{"vouch", "resend", "cancel", "end", "freeze", "thaw", "contact_code"} {
		b.post(place, "do", do, "reason", "other").is(t, 403, "L’identité n’a pas été vérifiée")
	}
	for _, do := range []string{"unlock", "decide"} { // not in this state either
		b.post(place, "do", do, "reason", "other").is(t, 403)
	}
	b.post(place, "do", "contact", "reason", "moved", "address", "x@y.example", "from", "0").is(t, 403)
	b.post(place, "do", "card").is(t, 303)
	b.post(place, "do", "end").is(t, 400)
	b.post(place, "do", "end", "reason", "made up").is(t, 400)
	b.post(place, "do", "end", "reason", "abused").is(t, 303)
	s.as("helene.roy").post(s.as("helene.roy").place("tom.legoff"), "do", "vouch", "reason", "other").is(t, 403) // of another operator
	b.post(b.place("theo.legoff"), "do", "end", "reason", "abused").is(t, 403)                                   // of another account
	s.store.Advance(15*time.Minute + time.Second)
	b.post(place, "do", "end", "reason", "abused").is(t, 403)
	b.post(place, "do", "card").is(t, 303)
	b.post(place, "do", "forget").is(t, 303)
	b.post(place, "do", "end", "reason", "abused").is(t, 403)
	if !strings.Contains(s.log.String(), "action=desk.end result=ok") || !strings.Contains(s.log.String(), "reason=abused verified_by=card") {
		t.Error("the act is not in the audit")
	}
}

var digits = regexp.MustCompile(`(?m)^\d{6}$`)

// The code goes to an address on file and is read back; it is good once, and
// five tries are all.
func TestCodeReadBack(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("tom.legoff")
	b.get(place).is(t, 200, "l••••@e••••")
	b.post(place, "do", "send", "contact", "7").is(t, 400)
	if a := b.post(place, "do", "send", "contact", "0").is(t, 303); a.Header.Get("Location") != place+"?news=sent" {
		t.Error(a.Header)
	}
	b.get(place+"?news=sent").is(t, 200, `id="code"`)
	code := digits.FindString(s.next("legoff@example.org").Text)
	wrong := "000000"
	if code == wrong {
		wrong = "111111"
	}
	b.post(place, "do", "code", "code", wrong).is(t, 400, "Cela ne correspond pas", `id="code"`)
	b.post(place, "do", "code", "code", "C’est le "+code[:3]+" "+code[3:]).is(t, 303)
	b.get(place).is(t, 200, "La personne a lu le code")
	b.post(place, "do", "forget")
	b.post(place, "do", "code", "code", code).is(t, 400)

	b.post(place, "do", "send", "contact", "0").is(t, 303)
	code = digits.FindString(s.next("legoff@example.org").Text)
	for range 5 {
		b.post(place, "do", "code", "code", wrong).is(t, 400)
	}
	b.post(place, "do", "code", "code", code).is(t, 400, "Trop d’essais")
	for range 4 {
		b.post(place, "do", "send", "contact", "0").is(t, 303)
	}
	b.post(place, "do", "send", "contact", "0").is(t, 400, "Trop d’essais")
	if strings.Contains(s.log.String(), code) || strings.Contains(s.log.String(), "legoff@example.org") {
		t.Error("the log holds what it must not")
	}
}

// A code can go to a mobile on file too, where the site sends text messages. It
// says that it is to be read to an operator, and fits in one message whatever the
// site is called.
func TestCodeByText_R74(t *testing.T) {
	for name, want := range map[string]string{"Lycée Simone Veil": " est le code que votre assistance Lycée Simone Veil vous demande. ", "Établissement français d’Ô": " assistance login.example vous demande. "} {
		s := open(t, issuer, rules(true, false))
		pages, err := render.Open(render.Config{Issuer: issuer, Recovery: true, Site: render.Site{Name: render.Text{"": name}}})
		if err != nil {
			t.Fatal(err)
		}
		s.desk.Pages = pages
		b := s.as("nadia.adml")
		place := b.place("karim.haddad")
		s.desk.SMS = nil
		b.post(place, "do", "send", "contact", "1").is(t, 400)
		s.desk.SMS = s.texts
		b.get(place).is(t, 200, "Envoyer un code à ••••\u00a008")
		b.post(place, "do", "send", "contact", "1").is(t, 303)
		m := <-s.texts
		if m.To != "+33639980108" || !strings.Contains(m.Text, want) || m.Check() != nil || strings.Contains(m.Text, "#") {
			t.Errorf("%+v", m)
		}
		b.post(place, "do", "code", "code", m.Text[:6]).is(t, 303)
	}
}

// Who has no address may say the number of their card, where the site takes it;
// R-REC: what is on file is never shown.
func TestKnownNumber(t *testing.T) {
	s := before(t, "university", issuer, desks())
	b := s.as("u.assist")
	place := b.place("imichel") // without any address
	if body := b.get(place).body; strings.Contains(body, `name="birth"`) {
		t.Error("facts are asked of whom nothing is on file")
	}
	s.desk.Known = []string{"supannEtuId"}
	if body := b.get(place).is(t, 200, `name="birth"`).body; strings.Contains(body, "22401017") {
		t.Error("the page shows what is to be said")
	}
	b.post(place, "do", "facts", "birth", "15/06/2005", "other", "22401018").is(t, 400, "Cela ne correspond pas")
	b.post(place, "do", "facts", "birth", "15/06/2005", "other", "2240 1017").is(t, 303)
	if body := b.get(place).is(t, 200, `value="vouch"`).body; strings.Contains(body, `value="resend"`) {
		t.Error("a message is offered that would go nowhere")
	}
}

// What a caller knows is compared, and never shown.
func TestFacts(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("karim.haddad")
	if body := b.get(place).is(t, 200, `name="birth"`).body; strings.Contains(body, "2008") || strings.Contains(body, "karim@") {
		t.Error("the page shows what is to be said")
	}
	for _, said := range [][2]string{{"", ""}, {"2008-01-15", ""}, {"2008-01-15", "karim.haddad"}, {"2008-01-16", "karim@example.org"}} {
		b.post(place, "do", "facts", "birth", said[0], "other", said[1]).is(t, 400, "Cela ne correspond pas")
	}
	b.post(place, "do", "facts", "birth", "15/01/2008", "other", "06 39 98 01 08").is(t, 303)
	b.get(place).is(t, 200, "La personne connaît son dossier")
	b.post(place, "do", "facts", "birth", "15/01/2008", "other", "karim@example.org").is(t, 400, "Trop d’essais")
	if body := b.get(b.place("eloise.martin")).body; strings.Contains(body, `name="birth"`) {
		t.Error("facts are asked of whom nothing is on file")
	}
}

// A code is shown once, opens the choice of a password on the person's own
// device, and the owner is told.
func TestVouch(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("lea.dalmeida")
	b.post(place, "do", "card")
	a := b.post(place, "do", "vouch", "reason", "forgotten").is(t, 200, "<svg", "Ce code ne sera plus affiché")
	code := issued.FindStringSubmatch(a.body)[1]
	if body := b.get(place).is(t, 200, "un code est remis", "code remis", "en attente de réponse").body; strings.Contains(body, code) {
		t.Error("the code is shown again")
	}
	if m := s.next("lea@example.org"); !strings.Contains(m.Text, "a remis un code") || strings.Contains(m.Text, code) {
		t.Error(m.Text)
	}
	proven, err := s.flow.Answer(t.Context(), recovery.Reply{Login: "lea.dalmeida", Code: code, Source: "192.0.2.0/24"})
	if err != nil || proven.Proof == "" {
		t.Error(err)
	}
	for _, page := range []string{a.body, b.get(place).body} {
		if strings.Contains(page, `type="password"`) {
			t.Error("a password is asked at the desk")
		}
	}
	s.settled()
	if strings.Contains(s.log.String(), code) {
		t.Error("the code is in the log")
	}
}

// Sessions and pending attempts end.
func TestEndAndCancel(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b, theirs := s.as("nadia.adml"), s.as("lea.dalmeida")
	theirs.get("/login").is(t, 200, "lea.dalmeida")
	place := b.place("lea.dalmeida")
	b.post(place, "do", "card")
	b.post(place, "do", "end", "reason", "abused").is(t, 303)
	theirs.get("/login").is(t, 200, `name="password"`)
	b.post(place, "do", "resend", "reason", "forgotten").is(t, 303)
	s.settled()
	b.get(place).is(t, 200, "message parti", "un message est parti")
	b.post(place, "do", "cancel", "reason", "abused").is(t, 303)
	b.get(place).is(t, 200, "annulé par la suite")
}

// A rescue address is changed when the new one was read back. The old one is
// told, and until it could not take the change back any more, the new one lets
// nobody in (R25): neither by a message, nor by a code or a fact at the desk.
func TestCorrect(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("lea.dalmeida")
	b.post(place, "do", "card")
	b.post(place, "do", "contact", "reason", "moved", "address", "nowhere", "from", "0").is(t, 400, "Cette adresse ne convient pas")
	b.post(place, "do", "contact_code", "reason", "moved", "code", "123456").is(t, 400)
	b.post(place, "do", "contact", "reason", "moved", "address", "new@example.net", "from", "0").is(t, 303)
	code := digits.FindString(s.next("new@example.net").Text)
	b.get(place).is(t, 200, `id="new_code"`)
	b.post(place, "do", "contact_code", "reason", "moved", "code", code).is(t, 303)
	if m := s.next("lea@example.org"); !strings.Contains(m.Text, "/recover/undo?t=") {
		t.Error(m.Text)
	}
	if got := s.account("lea.dalmeida").Contacts[0].Value; got != "new@example.net" {
		t.Errorf("the address is %s", got)
	}
	b.post(place, "do", "contact", "reason", "moved", "address", "New@example.net", "from", "-1").is(t, 400)
	b.post(place, "do", "resend", "reason", "forgotten").is(t, 303)
	s.settled()
	b.get(place).is(t, 200, "elle sert à partir de 72 heures", "pas envoyé\u00a0: rien au dossier ne suffit")
	b.post(place, "do", "send", "contact", "0").is(t, 400)
	b.post(place, "do", "match", "contact", "0").is(t, 400)
	b.post(place, "do", "facts", "birth", "2011-05-02", "other", "new@example.net").is(t, 400)
	s.store.Advance(72*time.Hour + time.Second)
	b = s.as("nadia.adml")
	b.post(place, "do", "send", "contact", "0").is(t, 303)
	if m := s.next("new@example.net"); !digits.MatchString(m.Text) {
		t.Error(m.Text)
	}
}

// The login of an operator is of today, whatever keeps them signed in.
func TestLoginOfToday(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	b.get("/desk").is(t, 200, `name="q"`)
	s.store.Advance(12*time.Hour + time.Second)
	b.get("/desk").is(t, 200, `name="password"`)
	if a := b.post("/desk", "q", "martin"); a.StatusCode != http.StatusSeeOther {
		t.Error(a.StatusCode)
	}
}

// gate lets nobody who read a code go on before all have read it.
type gate struct {
	store.Store
	readers sync.WaitGroup
}

func (g *gate) Do(ctx context.Context, ops ...store.Op) error {
	err := g.Store.Do(ctx, ops...)
	if read, ok := ops[0].(*store.Read); ok && read.Key.Name == "code" {
		g.readers.Done()
		g.readers.Wait()
	}
	return err
}

// One code that is read back by five requests at once verifies one.
func TestReadBackIsSingleUse(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("tom.legoff")
	b.post(place, "do", "send", "contact", "0")
	code := digits.FindString(s.next("legoff@example.org").Text)
	s.settled()
	barrier := &gate{Store: s.store}
	barrier.readers.Add(5)
	s.desk.Store = barrier
	answers := make(chan int, 5)
	for range 5 {
		go func() {
			other := &browser{s, maps.Clone(b.cookies), b.who}
			answers <- other.post(place, "do", "code", "code", code).StatusCode
		}()
	}
	verified := 0
	for range 5 {
		if <-answers == http.StatusSeeOther {
			verified++
		}
	}
	if verified != 1 {
		t.Errorf("%d of five requests were verified by one code", verified)
	}
}
