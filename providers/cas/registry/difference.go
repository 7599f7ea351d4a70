package registry

import "regexp"

// Difference shows an operator where two service URLs part: how many bytes
// they share and what each goes on with, in the normal form of the service of
// the first. Tickets are left out.
func (r *Registry) Difference(issued, validated string) (at int, one, other string) {
	if a, b, ok := r.forms(issued, validated); ok {
		issued, validated = a, b
	}
	issued, validated = hidden(issued), hidden(validated)
	for at < len(issued) && at < len(validated) && issued[at] == validated[at] {
		at++
	}
	return at, excerpt(issued[at:]), excerpt(validated[at:])
}

// Shown is a service URL as a log may hold it: without a ticket, and not
// longer than a line.
func Shown(service string) string { return excerpt(hidden(service)) }

// tickets are where they stand in a URL.
var tickets = regexp.MustCompile(`(ticket|SAMLart)=[^&#]*`)

func hidden(service string) string { return tickets.ReplaceAllString(service, "$1=") }

func excerpt(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
