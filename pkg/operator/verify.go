package operator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/mail"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/render"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/sms"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/throttle"
)

// Proof is how an operator made sure of who is calling.
type Proof string

// The proofs.
const (
	// ProofCode: they read back a code that was sent to an address on file.
	ProofCode Proof = "code"
	// ProofMatch: behind a link that was sent there they typed the two digits
	// that the operator said.
	ProofMatch Proof = "match"
	// ProofCard: they stand at the desk and have shown a card.
	ProofCard Proof = "card"
	// ProofFacts: they know a date of birth and something else on file. The
	// operator types what they say, and is shown neither.
	ProofFacts Proof = "facts"
)

const (
	// verifiedFor is how long an operator may act for a caller who was
	// verified: a telephone call.
	verifiedFor = 15 * time.Minute
	codeLife    = 10 * time.Minute // ASVS 6.5.5

	jobCode = "desk code"
)

// The bounds of verification, of all operators together.
var (
	codesPerHour = throttle.Limiter{Name: "desk codes", Limit: 6, Window: time.Hour}
	triesPerCode = throttle.Limiter{Name: "desk tries", Limit: 5, Window: codeLife}
	factsPerDay  = throttle.Limiter{Name: "desk facts", Limit: 5, Window: 24 * time.Hour}
)

// What verifying answers.
var (
	// ErrWrong: the code or the facts are not right, or not any more.
	ErrWrong = errors.New("operator: not verified")
	// ErrTooMany: too many codes or tries for this account.
	ErrTooMany = errors.New("operator: too many tries for this account")
	// ErrNoContact: the account has no such address any more.
	ErrNoContact = errors.New("operator: no such address on file")
)

// Verified is that a caller has shown who they are. The zero value says they
// have not.
type Verified struct {
	By    Proof
	Until time.Time
}

// The fields of the records of a case.
const (
	fieldBy = "by"
	fieldID = "id"
)

// key is that of a record about one operator and one account.
func (c Case) key(name string) store.Key {
	return store.Key{Tag: "d-" + secret.Hash(string(c.Operator) + "\x00" + string(c.Account))[:22], Name: name}
}

// Verified returns whether the caller of a case was verified. The error wraps
// store.ErrUnavailable.
func (d *Desk) Verified(ctx context.Context, c Case) (Verified, error) {
	read := &store.Read{Key: c.key("verified")}
	if err := d.Store.Do(ctx, read); err != nil || read.Fields == nil {
		return Verified{}, err
	}
	return Verified{By: Proof(read.Fields[fieldBy]), Until: d.now().Add(read.TTL)}, nil
}

func (d *Desk) verified(ctx context.Context, c Case, by Proof) error {
	err := d.Store.Do(ctx, &store.Create{Key: c.key("verified"), Fields: store.Fields{fieldBy: string(by)}, TTL: verifiedFor, Replace: true})
	if err == nil {
		d.record(ctx, c, "verify", "ok", slog.String("by", string(by)))
	}
	return err
}

func (d *Desk) unverified(ctx context.Context, c Case, by Proof, detail ...slog.Attr) error {
	d.record(ctx, c, "verify", "wrong", append(detail, slog.String("by", string(by)))...)
	return ErrWrong
}

// Forget ends the verification of a case, and what was sent for it: the call is
// over.
func (d *Desk) Forget(ctx context.Context, c Case) error {
	return d.Store.Do(ctx, &store.Delete{Tag: c.key("").Tag, Names: []string{"verified", "code", "match"}})
}

// CardSeen records that the caller has shown a card. Errors: a Denied, or one
// that wraps directory.ErrUnavailable or store.ErrUnavailable.
func (d *Desk) CardSeen(ctx context.Context, c Case) error {
	if _, _, err := d.open(ctx, c, See); err != nil {
		return err
	}
	return d.verified(ctx, c, ProofCard)
}

// Facts are what a caller says of themselves.
type Facts struct {
	Birth string // a date, in any of the usual ways
	Other string // an address, a telephone, another login, or a number of Desk.Known
}

// hasFacts reports whether facts can verify this account: both must be known.
func (d *Desk) hasFacts(a account.Account) bool { return !a.Birth.IsZero() && len(d.others(a)) > 0 }

// others are what a caller may know beside the date of birth. The login is not
// among them: it is in every public address.
func (d *Desk) others(a account.Account) []string {
	var out []string
	for _, name := range d.Known {
		out = append(out, a.Values(name)...)
	}
	for _, c := range a.Contacts {
		if !c.Frozen {
			out = append(out, c.Value)
		}
	}
	for _, l := range a.Logins {
		if !strings.EqualFold(l, a.Login) && !strings.Contains(l, "@") {
			out = append(out, l)
		}
	}
	return out
}

// FactsSaid compares what a caller says with what is on file; which of it was wrong
// is not told. Errors: a Denied, ErrWrong, ErrTooMany, or one that wraps
// directory.ErrUnavailable or store.ErrUnavailable.
func (d *Desk) FactsSaid(ctx context.Context, c Case, said Facts) error {
	_, who, err := d.open(ctx, c, See)
	if err != nil {
		return err
	}
	if who, err = d.Recovery.Usable(ctx, who); err != nil {
		return err
	}
	hit := factsPerDay.Hit(string(who.ID))
	if err := d.Store.Do(ctx, hit); err != nil {
		return err
	}
	if !hit.Allowed {
		return ErrTooMany
	}
	born, err := account.ParseDate(said.Birth)
	other := squeeze(said.Other)
	known := other != "" && slices.ContainsFunc(d.others(who), func(v string) bool { return same(squeeze(v), other) })
	if err != nil || who.Birth.IsZero() || born != who.Birth || !known {
		return d.unverified(ctx, c, ProofFacts)
	}
	return d.verified(ctx, c, ProofFacts)
}

// squeeze leaves out what people write in numbers for the eye.
func squeeze(v string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-\u00a0\u202f", r) {
			return -1
		}
		return r
	}, v))
}

// same compares two squeezed values; a French number is said without its
// country.
func same(onFile, said string) bool {
	if national, ok := strings.CutPrefix(onFile, "+33"); ok && "0"+national == said {
		return true
	}
	return onFile == said
}

// codeJob is a code on its way.
type codeJob struct {
	ID       string     `json:"i"`
	Operator account.ID `json:"o"`
	Account  account.ID `json:"a"`
	To       string     `json:"t"` // a hash of the address
	At       int64      `json:"n"`
	Link     string     `json:"l,omitempty"` // a link leaves in place of the code
}

// SendCode sends the caller a code to read back, to one of the addresses on
// file: which, the account's Contacts say. Errors: a Denied, ErrTooMany,
// ErrNoContact, or one that wraps directory.ErrUnavailable or
// store.ErrUnavailable.
func (d *Desk) SendCode(ctx context.Context, c Case, contact int) error {
	who, to, err := d.channel(ctx, c, contact)
	if err != nil {
		return err
	}
	id := secret.Random(16)
	data, err := json.Marshal(codeJob{ID: id, Operator: c.Operator, Account: who.ID, To: secret.Hash(to.Value), At: d.now().Unix()})
	if err != nil {
		return err
	}
	err = d.Store.Do(ctx, &store.Create{Key: c.key("code"), Fields: store.Fields{fieldID: id}, TTL: codeLife, Replace: true},
		d.Outbox.Op(outbox.Job{ID: "desk code " + id, Kind: jobCode, Data: data}))
	d.Outbox.Nudge()
	d.record(ctx, c, "send_code", "ok", slog.String("to", to.Masked()))
	return err
}

// channel is the contact that something is to be sent to, which is counted.
func (d *Desk) channel(ctx context.Context, c Case, contact int) (who account.Account, to account.Contact, err error) {
	if _, who, err = d.open(ctx, c, See); err != nil {
		return who, to, err
	}
	if who, err = d.Recovery.Usable(ctx, who); err != nil {
		return who, to, err
	}
	if contact < 0 || contact >= len(who.Contacts) || !d.reaches(who.Contacts[contact]) {
		return who, to, ErrNoContact
	}
	hit := codesPerHour.Hit(string(who.ID))
	if err := d.Store.Do(ctx, hit); err != nil {
		return who, to, err
	}
	if !hit.Allowed {
		return who, to, ErrTooMany
	}
	return who, who.Contacts[contact], nil
}

// reaches reports whether a code can be sent there.
func (d *Desk) reaches(c account.Contact) bool {
	if c.Frozen || c.Kind == account.Email {
		return !c.Frozen
	}
	_, ok := d.mobile(c.Value)
	return ok
}

// mobile reads a number by the site's own plan, and tells whether a message could
// leave there now.
func (d *Desk) mobile(written string) (number string, reached bool) {
	if g, ok := d.SMS.(sms.Selective); ok {
		return g.Usable(written)
	}
	number, err := sms.Plan{}.Mobile(written)
	return number, err == nil && d.SMS != nil
}

// code is derived, not stored: a copy of the store is worth nothing.
func (d *Desk) code(id string, operator, who account.ID) string {
	return d.Keys.Deriver("desk code").Digits(recovery.CodeLen, id, string(operator), string(who))
}

// ReadBack compares the code that the caller reads. It is good once. Errors:
// a Denied, ErrWrong, ErrTooMany, or one that wraps directory.ErrUnavailable or
// store.ErrUnavailable.
func (d *Desk) ReadBack(ctx context.Context, c Case, typed string) error {
	if _, _, err := d.open(ctx, c, See); err != nil {
		return err
	}
	read := &store.Read{Key: c.key("code")}
	if err := d.Store.Do(ctx, read); err != nil {
		return err
	}
	id := read.Fields[fieldID]
	if id == "" {
		return d.unverified(ctx, c, ProofCode)
	}
	hit := triesPerCode.Hit(id)
	if err := d.Store.Do(ctx, hit); err != nil {
		return err
	}
	if !hit.Allowed {
		return ErrTooMany
	}
	if !secret.New(recovery.Digits(typed)).Equal(secret.New(d.code(id, c.Operator, c.Account))) {
		return d.unverified(ctx, c, ProofCode)
	}
	take := &store.Take{Key: c.key("code"), By: secret.Random(16)}
	if err := d.Store.Do(ctx, take); err != nil {
		return err
	}
	if take.Outcome != store.Taken || take.Fields[fieldID] != id {
		return d.unverified(ctx, c, ProofCode)
	}
	return d.verified(ctx, c, ProofCode)
}

// deliverCode sends a code to an address that is still on file.
func (d *Desk) deliverCode(ctx context.Context, job outbox.Job) error {
	var j codeJob
	if err := json.Unmarshal(job.Data, &j); err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	who, err := d.Directory.Get(ctx, j.Account)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(who.Contacts, func(c account.Contact) bool { return !c.Frozen && secret.Hash(c.Value) == j.To })
	if at < 0 {
		return errors.Join(outbox.ErrGiveUp, ErrNoContact)
	}
	to, code, until := who.Contacts[at], d.code(j.ID, j.Operator, j.Account), time.Unix(j.At, 0).Add(codeLife)
	switch link := d.Call + j.Link; {
	case to.Kind == account.Email && j.Link != "":
		return d.send(ctx, j.ID, to.Value, who.Language, render.MailDeskMatch{URL: link, Until: until})
	case to.Kind == account.Email:
		return d.send(ctx, j.ID, to.Value, who.Language, render.MailDeskCode{Code: code, Until: until})
	case j.Link != "":
		return d.text(ctx, j.ID, to.Value, who.ID, who.Language, render.SMSDesk{Act: "match", URL: link, Until: until})
	}
	return d.text(ctx, j.ID, to.Value, who.ID, who.Language, render.SMSDesk{Act: "code", Code: code, Until: until})
}

// send renders and sends a mail.
func (d *Desk) send(ctx context.Context, id, to, lang string, view render.MailView) error {
	letter, err := d.Pages.Mail(lang, view)
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	err = d.Mail.Send(ctx, mail.Message{ID: id, To: to, Subject: letter.Subject, Text: letter.Text, HTML: letter.HTML, Language: letter.Language})
	if errors.Is(err, mail.ErrRefused) {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	return err
}

// text renders and sends a text message. Where the name of the site does not fit
// in one message the host stands for it (requirement R74).
func (d *Desk) text(ctx context.Context, id, to string, who account.ID, lang string, view render.SMSDesk) error {
	text, err := d.Pages.SMS(lang, view)
	if _, long := sms.Length(text); err == nil && long != nil {
		view.Name = d.host()
		text, err = d.Pages.SMS(lang, view)
	}
	if err != nil {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	number, _ := d.mobile(to) // while the gateway rests, this waits
	if number == "" {
		return errors.Join(outbox.ErrGiveUp, ErrNoContact)
	}
	err = d.SMS.Send(ctx, sms.Message{ID: id, To: number, Text: text, Account: who})
	if errors.Is(err, sms.ErrUncertain) || errors.Is(err, sms.ErrRefused) {
		return errors.Join(outbox.ErrGiveUp, err)
	}
	return err
}

func (d *Desk) host() string {
	home, err := url.Parse(d.Home)
	if err != nil {
		return ""
	}
	return home.Hostname()
}

// isMail reports whether somebody typed an address for mail, and one only
// (R-REC-16).
func isMail(typed string) bool {
	local, domain, ok := strings.Cut(typed, "@")
	return ok && local != "" && strings.Contains(domain, ".") && !strings.ContainsAny(domain, "@") &&
		!strings.ContainsFunc(typed, func(r rune) bool { return r <= ' ' || strings.ContainsRune(",;:<>()[]\"\\\u007f", r) })
}
