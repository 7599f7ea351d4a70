// Package lifecycle owns what happens to an account while nobody looks: its
// sessions end when it is closed, and its holder hears in time that it will be.
package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
)

// Config is what a house decides about the life of its accounts.
type Config struct {
	// Reminders are how many days before the end of an account its holder is
	// written to; 30 and 10 when unset (requirement R13).
	Reminders []int `json:"reminders"`
	// Grace says for whom an account lasts how much longer; the first that
	// holds counts. Where the directory has the end of a grace, that holds.
	Grace []Grace `json:"grace"`
	// PerSecond is as of Watch; DefaultPerSecond when unset.
	PerSecond int `json:"perSecond"`
}

// Grace is the time that people of one kind have after they left.
type Grace struct {
	Who account.Condition `json:"who,omitzero"`
	// Months is how long it lasts, and how much one extension adds.
	Months int `json:"months"`
	// Renewable says that it can be asked for again.
	Renewable bool `json:"renewable"`
}

// Validate reports what cannot be meant. An error names the key.
func (c Config) Validate() error {
	for i, days := range c.Reminders {
		if days < 1 || days > 365 || slices.Contains(c.Reminders[:i], days) {
			return plugin.At(fmt.Sprintf("reminders[%d]", i), errors.New("must be a number of days from 1 to 365, once"))
		}
	}
	for i, g := range c.Grace {
		if g.Months < 1 || g.Months > 120 {
			return plugin.At(fmt.Sprintf("grace[%d].months", i), errors.New("must be from 1 to 120"))
		}
		if err := g.Who.Validate(); err != nil {
			return plugin.At(fmt.Sprintf("grace[%d].who", i), err)
		}
	}
	if c.PerSecond < 0 {
		return plugin.At("perSecond", errors.New("must not be negative"))
	}
	return nil
}

// GraceOf is the rule for an account; the zero Grace when there is none.
func (c Config) GraceOf(a account.Account, now time.Time) Grace {
	for _, g := range c.Grace {
		if g.Who.Holds(a, now) {
			return g
		}
	}
	return Grace{}
}

// step is the reminder that is due so many days before the end: the one that
// is nearest to the end. Zero: none yet.
func (c Config) step(left int) int {
	steps := c.Reminders
	if steps == nil {
		steps = []int{30, 10}
	}
	due := 0
	for _, days := range steps {
		if left <= days && (due == 0 || days < due) {
			due = days
		}
	}
	return due
}

// daysLeft counts from today to the day of an end, in account.Place: 0 on the
// last day, negative afterwards.
func daysLeft(ends, now time.Time) int {
	day := func(t time.Time) time.Time {
		t = t.In(account.Place)
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return int(day(ends).Sub(day(now)) / (24 * time.Hour))
}
