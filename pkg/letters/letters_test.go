package letters_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/letters"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/recovery/activationcode"
)

const issuer = "https://login.lycee-veil.example"

// theDay is that of the fixtures' cases.
var theDay = time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC)

type world struct {
	press *letters.Press
	log   *bytes.Buffer
	store *memory.FakeTimeStore
}

// open makes a press over a directory; the school of the fixtures when nil.
func open(t testing.TB, d directory.Directory) (w world) { return openOn(t, d, nil) }

// openOn is open with a store, one inside the process when nil.
func openOn(t testing.TB, d directory.Directory, kept store.Store) (w world) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.store, err = memory.NewFakeTimeStore(theDay, nil)
	must(err)
	t.Cleanup(func() { _ = w.store.Close() })
	if d == nil {
		d, err = memory.DirectoryConfig{Fixtures: []string{"school"}, Now: w.store.Now}.Open(t.Context(), directory.Env{})
		must(err)
		t.Cleanup(func() { _ = d.(io.Closer).Close() })
	}
	pages, err := render.Open(render.Config{Issuer: issuer, Now: w.store.Now,
		Site: render.Site{Name: render.Text{"": "Lycée Simone Veil"}, Help: render.Help{Phone: "01 99 00 12 34"}}})
	must(err)
	method, err := (&activationcode.Config{}).Open(t.Context(), recovery.Env{})
	must(err)
	w.log = &bytes.Buffer{}
	keys := secret.RandomKeyring()
	if kept == nil {
		kept = w.store
	}
	flow := &recovery.Flow{Store: kept, Directory: d, Keys: keys, Methods: []recovery.Method{method}, Pages: pages, Link: issuer + "/recover/link?t=",
		Outbox: &outbox.Outbox{Store: kept, Box: keys.Box("outbox")}, Limits: recovery.DefaultLimits(),
		Audit: audit.Log{Logger: slog.New(slog.NewTextHandler(w.log, nil))}, Now: w.store.Now}
	w.press = &letters.Press{Recovery: flow, Pages: pages, Home: issuer + "/activate", Typed: issuer + "/code", Lost: issuer + "/recover", Now: w.store.Now}
	return w
}

// class are the pupils of one, and a parent.
func (w world) class(t testing.TB) []letters.Recipient {
	t.Helper()
	to, err := letters.Search(t.Context(), w.press.Recovery.Directory, directory.Query{Where: map[string][]string{"ESCOUAI": {"0990011Z"}}}, account.Condition{}, "ENTEleveClasses")
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// R61, R64: sorted by class, then name; a code for whom there is to activate,
// the identifier for the others, nothing for whom the state forbids both.
func TestCSV(t *testing.T) {
	w := open(t, nil)
	var out bytes.Buffer
	steps := 0
	order := letters.Order{To: w.class(t), Format: letters.CSV, By: "cli", Progress: func() { steps++ }}
	done, err := w.press.Print(t.Context(), &out, order)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	codes := map[string]string{}
	for _, row := range rows[1:] {
		got = append(got, row[0]+" "+row[2])
		if row[3] != "" {
			codes[row[2]] = row[3]
			if !strings.HasPrefix(row[4], issuer+"/recover/link?t=") || row[5] != "2026-10-15" {
				t.Errorf("%v", row)
			}
		}
	}
	var sorted []string
	for _, row := range rows[1:] {
		sorted = append(sorted, row[0])
	}
	for i := 1; i < len(sorted); i++ {
		if sorted[i] < sorted[i-1] {
			t.Errorf("not sorted: %v", got)
		}
	}
	if len(codes) != 2 || codes["ines.benyoussef"] == "" || codes["said.benyoussef"] == "" {
		t.Errorf("codes for %v", codes)
	}
	if done.Codes != 2 || done.Reminders != len(got)-2 || done.Left == 0 || steps != len(order.To) || steps != done.Codes+done.Reminders+done.Left {
		t.Errorf("%+v after %d steps", done, steps)
	}
	if strings.Contains(strings.Join(got, " "), "noe.besson") {
		t.Error("a letter for somebody whom the school has blocked")
	}
	for _, code := range codes {
		if strings.Contains(w.log.String(), code) {
			t.Error("a code is in the log")
		}
	}
	if strings.Count(w.log.String(), "action=recovery.issue result=ok") != 2 || !strings.Contains(w.log.String(), "actor=cli") {
		t.Error(w.log.String())
	}

	// R-REC-24: each code works; a reprint ends the old one, the end of the
	// batch ends it too.
	answer := func(login, code string) error {
		_, err := w.press.Recovery.Answer(t.Context(), recovery.Reply{Login: login, Code: code, Source: "192.0.2.0/24"})
		return err
	}
	out.Reset()
	again, err := w.press.Print(t.Context(), &out, letters.Order{To: order.To, Format: letters.CSV, By: "cli"})
	if err != nil {
		t.Fatal(err)
	}
	if err := answer("ines.benyoussef", codes["ines.benyoussef"]); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the old code: %v", err)
	}
	rows, _ = csv.NewReader(&out).ReadAll()
	for _, row := range rows[1:] {
		if row[2] == "ines.benyoussef" {
			if err := answer(row[2], row[3]); err != nil {
				t.Errorf("the new code: %v", err)
			}
		}
	}
	if err := w.press.Revoke(t.Context(), again.Name, "cli"); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if row[2] == "said.benyoussef" {
			if err := answer(row[2], row[3]); !errors.Is(err, recovery.ErrWrong) {
				t.Errorf("after the revocation: %v", err)
			}
		}
	}
}

// A pupil of two schools is sorted into the class that was asked for; a name in
// letters that the font has not is nobody's on paper, and the login stands for it.
func TestTo(t *testing.T) {
	pupil := account.Account{Login: "lea", Attributes: map[string][]string{"class": {"SIREN=1,dc=x$3E2", "SIREN=2,dc=x$2NDE5"}}}
	for asked, want := range map[string]string{"": "3E2", "2nde5": "2NDE5", "SIREN=2,dc=x$2NDE5": "2NDE5", "other": "3E2"} {
		if got := letters.To(pupil, "class", asked); got.Group != want {
			t.Errorf("%q: %s, want %s", asked, got.Group, want)
		}
	}
	if got := letters.To(pupil, "none", "3E2"); got.Group != "" {
		t.Error(got.Group)
	}
}

// Names are drawn in Latin, Greek and Cyrillic letters. For one in others the
// login stands on paper, and nothing but a sign that is no letter is a question
// mark, of which the tags say what it is.
func TestAlphabets(t *testing.T) {
	w := open(t, nil)
	to := w.class(t)[:1]
	for name, marks := range map[string]int{"Łukasz Nguyễn Ελένη Ґалаґан": 0, "王小明": 0, "Zoë 😀": 1} {
		to[0].Name = name
		var paper bytes.Buffer
		if _, err := w.press.Print(t.Context(), &paper, letters.Order{To: to, Format: letters.PDF, By: "cli"}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(paper.String(), "/ActualText"); got != marks {
			t.Errorf("%s: %d lines with question marks, want %d", name, got, marks)
		}
	}
}

// R61: where only the school gives codes back, whoever is activated gets one too
// when the order says so, and the letter says what for.
func TestResets_R61(t *testing.T) {
	w := open(t, nil)
	order := letters.Order{To: w.class(t), Format: letters.HTML, By: "cli", Reset: true}
	if _, err := w.press.Print(t.Context(), io.Discard, order); !errors.Is(err, letters.ErrNoReset) {
		t.Fatalf("without the method's reset: %v", err)
	}
	method, err := (&activationcode.Config{Reset: true}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	w.press.Recovery.Methods = []recovery.Method{method}
	order.Reset = false
	if done, err := w.press.Print(t.Context(), io.Discard, order); err != nil || done.Codes != 2 || done.Reminders == 0 {
		t.Errorf("not asked for: %+v, %v", done, err)
	}
	order.Reset = true
	var out strings.Builder
	done, err := w.press.Print(t.Context(), &out, order)
	if err != nil || done.Codes < 3 || done.Reminders != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if first, other := strings.Count(out.String(), "Votre compte vous attend"), strings.Count(out.String(), "choisir un nouveau mot de passe"); first != 2 || other != done.Codes-2 {
		t.Errorf("%d letters to activate and %d to choose another password, of %d", first, other, done.Codes)
	}
	if !strings.Contains(out.String(), issuer+"/code") {
		t.Error("it is not said where the code is typed")
	}
}

// What fails leaves no code that nobody holds.
func TestFailureRevokes(t *testing.T) {
	w := open(t, nil)
	fault := errors.New("disk full")
	order := letters.Order{To: w.class(t), Format: letters.PDF, PerPage: 2}
	revoked := 0
	for _, format := range []letters.Format{letters.PDF, letters.HTML, letters.CSV} {
		order.Format = format
		if _, err := w.press.Print(t.Context(), failing{fault}, order); !errors.Is(err, fault) {
			t.Fatalf("%s: %v", format, err)
		}
		if revoked++; strings.Count(w.log.String(), "action=recovery.batch result=revoked") != revoked {
			t.Errorf("%s: %s", format, w.log.String())
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	order.Progress = stop
	if _, err := w.press.Print(ctx, io.Discard, order); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if strings.Count(w.log.String(), "result=revoked") != revoked+1 {
		t.Error("the codes of an interrupted printing stay")
	}
}

// Nothing is written, and no batch begun, for what cannot be printed.
func TestNothingToPrint(t *testing.T) {
	w := open(t, nil)
	var out bytes.Buffer
	for name, order := range map[string]letters.Order{
		"three to a page":    {To: w.class(t), Format: letters.PDF, PerPage: 3},
		"three in HTML":      {To: w.class(t), Format: letters.HTML, PerPage: 3},
		"another format":     {To: w.class(t), Format: "odt"},
		"no format":          {To: w.class(t)},
		"nobody of the sort": {To: []letters.Recipient{{ID: "nobody"}}, Format: letters.PDF},
		"nobody, as table":   {To: []letters.Recipient{{ID: "nobody"}}, Format: letters.CSV},
		"nobody, in HTML":    {To: []letters.Recipient{{ID: "nobody"}}, Format: letters.HTML},
	} {
		_, err := w.press.Print(t.Context(), &out, order)
		if err == nil || out.Len() > 0 || strings.HasPrefix(name, "nobody") != errors.Is(err, letters.ErrNobody) {
			t.Errorf("%s: %v, %q", name, err, out.String())
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// R64: of the pages there are as many as it takes, and each letter is a part of
// the document with a heading; what pkg/letters/pdf writes is tested there.
func TestPDF(t *testing.T) {
	for perPage, pages := range map[int]int{1: 18, 2: 9, 8: 3} {
		t.Run(fmt.Sprint(perPage), func(t *testing.T) {
			w := open(t, nil)
			var out bytes.Buffer
			done, err := w.press.Print(t.Context(), &out, letters.Order{To: w.class(t), Format: letters.PDF, PerPage: perPage})
			if err != nil {
				t.Fatal(err)
			}
			text := out.String()
			n := done.Codes + done.Reminders
			for what, want := range map[string]int{"/Type/Page/": pages, "/S/Sect/": n, "/S/H1/": n, "/S/Figure/": done.Codes} {
				if got := strings.Count(text, what); got != want {
					t.Errorf("%d of %s, want %d", got, what, want)
				}
			}
		})
	}
}

// R64: HTML has one heading and one language for each letter, no script, and
// nothing of a name is markup.
func TestHTML(t *testing.T) {
	for perPage, pages := range map[int]int{0: 18, 1: 18, 2: 9, 8: 3} {
		w := open(t, nil)
		var out bytes.Buffer
		to := w.class(t)
		done, err := w.press.Print(t.Context(), &out, letters.Order{To: to, Format: letters.HTML, PerPage: perPage})
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(&out)
		d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		found := map[string]int{}
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok {
				found[e.Name.Local]++
				for _, a := range e.Attr {
					found[e.Name.Local+" "+a.Name.Local]++
				}
			}
		}
		n := done.Codes + done.Reminders
		want := map[string]int{"h1": 1, "h2": n, "article": n, "article lang": n, "html lang": 1, "div class": pages, "svg": done.Codes, "figure aria-label": done.Codes, "figure role": done.Codes, "title": 1}
		for name, times := range want {
			if found[name] != times {
				t.Errorf("%d to a page: %d of %s, want %d", perPage, found[name], name, times)
			}
		}
		for _, none := range []string{"script", "link", "img", "a"} {
			if found[none] > 0 {
				t.Errorf("<%s>", none)
			}
		}
	}
	d := &crowd{n: 1, name: "<b>R&D</b>\n# x"}
	w := open(t, d)
	to, err := letters.Search(t.Context(), d, directory.Query{}, account.Condition{}, "")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if _, err := w.press.Print(t.Context(), &out, letters.Order{To: to, Format: letters.HTML}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<p>&lt;b&gt;R&amp;D&lt;/b&gt; # x</p>", `<span class="url">https://login.lycee-veil.example/activate</span>`,
		"01\u00a099\u00a000\u00a012\u00a034"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}

// R64: how far a printing is can be seen from anywhere, and whoever revokes it
// ends it.
func TestBatches(t *testing.T) {
	d := &crowd{n: 250}
	w := open(t, d)
	to, err := letters.Search(t.Context(), d, directory.Query{}, account.Condition{}, "class")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	look := func() letters.Batch {
		t.Helper()
		all, err := w.press.Batches(t.Context())
		if err != nil || len(all) == 0 {
			t.Fatalf("%v, %v", all, err)
		}
		seen = append(seen, fmt.Sprintf("%s %d/%d", all[0].State, all[0].Done(), all[0].Total))
		return all[0]
	}
	steps := 0
	order := letters.Order{To: append(to, to[0]), By: "somebody", Format: letters.CSV, Progress: func() {
		if steps++; steps == 1 || steps == 220 {
			look()
		}
	}}
	done, err := w.press.Print(t.Context(), io.Discard, order)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(done, look()); diff != "" || done.By != "somebody" || !done.At.Equal(theDay) || done.Codes != 250 {
		t.Errorf("%+v %s", done, diff)
	}
	w.store.Advance(time.Hour)
	steps, order.Progress = 0, func() {
		if steps++; steps == 150 {
			if err := w.press.Revoke(t.Context(), look().Name, "another"); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := w.press.Print(t.Context(), io.Discard, order); !errors.Is(err, recovery.ErrBatch) || steps != 150 {
		t.Errorf("after %d letters: %v", steps, err)
	}
	look()
	w.store.Advance(time.Hour)
	func() { // the process ends
		defer func() { _ = recover() }()
		steps, order.Progress = 0, func() {
			if steps++; steps == 101 {
				panic("killed")
			}
		}
		_, err := w.press.Print(t.Context(), io.Discard, order)
		t.Errorf("printed: %v", err)
	}()
	look()
	w.store.Advance(11 * time.Minute)
	look()
	if diff := cmp.Diff([]string{"printing 0/250", "printing 200/250", "printed 250/250", "printing 100/250", "revoked 150/250", "printing 100/250", "interrupted 100/250"}, seen); diff != "" {
		t.Error(diff)
	}
	w.store.Advance(91 * 24 * time.Hour)
	if all, err := w.press.Batches(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// R64: letters are sorted by class as people count, then by family name.
func TestOrder(t *testing.T) {
	d := &crowd{n: 60}
	w := open(t, d)
	to, err := letters.Search(t.Context(), d, directory.Query{}, account.Condition{}, "class")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := w.press.Print(t.Context(), &out, letters.Order{To: to, Format: letters.CSV}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, row := range rows[1:] {
		got = append(got, row[0]+" "+row[2])
	}
	for class := range 30 {
		want = append(want, fmt.Sprintf("3E%d eleve%04d", class, class), fmt.Sprintf("3E%d eleve%04d", class, class+30))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A name is no formula of a spreadsheet (CWE-1236).
func TestInertCSV(t *testing.T) {
	d := &crowd{n: 1, name: "=HYPERLINK(1)"}
	w := open(t, d)
	to, err := letters.Search(t.Context(), d, directory.Query{}, account.Condition{}, "")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := w.press.Print(t.Context(), &out, letters.Order{To: to, Format: letters.CSV}); err != nil {
		t.Fatal(err)
	}
	rows, _ := csv.NewReader(&out).ReadAll()
	if diff := cmp.Diff("'=HYPERLINK(1)", rows[1][1]); diff != "" {
		t.Error(diff)
	}
}

// crowd is a directory of n people to activate, made when asked for.
type crowd struct {
	directory.Writer
	n    int
	name string
}

func (c *crowd) person(i int) account.Account {
	login := fmt.Sprintf("eleve%04d", i)
	name := c.name
	if name == "" {
		name = fmt.Sprintf("Élève N’%04d Œuvrard-Nguyễn", i)
	}
	return account.Account{ID: account.ID(login), Login: login, Logins: []string{login}, Name: name, FamilyName: name, Status: account.Pending,
		Reason: account.ReasonNotActivated, Attributes: map[string][]string{"class": {fmt.Sprintf("3E%d", i%30)}}}
}

func (c *crowd) Find(ctx context.Context, login string) (account.Account, error) {
	return c.Get(ctx, account.ID(login))
}

func (c *crowd) Get(_ context.Context, id account.ID) (account.Account, error) {
	var i int
	if _, err := fmt.Sscanf(string(id), "eleve%04d", &i); err != nil || i >= c.n {
		return account.Account{}, directory.ErrNotFound
	}
	return c.person(i), nil
}

func (c *crowd) Authenticate(context.Context, account.Account, secret.String) error {
	return directory.ErrBadPassword
}

func (c *crowd) Search(_ context.Context, _ directory.Query, each func(account.Account) bool) error {
	for i := range c.n {
		if !each(c.person(i)) {
			return nil
		}
	}
	return nil
}
