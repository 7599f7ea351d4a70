package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// fullAge is in months (article 388 of the Code civil: 18 years).
	fullAge = 18 * 12
	// maxRelatives is how many relatives of one child are looked at.
	maxRelatives = 10
)

// minor reports whether somebody is known to be one.
func (d *dir) minor(a account.Account) bool {
	return !a.Birth.IsZero() && account.DateOf(d.now()).Before(a.Birth.AddMonths(fullAge))
}

// relatives are the contacts of those who have parental authority over a child
// (requirement R63), but for those whose own account is closed or locked.
func (d *dir) relatives(ctx context.Context, child string) ([]account.Contact, error) {
	request := d.request(lookup{attribute: d.schema.Attributes.Children}.filter(child))
	request.SizeLimit = maxRelatives
	result, err := d.searches.search(ctx, request)
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded) {
		return nil, unavailable("relatives", err)
	}
	var out []account.Contact
	for _, found := range result.Entries {
		if principal := d.principal(found); principal != "" {
			found, err = d.entry(ctx, d.at(principal))
			if errors.Is(err, directory.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		a, err := d.usable(found)
		if err != nil || a.Status == account.Locked || a.Status == account.Disabled {
			continue
		}
		for _, c := range a.Contacts {
			if !slices.ContainsFunc(out, func(o account.Contact) bool { return o.Kind == c.Kind && strings.EqualFold(o.Value, c.Value) }) {
				out = append(out, c)
			}
		}
	}
	return out, nil
}
