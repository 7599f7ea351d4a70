package session

import (
	"strconv"
	"strings"
	"time"
)

// leftKey marks a record that goes on with what another had left of its life.
type leftKey struct{}

// Part takes leave of every party visited while the person stays signed in, for
// as long as they would have (partial logout, requirement R56). The session goes
// on under a new name and SID: with the next Commit the old one ends, and with
// it every ticket and token that hung from it.
func (m *Manager) Part(s *Session) {
	s.next = append(s.next, m.end(s.key(), s.Account.ID, m.farewells(s))...)
	s.leave, s.renamed = true, true
	values := s.record.Values
	for k := range values {
		if name, ok := k.(string); ok && strings.HasPrefix(name, visitValue) {
			delete(values, k)
		}
	}
	life := m.Cookies.Life
	if s.LongTerm {
		life = m.remember()
	}
	began, _ := values[valueBegan].(string)
	if at, err := strconv.ParseInt(began, 10, 64); err == nil {
		life -= m.clock().Sub(time.Unix(at, 0))
	}
	life = max(life, time.Second) // the clocks differ
	values[leftKey{}] = life
	if s.LongTerm {
		s.record.Options.MaxAge = int(life / time.Second)
	}
	s.record.ID, s.record.IsNew = "", true
}
