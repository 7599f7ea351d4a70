package desk_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/operator"
	"github.com/loge-idp/loge/pkg/recovery"
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
		if (row[3] != "") != (row[2] == "ines.benyoussef") || row[0] != "2NDE5" { // though one is in another school too
			t.Errorf("%v", row)
		}
	}
	if strings.Join(got, " ") != "ines.benyoussef lea.dalmeida eloise.martin" && len(got) != 3 {
		t.Errorf("letters for %v", got)
	}
	// A list is held against the rules as everything else.
	const typed = "\ufeff\"jade.o-connor\";3E2\r\nnobody.atall\r\nnadia.adml\r\nsaid.benyoussef;\r\n"
	nadia.post("/desk/lists", "logins", typed, "do", "csv").is(t, 200, "laissés de côté", "<li>jade.o-connor</li>", "<li>nobody.atall</li>", "<li>nadia.adml</li>",
		`value="jade.o-connor nobody.atall nadia.adml"`)
	pasted := nadia.post("/desk/lists", "logins", typed, "left", "jade.o-connor nobody.atall nadia.adml", "do", "csv").is(t, 200)
	if rows, _ := csv.NewReader(strings.NewReader(pasted.body)).ReadAll(); len(rows) != 2 || rows[1][2] != "said.benyoussef" {
		t.Errorf("%v", rows)
	}
	if a := nadia.post("/desk/lists", "of", of, "do", "pdf", "per_page", "8").is(t, 200); !strings.HasPrefix(a.body, "%PDF-") {
		t.Errorf("%.20q", a.body)
	}
	page := nadia.post("/desk/lists", "of", of, "do", "html", "per_page", "2").is(t, 200, `<div class="page">`)
	if page.Header.Get("Content-Disposition") != `attachment; filename="letters.html"` {
		t.Error(page.Header)
	}
	nadia.post("/desk/lists", "of", "made up", "do", "csv").is(t, 400)
	nadia.post("/desk/lists", "of", of, "do", "odt").is(t, 200, `id="main"`)
	for _, login := range []string{"helene.roy", "lea.dalmeida"} { // no letters, no operator
		s.as(login).post("/desk/lists", "of", of, "do", "csv").is(t, 403)
	}
}

// Whoever may not vouch for people gives out no codes by which those who have a
// password choose another one.
func TestLettersThatVouch(t *testing.T) {
	without := rules(true, false)
	without[2].Verbs = without[2].Verbs[1:]
	for _, c := range []struct {
		rules  operator.Rules
		reset  string
		status int
	}{{rules(true, false), "yes", 200}, {without, "", 200}, {without, "yes", 403}} {
		s := open(t, issuer, c.rules)
		s.as("nadia.adml").post("/desk/lists", "of", "local admin|0990011Z", "group", "2NDE5", "reset", c.reset, "do", "csv").is(t, c.status)
	}
}

// R64: an operator sees what they printed and nobody else did, and ends its codes
// when they are sure.
func TestBatchesAtTheDesk(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	nadia := s.as("nadia.adml")
	nadia.get("/desk/lists").is(t, 200, `href="/desk/letters"`)
	nadia.get("/desk/letters").is(t, 200, "Vous n’avez rien imprimé")
	printed := nadia.post("/desk/lists", "of", "local admin|0990011Z", "group", "2NDE5", "do", "csv").is(t, 200)
	rows, err := csv.NewReader(strings.NewReader(printed.body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, row := range rows {
		if row[2] == "ines.benyoussef" {
			code = row[3]
		}
	}
	all, err := s.press.Batches(t.Context())
	if err != nil || len(all) != 1 || code == "" {
		t.Fatalf("%v, %v, code %q", all, err, code)
	}
	name := all[0].Name
	nadia.get("/desk/letters").is(t, 200, name, "commencée aujourd’hui", "Impression terminée", "Fait\u00a0: 5 sur 5")
	nadia.post("/desk/letters", "revoke", name).is(t, 200, "Lettres concernées\u00a0: 1", `name="sure" value="`+name+`"`)
	nadia.post("/desk/letters", "sure", "another").is(t, 404)
	if all, _ := s.press.Batches(t.Context()); all[0].State != letters.Printed {
		t.Errorf("nobody was sure, and it is %s", all[0].State)
	}

	if _, err := s.press.Print(t.Context(), io.Discard, letters.Order{To: []letters.Recipient{{ID: s.account("said.benyoussef").ID}}, By: "cli", Format: letters.CSV}); err != nil {
		t.Fatal(err)
	}
	all, _ = s.press.Batches(t.Context())
	for _, b := range all {
		if b.By == "cli" {
			if page := nadia.get("/desk/letters"); strings.Contains(page.body, b.Name) {
				t.Error("the batch of somebody else is shown")
			}
			nadia.post("/desk/letters", "sure", b.Name).is(t, 404)
		}
	}
	for _, login := range []string{"helene.roy", "lea.dalmeida"} { // no letters, no operator
		s.as(login).get("/desk/letters").is(t, 403)
		s.as(login).post("/desk/letters", "sure", name).is(t, 403)
	}

	for range 2 { // a form that is sent again
		nadia.post("/desk/letters", "sure", name).is(t, 200, "Ces codes ne servent plus", "Codes annulés")
	}
	if _, err := s.flow.Answer(t.Context(), recovery.Reply{Login: "ines.benyoussef", Code: code, Source: "192.0.2.0/24"}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the code of a revoked batch: %v", err)
	}
	if got := strings.Count(s.log.String(), "action=recovery.batch result=revoked"); got != 1 {
		t.Errorf("%d revocations in the audit", got)
	}
}

// A browser that goes away before it has the letters leaves no code that works,
// and is not told that all went well.
func TestLettersCutShort(t *testing.T) {
	for _, format := range []string{"pdf", "html", "csv"} {
		t.Run(format, func(t *testing.T) {
			s := open(t, issuer, rules(true, false))
			nadia := s.as("nadia.adml")
			form := url.Values{"of": {"local admin|0990011Z"}, "do": {format}}
			r := httptest.NewRequest(http.MethodPost, issuer+"/desk/lists", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for name, value := range nadia.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			defer func() {
				if crash, _ := recover().(error); !errors.Is(crash, http.ErrAbortHandler) {
					t.Errorf("the answer ends with %v", crash)
				}
				all, err := s.press.Batches(t.Context())
				if err != nil || len(all) != 1 || all[0].State != letters.Revoked {
					t.Errorf("%+v, %v", all, err)
				}
				if log := s.log.String(); !strings.Contains(log, "result=revoked") || !strings.Contains(log, "letters cut short") {
					t.Error(log)
				}
			}()
			s.mux.ServeHTTP(&gone{httptest.NewRecorder()}, r)
		})
	}
}

// A printing takes longer than any other answer may: the server's limit holds for
// one that stands still.
func TestLettersTakeTheirTime(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	s := open(t, base, rules(true, false))
	server.Config.Handler, server.Config.WriteTimeout = s.mux, time.Nanosecond // it is over before anything is written
	server.Start()
	t.Cleanup(server.Close)
	form := url.Values{"of": {"local admin|0990011Z"}, "do": {"pdf"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/desk/lists", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range s.as("nadia.adml").cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if whole, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || !bytes.HasSuffix(whole, []byte("%%EOF\n")) {
		t.Errorf("status %d, %d bytes, %v", answer.StatusCode, len(whole), err)
	}
}

// gone is a connection whose other end is not there any more.
type gone struct{ *httptest.ResponseRecorder }

func (*gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
