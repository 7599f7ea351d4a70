package ldap

import (
	"errors"
	"testing"
	"time"
)

// F-LDAP-03: what a firewall forgot at once is one failure of the server, however
// many notice it together; else those who come next would be turned away from a
// server that is well. A new connection that fails counts each time.
func TestBlame_FLDAP03(t *testing.T) {
	now := time.Date(2026, 9, 15, 8, 0, 0, 0, time.UTC)
	d := &dialer{now: func() time.Time { return now }}
	at := new(endpoint)
	kept := func() *conn { return &conn{at: at, born: now.Add(-10 * time.Second)} }

	if d.blame(kept(), true, errors.New("cut")) != nil || at.turn(now) != inPlace {
		t.Error("a kept connection that was cut counts")
	}
	for range 8 {
		if d.blame(kept(), true, errNoAnswer) != at {
			t.Error("whose connection was silent is not told of the address")
		}
	}
	if at.turn(now) != last {
		t.Errorf("eight that were forgotten: turn %d", at.turn(now))
	}
	for range breakAfter - 1 {
		d.blame(&conn{at: at, born: now}, false, errors.New("cut"))
	}
	if at.turn(now) != never {
		t.Errorf("and new ones that fail: turn %d", at.turn(now))
	}
}
