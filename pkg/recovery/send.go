package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// sending is an attempt on its way to be sent.
type sending struct {
	id      string
	fields  store.Fields
	typed   typed
	account account.Account
	purpose Purpose
	method  Method
	to      account.Contact
}

// challenge looks the account up and has the method send its challenge. It is
// the one place that knows whether there is an account.
func (f *Flow) challenge(ctx context.Context, job outbox.Job) error {
	var id string
	if err := json.Unmarshal(job.Data, &id); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	read := &store.Read{Key: key(id)}
	if err := f.Store.Do(ctx, read); err != nil {
		return err
	}
	t, err := f.openTyped(read.Fields[fieldLogin], id)
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err) // gone: it grew too old
	}
	found, err := f.whose(ctx, read.Fields, t)
	if err != nil {
		return err
	}
	for i := range found {
		if found[i], err = f.Usable(ctx, found[i]); err != nil {
			return err
		}
	}
	switch len(found) {
	case 0:
		return f.sent(ctx, "unknown", sending{id: id, fields: read.Fields})
	case 1:
		return f.send(ctx, sending{id: id, fields: read.Fields, typed: t, account: found[0]})
	}
	return f.sendFamily(ctx, sending{id: id, fields: read.Fields, typed: t}, found)
}

// whose returns the account that was found before, or that the login finds, or
// all those that have the login as an address on file (requirement R22).
func (f *Flow) whose(ctx context.Context, fields store.Fields, t typed) ([]account.Account, error) {
	if id := fields[fieldAccount]; id != "" {
		a, err := f.Directory.Get(ctx, account.ID(id))
		if errors.Is(err, directory.ErrNotFound) {
			return nil, nil
		}
		return []account.Account{a}, err
	}
	if m, ok := f.method(t.Known); ok && isAsked(m) {
		a, _, err := f.numbered(ctx, m, Answer{Login: t.Login, Code: t.Code, Name: t.Name})
		if a.ID == "" {
			return nil, err
		}
		return []account.Account{a}, err
	}
	a, err := f.Directory.Find(ctx, t.Login)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		found, failed := f.sharing(ctx, t.Login)
		if failed == nil && len(found) == 0 && errors.Is(err, directory.ErrAmbiguous) {
			f.Audit.Record(ctx, audit.Event{Action: "lookup.ambiguous", Result: "refused"})
		}
		return found, failed
	case err != nil:
		return nil, err
	}
	return []account.Account{a}, nil
}

// maxNumbered is how many accounts are looked at for one number: there is one,
// unless somebody typed something else.
const maxNumbered = 20

// numbered finds the one account of which all that somebody says of themselves
// is true, the number that they type for a login included; nobody when there
// are two (requirement R6). A number need not be a name to sign in by, if the
// directory can be looked through. Tries are to be counted for subject, which
// is the account of that number whether or not the rest was right.
func (f *Flow) numbered(ctx context.Context, m Method, said Answer) (a account.Account, subject string, err error) {
	var seen, right []account.Account
	each := func(a account.Account) bool {
		seen = append(seen, a)
		if m.Verify(Challenge{Account: a, Purpose: Identifier, SentAt: f.now()}, said) {
			right = append(right, a)
		}
		return len(seen) < maxNumbered
	}
	if d, ok := f.Directory.(directory.Searcher); ok {
		err = d.Search(ctx, directory.Query{Text: said.Login}, each)
	} else if a, err = f.Directory.Find(ctx, said.Login); err == nil {
		each(a)
	} else if errors.Is(err, directory.ErrNotFound) {
		err = nil
	}
	subject = "unknown " + fold(said.Login)
	if len(seen) == 1 {
		subject = string(seen[0].ID)
	}
	if err != nil || len(right) != 1 {
		return account.Account{}, subject, err
	}
	return right[0], subject, nil
}

// sent records what became of a message.
func (f *Flow) sent(ctx context.Context, result string, s sending) error {
	name := ""
	if s.method != nil {
		name = s.method.Name()
	}
	f.Audit.Record(ctx, audit.Event{Action: "recovery.challenge", Result: result, Account: s.account.ID})
	if s.account.ID == "" {
		return nil
	}
	return f.Store.Do(ctx, f.note(s.account.ID, Event{ID: s.id, At: f.now(), Purpose: s.purpose, Method: name, To: s.to.Masked(), Result: result})...)
}

// send opens the attempt of one account, once, and sends its challenge.
func (f *Flow) send(ctx context.Context, s sending) error {
	var ok bool
	wanted := Purpose(s.fields[fieldWanted])
	if s.purpose, ok = grant(wanted, s.account); !ok {
		return f.refuse(ctx, s, s.account.Reason)
	}
	if s.purpose == Contact {
		change, err := f.openChange(s.fields[fieldNew], s.id)
		if err != nil {
			return errors.Join(outbox.ErrGiveUp, err)
		}
		s.account.Contacts = []account.Contact{change.To} // what is to be proved, and nothing else
	}
	if s.method = f.sender(s); s.method == nil {
		return f.refuse(ctx, s, noWay)
	}
	if s.fields[fieldSent] == "" {
		allowed, err := f.open(ctx, &s)
		if err != nil {
			return err
		}
		if !allowed {
			return f.sent(ctx, "throttled", s)
		}
	}
	if s.to, ok = f.chosen(s); !ok {
		return f.sent(ctx, "address_gone", s)
	}
	err := s.method.Challenge(ctx, f.challengeOf(s))
	switch {
	case errors.Is(err, mail.ErrRefused):
		return f.elsewhere(ctx, s, err)
	case err != nil:
		return err
	}
	return f.sent(ctx, "sent", s)
}

// sender is the method that sends: the one that was asked for, if the account
// can use it, else the first that leads to what it is given.
func (f *Flow) sender(s sending) Method {
	if s.fields[fieldAccount] != "" { // chosen before, or for a second proof
		if m, ok := f.method(s.fields[fieldMethod]); ok && sends(m) && m.Offers(s.account, s.purpose) {
			return m
		}
		return nil
	}
	usable := slices.DeleteFunc(f.next(s.account, s.purpose, nil), func(m Method) bool { return !sends(m) })
	for _, m := range usable {
		if m.Name() == s.fields[fieldMethod] {
			return m
		}
	}
	if len(usable) == 0 {
		return nil
	}
	return usable[0]
}

// open counts the sending and makes the attempt answerable: it alone, among
// those of the account and method (requirement R31: newer supersedes older).
// It fills in the fields that it adds.
func (f *Flow) open(ctx context.Context, s *sending) (bool, error) {
	count := f.about(*s)
	if allowed, err := f.allow(ctx, count...); err != nil || !allowed {
		return false, err
	}
	added := store.Fields{fieldAccount: string(s.account.ID), fieldPurpose: string(s.purpose), fieldMethod: s.method.Name(),
		fieldSent: strconv.FormatInt(f.now().Unix(), 10), fieldSince: since(s.account)}
	if m, ok := s.method.(Addressed); ok {
		to, err := f.choose(ctx, m.To(s.account, s.purpose), count[0].Count)
		if err != nil {
			return false, err
		}
		if allowed, err := f.allow(ctx, f.toward(to)...); err != nil || !allowed {
			return false, errors.Join(err, f.Store.Do(ctx, throttle.Back(count...)...))
		}
		added[fieldTo] = f.mark(to)
	}
	terms := f.terms(s.method, s.purpose)
	ops := f.opening(s.id, added, terms)
	if s.purpose != Contact { // that code is typed where it was asked for
		ops = append(ops, f.names(s.id, terms.Code, append([]string{s.typed.Login}, s.account.Logins...))...)
	}
	if mark := added[fieldTo]; mark != "" {
		ops = append(ops, f.addressee(mark, s.account.ID))
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return false, err
	}
	maps.Copy(s.fields, added)
	return true, nil
}

// opening are the operations by which the attempt that bears these fields
// becomes the one of its account and method.
func (f *Flow) opening(id string, added store.Fields, terms Terms) []store.Op {
	attempt, current := key(id), currentKey(account.ID(added[fieldAccount]))
	slot := slot(added[fieldMethod], Purpose(added[fieldPurpose]))
	return []store.Op{
		&store.Write{Key: attempt, Fields: added},
		&store.Create{Key: openKey(id), Fields: store.Fields{fieldAttempt: id}, TTL: terms.Link, Under: attempt.Name},
		&store.Create{Key: codeKey(id), Fields: store.Fields{fieldAttempt: id}, TTL: terms.Code, Under: attempt.Name},
		&store.Create{Key: current, Fields: store.Fields{slot: id}, TTL: currentLife},
		&store.Read{Key: current, Extend: currentLife},
		&store.Write{Key: current, Fields: store.Fields{slot: id, slot + " at": added[fieldSent]}},
	}
}

// currentLife outlasts every attempt: the cap of a printed code is 90 days
// (requirement R30).
const currentLife = 91 * 24 * time.Hour

// names lead to an attempt from all that may be typed beside its code, on any
// device.
func (f *Flow) names(id string, life time.Duration, logins []string) (ops []store.Op) {
	for _, name := range logins {
		if fold(name) != "" {
			ops = append(ops, &store.Create{Key: nameKey(name), Fields: store.Fields{fieldAttempt: id}, TTL: life, Replace: true})
		}
	}
	return ops
}

func (f *Flow) challengeOf(s sending) Challenge {
	sent, _ := strconv.ParseInt(s.fields[fieldSent], 10, 64)
	return Challenge{Attempt: s.id, Purpose: s.purpose, Wanted: Purpose(s.fields[fieldWanted]), Account: s.account, To: s.to,
		Language: s.fields[fieldLanguage], SentAt: time.Unix(sent, 0), Terms: f.terms(s.method, s.purpose),
		derive: f.Keys.Deriver("recovery"), link: f.Link}
}

// choose picks the contact of a message: the first on file for the first
// message of an hour, the second for the next one, and so on, so that whoever
// cannot read the first mailbox asks again and gets at the second. Those that
// refused a message stand back (requirement R23).
func (f *Flow) choose(ctx context.Context, contacts []account.Contact, nth int) (account.Contact, error) {
	doubtful, err := f.Doubtful(ctx, contacts)
	if err != nil {
		return account.Contact{}, err
	}
	sound := slices.DeleteFunc(slices.Clone(contacts), func(c account.Contact) bool { return slices.Contains(doubtful, c) })
	if len(sound) > 0 {
		contacts = sound
	}
	return contacts[(nth-1)%len(contacts)], nil
}

// about are the counts of what is sent to an account, the hour's first.
func (f *Flow) about(s sending) []*store.Hit {
	who := string(s.account.ID)
	count := []*store.Hit{f.Limits.Hourly.Hit(who), f.Limits.Daily.Hit(who)}
	if s.typed.Source != "" { // else its owner asks, who has proved something
		count = append(count, f.Limits.Share.Hit(from(who, s.typed.Source)))
	}
	return count
}

// toward are those of what is sent to a contact, whosever it is.
func (f *Flow) toward(c account.Contact) []*store.Hit {
	return []*store.Hit{f.Limits.Hourly.Hit("to " + f.mark(c)), f.Limits.Daily.Hit("to " + f.mark(c))}
}

// allow counts a message by several bounds: what one of them refuses is none,
// and counts for nothing.
func (f *Flow) allow(ctx context.Context, count ...*store.Hit) (bool, error) {
	ops := make([]store.Op, len(count))
	for i, hit := range count {
		ops[i] = hit
	}
	if err := f.Store.Do(ctx, ops...); err != nil {
		return false, err
	}
	if _, refused := throttle.Refused(count...); refused {
		return false, f.Store.Do(ctx, throttle.Back(count...)...)
	}
	return true, nil
}

// chosen finds the contact of an attempt as the directory has it now, and
// reports whether it is still there (R-REC-13).
func (f *Flow) chosen(s sending) (account.Contact, bool) {
	m, ok := s.method.(Addressed)
	if !ok {
		return account.Contact{}, true
	}
	contacts := m.To(s.account, s.purpose)
	i := slices.IndexFunc(contacts, func(c account.Contact) bool { return f.mark(c) == s.fields[fieldTo] })
	if i < 0 {
		return account.Contact{}, false
	}
	return contacts[i], true
}

// elsewhere notes that an address refused a message and has it sent to the
// next one on file.
func (f *Flow) elsewhere(ctx context.Context, s sending, refusal error) error {
	m, ok := s.method.(Addressed)
	if !ok || s.to == (account.Contact{}) {
		return errors.Join(outbox.ErrGiveUp, refusal, f.sent(ctx, "undeliverable", s))
	}
	if err := f.sent(ctx, "undeliverable", s); err != nil {
		return err
	}
	if !errors.Is(refusal, mail.ErrAddress) { // the next one would be refused too
		return errors.Join(outbox.ErrGiveUp, refusal)
	}
	if err := f.Doubt(ctx, s.account.ID, f.mark(s.to)); err != nil {
		return err
	}
	contacts := m.To(s.account, s.purpose)
	doubtful, err := f.Doubtful(ctx, contacts)
	if err != nil {
		return err
	}
	next := slices.IndexFunc(contacts, func(c account.Contact) bool { return !slices.Contains(doubtful, c) })
	if next < 0 {
		return errors.Join(outbox.ErrGiveUp, refusal)
	}
	s.fields[fieldTo] = f.mark(contacts[next])
	if err := f.Store.Do(ctx, &store.Write{Key: key(s.id), Fields: store.Fields{fieldTo: s.fields[fieldTo]}}); err != nil {
		return err
	}
	return f.send(ctx, s)
}
