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

// Where reads a condition as operators type it: on each line an attribute, or
// "attribute = value; value" for one of these, with "!" before it for the
// contrary; all of the lines must hold. No line holds for everybody. The error
// is an *Unread.
func (d *Desk) Where(typed string) (account.Condition, error) {
	var all []account.Condition
	for line := range strings.Lines(typed) {
		line, not := strings.CutPrefix(strings.TrimSpace(line), "!")
		if line == "" {
			continue
		}
		name, values, some := strings.Cut(line, "=")
		asks := account.Condition{Attribute: strings.TrimSpace(name)}
		if asks.Attribute == "" || directory.Unread(d.Directory, asks.Attribute) != nil {
			return account.Condition{}, &Unread{asks.Attribute}
		}
		if some {
			asks.In = []string{}
			for value := range strings.SplitSeq(values, ";") {
				asks.In = append(asks.In, strings.TrimSpace(value))
			}
		}
		if not {
			all = append(all, account.Condition{Not: &asks})
		} else {
			all = append(all, asks)
		}
	}
	if all == nil {
		return account.Condition{}, nil
	}
	return account.Condition{All: all}, nil
}
