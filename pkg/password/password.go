// Package password decides which new passwords are good enough, and says why
// one is not.
//
// It follows what is known to help (NIST SP 800-63B-4 section 3.1.1, CNIL
// recommendation 2022-100, requirement R40): length, no rule of composition,
// no password that others have already, none made of what an acquaintance
// knows, and in the end an estimate of how long guessing takes.
package password

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/secret"
)

// Policy is what a new password must be. The zero Policy is the default.
type Policy struct {
	// Preset is a rule book to begin from: "cnil-1", "cnil-2", "anssi-admin" or
	// "legacy-ad" (see Presets); none when empty.
	Preset Preset `json:"preset"`
	// MinLength is in code points: 12 unless it or Preset says otherwise, from 8
	// to 64.
	MinLength int `json:"minLength"`
	// MaxLength is in code points: 128 unless set, from 64 to 256. It is not
	// there for security but to bound the work of a refusal.
	MaxLength int `json:"maxLength"`
	// Words must not be in a password: the names of the establishment, its
	// town, its UAI. Words of fewer than 4 letters and digits are left out.
	Words []string `json:"words"`
	// Privileged are the accounts whose passwords need 15 code points at least
	// (requirement R40); nobody, when it is left out.
	Privileged *account.Condition `json:"privileged"`
	// Breached is a file of passwords that have leaked; none when empty.
	Breached Breached `json:"breached"`
}

// minPrivileged is in code points.
const minPrivileged = 15

// minBits is the least estimate, of a network login that is throttled (R34,
// R40).
const minBits = 50

// Reason is why a password was refused. Pages word it by the message
// "password.refused.<reason>".
type Reason string

// The reasons of a Policy.
const (
	TooShort Reason = "too_short"
	TooLong  Reason = "too_long"
	Control  Reason = "control"  // a control character, or no valid UTF-8: nobody could type it again
	Common   Reason = "common"   // on a list of known passwords
	Personal Reason = "context"  // holds a name, the login, the date of birth, the establishment
	Sequence Reason = "sequence" // mostly a run of keys or letters, or one piece repeated
	Weak     Reason = "weak"     // guessed too quickly for any other reason
	Leaked   Reason = "leaked"   // in the file of leaked passwords
	Classes  Reason = "classes"  // fewer than three kinds of characters, for an old directory
)

// The reasons that only a directory has, for a password that the Policy takes.
const (
	Longer    Reason = "longer" // it asks for more than the Policy
	InHistory Reason = "in_history"
	TooYoung  Reason = "too_young"
	Other     Reason = "other"
)

// Reasons are all of them, so that a server can check at start that each has
// its message.
func Reasons() []Reason {
	return []Reason{TooShort, TooLong, Control, Common, Personal, Sequence, Weak, Leaked, Classes, Longer, InHistory, TooYoung, Other}
}

// Minimum is the least number of code points for most people, to tell them
// beforehand.
func (p Policy) Minimum() int { return cmp.Or(p.MinLength, presets[p.Preset].length) }

// MinimumFor is the least number of code points for one person.
func (p Policy) MinimumFor(about Context) int {
	if p.Privileged != nil && about.account != nil && p.Privileged.Holds(*about.account, time.Now()) {
		return max(p.Minimum(), minPrivileged)
	}
	return p.Minimum()
}

// Kinds is how many of the four kinds of characters it asks for, to tell people
// beforehand; zero when any will do.
func (p Policy) Kinds() int { return presets[p.Preset].classes }

func (p Policy) maximum() int { return cmp.Or(p.MaxLength, 128) }

// Validate checks a configured policy. The error is a *plugin.Error that names
// the key. A minimum below 8 or a maximum below 64 would contradict R-REC-20.
func (p Policy) Validate() error {
	if _, known := presets[p.Preset]; !known {
		return plugin.At("preset", fmt.Errorf("no preset is called %q; known: %s", p.Preset, strings.Join(Presets(), ", ")))
	}
	if minimum := p.Minimum(); minimum < 8 || minimum > 64 {
		return &plugin.Error{Path: "minLength", Err: errors.New("must be from 8 to 64 characters; leave it out for 12")}
	}
	if maximum := p.maximum(); maximum < 64 || maximum > 256 {
		return &plugin.Error{Path: "maxLength", Err: errors.New("must be from 64 to 256 characters; leave it out for 128")}
	}
	if p.Privileged != nil {
		if err := p.Privileged.Validate(); err != nil {
			return plugin.At("privileged", err)
		}
	}
	if err := p.Breached.check(); err != nil {
		return plugin.At("breached", err)
	}
	return nil
}

// Check returns every reason to refuse a new password, or nothing when it is
// good. The work is bounded whatever the length of the password.
func (p Policy) Check(chosen secret.String, about Context) []Reason {
	text := chosen.Reveal()
	length := utf8.RuneCountInString(text)
	switch {
	case length > p.maximum():
		return []Reason{TooLong}
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return []Reason{Control}
	}
	var reasons []Reason
	if length < p.MinimumFor(about) {
		reasons = append(reasons, TooShort)
	}
	plain := fold(text)
	if common(plain) {
		reasons = append(reasons, Common)
	}
	if holdsAny(plain, p.Words) || holdsAny(plain, about.words()) {
		reasons = append(reasons, Personal)
	}
	if patterned(text) {
		reasons = append(reasons, Sequence)
	}
	rules := presets[p.Preset]
	if used := classesOf(text); used.kinds() < rules.classes {
		reasons = append(reasons, Classes)
	} else if len(reasons) == 0 && (used.bits(length) < rules.bits || bits(plain) < minBits) {
		reasons = append(reasons, Weak)
	}
	if len(reasons) == 0 && p.Breached.holds(text) {
		reasons = append(reasons, Leaked)
	}
	return reasons
}
