package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/sso"
)

// known is an application that was found, and what speaks to it.
type known struct {
	sso.Found
	protocol string
}

// applications says whose the service URLs and client identifiers are.
func (d *doctor) applications(server *Server, asked []string) []known {
	var found []known
	for _, each := range asked {
		var why []string
		before := len(found)
		for i, protocol := range server.protocols {
			name := d.config.protocolNames()[i]
			finder, ok := protocol.(sso.Finder)
			if !ok {
				continue
			}
			if one, err := finder.Find(each); err != nil {
				why = append(why, name+": "+err.Error())
			} else {
				d.fine("service", "%s is %s, by the %s of %s", each, one.Name, one.Rule, name)
				found = append(found, known{one, name})
			}
		}
		if len(found) == before {
			d.findings = append(d.findings, Finding{Part: "service", What: each + " is nobody's: " + strings.Join(why, "; "),
				Mend: "register it, or look for what differs from what is registered"})
		}
	}
	if len(asked) == 2 {
		d.compare(server, asked[0], asked[1], found)
	}
	return found
}

// compare says whether two service URLs are the same, as they must be at login
// and at validation.
func (d *doctor) compare(server *Server, first, second string, found []known) {
	for i, protocol := range server.protocols {
		name := d.config.protocolNames()[i]
		comparer, ok := protocol.(sso.Comparer)
		another := slices.ContainsFunc(found, func(k known) bool { return k.protocol != name })
		if !ok || another || found == nil {
			continue
		}
		if difference := comparer.Difference(first, second); difference != "" {
			d.findings = append(d.findings, Finding{Part: "service", What: "for " + name + " the two URLs are not the same: " + difference,
				Mend: "let the application send the same URL twice, or have the difference ignored under normalise"})
		} else {
			d.fine("service", "for %s the two URLs are the same", name)
		}
	}
}

// visit says what an application would be told of an account, values and all:
// an operator who asks for both wants to see them.
func (d *doctor) visit(k known, a account.Account) {
	now, place := time.Now(), k.Name+" ("+k.protocol+")"
	if why := k.Admit(a, now); why != account.ReasonNone {
		d.findings = append(d.findings, Finding{Part: "service", What: place + ": may not enter: " + refusal(k.RelyingParty, a, why, now),
			Mend: "if that is not meant, change the account, or grace, access or user of the application"})
		return
	}
	d.fine("service", "%s: may enter: the account is %s; access: %s", place, a.Status, k.Access.Explain(a, now))
	for _, told := range k.Told(a) {
		d.fine("service", "%s: %s = %s", place, told.Name, quoted(told.Values))
	}
}

// refusal says which of the rules of Admit refuses an account.
func refusal(p sso.RelyingParty, a account.Account, why account.Reason, now time.Time) string {
	switch {
	case !a.Status.MayLogin():
		return fmt.Sprintf("the account is %s (%s)", a.Status, why)
	case why == account.ReasonDeparture:
		return "the account is in grace, and the application does not allow that"
	case !p.Access.Holds(a, now):
		return "access: " + p.Access.Explain(a, now)
	}
	name := cmp.Or(p.User.Name, account.ValueLogin)
	return fmt.Sprintf("it is known by %s, of which it has %d values instead of one that can be told", name, len(a.Values(name)))
}

func quoted(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(out, ", ")
}
