package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Reminders writes to people whose account will end. Its fields are set before
// Start.
type Reminders struct {
	Config    Config
	Search    directory.Searcher
	Directory directory.Reader
	Store     store.Store
	Outbox    *outbox.Outbox
	Mail      mail.Sender
	Pages     *render.Pages
	Home      string // the URL where to sign in
	Audit     audit.Log
	Now       func() time.Time // default time.Now
}

// jobRemind is one mail to one address.
const jobRemind = "ending"

// Start names the handler of the jobs. Call it once, before the outbox runs.
func (r *Reminders) Start() { r.Outbox.Handle(jobRemind, r.deliver) }

// Due is a reminder that is to leave.
type Due struct {
	Account account.Account
	Step    int // days before the end, of the reminder
	Left    int // days that are left
	// Mails is to how many addresses.
	Mails int
}

// Counts are what a run found.
type Counts struct {
	Looked    int // accounts of the directory
	Ending    int // of these, such as have a reminder due by now
	Told      int // which were told by an earlier run
	Unreached int // or have no address
	Due       int // and which are told by this run
	Mails     int // in so many mails
}

// page is how many accounts are looked at in one round trip to the store.
const page = 100

// Run looks through the directory for accounts with a reminder due and, with
// apply, has the mails leave: each once, however often and on however many
// machines it runs. Looked is called after each account, each for those that
// are told; both may be nil. Errors wrap directory.ErrUnavailable or
// store.ErrUnavailable; what was done before stays done, and another run does
// the rest.
func (r *Reminders) Run(ctx context.Context, apply bool, looked func(), each func(Due)) (Counts, error) {
	var (
		counts Counts
		batch  []Due
		failed error
		now    = r.now()
	)
	flush := func() bool {
		failed = r.flush(ctx, batch, apply, &counts, each)
		batch = batch[:0]
		return failed == nil
	}
	err := r.Search.Search(ctx, directory.Query{}, func(a account.Account) bool {
		counts.Looked++
		if looked != nil {
			looked()
		}
		if due, ok := r.due(a, now); ok {
			counts.Ending++
			if batch = append(batch, due); len(batch) == page {
				return flush()
			}
		}
		return true
	})
	if failed != nil {
		return counts, failed
	}
	if err != nil {
		return counts, err
	}
	flush()
	return counts, failed
}

// due is the reminder of an account; ok is false when there is none now.
func (r *Reminders) due(a account.Account, now time.Time) (due Due, ok bool) {
	if !a.Status.MayLogin() || a.Ends.IsZero() {
		return Due{}, false
	}
	left := daysLeft(a.Ends, now)
	due = Due{Account: a, Left: left, Step: r.Config.step(left), Mails: len(a.Mailboxes())}
	return due, left >= 0 && due.Step > 0
}

// flush has those of a batch leave that were not told yet.
func (r *Reminders) flush(ctx context.Context, batch []Due, apply bool, counts *Counts, each func(Due)) error {
	if len(batch) == 0 {
		return nil
	}
	reads, ops := make([]*store.Read, len(batch)), make([]store.Op, len(batch))
	for i, due := range batch {
		reads[i] = &store.Read{Key: mark(due.Account, due.Step)}
		ops[i] = reads[i]
	}
	if err := r.Store.Do(ctx, ops...); err != nil {
		return err
	}
	var leaving []store.Op
	for i, due := range batch {
		switch {
		case reads[i].Fields != nil:
			counts.Told++
			continue
		case due.Mails == 0:
			counts.Unreached++
			continue
		}
		counts.Due++
		if each != nil {
			each(due)
		}
		for _, job := range r.jobs(due) {
			op := r.Outbox.Op(job)
			op.After = time.Duration(counts.Mails) * pace
			counts.Mails++
			leaving = append(leaving, op)
		}
	}
	if !apply || len(leaving) == 0 {
		return nil
	}
	return r.Store.Do(ctx, leaving...)
}

// pace is the time between two mails of a run, so that the code which somebody
// waits for need not wait for thousands of them.
const pace = 50 * time.Millisecond

// reminder is what a job carries. The account is read again when it is done.
type reminder struct {
	Account account.ID `json:"a"`
	Step    int        `json:"s"`
	To      string     `json:"to"`
}

// jobs name what they are about, so that those of two runs side by side are
// one.
func (r *Reminders) jobs(due Due) (jobs []outbox.Job) {
	mark := mark(due.Account, due.Step)
	for _, to := range due.Account.Mailboxes() {
		data, err := json.Marshal(reminder{Account: due.Account.ID, Step: due.Step, To: to.Value})
		if err != nil {
			panic(err) // texts and a number
		}
		jobs = append(jobs, outbox.Job{ID: mark.Tag + " " + field(to.Value), Kind: jobRemind, Data: data})
	}
	return jobs
}

// deliver sends one mail, unless it was sent or is no longer due. That
// it was is noted afterwards: a mail server that is away loses none, and a crash
// between the two repeats the same message.
func (r *Reminders) deliver(ctx context.Context, job outbox.Job) error {
	var m reminder
	if err := json.Unmarshal(job.Data, &m); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	a, err := r.Directory.Get(ctx, m.Account)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if due, ok := r.due(a, r.now()); !ok || due.Step != m.Step {
		return nil
	}
	key := mark(a, m.Step)
	told := &store.Read{Key: key}
	if err := r.Store.Do(ctx, told); err != nil || told.Fields[field(m.To)] != "" {
		return err
	}
	result := "ok"
	switch err := r.send(ctx, job.ID, a, m.To); {
	case errors.Is(err, mail.ErrRefused):
		result = "undeliverable" // and no other run tries it again
	case err != nil:
		return err
	}
	r.Audit.Record(ctx, audit.Event{Action: "lifecycle.reminder", Result: result, Account: a.ID})
	sent := store.Fields{field(m.To): "sent"}
	return r.Store.Do(ctx,
		&store.Create{Key: key, Fields: sent, TTL: a.Ends.Sub(r.now()) + remembered},
		&store.Write{Key: key, Fields: sent})
}

// remembered is how long after the end of an account its reminders are.
const remembered = 30 * 24 * time.Hour

func (r *Reminders) send(ctx context.Context, id string, a account.Account, to string) error {
	view := render.MailEnding{Login: a.Login, Ends: a.Ends, Closes: a.Closes, URL: r.Home}
	switch grace := r.Config.GraceOf(a, r.now()); {
	case !Extensible(a): // a grace follows, and then the next reminder
	case grace.Renewable:
		view.Months = grace.Months
	default:
		view.Final = grace.Months > 0
	}
	letter, err := r.Pages.Mail(a.Language, view)
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	return r.Mail.Send(ctx, mail.Message{ID: secret.Hash(id)[:22], To: to, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, Language: letter.Language})
}

// mark is the record of a reminder: who was told, of which end, at which step.
func mark(a account.Account, step int) store.Key {
	return store.Key{Tag: "ending-" + secret.Hash(string(a.ID) + " " + dayOf(a.Ends) + " " + strconv.Itoa(step))[:22], Name: "told"}
}

// field names an address in a mark without telling it.
func field(address string) string { return secret.Hash(address)[:12] }

func dayOf(t time.Time) string { return t.In(account.Place).Format(time.DateOnly) }

func (r *Reminders) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}
