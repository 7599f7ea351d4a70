package desk_test

import (
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/recovery"
)

// R23: the desk sees at which address nobody reads, though a later message was
// sent there since there is no other.
func TestDoubtfulAddressIsSeen(t *testing.T) {
	s := open(t, issuer, rules(true, false))
	b := s.as("nadia.adml")
	place := b.place("lea.dalmeida")
	ask := func() string {
		if _, err := s.flow.Begin(t.Context(), recovery.Begin{Purpose: recovery.Reset, Login: "lea.dalmeida", Source: "192.0.2.0/24"}); err != nil {
			t.Fatal(err)
		}
		mark := s.next("lea@example.org").Mark
		s.settled()
		return mark
	}
	const doubtful = "n’est pas arrivé"
	mark := ask()
	if strings.Contains(b.get(place).is(t, 200).body, doubtful) {
		t.Error("doubtful before anything came back")
	}
	if err := s.flow.Bounced(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	b.get(place).is(t, 200, doubtful)
	ask()
	b.get(place).is(t, 200, doubtful)
}
