package desk_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
)

// The letters of a class or a list, for those within reach only; who is not
// activated, and the invitation to them.
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
	nadia.post("/desk/lists", "of", "made up", "do", "csv").is(t, 400)
	s.as("nadia.adml").post("/desk/lists", "of", of, "group", "x", "lang", "en", "do", "force").is(t, 200, "Letters and lists", `value="x"`)

	table := nadia.post("/desk/lists", "of", of, "group", "2NDE5", "except", "tom.legoff\ntheo.legoff;x", "do", "csv").is(t, 200)
	if table.Header.Get("Content-Disposition") != `attachment; filename="letters.csv"` || table.Header.Get("Cache-Control") != "no-store" {
		t.Error(table.Header)
	}
	rows, err := csv.NewReader(strings.NewReader(table.body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows[1:] {
		got = append(got, row[2])
		if (row[3] != "") != (row[2] == "ines.benyoussef") {
			t.Errorf("%v", row)
		}
	}
	if strings.Join(got, " ") != "ines.benyoussef lea.dalmeida eloise.martin" && len(got) != 3 {
		t.Errorf("letters for %v", got)
	}
	// A list is held against the rules as everything else.
	pasted := nadia.post("/desk/lists", "logins", "jade.o-connor;3E2\r\nbruno.direx\r\nnadia.adml\r\nsaid.benyoussef;\r\n", "do", "csv").is(t, 200)
	if rows, _ := csv.NewReader(strings.NewReader(pasted.body)).ReadAll(); len(rows) != 2 || rows[1][2] != "said.benyoussef" {
		t.Errorf("%v", rows)
	}
	if a := nadia.post("/desk/lists", "of", of, "do", "pdf", "per_page", "8").is(t, 200); !strings.HasPrefix(a.body, "%PDF-") {
		t.Errorf("%.20q", a.body)
	}

	for _, login := range []string{"helene.roy", "lea.dalmeida"} { // no letters, no operator
		s.as(login).get("/desk/lists").is(t, 403)
		s.as(login).post("/desk/lists", "of", of, "do", "csv").is(t, 403)
		s.as(login).post("/desk/lists", "of", of, "do", "force").is(t, 403)
	}

	run := nadia.post("/desk/lists", "of", of, "do", "invite")
	if run.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", run.StatusCode, run.body)
	}
	s.settled()
	nadia.get(run.Header.Get("Location")).is(t, 200, "Fait\u00a0: 2 sur 2", "terminée")
	s.as("helene.roy").get(run.Header.Get("Location")).is(t, 404)
	if got := strings.Count(s.log.String(), "action=desk.invite result=ok"); got != 2 {
		t.Errorf("%d were invited", got)
	}
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
	if m := s.next("lea@example.org"); !strings.Contains(m.Text, "nouveau mot de passe est demandé") {
		t.Error(m.Text)
	}
	again := nadia.post("/desk/lists", append(fields, "do", "force")...) // they are marked already
	s.settled()
	nadia.get(again.Header.Get("Location")).is(t, 200, "Fait\u00a0: 3 sur 3")
	if got := strings.Count(s.log.String(), "action=desk.campaign result=ok"); got != 6 {
		t.Errorf("%d in the audit", got)
	}
}
