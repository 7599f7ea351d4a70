package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
)

// wide is a directory that can be looked through and edited.
type wide struct{ *people }

func (d wide) Search(_ context.Context, q directory.Query, each func(account.Account) bool) error {
	d.mu.Lock()
	var found []account.Account
	for _, a := range d.accounts {
		if a.Login == q.Text || slices.Contains(a.Attributes["number"], q.Text) || slices.ContainsFunc(a.Contacts, func(c account.Contact) bool { return c.Value == q.Text }) {
			found = append(found, a)
		}
	}
	d.mu.Unlock()
	for _, a := range found {
		if !each(a) {
			break
		}
	}
	return nil
}

func (d wide) Replace(_ context.Context, id account.ID, from, to account.Contact) error {
	err := directory.ErrConflict
	d.change(strings.TrimPrefix(string(id), "id-"), func(a *account.Account) {
		if from == (account.Contact{}) {
			a.Contacts, err = append(slices.Clone(a.Contacts), to), nil
			return
		}
		if i := slices.Index(a.Contacts, from); i >= 0 {
			a.Contacts, err = slices.Clone(a.Contacts), nil
			if a.Contacts[i] = to; to == (account.Contact{}) {
				a.Contacts = slices.Delete(a.Contacts, i, i+1)
			}
		}
	})
	return err
}

func (wide) Edit(context.Context, account.ID, string, []string, []string) error { return nil }

var inCodeMail = regexp.MustCompile(`(?m)^(\d{6})$`)

// changing is a world in which alice is about to change a rescue address.
func changing(t *testing.T) (w *world, change recovery.Change, begun recovery.Begun, code string) {
	t.Helper()
	w = start(t)
	w.flow.Directory, w.flow.Undo = wide{w.people}, "https://login.example/recover/undo?t="
	alice := w.people.accounts["alice"]
	change = recovery.Change{From: alice.Contacts[0], To: account.Contact{Kind: account.Email, Value: "new@home.example", Label: "SECOURS"}}
	begun, err := w.flow.BeginContact(t.Context(), alice, change, "en", "x", "")
	if err != nil {
		t.Fatal(err)
	}
	m := <-w.mails
	w.settled(t)
	if m.To != "new@home.example" || len(w.mails) != 0 || strings.Contains(m.Text, "https://login.example/recover/link") {
		t.Fatalf("sent to %s: %s", m.To, m.Text)
	}
	return w, change, begun, inCodeMail.FindString(m.Text)
}

// R25, R-REC-29: a new address is proved before it counts, the old ones are
// told, and may take it back for 72 hours.
func TestContact(t *testing.T) {
	w, change, begun, code := changing(t)
	contacts := func() []account.Contact { return w.people.accounts["alice"].Contacts }
	for _, wrong := range []struct {
		who  account.ID
		code string
	}{{"id-alice", "000000"}, {"id-newcomer", code}} {
		if _, err := w.flow.CompleteContact(t.Context(), wrong.who, recovery.Reply{Attempt: begun.Attempt, Code: wrong.code, Source: "x"}); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if contacts()[0] != change.From {
		t.Fatal("changed without a proof")
	}
	open := w.proof(t, "alice") // begun with the old addresses
	if got, err := w.flow.CompleteContact(t.Context(), "id-alice", recovery.Reply{Attempt: begun.Attempt, Code: code, Source: "x"}); err != nil || got != change.To {
		t.Fatalf("%+v, %v", got, err)
	}
	if contacts()[0] != change.To {
		t.Error("not changed")
	}
	if _, err := w.flow.Proven(t.Context(), open); !errors.Is(err, recovery.ErrNoProof) {
		t.Errorf("R-REC-09: what was begun before: %v", err)
	}
	w.settled(t)
	told, token := map[string]bool{}, ""
	for len(w.mails) > 0 {
		m := <-w.mails
		told[m.To] = true
		_, token, _ = strings.Cut(m.Text, "undo?t=")
		token, _, _ = strings.Cut(token, "\n")
		if strings.Contains(m.Text, "new@home.example") || !strings.Contains(m.Text, "n••••@h••••") {
			t.Errorf("the notice says %s", m.Text)
		}
	}
	if len(told) != 3 || told["new@home.example"] || !told["a@home.example"] {
		t.Errorf("told %v", told)
	}
	w.advance(71 * time.Hour)
	if good, err := w.flow.Undoable(t.Context(), token); err != nil || !good || contacts()[0] != change.To {
		t.Fatalf("looking: %v, %v", good, err)
	}
	if err := w.flow.UndoContact(t.Context(), token, ""); err != nil || contacts()[0] != change.From {
		t.Errorf("%v, now %v", err, contacts())
	}
	if err := w.flow.UndoContact(t.Context(), token, ""); !errors.Is(err, recovery.ErrNoProof) {
		t.Errorf("undone twice: %v", err)
	}
}

// The code of an address opens nothing else.
func TestContactProofIsForContactsOnly(t *testing.T) {
	w, _, begun, code := changing(t)
	proven, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err == nil || len(w.people.set) != 0 {
		t.Errorf("a password was set by the code of a new address: %v", err)
	}
	if _, err := w.flow.Unlock(t.Context(), proven.Proof, ""); err == nil {
		t.Error("unlocked by the code of a new address")
	}
}

// Nor is it one that is typed beside a name: that finds what was sent to get
// back in, before and after.
func TestContactCodeHasNoName(t *testing.T) {
	w := start(t)
	w.begin(t, "alice")
	_, recovering := w.next(t)
	w.settled(t)
	alice := w.people.accounts["alice"]
	if _, err := w.flow.BeginContact(t.Context(), alice, recovery.Change{To: account.Contact{Kind: account.Email, Value: "new@home.example"}}, "en", "x", ""); err != nil {
		t.Fatal(err)
	}
	adding := inCodeMail.FindString((<-w.mails).Text)
	w.settled(t)
	if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: adding}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the code of a new address: %v", err)
	}
	if _, err := w.answer(t, recovery.Reply{Login: "alice", Code: recovering}); err != nil {
		t.Errorf("the code of the message: %v", err)
	}
}

// R33: an owner has no more than three codes an hour sent to addresses that may
// be somebody else's.
func TestProvingIsBounded(t *testing.T) {
	w, change, _, _ := changing(t)
	begin := func(value string) error {
		change.To.Value = value
		_, err := w.flow.BeginContact(t.Context(), w.people.accounts["alice"], change, "en", "another network", "")
		return err
	}
	for _, value := range []string{"b@home.example", "c@home.example"} {
		if err := begin(value); err != nil {
			t.Fatal(err)
		}
	}
	if err := begin("d@home.example"); !errors.Is(err, recovery.ErrSlowDown) {
		t.Errorf("%v", err)
	}
	if w.settled(t); len(w.mails) != 2 {
		t.Errorf("%d codes", len(w.mails)+1)
	}
}

// told returns the tokens of the notices of changed addresses, by address.
func (w *world) told(t *testing.T) map[string]string {
	t.Helper()
	w.settled(t)
	tokens := map[string]string{}
	for len(w.mails) > 0 {
		m := <-w.mails
		if _, token, ok := strings.Cut(m.Text, "undo?t="); ok {
			tokens[m.To], _, _ = strings.Cut(token, "\n")
		}
	}
	return tokens
}

// racing is a directory in which somebody else is always faster.
type racing struct{ wide }

func (racing) Replace(context.Context, account.ID, account.Contact, account.Contact) error {
	return directory.ErrConflict
}

// An edit that lost its race changes nothing, and keeps the way back good.
func TestUndoConflict(t *testing.T) {
	w, _, begun, code := changing(t)
	if _, err := w.flow.CompleteContact(t.Context(), "id-alice", recovery.Reply{Attempt: begun.Attempt, Code: code, Source: "x"}); err != nil {
		t.Fatal(err)
	}
	token := w.told(t)["a@home.example"]
	w.flow.Directory = racing{wide{w.people}}
	if err := w.flow.UndoContact(t.Context(), token, ""); !errors.Is(err, directory.ErrConflict) {
		t.Errorf("%v", err)
	}
	if good, err := w.flow.Undoable(t.Context(), token); err != nil || !good {
		t.Errorf("%v, %v", good, err)
	}
}

// R25: whoever took the account over is out once a change is taken back: of
// what they had, session and proof, nothing is left.
func TestUndoEndsWhatWasGained(t *testing.T) {
	w, _, begun, code := changing(t)
	if _, err := w.flow.CompleteContact(t.Context(), "id-alice", recovery.Reply{Attempt: begun.Attempt, Code: code, Source: "x"}); err != nil {
		t.Fatal(err)
	}
	token := w.told(t)["a@home.example"]
	still, proof := w.signedIn(t, "alice"), w.proof(t, "alice")
	if err := w.flow.UndoContact(t.Context(), token, ""); err != nil {
		t.Fatal(err)
	}
	if still() {
		t.Error("the session lives on")
	}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.Is(err, recovery.ErrNoProof) || len(w.people.set) != 0 {
		t.Errorf("the proof: %v, set %v", err, w.people.set)
	}
}

// R25: for 72 hours the old address takes changes back however often they were
// repeated since, and what the thief was sent about them takes nothing back.
func TestUndoOfSeveralChanges(t *testing.T) {
	mailbox := func(value string) account.Contact {
		return account.Contact{Kind: account.Email, Value: value, Label: "SECOURS"}
	}
	home := account.Contact{}
	for name, changes := range map[string]func(thief, second account.Contact) []recovery.Change{
		"replaced twice": func(thief, second account.Contact) []recovery.Change {
			return []recovery.Change{{From: home, To: thief}, {From: thief, To: second}}
		},
		"removed and added": func(thief, second account.Contact) []recovery.Change {
			return []recovery.Change{{From: home, To: thief}, {From: thief}, {To: second}}
		},
		"added, the old one removed": func(thief, second account.Contact) []recovery.Change {
			return []recovery.Change{{To: thief}, {From: home}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.flow.Directory, w.flow.Undo = wide{w.people}, "https://login.example/recover/undo?t="
			before := w.people.accounts["alice"].Contacts
			home = before[0]
			var tokens []map[string]string
			for _, c := range changes(mailbox("thief@evil.example"), mailbox("second@evil.example")) {
				if err := w.flow.ReplaceContact(t.Context(), w.people.accounts["alice"], c, "", ""); err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, w.told(t))
				w.advance(time.Second)
			}
			here, there := "192.0.2.0/24", "198.51.100.0/24"
			for _, source := range []string{here, here, there, here, here, there} { // as many messages as an account gets in a day
				w.advance(30 * time.Minute)
				w.beginFrom(t, "alice", source)
				w.settled(t)
			}
			if err := w.flow.UndoContact(t.Context(), tokens[0][home.Value], "192.0.2.7"); err != nil {
				t.Fatal(err)
			}
			values := func() (out []string) {
				for _, c := range w.people.accounts["alice"].Contacts {
					out = append(out, c.Value)
				}
				slices.Sort(out)
				return out
			}
			want := []string{before[0].Value, before[1].Value}
			if got := values(); !slices.Equal(got, want) {
				t.Errorf("the addresses are %v, were %v", got, want)
			}
			for _, later := range tokens[1:] {
				for to, token := range later {
					if err := w.flow.UndoContact(t.Context(), token, ""); !errors.Is(err, recovery.ErrNoProof) {
						t.Errorf("a later message, to %s: %v", to, err)
					}
				}
			}
			if got := values(); !slices.Equal(got, want) {
				t.Errorf("the addresses are %v, were %v", got, want)
			}
			w.unread()
			w.begin(t, "alice") // the owner's turn, at once
			w.settled(t)
			if len(w.mails) != 1 || !slices.Contains(want, (<-w.mails).To) {
				t.Error("the owner gets no message")
			}
		})
	}
}

// family is a world in which three accounts share an address.
func family(t *testing.T) *world {
	t.Helper()
	w := start(t)
	w.flow.Directory = wide{w.people}
	for i, given := range []string{"Loïc", "Zoé", "Anne"} {
		login := []string{"lmartin", "zmartin", "amartin"}[i]
		w.people.accounts[login] = account.Account{ID: account.ID("id-" + login), Login: login, Logins: []string{login}, GivenName: given, FamilyName: "Martin",
			Status: account.Active, Contacts: []account.Contact{{Kind: account.Email, Value: "famille@home.example"}}}
	}
	w.people.change("amartin", func(a *account.Account) { a.Status, a.Reason = account.Disabled, account.ReasonClosed })
	return w
}

var inFamily = regexp.MustCompile(`: (\w+)\n.*\n.*link\?t=(\w+)\n.*\n(\d{6})`)

func members(t *testing.T, m mail.Message) map[string][2]string {
	t.Helper()
	out := map[string][2]string{}
	for _, found := range inFamily.FindAllStringSubmatch(m.Text, -1) {
		out[found[1]] = [2]string{found[2], found[3]}
	}
	return out
}

// R22: one mail, a link and a code for each account that may be recovered.
func TestFamily(t *testing.T) {
	for name, reply := range map[string]func(b recovery.Begun, own [2]string) recovery.Reply{
		"link": func(_ recovery.Begun, own [2]string) recovery.Reply { return recovery.Reply{Link: own[0]} },
		"code": func(b recovery.Begun, own [2]string) recovery.Reply {
			return recovery.Reply{Attempt: b.Attempt, Code: own[1]}
		},
		"code and address": func(_ recovery.Begun, own [2]string) recovery.Reply {
			return recovery.Reply{Login: "Famille@home.example", Code: own[1]}
		},
		"code and login": func(_ recovery.Begun, own [2]string) recovery.Reply {
			return recovery.Reply{Login: "zmartin", Code: own[1]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := family(t)
			begun := w.begin(t, "famille@home.example")
			m := <-w.mails
			w.settled(t)
			found := members(t, m)
			if len(w.mails) != 0 || len(found) != 2 || found["zmartin"][0] == "" || found["lmartin"][0] == "" || !strings.Contains(m.Text, "Zoé M.") || strings.Contains(m.Text, "Martin") {
				t.Fatalf("%d more mails, %v in %s", len(w.mails), found, m.Text)
			}
			proven, err := w.answer(t, reply(begun, found["zmartin"]))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil || !slices.Equal(w.people.set, []string{"zmartin"}) {
				t.Errorf("%v, set for %v", err, w.people.set)
			}
			if _, err := w.answer(t, recovery.Reply{Link: found["lmartin"][0]}); err != nil {
				t.Errorf("the other account's: %v", err)
			}
		})
	}
}

// R-REC-16, R-REC-17: what stands in a name is a name: no line, no markup and no
// recipient.
func TestHostileName(t *testing.T) {
	w := family(t)
	w.people.change("zmartin", func(a *account.Account) {
		a.GivenName, a.FamilyName = "Zoé\r\nBcc: x@evil.example\u2028\n<a href=//evil.example>{{.}}${x}</a>", "\n<b>Martin"
	})
	w.begin(t, "famille@home.example")
	m := <-w.mails
	w.settled(t)
	if len(w.mails) != 0 || m.To != "famille@home.example" || strings.Contains(m.HTML, "<a href=//evil") || strings.Contains(m.HTML, "<b>M") {
		t.Errorf("to %s: %s", m.To, m.HTML)
	}
	if !strings.Contains(m.Text, "Zoé") || !strings.Contains(m.HTML, "&lt;a href") {
		t.Errorf("the name is not there: %s %s", m.Text, m.HTML)
	}
	for _, line := range strings.Split(m.Text, "\n") {
		if strings.HasPrefix(line, "Bcc:") || strings.HasPrefix(line, "<a") || strings.Contains(line, "\u2028") {
			t.Errorf("a line of the mail is %q", line)
		}
	}
}

// R22, R33: bounds are for the address and for each account.
func TestFamilyIsBounded(t *testing.T) {
	w := family(t)
	w.flow.Limits.Submitted.Limit = 100 // another limit is tried
	for range 3 {
		w.begin(t, "famille@home.example")
		w.settled(t)
	}
	if len(w.mails) != 3 {
		t.Fatalf("%d mails", len(w.mails))
	}
	w.begin(t, "lmartin")
	w.begin(t, "famille@home.example")
	w.settled(t)
	if len(w.mails) != 3 {
		t.Error("more than three an hour to one address")
	}

	w = family(t)
	for _, login := range []string{"lmartin", "zmartin", "lmartin", "famille@home.example"} {
		w.begin(t, login)
		w.settled(t)
	}
	if len(w.mails) != 3 {
		t.Errorf("%d messages to one address, each account within its own bound", len(w.mails))
	}
}

// R22, R12: the mail says that accounts are missing in it, closed ones and those
// that are too many; and where all are closed it says why.
func TestFamilyTellsWhatIsMissing(t *testing.T) {
	const others = "Other accounts have this address"
	change := func(status account.Status, reason account.Reason, logins ...string) func(w *world) {
		return func(w *world) {
			for _, login := range logins {
				w.people.change(login, func(a *account.Account) {
					a.ID, a.Login, a.Status, a.Reason = account.ID("id-"+login), login, status, reason
					a.Contacts = []account.Contact{{Kind: account.Email, Value: "famille@home.example"}}
				})
			}
		}
	}
	for name, c := range map[string]struct {
		prepare func(w *world)
		links   int
		says    bool
	}{
		"nothing":             {change(account.Active, "", "amartin"), 3, false},
		"a closed one":        {change(account.Active, ""), 2, true},
		"nothing of six":      {change(account.Active, "", "amartin", "b", "c", "d"), 6, false},
		"one of seven":        {change(account.Active, "", "amartin", "b", "c", "d", "e"), 6, true},
		"all but one, closed": {change(account.Disabled, account.ReasonClosed, "lmartin"), 1, true},
		"all, closed":         {change(account.Disabled, account.ReasonClosed, "lmartin", "zmartin"), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := family(t)
			c.prepare(w)
			w.begin(t, "famille@home.example")
			w.settled(t)
			if len(w.mails) != 1 {
				t.Fatalf("%d mails", len(w.mails))
			}
			m := <-w.mails
			if got := len(members(t, m)); got != c.links || strings.Contains(m.Text, others) != c.says || strings.Contains(m.HTML, others) != c.says {
				t.Errorf("%d links in %s", got, m.Text)
			}
		})
	}
}

// A repetition after a fault is the same message.
func TestFamilyRepeats(t *testing.T) {
	w := family(t)
	w.fail.Store(1)
	w.begin(t, "famille@home.example")
	first := members(t, <-w.mails)
	for len(w.mails) == 0 {
		w.advance(30 * time.Second)
		w.flow.Outbox.Nudge()
		time.Sleep(5 * time.Millisecond)
	}
	if second := members(t, <-w.mails); len(first) != 2 || first["zmartin"] != second["zmartin"] || first["lmartin"] != second["lmartin"] {
		t.Errorf("%v and %v", first, second)
	}
}

// R22: an address in anything but the rescue addresses is nobody's.
func TestAddressOfAnotherAttribute(t *testing.T) {
	w := family(t)
	w.people.change("alice", func(a *account.Account) {
		a.Attributes = map[string][]string{"number": {"office@home.example"}}
	})
	w.begin(t, "office@home.example")
	if w.settled(t); len(w.mails) != 0 {
		t.Errorf("a message left to %s", (<-w.mails).To)
	}
}

// R2: two matches of anything but an address on file are none.
func TestAmbiguousIsNone(t *testing.T) {
	w := family(t)
	for _, login := range []string{"martin", "famille@elsewhere.example", "@", "*@home.example"} {
		w.begin(t, login)
	}
	w.settled(t)
	if len(w.mails) != 0 {
		t.Errorf("%d messages left", len(w.mails))
	}
}

// R-REC-09: a message is worth nothing once the directory has another address
// in its place, whoever changed it there.
func TestAddressThatIsGone(t *testing.T) {
	w := start(t)
	begun := w.begin(t, "alice")
	link, code := w.next(t)
	w.settled(t)
	w.people.change("alice", func(a *account.Account) {
		a.Contacts = []account.Contact{{Kind: account.Email, Value: "corrected@home.example", Label: "SECOURS"}}
	})
	if seen, err := w.flow.Look(t.Context(), link, ""); err != nil || seen.Fate != recovery.Ended || seen.Code != "" || seen.Login != "alice" {
		t.Errorf("%+v, %v", seen, err)
	}
	for _, reply := range []recovery.Reply{{Link: link}, {Attempt: begun.Attempt, Code: code}} {
		if _, err := w.answer(t, reply); !errors.Is(err, recovery.ErrWrong) {
			t.Errorf("%+v: %v", reply, err)
		}
	}
}

// R-REC-13: nor does a message that is tried again leave for another address
// than it was opened for.
func TestAddressThatIsGoneMeanwhile(t *testing.T) {
	w := start(t)
	w.fail.Store(1)
	w.begin(t, "alice")
	<-w.mails // it was not taken
	w.people.change("alice", func(a *account.Account) {
		a.Contacts = []account.Contact{{Kind: account.Email, Value: "other@home.example"}}
	})
	for range 2000 {
		events, err := w.flow.Events(t.Context(), "id-alice")
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 1 {
			if events[0].Result != "address_gone" || len(w.mails) != 0 {
				t.Errorf("%+v, %d mails", events, len(w.mails))
			}
			return
		}
		w.advance(time.Second)
		w.flow.Outbox.Nudge()
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it was not tried again")
}

// twins is a directory in which a name is that of two.
type twins struct{ *people }

func (d twins) Find(ctx context.Context, login string) (account.Account, error) {
	if login == "twin" {
		return account.Account{}, fmt.Errorf("%w: %w", directory.ErrNotFound, directory.ErrAmbiguous)
	}
	return d.people.Find(ctx, login)
}

// R2: nobody but the audit learns that a name is that of two.
func TestAmbiguousIsInTheAudit(t *testing.T) {
	w := start(t)
	var log strings.Builder
	w.flow.Directory, w.flow.Audit = twins{w.people}, audit.Log{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	w.begin(t, "twin")
	w.begin(t, "nobody")
	w.settled(t)
	if got := log.String(); strings.Count(got, "action=lookup.ambiguous") != 1 || strings.Contains(got, "twin") || len(w.mails) != 0 {
		t.Errorf("%d mails, %s", len(w.mails), got)
	}
}

// R20: the first address, and for the next request the next; R23: one that
// refuses is left out at once.
func TestAddressesTakeTurns(t *testing.T) {
	w := start(t)
	var to []string
	for range 3 {
		w.begin(t, "alice")
		to = append(to, (<-w.mails).To)
		w.settled(t)
	}
	if got := strings.Join(to, " "); got != "a@home.example a@work.example a@home.example" {
		t.Errorf("sent to %s", got)
	}

	w = start(t)
	dead := w.people.accounts["alice"].Contacts[0]
	w.refuse = dead.Value
	begun := w.begin(t, "alice")
	if m := <-w.mails; m.To != dead.Value {
		t.Errorf("first to %s", m.To)
	}
	m := <-w.mails
	w.settled(t)
	if doubtful, err := w.flow.Doubtful(t.Context(), w.people.accounts["alice"].Contacts); err != nil || !slices.Equal(doubtful, []account.Contact{dead}) {
		t.Errorf("doubtful %v, %v", doubtful, err)
	}
	if _, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: inMail.FindStringSubmatch(m.Text)[2]}); err != nil || m.To != "a@work.example" {
		t.Errorf("sent to %s, %v", m.To, err)
	}
}

// planned sends to the numbers of a plan.
type planned struct {
	texting
	plan sms.Plan
}

func (m *planned) To(a account.Account, _ recovery.Purpose) (out []account.Contact) {
	for _, c := range a.Reach(account.Phone) {
		if number, err := m.plan.Mobile(c.Value); err == nil {
			out = append(out, account.Contact{Kind: c.Kind, Value: number, Label: c.Label})
		}
	}
	return out
}

func (m *planned) Offers(a account.Account, p recovery.Purpose) bool { return len(m.To(a, p)) > 0 }

// R20, R-REC-14: a number is read as it will be sent to, and a mobile of a
// country that the site leaves out is refused for that.
func TestRescueNumber_R20(t *testing.T) {
	w, texts := withTelephones(t)
	abroad := sms.Plan{Home: []string{"BE"}, Countries: []string{"BE", "FR"}}
	for _, c := range []struct {
		plan        sms.Plan
		typed, want string
		err         error
	}{
		{sms.Plan{}, "0639 98 00 07", "+33639980007", nil},
		{sms.Plan{}, "751234", "+687751234", nil},
		{sms.Plan{}, "+1 202 555 0123", "", recovery.ErrCountry},
		{sms.Plan{}, "+81 90 1234 5678", "", recovery.ErrCountry},
		{sms.Plan{}, "04 73 00 00 00", "", recovery.ErrAddress},
		{sms.Plan{}, "06 39", "", recovery.ErrAddress},
		{abroad, "0470 12 34 56", "+32470123456", nil},
		{abroad, "0692 12 34 56", "", recovery.ErrCountry},
	} {
		w.flow.Methods[len(w.flow.Methods)-1] = &planned{*texts, c.plan}
		to, err := w.flow.Rescue(account.Account{ID: "id-alice"}, c.typed)
		if !errors.Is(err, c.err) || !errors.Is(c.err, recovery.ErrCountry) && errors.Is(err, recovery.ErrCountry) {
			t.Errorf("%s: %v, want %v", c.typed, err, c.err)
		}
		if err == nil && to.Value != c.want {
			t.Errorf("%s is %s, want %s", c.typed, to.Value, c.want)
		}
	}
}

// domains is a directory that knows those of the institution.
type domains struct{ wide }

func (domains) Own(id account.ID, address string) bool {
	return id == "id-alice" && strings.HasSuffix(address, "@staff.example")
}

// R20: an address in a domain of the institution is refused before a code goes
// there.
func TestRescueInADomainOfTheDirectory_R20(t *testing.T) {
	w, _ := withTelephones(t)
	w.flow.Directory = domains{wide{w.people}}
	for typed, want := range map[string]error{"alice@staff.example": recovery.ErrAddress, "alice@home.example": nil} {
		if _, err := w.flow.Rescue(account.Account{ID: "id-alice"}, typed); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", typed, err, want)
		}
	}
}

// R20: the domain of the institution is told from its names, and not from a mail
// address of somebody's own that stands in the same attribute, as schools have it.
func TestRescueBesideAnAddressOfOnesOwn_R20(t *testing.T) {
	w, _ := withTelephones(t)
	own := account.Contact{Kind: account.Email, Value: "lea@mail.example", Label: "mail"}
	pupil := account.Account{ID: "id-lea", Login: "lea", Mail: "lea@mail.example", Logins: []string{"lea", "lea@mail.example"}, Contacts: []account.Contact{own}}
	student := account.Account{ID: "id-lea", Login: "lea", Mail: "lea@univ.example", Logins: []string{"lea", "lea@staff.univ.example"}, Contacts: []account.Contact{own}}
	for _, c := range []struct {
		who   account.Account
		typed string
		err   error
	}{
		{pupil, "lea@mail.example", nil},
		{pupil, "Lea@Mail.example", nil},
		{pupil, "claire@mail.example", nil},
		{student, "claire@mail.example", nil},
		{student, "lea@univ.example", recovery.ErrAddress},
		{student, "claire@univ.example", recovery.ErrAddress},
		{student, "lea@staff.univ.example", recovery.ErrAddress},
	} {
		if _, err := w.flow.Rescue(c.who, c.typed); !errors.Is(err, c.err) {
			t.Errorf("%s of %s: %v, want %v", c.typed, c.who.Mail, err, c.err)
		}
	}
}
