package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Notice is a message that tells an owner what was done to their account.
type Notice string

// The notices.
const (
	NoticeChanged  Notice = "changed"  // a password was set
	NoticeUnlocked Notice = "unlocked" // a lock was lifted, the password stays
	NoticeContact  Notice = "contact"  // a rescue address changed
	NoticeWhy      Notice = "why"      // why there is no way back in (requirement R12)
)

// note is a notice to one address.
type note struct {
	Kind     Notice          `json:"k"`
	To       account.Contact `json:"to"`
	Account  account.ID      `json:"a"`
	Login    string          `json:"login"`
	Language string          `json:"lang"`
	At       int64           `json:"at"`
	Reason   account.Reason  `json:"why,omitempty"`
	Ends     time.Time       `json:"ends,omitzero"`
	Masked   string          `json:"m,omitempty"` // the new contact
	Token    string          `json:"u,omitempty"` // takes the change back
	Origin   render.Origin   `json:"p,omitzero"`
}

// notices are the jobs that tell an owner at all addresses known, and at more
// of them. What they are about names them, so that they leave once.
func (f *Flow) notices(a account.Account, n note, about string, more ...account.Contact) (ops []store.Op, err error) {
	told := map[string]bool{}
	for _, to := range slices.Concat(a.Mailboxes(), f.phone(a), more) {
		if to.Value == "" || told[to.Value] {
			continue
		}
		told[to.Value] = true
		n.To, n.Account = to, a.ID
		op, err := f.noticeTo(n, about)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op, f.addressee(f.mark(to), a.ID))
	}
	return ops, nil
}

// phone is the telephone of somebody who has no other rescue address: the
// institution's mailbox opens by the very password that was changed.
func (f *Flow) phone(a account.Account) []account.Contact {
	t := f.telling()
	if t == nil || len(a.Reach(account.Email)) > 0 {
		return nil
	}
	numbers := append(t.To(a, Reset), a.Reach(account.Phone)...) // the first that can be sent to now
	return numbers[:min(1, len(numbers))]
}

// telling is the method that tells where no mail goes; nil for none.
func (f *Flow) telling() Telling {
	for _, m := range f.Methods {
		if t, ok := m.(Telling); ok {
			return t
		}
	}
	return nil
}

func (f *Flow) noticeTo(n note, about string) (store.Op, error) {
	data, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return f.Outbox.Op(outbox.Job{ID: "notice " + secret.Hash(about + " " + n.To.Value)[:22], Kind: jobNotice, Data: data}), nil
}

func (f *Flow) notice(ctx context.Context, job outbox.Job) error {
	var n note
	if err := json.Unmarshal(job.Data, &n); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	id := secret.Hash(job.ID)[:22]
	if n.To.Kind == account.Phone {
		t := f.telling()
		if t == nil {
			return errors.Join(outbox.ErrGiveUp, errors.New("recovery: no method sends to telephones any more"))
		}
		told := Told{ID: id, Account: n.Account, To: n.To, Notice: n.Kind, Language: n.Language, At: time.Unix(n.At, 0)}
		if n.Token != "" {
			told.URL = f.Undo + n.Token
		}
		return t.Tell(ctx, told)
	}
	letter, err := f.Pages.Mail(n.Language, f.view(n))
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	err = f.Mail.Send(ctx, mail.Message{ID: id, To: n.To.Value, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, Language: letter.Language, Mark: f.mark(n.To)})
	if errors.Is(err, mail.ErrAddress) {
		if failed := f.Doubt(ctx, n.Account, f.mark(n.To)); failed != nil {
			return failed
		}
	}
	if errors.Is(err, mail.ErrRefused) {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	return err
}

func (f *Flow) view(n note) render.MailView {
	at := time.Unix(n.At, 0)
	switch n.Kind {
	case NoticeUnlocked:
		return render.MailUnlocked{Origin: n.Origin, Login: n.Login, At: at, URL: f.Home}
	case NoticeContact:
		return render.MailContactChanged{Origin: n.Origin, Login: n.Login, At: at, To: n.Masked, URL: f.Undo + n.Token, Until: at.Add(undoLife)}
	case NoticeWhy:
		return render.MailWhy{Login: n.Login, Reason: render.Reason(n.Reason), Ends: n.Ends}
	}
	return render.MailChanged{Origin: n.Origin, Login: n.Login, At: at, URL: f.Home}
}

// noWay is why somebody is sent nothing to answer whose account could be given
// something: no message that could be sent now is enough, or leads to what is.
const noWay = account.Reason(render.ReasonNoWay)

// refuse tells the owner of an account that is given nothing why that is
// (requirement R12): by mail to an address on file, so that nobody else learns
// it.
func (f *Flow) refuse(ctx context.Context, s sending, why account.Reason) error {
	result := "refused_" + string(why)
	if why == noWay {
		result = "no_channel"
	}
	to := s.account.Channels(account.Email)
	if len(to) == 0 || s.fields[fieldWanted] == string(Contact) {
		return f.sent(ctx, result, s)
	}
	allowed, err := f.allow(ctx, append(f.about(s), f.toward(to[0])...)...)
	if err != nil {
		return err
	}
	if allowed {
		op, err := f.noticeTo(note{Kind: NoticeWhy, To: to[0], Account: s.account.ID, Login: s.account.Login, Language: s.fields[fieldLanguage],
			At: f.now().Unix(), Reason: why, Ends: s.account.Ends}, s.id)
		if err != nil {
			return err
		}
		if err := f.Store.Do(ctx, op); err != nil {
			return err
		}
		f.Outbox.Nudge()
		s.to = to[0]
	}
	return f.sent(ctx, result, s)
}
