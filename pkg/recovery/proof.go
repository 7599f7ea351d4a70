package recovery

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/password"
	"github.com/loge-idp/loge/pkg/store"
)

// provedBy begins the fields of a proof that name the methods proved; their
// values are the attempts.
const provedBy = "by "

// proven is a proof that is still good, of one method at least, and the account
// as it is now.
type proven struct {
	fields  store.Fields
	key     store.Key
	left    time.Duration
	purpose Purpose
	account account.Account
	by      map[string]string // attempts by method
}

// whole is a proof of all that an act needs. Only Flow.whole makes one, and
// Flow.Own for whoever knows the password that there is; whatever changes an
// account asks for it.
type whole struct{ proven }

// whole checks that what is proved suffices for an act, with the purpose that
// the proof is bound to: a proof for Reset is good for Unlock, which gives less.
func (f *Flow) whole(p proven, act Purpose) (whole, error) {
	switch {
	case act != p.purpose && !(act == Unlock && p.purpose == Reset):
		return whole{}, ErrNoProof
	case !f.suffices(p.account, act, p.by):
		return whole{}, ErrPartial
	}
	return whole{p}, nil
}

// of reports whether a proof was made by answering an attempt.
func (p *proven) of(t attempt) bool { return p != nil && p.by[t.method.Name()] == t.id }

// held is the proof that a browser has, nil for none.
func (f *Flow) held(ctx context.Context, text string) (*proven, error) {
	if text == "" {
		return nil, nil
	}
	p, err := f.proof(ctx, text)
	if errors.Is(err, ErrNoProof) || errors.Is(err, ErrState) {
		return nil, nil
	}
	return &p, err
}

func (f *Flow) proof(ctx context.Context, text string) (proven, error) {
	k, ok := f.proofs().Key(text)
	if !ok {
		return proven{}, ErrNoProof
	}
	read := &store.Read{Key: k}
	if err := f.Store.Do(ctx, read); err != nil {
		return proven{}, err
	}
	if read.Fields == nil {
		return proven{}, ErrNoProof
	}
	p := proven{fields: read.Fields, key: k, left: read.TTL, purpose: Purpose(read.Fields[fieldPurpose]), by: map[string]string{}}
	who := account.ID(read.Fields[fieldAccount])
	// A login, a change of password or a newer message since then has ended
	// an attempt, and what it proved with it (R-REC-09).
	current := &store.Read{Key: currentKey(who)}
	if err := f.Store.Do(ctx, current); err != nil {
		return proven{}, err
	}
	for name, id := range read.Fields {
		if method, ok := strings.CutPrefix(name, provedBy); ok && current.Fields[slot(method, p.purpose)] == id {
			p.by[method] = id
		}
	}
	if len(p.by) == 0 {
		return proven{}, ErrNoProof
	}
	a, err := f.Directory.Get(ctx, who)
	if errors.Is(err, directory.ErrNotFound) {
		return proven{}, ErrState
	}
	if err != nil {
		return proven{}, err
	}
	if outdated(read.Fields, a) {
		return proven{}, ErrNoProof
	}
	p.account = a
	switch now, ok := grant(p.purpose, a); {
	case !ok:
		return proven{}, &State{a.Reason, a.Ends}
	case now != p.purpose: // unlocked or activated meanwhile: another proof is for that
		return proven{}, ErrNoProof
	}
	return p, nil
}

// Ready is what the page after a proof may show.
type Ready struct {
	Account account.ID
	Purpose Purpose
	Login   string // the account's own name: a reminder, and for password keepers
	Return  string
	Minimum int // characters of a new password
	// Reached are the kinds of rescue address at which the person has answered
	// on the way: such an address is proved by that. Rescue are all on file,
	// masked (requirement R24).
	Reached []account.ContactKind
	Rescue  []string
	// More are the ways to prove what is still missing; empty when all is
	// proved. Short is set when something is missing and this account has no
	// way to prove it: only an operator can help.
	More  []More
	Left  int // how many are missing on the first of these ways
	Short bool
	// Unlockable is set when the account was locked after too many tries and
	// may be unlocked with the password it has.
	Unlockable bool
	// Charter is the URL of what must be accepted first; empty without.
	Charter string
	// Lacks are the kinds of rescue address that an account which is being
	// activated is asked for, in order: BeginAddress adds one.
	Lacks []account.ContactKind
}

// More is one way to prove what is missing.
type More struct {
	Method string
	Sends  bool   // it sends something; else it asks
	To     string // the masked address it would send to (requirement R24); empty when not known
	Text   string // the question of a Worded; empty for the message of the method
}

// Proven reads a proof without using it. Errors: ErrNoProof, ErrState, or one
// that wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Proven(ctx context.Context, proof string) (Ready, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Ready{}, err
	}
	return f.ready(p), nil
}

func (f *Flow) ready(p proven) Ready {
	out := Ready{Account: p.account.ID, Purpose: p.purpose, Login: p.account.Login, Return: p.fields[fieldReturn],
		Minimum: f.Policy.MinimumFor(password.ContextOf(p.account)), Reached: f.reached(p)}
	for _, c := range p.account.Contacts {
		out.Rescue = append(out.Rescue, c.Masked())
	}
	if p.account.Status == account.Locked {
		_, err := f.whole(p, Unlock)
		out.Unlockable = err == nil
	}
	if p.purpose == Activate {
		out.Charter = f.Charter
	}
	if f.suffices(p.account, p.purpose, p.by) {
		out.Lacks = f.lacks(p)
		return out
	}
	for _, m := range f.next(p.account, p.purpose, p.by) {
		more := More{Method: m.Name(), Sends: sends(m)}
		if to, ok := m.(Addressed); ok {
			if contacts := to.To(p.account, p.purpose); len(contacts) > 0 {
				more.To = contacts[0].Masked()
			}
		}
		if worded, ok := m.(Worded); ok {
			more.Text = worded.Wording(p.account, p.fields[fieldLanguage])
		}
		out.More = append(out.More, more)
	}
	if ways := f.ways(p.account, p.purpose, p.by); len(ways) > 0 {
		out.Left = len(missing(ways[0], p.by))
	}
	out.Short = len(out.More) == 0
	return out
}

// reached are the kinds of contact to which the methods of a proof send.
func (f *Flow) reached(p proven) (kinds []account.ContactKind) {
	for _, m := range f.Methods {
		to, ok := m.(Addressed)
		if !ok || p.by[m.Name()] == "" {
			continue
		}
		if contacts := to.To(p.account, p.purpose); len(contacts) > 0 {
			kinds = append(kinds, contacts[0].Kind)
		}
	}
	return kinds
}

// Next has a further method send its challenge to somebody who has proved a
// part. Errors: ErrWrong when that method leads nowhere, ErrNoProof, ErrState,
// or one that wraps store.ErrUnavailable or directory.ErrUnavailable.
func (f *Flow) Next(ctx context.Context, proof, method, language, address string) (Begun, error) {
	p, err := f.proof(ctx, proof)
	if err != nil {
		return Begun{}, err
	}
	for _, m := range f.next(p.account, p.purpose, p.by) {
		if m.Name() == method && sends(m) {
			id := newAttempt()
			return f.begin(ctx, id, address, store.Fields{
				fieldWanted: string(p.purpose), fieldMethod: method, fieldLanguage: language, fieldReturn: p.fields[fieldReturn],
				fieldAccount: string(p.account.ID), fieldLogin: f.sealTyped(typed{Login: p.account.Login}, id)})
		}
	}
	return Begun{}, ErrWrong
}
