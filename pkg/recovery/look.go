package recovery

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/store"
)

// Fate is what became of an attempt.
type Fate string

// The fates.
const (
	Open Fate = "open"
	// Answered by a browser that has not finished. Nothing has
	// changed yet.
	Answered Fate = "answered"
	Used     Fate = "used"
	Replaced Fate = "replaced"
	Expired  Fate = "expired"
	// Ended: by a login, another password or address, or an operator.
	Ended   Fate = "ended"
	Unknown Fate = "unknown"
)

// Opened is what the page of a link may show to whoever holds it.
type Opened struct {
	Fate    Fate
	At      time.Time // of the answer, the use, the replacement or the end; zero when unknown
	Purpose Purpose
	Until   time.Time // Open: when the link ends
	Code    string    // Open, and still good: the code of the same message
	Return  string
	// Login is what was typed to get this link: to get another one.
	Login string
	// Handed is set of a code that came from an operator or on a letter: no
	// message is behind it.
	Handed bool
	// Here is set of an Answered one whose proof this browser has: it goes on.
	Here bool
}

// Look reads a link's token and changes nothing: mail scanners look too
// (R-REC-06). Only the right token learns anything but Unknown. The proof is
// that of the browser, empty for none. The error wraps store.ErrUnavailable or
// directory.ErrUnavailable.
func (f *Flow) Look(ctx context.Context, link, proof string) (Opened, error) {
	t, err := f.read(ctx, parseLink(link))
	if err != nil || t.fate == Unknown {
		return Opened{Fate: Unknown}, err
	}
	c := f.challengeOf(t.sending())
	if !t.verify(c, Answer{Token: link[attemptLen:]}) {
		return Opened{Fate: Unknown}, nil
	}
	said, err := f.openTyped(t.fields[fieldLogin], t.id)
	if err != nil {
		return Opened{Fate: Unknown}, nil // of a server with another key
	}
	out := Opened{Fate: t.fate, At: t.at, Purpose: c.Purpose, Return: t.fields[fieldReturn], Login: said.Login, Handed: isHanded(t.method)}
	if t.fate == Open || t.fate == Answered {
		ended, err := f.ended(ctx, t)
		if err != nil {
			return Opened{Fate: Unknown}, err
		}
		if ended != "" {
			out.Fate = Ended
		}
	}
	switch out.Fate {
	case Answered:
		held, err := f.held(ctx, proof)
		if err != nil {
			return Opened{Fate: Unknown}, err
		}
		out.Here = held.of(t)
	case Expired:
		out.At = c.LinkUntil()
	case Open:
		out.Until = c.LinkUntil()
		if t.codeOpen && sends(t.method) {
			out.Code = c.Digits(CodeLen)
		}
	}
	return out, nil
}

// attempt is one as the store has it, or one that is made by answering an
// Asked method.
type attempt struct {
	id       string
	fields   store.Fields
	method   Method
	account  account.Account // whole for an Asked method, else its ID only
	purpose  Purpose
	fate     Fate
	at       time.Time
	again    time.Time // Answered: when it may be answered again; zero for never
	codeOpen bool
}

func (t attempt) sending() sending {
	return sending{id: t.id, fields: t.fields, account: t.account, purpose: t.purpose, method: t.method}
}

// verify compares. The link of a code that is handed over is the engine's own:
// its method knows the code only.
func (t attempt) verify(c Challenge, a Answer) bool {
	if isHanded(t.method) && a.Token != "" {
		return c.IsToken(a.Token)
	}
	return t.method.Verify(c, a)
}

// ended asks the directory for what ended an attempt there, whoever changed it
// (R-REC-09): the account has another password; or the address that the message
// went to is on file no more, and whoever reads that mailbox today may be
// somebody else. It is empty while nothing did.
func (f *Flow) ended(ctx context.Context, t attempt) (why string, err error) {
	if isAsked(t.method) {
		return "", nil // made of what the directory says now
	}
	a, err := f.Directory.Get(ctx, t.account.ID)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return "account_gone", nil
	case err != nil:
		return "", err
	case outdated(t.fields, a):
		return "password_changed", nil
	}
	m, ok := t.method.(Addressed)
	if !ok || t.purpose == Contact { // a new address is not there yet
		return "", nil
	}
	// A method may leave out for a while where it cannot send at the moment.
	there := append(slices.Clone(a.Contacts), m.To(a, t.purpose)...)
	if !slices.ContainsFunc(there, func(c account.Contact) bool { return !c.Frozen && f.mark(c) == t.fields[fieldTo] }) {
		return "address_gone", nil
	}
	return "", nil
}

// since binds an attempt and its proof to the password that there is.
func since(a account.Account) string { return strconv.FormatInt(a.PasswordSet.UnixMicro(), 10) }

// outdated reports whether an account has got another password since. Later,
// not other: a replica of the directory may lag. Of one that was never activated
// nobody knows the password, and a provisioning that sets it must not void the
// letters of a whole year.
func outdated(fields store.Fields, a account.Account) bool {
	at, err := strconv.ParseInt(fields[fieldSince], 10, 64)
	return err == nil && !a.MayActivate() && a.PasswordSet.UnixMicro() > at
}

func (f *Flow) read(ctx context.Context, id string) (attempt, error) {
	none := attempt{fate: Unknown}
	if id == "" {
		return none, nil
	}
	main, open, code, claim := &store.Read{Key: key(id)}, &store.Read{Key: openKey(id)}, &store.Read{Key: codeKey(id)}, &store.Read{Key: claimKey(id)}
	if err := f.Store.Do(ctx, main, open, code, claim); err != nil {
		return none, err
	}
	t := attempt{id: id, fields: main.Fields, purpose: Purpose(main.Fields[fieldPurpose]), fate: Open, codeOpen: code.Fields != nil}
	t.account.ID = account.ID(t.fields[fieldAccount])
	if t.account.ID == "" || t.purpose == "" {
		return none, nil
	}
	var ok bool
	if t.method, ok = f.method(t.fields[fieldMethod]); !ok {
		return none, nil // it is configured no more
	}
	current := &store.Read{Key: currentKey(t.account.ID)}
	if err := f.Store.Do(ctx, current); err != nil {
		return none, err
	}
	name := slot(t.method.Name(), t.purpose)
	switch used := t.fields[fieldUsed]; {
	case used != "":
		t.fate, t.at = Used, unixTime(used)
	case current.Fields[name] != "" && current.Fields[name] != id:
		t.fate, t.at = Replaced, unixTime(current.Fields[name+" at"])
	case t.fields[fieldAnswered] != "" && current.Fields[name] == id:
		t.fate, t.at = Answered, unixTime(t.fields[fieldAnswered])
	case open.Fields == nil && t.fields[fieldAnswered] == "":
		t.fate = Expired
	case current.Fields[name] != id:
		t.fate = Ended
	case claim.Fields != nil:
		t.fate, t.at, t.again = Answered, unixTime(claim.Fields[fieldAnswered]), f.now().Add(claim.TTL)
	}
	switch err := f.alive(ctx, t.fields[fieldBatch]); {
	case errors.Is(err, ErrBatch):
		t.fate = Ended
	case err != nil:
		return none, err
	}
	return t, nil
}

// parseLink returns the attempt of a link's token, empty for what is none.
func parseLink(link string) string {
	if len(link) != attemptLen+tokenLen || !isAttempt(link[:attemptLen]) {
		return ""
	}
	return link[:attemptLen]
}

func isAttempt(text string) bool {
	return len(text) == attemptLen && strings.Trim(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

func unixTime(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}
