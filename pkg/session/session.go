// Package session owns the single sign-on session of a browser: one for all
// protocols, from which every ticket, code and token hangs, so that ending it
// ends them all at once and tells every relying party that was visited.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/outbox"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/web"
)

// Session is that of one browser, as seen by one request. It is not safe for
// concurrent use. Changes are kept by Manager.Commit.
type Session struct {
	// Account is the snapshot taken at Checked. It is never older than what
	// the login engine allows.
	Account account.Account
	Checked time.Time
	// AuthTime is when the credentials were last given.
	AuthTime time.Time
	// Methods say how, as amr values (RFC 8176): "pwd".
	Methods []string
	// LongTerm tells that the person asked to stay signed in.
	LongTerm bool
	// FromCredentials tells that they were given for what is asked now, and
	// not for something before (CAS isFromNewLogin and renew). The login
	// engine sets it.
	FromCredentials bool

	record *sessions.Session
	next   []store.Op // to go with the next Commit
	leave  bool       // some of next are farewells
	begun  bool       // Start was called and Commit was not yet
	bare   bool       // of a program: no cookie goes with it
	// renamed: Part was called and Commit was not yet.
	renamed bool
}

// JustStarted reports whether credentials were given in this very request.
func (s *Session) JustStarted() bool { return s.begun }

// With adds operations to the next Commit.
func (s *Session) With(ops ...store.Op) { s.next = append(s.next, ops...) }

// Visit is one sign-in at a relying party that will want to know the end of
// the session.
type Visit struct {
	// At is when, in Unix seconds; Manager.Visit sets it.
	At       int64             `json:"t,omitempty"`
	Protocol string            `json:"p"`           // the name of the sso.Protocol
	Party    string            `json:"i"`           // the relying party
	Name     string            `json:"n,omitempty"` // what people call it, when Party is not that
	Data     map[string]string `json:"d,omitempty"`
	// SID and Account are filled in for the farewell.
	SID     string     `json:"s,omitempty"`
	Account account.ID `json:"a,omitempty"`
}

// Manager starts, finds and ends sessions.
type Manager struct {
	Cookies *Cookies
	// Cookie is the name of the cookie.
	Cookie string
	// Remember is how long "stay signed in" lasts; default 30 days. CAS 3.0.3
	// section 4.1.2 allows three months at the most.
	Remember time.Duration
	// Watched, when set, is how often Due gives each account that has something
	// open: somebody must then ask it, lest the store remember them all.
	Watched time.Duration
	Keys    *secret.Keyring
	Outbox  *outbox.Outbox
	Now     func() time.Time // default time.Now
}

// The names of the record's values.
const (
	valueAccount  = "account"
	valueChecked  = "checked"
	valueAuth     = "auth"
	valueMethods  = "methods"
	valueLongTerm = "long"
	valueBegan    = "began"
	valueDevice   = "device"
	valueNetwork  = "network"
	noteValue     = "note:"  // + name
	visitValue    = "visit:" // + name
)

// sessionKey is the key of the *Session among the values of its record, so
// that everybody who asks in one request gets the same.
type sessionKey struct{}

// Current returns the request's session, nil when there is none. The error
// wraps store.ErrUnavailable: it is then unknown, and the cookie must stay.
func (m *Manager) Current(r *http.Request) (*Session, error) {
	record, err := m.Cookies.Get(r, m.Cookie)
	if err != nil {
		return nil, err
	}
	if s, ok := record.Values[sessionKey{}].(*Session); ok {
		return s, nil
	}
	if record.IsNew {
		return nil, nil
	}
	return sessionOf(record)
}

// sessionOf reads the session that a record holds.
func sessionOf(record *sessions.Session) (*Session, error) {
	s := &Session{record: record}
	text := func(name string) string { v, _ := record.Values[name].(string); return v }
	if err := json.Unmarshal([]byte(text(valueAccount)), &s.Account); err != nil {
		return nil, fmt.Errorf("session: the record cannot be read: %w", err)
	}
	s.AuthTime, s.Checked = unix(text(valueAuth)), unix(text(valueChecked))
	s.Methods = strings.Fields(text(valueMethods))
	s.LongTerm = text(valueLongTerm) != ""
	record.Values[sessionKey{}] = s
	return s, nil
}

// Start makes the account's session after its credentials were given in this
// request. A session of the same person goes on under a new name; that of
// another is ended first. Nothing is stored and no cookie is set before
// Commit.
func (m *Manager) Start(r *http.Request, a account.Account, longTerm bool, methods ...string) (*Session, error) {
	s, err := m.Current(r)
	if err != nil {
		return nil, err
	}
	record, _ := m.Cookies.Get(r, m.Cookie) // the registry's: it cannot fail now
	var before []store.Op
	if s != nil && s.Account.ID != a.ID {
		before = m.end(s.key(), s.Account.ID, m.farewells(s))
		clear(record.Values)
		record.ID, record.IsNew = "", true
		s = nil
	}
	if s == nil {
		s = &Session{record: record, next: before, leave: before != nil}
		record.Values[sessionKey{}] = s
	}
	if !record.IsNew && s.LongTerm != longTerm {
		record.Values[renewKey{}] = true
	}
	s.Account, s.AuthTime, s.Checked = a, m.clock(), m.clock()
	s.Methods, s.LongTerm, s.begun = methods, longTerm, true
	if record.Values[valueBegan] == nil {
		record.Values[valueBegan] = strconv.FormatInt(m.clock().Unix(), 10)
	}
	record.Values[valueDevice], record.Values[valueNetwork] = deviceOf(r.UserAgent()), web.ClientRange(r)
	record.Options.MaxAge = 0
	if longTerm {
		record.Options.MaxAge = int(m.remember() / time.Second)
	}
	m.Cookies.Rotate(record)
	return s, nil
}

// Commit stores the session as it is now together with ops, in one round trip,
// and sets its cookie when it is new. It must be called before anything is
// written to w. The error wraps store.ErrUnavailable: then nothing may be
// granted, and no cookie is set.
func (m *Manager) Commit(ctx context.Context, w http.ResponseWriter, s *Session, ops ...store.Op) error {
	all, err := m.save(s)
	if err != nil {
		return err
	}
	all = append(append(s.next, all...), ops...)
	if len(all) == 0 {
		return nil
	}
	if err := m.Cookies.Store.Do(ctx, all...); err != nil {
		return err
	}
	if s.begun || s.renamed {
		m.Cookies.setCookie(w, s.record)
	}
	if s.leave {
		m.Outbox.Nudge()
	}
	s.next, s.leave, s.begun, s.renamed, s.record.IsNew = nil, false, false, false, false
	s.record.Values[heldKey{}] = held(s.record)
	delete(s.record.Values, renewKey{})
	delete(s.record.Values, leftKey{})
	return nil
}

// Under is the record from which tickets of this session hang. It is only
// known to be there once Start was followed by Commit, in the same round trip
// at the latest.
func (m *Manager) Under(s *Session) store.Key {
	if s.record.ID == "" {
		s.record.ID = newName()
	}
	return s.key()
}

func (s *Session) key() store.Key {
	n, _ := parse(s.record.ID)
	return n.key
}

// SID names the session to relying parties (OpenID Connect Back-Channel Logout
// 1.0 section 2.1). It cannot be turned into the cookie.
func (m *Manager) SID(s *Session) string { return m.sid(m.Under(s)) }

func (m *Manager) sid(k store.Key) string {
	return m.Keys.Deriver("session sid").Text(22, k.Tag, k.Name)
}

// maxVisits bounds what a session remembers of one protocol, so that one which
// lasts for weeks stays quick to read, and none of another is forgotten for it.
// Of more the oldest hear nothing of the end; their tickets are long since
// spent.
const maxVisits = 300

// Visit records that the session was used to sign in at a relying party. The
// name tells visits apart: one of the same name replaces the other.
func (m *Manager) Visit(s *Session, name string, v Visit) {
	v.At = m.clock().Unix()
	plain, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts only
	}
	ofProtocol := visitValue + v.Protocol + ":"
	key := ofProtocol + secret.Hash(name)[:12]
	s.record.Values[key] = m.visitBox().Seal(plain, key)
	visits := 0
	for k := range s.record.Values {
		if name, ok := k.(string); ok && strings.HasPrefix(name, ofProtocol) {
			visits++
		}
	}
	if visits > maxVisits {
		all, oldest := m.visitsByKey(s.record), key
		for k, v := range all {
			if v.Protocol == all[oldest].Protocol && v.At < all[oldest].At {
				oldest = k
			}
		}
		delete(s.record.Values, oldest)
	}
}

// Visits returns what was recorded, in no order.
func (m *Manager) Visits(s *Session) []Visit {
	return slices.Collect(maps.Values(m.visitsByKey(s.record)))
}

func (m *Manager) visitsByKey(record *sessions.Session) map[string]Visit {
	out := map[string]Visit{}
	for k, v := range record.Values {
		key, _ := k.(string)
		sealed, _ := v.(string)
		if !strings.HasPrefix(key, visitValue) {
			continue
		}
		var visit Visit
		if plain, err := m.visitBox().Open(sealed, key); err == nil && json.Unmarshal(plain, &visit) == nil {
			out[key] = visit
		}
	}
	return out
}

// Note returns a short text that an engine keeps with the session.
func (s *Session) Note(name string) string {
	v, _ := s.record.Values[noteValue+name].(string)
	return v
}

// SetNote keeps a text with the session; an empty one removes it.
func (s *Session) SetNote(name, value string) {
	if value == "" {
		delete(s.record.Values, noteValue+name)
		return
	}
	s.record.Values[noteValue+name] = value
}

// End ends the session, kills what hangs from it and records a farewell to
// each party visited. The cookie is removed only when the store has done it.
func (m *Manager) End(ctx context.Context, w http.ResponseWriter, s *Session) error {
	if err := m.Cookies.Store.Do(ctx, m.end(s.key(), s.Account.ID, m.farewells(s))...); err != nil {
		return err
	}
	m.Outbox.Nudge()
	if !s.bare {
		gone := *s.record.Options
		gone.MaxAge = -1
		http.SetCookie(w, sessions.NewCookie(m.Cookie, "", &gone))
	}
	clear(s.record.Values)
	s.record.ID, s.record.IsNew = "", true
	return nil
}

// EndAll ends every session of an account and whatever else was indexed for
// it, after its password changed or the account was closed.
func (m *Manager) EndAll(ctx context.Context, id account.ID) error {
	return m.EndOthers(ctx, id, store.Key{})
}

// EndOthers is EndAll but for one session, named as by Under: that of the
// browser which asks for it (R-SESS-05).
func (m *Manager) EndOthers(ctx context.Context, id account.ID, stays store.Key) error {
	return m.endWhere(ctx, id, func(key store.Key) bool { return key != stays })
}

// endWhere ends those of an account's records that are meant.
func (m *Manager) endWhere(ctx context.Context, id account.ID, meant func(store.Key) bool) error {
	reads, err := m.indexed(ctx, id)
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, read := range reads {
		if meant(read.Key) {
			ops = append(ops, m.end(read.Key, id, m.farewellsOf(read.Key, id, m.Visits(m.recorded(read))))...)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	err = m.Cookies.Store.Do(ctx, ops...)
	m.Outbox.Nudge()
	return err
}

// indexed reads what is indexed for an account. Of what has ended the Fields
// are nil.
func (m *Manager) indexed(ctx context.Context, id account.ID) ([]*store.Read, error) {
	list := &store.List{Queue: index(id)}
	if err := m.Cookies.Store.Do(ctx, list); err != nil || len(list.Entries) == 0 {
		return nil, err
	}
	reads := make([]*store.Read, len(list.Entries))
	ops := make([]store.Op, len(list.Entries))
	for i, e := range list.Entries {
		tag, name, _ := strings.Cut(e.ID, " ")
		reads[i] = &store.Read{Key: store.Key{Tag: tag, Name: name}}
		ops[i] = reads[i]
	}
	return reads, m.Cookies.Store.Do(ctx, ops...)
}

// recorded is what a record holds, as far as Visits and Note go.
func (m *Manager) recorded(read *store.Read) *Session {
	record := sessions.NewSession(m.Cookies, m.Cookie)
	for k, v := range read.Fields {
		record.Values[k] = v
	}
	return &Session{record: record}
}

// Index returns the operations that make EndAll find a record which does not
// hang from a session. They also forget what has expired.
func (m *Manager) Index(id account.ID, key store.Key, ttl time.Duration) []store.Op {
	return append(m.watch(id),
		&store.Push{Queue: index(id), ID: key.Tag + " " + key.Name, After: ttl},
		&store.Drop{Queue: index(id), Due: true})
}

func index(id account.ID) string { return "account-" + secret.Hash(string(id))[:22] }

// Farewell is the kind of the jobs that tell a protocol's parties of the end
// of a session. Their Data is a Visit.
func Farewell(protocol string) string { return "farewell " + protocol }

// VisitOf reads a farewell job. The error wraps outbox.ErrGiveUp.
func VisitOf(job outbox.Job) (Visit, error) {
	var v Visit
	if err := json.Unmarshal(job.Data, &v); err != nil {
		return v, errors.Join(outbox.ErrGiveUp, err)
	}
	return v, nil
}

func (m *Manager) farewells(s *Session) []store.Op {
	return m.farewellsOf(s.key(), s.Account.ID, m.Visits(s))
}

func (m *Manager) farewellsOf(key store.Key, id account.ID, visits []Visit) []store.Op {
	var ops []store.Op
	for _, v := range visits {
		v.SID, v.Account = m.sid(key), id
		data, err := json.Marshal(v)
		if err != nil {
			panic(err) // texts only
		}
		ops = append(ops, m.Outbox.Op(outbox.Job{Kind: Farewell(v.Protocol), Data: data}))
	}
	return ops
}

// end puts the deletion last: when only a part arrives, a party may hear twice
// of the end, but a session never ends unheard.
func (m *Manager) end(key store.Key, id account.ID, farewells []store.Op) []store.Op {
	return append(farewells,
		&store.Delete{Tag: key.Tag, Names: []string{key.Name}},
		&store.Drop{Queue: index(id), IDs: []string{key.Tag + " " + key.Name}})
}

func (m *Manager) save(s *Session) ([]store.Op, error) {
	person, err := json.Marshal(s.Account)
	if err != nil {
		return nil, err
	}
	values := s.record.Values
	values[valueAccount] = string(person)
	values[valueChecked] = strconv.FormatInt(s.Checked.Unix(), 10)
	values[valueAuth] = strconv.FormatInt(s.AuthTime.Unix(), 10)
	values[valueMethods] = strings.Join(s.Methods, " ")
	delete(values, valueLongTerm)
	if s.LongTerm {
		values[valueLongTerm] = "1"
	}
	_, renewed := values[renewKey{}]
	isNew := s.record.IsNew || renewed
	ops, err := m.Cookies.ops(s.record)
	if err != nil {
		return nil, err
	}
	if isNew {
		life := m.Cookies.Life
		if s.LongTerm {
			life = m.remember()
		}
		ops = append(ops, m.Index(s.Account.ID, s.key(), life)...)
	}
	return ops, nil
}

func held(record *sessions.Session) store.Fields {
	n, _ := parse(record.ID)
	out := store.Fields{keyField: keyOf(record, n)}
	for k, v := range record.Values {
		name, ok := k.(string)
		value, isText := v.(string)
		if ok && isText {
			out[name] = value
		}
	}
	return out
}

func (m *Manager) visitBox() *secret.Box { return m.Keys.Box("session visits") }

func (m *Manager) remember() time.Duration {
	if m.Remember == 0 {
		return 30 * 24 * time.Hour
	}
	return m.Remember
}

func (m *Manager) clock() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func unix(text string) time.Time {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0)
}
