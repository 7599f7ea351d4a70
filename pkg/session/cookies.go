package session

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/pkg/ticket"
)

// Cookies is a gorilla sessions.Store over our store: the cookie holds a
// random name and nothing else, the values are in a record of which the store
// knows only the hash of the cookie's secret. It differs from the stores one
// finds on three points: an unknown or foreign name is never adopted, Rotate
// changes the name under the same record, and a cookie may last as long as the
// browser.
//
// Values must be strings by string; anything else makes Save fail.
type Cookies struct {
	Store   store.Store
	Options sessions.Options
	// Idle is how long a session lives without being used.
	Idle time.Duration
	// Life bounds a session from its beginning, whatever its use.
	Life time.Duration
}

var _ sessions.Store = (*Cookies)(nil)

// A cookie's value is valuePrefix, tag, record and secret, run together. Record makes the
// record's name differ from that of any session that had the tag before, so
// that nothing that hung from that one hangs from this.
const (
	recordLen = 4
	secretLen = 22 // 131 bits: OWASP ASVS 7.2.3 asks for 128
	nameLen   = ticket.TagLen + recordLen + secretLen
)

// valuePrefix begins the value of every cookie, as CAS 3.0.3 section 3.6.1
// would have it.
const valuePrefix = "TGC-"

// keyField holds the hash of the secret.
const keyField = "key"

// recordPrefix begins the name of every record.
const recordPrefix = "session:"

// name is the parsed value of a cookie.
type name struct {
	key    store.Key
	secret string
}

func newName() string { return secret.Random(nameLen) }

func parse(cookie string) (name, bool) {
	if len(cookie) != nameLen {
		return name{}, false
	}
	for _, c := range []byte(cookie) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return name{}, false
		}
	}
	tag, rest := cookie[:ticket.TagLen], cookie[ticket.TagLen:]
	return name{key: store.Key{Tag: tag, Name: recordPrefix + rest[:recordLen]}, secret: rest[recordLen:]}, true
}

// Get returns the request's session, reading it from the store the first time
// in a request.
func (c *Cookies) Get(r *http.Request, cookie string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(c, cookie)
}

// New reads the session that the request's cookie names. Without one that
// lives it returns a new session that has no name yet. The error wraps
// store.ErrUnavailable: nothing is known then, and the cookie must be left as
// it is.
func (c *Cookies) New(r *http.Request, cookie string) (*sessions.Session, error) {
	s := sessions.NewSession(c, cookie)
	options := c.Options
	s.Options, s.IsNew = &options, true
	sent := r.CookiesNamed(cookie)
	if len(sent) != 1 {
		return s, nil // of two, one was planted: as in web.Cookies.Get
	}
	value, ours := strings.CutPrefix(sent[0].Value, valuePrefix)
	n, ok := parse(value)
	if !ours || !ok {
		return s, nil
	}
	read := &store.Read{Key: n.key, Extend: c.Idle}
	if err := c.Store.Do(r.Context(), read); err != nil {
		return s, err
	}
	held := read.Fields[keyField]
	if held == "" || subtle.ConstantTimeCompare([]byte(held), []byte(secret.Hash(n.secret))) != 1 {
		return s, nil
	}
	s.ID = value
	hold(s, read.Fields)
	return s, nil
}

// hold gives a session the values of its record.
func hold(s *sessions.Session, fields store.Fields) {
	for k, v := range fields {
		if k != keyField {
			s.Values[k] = v
		}
	}
	s.Values[heldKey{}] = fields
	s.IsNew = false
}

// heldKey is the key, among the values, of the record as it was read: what is
// written is the difference, so that requests of one session side by side do
// not undo each other.
type heldKey struct{}

// renewKey marks a record whose lifetime begins anew, under the same name so
// that what hangs from it stays.
type renewKey struct{}

// secretlessKey marks a record that was not reached by its cookie: whose secret
// is not known, and stays what it is.
type secretlessKey struct{}

// keyOf is what a record keeps of the secret of its cookie.
func keyOf(s *sessions.Session, n name) string {
	if _, secretless := s.Values[secretlessKey{}]; secretless {
		held, _ := s.Values[heldKey{}].(store.Fields)
		return held[keyField]
	}
	return secret.Hash(n.secret)
}

// Save writes the session and its cookie: for embedders that use gorilla's
// types alone. The Manager sends the same operations together with others.
func (c *Cookies) Save(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	ops, err := c.ops(s)
	if err != nil {
		return err
	}
	if err := c.Store.Do(r.Context(), ops...); err != nil {
		return err
	}
	c.setCookie(w, s)
	return nil
}

// Rotate gives the session a new name: to be called whenever its rights
// change (OWASP ASVS 7.2.4), before Save. What hangs from the session stays.
func (c *Cookies) Rotate(s *sessions.Session) {
	if s.ID == "" {
		return // Save names it
	}
	kept := s.ID[:ticket.TagLen+recordLen]
	s.ID = kept + secret.Random(secretLen)
}

// ops are the operations that make the store hold the session as it is.
func (c *Cookies) ops(s *sessions.Session) ([]store.Op, error) {
	if s.ID == "" {
		s.ID = newName()
	}
	n, ok := parse(s.ID)
	if !ok {
		return nil, errors.New("session: not a name of ours")
	}
	if s.Options != nil && s.Options.MaxAge < 0 {
		return []store.Op{&store.Delete{Tag: n.key.Tag, Names: []string{n.key.Name}}}, nil
	}
	fields := store.Fields{keyField: keyOf(s, n)}
	for k, v := range s.Values {
		name, ok := k.(string)
		if !ok {
			continue // ours: what is not a value
		}
		value, ok := v.(string)
		if !ok || name == keyField || name == "" || name[0] == '.' {
			return nil, errors.New("session: values must be texts, by names that are not the store's")
		}
		fields[name] = value
	}
	_, renew := s.Values[renewKey{}]
	if s.IsNew || renew {
		idle, life := c.Idle, c.Life
		if s.Options != nil && s.Options.MaxAge > 0 { // "stay signed in"
			life = time.Duration(s.Options.MaxAge) * time.Second
			idle = life
		}
		if left, ok := s.Values[leftKey{}].(time.Duration); ok {
			life = min(life, left)
		}
		return []store.Op{&store.Create{Key: n.key, Fields: fields, TTL: min(idle, life), Life: life, Replace: renew}}, nil
	}
	held, _ := s.Values[heldKey{}].(store.Fields)
	changed := store.Fields{}
	for name, value := range fields {
		if held[name] != value {
			changed[name] = value
		}
	}
	for name := range held {
		if _, stays := fields[name]; !stays {
			changed[name] = "" // removes it
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	return []store.Op{&store.Write{Key: n.key, Fields: changed}}, nil
}

func (c *Cookies) setCookie(w http.ResponseWriter, s *sessions.Session) {
	http.SetCookie(w, sessions.NewCookie(s.Name(), valuePrefix+s.ID, s.Options))
}
