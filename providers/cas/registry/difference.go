package registry

import "strings"

// Difference shows an operator where two service URLs part: what they share,
// shortened, and what each goes on with. Tickets are left out.
func Difference(issued, validated string) (at int, one, other string) {
	issued, validated = withoutTicket(issued), withoutTicket(validated)
	for at < len(issued) && at < len(validated) && issued[at] == validated[at] {
		at++
	}
	return at, excerpt(issued[at:]), excerpt(validated[at:])
}

// Shown is a service URL as a log may hold it: without a ticket, and not
// longer than a line.
func Shown(service string) string { return excerpt(withoutTicket(service)) }

func withoutTicket(service string) string {
	before, rest, found := strings.Cut(service, "ticket=")
	if !found {
		return service
	}
	if end := strings.IndexAny(rest, "&#"); end >= 0 {
		return before + "ticket=" + rest[end:]
	}
	return before + "ticket="
}

func excerpt(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
