package desk_test

import (
	"encoding/csv"
	"strings"
	"testing"
)

// The letters of a class or a list, for those within reach only.
func TestLetters(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	nadia := s.as("nadia.adml")
	const of = "local admin|0990011Z"
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
	nadia.post("/desk/lists", "of", "made up", "do", "csv").is(t, 400)
	for _, login := range []string{"helene.roy", "lea.dalmeida"} { // no letters, no operator
		s.as(login).post("/desk/lists", "of", of, "do", "csv").is(t, 403)
	}
}
