package portal

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"
)

// notes keep what must be known of an account for years, in the account itself:
// values like "loge:charter=2026-09" of an attribute of the directory. What else
// stands there is left as it is.
type notes struct {
	directory interface {
		directory.Reader
		directory.Editor
	}
	attribute string
}

const noteMark = "loge:"

// of returns what is noted of an account by a name; empty for nothing.
func (n notes) of(a account.Account, name string) string {
	for _, value := range a.Attributes[n.attribute] {
		if noted, ok := strings.CutPrefix(value, noteMark+name+"="); ok {
			return noted
		}
	}
	return ""
}

// write notes something, or forgets it when the value is empty, and returns the
// account as it is then. Who else writes there at the same time is not undone.
// The error wraps directory.ErrUnavailable or directory.ErrConflict.
func (n notes) write(ctx context.Context, id account.ID, name, value string) (account.Account, error) {
	for range 3 {
		a, err := n.directory.Get(ctx, id)
		if err != nil {
			return a, err
		}
		from := a.Attributes[n.attribute]
		to := slices.DeleteFunc(slices.Clone(from), func(v string) bool { return strings.HasPrefix(v, noteMark+name+"=") })
		if value != "" {
			to = append(to, noteMark+name+"="+value)
		}
		switch err := n.directory.Edit(ctx, id, n.attribute, from, to); {
		case errors.Is(err, directory.ErrConflict):
			continue
		case err != nil:
			return a, err
		}
		return n.directory.Get(ctx, id)
	}
	return account.Account{}, directory.ErrConflict
}
