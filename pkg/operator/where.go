package operator

import (
	"fmt"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// Unread is a line of a condition that asks for what the directory does not
// read.
type Unread struct{ Attribute string }

func (u *Unread) Error() string {
	return fmt.Sprintf("operator: the directory does not read %q", u.Attribute)
}

// Where reads a condition as operators type it, each line as of Asks; all of the
// lines must hold. No line holds for everybody. The error is an *Unread.
func (d *Desk) Where(typed string) (account.Condition, error) {
	var all []account.Condition
	for line := range strings.Lines(typed) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		asks := Asks(line)
		if err := Reads(d.Directory, asks); err != nil {
			return account.Condition{}, err
		}
		all = append(all, asks)
	}
	if all == nil {
		return account.Condition{}, nil
	}
	return account.Condition{All: all}, nil
}

// Asks reads one line of a condition: an attribute, which must have a value, or
// "attribute = value; value" for one of these, with "!" before it for the
// contrary.
func Asks(line string) account.Condition {
	line, not := strings.CutPrefix(strings.TrimSpace(line), "!")
	name, values, some := strings.Cut(line, "=")
	asks := account.Condition{Attribute: strings.TrimSpace(name)}
	if some {
		asks.In = []string{}
		for value := range strings.SplitSeq(values, ";") {
			asks.In = append(asks.In, strings.TrimSpace(value))
		}
	}
	if not {
		return account.Condition{Not: &asks}
	}
	return asks
}

// Reads makes sure that a directory reads what a line asks for. The error is an
// *Unread.
func Reads(d directory.Directory, asks account.Condition) error {
	if asks.Not != nil {
		asks = *asks.Not
	}
	reads, ok := d.(directory.Selecting)
	if asks.Attribute == "" || ok && !account.IsOwn(asks.Attribute) && !reads.Reads(asks.Attribute) {
		return &Unread{asks.Attribute}
	}
	return nil
}
