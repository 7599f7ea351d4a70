package ldapserver

import (
	"regexp"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// rule is an equality matching rule (RFC 4517 section 4.2).
type rule string

// The rules that differ in what they fold.
const (
	caseIgnore    rule = "caseIgnoreMatch"
	caseIgnoreIA5 rule = "caseIgnoreIA5Match"
	caseExact     rule = "caseExactMatch"
	telephone     rule = "telephoneNumberMatch"
	nameOf        rule = "distinguishedNameMatch"
	octets        rule = "octetStringMatch"
)

// Schema knows by which rule each attribute is compared. Attributes it does
// not know are compared without regard to case.
type Schema struct{ rules map[string]rule }

// builtIn are the attributes of core, cosine, inetOrgPerson and the password
// policy that do not follow caseIgnoreMatch.
var builtIn = map[string]rule{
	"userpassword": octets, "unicodepwd": octets, "objectguid": octets, "jpegphoto": octets, "usercertificate": octets,
	"mail": caseIgnoreIA5, "dc": caseIgnoreIA5,
	"mobile": telephone, "pager": telephone, "telephonenumber": telephone, "homephone": telephone, "facsimiletelephonenumber": telephone,
	"member": nameOf, "owner": nameOf, "manager": nameOf, "seealso": nameOf, "roleoccupant": nameOf, "memberof": nameOf,
	"labeleduri": caseExact, "homedirectory": caseExact,
}

var (
	definition = regexp.MustCompile(`(?s)attributetype \(([^()]*)\)`)
	nameIn     = regexp.MustCompile(`NAME '([^']+)'`)
	equalityIn = regexp.MustCompile(`EQUALITY (\S+)`)
	superIn    = regexp.MustCompile(`SUP (\S+)`)
)

// ParseSchema reads the attribute types of an OpenLDAP schema file, as far as
// matching goes: NAME, SUP and EQUALITY.
func ParseSchema(text string) *Schema {
	s := &Schema{rules: map[string]rule{}}
	for name, r := range builtIn {
		s.rules[name] = r
	}
	for _, d := range definition.FindAllStringSubmatch(text, -1) {
		name := nameIn.FindStringSubmatch(d[1])
		if name == nil {
			continue
		}
		key := strings.ToLower(name[1])
		if equality := equalityIn.FindStringSubmatch(d[1]); equality != nil {
			s.rules[key] = rule(equality[1])
		} else if super := superIn.FindStringSubmatch(d[1]); super != nil {
			s.rules[key] = s.of(super[1])
		}
	}
	return s
}

func (s *Schema) of(attribute string) rule {
	if r, ok := s.rules[strings.ToLower(attribute)]; ok {
		return r
	}
	return caseIgnore
}

// prepare brings a value to the form in which equal values are the same
// string. ok is false for a value that the rule's syntax does not have: the
// comparison is then Undefined (RFC 4511 section 4.5.1.7).
func (s *Schema) prepare(r rule, value string) (prepared string, ok bool) {
	switch r {
	case octets:
		return value, true
	case caseExact, "caseExactIA5Match":
		return spaces(norm.NFKC.String(value)), true
	case caseIgnoreIA5:
		return spaces(strings.ToLower(value)), ascii(value)
	case telephone:
		return strings.NewReplacer(" ", "", "-", "").Replace(strings.ToLower(value)), true
	case nameOf:
		return s.nameKey(value)
	}
	if ascii(value) { // the same, and what nearly every value is
		return spaces(strings.ToLower(value)), true
	}
	// As OpenLDAP does: fullwidth letters and other compatibility forms fold,
	// look-alikes of other alphabets and invisible characters do not.
	return spaces(cases.Fold().String(norm.NFKC.String(value))), true
}

// spaces removes them at both ends and keeps one of each run (RFC 4518
// section 2.6.1).
func spaces(value string) string {
	if !strings.ContainsAny(value, " \t\n\v\f\r") && ascii(value) {
		return value
	}
	return strings.Join(strings.Fields(value), " ")
}

func ascii(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r > 0x7f })
}

// nameKey is a DN in the form in which equal DNs are the same string.
func (s *Schema) nameKey(dn string) (string, bool) {
	parsed, err := goldap.ParseDN(dn)
	if err != nil {
		return "", false
	}
	var key strings.Builder
	for _, rdn := range parsed.RDNs {
		for _, a := range rdn.Attributes {
			value, _ := s.prepare(s.of(a.Type), a.Value)
			key.WriteString(strings.ToLower(a.Type) + "=" + strconv.Quote(value) + "+")
		}
		key.WriteByte(',')
	}
	return key.String(), true
}

// compare orders two values for >= and <=: numbers as numbers, the rest, dates
// among them, as text.
func (s *Schema) compare(attribute, a, b string) int {
	if x, err := strconv.ParseInt(a, 10, 64); err == nil {
		if y, err := strconv.ParseInt(b, 10, 64); err == nil {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	}
	a, _ = s.prepare(s.of(attribute), a)
	b, _ = s.prepare(s.of(attribute), b)
	return strings.Compare(a, b)
}
