package desk_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/loge-idp/loge/pkg/store"
)

var requestID = regexp.MustCompile(`name="id" value="(\w+)"`)

// Whoever has no way in asks for help; it is answered the same whoever asks,
// listed by urgency, taken by one, and its requester is told.
func TestRequests(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	anybody := &browser{s: s, cookies: map[string]string{}}
	anybody.get("/help").is(t, 200, `href="/help/request"`)
	anybody.get("/help/request").is(t, 200, `name="reach"`)
	ask := func(need, name, reach string) answer {
		return anybody.post("/help/request", "need", need, "name", name, "number", "F26x0003", "reach", reach)
	}
	for what, a := range map[string]answer{
		"no name": ask("card", " ", "a@b.example"), "no address": ask("card", "Inès", "rue de la Paix"), "two addresses": ask("card", "Inès", "a@b.example,c@d.example"),
		"a header": ask("card", "Inès", "a@b.example\r\nBcc:c@d.example"), "no need": ask("made up", "Inès", "a@b.example"), "long": ask("card", strings.Repeat("x", 201), "a@b.example"),
	} {
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", what, a.StatusCode)
		}
	}
	anybody.post("/help/request", "need", "exam", "name", "Inès <b>", "reach", "x", "lang", "en").is(t, 200, "Ask for help", "Inès &lt;b&gt;", `value="exam" selected`)
	for _, a := range []answer{ask("other", "Known", "inconnue@nulle.example"), ask("card", "Inès Ben-Youssef", "ines@autre.example"), ask("deadline", "Urgent", "06 39 98 00 01")} {
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/help/asked" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	anybody.get("/help/asked").is(t, 200, "noted")
	ask("card", "4", "a@b.example")
	ask("card", "5", "a@b.example")

	s.as("helene.roy").get("/desk/requests").is(t, 403)
	s.as("helene.roy").post("/desk/requests", "do", "take", "id", "x").is(t, 403)
	if body := s.as("helene.roy").get("/desk").body; strings.Contains(body, "/desk/requests") {
		t.Error("the way to the queue is shown to somebody who may not enter")
	}
	nadia := s.as("nadia.adml")
	nadia.get("/desk").is(t, 200, "/desk/requests", "Demandes d’aide (5)")
	page := nadia.get("/desk/requests").is(t, 200, "F26x0003", "ines@autre.example")
	order := []string{"Urgent", "Inès", "Known"}
	for i := 1; i < len(order); i++ {
		if strings.Index(page.body, order[i-1]) > strings.Index(page.body, order[i]) {
			t.Errorf("%s comes before %s", order[i], order[i-1])
		}
	}
	var id string
	for _, part := range strings.Split(page.body, "<li>") {
		if strings.Contains(part, "ines@autre.example") {
			id = requestID.FindStringSubmatch(part)[1]
		}
	}
	nadia.post("/desk/requests", "do", "solved", "id", id).is(t, http.StatusConflict, "Un collègue s’en occupe") // not taken yet
	nadia.post("/desk/requests", "do", "take", "id", id).is(t, 303)
	if m := s.next("ines@autre.example"); !strings.Contains(m.Text, "looks after") && !strings.Contains(m.Text, "s’occupe") || strings.Contains(m.Text, "Ben-Youssef") {
		t.Error(m.Text)
	}
	nadia.post("/desk/requests", "do", "release", "id", id).is(t, 303)
	nadia.post("/desk/requests", "do", "take", "id", id).is(t, 303)
	nadia.post("/desk/requests", "do", "made up", "id", id).is(t, http.StatusConflict)
	nadia.post("/desk/requests", "do", "come", "id", id).is(t, 303)
	if body := nadia.get("/desk/requests").body; strings.Contains(body, "ines@autre.example") {
		t.Error("it is listed still")
	}
	nadia.post("/desk/requests", "do", "take", "id", id).is(t, http.StatusConflict, "close")
	s.settled()
	list := &store.List{Queue: "desk-requests"}
	if err := s.store.Do(t.Context(), list); err != nil || len(list.Entries) != 4 {
		t.Errorf("%d are left, %v", len(list.Entries), err)
	}
	if log := s.log.String(); strings.Contains(log, "autre.example") || strings.Contains(log, "Youssef") || strings.Contains(log, "F26x0003") {
		t.Error("the log holds what somebody typed")
	}
}

// Of two operators at once exactly one looks after a request.
func TestOneTakesARequest(t *testing.T) {
	both := rules(true, false)
	both[1].Verbs = both[2].Verbs
	s := open(t, issuer, both)
	(&browser{s: s, cookies: map[string]string{}}).post("/help/request", "need", "exam", "name", "X", "reach", "x@y.example").is(t, 303)
	operators := []*browser{s.as("nadia.adml"), s.as("helene.roy")}
	id := requestID.FindStringSubmatch(operators[0].get("/desk/requests").body)[1]
	var wait sync.WaitGroup
	var mu sync.Mutex
	took := map[int]int{}
	for _, b := range operators {
		wait.Go(func() {
			a := b.post("/desk/requests", "do", "take", "id", id)
			mu.Lock()
			defer mu.Unlock()
			took[a.StatusCode]++
		})
	}
	wait.Wait()
	if took[http.StatusSeeOther] != 1 || took[http.StatusConflict] != 1 {
		t.Errorf("%v", took)
	}
}

// R33: a whole campus may ask for help, one after the other.
func TestRequestsOfACampus_R33(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	ask := func() answer {
		return (&browser{s: s, cookies: map[string]string{}}).post("/help/request", "need", "exam", "name", "Awa", "reach", "a@b.example")
	}
	for range 20 {
		ask().is(t, 303)
	}
	for range 30 { // and so on: 360 an hour
		ask().is(t, http.StatusTooManyRequests, "Attendez dix secondes", `value="Awa"`)
		s.store.Advance(10 * time.Second)
		ask().is(t, 303)
	}
}

// Where nobody answers requests there is no form for one.
func TestNobodyAnswers(t *testing.T) {
	s := before(t, "university", issuer, desks())
	guest := &browser{s: s, cookies: map[string]string{}}
	guest.get("/help/request").is(t, http.StatusNotFound)
	guest.post("/help/request", "need", "exam", "name", "Awa", "reach", "a@b.example").is(t, http.StatusNotFound)
}

// Who has nothing but a telephone is told by a text message, and who has a fixed
// line by the operator; a number that is none is not taken.
func TestRequestByTelephone(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	guest, nadia := &browser{s: s, cookies: map[string]string{}}, s.as("nadia.adml")
	ask := func(reach string) answer {
		return guest.post("/help/request", "need", "exam", "name", "Awa", "reach", reach)
	}
	for _, reach := range []string{"06", "+33 6 39 98 01 08 ext", "12345678901234567", "a@b"} {
		ask(reach).is(t, http.StatusBadRequest, "numéro de téléphone complet")
	}
	for _, reach := range []string{"06 39 98 01 08", "01.99.00.12.34"} {
		ask(reach).is(t, 303)
		id := requestID.FindStringSubmatch(nadia.get("/desk/requests").body)[1]
		nadia.post("/desk/requests", "do", "take", "id", id).is(t, 303)
		nadia.post("/desk/requests", "do", "solved", "id", id).is(t, 303)
	}
	s.settled()
	close(s.texts)
	var got []string
	for m := range s.texts {
		got = append(got, m.To+" "+m.Text)
	}
	slices.Sort(got)
	want := []string{"+33639980108 Lycée Simone Veil, une personne a pris en charge votre demande.", "+33639980108 Lycée Simone Veil, votre demande est réglée."}
	if !cmp.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
