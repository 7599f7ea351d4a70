package ldapserver

import (
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// truth is the three-valued logic of filters (RFC 4511 section 4.5.1.7): the
// least of an "and" holds, the greatest of an "or", and "not" turns the sign.
type truth int

const (
	no        truth = -1
	undefined truth = 0
	yes       truth = 1
)

func is(b bool) truth {
	if b {
		return yes
	}
	return no
}

// evaluate tells whether an entry matches a filter.
func (s *Schema) evaluate(filter *ber.Packet, o *object) truth {
	switch filter.Tag {
	case goldap.FilterAnd:
		out := yes
		for _, f := range filter.Children {
			out = min(out, s.evaluate(f, o))
		}
		return out
	case goldap.FilterOr:
		out := no
		for _, f := range filter.Children {
			out = max(out, s.evaluate(f, o))
		}
		return out
	case goldap.FilterNot:
		return -s.evaluate(part(filter, 0), o)
	case goldap.FilterPresent:
		return is(len(o.values(text(filter))) > 0)
	case goldap.FilterSubstrings:
		return s.substrings(filter, o)
	case goldap.FilterExtensibleMatch:
		return s.extensible(filter, o)
	}
	name, value := text(part(filter, 0)), text(part(filter, 1))
	var matches func(stored string) bool
	switch filter.Tag {
	case goldap.FilterEqualityMatch, goldap.FilterApproxMatch:
		return s.equals(name, o.values(name), value)
	case goldap.FilterGreaterOrEqual:
		matches = func(stored string) bool { return s.compare(name, stored, value) >= 0 }
	case goldap.FilterLessOrEqual:
		matches = func(stored string) bool { return s.compare(name, stored, value) <= 0 }
	default:
		panic(malformed)
	}
	for _, stored := range o.values(name) {
		if matches(stored) {
			return yes
		}
	}
	return no
}

// standOn are the classes of core and inetOrgPerson that stand on another one: a
// program that looks for a person finds an inetOrgPerson (RFC 4512 section 3.3).
// All stand on top.
var standOn = map[string][]string{
	"person":               {"organizationalPerson", "inetOrgPerson"},
	"organizationalperson": {"inetOrgPerson"},
}

// equals looks for a value among those of an attribute.
func (s *Schema) equals(name string, stored []string, value string) truth {
	found := s.matches(s.of(name), stored, value)
	if found == yes || !strings.EqualFold(name, "objectClass") {
		return found
	}
	higher := standOn[strings.ToLower(value)]
	return is(strings.EqualFold(value, "top") && len(stored) > 0 ||
		slices.ContainsFunc(stored, func(class string) bool { return asked(higher, class) }))
}

// matches looks for a value among those stored, by one rule.
func (s *Schema) matches(r rule, stored []string, value string) truth {
	want, ok := s.prepare(r, value)
	if !ok {
		return undefined
	}
	for _, v := range stored {
		if have, ok := s.prepare(r, v); ok && have == want {
			return yes
		}
	}
	return no
}

func (s *Schema) substrings(filter *ber.Packet, o *object) truth {
	name, pieces := text(part(filter, 0)), part(filter, 1).Children
	if len(pieces) == 0 {
		panic(malformed)
	}
	r := s.of(name)
	for _, v := range o.values(name) {
		if rest, ok := s.prepare(r, v); ok && s.follows(r, rest, pieces) {
			return yes
		}
	}
	return no
}

// follows tells whether a prepared value has the pieces in order.
func (s *Schema) follows(r rule, rest string, pieces []*ber.Packet) bool {
	for _, p := range pieces {
		piece, ok := s.prepare(r, text(p))
		at := strings.Index(rest, piece)
		switch {
		case !ok:
			return false
		case p.Tag == goldap.FilterSubstringsInitial:
			ok = at == 0
		case p.Tag == goldap.FilterSubstringsFinal:
			return strings.HasSuffix(rest, piece)
		default:
			ok = at >= 0
		}
		if !ok {
			return false
		}
		rest = rest[at+len(piece):]
	}
	return true
}

// namedRules are the rules that a filter may name, by name and by OID.
var namedRules = map[string]rule{
	"caseignorematch": caseIgnore, "2.5.13.2": caseIgnore,
	"caseexactmatch": caseExact, "2.5.13.5": caseExact,
	"caseignoreia5match": caseIgnoreIA5, "1.3.6.1.4.1.1466.109.114.2": caseIgnoreIA5,
	"distinguishednamematch": nameOf, "2.5.13.1": nameOf,
	"octetstringmatch": octets, "2.5.13.17": octets,
}

// extensible is "attribute:rule:=value" (RFC 4511 section 4.5.1.7.7), with
// the attribute named.
func (s *Schema) extensible(filter *ber.Packet, o *object) truth {
	var name, ruleName, value string
	for _, p := range filter.Children {
		switch p.Tag {
		case goldap.MatchingRuleAssertionMatchingRule:
			ruleName = strings.ToLower(text(p))
		case goldap.MatchingRuleAssertionType:
			name = text(p)
		case goldap.MatchingRuleAssertionMatchValue:
			value = text(p)
		}
	}
	if name == "" {
		return undefined
	}
	if ruleName == "" {
		return s.equals(name, o.values(name), value)
	}
	r, known := namedRules[ruleName]
	if !known {
		return undefined
	}
	return s.matches(r, o.values(name), value)
}
