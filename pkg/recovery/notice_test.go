package recovery_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
)

// texting sends to telephones.
type texting struct {
	recovery.Method
	told  chan recovery.Told
	fails *atomic.Int32
}

func (*texting) Name() string { return "texting" }

func (*texting) To(a account.Account, _ recovery.Purpose) []account.Contact {
	return a.Reach(account.Phone)
}

func (m *texting) Offers(a account.Account, p recovery.Purpose) bool { return len(m.To(a, p)) > 0 }

func (m *texting) Tell(_ context.Context, t recovery.Told) error {
	if m.fails.Add(-1) >= 0 {
		return errors.New("busy")
	}
	m.told <- t
	return nil
}

// withTelephones is a world in which a method sends text messages.
func withTelephones(t *testing.T) (*world, *texting) {
	t.Helper()
	w := withDesk(t)
	w.flow.Directory, w.flow.Undo = wide{w.people}, "https://login.example/recover/undo?t="
	m := &texting{w.flow.Methods[0], make(chan recovery.Told, 100), new(atomic.Int32)}
	w.flow.Methods = append(w.flow.Methods, m)
	return w, m
}

var mobile = account.Contact{Kind: account.Phone, Value: "+33639980001"}

// completed gives an account a new password by a code of the desk.
func (w *world) completed(t *testing.T, login, address string) {
	t.Helper()
	p, err := w.answer(t, recovery.Reply{Login: login, Code: w.issue(t, "helpdesk", login).Code.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.flow.Complete(t.Context(), p.Proof, secret.New(good), address); err != nil {
		t.Fatal(err)
	}
}

// R36: whom no mail reaches is told by text message. The institution's mailbox
// opens by the password that was changed, so it does not count.
func TestNoticeByText(t *testing.T) {
	for name, c := range map[string]struct {
		contacts []account.Contact
		texts    int
	}{
		"a telephone only":    {[]account.Contact{mobile, {Kind: account.Phone, Value: "+33639980002"}}, 1},
		"a mail address too":  {[]account.Contact{mobile, {Kind: account.Email, Value: "a@home.example"}}, 0},
		"no rescue addresses": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, m := withTelephones(t)
			w.people.change("alice", func(a *account.Account) { a.Contacts = c.contacts })
			w.completed(t, "alice", "")
			w.settled(t)
			if len(m.told) != c.texts {
				t.Fatalf("%d text messages, want %d", len(m.told), c.texts)
			}
			if c.texts == 0 {
				return
			}
			got := <-m.told
			want := recovery.Told{ID: got.ID, Account: "id-alice", To: mobile, Notice: recovery.NoticeChanged, At: got.At}
			if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
				t.Error(diff)
			}
			if institution := <-w.mails; institution.To != "alice@univ.example" || len(w.mails) != 0 {
				t.Errorf("mail to %s, and %d more", institution.To, len(w.mails))
			}
		})
	}
}

// R36: a gateway that is busy is asked again, for the same message.
func TestNoticeByTextIsTriedAgain(t *testing.T) {
	w, m := withTelephones(t)
	m.fails.Store(1)
	w.people.change("alice", func(a *account.Account) { a.Contacts = []account.Contact{mobile} })
	w.completed(t, "alice", "")
	<-w.mails // to the institution; the text message has failed, or is about to
	for range 2000 {
		select {
		case got := <-m.told:
			if got.Notice != recovery.NoticeChanged || m.fails.Load() != -1 {
				t.Errorf("%+v, after %d tries too many", got, -1-m.fails.Load())
			}
			return
		case <-time.After(5 * time.Millisecond):
			w.advance(10 * time.Second)
			w.flow.Outbox.Nudge()
		}
	}
	t.Fatal("it was not asked again")
}

// R25: a telephone that is replaced learns it, and may take it back.
func TestReplacedTelephoneIsTold(t *testing.T) {
	w, m := withTelephones(t)
	w.people.change("alice", func(a *account.Account) { a.Contacts = append(a.Contacts, mobile) })
	alice, err := w.people.Find(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	thief := account.Contact{Kind: account.Phone, Value: "+33639980009"}
	if err := w.flow.ReplaceContact(t.Context(), alice, recovery.Change{From: mobile, To: thief}, "", ""); err != nil {
		t.Fatal(err)
	}
	w.settled(t)
	got := <-m.told
	if got.To != mobile || got.Notice != recovery.NoticeContact || len(m.told) != 0 {
		t.Fatalf("%+v, and %d more", got, len(m.told))
	}
	token, ok := strings.CutPrefix(got.URL, "https://login.example/recover/undo?t=")
	if !ok {
		t.Fatalf("no way back: %q", got.URL)
	}
	if err := w.flow.UndoContact(t.Context(), token, ""); err != nil {
		t.Fatal(err)
	}
	if now, err := w.people.Find(t.Context(), "alice"); err != nil || cmp.Diff([]account.Contact{mobile}, now.Reach(account.Phone)) != "" {
		t.Errorf("%v, %v", now.Contacts, err)
	}
}

// R36: a notice says from where, by the site's own name of a network, and holds
// no whole address of anybody.
func TestNoticeSaysFromWhere(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.17":    "It was done from the library.",
		"2001:db8::17":  "It was done from the library.",
		"198.51.100.17": "It was done from a network that we do not know, 198.51.100.0/24.",
		"":              "",
	} {
		w := withDesk(t)
		w.flow.Places = []recovery.Place{{Name: render.Text{"en": "the library", "fr": "la bibliothèque"},
			Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")}}}
		w.people.change("alice", func(a *account.Account) { a.Language = "en" })
		w.completed(t, "alice", address)
		w.settled(t)
		for range 3 {
			m := <-w.mails
			for _, text := range []string{m.Text, m.HTML} {
				if !strings.Contains(text, want) || want == "" && strings.Contains(text, "was done from") || address != "" && strings.Contains(text, address) {
					t.Errorf("%q: %s", address, text)
				}
			}
		}
	}
}

func TestCheckPlaces(t *testing.T) {
	name, ranges := render.Text{"fr": "le campus"}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, c := range []struct {
		place recovery.Place
		at    string
	}{
		{recovery.Place{Name: name, Ranges: ranges}, ""},
		{recovery.Place{Ranges: ranges}, "[0].name"},
		{recovery.Place{Name: name}, "[0].ranges"},
	} {
		err := recovery.CheckPlaces([]recovery.Place{c.place})
		var wrong *plugin.Error
		if errors.As(err, &wrong) != (c.at != "") || wrong != nil && wrong.Path != c.at {
			t.Errorf("%+v: %v", c.place, err)
		}
	}
}
