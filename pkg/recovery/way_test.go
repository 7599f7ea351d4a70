package recovery_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/recovery/birthdate"
)

// second is the mail method by another name: it stands for text messages.
type second struct{ recovery.Addressed }

func (second) Name() string { return "second" }

// strict is a world in which staff must prove two things.
func strict(t *testing.T) *world {
	t.Helper()
	w := withDesk(t)
	born, err := (&birthdate.Config{}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	w.flow.Methods = append(w.flow.Methods, second{w.flow.Methods[0].(recovery.Addressed)}, born)
	w.flow.Ways = []recovery.Way{
		{For: account.Condition{Attribute: "affiliation", In: []string{"staff"}}, AnyOf: [][]string{{"emaillink", "second"}, {"helpdesk", "birthdate"}}},
		{Purposes: []recovery.Purpose{recovery.Activate}, AnyOf: [][]string{{"activationcode", "birthdate"}}},
		{AnyOf: [][]string{{"emaillink"}, {"helpdesk"}, {"birthdate"}}},
	}
	if err := recovery.CheckWays(w.flow.Ways, w.flow.Methods); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"boss", "clerk"} {
		w.people.accounts[login] = account.Account{ID: account.ID("id-" + login), Login: login, Status: account.Active, Birth: account.Date{Year: 1980, Month: 2, Day: 1},
			Contacts:   []account.Contact{{Kind: account.Email, Value: login + "@home.example"}},
			Attributes: map[string][]string{"affiliation": {"staff"}}}
	}
	w.people.change("newcomer", func(a *account.Account) { a.Birth = account.Date{Year: 2007, Month: 5, Day: 20} })
	w.people.change("alice", func(a *account.Account) { a.Birth = account.Date{Year: 2005, Month: 3, Day: 14} })
	return w
}

func (w *world) partial(t *testing.T, proof string) recovery.Ready {
	t.Helper()
	ready, err := w.flow.Proven(t.Context(), proof)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); !errors.Is(err, recovery.ErrPartial) || len(w.people.set) != 0 {
		t.Fatalf("half a proof: %v, passwords set for %v", err, w.people.set)
	}
	return ready
}

// Two messages: the first proof leads to the second one, and nowhere else.
func TestTwoProofs(t *testing.T) {
	w := strict(t)
	proof := w.proof(t, "boss")
	ready := w.partial(t, proof)
	want := []recovery.More{{Method: "second", Sends: true, To: "b••••@h••••"}, {Method: "helpdesk"}, {Method: "birthdate"}}
	if !slices.Equal(ready.More, want) || ready.Short {
		t.Errorf("leads to %+v", ready.More)
	}
	if _, err := w.flow.Next(t.Context(), proof, "emaillink", "en", ""); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the same proof again: %v", err)
	}
	begun, err := w.flow.Next(t.Context(), proof, "second", "en", "")
	if err != nil {
		t.Fatal(err)
	}
	_, code := w.next(t)
	w.settled(t)
	proven, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code, Proof: proof})
	if err != nil || proven.Proof != proof {
		t.Fatalf("%+v, %v", proven, err)
	}
	if ready, err := w.flow.Proven(t.Context(), proof); err != nil || len(ready.More) != 0 || ready.Short {
		t.Errorf("%+v, %v", ready, err)
	}
	if _, err := w.flow.Complete(t.Context(), proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
}

// What needs nobody else comes first, even when it takes more proofs; how many is
// said. Whoever can be known by a number alone begins with it where no message
// opens the way.
func TestWaysInOrder(t *testing.T) {
	w := strict(t)
	w.flow.Ways = []recovery.Way{{AnyOf: [][]string{{"helpdesk"}, {"birthdate", "emaillink", "second"}}}}
	proven, err := w.answer(t, recovery.Reply{Method: "birthdate", Login: "boss", Code: "01/02/1980"})
	if err == nil {
		t.Fatalf("a date was a proof: %+v", proven)
	}
	proof := w.proof(t, "boss")
	ready := w.partial(t, proof)
	var order []string
	for _, more := range ready.More {
		order = append(order, more.Method)
	}
	if want := []string{"birthdate", "second", "helpdesk"}; !slices.Equal(order, want) || ready.Left != 2 {
		t.Errorf("%q, %d left", order, ready.Left)
	}
	if !w.flow.Numbered(recovery.Activate) {
		t.Error("a message opens the way")
	}
	w.flow.Ways = append([]recovery.Way{{For: account.Condition{Attribute: "affiliation", In: []string{"staff"}}, AnyOf: [][]string{{"emaillink"}}}}, w.flow.Ways...)
	if w.flow.Numbered(recovery.Activate) {
		t.Error("no message opens a way to staff")
	}
}

// Two proofs of two people, or of two browsers, are no whole one.
func TestProofsDoNotAddUpAcross(t *testing.T) {
	w := strict(t)
	boss, clerk := w.proof(t, "boss"), w.proof(t, "clerk")
	begun, err := w.flow.Next(t.Context(), clerk, "second", "en", "")
	if err != nil {
		t.Fatal(err)
	}
	_, code := w.next(t)
	w.settled(t)
	proven, err := w.answer(t, recovery.Reply{Attempt: begun.Attempt, Code: code, Proof: boss})
	if err != nil || proven.Proof == boss {
		t.Fatalf("%+v, %v", proven, err)
	}
	for _, proof := range []string{boss, clerk, proven.Proof} {
		w.partial(t, proof)
	}
}

// The letter and the date of birth, in this order only: a date alone says
// nothing.
func TestLetterAndBirthDate(t *testing.T) {
	w := strict(t)
	if _, err := w.answer(t, recovery.Reply{Method: "birthdate", Login: "newcomer", Code: "20/05/2007"}); !errors.Is(err, recovery.ErrWrong) {
		t.Fatalf("the date alone: %v", err)
	}
	proven, err := w.answer(t, recovery.Reply{Login: "newcomer", Code: w.issue(t, "activationcode", "newcomer").Code.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	if ready := w.partial(t, proven.Proof); len(ready.More) != 1 || ready.More[0] != (recovery.More{Method: "birthdate"}) {
		t.Errorf("leads to %+v", ready.More)
	}
	if _, err := w.answer(t, recovery.Reply{Method: "birthdate", Code: "21/05/2007", Proof: proven.Proof}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("a wrong date: %v", err)
	}
	w.partial(t, proven.Proof)
	if _, err := w.answer(t, recovery.Reply{Method: "birthdate", Code: "20052007", Proof: proven.Proof}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), proven.Proof, secret.New(good), ""); err != nil {
		t.Fatal(err)
	}
}

// R43: what only adds is no proof, even where a configuration names it alone.
func TestFactsAloneAreNothing(t *testing.T) {
	w := strict(t)
	if _, err := w.answer(t, recovery.Reply{Method: "birthdate", Login: "alice", Code: "14/03/2005"}); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("%v", err)
	}
	w.flow.Ways = []recovery.Way{{AnyOf: [][]string{{"birthdate"}, {"emaillink", "second"}, {"emaillink", "birthdate", "helpdesk"}}}}
	proof := w.proof(t, "alice")
	if _, err := w.answer(t, recovery.Reply{Method: "birthdate", Code: "14/03/2005", Proof: proof}); err != nil {
		t.Fatal(err)
	}
	w.partial(t, proof) // one that does not suffice, and a fact that does not stand
}

// The named weak method: five tries an account and day, whatever was right.
func TestWeakMethod(t *testing.T) {
	w := start(t)
	weak, err := (&birthdate.Config{Weak: true}).Open(t.Context(), recovery.Env{})
	if err != nil {
		t.Fatal(err)
	}
	w.flow.Methods = append(w.flow.Methods, weak)
	for _, login := range []string{"newcomer", "alice"} {
		w.people.change(login, func(a *account.Account) { a.Birth = account.Date{Year: 2007, Month: 5, Day: 20} })
	}
	try := func(login, date string) error {
		_, err := w.answer(t, recovery.Reply{Method: "birthdate", Login: login, Code: date})
		return err
	}
	if err := try("alice", "20/05/2007"); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("for an account that is active: %v", err)
	}
	for range 5 {
		if err := try("newcomer", "21/05/2007"); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
	}
	if err := try("newcomer", "20/05/2007"); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the right date after five wrong ones: %v", err)
	}
	w.advance(2 * time.Hour)
	if err := try("newcomer", "20/05/2007"); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("two hours later: %v", err)
	}
	w.advance(23 * time.Hour)
	if err := try("newcomer", "20/05/2007"); err != nil {
		t.Error(err)
	}

	// Two numbers of one person are one person's tries.
	w.flow.Directory = wide{w.people}
	w.people.change("newcomer", func(a *account.Account) { a.Attributes = map[string][]string{"number": {"1001", "1002"}} })
	w.advance(25 * time.Hour)
	for range 5 {
		if err := try("1001", "21/05/2007"); !errors.Is(err, recovery.ErrWrong) {
			t.Fatal(err)
		}
	}
	if err := try("1002", "20/05/2007"); !errors.Is(err, recovery.ErrWrong) {
		t.Errorf("the right date beside another number: %v", err)
	}
}

// Number and date of birth open a channel on file, and prove nothing.
func TestIdentification(t *testing.T) {
	w := strict(t)
	begin := func(login, date string) recovery.Begun {
		t.Helper()
		begun, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Identifier, Login: login, Known: "birthdate", Fact: recovery.Answer{Code: date}, Language: "en", Source: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return begun
	}
	begin("alice", "15/03/2005")
	begin("nobody", "14/03/2005")
	begin("nobox", "14/03/2005")
	w.settled(t)
	if len(w.mails) != 0 {
		t.Fatal("a message left for a wrong date")
	}
	begin("alice", "14/03/2005")
	m := <-w.mails
	if m.To != "a@home.example" || !strings.Contains(m.Text, "alice") || !strings.Contains(m.Subject, "username") {
		t.Errorf("sent %q to %s: %s", m.Subject, m.To, m.Text)
	}
}

// R6: two of one number and date are none, and a number need not be a login.
func TestNumbersAreOnePerson(t *testing.T) {
	w := strict(t)
	w.flow.Directory = wide{w.people}
	number := func(login string, numbers ...string) {
		w.people.change(login, func(a *account.Account) {
			a.Birth, a.Attributes = account.Date{Year: 2005, Month: 3, Day: 14}, map[string][]string{"number": numbers}
		})
	}
	number("alice", "22401003", "22401009")
	number("guessed", "22401004", "22401009")
	for typed, want := range map[string]string{"22401003": "a@home.example", "22401004": "g@home.example", "22401009": ""} {
		if _, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Identifier, Login: typed, Known: "birthdate", Fact: recovery.Answer{Code: "14/03/2005"}, Source: "x"}); err != nil {
			t.Fatal(err)
		}
		w.settled(t)
		got := ""
		for len(w.mails) > 0 {
			got += (<-w.mails).To
		}
		if got != want {
			t.Errorf("%s: sent to %q, want %q", typed, got, want)
		}
	}
}

func TestCheckWays(t *testing.T) {
	w := strict(t)
	for place, way := range map[string]recovery.Way{
		"[0].anyOf: ":    {},
		"[0].anyOf[0]: ": {AnyOf: [][]string{{}}},
		"[0].anyOf[1]: ": {AnyOf: [][]string{{"emaillink"}, {"carrier pigeon"}}},
		"[0].purposes: ": {Purposes: []recovery.Purpose{"rest"}, AnyOf: [][]string{{"emaillink"}}},
		"[0].for: ":      {For: account.Condition{In: []string{"x"}}, AnyOf: [][]string{{"emaillink"}}},
	} {
		if err := recovery.CheckWays([]recovery.Way{way}, w.flow.Methods); err == nil || !strings.HasPrefix(err.Error(), place) {
			t.Errorf("%s%v", place, err)
		}
	}
	if err := recovery.CheckWays([]recovery.Way{{AnyOf: [][]string{{"emaillink", "emaillink"}}}}, w.flow.Methods); err == nil {
		t.Error("twice the same is two")
	}
}

// suffice is what strict asks for, written down a second time.
var suffice = map[string][][]string{
	"boss":     {{"emaillink", "second"}, {"helpdesk", "birthdate"}},
	"clerk":    {{"emaillink", "second"}, {"helpdesk", "birthdate"}},
	"newcomer": {{"activationcode", "birthdate"}},
	"alice":    {{"emaillink"}, {"helpdesk"}},
}

// No path to a password without a whole proof: random requests by three
// browsers, some of them right, against a model that knows what was proved.
func TestNoPathWithoutAProof(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	changes, refusals := 0, 0
	// Two rounds, and as many more as it takes to hit upon a right way.
	for round := 0; round < 2 || changes == 0 && round < 30; round++ {
		w := strict(t)
		l := &w.flow.Limits
		l.Submitted.Limit, l.Source.Limit, l.Hourly.Limit, l.Daily.Limit, l.Share.Limit, l.Tries.Limit, l.Elsewhere.Limit, l.Guesses.Limit, l.Facts.Limit = 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6
		people := []string{"boss", "clerk", "newcomer", "alice", "closed", "nobody"}
		born := map[string]string{"boss": "01/02/1980", "clerk": "01/02/1980", "newcomer": "20/05/2007", "alice": "14/03/2005"}
		pick := func(from []string) string { return from[random.IntN(len(from))] }
		var links, codes, proofs []string // every one that ever was; proofs of all browsers
		attempts := []string{"AAAAAAAAAAAAAAAA"}
		owner := map[string][2]string{}        // link or code → account, method
		proved := map[string]map[string]bool{} // proof → account + method
		remember := func(who, method string) func(m mail.Message) {
			return func(m mail.Message) {
				if found := inMail.FindStringSubmatch(m.Text); found != nil {
					links, codes = append(links, found[1]), append(codes, found[2])
					owner[found[1]], owner[found[1][:16]+found[2]] = [2]string{who, method}, [2]string{who, method}
				}
			}
		}
		drain := func(keep func(mail.Message)) {
			w.settled(t)
			for len(w.mails) > 0 {
				keep(<-w.mails)
			}
		}
		answered := func(reply recovery.Reply, who, method string) {
			p, err := w.answer(t, reply)
			if err != nil {
				return
			}
			if proved[p.Proof] == nil {
				proofs, proved[p.Proof] = append(proofs, p.Proof), map[string]bool{}
			}
			proved[p.Proof][who+" "+method] = true
		}
		some := func() string {
			if len(proofs) == 0 || random.IntN(3) == 0 {
				return ""
			}
			return pick(proofs)
		}
		for range 120 {
			who := pick(people)
			switch random.IntN(9) {
			case 0:
				method := pick([]string{"emaillink", "second", ""})
				begun, err := w.flow.Begin(t.Context(), recovery.Begin{Purpose: pick2(random), Method: method, Login: who, Source: "x"})
				if err != nil {
					t.Fatal(err)
				}
				attempts = append(attempts, begun.Attempt)
				if method == "" || who == "alice" { // whom "second" leads nowhere
					method = "emaillink"
				}
				drain(remember(who, method))
			case 1:
				if proof := some(); proof != "" {
					if begun, err := w.flow.Next(t.Context(), proof, "second", "fr", ""); err == nil {
						ready, _ := w.flow.Proven(t.Context(), proof)
						attempts = append(attempts, begun.Attempt)
						drain(remember(ready.Login, "second"))
					}
				}
			case 2:
				if len(links) > 0 {
					link := pick(links)
					answered(recovery.Reply{Link: link, Proof: some()}, owner[link][0], owner[link][1])
				}
			case 3:
				if len(codes) > 0 {
					attempt, code := pick(attempts), pick(codes)
					o := owner[attempt+code]
					answered(recovery.Reply{Attempt: attempt, Code: code, Proof: some()}, o[0], o[1])
				}
			case 4:
				method := pick([]string{"helpdesk", "activationcode"})
				if issued, err := w.flow.Issue(t.Context(), recovery.Issue{Method: method, Account: account.ID("id-" + who)}); err == nil {
					answered(recovery.Reply{Login: pick([]string{who, "alice"}), Code: issued.Code.Reveal()}, who, method)
				}
			case 5:
				if proof := some(); proof != "" {
					ready, err := w.flow.Proven(t.Context(), proof)
					date := pick([]string{"01/02/1980", "20/05/2007", "14/03/2005"})
					if err == nil && born[ready.Login] == date {
						answered(recovery.Reply{Method: "birthdate", Code: date, Proof: proof}, ready.Login, "birthdate")
					} else if _, err := w.answer(t, recovery.Reply{Method: "birthdate", Code: date, Proof: proof}); err == nil {
						t.Fatalf("seed %d: a wrong date was taken", seed)
					}
				}
			case 6:
				w.advance(time.Duration(random.IntN(600)) * time.Second)
			default:
				proof := some()
				before := len(w.people.set)
				ready, err := w.flow.Complete(t.Context(), proof, secret.New(good), "")
				wanted := suffice[ready.Login]
				if ready.Login == "newcomer" && ready.Purpose == recovery.Reset { // activated meanwhile
					wanted = suffice["alice"]
				}
				whole := slices.ContainsFunc(wanted, func(names []string) bool {
					return !slices.ContainsFunc(names, func(name string) bool { return !proved[proof][ready.Login+" "+name] })
				})
				switch {
				case err == nil && !whole:
					t.Fatalf("seed %d: a password was set for %s by %v", seed, ready.Login, proved[proof])
				case err == nil:
					changes++
					delete(proved, proof)
				case len(w.people.set) != before:
					t.Fatalf("seed %d: a refusal set a password", seed)
				default:
					refusals++
				}
				drain(func(mail.Message) {})
			}
		}
	}
	if changes == 0 || refusals == 0 {
		t.Errorf("seed %d: %d changes and %d refusals show nothing", seed, changes, refusals)
	}
	t.Log(fmt.Sprint(changes, " changes, ", refusals, " refusals"))
}

func pick2(random *rand.Rand) recovery.Purpose {
	return []recovery.Purpose{recovery.Reset, recovery.Activate, recovery.Identifier, recovery.Unlock}[random.IntN(4)]
}

// R12: of whom no message is proof enough, and has no other, the owner is told
// so, and nobody else. An account without an address gets nothing.
func TestNoWay(t *testing.T) {
	for name, typed := range map[string]string{"one": "boss", "all who share an address": "famille@home.example"} {
		t.Run(name, func(t *testing.T) {
			w := strict(t)
			w.flow.Directory = wide{w.people}
			w.flow.Ways[0].AnyOf = [][]string{{"emaillink", "birthdate"}}
			for _, login := range []string{"boss", "clerk"} {
				w.people.change(login, func(a *account.Account) {
					a.Birth, a.Contacts = account.Date{}, []account.Contact{{Kind: account.Email, Value: "famille@home.example"}}
				})
			}
			w.begin(t, typed)
			w.settled(t)
			if len(w.mails) != 1 {
				t.Fatalf("%d mails", len(w.mails))
			}
			if m := <-w.mails; m.To != "famille@home.example" || inMail.MatchString(m.Text) || !strings.Contains(m.Text, "A message is not enough for your account") {
				t.Errorf("to %s:\n%s", m.To, m.Text)
			}
			events, err := w.flow.Events(t.Context(), "id-boss")
			if err != nil || len(events) != 1 || events[0].Result != "no_channel" {
				t.Errorf("%+v, %v", events, err)
			}
		})
	}
}

// What is missing for one way is not asked for with more beside it, for another
// way: that would only be longer.
func TestNoLongerWay(t *testing.T) {
	w := strict(t)
	w.flow.Ways[0].AnyOf = [][]string{{"emaillink", "birthdate"}, {"second", "birthdate"}, {"helpdesk"}}
	ready := w.partial(t, w.proof(t, "boss"))
	var more []string
	for _, m := range ready.More {
		more = append(more, m.Method)
	}
	if got, want := fmt.Sprint(more), "[birthdate helpdesk]"; got != want || ready.Left != 1 {
		t.Errorf("%s, %d left; want %s, 1", got, ready.Left, want)
	}
}
