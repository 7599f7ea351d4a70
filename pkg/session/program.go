package session

import (
	"context"
	"strings"

	"github.com/gorilla/sessions"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/pkg/store"
)

// Detached makes a session of no browser, for somebody whom a program signed
// in: what hangs from it is the only way to it. As with Start, nothing is
// stored before Commit.
func (m *Manager) Detached(a account.Account, methods ...string) *Session {
	record := m.record()
	record.IsNew = true
	now := m.clock()
	return &Session{Account: a, AuthTime: now, Checked: now, Methods: methods, record: record, bare: true}
}

// Behind returns the session that lies under what a program holds; nil when it
// has ended. The key is that of Under. Asking does not make it last longer:
// nobody is seen to be there. The error wraps store.ErrUnavailable.
func (m *Manager) Behind(ctx context.Context, key store.Key) (*Session, error) {
	name, ours := strings.CutPrefix(key.Name, recordPrefix)
	if !ours {
		return nil, nil
	}
	read := &store.Read{Key: key}
	if err := m.Cookies.Store.Do(ctx, read); err != nil || read.Fields == nil {
		return nil, err
	}
	record := m.record()
	record.ID = key.Tag + name + secret.Random(secretLen) // fits the record, and opens nothing
	hold(record, read.Fields)
	record.Values[secretlessKey{}] = true
	s, err := sessionOf(record)
	if err != nil {
		return nil, err
	}
	s.bare = true
	return s, nil
}

func (m *Manager) record() *sessions.Session {
	record := sessions.NewSession(m.Cookies, m.Cookie)
	options := m.Cookies.Options
	record.Options = &options
	return record
}
