package session

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/store"
)

// Live is one session of an account as its owner is shown it.
type Live struct {
	// SID names it to EndOne. It is no secret.
	SID string
	// Device is the browser and the system, "Firefox, Windows"; empty when they
	// are not known.
	Device string
	// Network is from where the credentials were given: a range of addresses,
	// never one.
	Network string
	Began   time.Time // zero for a program's
	// Seen is when it was last used, to the minute.
	Seen     time.Time
	LongTerm bool
	Visits   []Visit
}

// From is where the credentials were given: on which device, empty when it is
// not known, and from which network.
func (s *Session) From() (device, network string) {
	device, _ = s.record.Values[valueDevice].(string)
	network, _ = s.record.Values[valueNetwork].(string)
	return device, network
}

// List returns the sessions of an account, the last used first. The error wraps
// store.ErrUnavailable.
func (m *Manager) List(ctx context.Context, id account.ID) ([]Live, error) {
	reads, err := m.indexed(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []Live
	for _, read := range reads {
		if read.Fields == nil || !strings.HasPrefix(read.Key.Name, recordPrefix) {
			continue // ended, or a token that outlives its session
		}
		live := Live{SID: m.sid(read.Key), Device: read.Fields[valueDevice], Network: read.Fields[valueNetwork],
			Seen: unix(read.Fields[valueChecked]), LongTerm: read.Fields[valueLongTerm] != "", Visits: m.Visits(m.recorded(read))}
		if began := read.Fields[valueBegan]; began != "" {
			live.Began = unix(began)
		}
		slices.SortFunc(live.Visits, func(a, b Visit) int { return cmp.Compare(b.At, a.At) })
		out = append(out, live)
	}
	slices.SortStableFunc(out, func(a, b Live) int { return b.Seen.Compare(a.Seen) })
	return out, nil
}

// EndOne ends one session of an account, and nothing when it has none of that
// SID. The error wraps store.ErrUnavailable.
func (m *Manager) EndOne(ctx context.Context, id account.ID, sid string) error {
	return m.endWhere(ctx, id, func(key store.Key) bool { return m.sid(key) == sid })
}

// What browsers call themselves, and people call them. The first that is found
// decides: Chrome says that it is Safari, and all others that they are Chrome.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"},
		{"Chrome", "Chrome"}, {"CriOS", "Chrome"}, {"Safari", "Safari"}}
	systems = [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "Chromebook"},
		{"Macintosh", "Mac"}, {"Linux", "Linux"}}
)

// deviceOf keeps of a User-Agent what its owner would recognise it by: the rest
// tells people apart.
func deviceOf(agent string) string {
	var words []string
	for _, list := range [][][2]string{browsers, systems} {
		for _, each := range list {
			if strings.Contains(agent, each[0]) {
				words = append(words, each[1])
				break
			}
		}
	}
	return strings.Join(words, ", ")
}
