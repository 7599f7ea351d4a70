package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/audit"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Change is one rescue address into another: from a zero one it adds, to a zero
// one it removes.
type Change struct {
	From account.Contact `json:"f"`
	To   account.Contact `json:"t"`
}

// undoLife is how long the old address may take a change back (requirement
// R25).
const undoLife = 72 * time.Hour

func (f *Flow) sealChange(c Change, id string) string {
	plain, err := json.Marshal(c)
	if err != nil {
		panic(err) // texts
	}
	return f.Keys.Box("recovery contact").Seal(plain, id)
}

func (f *Flow) openChange(sealed, id string) (c Change, err error) {
	plain, err := f.Keys.Box("recovery contact").Open(sealed, id)
	if err == nil {
		err = json.Unmarshal(plain, &c)
	}
	return c, err
}

func (f *Flow) sealBefore(a account.Account) string {
	plain, err := json.Marshal(a.Contacts)
	if err != nil {
		panic(err) // texts
	}
	return f.Keys.Box("recovery contact").Seal(plain, string(a.ID))
}

func (f *Flow) openBefore(sealed string, who account.ID) (contacts []account.Contact, err error) {
	plain, err := f.Keys.Box("recovery contact").Open(sealed, string(who))
	if err == nil {
		err = json.Unmarshal(plain, &contacts)
	}
	return contacts, err
}

// BeginContact has the new address prove itself: a code goes there and nowhere
// else. The caller has made sure that it is the owner who asks, by a password
// of the last ten minutes or by a proof (requirement R25). Errors: *SlowDown,
// or one that wraps store.ErrUnavailable.
func (f *Flow) BeginContact(ctx context.Context, who account.Account, c Change, language, source, address string) (Begun, error) {
	hit, submitted := f.Limits.Source.Hit(source), f.Limits.Submitted.Hit("contact of "+string(who.ID))
	if err := f.Store.Do(ctx, hit, submitted); err != nil {
		return Begun{}, err
	}
	if wait, refused := throttle.Refused(hit, submitted); refused {
		return Begun{}, &SlowDown{wait}
	}
	id := newAttempt()
	return f.begin(ctx, id, address, store.Fields{fieldWanted: string(Contact), fieldMethod: f.proves(c.To), fieldLanguage: language,
		fieldAccount: string(who.ID), fieldLogin: f.sealTyped(typed{Login: who.Login}, id), fieldNew: f.sealChange(c, id)})
}

// CompleteContact takes the code that the new address got and writes the
// change; the old addresses are told, and may take it back for 72 hours. An
// address that is on file already is only confirmed. It returns the contact
// that was proved. Errors: ErrWrong, *SlowDown, those of ReplaceContact, or one
// that wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) CompleteContact(ctx context.Context, who account.ID, r Reply) (account.Contact, error) {
	t := attempt{}
	if isAttempt(r.Attempt) {
		var err error
		if t, err = f.read(ctx, r.Attempt); err != nil {
			return account.Contact{}, err
		}
	}
	if t.account.ID != who || t.purpose != Contact {
		return account.Contact{}, ErrWrong
	}
	change, err := f.openChange(t.fields[fieldNew], t.id)
	if err != nil {
		return account.Contact{}, ErrWrong
	}
	proven, err := f.Answer(ctx, Reply{Attempt: r.Attempt, Code: r.Code, Source: r.Source, Address: r.Address})
	if err != nil {
		return account.Contact{}, err
	}
	p, err := f.proof(ctx, proven.Proof)
	if err != nil {
		return account.Contact{}, err
	}
	if take, err := f.proofs().Redeem(ctx, proven.Proof); err != nil || take.Outcome != store.Taken {
		return account.Contact{}, errors.Join(ErrWrong, err)
	}
	if err := f.Store.Do(ctx, trust(f.mark(change.To))); err != nil {
		return account.Contact{}, err
	}
	if change.From == change.To {
		f.Audit.Record(ctx, audit.Event{Action: "recovery.contact", Result: "confirmed", Account: who, Address: r.Address})
		return change.To, nil
	}
	return change.To, f.ReplaceContact(ctx, p.account, change, "", r.Address)
}

// lacks are the kinds of rescue address that an account which is being activated
// is asked for: it has none, and one could be written (R21).
func (f *Flow) lacks(p proven) (kinds []account.ContactKind) {
	if _, ok := f.Directory.(directory.Editor); !ok || p.purpose != Activate {
		return nil
	}
	asked := f.Contacts
	if asked == nil {
		asked = []account.ContactKind{account.Email}
	}
	for _, kind := range asked {
		if len(p.account.Reach(kind)) == 0 && f.Proves(kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// Proves reports whether contacts of a kind can prove themselves here.
func (f *Flow) Proves(kind account.ContactKind) bool { return f.proves(anybody[kind]) != "" }

// anybody is a contact of each kind that is nobody's (RFC 2606 section 3, and
// the numbers that Arcep keeps for fiction).
var anybody = map[account.ContactKind]account.Contact{
	account.Email: {Kind: account.Email, Value: "somebody@example.org"},
	account.Phone: {Kind: account.Phone, Value: "+33639980000"},
}

// CheckContacts reports a kind of contact that cannot be asked for at
// activation.
func (f *Flow) CheckContacts() error {
	for i, kind := range f.Contacts {
		if _, known := anybody[kind]; !known {
			return plugin.At(fmt.Sprintf("[%d]", i), fmt.Errorf("must be %s or %s", account.Email, account.Phone))
		}
		if !f.Proves(kind) {
			return plugin.At(fmt.Sprintf("[%d]", i), errors.New("no configured method sends there; add emaillink or smscode under recovery.methods"))
		}
	}
	return nil
}

// ErrAddress says that what was given is no rescue address, or none that the
// directory writes.
var ErrAddress = errors.New("recovery: not a rescue address")

// ErrCountry goes with ErrAddress when it is a mobile to whose country no
// message is sent here.
var ErrCountry = fmt.Errorf("%w: text messages are not sent to that country", ErrAddress)

// Rescue reads what an owner typed as a rescue address: a mail address, or the
// number of a mobile. One that is on file is returned as it is there. It is
// ErrAddress when it is neither, the institution's own (R20), or what no method
// here can send to.
func (f *Flow) Rescue(a account.Account, typed string) (account.Contact, error) {
	to := account.Contact{Kind: account.Email, Value: strings.TrimSpace(typed)}
	if !strings.Contains(to.Value, "@") {
		var err error
		if to, err = f.mobile(to.Value); err != nil {
			return to, err
		}
	}
	for _, known := range a.Contacts {
		if known.Kind == to.Kind && strings.EqualFold(known.Value, to.Value) {
			to = known
		}
	}
	if to.Kind == account.Email && ((mail.Message{To: to.Value}).Check() != nil || f.institutional(a, to.Value)) || f.proves(to) == "" {
		return to, ErrAddress
	}
	return to, nil
}

// mobile reads a number as the method reads it that would send there.
func (f *Flow) mobile(typed string) (account.Contact, error) {
	to := account.Contact{Kind: account.Phone, Value: typed}
	reached := account.Account{ID: "-", Status: account.Active, Contacts: []account.Contact{to}}
	for _, m := range f.Methods {
		if m, ok := m.(Addressed); ok {
			if at := m.To(reached, Contact); len(at) > 0 && at[0].Kind == account.Phone {
				return at[0], nil
			}
		}
	}
	if _, err := (sms.Plan{}).Mobile(typed); (err == nil || errors.Is(err, sms.ErrCountry)) && f.Proves(account.Phone) {
		return to, ErrCountry
	}
	return to, ErrAddress
}

// institutional reports whether an address is in a domain of the institution: one
// that the directory knows, or of which the account itself has a name, as its mail
// or as its login with a scope behind it (eduPersonPrincipalName). What is a rescue
// address already is no such name, wherever it stands.
func (f *Flow) institutional(a account.Account, address string) bool {
	if d, ok := f.Directory.(directory.Domains); ok && d.Own(a.ID, address) {
		return true
	}
	_, domain, _ := strings.Cut(address, "@")
	return slices.ContainsFunc(append([]string{a.Mail}, a.Logins...), func(name string) bool {
		login, own, scoped := strings.Cut(name, "@")
		return scoped && (name == a.Mail || strings.EqualFold(login, a.Login)) && strings.EqualFold(own, domain) &&
			!slices.ContainsFunc(a.Contacts, func(c account.Contact) bool { return strings.EqualFold(c.Value, name) })
	})
}

// proves is the method by which a contact can prove itself; empty for none.
func (f *Flow) proves(c account.Contact) string {
	reached := account.Account{ID: "-", Status: account.Active, Contacts: []account.Contact{c}}
	for _, m := range f.Methods {
		if sends(m) && m.Offers(reached, Contact) {
			return m.Name()
		}
	}
	return ""
}

// BeginAddress has the first rescue address of a kind prove itself, while the
// account is activated: the proof says whose account it is. Errors: ErrAddress,
// ErrPartial, and those of Proven and BeginContact.
func (f *Flow) BeginAddress(ctx context.Context, proof string, kind account.ContactKind, value, language, source, address string) (Begun, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Begun{}, err
	}
	if _, err := f.whole(p, Activate); err != nil {
		return Begun{}, err
	}
	to, err := f.Rescue(p.account, value)
	if err != nil || to.Kind != kind || !slices.Contains(f.lacks(p), kind) {
		return Begun{}, ErrAddress
	}
	return f.BeginContact(ctx, p.account, Change{To: to}, language, source, address)
}

// CompleteAddress takes the code that the address got. Errors: those of Proven
// and CompleteContact.
func (f *Flow) CompleteAddress(ctx context.Context, proof string, r Reply) error {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return err
	}
	_, err = f.CompleteContact(ctx, p.account.ID, r)
	return err
}
