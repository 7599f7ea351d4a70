package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/lifecycle"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
	"github.com/loge-idp/loge/providers/memory/fixtures"
)

// house is a directory with reminders over it.
type house struct {
	t     *testing.T
	clock *memory.FakeTimeStore
	dir   directory.Directory
	lifecycle.Config
	keys *secret.Keyring

	mu   sync.Mutex
	sent []mail.Message
	fail error
}

func newHouse(t *testing.T, now time.Time, dir directory.Directory) *house {
	t.Helper()
	clock, err := memory.NewFakeTimeStore(now, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clock.Close() })
	return &house{t: t, clock: clock, dir: dir, keys: secret.RandomKeyring()}
}

func (h *house) Send(_ context.Context, m mail.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	h.sent = append(h.sent, m)
	return m.Check()
}

var opened = sync.OnceValues(func() (*render.Pages, error) { return render.Open(render.Config{Issuer: "https://auth.example.fr"}) })

// machine is one process over the store of the house.
func (h *house) machine() *lifecycle.Reminders {
	h.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	pages, err := opened()
	if err != nil {
		h.t.Fatal(err)
	}
	r := &lifecycle.Reminders{
		Config: h.Config, Search: h.dir.(directory.Searcher), Directory: h.dir, Store: h.clock, Mail: h, Pages: pages, Home: "https://auth.example.fr/login",
		Outbox: &outbox.Outbox{Store: h.clock, Box: h.keys.Box("outbox"), Now: h.clock.Now, Logger: quiet, Poll: time.Millisecond},
		Audit:  audit.Log{Logger: quiet}, Now: h.clock.Now,
	}
	r.Start()
	return r
}

func (h *house) run(r *lifecycle.Reminders, apply bool) lifecycle.Counts {
	h.t.Helper()
	counts, err := r.Run(h.t.Context(), apply, nil, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return counts
}

// deliver does the jobs that are due within a minute, and returns what was sent.
func (h *house) deliver(r *lifecycle.Reminders) []mail.Message {
	h.t.Helper()
	h.clock.Advance(time.Minute)
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Outbox.Run(ctx) }()
	for list := (&store.List{Queue: "outbox"}); ; time.Sleep(time.Millisecond) {
		if err := h.clock.Do(ctx, list); err != nil {
			h.t.Fatal(err)
		}
		if !slices.ContainsFunc(list.Entries, func(e store.Entry) bool { return e.Due <= 0 }) {
			break // all are taken; Run ends when they are done
		}
	}
	stop()
	<-done
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := h.sent
	h.sent = nil
	return sent
}

// lines are who got what, sorted.
func lines(sent []mail.Message) (out []string) {
	for _, m := range sent {
		out = append(out, m.To+": "+m.Subject)
	}
	slices.Sort(out)
	return out
}

func (h *house) days(n int) { h.clock.Advance(time.Duration(n) * 24 * time.Hour) }

// R13: U26, a guest, is active for fifteen days more; U10, in grace, until the end of
// the year; U11's end is past; U20 arrives, which is no end.
func TestRemindersOfTheUniversity(t *testing.T) {
	now := fixtures.Clock
	dir, err := memory.DirectoryConfig{Fixtures: []string{"university"}, Now: func() time.Time { return now }}.Open(t.Context(), directory.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, now, dir)
	r := h.machine()
	var due []string
	counts, err := r.Run(t.Context(), false, nil, func(d lifecycle.Due) { due = append(due, fmt.Sprint(d.Account.Login, " ", d.Step, " ", d.Left)) })
	if err != nil || counts.Looked < 25 || !slices.Equal(due, []string{"fbadge 30 15"}) {
		t.Fatalf("%+v, %v: %v", counts, err, due)
	}
	if sent := h.deliver(r); sent != nil {
		t.Errorf("a dry run sent %v", sent)
	}
	h.run(r, true)
	if sent := lines(h.deliver(r)); !slices.Equal(sent, []string{
		"felix.badou@univ-valmont.example: Votre compte fermera le 30\u00a0septembre 2026", "felix@example.org: Votre compte fermera le 30\u00a0septembre 2026"}) {
		t.Errorf("%q", sent)
	}
}

// crowd is a directory of a few whose ends can be set.
type crowd struct {
	directory.Directory
	mu  sync.Mutex
	all []account.Account
}

func (c *crowd) Search(_ context.Context, _ directory.Query, each func(account.Account) bool) error {
	c.mu.Lock()
	all := slices.Clone(c.all)
	c.mu.Unlock()
	for _, a := range all {
		if !each(a) {
			return nil
		}
	}
	return nil
}

func (c *crowd) Get(_ context.Context, id account.ID) (account.Account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.all {
		if a.ID == id {
			return a, nil
		}
	}
	return account.Account{}, directory.ErrNotFound
}

var (
	noon  = time.Date(2026, 9, 15, 12, 0, 0, 0, account.Place)
	lasts = func(days int) time.Time {
		return time.Date(2026, 9, 15+days, 23, 59, 59, 0, account.Place)
	}
	kahina = account.Account{ID: "k", Login: "kaitouaret", Status: account.Grace, Ends: lasts(40), Mail: "k@univ.example", Language: "en",
		Contacts: []account.Contact{{Kind: account.Email, Value: "k@example.org"}, {Kind: account.Phone, Value: "+33639980110"}}}
)

// R13: each step is told once for one end, to each address once, whatever runs
// and on however many machines; the last day belongs to the account.
func TestEachStepOnce(t *testing.T) {
	h := newHouse(t, noon, &crowd{all: []account.Account{kahina}})
	a, b := h.machine(), h.machine()
	got := map[int]int{} // mails by days left
	for left := 40; left >= -2; left-- {
		counts := h.run(a, true)
		h.run(b, true) // before anything is sent
		if sent := h.deliver(a); len(sent) > 0 {
			got[left] = len(sent)
			if counts.Due != 1 || counts.Mails != 2 {
				t.Errorf("%d days left: %+v", left, counts)
			}
		}
		h.run(b, true) // and after
		if sent := h.deliver(b); len(sent) > 0 {
			t.Errorf("%d days left: again %v", left, sent)
		}
		h.clock.Advance(24*time.Hour - 2*time.Minute)
	}
	if diff := cmp.Diff(map[int]int{30: 2, 10: 2}, got); diff != "" {
		t.Error(diff)
	}
}

// Nobody ran it for weeks: one reminder, the nearest to the end. A later end
// is told anew.
func TestLateRunAndLaterEnd(t *testing.T) {
	people := &crowd{all: []account.Account{kahina}}
	h := newHouse(t, noon, people)
	h.days(40)
	r := h.machine()
	h.run(r, true)
	if sent := h.deliver(r); len(sent) != 2 {
		t.Fatalf("on the last day: %v", sent)
	}
	if counts := h.run(r, true); counts.Told != 1 || counts.Due != 0 {
		t.Errorf("%+v", counts)
	}
	people.mu.Lock()
	people.all[0].Ends = lasts(40 + 5)
	people.mu.Unlock()
	h.run(r, true)
	if sent := h.deliver(r); len(sent) != 2 || !strings.Contains(sent[0].Subject, "30\u00a0October 2026") {
		t.Errorf("of another end: %v", sent)
	}
}

// A mail server that is away loses no reminder; one that refuses an address is
// not asked for ever. What is no longer so when a job is done is not told.
func TestDelivery(t *testing.T) {
	people := &crowd{all: []account.Account{kahina}}
	h := newHouse(t, noon, people)
	h.days(10)
	h.fail = errors.New("busy")
	r := h.machine()
	h.run(r, true)
	h.deliver(r)
	h.clock.Advance(2 * time.Hour) // the jobs are given up
	h.deliver(r)
	h.fail = nil
	if counts := h.run(r, true); counts.Due != 1 {
		t.Fatalf("%+v", counts)
	}
	if sent := h.deliver(r); len(sent) != 2 {
		t.Errorf("%v", sent)
	}

	h.days(20)
	h.run(r, true)
	people.mu.Lock()
	people.all[0].Ends = lasts(400)
	people.mu.Unlock()
	if sent := h.deliver(r); sent != nil {
		t.Errorf("told of an end that is no longer: %v", sent)
	}

	people.all[0].Ends = lasts(35)
	h.fail = fmt.Errorf("%w: no such mailbox", mail.ErrRefused)
	h.run(r, true)
	h.deliver(r)
	if counts := h.run(r, true); counts.Told != 1 {
		t.Errorf("%+v", counts)
	}
}

// A machine that looked before another sent, and records its jobs after, repeats
// nothing.
func TestOneMachineIsLate(t *testing.T) {
	h := newHouse(t, noon.AddDate(0, 0, 10), &crowd{all: []account.Account{kahina}})
	a, b := h.machine(), h.machine()
	b.Store = &between{Store: h.clock, before: func(ops []store.Op) {
		if _, ok := ops[0].(*store.Push); ok {
			h.run(a, true)
			if sent := h.deliver(a); len(sent) != 2 {
				t.Errorf("%v", sent)
			}
		}
	}}
	if counts := h.run(b, true); counts.Due != 1 {
		t.Fatalf("%+v", counts)
	}
	if sent := h.deliver(a); len(sent) > 0 {
		t.Errorf("again: %v", sent)
	}
}

// A run is no burst: somebody's code leaves in between.
func TestPace(t *testing.T) {
	people := &crowd{}
	for i := range 250 {
		a := kahina
		a.ID = account.ID(fmt.Sprint("k", i))
		people.all = append(people.all, a)
	}
	h := newHouse(t, noon.AddDate(0, 0, 10), people)
	if counts := h.run(h.machine(), true); counts.Mails != 500 {
		t.Fatalf("%+v", counts)
	}
	h.clock.Advance(10*time.Second - time.Millisecond)
	pull := &store.Pull{Queue: "outbox", Max: 1000, Lease: time.Minute}
	if err := h.clock.Do(t.Context(), pull); err != nil || len(pull.Entries) != 200 {
		t.Errorf("%d in ten seconds, %v", len(pull.Entries), err)
	}
}

// R13: who is written to, and what it says about an extension.
func TestWhoAndWhat(t *testing.T) {
	student := kahina
	student.ID, student.Attributes = "s", map[string][]string{"kind": {"student"}}
	grace := []lifecycle.Grace{
		{Who: account.Condition{Attribute: "kind", In: []string{"student"}}, Months: 12, Renewable: true},
		{Who: account.Condition{Attribute: "kind", In: []string{"guest"}}, Months: 1, Renewable: true},
		{Who: account.Condition{Attribute: "kind"}, Months: 3},
	}
	for name, c := range map[string]struct {
		change func(*account.Account)
		want   string // in the mail; empty: none
	}{
		"renewable":        {func(*account.Account) {}, "You may ask for 12 more months"},
		"for one month":    {func(a *account.Account) { a.Attributes = map[string][]string{"kind": {"guest"}} }, "one more month"},
		"not renewable":    {func(a *account.Account) { a.Attributes = map[string][]string{"kind": {"staff"}} }, "cannot be put off"},
		"no rule":          {func(a *account.Account) { a.Attributes = nil }, "25\u00a0October 2026"},
		"active, ends":     {func(a *account.Account) { a.Status = account.Active }, "12 more months"},
		"a grace follows":  {func(a *account.Account) { a.Status, a.Closes = account.Active, lasts(400) }, "opens only some applications. It closes on"},
		"without an end":   {func(a *account.Account) { a.Ends = time.Time{} }, ""},
		"closed":           {func(a *account.Account) { a.Status = account.Disabled }, ""},
		"locked":           {func(a *account.Account) { a.Status = account.Locked }, ""},
		"ended yesterday":  {func(a *account.Account) { a.Ends = lasts(9) }, ""},
		"without a mail":   {func(a *account.Account) { a.Mail, a.Contacts = "", nil }, ""},
		"31 days are left": {func(a *account.Account) { a.Ends = lasts(41) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := student
			c.change(&a)
			h := newHouse(t, noon.AddDate(0, 0, 10), &crowd{all: []account.Account{a}})
			h.Config.Grace = grace
			r := h.machine()
			h.run(r, true)
			var texts []string
			for _, m := range h.deliver(r) {
				texts = append(texts, m.Text, m.HTML)
			}
			if (len(texts) > 0) != (c.want != "") {
				t.Fatalf("%d mails", len(texts))
			}
			for _, text := range texts {
				if !strings.Contains(text, c.want) {
					t.Errorf("no %q in\n%s", c.want, text)
				}
				if (name == "no rule" || name == "a grace follows") && (strings.Contains(text, "month") || strings.Contains(text, "put off")) {
					t.Error(text)
				}
			}
		})
	}
}
