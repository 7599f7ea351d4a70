package recovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/store"
)

// maxFamily is the most accounts of one message. Six codes of six digits and
// five tries leave a guess one chance in thirty thousand.
const maxFamily = 6

// sharing returns the accounts that have what was typed as an address on file
// (requirement R22): the one case in which several matches are not none. It
// needs a directory that can be looked through. There may be one more than a
// message holds.
func (f *Flow) sharing(ctx context.Context, login string) ([]account.Account, error) {
	d, ok := f.Directory.(directory.Searcher)
	if !ok || !strings.Contains(login, "@") {
		return nil, nil
	}
	var out []account.Account
	err := d.Search(ctx, directory.Query{Text: strings.TrimSpace(login)}, func(a account.Account) bool {
		if slices.ContainsFunc(a.Reach(account.Email), func(c account.Contact) bool { return fold(c.Value) == fold(login) }) {
			out = append(out, a)
		}
		return len(out) <= maxFamily
	})
	slices.SortFunc(out, func(a, b account.Account) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, err
}

// sendFamily sends one message to the address that several accounts share, with
// a link and a code for each. Every account is counted, and so is the address.
func (f *Flow) sendFamily(ctx context.Context, parent sending, found []account.Account) error {
	var members []sending
	var left sending // one of those who get nothing, and why
	var why account.Reason
	for _, a := range found {
		s := parent
		s.fields, s.account = maps.Clone(parent.fields), a
		s.id = f.memberID(parent.id, a.ID)
		purpose, ok := grant(Purpose(s.fields[fieldWanted]), a)
		m := f.familyMethod(a, purpose)
		to := slices.IndexFunc(a.Contacts, func(c account.Contact) bool {
			return c.Kind == account.Email && !c.Frozen && fold(c.Value) == fold(parent.typed.Login)
		})
		switch {
		case !ok:
			left, why = s, a.Reason
		case m == nil && left.account.ID == "":
			left, why = s, noWay
		}
		if !ok || m == nil || to < 0 || len(members) == maxFamily {
			continue
		}
		s.purpose, s.method, s.to = purpose, m, a.Contacts[to]
		members = append(members, s)
	}
	switch {
	case len(members) == 0 && left.account.ID != "":
		return f.refuse(ctx, left, why)
	case len(members) == 0:
		return f.sent(ctx, "no_channel", parent)
	}
	others := len(found) > len(members)
	if parent.fields[fieldFamily] == "" {
		var err error
		if members, err = f.openFamily(ctx, parent, members); err != nil || len(members) == 0 {
			return err
		}
	} else if members = f.opened(ctx, parent, members); len(members) == 0 {
		return errors.Join(outbox.ErrGiveUp, errors.New("recovery: a message for several accounts is gone"))
	}
	all := make([]Challenge, len(members))
	for i, s := range members {
		all[i] = f.challengeOf(s)
	}
	result := "sent"
	refusal := members[0].method.(Family).ChallengeAll(ctx, all, others)
	if errors.Is(refusal, mail.ErrRefused) {
		result = "undeliverable"
	} else if refusal != nil {
		return refusal
	}
	for _, s := range members {
		if err := f.sent(ctx, result, s); err != nil {
			return err
		}
		if errors.Is(refusal, mail.ErrAddress) {
			if err := f.Doubt(ctx, s.account.ID, f.mark(s.to)); err != nil {
				return err
			}
		}
	}
	return nil
}

// familyMethod is the first that can write to several at once and leads
// somewhere for this account.
func (f *Flow) familyMethod(a account.Account, p Purpose) Method {
	for _, m := range f.next(a, p, nil) {
		if _, ok := m.(Family); ok {
			return m
		}
	}
	return nil
}

// memberID names the attempt of one account in a message for several, always
// the same, so that a repetition is the same message.
func (f *Flow) memberID(parent string, who account.ID) string {
	return f.Keys.Deriver("recovery family").Text(attemptLen, parent, string(who))
}

// openFamily counts the sending and opens the attempts of those whom it is
// allowed for.
func (f *Flow) openFamily(ctx context.Context, parent sending, members []sending) ([]sending, error) {
	if allowed, err := f.allow(ctx, f.toward(members[0].to)...); err != nil {
		return nil, err
	} else if !allowed {
		return nil, f.sent(ctx, "throttled", parent)
	}
	var allowed []sending
	var ids []string
	now := strconv.FormatInt(f.now().Unix(), 10)
	for _, s := range members {
		if allowed, err := f.allow(ctx, f.about(s)...); err != nil {
			return nil, err
		} else if !allowed {
			if err := f.sent(ctx, "throttled", s); err != nil {
				return nil, err
			}
			continue
		}
		maps.Copy(s.fields, store.Fields{fieldAccount: string(s.account.ID), fieldPurpose: string(s.purpose), fieldMethod: s.method.Name(),
			fieldSent: now, fieldSince: since(s.account), fieldTo: f.mark(s.to), fieldLogin: f.sealTyped(typed{Login: s.account.Login}, s.id)})
		terms := f.terms(s.method, s.purpose)
		ops := append([]store.Op{&store.Create{Key: key(s.id), Fields: s.fields, TTL: f.longest() + remembered}}, f.opening(s.id, s.fields, terms)...)
		if err := f.Store.Do(ctx, append(ops, f.names(s.id, terms.Code, s.account.Logins)...)...); err != nil {
			return nil, err
		}
		allowed, ids = append(allowed, s), append(ids, s.id)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	life := f.terms(allowed[0].method, allowed[0].purpose).Code
	ops := append(f.names(parent.id, life, []string{parent.typed.Login}), &store.Write{Key: key(parent.id), Fields: store.Fields{fieldFamily: strings.Join(ids, " ")}})
	return allowed, f.Store.Do(ctx, ops...)
}

// opened are the members whose attempts were opened before a first try failed.
func (f *Flow) opened(ctx context.Context, parent sending, members []sending) (out []sending) {
	for _, s := range members {
		read := &store.Read{Key: key(s.id)}
		if f.Store.Do(ctx, read) == nil && read.Fields != nil && strings.Contains(parent.fields[fieldFamily], s.id) {
			s.fields = read.Fields
			out = append(out, s)
		}
	}
	return out
}
